"""Going back in the history of changes: what the tables contained before the entries of `changes`."""

import copy
import datetime as dt
import json
from collections.abc import Iterable
from typing import Any, TypeAlias

from asana_assets.sandbox import STANDARD
from asana_assets_tests.support.sync_harness import Row, Warehouse

_NOT_CONTENT = {"workspace_gid", "_synced_at", "_row_hash"}

Tables: TypeAlias = "dict[tuple[str, str, str], Row]"
"""The contents of rows, with values as in JSON, by workspace, table and gid."""


def contents(warehouse: Warehouse) -> Tables:
    """Return the contents of all tables."""
    return {
        (row["workspace_gid"], name, row["gid"]): json.loads(
            json.dumps({column: value for column, value in row.items() if column not in _NOT_CONTENT}, default=_as_json)
        )
        for name in STANDARD
        for row in warehouse.rows(name)
    }


def _as_json(value: Any) -> str:
    return value.isoformat().replace("+00:00", "Z") if isinstance(value, dt.datetime) else value.isoformat()


def undo(tables: Tables, entries: Iterable[Row]) -> Tables:
    """Return what the tables contained before these entries; assert that each of them was possible."""
    tables = copy.deepcopy(tables)
    for entry in sorted(entries, key=lambda one: one["seen_at"], reverse=True):
        key = (entry["workspace_gid"], entry["endpoint"], entry["gid"])
        old = json.loads(entry["old_values"] or "{}")
        match entry["kind"]:
            case "added":
                assert tables.pop(key, None) is not None, entry
            case "removed":
                assert key not in tables, entry
                tables[key] = old
            case _:
                assert list(old) == entry["changed_columns"], entry
                assert not [column for column, value in old.items() if tables[key][column] == value], entry
                tables[key] |= old
    return tables


def assert_history_leads_to(warehouse: Warehouse, before: Tables) -> None:
    """Assert that `changes`, undone, leads from what the tables contain now to what they contained before."""
    entries = warehouse.rows("changes")
    assert len({(row["endpoint"], row["gid"], row["seen_at"]) for row in entries}) == len(entries)
    then = undo(contents(warehouse), entries)
    assert then.keys() == before.keys()
    assert {key: row for key, row in then.items() if row != before[key]} == {}
