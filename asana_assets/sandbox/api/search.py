"""`GET /workspaces/{gid}/tasks/search`: filters, sorting, and an index that lags behind the data."""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, TypeAlias

from asana_assets.sandbox.api.errors import ApiError
from asana_assets.sandbox.api.request import MAX_LIMIT, Query, parse_instant, parse_limit
from asana_assets.sandbox.data.model import Object

if TYPE_CHECKING:
    from asana_assets.sandbox.data.store import Store

_SORT_FIELDS = {
    "created_at": "created_at",
    "modified_at": "modified_at",
    "completed_at": "completed_at",
    "due_date": "due_on",
}
_INSTANT_BOUND = re.compile(r"(created_at|modified_at|completed_at)\.(before|after)")
_DOCUMENTED = re.compile(r"\w+\.(any|not|all|before|after)|(due|start|created|completed|modified)_on|is_block\w+")
_Filter: TypeAlias = Callable[[Object, str], bool]
"""Whether a task matches, given the `modified_at` that the index has for it."""


def search_tasks(store: Store, workspace_gid: str, query: Query, lag_seconds: float) -> list[Object]:
    """Return up to 100 tasks, by default the last modified first. Bounds are exclusive.

    Changes of the last `lag_seconds` are not found yet.

    Raises:
        ApiError: A parameter is malformed, or documented but not supported by the sandbox (400).
    """
    filters = [one for name, value in query.items() if (one := _parse_filter(store, name, value)) is not None]
    sort_field = _SORT_FIELDS.get(query.get("sort_by", "modified_at"))
    if sort_field is None:
        raise ApiError(400, f"sort_by: not supported by the sandbox: {query['sort_by']}")
    now = time.monotonic()
    found: list[tuple[str, Object]] = []
    for task in list(store.objects.values()):
        if task.kind != "task" or task.workspace_gid != workspace_gid or not store.is_visible(task):
            continue
        modified_at = _indexed_modified_at(store, task, now, lag_seconds)
        if modified_at and all(matches(task, modified_at) for matches in filters):
            found.append((modified_at if sort_field == "modified_at" else task.text(sort_field), task))
    found.sort(key=lambda pair: (pair[0], pair[1].rank), reverse=query.get("sort_ascending") != "true")
    return [task for _, task in found[: parse_limit(query) or MAX_LIMIT]]


def _indexed_modified_at(store: Store, task: Object, now: float, lag_seconds: float) -> str:
    """Return the `modified_at` that the index has for a task; empty if the task is not indexed yet."""
    previous, changed_at = store.unindexed.get(task.gid, ("", -lag_seconds))
    return previous if now - changed_at < lag_seconds else task.text("modified_at")


def _parse_filter(store: Store, name: str, value: str) -> _Filter | None:
    """Return the filter for a query parameter, or None if the parameter is not a filter."""
    bound = _INSTANT_BOUND.fullmatch(name)
    if bound is not None:
        return _instant_filter(bound[1], bound[2], value)
    filters = _filters(store, value)
    if name not in filters and _DOCUMENTED.fullmatch(name):
        raise ApiError(400, f"{name}: not supported by the sandbox")
    return filters.get(name)


def _filters(store: Store, value: str) -> dict[str, _Filter]:
    """Return every filter by its parameter, comparing with `value`."""
    expected = value == "true"
    gids = {store.me.gid if gid == "me" else gid for gid in value.split(",")}

    def section_gids(task: Object) -> set[str]:
        projects = store.task_projects.get(task.gid, ())
        return {store.placements[gid][task.gid].section.gid for gid in projects}

    return {
        "is_subtask": lambda task, _: (task.ref("parent") is not None) is expected,
        "completed": lambda task, _: task.flag("completed") is expected,
        "has_attachment": lambda task, _: bool(store.attachments.get(task.gid)) is expected,
        "assignee.any": lambda task, _: _gid_or_null(task.ref("assignee")) in gids,
        "projects.any": lambda task, _: not gids.isdisjoint(one.gid for one in task.refs("projects")),
        "tags.any": lambda task, _: not gids.isdisjoint(one.gid for one in task.refs("tags")),
        "sections.any": lambda task, _: not gids.isdisjoint(section_gids(task)),
        "resource_subtype": lambda task, _: task.text("resource_subtype") == value,
        "text": lambda task, _: value.casefold() in f"{task.text('name')} {task.text('notes')}".casefold(),
    }


def _instant_filter(field: str, side: str, value: str) -> _Filter:
    bound = parse_instant(f"{field}.{side}", value)

    def matches(task: Object, modified_at: str) -> bool:
        found = modified_at if field == "modified_at" else task.text(field)
        return bool(found) and (found > bound if side == "after" else found < bound)

    return matches


def _gid_or_null(assignee: Object | None) -> str:
    return assignee.gid if assignee is not None else "null"
