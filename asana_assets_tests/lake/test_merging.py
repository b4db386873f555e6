from pathlib import Path

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pyiceberg.catalog import Catalog
from pyiceberg.manifest import DataFile
from pyiceberg.table.snapshots import Operation
from pyiceberg.transforms import IdentityTransform

from asana_assets.lake.commit import swap_files
from asana_assets.lake.errors import ConflictError
from asana_assets.lake.merging import (
    BYTES_PER_SAVED_FILE,
    MIN_FILES_TO_MERGE,
    FileSize,
    MergeResult,
    decide_merge,
    merge_small_files,
)
from asana_assets.lake.table import ensure_table, live_files, scan
from asana_assets.lake.writer import PartitionWriter
from asana_assets_tests.support.lake_tables import append, batch, gids, replace, row, run_before_commit, tasks

ROWS_PER_FILE = 1000
SIZES = st.lists(
    st.builds(
        FileSize,
        rows=st.integers(1, 2 * ROWS_PER_FILE),
        bytes=st.integers(1, 4 * BYTES_PER_SAVED_FILE),
    ),
    max_size=40,
)


def sizes(*kilobytes: int, rows: int = 1) -> list[FileSize]:
    return [FileSize(rows=rows, bytes=1024 * size) for size in kilobytes]


def test_few_small_files_are_left_alone() -> None:
    assert decide_merge(sizes(*[1] * (MIN_FILES_TO_MERGE - 1)), rows_per_file=ROWS_PER_FILE) == []
    assert decide_merge(sizes(*[1] * MIN_FILES_TO_MERGE), rows_per_file=ROWS_PER_FILE) == list(
        range(MIN_FILES_TO_MERGE)
    )


