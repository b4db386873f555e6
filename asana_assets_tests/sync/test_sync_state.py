"""Sync state in a real Iceberg table: saving and loading it, and migrating rows of the first layout."""

import datetime as dt
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from pyiceberg.table import Table

from asana_assets.lake.errors import LakeError
from asana_assets.lake.lake import Lake
from asana_assets.sync.change_detection import Sync
from asana_assets.sync.sync_state import SYNC_STATE_SCHEMA, RowKind, SyncState
from asana_assets.sync.sync_state_store import SyncStateStore
from asana_assets_tests.support.first_layout import FIRST_LAYOUT

W = "1200000000000001"
OTHER = "1200000000000002"
START = dt.datetime(2026, 6, 1, tzinfo=dt.UTC)
HOUR = dt.timedelta(hours=1)
NO_GIDS = pa.array([], pa.string())


def first_layout_rows() -> list[dict[str, object]]:
    """Return rows exactly as the first version wrote them."""
    return [
        {"gid": "stories/11", "endpoint": "stories", "parent_gid": "11", "version": "a", "_synced_at": START},
        {"gid": "stories/12", "endpoint": "stories", "parent_gid": "12", "version": "", "_synced_at": START + HOUR},
        {"gid": f"stories/{W}", "endpoint": "stories", "parent_gid": W, "version": "run-1", "_synced_at": START},
        {"gid": f"users/{W}", "endpoint": "users", "parent_gid": W, "version": "run-1", "_synced_at": START},
        {"gid": f"sync/{W}", "endpoint": "sync", "parent_gid": W, "version": "run-2", "_synced_at": START + HOUR},
        {"gid": "doubt/stories", "endpoint": "doubt", "parent_gid": "stories", "version": "1200", "_synced_at": START},
    ]


@pytest.fixture
def lake(tmp_path: Path) -> Iterator[Lake]:
    opened = Lake(data_dir=tmp_path, namespace="asana")
    yield opened
    opened.close()


@pytest.fixture
def old_table(lake: Lake) -> Table:
    """The table as the previous version left it: two workspaces, no column `kind`."""
    table = lake.ensure_table("sync_state", FIRST_LAYOUT)
    for workspace in (W, OTHER):
        rows = pa.Table.from_pylist(first_layout_rows(), schema=FIRST_LAYOUT).drop_columns(["workspace_gid"])
        lake.replace_partition(table, workspace, rows.to_batches(), sort_by=("gid",))
    return table


def stored(lake: Lake, workspace_gid: str = W) -> dict[str, dict[str, Any]]:
    table = lake.load_table("sync_state")
    assert table is not None
    rows = lake.scan(table, workspace=workspace_gid).to_pylist()
    by_key = {str(row["gid"]): row for row in rows}
    assert len(by_key) == len(rows)
    return by_key


def snapshots(lake: Lake) -> int:
    table = lake.load_table("sync_state")
    assert table is not None
    return len(table.snapshots())


def facts(store: SyncStateStore[Table]) -> tuple[object, ...]:
    """Load everything that the first layout's rows record."""
    state = store.load("stories", W)
    parents = {str(row["parent_gid"]): (row["version"], row["_synced_at"]) for row in state.parents.to_pylist()}
    return (
        parents,
        state.last_sync,
        store.load("users", W).last_sync,
        store.interrupted_sync(W),
        store.dropped_from("stories", W),
        store.dropped_from("users", W),
    )


EXPECTED = (
    {"11": ("a", START), "12": ("", START + HOUR)},
    Sync(id="run-1", started_at=START),
    Sync(id="run-1", started_at=START),
    Sync(id="run-2", started_at=START + HOUR),
    1200,
    None,
)


