"""The endpoint registry: one constant per endpoint of Asana, in a module for each area.

Every readable field that Asana has not deprecated is a column, except `download_url` and `view_url` of attachments,
which expire within minutes. To add a column, add a line; to add an endpoint, add a constant and its name in
`ENDPOINTS`. Columns that several endpoints share are in `shared_columns`.

Fields and paths: https://developers.asana.com/reference/rest-api-reference
"""

from asana_assets.asana.endpoints.activity import ATTACHMENTS, STATUS_UPDATES, STORIES, WEBHOOKS
from asana_assets.asana.endpoints.customization import (
    CUSTOM_FIELD_SETTINGS,
    CUSTOM_FIELDS,
    CUSTOM_TYPES,
    TASK_TEMPLATES,
)
from asana_assets.asana.endpoints.organization import AGENTS, OOO_ENTRIES, ROLES, USER_TASK_LISTS
from asana_assets.asana.endpoints.people import TEAM_MEMBERSHIPS, TEAMS, USERS, WORKSPACE_MEMBERSHIPS, WORKSPACES
from asana_assets.asana.endpoints.project_details import (
    ACCESS_REQUESTS,
    PROJECT_BRIEFS,
    PROJECT_MEMBERSHIPS,
    PROJECT_PORTFOLIO_SETTINGS,
)
from asana_assets.asana.endpoints.reporting import (
    GOAL_RELATIONSHIPS,
    GOALS,
    PORTFOLIO_ITEMS,
    PORTFOLIO_MEMBERSHIPS,
    PORTFOLIOS,
    TIME_PERIODS,
)
from asana_assets.asana.endpoints.resourcing import (
    ALLOCATIONS,
    BUDGETS,
    RATES,
    TIME_TRACKING_CATEGORIES,
    TIMESHEET_APPROVAL_STATUSES,
)
from asana_assets.asana.endpoints.streams import AUDIT_LOG_EVENTS, TIME_TRACKING_ENTRIES
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
    "ACCESS_REQUESTS",
    "AGENTS",
    "ALLOCATIONS",
    "ATTACHMENTS",
    "AUDIT_LOG_EVENTS",
    "BUDGETS",
    "CUSTOM_FIELDS",
    "CUSTOM_FIELD_SETTINGS",
    "CUSTOM_TYPES",
    "ENDPOINTS",
    "GOALS",
    "GOAL_RELATIONSHIPS",
    "OOO_ENTRIES",
    "PORTFOLIOS",
    "PORTFOLIO_ITEMS",
    "PORTFOLIO_MEMBERSHIPS",
    "PROJECTS",
    "PROJECT_BRIEFS",
    "PROJECT_MEMBERSHIPS",
    "PROJECT_PORTFOLIO_SETTINGS",
    "PROJECT_TEMPLATES",
    "RATES",
    "ROLES",
    "SECTIONS",
    "STANDARD_ENDPOINTS",
    "STATUS_UPDATES",
    "STORIES",
    "SUBTASKS",
    "TAGS",
    "TASKS",
    "TASK_SEARCH_PATH",
    "TASK_TEMPLATES",
    "TEAMS",
    "TEAM_MEMBERSHIPS",
    "TIMESHEET_APPROVAL_STATUSES",
    "TIME_PERIODS",
    "TIME_TRACKING_CATEGORIES",
    "TIME_TRACKING_ENTRIES",
    "USERS",
    "USER_TASK_LISTS",
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

ENDPOINTS = (
    WORKSPACES,
    USERS,
    TEAMS,
    TEAM_MEMBERSHIPS,
    WORKSPACE_MEMBERSHIPS,
    PROJECTS,
    PROJECT_TEMPLATES,
    PORTFOLIOS,
    PORTFOLIO_ITEMS,
    PORTFOLIO_MEMBERSHIPS,
    TIME_PERIODS,
    GOALS,
    GOAL_RELATIONSHIPS,
    SECTIONS,
    TAGS,
    TASKS,
    SUBTASKS,
    STORIES,
    ATTACHMENTS,
    STATUS_UPDATES,
    WEBHOOKS,
    CUSTOM_FIELD_SETTINGS,
    CUSTOM_FIELDS,
    CUSTOM_TYPES,
    TASK_TEMPLATES,
    PROJECT_BRIEFS,
    PROJECT_MEMBERSHIPS,
    PROJECT_PORTFOLIO_SETTINGS,
    ACCESS_REQUESTS,
    USER_TASK_LISTS,
    OOO_ENTRIES,
    ROLES,
    AGENTS,
    TIME_TRACKING_CATEGORIES,
    TIMESHEET_APPROVAL_STATUSES,
    ALLOCATIONS,
    BUDGETS,
    RATES,
    TIME_TRACKING_ENTRIES,
    AUDIT_LOG_EVENTS,
)
"""All endpoints, parents before children."""
