"""Writing only differences: which rows count as changed, and what an unchanged write leaves."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from uuid import uuid4

import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pyiceberg.catalog import Catalog
from pyiceberg.table import Table

from asana_assets.lake.difference import WriteResult, write_rows
from asana_assets.lake.errors import ConflictError, LostFileError
from asana_assets.lake.index_reader import Parents
from asana_assets.lake.maintenance import drop_lost_files
from asana_assets.lake.table import ensure_table, live_files, scan
from asana_assets_tests.support.lake_tables import SCHEMA, START, Row, batch, data_files, gids, numbers, replace, row

HASHED = pa.schema([*SCHEMA, pa.field("_row_hash", pa.int64())])


def hashed(catalog: Catalog, schema: pa.Schema = HASHED) -> Table:
    return ensure_table(catalog, "asana", uuid4().hex, schema)


def write(table: Table, *batches: Sequence[Row], parents: Sequence[int] | None = None, **options: int) -> WriteResult:
    """Replace the rows of the workspace, or of these parents; each of `batches` is one batch."""
    return write_rows(
        table,
        "w",
        [batch(rows) for rows in batches],
        sort_by=["gid"] if parents is None else ["parent_gid", "gid"],
        parents=None if parents is None else Parents("parent_gid", pa.array([str(one) for one in parents])),
        **options,  # pyright: ignore[reportArgumentType] - numbers and flags
    )


def stored(table: Table) -> dict[str, Row]:
    """Return the rows by gid."""
    rows = scan(table, workspace="w").to_pylist()
    by_gid = {str(one["gid"]): one for one in rows}
    assert len(by_gid) == len(rows)
    return by_gid


def seconds(table: Table) -> dict[str, float]:
    """Return when each row was fetched, in seconds since `START`."""
    return {gid: (one["_synced_at"] - START).total_seconds() for gid, one in stored(table).items()}  # pyright: ignore[reportOperatorIssue, reportUnknownVariableType, reportUnknownMemberType, reportAttributeAccessIssue] - an instant


def test_rows_that_did_not_change_are_not_written_and_nothing_is_committed(catalog: Catalog, data_dir: Path) -> None:
    table = hashed(catalog)
    first = write(table, [row(gid) for gid in range(30)], rows_per_file=10)
    assert (first.added, first.changed, first.removed) == (30, 0, 0)
    metadata, files = table.metadata_location, data_files(data_dir)
    again = write(table, [row(gid, second=9) for gid in range(30)], rows_per_file=10)
    assert again == WriteResult(snapshot_id=first.snapshot_id)
    assert (table.refresh().metadata_location, data_files(data_dir)) == (metadata, files)
    assert set(seconds(table).values()) == {0}


def test_only_files_with_changed_or_removed_rows_are_rewritten_and_other_rows_keep_their_instant(
    catalog: Catalog,
) -> None:
    table = hashed(catalog)
    write(table, [row(gid) for gid in range(100, 200)], rows_per_file=10)
    before = set(live_files(table, "w"))
    rows = [row(gid, second=9, name="new" if gid == 117 else "") for gid in range(100, 201) if gid != 155]
    result = write(table, rows, rows_per_file=10)
    assert (result.added, result.changed, result.removed) == (1, 1, 1)
    assert len(before & set(live_files(table, "w"))) == 8
    assert {gid for gid, second in seconds(table).items() if second} == {"117", "200"}
    assert gids(table, "w") == numbers(gid for gid in range(100, 201) if gid != 155)


def test_children_of_a_fetched_parent_that_did_not_change_are_not_written(catalog: Catalog) -> None:
    table = hashed(catalog)
    first = write(table, [row(1, parent=10), row(2, parent=10), row(3, parent=20)], parents=[10, 20])
    unchanged = write(table, [row(1, parent=10, second=5), row(2, parent=10, second=5)], parents=[10])
    assert unchanged == WriteResult(snapshot_id=first.snapshot_id)
    result = write(table, [row(1, parent=10, second=9), row(3, parent=10, second=9)], parents=[10])
    assert (result.added, result.changed, result.removed) == (0, 1, 1)
    assert {gid: one["parent_gid"] for gid, one in stored(table).items()} == {"1": "10", "3": "10"}
    assert seconds(table) == {"1": 0, "3": 9}


@pytest.mark.parametrize(("listed", "name"), [(["5b", "7a"], "a"), (["7a", "5b"], "a"), (["5a", "7b", "6a"], "b")])
def test_a_row_may_change_and_change_back_while_it_is_listed(catalog: Catalog, listed: list[str], name: str) -> None:
    table = hashed(catalog)
    write(table, [row(1, name="a")])
    write(table, *([row(1, name=one[1], second=int(one[0]))] for one in listed), run_rows=1)
    assert stored(table)["1"]["name"] == name


_listed = st.lists(st.tuples(st.integers(0, 4), st.sampled_from("ab"), st.integers(0, 3)), max_size=8)


@pytest.mark.slow
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(syncs=st.lists(_listed, min_size=1, max_size=3), run_rows=st.integers(1, 4))
def test_of_rows_that_are_listed_repeatedly_the_newest_wins_whether_or_not_it_equals_the_stored_one(
    catalog: Catalog, syncs: list[list[tuple[int, str, int]]], run_rows: int
) -> None:
    table = hashed(catalog)
    for number, listed in enumerate(syncs):
        known = {gid: (one["name"], seconds(table)[gid]) for gid, one in stored(table).items()}
        rows = [row(gid, name=name, second=10 * number + second) for gid, name, second in listed]
        write(table, *([one] for one in rows), run_rows=run_rows)
        newest = {str(one["gid"]): one for one in sorted(rows, key=lambda one: str(one["_synced_at"]))}
        now, fetched_at = stored(table), seconds(table)
        assert {gid: one["name"] for gid, one in now.items()} == {gid: one["name"] for gid, one in newest.items()}
        for gid, (name, second) in known.items():
            if {one["name"] for one in rows if one["gid"] == gid} == {name}:
                assert fetched_at[gid] == second


@pytest.mark.slow
@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    steps=st.lists(
        st.tuples(
            st.sets(st.integers(0, 4), min_size=1),
            st.lists(
                st.tuples(st.integers(0, 4), st.integers(0, 9), st.sampled_from("ab")), unique_by=lambda child: child[1]
            ),
        ),
        max_size=4,
    )
)
def test_any_series_of_parents_and_their_children_equals_the_same_series_on_a_dict(
    catalog: Catalog, steps: list[tuple[set[int], list[tuple[int, int, str]]]]
) -> None:
    table = hashed(catalog)
    model: dict[str, tuple[str, str, float]] = {}
    for second, (parents, children) in enumerate(steps):
        rows = [
            row(gid, parent=parent, name=name, second=second) for parent, gid, name in children if parent in parents
        ]
        found = {str(one["gid"]): (str(one["parent_gid"]), str(one["name"])) for one in rows}
        kept = {gid: child for gid, child in model.items() if int(child[0]) not in parents or gid in found}
        for gid, content in found.items():
            if gid not in kept or kept[gid][:2] != content:
                kept[gid] = (*content, float(second))
        snapshots = len(table.snapshots())
        write(table, rows, parents=sorted(parents), rows_per_file=3)
        assert len(table.snapshots()) - snapshots == (kept != model)
        model = kept
        fetched_at = seconds(table)
        now = {gid: (one["parent_gid"], one["name"], fetched_at[gid]) for gid, one in stored(table).items()}
        assert now == model


def test_rows_of_a_table_without_hashes_are_rewritten_once(catalog: Catalog) -> None:
    table = hashed(catalog, SCHEMA)
    replace(table, "w", [row(1), row(2)])
    table = ensure_table(catalog, "asana", table.name()[-1], HASHED)
    assert write(table, [row(1, second=5), row(2, second=5)]).changed == 2
    assert write(table, [row(1, second=9), row(2, second=9)]).changed == 0


def test_a_new_column_changes_those_rows_only_that_have_a_value_in_it(catalog: Catalog) -> None:
    table = hashed(catalog)
    write(table, [row(1), row(2)])
    table = ensure_table(catalog, "asana", table.name()[-1], pa.schema([*HASHED, pa.field("due_on", pa.date32())]))
    rows = batch([row(1, second=5), row(2, second=5)])
    due_on = pa.array([None, START.date()], pa.date32())
    result = write_rows(table, "w", [rows.append_column("due_on", due_on)], sort_by=["gid"])
    assert result.changed == 1
    assert seconds(table) == {"1": 0, "2": 5}


def test_a_row_that_was_changed_by_hand_is_found_by_its_content_only(catalog: Catalog) -> None:
    table = hashed(catalog)
    write(table, [row(1), row(2)])
    edited = scan(table, workspace="w").to_pylist()
    edited[0]["name"] = "edited"
    table.overwrite(pa.Table.from_pylist(edited, schema=HASHED))
    assert write(table, [row(1, second=5), row(2, second=5)]).changed == 0
    assert write(table, [row(1, second=9), row(2, second=9)], compare_contents=True).changed == 1
    assert seconds(table) == {"1": 9, "2": 0}
    assert stored(table)["1"]["name"] == ""


def test_a_key_that_another_program_stored_twice_is_repaired_by_the_next_write(catalog: Catalog) -> None:
    table = hashed(catalog)
    write(table, [row(1), row(2)])
    table.append(scan(table, workspace="w").slice(0, 1))
    write(table, [row(1, second=5), row(2, second=5)])
    assert gids(table, "w") == ["1", "2"]


def rows_while(table: Table, action: Sequence[Row]) -> Iterator[pa.Table]:
    """Yield two rows; in between, another writer replaces the workspace's rows with these."""
    yield batch([row(1, second=5)])
    write(table, action)
    yield batch([row(2, second=5)])


