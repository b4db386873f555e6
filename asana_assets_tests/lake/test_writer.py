import signal
import subprocess
import sys
from pathlib import Path

import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pyiceberg.catalog import Catalog
from pyiceberg.conversions import from_bytes
from pyiceberg.io.pyarrow import ParquetFormatWriter
from pyiceberg.manifest import DataFile
from pyiceberg.table import FileScanTask, Table
from pyiceberg.types import StringType

from asana_assets.lake.errors import LakeError, SchemaError
from asana_assets.lake.pyiceberg_internals import read_file
from asana_assets.lake.table import scan
from asana_assets.lake.writer import PartitionWriter
from asana_assets_tests.support.lake_tables import (
    SCHEMA,
    Row,
    batch,
    data_files,
    gids,
    numbers,
    replace,
    replace_files,
    row,
    tasks,
)


def _write(table: Table, rows: list[Row], *, sort_by: list[str], size: int, run_rows: int) -> pa.Table:
    """Write rows in batches of `size`; return the rows of the data files in order."""
    with PartitionWriter(table, workspace="w", sort_by=sort_by, run_rows=run_rows, rows_per_file=7) as writer:
        for start in range(0, len(rows), size):
            writer.write(batch(rows[start : start + size]))
        files = writer.finish()
    batches = [b for file in files for b in read_file(table, FileScanTask(file), table.schema())]
    return pa.Table.from_batches(batches, schema=SCHEMA)


def _bounds(table: Table, file: DataFile, column: str) -> tuple[object, object]:
    field_id = table.schema().find_field(column).field_id
    assert file.lower_bounds is not None
    assert file.upper_bounds is not None
    return (
        from_bytes(StringType(), file.lower_bounds[field_id]),
        from_bytes(StringType(), file.upper_bounds[field_id]),
    )


def test_rows_are_sorted_over_all_files_and_the_files_bounds_do_not_overlap(catalog: Catalog) -> None:
    """With gids longer than Iceberg's default bounds of 16 characters, spilled to disk, in files of 100 rows."""
    table = tasks(catalog)
    keys = [str(12_000_000_000_000_000_000 + number * 7919 % 1000) for number in range(1000)]
    with PartitionWriter(table, workspace="w", sort_by=["gid"], rows_per_file=100, run_rows=37) as writer:
        for start in range(0, 1000, 10):
            writer.write(batch([row(gid) for gid in keys[start : start + 10]]))
        files = writer.finish()
    assert [file.record_count for file in files] == [100] * 10
    expected = sorted(keys)
    assert [_bounds(table, file, "gid") for file in files] == [
        (expected[start], expected[start + 99]) for start in range(0, 1000, 100)
    ]
    replace_files(table, "w", files)
    rows = scan(table, workspace="w")
    assert sorted(map(str, rows.column("gid").to_pylist())) == expected
    assert set(rows.column("workspace_gid").to_pylist()) == {"w"}


_rows = st.lists(
    st.builds(
        lambda gid, parent, second: row(gid, parent=parent, second=second),
        st.integers(0, 8),
        st.one_of(st.none(), st.integers(0, 3)),
        st.one_of(st.none(), st.integers(0, 3)),
    ),
    max_size=40,
)


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(rows=_rows, size=st.integers(1, 9), run_rows=st.integers(1, 50), by_parent=st.booleans())
def test_each_keys_newest_row_is_kept_in_order_for_any_batches_and_runs(
    catalog: Catalog, rows: list[Row], size: int, run_rows: int, *, by_parent: bool
) -> None:
    """This holds even if the sort order does not group rows by key; of equally new rows the last written is kept."""
    for number, written in enumerate(rows):
        written["name"] = str(number)
    newest: dict[object, Row] = {}
    for candidate in rows:
        old = newest.get(candidate["gid"])
        if old is None or str(candidate["_synced_at"] or "") >= str(old["_synced_at"] or ""):
            newest[candidate["gid"]] = candidate
    sort_by = ["parent_gid", "gid"] if by_parent else ["gid"]
    expected = sorted(newest.values(), key=lambda r: (*((r[c] is None, str(r[c])) for c in sort_by),))
    written_rows = _write(tasks(catalog), rows, sort_by=sort_by, size=size, run_rows=run_rows)
    assert written_rows.column("name").to_pylist() == [r["name"] for r in expected]
    assert written_rows.column("parent_gid").to_pylist() == [r["parent_gid"] for r in expected]
    assert written_rows.column("custom_fields").to_pylist() == [r["custom_fields"] for r in expected]


def test_the_spill_directory_is_used_only_for_more_than_one_run(catalog: Catalog, tmp_path: Path) -> None:
    """The directory does not exist, so that using it fails."""
    table, nowhere = tasks(catalog), tmp_path / "nowhere"
    with PartitionWriter(table, workspace="w", sort_by=["gid"], run_rows=10, spill_dir=nowhere) as writer:
        writer.write(batch([row(number) for number in range(10)]))
        assert len(writer.finish()) == 1
    with PartitionWriter(table, workspace="w", sort_by=["gid"], run_rows=10, spill_dir=nowhere) as writer:
        writer.write(batch([row(number) for number in range(11)]))
        with pytest.raises(LakeError, match="nowhere"):
            writer.finish()


