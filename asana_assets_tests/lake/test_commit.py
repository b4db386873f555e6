from collections.abc import Callable, Collection, Iterable
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast
from uuid import uuid4

import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pyiceberg.catalog import Catalog
from pyiceberg.expressions import Or
from pyiceberg.manifest import ManifestFile, PartitionFieldSummary
from pyiceberg.table import Table

from asana_assets.lake.commit import replace_parents, replace_partition
from asana_assets.lake.errors import CommitUnknownError, ConflictError, LakeError
from asana_assets.lake.pyiceberg_internals import StagedTransaction, SwapFiles, where_equal
from asana_assets.lake.table import ensure_table, live_files, scan
from asana_assets.lake.writer import PartitionWriter
from asana_assets_tests.support.lake_tables import SCHEMA, Row, batch, data_files, gids, numbers, replace, row, tasks


def test_replacing_is_one_snapshot_with_its_properties(catalog: Catalog) -> None:
    table = tasks(catalog)
    replace(table, "w", [row(1), row(2)])
    with PartitionWriter(table, workspace="w", sort_by=["gid"]) as writer:
        writer.write(batch([row(2), row(3)]))
        snapshot_id = replace_partition(table, "w", writer.finish(), properties={"run": "r1"})
    assert gids(table, "w") == ["2", "3"]
    assert len(table.snapshots()) == 2
    current = table.current_snapshot()
    assert current is not None
    assert current.snapshot_id == snapshot_id
    assert current.summary is not None
    assert current.summary["run"] == "r1"
    assert current.summary["total-records"] == "2"


def test_the_other_workspaces_files_stay_the_very_same(catalog: Catalog) -> None:
    table = tasks(catalog)
    replace(table, "v", [row(1), row(2)])
    before = live_files(table, "v").keys()
    replace(table, "w", [row(1)])
    replace(table, "w", [])
    assert live_files(table, "v").keys() == before
    assert gids(table, "v") == ["1", "2"]


def test_no_files_make_the_partition_empty_in_one_snapshot(catalog: Catalog) -> None:
    table = tasks(catalog)
    replace(table, "w", [row(1)])
    replace_partition(table, "w", [])
    assert gids(table, "w") == []
    assert len(table.snapshots()) == 2


def test_emptying_what_is_empty_commits_nothing(catalog: Catalog) -> None:
    table = tasks(catalog)
    assert replace_partition(table, "w", []) is None
    first = replace(table, "v", [row(1)])
    assert replace_partition(table, "w", []) == first
    assert len(table.snapshots()) == 1


def test_twice_is_once(catalog: Catalog) -> None:
    table = tasks(catalog)
    replace(table, "w", [row(1), row(2)])
    once = scan(table)
    replace(table, "w", [row(1), row(2)])
    assert scan(table).equals(once)


def test_a_stale_handle_sees_what_others_committed_meanwhile(catalog: Catalog) -> None:
    stale, other = tasks(catalog), tasks(catalog)
    replace(other, "v", [row(1)])
    replace(other, "w", [row(2)])
    replace(stale, "w", [row(3)])
    assert (gids(stale, "v"), gids(stale, "w")) == (["1"], ["3"])


def test_old_files_stay_for_time_travel(catalog: Catalog) -> None:
    table = tasks(catalog)
    first = replace(table, "w", [row(1)])
    replace(table, "w", [row(2)])
    assert table.scan(snapshot_id=first).to_arrow().column("gid").to_pylist() == ["1"]


def test_manifests_stay_few_over_many_commits(catalog: Catalog) -> None:
    """What PyIceberg alone does not: a manifest that records only deletions leaves with the next commit."""
    table = tasks(catalog)
    for number in range(12):
        replace(table, f"w{number % 2}", [row(number)])
    current = table.current_snapshot()
    assert current is not None
    assert len(current.manifests(table.io)) <= 3


def _interfere(
    monkeypatch: pytest.MonkeyPatch, table: Table, meanwhile: Callable[[], object], at: Collection[int] = (1,)
) -> list[None]:
    """`meanwhile` happens once, between the moment our commit was planned and the moment it is sent.

    Or as often as `at` says, by how many commits were sent, this one counted.

    Returns:
        Grows by one whenever anything is sent: ours, and what is done meanwhile.
    """
    send = table.catalog.commit_table
    sent: list[None] = []

    def commit_table(*arguments: object, **named: object) -> object:
        sent.append(None)
        if len(sent) in at:
            meanwhile()
        return send(*arguments, **named)  # pyright: ignore[reportArgumentType] - passed through

    monkeypatch.setattr(table.catalog, "commit_table", commit_table)
    return sent