def test_a_file_that_is_half_full_is_not_rewritten_to_save_small_ones() -> None:
    files = [*sizes(1, rows=ROWS_PER_FILE // 2), *sizes(*[1] * 8)]
    assert decide_merge(files, rows_per_file=ROWS_PER_FILE) == [1, 2, 3, 4, 5, 6, 7, 8]


def test_large_files_of_few_rows_are_merged_only_once_that_saves_enough_files() -> None:
    large = 7 * 1024  # as expensive as 7 files
    assert decide_merge(sizes(large, *[1] * 7), rows_per_file=ROWS_PER_FILE) == []
    assert decide_merge(sizes(large, *[1] * 8), rows_per_file=ROWS_PER_FILE) == list(range(9))


@given(SIZES)
def test_what_is_merged_pays_for_itself_and_what_is_left_would_not(files: list[FileSize]) -> None:
    chosen = decide_merge(files, rows_per_file=ROWS_PER_FILE)
    small = sorted(one.bytes for one in files if one.rows < ROWS_PER_FILE // 2)
    rows = sum(files[number].rows for number in chosen)
    if chosen:
        saved = len(chosen) - -(-rows // ROWS_PER_FILE)
        assert len(chosen) >= MIN_FILES_TO_MERGE
        assert sum(files[number].bytes for number in chosen) <= saved * BYTES_PER_SAVED_FILE
    elif len(small) >= MIN_FILES_TO_MERGE:
        full = -(-MIN_FILES_TO_MERGE * (ROWS_PER_FILE // 2) // ROWS_PER_FILE)  # at most, of the smallest
        assert sum(small[:MIN_FILES_TO_MERGE]) > (MIN_FILES_TO_MERGE - full) * BYTES_PER_SAVED_FILE


@given(st.lists(st.integers(1, 3000), min_size=1, max_size=300))
def test_files_stay_few_and_each_byte_is_rewritten_a_bounded_number_of_times(appended: list[int]) -> None:
    """A file of each of these sizes in kilobytes is appended, and then merged with others if that pays."""
    files: list[FileSize] = []
    rewritten = 0
    for size in sizes(*appended):
        files.append(size)
        chosen = decide_merge(files, rows_per_file=ROWS_PER_FILE)
        merged = sum(files[number].bytes for number in chosen)
        rewritten += merged
        files = [one for number, one in enumerate(files) if number not in chosen]
        files += [FileSize(rows=1, bytes=merged)] if chosen else []
    total = sum(size.bytes for size in files)
    assert len(files) <= MIN_FILES_TO_MERGE + total / (BYTES_PER_SAVED_FILE // 2)
    assert rewritten <= len(appended) * BYTES_PER_SAVED_FILE * MIN_FILES_TO_MERGE / (MIN_FILES_TO_MERGE - 1)


def rows_of(catalog: Catalog, workspace: str) -> pa.Table:
    return scan(tasks(catalog), workspace=workspace).sort_by([("gid", "ascending"), ("parent_gid", "ascending")])


def test_merging_changes_no_row_not_even_rows_with_equal_keys(catalog: Catalog) -> None:
    for number in range(9):
        append(catalog, "w", number // 2)
        append(catalog, "v", number)
    before = rows_of(catalog, "w"), rows_of(catalog, "v")
    table = tasks(catalog)
    result = merge_small_files(table, "w")
    assert (result.files, result.files_written, len(live_files(table, "w"))) == (9, 1, 1)
    assert len(live_files(table, "v")) == 9
    assert (rows_of(catalog, "w"), rows_of(catalog, "v")) == before


def test_a_merge_is_one_snapshot_that_readers_of_changes_may_skip(catalog: Catalog) -> None:
    for number in range(8):
        append(catalog, "w", number)
    table = tasks(catalog)
    merge_small_files(table, "w")
    snapshot = table.current_snapshot()
    assert len(table.snapshots()) == 9
    assert snapshot is not None
    assert snapshot.summary is not None
    assert snapshot.summary.operation is Operation.REPLACE
    assert (snapshot.summary["total-records"], snapshot.summary["total-data-files"]) == ("8", "1")


def test_merged_rows_are_sorted_by_parent_and_gid(catalog: Catalog) -> None:
    for number in range(8):
        append(catalog, "w", number, parent=8 - number)
    table = tasks(catalog)
    merge_small_files(table, "w")
    assert scan(table)["parent_gid"].to_pylist() == [str(number) for number in range(1, 9)]


def test_the_tables_own_sort_order_takes_precedence(catalog: Catalog) -> None:
    for number in range(8):
        append(catalog, "w", number, parent=8 - number)
    table = tasks(catalog)
    with table.update_sort_order() as update:
        update.asc("name", IdentityTransform())
    merge_small_files(table, "w")
    assert scan(table)["name"].to_pylist() == [str(number) for number in range(8)]


def test_a_dry_run_says_what_would_be_merged_and_commits_nothing(catalog: Catalog, data_dir: Path) -> None:
    for number in range(8):
        append(catalog, "w", number)
    table = tasks(catalog)
    before = sorted(data_dir.rglob("*"))
    size = sum(task.file.file_size_in_bytes for task in live_files(table, "w").values())
    assert merge_small_files(table, "w", dry_run=True) == MergeResult(files=8, bytes=size)
    assert sorted(data_dir.rglob("*")) == before


def test_a_table_without_the_usual_columns_is_merged(catalog: Catalog) -> None:
    schema = pa.schema([pa.field("workspace_gid", pa.string()), pa.field("kind", pa.string())])
    table = ensure_table(catalog, "asana", "history", schema)
    for number in range(8):
        with PartitionWriter(table, workspace="w", sort_by=("kind",), key=()) as writer:
            writer.write(pa.table({"kind": [f"{number}"] * 2}))
            swap_files(table, "w", live_files(table, "w"), removed=(), added=writer.finish())
    assert merge_small_files(table, "w").files == 8
    assert sorted(map(str, scan(table)["kind"].to_pylist())) == sorted([f"{number}" for number in range(8)] * 2)


def test_a_write_to_the_workspace_meanwhile_wins_and_the_merge_leaves_no_file(
    catalog: Catalog, data_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(8):
        append(catalog, "w", number)
    table = tasks(catalog)
    run_before_commit(monkeypatch, table, lambda: append(catalog, "w", 9))
    with pytest.raises(ConflictError):
        merge_small_files(table, "w")
    assert gids(tasks(catalog), "w") == [str(number) for number in (*range(8), 9)]
    assert len(list(data_dir.rglob("*.parquet"))) == 9


@pytest.mark.parametrize(("replaced", "conflicts"), [("large", False), ("small", True)])
def test_a_merge_meanwhile_is_a_conflict_only_for_a_write_that_replaces_a_merged_file(
    catalog: Catalog, monkeypatch: pytest.MonkeyPatch, *, replaced: str, conflicts: bool
) -> None:
    table = tasks(catalog)
    replace(table, "w", [row(f"large{number}") for number in range(20)])
    for number in range(8):
        append(catalog, "w", number)
    table.refresh()
    base = live_files(table, "w")
    files: dict[str, list[DataFile]] = {"large": [], "small": []}
    for task in base.values():
        files["large" if task.file.record_count == 20 else "small"].append(task.file)
    run_before_commit(monkeypatch, table, lambda: merge_small_files(tasks(catalog), "w", rows_per_file=30))

    def write() -> None:
        with PartitionWriter(table, workspace="w", sort_by=("gid",)) as writer:
            writer.write(batch([row("new")]))
            swap_files(table, "w", base, removed=files[replaced][:1], added=writer.finish())

    small = [str(number) for number in range(8)]
    if conflicts:
        with pytest.raises(ConflictError):
            write()
        assert len(gids(tasks(catalog), "w")) == 28
        return
    write()
    assert gids(tasks(catalog), "w") == [*small, "new"]
