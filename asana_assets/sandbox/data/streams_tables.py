"""Which time tracking entries and events of the audit log a completed sync contains, and how many requests it takes.

Events that Asana deleted are still in the truth, because a sync before that stored them for good.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from asana_assets.sandbox.data.model import Object
    from asana_assets.sandbox.data.store import Store

_PAGE_SIZE = 100


def visible_entries(store: Store, workspace_gid: str) -> list[Object]:
    """Return the entries of the tasks that the token's user can see."""
    entries = store.workspace_objects(workspace_gid, "time_tracking_entry").values()
    tasks = ((entry, entry.ref("task")) for entry in entries)
    return [entry for entry, task in tasks if task and task.gid in store.objects and store.is_visible(task)]


def listed_events(store: Store, workspace_gid: str) -> list[Object]:
    """Return the events that Asana still has, oldest first."""
    events = store.workspace_objects(workspace_gid, "audit_log_event")
    kept = [event for gid, event in events.items() if gid not in store.expired_events]
    return sorted(kept, key=lambda event: (event.text("created_at"), event.gid))


def _entries(store: Store, workspace_gid: str) -> Iterable[Object]:
    return visible_entries(store, workspace_gid) if workspace_gid in store.paid_workspaces else ()


def _events(store: Store, workspace_gid: str) -> Iterable[Object]:
    return store.workspace_objects(workspace_gid, "audit_log_event").values()


OBJECTS: dict[str, Callable[[Store, str], Iterable[Object]]] = {
    "time_tracking_entries": _entries,
    "audit_log_events": _events,
}
"""By endpoint."""


def minimal_requests(store: Store, workspace_gid: str) -> dict[str, int]:
    """Return, by endpoint, the minimum number of requests of a full first sync of one workspace."""
    workspace = store.get(workspace_gid, "workspace")
    events = len(listed_events(store, workspace_gid)) if workspace_gid in store.service_accounts else 0
    pages = -(-events // _PAGE_SIZE) + 1  # an empty page shows that there are no more
    return {
        "time_tracking_entries": max(1, -(-len(list(_entries(store, workspace_gid))) // _PAGE_SIZE)),
        "audit_log_events": pages if workspace.flag("is_organization") else 0,
    }
