"""What the official SDK needs to fetch custom fields, templates, briefs, members, roles and absences."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

Record = dict[str, Any]


def fetch_customization(
    fetch: Callable[..., list[Record]],
    tables: Mapping[tuple[str, str], Mapping[str, Record]],
    workspace_gid: str,
    not_on_plan: type[Exception],
) -> None:
    """Fetch them, given the records of the standard endpoints.

    Args:
        fetch: Calls a method of the SDK: endpoint, workspace, method, path parameters, query parameters.
        tables: The records fetched so far, by endpoint and workspace, then by gid.
        workspace_gid: The workspace.
        not_on_plan: Raised for a 402, after which the endpoint is not requested any more.
    """
    gid = workspace_gid
    projects, users, tasks = (tables.get((name, gid), {}) for name in ("projects", "users", "tasks"))
    for kind in ("project", "team", "portfolio", "goal"):
        method = f"CustomFieldSettings.get_custom_field_settings_for_{kind}"
        for parent in tables.get((f"{kind}s", gid), {}).values():
            if parent.get("custom_field_settings"):
                fetch("custom_field_settings", gid, method, parent["gid"])
    settings = tables.get(("custom_field_settings", gid), {}).values()
    with contextlib.suppress(not_on_plan):
        library = fetch("custom_fields", gid, "CustomFields.get_custom_fields_for_workspace", gid)
        used = {setting["custom_field"]["gid"] for setting in settings}
        for field in sorted(used.difference(field["gid"] for field in library)):
            fetch("custom_fields", gid, "CustomFields.get_custom_field", field)
    for custom_type in sorted({kind["gid"] for task in tasks.values() if (kind := task.get("custom_type"))}):
        fetch("custom_types", gid, "CustomTypes.get_custom_type", custom_type)
    with contextlib.suppress(not_on_plan):
        for project in projects:
            method = "ProjectPortfolioSettings.get_project_portfolio_settings_for_project"
            fetch("project_portfolio_settings", gid, method, project)
    for project in projects.values():
        fetch("task_templates", gid, "TaskTemplates.get_task_templates", project=project["gid"])
        fetch("project_memberships", gid, "Memberships.get_memberships", parent=project["gid"])
        fetch("access_requests", gid, "AccessRequests.get_access_requests", project["gid"])
        if project["project_brief"] is not None:
            fetch("project_briefs", gid, "ProjectBriefs.get_project_brief", project["project_brief"]["gid"])
    for user in users:
        fetch("user_task_lists", gid, "UserTaskLists.get_user_task_list_for_user", user, gid)
        fetch("ooo_entries", gid, "OooEntries.get_ooo_entries", user, gid)
    fetch("roles", gid, "Roles.get_roles", gid)
    fetch("agents", gid, "Agents.get_agents_for_workspace", gid)