def test_each_kind_of_row_is_loaded_as_it_was_saved(lake: Lake) -> None:
    store = SyncStateStore(lake)
    assert (store.load("stories", W).parents.num_rows, store.load("stories", W).last_sync) == (0, None)
    parents = SyncState.rows(pa.array(["11", "12"]), pa.array(["a", ""]), START)
    marker = SyncState.completed_marker(Sync(id="run-1", started_at=START))
    store.save("stories", W, pa.concat_tables([parents, marker]), NO_GIDS)
    store.set_interrupted_sync(W, Sync(id="run-2", started_at=START + HOUR))
    store.set_dropped_from("stories", W, 1200)
    rows = stored(lake)
    assert {key: row["kind"] for key, row in rows.items()} == {
        "stories/11": RowKind.PARENT_VERSION,
        "stories/12": RowKind.PARENT_VERSION,
        "stories/completed_sync": RowKind.COMPLETED_SYNC,
        "interrupted_sync": RowKind.INTERRUPTED_SYNC,
        "row_count_drop/stories": RowKind.ROW_COUNT_DROP,
    }
    assert rows["row_count_drop/stories"]["row_count"] == 1200
    again = SyncStateStore(lake)
    state = again.load("stories", W)
    assert state.parents.to_pylist() == [
        {"parent_gid": "11", "version": "a", "_synced_at": START},
        {"parent_gid": "12", "version": "", "_synced_at": START},
    ]
    assert state.last_sync == Sync(id="run-1", started_at=START)
    assert again.interrupted_sync(W) == Sync(id="run-2", started_at=START + HOUR)
    assert (again.dropped_from("stories", W), again.dropped_from("users", W)) == (1200, None)
    assert (again.load("tasks", W).parents.num_rows, again.load("tasks", W).last_sync) == (0, None)
    assert again.load("stories", OTHER).parents.num_rows == 0


def test_markers_are_cleared_and_parents_deleted(lake: Lake) -> None:
    store = SyncStateStore(lake)
    store.save("stories", W, SyncState.rows(pa.array(["11", "12"]), pa.array(["a", "b"]), START), NO_GIDS)
    store.save("attachments", W, SyncState.rows(pa.array(["11"]), pa.array(["a"]), START), NO_GIDS)
    store.set_interrupted_sync(W, Sync(id="run-2", started_at=START))
    store.set_dropped_from("stories", W, 1200)
    store.save("stories", W, SyncState.rows(NO_GIDS, NO_GIDS, START), pa.array(["11"]))
    store.set_interrupted_sync(W, None)
    store.set_dropped_from("stories", W, None)
    assert stored(lake).keys() == {"stories/12", "attachments/11"}
    assert store.interrupted_sync(W) is None
    assert store.dropped_from("stories", W) is None


def test_an_endpoint_whose_name_starts_with_anothers_has_state_of_its_own(lake: Lake) -> None:
    store = SyncStateStore(lake)
    store.save("tasks", W, SyncState.rows(pa.array(["1"]), pa.array(["a"]), START), NO_GIDS)
    store.save("tasks_archive", W, SyncState.rows(pa.array(["2"]), pa.array(["a"]), START), NO_GIDS)
    assert store.load("tasks", W).parents["parent_gid"].to_pylist() == ["1"]


@pytest.mark.usefixtures("old_table")
def test_rows_of_the_first_layout_are_understood_without_writing(lake: Lake) -> None:
    before = snapshots(lake)
    assert facts(SyncStateStore(lake)) == EXPECTED
    assert snapshots(lake) == before


def test_the_first_save_rewrites_all_rows_of_its_workspace_in_its_own_commit(lake: Lake, old_table: Table) -> None:
    before = snapshots(lake)
    store = SyncStateStore(lake)
    store.save("tags", W, SyncState.completed_marker(Sync(id="run-3", started_at=START)), NO_GIDS)
    assert snapshots(lake) == before + 1
    assert facts(SyncStateStore(lake)) == EXPECTED
    rows = stored(lake)
    assert {key: row["kind"] for key, row in rows.items()} == {
        "stories/11": RowKind.PARENT_VERSION,
        "stories/12": RowKind.PARENT_VERSION,
        "stories/completed_sync": RowKind.COMPLETED_SYNC,
        "users/completed_sync": RowKind.COMPLETED_SYNC,
        "tags/completed_sync": RowKind.COMPLETED_SYNC,
        "interrupted_sync": RowKind.INTERRUPTED_SYNC,
        "row_count_drop/stories": RowKind.ROW_COUNT_DROP,
    }
    assert rows["row_count_drop/stories"] == {
        "gid": "row_count_drop/stories",
        "workspace_gid": W,
        "kind": "row_count_drop",
        "endpoint": "stories",
        "parent_gid": None,
        "version": None,
        "sync_id": None,
        "search_from": None,
        "row_count": 1200,
        "rows_fetched": None,
        "changes_recorded_to": None,
        "not_on_plan": None,
        "column_name": None,
        "_synced_at": START,
    }
    assert {row["kind"] for row in stored(lake, OTHER).values()} == {None}
    table = lake.load_table("sync_state")
    assert table is not None
    assert table.metadata.table_uuid == old_table.metadata.table_uuid
    assert table.schema().find_field("kind").doc == (SYNC_STATE_SCHEMA.field("kind").metadata or {})[b"doc"].decode()


