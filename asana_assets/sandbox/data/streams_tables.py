"""Which time tracking entries and events of the audit log a completed sync contains.

Events that Asana deleted are still in the truth, because a sync before that stored them for good.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from asana_assets.sandbox.data.pages import pages

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from asana_assets.sandbox.data.model import Object
    from asana_assets.sandbox.data.store import Store


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


def _count_requests_of_log(store: Store, workspace_gid: str) -> int:
    if not store.get(workspace_gid, "workspace").flag("is_organization"):
        return 0
    events = len(listed_events(store, workspace_gid)) if workspace_gid in store.service_accounts else 0
    return pages(events) + (events > 0)  # an empty page shows that there are no more


REQUESTS: dict[str, Callable[[Store, str], int]] = {
    "time_tracking_entries": lambda store, gid: pages(len(list(_entries(store, gid)))),
    "audit_log_events": _count_requests_of_log,
}
"""By endpoint, the minimum number of requests of a full first sync of one workspace."""
