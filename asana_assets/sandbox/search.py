"""`GET /workspaces/{gid}/tasks/search`: filters, order, and an index that lags behind the data."""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, TypeAlias

from asana_assets.sandbox.errors import ApiError
from asana_assets.sandbox.model import Object, parse_instant

if TYPE_CHECKING:
    from asana_assets.sandbox.organization import Organization

_MOST = 100
_SORTS = {
    "created_at": "created_at",
    "modified_at": "modified_at",
    "completed_at": "completed_at",
    "due_date": "due_on",
}
_INSTANT = re.compile(r"(created_at|modified_at|completed_at)\.(before|after)")
_DOCUMENTED = re.compile(r"\w+\.(any|not|all|before|after)|(due|start|created|completed|modified)_on|is_block\w+")
Keep: TypeAlias = Callable[[Object, str], bool]
"""Takes a task and the `modified_at` that the index knows of it."""


def search_tasks(organization: Organization, workspace_gid: str, query: dict[str, str], lag: float) -> list[Object]:
    """At most 100 tasks, newest changes first unless asked otherwise. Bounds are exclusive.

    Raises:
        ApiError: 400, a parameter is malformed, or documented by Asana and unknown here.
    """
    keeps = [keep for name, value in query.items() if (keep := _keep(organization, name, value)) is not None]
    field = _SORTS.get(query.get("sort_by", "modified_at"))
    if field is None:
        raise ApiError(400, f"sort_by: not in the sandbox: {query['sort_by']}")
    now = time.monotonic()
    found: list[tuple[str, Object]] = []
    for task in list(organization.objects.values()):
        if task.kind != "task" or task.workspace_gid != workspace_gid or not organization.sees(task):
            continue
        modified_at = _indexed(organization, task, now, lag)
        if modified_at and all(keep(task, modified_at) for keep in keeps):
            found.append((modified_at if field == "modified_at" else task.text(field), task))
    found.sort(key=lambda pair: (pair[0], pair[1].rank), reverse=query.get("sort_ascending") != "true")
    return [task for _, task in found[: _limit(query)]]


def _indexed(organization: Organization, task: Object, now: float, lag: float) -> str:
    """The `modified_at` that the index knows; empty if it does not know the task yet."""
    before, changed = organization.indexed.get(task.gid, ("", -lag))
    return before if now - changed < lag else task.text("modified_at")


def _limit(query: dict[str, str]) -> int:
    text = query.get("limit", str(_MOST))
    if not text.isdigit() or not 1 <= int(text) <= _MOST:
        raise ApiError(400, "limit: Must be between 1 and 100")
    return int(text)


def _keep(organization: Organization, name: str, value: str) -> Keep | None:
    bound = _INSTANT.fullmatch(name)
    if bound is not None:
        return _within(bound[1], bound[2], value)
    filters = _filters(organization, value)
    if name not in filters and _DOCUMENTED.fullmatch(name):
        raise ApiError(400, f"{name}: not in the sandbox")
    return filters.get(name)


def _filters(organization: Organization, value: str) -> dict[str, Keep]:
    """By parameter, the test it stands for with that value."""
    wanted = value == "true"
    gids = {organization.me.gid if gid == "me" else gid for gid in value.split(",")}

    def sections(task: Object) -> set[str]:
        homes = organization.homes.get(task.gid, ())
        return {organization.placements[gid][task.gid].section.gid for gid in homes}

    return {
        "is_subtask": lambda task, _: (task.ref("parent") is not None) is wanted,
        "completed": lambda task, _: task.flag("completed") is wanted,
        "has_attachment": lambda task, _: bool(organization.attachments.get(task.gid)) is wanted,
        "assignee.any": lambda task, _: _gid(task.ref("assignee")) in gids,
        "projects.any": lambda task, _: not gids.isdisjoint(one.gid for one in task.refs("projects")),
        "tags.any": lambda task, _: not gids.isdisjoint(one.gid for one in task.refs("tags")),
        "sections.any": lambda task, _: not gids.isdisjoint(sections(task)),
        "resource_subtype": lambda task, _: task.text("resource_subtype") == value,
        "text": lambda task, _: value.casefold() in f"{task.text('name')} {task.text('notes')}".casefold(),
    }


def _within(field: str, side: str, value: str) -> Keep:
    try:
        limit = parse_instant(value.replace(" ", "+"))
    except ValueError as error:
        raise ApiError(400, f"{field}.{side}: Not a valid date: {value}") from error

    def keep(task: Object, modified_at: str) -> bool:
        found = modified_at if field == "modified_at" else task.text(field)
        return bool(found) and (found > limit if side == "after" else found < limit)

    return keep


def _gid(assignee: Object | None) -> str:
    return assignee.gid if assignee is not None else "null"
