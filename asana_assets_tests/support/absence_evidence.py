"""What a server that gives wrong answers has said to be gone, according to its log.

A record is said to be gone by each fetch of a listing that should contain it but does not, and by each refusal of the
record itself. Rows may go with the object that they belong to, so the objects above count as well.
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, TypeAlias

from asana_assets.sandbox import LogEntry

Tables: TypeAlias = "Mapping[str, Mapping[str, dict[str, Any]]]"
"""Rows by table and gid."""

_LOSING_KINDS = {
    *("empty_listing", "empty_page", "missing_head", "missing_tail", "missing_some", "missing_varying", "early_end"),
    *("replaced_next_page", "replaced_data", "404", "410"),
}
_NO_ACCESS = {"403", "451"}


def request_key(entry: LogEntry) -> str:
    """Return the listing or the record that a request is for."""
    for name in ("project", "assignee", "parent"):
        if name in entry.query:
            return f"{entry.path}?{name}={entry.query[name]}"
    return entry.path


def count_absences(log: Iterable[LogEntry], losing_kinds: Iterable[str] = ()) -> Counter[str]:
    """Return how many fetches of each listing or record were hit by a fault that makes records seem to be gone.

    Args:
        log: The requests.
        losing_kinds: Kinds that do so only as they are configured.
    """
    kinds = {*_LOSING_KINDS, *losing_kinds}
    absences: Counter[str] = Counter()
    is_counted: dict[str, bool] = {}  # whether the current fetch is
    for entry in sorted(log, key=lambda one: one.received):
        key = request_key(entry)
        if "offset" not in entry.query:
            is_counted[key] = False
        is_record = key.startswith("/tasks/") and key.count("/") == 2
        faults = set(entry.fault.split("+"))
        if not is_counted.get(key) and faults & (kinds | _NO_ACCESS if is_record else kinds):
            is_counted[key] = True
            absences[key] += 1
    return absences


def may_be_gone(table: str, gid: str, absences: Mapping[str, int], *sources: Tables) -> bool:
    """Return whether a row, or any object that it belongs to, was said to be gone twice.

    Args:
        table: The row's table.
        gid: Its gid.
        absences: From `count_absences`.
        sources: Where the objects that it belongs to are looked up: stored rows and the truth.
    """
    keys: set[str] = set()
    above: set[tuple[str, str]] = set()
    for source in sources:
        if row := source[table].get(gid):
            keys.update(_keys(table, row))
            above.update(one for one in _above(table, row) if any(one[1] in other[one[0]] for other in sources))
            above.update(
                ("projects", project)
                for project, other in source["projects"].items()
                if table == "attachments" and other["project_brief_gid"] == row["parent_gid"]
            )
    if sum(absences.get(key, 0) for key in keys) >= 2:
        return True
    return any(may_be_gone(name, parent, absences, *sources) for name, parent in above)


def _keys(table: str, row: Mapping[str, Any]) -> Iterator[str]:
    parent = row.get("parent_gid")
    match table:
        case "sections":
            yield f"/projects/{row['project_gid']}/sections"
        case "tasks":
            yield f"/tasks/{row['gid']}"
            yield from (f"/tasks?project={gid}" for gid in row["project_gids"] or ())
            yield f"/tasks?assignee={row['assignee_gid']}"
        case "subtasks" | "stories":
            yield f"/tasks/{parent}/{table}"
        case "attachments" | "status_updates":
            yield f"/{table}?parent={parent}"
        case _:
            yield f"/{table}"


def _above(table: str, row: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    match table:
        case "sections":
            yield "projects", str(row["project_gid"])
        case "tasks":
            yield from (("projects", gid) for gid in row["project_gids"] or ())
            yield "users", str(row["assignee_gid"])
        case "subtasks" | "stories" | "attachments" | "status_updates":
            yield from ((name, str(row["parent_gid"])) for name in ("projects", "tasks", "subtasks"))
        case _:
            pass