def test_each_commit_to_another_workspace_meanwhile_costs_only_a_retry(
    catalog: Catalog, monkeypatch: pytest.MonkeyPatch
) -> None:
    table, other = tasks(catalog), tasks(catalog)
    replace(table, "w", [row(1)])
    sent = _interfere(monkeypatch, table, lambda: replace(other, "v", [row(9)]), at=(1, 3))
    replace(table, "w", [row(2)])
    assert len(sent) == len(["ours, refused", "theirs", "ours, refused", "theirs", "ours"])
    assert (gids(table, "v"), gids(table, "w")) == (["9"], ["2"])
    assert len(table.snapshots()) == 4


@pytest.mark.parametrize(("before", "theirs"), [([], [row(8), row(9)]), ([row(1)], []), ([row(1)], [row(8), row(9)])])
def test_a_commit_to_the_same_workspace_meanwhile_is_a_conflict_that_leaves_no_file(
    catalog: Catalog, data_dir: Path, monkeypatch: pytest.MonkeyPatch, before: list[Row], theirs: list[Row]
) -> None:
    table, other = tasks(catalog), tasks(catalog)
    replace(table, "w", before)
    _interfere(monkeypatch, table, lambda: replace(other, "w", theirs))
    with pytest.raises(ConflictError, match=r"workspace w of table asana\.tasks"):
        replace(table, "w", [row(5)])
    assert gids(table, "w") == [str(r["gid"]) for r in theirs]
    not_live = data_files(data_dir) - {path.removeprefix("file://") for path in live_files(table, "w")}
    assert len(not_live) == len(before)


def test_an_answer_that_was_lost_is_found_in_the_table(catalog: Catalog, monkeypatch: pytest.MonkeyPatch) -> None:
    table = tasks(catalog)
    send = catalog.commit_table

    def commit_table(*arguments: object) -> object:
        send(*arguments)  # pyright: ignore[reportArgumentType] - passed through
        raise ConnectionResetError("the answer was lost")

    monkeypatch.setattr(catalog, "commit_table", commit_table)
    snapshot_id = replace(table, "w", [row(1)])
    assert gids(table, "w") == ["1"]
    assert [snapshot.snapshot_id for snapshot in table.snapshots()] == [snapshot_id]


