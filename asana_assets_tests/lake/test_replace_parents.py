"""Replacing the rows of some parents: which rows, which files, and what a conflict leaves."""

from pathlib import Path
from uuid import uuid4

import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pyiceberg.catalog import Catalog
from pyiceberg.table import Table

from asana_assets.lake.difference import write_rows
from asana_assets.lake.errors import ConflictError
from asana_assets.lake.index_reader import Parents
from asana_assets.lake.table import ensure_table, live_files, scan
from asana_assets_tests.support.lake_tables import (
    SCHEMA,
    Row,
    batch,
    data_files,
    gids,
    numbers,
    replace,
    row,
    run_before_commit,
    tasks,
)


def _replace_parents(table: Table, parents: list[int], rows: list[Row], *, rows_per_file: int = 10) -> int | None:
    return write_rows(
        table,
        "w",
        [batch(rows)] if rows else [],
        parents=Parents("parent_gid", pa.array([str(parent) for parent in parents], pa.string())),
        sort_by=["parent_gid", "gid"],
        rows_per_file=rows_per_file,
    ).snapshot_id


def _by_parent(table: Table) -> set[tuple[str, str]]:
    rows = scan(table, workspace="w", columns=["parent_gid", "gid"])
    pairs = list(zip(rows.column("parent_gid").to_pylist(), rows.column("gid").to_pylist(), strict=True))
    assert len(pairs) == len(set(pairs))
    return {(str(parent), str(gid)) for parent, gid in pairs}


def test_replacing_parents_rewrites_only_the_files_that_contain_them_in_one_snapshot(catalog: Catalog) -> None:
    table = tasks(catalog)
    rows = [row(parent * 100 + child, parent=parent) for parent in range(10, 20) for child in range(10)]
    replace(table, "w", rows, sort_by=["parent_gid", "gid"], rows_per_file=10)
    before = set(live_files(table, "w"))
    _replace_parents(table, [12, 15, 99], [row(1299, parent=12), row(9900, parent=99)])
    after = set(live_files(table, "w"))
    assert len(before) == 10
    assert len(before & after) == 8
    assert len(table.snapshots()) == 2
    expected = {(str(r["parent_gid"]), str(r["gid"])) for r in rows if r["parent_gid"] not in {"12", "15"}}
    assert _by_parent(table) == expected | {("12", "1299"), ("99", "9900")}


def test_a_child_that_moved_is_deleted_from_its_old_parent_even_if_that_was_not_fetched(catalog: Catalog) -> None:
    table = tasks(catalog)
    replace(table, "w", [row(1, parent=10), row(2, parent=10)], sort_by=["parent_gid", "gid"])
    _replace_parents(table, [20], [row(1, parent=20)])
    assert _by_parent(table) == {("10", "2"), ("20", "1")}


def test_replacing_parents_without_old_or_new_rows_commits_nothing(catalog: Catalog) -> None:
    table = tasks(catalog)
    first = replace(table, "w", [row(1, parent=10)])
    assert _replace_parents(table, [20], []) == first
    assert _replace_parents(table, [], []) == first


def test_many_small_files_are_merged(catalog: Catalog) -> None:
    table = tasks(catalog)
    for parent in range(20):
        _replace_parents(table, [parent], [row(parent, parent=parent)], rows_per_file=1000)
    assert len(_by_parent(table)) == 20
    assert len(live_files(table, "w")) <= 9


_children = st.lists(st.tuples(st.integers(0, 5), st.integers(0, 12)), max_size=12, unique_by=lambda child: child[1])


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(steps=st.lists(st.tuples(st.sets(st.integers(0, 5), min_size=1), _children), max_size=4))
def test_any_series_of_parent_replacements_equals_the_same_series_on_a_dict(
    catalog: Catalog, steps: list[tuple[set[int], list[tuple[int, int]]]]
) -> None:
    table = ensure_table(catalog, "asana", uuid4().hex, SCHEMA)
    model: dict[str, str] = {}
    for second, (parents, children) in enumerate(steps):
        found = {str(gid): str(parent) for parent, gid in children if parent in parents}
        model = {gid: parent for gid, parent in model.items() if int(parent) not in parents} | found
        rows = [row(gid, parent=parent, second=second) for gid, parent in found.items()]
        _replace_parents(table, sorted(parents), rows, rows_per_file=3)
        assert _by_parent(table) == {(parent, gid) for gid, parent in model.items()}


def test_a_conflict_while_parents_are_replaced_keeps_the_other_writers_rows(
    catalog: Catalog, data_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    table, other = tasks(catalog), tasks(catalog)
    replace(table, "w", [row(1, parent=10)])
    run_before_commit(monkeypatch, table, lambda: _replace_parents(other, [30], [row(3, parent=30)]))
    with pytest.raises(ConflictError):
        _replace_parents(table, [20], [row(2, parent=20)])
    assert _by_parent(table) == {("10", "1"), ("30", "3")}
    assert len(data_files(data_dir)) == 2
    _replace_parents(table, [20], [row(2, parent=20)])
    assert gids(table, "w") == numbers([1, 2, 3])
