"""What the official SDK needs to fetch time tracking categories, timesheets, allocations, budgets and rates."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

Record = dict[str, Any]


def fetch_resourcing(
    fetch: Callable[..., list[Record]],
    projects: Iterable[str],
    workspace_gid: str,
    not_on_plan: type[Exception],
) -> None:
    """Fetch them.

    Args:
        fetch: Calls a method of the SDK: endpoint, workspace, method, path parameters, query parameters.
        projects: The gids of the workspace's projects.
        workspace_gid: The workspace.
        not_on_plan: Raised for a 402, after which the endpoint is not requested any more.
    """
    gid = workspace_gid
    for archived in (False, True):
        with contextlib.suppress(not_on_plan):
            method = "TimeTrackingCategories.get_time_tracking_categories"
            fetch("time_tracking_categories", gid, method, gid, is_archived=str(archived).lower())
    with contextlib.suppress(not_on_plan):
        method = "TimesheetApprovalStatuses.get_timesheet_approval_statuses"
        fetch("timesheet_approval_statuses", gid, method, gid)
    with contextlib.suppress(not_on_plan):
        fetch("allocations", gid, "Allocations.get_allocations", workspace=gid)
    with contextlib.suppress(not_on_plan):
        for project in projects:
            fetch("budgets", gid, "Budgets.get_budgets", project)
    with contextlib.suppress(not_on_plan):
        for project in projects:
            fetch("rates", gid, "Rates.get_rates", parent=project)