def test_a_commit_of_unknown_fate_keeps_its_files(
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
        raise OSError("the catalog is away")

    with PartitionWriter(table, workspace="w", sort_by=["gid"]) as writer:
        writer.write(batch([row(1)]))
        files = writer.finish()
    monkeypatch.setattr(catalog, "load_table", refuse)
    with pytest.raises(LakeError, match="away"):
        replace_partition(table, "w", files)
    assert data_files(data_dir) == set()


def _parents(table: Table, parents: list[int], rows: list[Row], *, rows_per_file: int = 10) -> int | None:
    return replace_parents(
        table,
        "w",
        parent_column="parent_gid",
        parents=pa.array([str(parent) for parent in parents], pa.string()),
        rows=[batch(rows)] if rows else [],
        sort_by=["parent_gid", "gid"],
        rows_per_file=rows_per_file,
    )


def _by_parent(table: Table) -> set[tuple[str, str]]:
    read = scan(table, workspace="w", columns=["parent_gid", "gid"])
    pairs = list(zip(read.column("parent_gid").to_pylist(), read.column("gid").to_pylist(), strict=True))
    assert len(pairs) == len(set(pairs))
    return {(str(parent), str(gid)) for parent, gid in pairs}


def test_replacing_parents_rewrites_only_the_files_that_hold_them_in_one_snapshot(catalog: Catalog) -> None:
    table = tasks(catalog)
    rows = [row(parent * 100 + child, parent=parent) for parent in range(10, 20) for child in range(10)]
    replace(table, "w", rows, sort_by=["parent_gid", "gid"], rows_per_file=10)
    before = set(live_files(table, "w"))
    _parents(table, [12, 15, 99], [row(1299, parent=12), row(9900, parent=99)])
    after = set(live_files(table, "w"))
    assert len(before) == 10
    assert len(before & after) == 8
    assert len(table.snapshots()) == 2
    expected = {(str(r["parent_gid"]), str(r["gid"])) for r in rows if r["parent_gid"] not in {"12", "15"}}
    assert _by_parent(table) == expected | {("12", "1299"), ("99", "9900")}


def test_a_child_that_moved_leaves_its_old_parent_though_that_was_not_read(catalog: Catalog) -> None:
    table = tasks(catalog)
    replace(table, "w", [row(1, parent=10), row(2, parent=10)], sort_by=["parent_gid", "gid"])
    _parents(table, [20], [row(1, parent=20)])
    assert _by_parent(table) == {("10", "2"), ("20", "1")}


def test_replacing_parents_by_what_they_had_not_and_have_not_commits_nothing(catalog: Catalog) -> None:
    table = tasks(catalog)
    first = replace(table, "w", [row(1, parent=10)])
    assert _parents(table, [20], []) == first
    assert _parents(table, [], []) == first


def test_many_small_files_become_one(catalog: Catalog) -> None:
    table = tasks(catalog)
    for parent in range(20):
        _parents(table, [parent], [row(parent, parent=parent)], rows_per_file=1000)
    assert len(_by_parent(table)) == 20
    assert len(live_files(table, "w")) <= 9


_children = st.lists(st.tuples(st.integers(0, 5), st.integers(0, 12)), max_size=12, unique_by=lambda child: child[1])


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(steps=st.lists(st.tuples(st.sets(st.integers(0, 5), min_size=1), _children), max_size=4))
def test_any_series_of_parent_replacements_equals_the_same_in_memory(
    catalog: Catalog, steps: list[tuple[set[int], list[tuple[int, int]]]]
) -> None:
    table = ensure_table(catalog, "asana", uuid4().hex, SCHEMA)
    model: dict[str, str] = {}
    for second, (parents, children) in enumerate(steps):
        found = {str(gid): str(parent) for parent, gid in children if parent in parents}
        model = {gid: parent for gid, parent in model.items() if int(parent) not in parents} | found
        rows = [row(gid, parent=parent, second=second) for gid, parent in found.items()]
        _parents(table, sorted(parents), rows, rows_per_file=3)
        assert _by_parent(table) == {(parent, gid) for gid, parent in model.items()}


def test_a_conflict_while_parents_are_replaced_leaves_the_other_writers_rows(
    catalog: Catalog, data_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    table, other = tasks(catalog), tasks(catalog)
    replace(table, "w", [row(1, parent=10)])
    _interfere(monkeypatch, table, lambda: _parents(other, [30], [row(3, parent=30)]))
    with pytest.raises(ConflictError):
        _parents(table, [20], [row(2, parent=20)])
    assert _by_parent(table) == {("10", "1"), ("30", "3")}
    assert len(data_files(data_dir)) == 2
    _parents(table, [20], [row(2, parent=20)])
    assert gids(table, "w") == numbers([1, 2, 3])


class Interrupted(list[PartitionFieldSummary]):
    """The bounds of a manifest's partitions; whoever looks at them is interrupted by another thread's turn."""

    def __init__(self, bounds: Iterable[PartitionFieldSummary], turn: Callable[[], object]) -> None:
        super().__init__(bounds)
        self._turn = turn

    def __getitem__(self, at: Any) -> Any:
        self._turn()
        return super().__getitem__(at)


def test_a_manifest_is_judged_by_its_own_bounds_however_threads_take_turns(catalog: Catalog) -> None:
    """PyIceberg looks through several at once, and a file that it lost sight of failed the commit."""
    table = tasks(catalog)
    replace(table, "v", [row(1)])
    replace(table, "w", [row(1)])
    snapshot = table.current_snapshot()
    assert snapshot is not None
    ours, others = snapshot.manifests(table.io)
    swap = SwapFiles(StagedTransaction(table), table, {})
    swap.delete_by_predicate(Or(where_equal("workspace_gid", "u"), where_equal("workspace_gid", "w")))
    concerns = swap.evaluator(table.spec().spec_id)
    assert (concerns(ours), concerns(others)) == (True, False)
    interrupted = SimpleNamespace(partitions=Interrupted(ours.partitions or [], lambda: concerns(others)))
    assert concerns(cast("ManifestFile", interrupted))
