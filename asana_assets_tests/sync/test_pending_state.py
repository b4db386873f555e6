"""Sync state that is not committed yet: it is read as if it was, and committed when due, once."""

import datetime as dt
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from asana_assets.lake.errors import LakeError
from asana_assets.lake.lake import Lake
from asana_assets.sync.change_detection import Sync
from asana_assets.sync.pending_state import MAX_AGE_SECONDS, MAX_ROWS, PendingState
from asana_assets.sync.sync_state import SyncState
from asana_assets.sync.sync_state_store import SYNC_STATE_TABLE, SyncStateStore
from asana_assets_tests.support.clock import Clock

NOW = dt.datetime(2026, 5, 9, tzinfo=dt.UTC)
SYNC = Sync(id="sync-1", started_at=NOW)
NONE = pa.array([], pa.string())


def versions(*gids: str, version: str = "a") -> pa.Table:
    return SyncState.rows(pa.array(gids, pa.string()), pa.array([version] * len(gids), pa.string()), NOW)


@pytest.fixture
def lake(tmp_path: Path) -> Lake:
    return Lake(data_dir=tmp_path, namespace="asana")


def commits(lake: Lake) -> int:
    table = lake.load_table(SYNC_STATE_TABLE)
    return len(table.snapshots()) if table else 0


def parents(store: SyncStateStore[Any], endpoint: str = "stories") -> dict[str, str]:
    rows = store.load(endpoint, "1").parents.to_pylist()
    return {row["parent_gid"]: row["version"] for row in rows}


def test_what_is_pending_is_read_as_if_it_was_committed_and_committed_once(lake: Lake) -> None:
    pending = PendingState()
    store, copy, other_process = (SyncStateStore(lake, one) for one in (pending, pending, PendingState()))
    store.save("stories", "1", versions("7", "8"), NONE)
    assert commits(lake) == 1
    with store.buffered("1"):
        store.save("stories", "1", versions("9"), pa.array(["7"]))
        store.save("stories", "1", versions("8", version="b"), NONE)
        store.save("tasks", "1", SyncState.completed_marker(SYNC), NONE)
        store.set_interrupted_sync("1", SYNC)
        assert parents(copy) == {"8": "b", "9": "a"}
        assert copy.completed_syncs("1", ["tasks"])["tasks"].id == "sync-1"
        assert copy.interrupted_sync("1") is not None
        assert parents(copy, "subtasks") == {}
        store.set_interrupted_sync("1", None)
        assert copy.interrupted_sync("1") is None
        assert parents(other_process) == {"7": "a", "8": "a"}
    assert commits(lake) == 2
    assert parents(other_process) == {"8": "b", "9": "a"}
    assert other_process.interrupted_sync("1") is None


def test_nested_blocks_commit_at_the_end_of_the_outermost_even_if_it_raises(lake: Lake) -> None:
    store = SyncStateStore(lake)

    def interrupted_sync() -> None:
        with store.buffered("1"):
            with store.buffered("1"):
                store.save("stories", "1", versions("7"), NONE)
            assert commits(lake) == 0
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted_sync()
    assert commits(lake) == 1


def test_state_is_committed_when_it_is_old_or_large(lake: Lake) -> None:
    clock = Clock()
    store = SyncStateStore(lake, PendingState(clock=clock))
    with store.buffered("1"):
        store.save("stories", "1", versions("7"), NONE)
        clock.now = MAX_AGE_SECONDS - 1
        store.flush_if_due("1")
        assert commits(lake) == 0
        clock.now = MAX_AGE_SECONDS
        store.flush_if_due("1")
        assert commits(lake) == 1
        store.save("stories", "1", versions(*map(str, range(MAX_ROWS))), NONE)
        assert commits(lake) == 2


def test_a_drop_is_committed_at_once_as_no_later_sync_would_find_it(lake: Lake) -> None:
    store = SyncStateStore(lake)
    with store.buffered("1"):
        store.set_dropped_from("tasks", "1", 500)
        assert SyncStateStore(lake).dropped_from("tasks", "1") == 500


def test_state_that_could_not_be_committed_stays_pending(lake: Lake, monkeypatch: pytest.MonkeyPatch) -> None:
    store = SyncStateStore(lake)

    def fail(*_: object, **__: object) -> None:
        raise LakeError("unavailable")

    def sync_while_unavailable() -> None:
        with store.buffered("1"):
            store.save("stories", "1", versions("7"), NONE)
            monkeypatch.setattr(lake, "ensure_table", fail)

    with pytest.raises(LakeError):
        sync_while_unavailable()
    monkeypatch.undo()
    assert parents(store) == {"7": "a"}
    store.flush("1")
    assert parents(SyncStateStore(lake)) == {"7": "a"}