@pytest.mark.usefixtures("old_table")
def test_migrating_twice_is_the_same_as_once(lake: Lake) -> None:
    for _ in range(2):
        SyncStateStore(lake).set_dropped_from("users", W, 7)
    rows = stored(lake)
    assert len(rows) == 7
    assert None not in {row["kind"] for row in rows.values()}
    assert facts(SyncStateStore(lake)) == (*EXPECTED[:-1], 7)


@pytest.mark.usefixtures("old_table")
def test_a_crash_before_the_commit_loses_nothing(lake: Lake, monkeypatch: pytest.MonkeyPatch) -> None:
    store = SyncStateStore(lake)
    with monkeypatch.context() as patch:
        patch.setattr(lake.catalog, "commit_table", _refuse_second_commit(lake))
        with pytest.raises(LakeError):
            store.save("stories", W, SyncState.rows(pa.array(["11"]), pa.array(["b"]), START + HOUR), NO_GIDS)
    assert {row["kind"] for row in stored(lake).values()} == {None}  # the columns exist, the rows are as they were
    assert facts(SyncStateStore(lake)) == EXPECTED
    store.save("stories", W, SyncState.rows(pa.array(["11"]), pa.array(["b"]), START + HOUR), NO_GIDS)
    assert None not in {row["kind"] for row in stored(lake).values()}


def _refuse_second_commit(lake: Lake) -> Any:
    """Build a `commit_table` that lets the new columns pass and fails for the rows."""
    commit = lake.catalog.commit_table
    calls: list[None] = []

    def commit_table(*arguments: Any) -> Any:
        calls.append(None)
        if len(calls) > 1:
            raise ConnectionResetError("killed")
        return commit(*arguments)

    return commit_table


@pytest.mark.usefixtures("old_table")
def test_a_migration_keeps_what_another_process_commits_just_before_it(
    lake: Lake, monkeypatch: pytest.MonkeyPatch
) -> None:
    replace_parents = lake.replace_parents

    def replace_after_others(*arguments: Any, **named: Any) -> Any:
        monkeypatch.undo()
        theirs = SyncStateStore(lake)
        theirs.save("stories", W, SyncState.rows(pa.array(["11"]), pa.array(["b"]), START + HOUR), pa.array(["12"]))
        theirs.set_interrupted_sync(W, None)
        return replace_parents(*arguments, **named)

    monkeypatch.setattr(lake, "replace_parents", replace_after_others)
    marker = SyncState.completed_marker(Sync(id="run-3", started_at=START + HOUR))
    SyncStateStore(lake).save("users", W, marker, NO_GIDS)
    assert SyncStateStore(lake).load("stories", W).parents.to_pylist() == [
        {"parent_gid": "11", "version": "b", "_synced_at": START + HOUR}
    ]
    assert SyncStateStore(lake).interrupted_sync(W) is None


@pytest.mark.usefixtures("old_table")
def test_what_a_save_replaces_or_deletes_is_not_brought_back_by_the_migration(lake: Lake) -> None:
    assert SyncStateStore(lake).interrupted_sync(W) is not None
    SyncStateStore(lake).set_interrupted_sync(W, None)
    assert SyncStateStore(lake).interrupted_sync(W) is None
    assert not {"interrupted_sync", f"sync/{W}"} & stored(lake).keys()


