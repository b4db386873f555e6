import logging
from collections.abc import Callable, Iterable
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest
from pyiceberg.catalog import Catalog
from pyiceberg.expressions import Or
from pyiceberg.manifest import ManifestFile, PartitionFieldSummary

from asana_assets.lake.errors import CommitUnknownError, ConflictError, LakeError
from asana_assets.lake.expressions import where_equal
from asana_assets.lake.pyiceberg_internals import StagedTransaction, SwapFiles
from asana_assets.lake.table import live_files, scan
from asana_assets.lake.writer import PartitionWriter
from asana_assets_tests.support.lake_tables import (
    Row,
    batch,
    data_files,
    gids,
    replace,
    replace_files,
    row,
    run_before_commit,
    tasks,
)


def test_a_replacement_is_one_snapshot_with_its_properties(catalog: Catalog) -> None:
    table = tasks(catalog)
    replace(table, "w", [row(1), row(2)])
    with PartitionWriter(table, workspace="w", sort_by=["gid"]) as writer:
        writer.write(batch([row(2), row(3)]))
        snapshot_id = replace_files(table, "w", writer.finish(), properties={"run": "r1"})
    assert gids(table, "w") == ["2", "3"]
    assert len(table.snapshots()) == 2
    current = table.current_snapshot()
    assert current is not None
    assert current.snapshot_id == snapshot_id
    assert current.summary is not None
    assert current.summary["run"] == "r1"
    assert current.summary["total-records"] == "2"


def test_a_replacement_keeps_the_files_of_other_workspaces(catalog: Catalog) -> None:
    table = tasks(catalog)
    replace(table, "v", [row(1), row(2)])
    before = live_files(table, "v").keys()
    replace(table, "w", [row(1)])
    replace(table, "w", [])
    assert live_files(table, "v").keys() == before
    assert gids(table, "v") == ["1", "2"]


def test_replacing_with_no_files_empties_the_partition_in_one_snapshot(catalog: Catalog) -> None:
    table = tasks(catalog)
    replace(table, "w", [row(1)])
    replace_files(table, "w", [])
    assert gids(table, "w") == []
    assert len(table.snapshots()) == 2


def test_emptying_an_empty_partition_commits_nothing(catalog: Catalog) -> None:
    table = tasks(catalog)
    assert replace_files(table, "w", []) is None
    first = replace(table, "v", [row(1)])
    assert replace_files(table, "w", []) == first
    assert len(table.snapshots()) == 1


def test_a_repeated_replacement_has_the_same_result(catalog: Catalog) -> None:
    table = tasks(catalog)
    replace(table, "w", [row(1), row(2)])
    once = scan(table)
    replace(table, "w", [row(1), row(2)])
    assert scan(table).equals(once)


def test_a_commit_through_a_stale_handle_includes_what_others_committed(catalog: Catalog) -> None:
    stale, other = tasks(catalog), tasks(catalog)
    replace(other, "v", [row(1)])
    replace(other, "w", [row(2)])
    replace(stale, "w", [row(3)])
    assert (gids(stale, "v"), gids(stale, "w")) == (["1"], ["3"])


def test_replaced_files_are_kept_for_time_travel(catalog: Catalog) -> None:
    table = tasks(catalog)
    first = replace(table, "w", [row(1)])
    replace(table, "w", [row(2)])
    assert table.scan(snapshot_id=first).to_arrow().column("gid").to_pylist() == ["1"]


def test_the_number_of_manifests_stays_small_over_many_commits(catalog: Catalog) -> None:
    """PyIceberg alone would keep every manifest that records only deletions; the next commit must drop it."""
    table = tasks(catalog)
    for number in range(12):
        replace(table, f"w{number % 2}", [row(number)])
    current = table.current_snapshot()
    assert current is not None
    assert len(current.manifests(table.io)) <= 3