def test_another_writer_that_stores_the_same_rows_meanwhile_is_no_conflict(catalog: Catalog) -> None:
    table = hashed(catalog)
    other = catalog.load_table(table.name())
    write(table, [row(1), row(3)])
    write_rows(table, "w", rows_while(other, [row(1, second=3), row(2, second=3)]), sort_by=["gid"])
    assert gids(table, "w") == ["1", "2"]


def test_another_writer_that_changes_an_unchanged_row_meanwhile_is_a_conflict(catalog: Catalog) -> None:
    table = hashed(catalog)
    other = catalog.load_table(table.name())
    write(table, [row(1)])
    with pytest.raises(ConflictError):
        write_rows(table, "w", rows_while(other, [row(1, name="theirs")]), sort_by=["gid"])
    assert stored(table.refresh())["1"]["name"] == "theirs"


def test_a_lost_data_file_is_named_and_can_be_dropped(catalog: Catalog) -> None:
    table = hashed(catalog)
    write(table, [row(gid) for gid in range(10, 30)], rows_per_file=10)
    lost = next(iter(live_files(table, "w")))
    Path(lost.removeprefix("file://")).unlink()
    with pytest.raises(LostFileError, match=f"{Path(lost).name}.*--full-refresh"):
        write(table, [row(gid) for gid in range(10, 30)])
    assert drop_lost_files(table, "v") == 0
    assert drop_lost_files(table, None) == 1
    result = write(table, [row(gid, second=5) for gid in range(10, 30)])
    assert (result.added, result.changed) == (10, 0)
    assert sorted(seconds(table).values()) == [0] * 10 + [5] * 10