def test_after_a_downgrade_the_newer_marker_counts(lake: Lake, old_table: Table) -> None:
    marker = SyncState.completed_marker(Sync(id="run-3", started_at=START + HOUR))
    SyncStateStore(lake).save("stories", W, marker, NO_GIDS)
    newer = [{**row, "_synced_at": START + 2 * HOUR} for row in first_layout_rows() if row["gid"] == f"stories/{W}"]
    lake.replace_parents(
        old_table,
        W,
        parent_column="gid",
        parents=NO_GIDS,
        rows=[pa.Table.from_pylist(newer, schema=FIRST_LAYOUT).drop_columns(["workspace_gid"])],
        sort_by=("gid",),
    )
    for store in (SyncStateStore(lake), SyncStateStore(lake)):
        assert store.load("stories", W).last_sync == Sync(id="run-1", started_at=START + 2 * HOUR)
        store.save("tags", W, SyncState.completed_marker(Sync(id="run-4", started_at=START)), NO_GIDS)
    assert stored(lake)["stories/completed_sync"]["sync_id"] == "run-1"


def test_the_start_of_the_next_search_is_saved_with_the_sync(lake: Lake) -> None:
    store = SyncStateStore(lake)
    store.save("tasks", W, SyncState.completed_marker(Sync(id="1", started_at=START), START - HOUR), NO_GIDS)
    state = SyncStateStore(lake).load("tasks", W)
    assert (state.last_sync_started_at, state.search_from(-5 * HOUR)) == (START, START - HOUR)


def test_a_table_without_the_start_of_the_next_search_gains_it(lake: Lake) -> None:
    names = [name for name in SYNC_STATE_SCHEMA.names if name != "search_from"]
    table = lake.ensure_table("sync_state", pa.schema([SYNC_STATE_SCHEMA.field(name) for name in names]))
    row = {"gid": "tasks/completed_sync", "kind": "completed_sync", "endpoint": "tasks", "sync_id": "1"}
    rows = pa.Table.from_pylist([{**row, "workspace_gid": W, "_synced_at": START}], schema=SYNC_STATE_SCHEMA)
    lake.replace_partition(table, W, rows.select(names).drop_columns(["workspace_gid"]).to_batches(), sort_by=("gid",))
    store = SyncStateStore(lake)
    assert store.load("tasks", W).search_from(-HOUR) == START - HOUR
    store.save("tasks", W, SyncState.completed_marker(Sync(id="2", started_at=START + HOUR), START), NO_GIDS)
    assert store.load("tasks", W).search_from(-5 * HOUR) == START


# --- two syncs at the same time


def fetched(parent: str, version: str, instant: dt.datetime) -> pa.Table:
    return SyncState.rows(pa.array([parent]), pa.array([version]), instant)


def versions(store: SyncStateStore[Table]) -> dict[str, str]:
    return {row["parent_gid"]: row["version"] for row in store.load("stories", W).parents.to_pylist()}


@pytest.mark.parametrize("before", [[], ["a"]])
def test_a_parent_that_two_syncs_fetched_at_the_same_time_is_fetched_again(lake: Lake, before: list[str]) -> None:
    """The rows of the one that committed them last are stored, which may be the older ones."""
    first, second = SyncStateStore(lake), SyncStateStore(lake)
    for version in before:
        first.save("stories", W, fetched("11", version, START), NO_GIDS)
    loaded = [store.load("stories", W) for store in (first, second)]
    second.save("stories", W, fetched("11", "c", START + 2 * HOUR), NO_GIDS, loaded=loaded[1])
    second.save("stories", W, fetched("12", "a", START + 2 * HOUR), NO_GIDS, loaded=loaded[1])
    assert versions(second) == {"11": "c", "12": "a"}
    first.save("stories", W, fetched("11", "b", START + HOUR), NO_GIDS, loaded=loaded[0])
    assert versions(first) == {"12": "a"}


def test_a_parent_that_one_sync_fetched_after_the_other_is_saved(lake: Lake) -> None:
    for version, instant in (("a", START), ("b", START + HOUR), ("c", START + 2 * HOUR)):
        store = SyncStateStore(lake)
        with store.buffered(W):
            store.save("stories", W, fetched("11", version, instant), NO_GIDS, loaded=store.load("stories", W))
        assert versions(store) == {"11": version}
