"""Empty columns in the table `sync_state`."""

import datetime as dt
from dataclasses import replace
from pathlib import Path

from asana_assets.lake.lake import Lake
from asana_assets.sync.empty_column_rows import EmptyColumn
from asana_assets.sync.sync_state_store import SyncStateStore

W = "1200000000000001"
OTHER = "1200000000000002"
START = dt.datetime(2026, 6, 1, tzinfo=dt.UTC)


def stored_keys(lake: Lake) -> set[str]:
    table = lake.load_table("sync_state")
    assert table is not None
    return set(map(str, lake.scan(table, workspace=W)["gid"].to_pylist()))


def snapshots(lake: Lake) -> int:
    table = lake.load_table("sync_state")
    assert table is not None
    return len(table.snapshots())


def test_empty_columns_are_replaced_as_a_whole_and_saved_only_if_they_differ(tmp_path: Path) -> None:
    lake = Lake(data_dir=tmp_path, namespace="asana")
    store = SyncStateStore(lake)
    store.set_empty_columns("tasks", W, [])
    assert lake.load_table("sync_state") is None
    due_on = EmptyColumn(name="due_on", rows_emptied=20, rows_fetched=30, found_at=START)
    nested = EmptyColumn(name="custom_fields.name", rows_emptied=25, rows_fetched=30, found_at=START, accepted=True)
    store.set_empty_columns("tasks", W, [due_on, nested])
    store.set_empty_columns("tags", W, [due_on])
    assert stored_keys(lake) == {
        "empty_column/tasks/due_on",
        "empty_column/tasks/custom_fields.name",
        "empty_column/tags/due_on",
    }
    assert SyncStateStore(lake).empty_columns("tasks", W) == [due_on, nested]
    before = snapshots(lake)
    SyncStateStore(lake).set_empty_columns("tasks", W, [nested, due_on])
    assert snapshots(lake) == before
    store.set_empty_columns("tasks", W, [replace(due_on, accepted=True)])
    assert store.empty_columns("tasks", W) == [replace(due_on, accepted=True)]
    assert stored_keys(lake) == {"empty_column/tasks/due_on", "empty_column/tags/due_on"}
    assert (store.empty_columns("tags", W), store.empty_columns("tasks", OTHER)) == ([due_on], [])
    lake.close()
