"""The rows of time tracking, allocations, budgets and rates, and the requests that they take at least."""

from __future__ import annotations

from typing import TYPE_CHECKING

from asana_assets.sandbox.data.pages import pages

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from asana_assets.sandbox.data.model import Object
    from asana_assets.sandbox.data.store import Store

_WORKSPACE_KINDS = {
    "time_tracking_categories": "time_tracking_category",
    "timesheet_approval_statuses": "timesheet_approval_status",
    "allocations": "allocation",
}
_PROJECT_KINDS = {"budgets": "budget", "rates": "rate"}


def _of_workspace(kind: str) -> Callable[[Store, str], list[Object]]:
    return lambda store, gid: list(store.workspace_objects(gid, kind).values()) if gid in store.paid_workspaces else []


def _of_projects(kind: str) -> Callable[[Store, str], Iterable[Object]]:
    return lambda store, gid: (
        one
        for project in store.projects(gid)
        if gid in store.paid_workspaces
        for one in store.belongings[kind, project.gid]
    )


def _requests_of_projects(kind: str) -> Callable[[Store, str], int]:
    def count(store: Store, gid: str) -> int:
        requests = sum(pages(len(store.belongings[kind, project.gid])) for project in store.projects(gid))
        return requests if gid in store.paid_workspaces else min(1, requests)

    return count


def _requests_of_categories(store: Store, gid: str) -> int:
    """Return those of the two listings of categories, the archived ones and the others."""
    archived = [one.flag("is_archived") for one in _of_workspace("time_tracking_category")(store, gid)]
    return pages(archived.count(True)) + pages(archived.count(False))


OBJECTS: dict[str, Callable[[Store, str], Iterable[Object]]] = {
    **{endpoint: _of_workspace(kind) for endpoint, kind in _WORKSPACE_KINDS.items()},
    **{endpoint: _of_projects(kind) for endpoint, kind in _PROJECT_KINDS.items()},
}
"""By endpoint."""
REQUESTS: dict[str, Callable[[Store, str], int]] = {
    **{
        endpoint: lambda store, gid, kind=kind: pages(len(_of_workspace(kind)(store, gid)))
        for endpoint, kind in _WORKSPACE_KINDS.items()
    },
    **{endpoint: _requests_of_projects(kind) for endpoint, kind in _PROJECT_KINDS.items()},
    "time_tracking_categories": _requests_of_categories,
}
"""By endpoint; if not on the plan, one request for each listing of the workspace, and one for its projects."""
