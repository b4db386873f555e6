"""Asana's documented paths for the endpoints of the sandbox, and the handler of each.

A handler validates the request, checks access and returns the objects. Pagination and rendering are done elsewhere.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, TypeAlias

from asana_assets.sandbox.api import errors
from asana_assets.sandbox.api.errors import ApiError
from asana_assets.sandbox.api.routes import customization, people, projects, reporting, resourcing, streams, tasks

if TYPE_CHECKING:
    from asana_assets.sandbox.api.request import Query
    from asana_assets.sandbox.api.routes.lookup import Lookup
    from asana_assets.sandbox.api.routes.results import Result

_Handler: TypeAlias = "Callable[[Lookup, str, Query], Result]"
"""Takes the gid in the path, which is empty if the path has none."""


def dispatch(lookup: Lookup, path: str, query: Query) -> Result:
    """Return the result of the route that matches the path.

    Raises:
        ApiError: No route matches, or the route returns an error.
    """
    segments = path.strip("/").split("/")
    gid = segments[1] if len(segments) > 1 else ""
    template = "/".join((segments[0], "*", *segments[2:]) if len(segments) > 1 else segments)
    handler = _ROUTES.get(template)
    if handler is None:
        raise ApiError(404, errors.NO_MATCHING_ROUTE)
    return handler(lookup, gid, query)


def _single(kind: str) -> _Handler:
    return lambda lookup, gid, _query: lookup.find(gid, kind)


_ROUTES: dict[str, _Handler] = {
    "workspaces": people.workspaces,
    "users": people.users,
    "users/*": people.user,
    "workspaces/*/users": people.users_of_workspace,
    "teams/*/users": people.users_of_team,
    "users/*/user_task_list": people.user_task_list,
    "workspaces/*/teams": people.teams,
    "users/*/teams": people.teams_of_user,
    "team_memberships": people.team_memberships,
    "teams/*/team_memberships": people.team_memberships_of_team,
    "users/*/team_memberships": people.team_memberships_of_user,
    "workspaces/*/workspace_memberships": people.workspace_memberships,
    "users/*/workspace_memberships": people.workspace_memberships_of_user,
    "projects": projects.projects,
    "workspaces/*/projects": projects.projects_of_workspace,
    "teams/*/projects": projects.projects_of_team,
    "tasks/*/projects": projects.projects_of_task,
    "projects/*/task_counts": projects.task_counts,
    "project_templates": projects.templates,
    "teams/*/project_templates": projects.templates_of_team,
    "projects/*/sections": projects.sections,
    "tags": projects.tags,
    "workspaces/*/tags": projects.tags_of_workspace,
    "tasks/*/tags": projects.tags_of_task,
    "status_updates": projects.status_updates,
    "webhooks": projects.webhooks,
    "tasks": tasks.tasks,
    "projects/*/tasks": tasks.tasks_of_project,
    "sections/*/tasks": tasks.tasks_of_section,
    "tags/*/tasks": tasks.tasks_of_tag,
    "user_task_lists/*/tasks": tasks.tasks_of_user_task_list,
    "workspaces/*/tasks/search": tasks.search,
    "tasks/*/subtasks": tasks.subtasks,
    "tasks/*/stories": tasks.stories,
    "attachments": tasks.attachments,
    "stories/*": _single("story"),
    **customization.ROUTES,
    **reporting.ROUTES,
    **resourcing.ROUTES,
    **{
        f"{kind}s/*": _single(kind)
        for kind in (
            *("workspace", "team", "team_membership", "workspace_membership", "project", "project_template", "section"),
            *("tag", "task", "attachment", "status_update", "webhook", "user_task_list", "project_brief"),
            *(
                "custom_field",
                "custom_type",
                "task_template",
                "membership",
                "project_portfolio_setting",
                "role",
                "agent",
            ),
        )
    },
    **streams.ROUTES,
}
"""By path, with `*` for the gid."""