def test_without_rows_no_file_is_written(catalog: Catalog) -> None:
    with PartitionWriter(tasks(catalog), workspace="w", sort_by=["gid"]) as writer:
        writer.write(batch([]))
        assert writer.finish() == []


def test_a_writer_that_is_not_finished_leaves_no_file(catalog: Catalog, data_dir: Path, tmp_path: Path) -> None:
    table, spill = tasks(catalog), tmp_path / "spill"
    spill.mkdir()
    with PartitionWriter(table, workspace="w", sort_by=["gid"], run_rows=10, spill_dir=spill) as writer:
        writer.write(batch([row(number) for number in range(100)]))
    assert list(spill.iterdir()) == []
    assert data_files(data_dir) == set()


def test_a_failed_write_leaves_no_data_file_and_no_snapshot(
    catalog: Catalog, data_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The failure comes when one file is complete and the second one is open."""
    table = tasks(catalog)
    write = ParquetFormatWriter.write

    def fail_at_the_second_file(self: ParquetFormatWriter, rows: pa.Table) -> None:
        if len(data_files(data_dir)) == 2:
            raise OSError("disk full")
        write(self, rows)

    monkeypatch.setattr(ParquetFormatWriter, "write", fail_at_the_second_file)
    with PartitionWriter(table, workspace="w", sort_by=["gid"], rows_per_file=25, run_rows=10) as writer:
        writer.write(batch([row(number) for number in range(60)]))
        with pytest.raises(LakeError, match="disk full"):
            writer.finish()
        assert len(data_files(data_dir)) == 2
    assert data_files(data_dir) == set()
    assert table.refresh().current_snapshot() is None


def test_a_killed_process_leaves_no_spill_file_and_an_unchanged_table(
    catalog: Catalog, data_dir: Path, tmp_path: Path
) -> None:
    table, spill = tasks(catalog), tmp_path / "spill"
    spill.mkdir()
    replace(table, "w", [row(1)])
    before = data_files(data_dir)
    script = (
        "import os, signal, sys; from pathlib import Path; from asana_assets_tests.support.lake_tables import *; "
        "from asana_assets.lake.catalog import open_catalog; "
        "writer = PartitionWriter(tasks(open_catalog(data_dir=Path(sys.argv[1]))), workspace='w', sort_by=['gid'], "
        "run_rows=10, spill_dir=Path(sys.argv[2])); "
        "writer.write(batch([row(number) for number in range(100)])); os.kill(os.getpid(), signal.SIGKILL)"
    )
    command = [sys.executable, "-c", script, str(data_dir), str(spill)]
    killed = subprocess.run(command, cwd=Path(__file__).parents[2], check=False)  # noqa: S603 - our own script
    assert killed.returncode == -signal.SIGKILL
    assert list(spill.iterdir()) == []
    assert data_files(data_dir) == before
    assert gids(table.refresh(), "w") == ["1"]


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        (pa.table({"gid": ["1"], "colour": ["red"]}), "no column colour"),
        (pa.table({"gid": ["1"], "points": ["many"]}), r"column points of table asana\.tasks"),
        (pa.table({"name": ["x"]}), r"Column gid of table asana\.tasks is required"),
        (pa.table({"gid": ["1"], "workspace_gid": ["v"]}), "a workspace other than w"),
        (pa.table({"gid": [["1"]]}), r"column gid of table asana\.tasks"),
    ],
)
def test_an_error_for_rows_that_do_not_fit_names_table_and_column(
    catalog: Catalog, rows: pa.Table, message: str
) -> None:
    writer = PartitionWriter(tasks(catalog), workspace="w", sort_by=["gid"])
    with pytest.raises(SchemaError, match=message), writer:  # noqa: PT012 - values are checked when enough rows are buffered
        writer.write(rows)
        writer.finish()


def test_an_error_for_a_missing_sort_column_names_it(catalog: Catalog) -> None:
    with pytest.raises(SchemaError, match=r"asana\.tasks has no column rank"):
        PartitionWriter(tasks(catalog), workspace="w", sort_by=["rank"])


def test_large_and_small_batches_with_different_columns_can_be_mixed(catalog: Catalog) -> None:
    table = tasks(catalog)
    with PartitionWriter(table, workspace="w", sort_by=["gid"], run_rows=64) as writer:
        writer.write(batch([row(number) for number in range(1000, 1500)]))
        for number in range(1500, 1600):
            writer.write(pa.table({"name": ["n"], "gid": pa.array([str(number)], pa.large_string())}).to_batches()[0])
        replace_files(table, "w", writer.finish())
    assert sorted(map(str, scan(table).column("gid").to_pylist())) == numbers(range(1000, 1600))
