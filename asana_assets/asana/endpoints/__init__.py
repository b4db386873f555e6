"""The endpoint registry: one constant per endpoint of Asana, in a module for each area.

Every readable field that Asana has not deprecated is a column, except `download_url` and `view_url` of attachments,
which expire within minutes. To add a column, add a line; to add an endpoint, add a constant and its name in
`ENDPOINTS`. Columns that several endpoints share are in `shared_columns`.

Fields and paths: https://developers.asana.com/reference/rest-api-reference
"""

from asana_assets.asana.endpoints.activity import ATTACHMENTS, STATUS_UPDATES, STORIES, WEBHOOKS
from asana_assets.asana.endpoints.people import TEAM_MEMBERSHIPS, TEAMS, USERS, WORKSPACE_MEMBERSHIPS, WORKSPACES
from asana_assets.asana.endpoints.work import (
    PROJECT_TEMPLATES,
    PROJECTS,
    SECTIONS,
    SUBTASKS,
    TAGS,
    TASK_SEARCH_PATH,
    TASKS,
)

__all__ = [
    "ATTACHMENTS",
    "ENDPOINTS",
    "PROJECTS",
    "PROJECT_TEMPLATES",
    "SECTIONS",
    "STANDARD_ENDPOINTS",
    "STATUS_UPDATES",
    "STORIES",
    "SUBTASKS",
    "TAGS",
    "TASKS",
    "TASK_SEARCH_PATH",
    "TEAMS",
    "TEAM_MEMBERSHIPS",
    "USERS",
    "WEBHOOKS",
    "WORKSPACES",
    "WORKSPACE_MEMBERSHIPS",
]

STANDARD_ENDPOINTS = (
    WORKSPACES,
    USERS,
    TEAMS,
    TEAM_MEMBERSHIPS,
    WORKSPACE_MEMBERSHIPS,
    PROJECTS,
    PROJECT_TEMPLATES,
    SECTIONS,
    TAGS,
    TASKS,
    SUBTASKS,
    STORIES,
    ATTACHMENTS,
    STATUS_UPDATES,
    WEBHOOKS,
)
"""The endpoints that are synced by default."""

ENDPOINTS = (*STANDARD_ENDPOINTS,)
"""All endpoints, parents before children."""