def test_a_concurrent_commit_to_another_workspace_costs_only_a_retry(
    catalog: Catalog, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    table, other = tasks(catalog), tasks(catalog)
    replace(table, "w", [row(1)])
    sent = run_before_commit(monkeypatch, table, lambda: replace(other, "v", [row(9)]), at=(1, 3))
    replace(table, "w", [row(2)])
    assert len(sent) == len(["ours, rejected", "theirs", "ours, rejected", "theirs", "ours"])
    assert (gids(table, "v"), gids(table, "w")) == (["9"], ["2"])
    assert len(table.snapshots()) == 4
    assert caplog.messages == []  # of PyIceberg, which warns of each retry
    logging.getLogger("pyiceberg.table").warning("Something else")
    assert caplog.messages == ["Something else"]


@pytest.mark.parametrize(("before", "theirs"), [([], [row(8), row(9)]), ([row(1)], []), ([row(1)], [row(8), row(9)])])
def test_a_concurrent_commit_to_the_same_workspace_is_a_conflict_that_leaves_no_file(
    catalog: Catalog, data_dir: Path, monkeypatch: pytest.MonkeyPatch, before: list[Row], theirs: list[Row]
) -> None:
    table, other = tasks(catalog), tasks(catalog)
    replace(table, "w", before)
    run_before_commit(monkeypatch, table, lambda: replace(other, "w", theirs))
    with pytest.raises(ConflictError, match=r"workspace w of table asana\.tasks"):
        replace(table, "w", [row(5)])
    assert gids(table, "w") == [str(r["gid"]) for r in theirs]
    not_live = data_files(data_dir) - {path.removeprefix("file://") for path in live_files(table, "w")}
    assert len(not_live) == len(before)


def test_a_commit_whose_response_was_lost_is_detected(catalog: Catalog, monkeypatch: pytest.MonkeyPatch) -> None:
    table = tasks(catalog)
    send = catalog.commit_table

    def commit_table(*arguments: object) -> object:
        send(*arguments)  # pyright: ignore[reportArgumentType] - passed through
        raise ConnectionResetError("the response was lost")

    monkeypatch.setattr(catalog, "commit_table", commit_table)
    snapshot_id = replace(table, "w", [row(1)])
    assert gids(table, "w") == ["1"]
    assert [snapshot.snapshot_id for snapshot in table.snapshots()] == [snapshot_id]


def test_a_commit_with_unknown_outcome_keeps_its_files(
    catalog: Catalog, data_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    table = tasks(catalog)

    def commit_table(*_: object) -> object:
        raise ConnectionResetError("gone")

    monkeypatch.setattr(catalog, "commit_table", commit_table)
    with pytest.raises(CommitUnknownError, match="running again is safe"):
        replace(table, "w", [row(1)])
    assert len(data_files(data_dir)) == 1


def test_a_failure_before_the_commit_deletes_the_new_files(
    catalog: Catalog, data_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    table = tasks(catalog)

    def refuse(*_: object) -> object:
        raise OSError("the catalog is unavailable")

    with PartitionWriter(table, workspace="w", sort_by=["gid"]) as writer:
        writer.write(batch([row(1)]))
        files = writer.finish()
    monkeypatch.setattr(SwapFiles, "commit", refuse)
    with pytest.raises(LakeError, match="unavailable"):
        replace_files(table, "w", files)
    assert data_files(data_dir) == set()


class InterruptedBounds(list[PartitionFieldSummary]):
    """A manifest's partition bounds; every access to them simulates a switch to another thread."""

    def __init__(self, bounds: Iterable[PartitionFieldSummary], other_thread: Callable[[], object]) -> None:
        super().__init__(bounds)
        self._other_thread = other_thread

    def __getitem__(self, index: Any) -> Any:
        self._other_thread()
        return super().__getitem__(index)


def test_a_manifest_is_evaluated_with_its_own_bounds_whatever_other_threads_do(catalog: Catalog) -> None:
    """PyIceberg evaluates several at once with shared state; a commit failed when it missed a file that way."""
    table = tasks(catalog)
    replace(table, "v", [row(1)])
    replace(table, "w", [row(1)])
    snapshot = table.current_snapshot()
    assert snapshot is not None
    ours, others = snapshot.manifests(table.io)
    swap = SwapFiles(StagedTransaction(table), table, {})
    swap.delete_by_predicate(Or(where_equal("workspace_gid", "u"), where_equal("workspace_gid", "w")))
    may_match = swap.evaluator(table.spec().spec_id)
    assert (may_match(ours), may_match(others)) == (True, False)
    interrupted = SimpleNamespace(partitions=InterruptedBounds(ours.partitions or [], lambda: may_match(others)))
    assert may_match(cast("ManifestFile", interrupted))
