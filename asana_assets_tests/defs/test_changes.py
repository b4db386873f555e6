"""The history of changes of whole syncs: equal to the differences of what Asana held at each sync."""

import json
from collections.abc import Mapping
from typing import Any, TypeAlias

import pytest

from asana_assets.lake.errors import CommitUnknownError
from asana_assets.sandbox import STANDARD
from asana_assets_tests.support.mutations import mutate, mutate_hidden, paid
from asana_assets_tests.support.sync_harness import Row, Warehouse, expected_row, failures

pytestmark = pytest.mark.slow

Tables: TypeAlias = "dict[str, dict[str, Row]]"
Entries: TypeAlias = "dict[tuple[str, str], tuple[str, Row | None]]"


def truth(warehouse: Warehouse) -> Tables:
    """Return what Asana holds, as rows by table and gid, with values as in JSON."""
    gid = paid(warehouse)
    return {
        name: {
            str(record["gid"]): json.loads(json.dumps(expected_row(record, schema), default=_as_json))
            for record in warehouse.asana.truth(name, gid)
        }
        for name, schema in ((name, warehouse.table(name).schema) for name in STANDARD)
    }


def _as_json(value: Any) -> str:
    return value.isoformat().replace("+00:00", "Z")


def differences(before: Tables, after: Tables) -> Entries:
    """Return the expected kind and old values of each row that differs, by table and gid."""
    found: Entries = {}
    for name in STANDARD:
        old, new = before[name], after[name]
        found |= {(name, gid): ("added", None) for gid in new.keys() - old.keys()}
        found |= {(name, gid): ("removed", old[gid]) for gid in old.keys() - new.keys()}
        for gid in old.keys() & new.keys():
            if changed := {column: value for column, value in old[gid].items() if new[gid][column] != value}:
                found[name, gid] = ("changed", changed)
    return found


def recorded(warehouse: Warehouse) -> tuple[Entries, list[Row]]:
    """Return the entries by table and gid, each with the columns that Asana knows, and all rows of `changes`."""
    rows = warehouse.rows("changes")
    found: Entries = {}
    for row in rows:
        values = row["old_values"] and json.loads(row["old_values"])
        assert row["changed_columns"] == (list(values) if row["kind"] == "changed" else None)
        if values and row["kind"] == "removed":
            assert values.pop("_unmapped") is None
        found[row["endpoint"], row["gid"]] = (row["kind"], values)
    assert len(found) == len(rows)
    return found, rows


def change_everything(warehouse: Warehouse) -> Entries:
    """Change the organization; return the entries that the next sync must add."""
    before = truth(warehouse)
    mutate(warehouse)
    mutate_hidden(warehouse)
    return differences(before, truth(warehouse))


def assert_recorded(warehouse: Warehouse, expected: Mapping[tuple[str, str], tuple[str, Row | None]]) -> None:
    found, rows = recorded(warehouse)
    assert found == expected
    assert len({row["sync_id"] for row in rows}) == 1
    assert {row["workspace_gid"] for row in rows} == {paid(warehouse)}


def test_changes_are_the_differences_of_what_asana_held_and_an_unchanged_sync_adds_none(warehouse: Warehouse) -> None:
    assert not list(warehouse.data_dir.rglob("changes"))
    expected = change_everything(warehouse)
    warehouse.sync()
    assert {kind for kind, _ in expected.values()} == {"added", "changed", "removed"}
    assert_recorded(warehouse, expected)
    location = warehouse.iceberg_table("changes").metadata_location
    warehouse.sync()
    assert warehouse.iceberg_table("changes").metadata_location == location
    warehouse.assert_matches_asana(paid(warehouse))


@pytest.mark.parametrize("full_refresh", [False, True])
def test_changes_of_a_sync_whose_commits_of_them_failed_are_added_by_the_next_one(
    warehouse: Warehouse, monkeypatch: pytest.MonkeyPatch, *, full_refresh: bool
) -> None:
    expected = change_everything(warehouse)

    def fail(*_: object, **__: object) -> None:
        raise CommitUnknownError("The outcome is unknown.")

    with monkeypatch.context() as patch:
        patch.setattr("asana_assets.lake.change_log.swap_files", fail)
        result = warehouse.run("sync_workspace", paid(warehouse))
        assert "The outcome is unknown." in str(failures(result))
    assert warehouse.rows("changes") == []
    names = [name for name in STANDARD if name != "workspaces"]
    for _ in range(2):
        result = warehouse.run("sync_workspace", paid(warehouse), names, full_refresh=full_refresh)
        assert result.success, failures(result)
        assert recorded(warehouse)[0] == expected
    warehouse.assert_matches_asana(paid(warehouse))


def test_the_renaming_of_a_workspace_is_recorded_once(warehouse: Warehouse) -> None:
    gid = paid(warehouse)
    [old] = [row["name"] for row in warehouse.rows("workspaces") if row["gid"] == gid]
    warehouse.asana.organization.get(gid, "workspace").fields["name"] = "Renamed"
    warehouse.asana.organization.mark_changed()
    for _ in range(2):
        assert warehouse.run("refresh_workspaces").success
        assert recorded(warehouse)[0] == {("workspaces", gid): ("changed", {"name": old})}


def test_nothing_is_recorded_if_the_history_is_off(warehouse: Warehouse) -> None:
    warehouse.settings["ASANA_CHANGES"] = "off"
    change_everything(warehouse)
    warehouse.sync()
    assert not list(warehouse.data_dir.rglob("changes"))
    warehouse.assert_matches_asana(paid(warehouse))
