import logging
import os
import shutil
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from pyarrow.fs import FileSelector, LocalFileSystem
from pyiceberg.catalog import Catalog
from pyiceberg.io.fsspec import FsspecFileIO
from pyiceberg.table import Table

from asana_assets.lake.catalog import open_catalog
from asana_assets.lake.errors import LakeError
from asana_assets.lake.table import scan
from asana_assets.lake.unreferenced_files import UnreferencedFiles, remove_unreferenced_files
from asana_assets.lake.writer import PartitionWriter
from asana_assets_tests.support.lake_tables import batch, replace, row, tasks

AGE = timedelta(days=3)
NAMES = ["data/workspace_gid=w/crashed.parquet", "metadata/crashed-m0.avro", "metadata/00009-crashed.metadata.json"]


def remove(table: Table, *, dry_run: bool = False, age: timedelta = AGE) -> UnreferencedFiles:
    return remove_unreferenced_files(table, older_than=datetime.now(UTC) - age, dry_run=dry_run)


def make_old(path: Path, *, by: timedelta = 2 * AGE) -> None:
    then = path.stat().st_mtime - by.total_seconds()
    os.utime(path, (then, then))


def folder(table: Table) -> Path:
    return Path(table.location().removeprefix("file://"))


def files(table: Table) -> set[str]:
    return {str(path.relative_to(folder(table))) for path in folder(table).rglob("*") if path.is_file()}


def crash(table: Table) -> None:
    """Leave what a crashed writer leaves: a file of each kind, of two bytes."""
    for name in NAMES:
        (folder(table) / name).write_text("{}")


@pytest.fixture
def table(catalog: Catalog) -> Table:
    """A table with two snapshots, all of whose files are old."""
    created = tasks(catalog)
    for number in range(2):
        replace(created, "w", [row(number)])
    crash(created)
    for path in folder(created).rglob("*"):
        make_old(path)
    return created


def test_old_files_of_crashed_writers_are_removed_and_no_other_file(table: Table) -> None:
    before = files(table)
    first = table.snapshots()[0].snapshot_id
    assert remove(table) == UnreferencedFiles(files=3, bytes=6)
    assert files(table) == before - set(NAMES)
    assert scan(table)["gid"].to_pylist() == ["1"]
    assert table.scan(snapshot_id=first).to_arrow()["gid"].to_pylist() == ["0"]
    assert remove(table) == UnreferencedFiles()


def test_a_dry_run_says_what_would_be_removed(table: Table) -> None:
    before = files(table)
    assert remove(table, dry_run=True) == UnreferencedFiles(files=3, bytes=6)
    assert files(table) == before


def test_files_that_are_not_old_enough_are_kept(table: Table) -> None:
    for name in NAMES:
        make_old(folder(table) / name, by=timedelta(days=-4))  # they are two days old now
    assert remove(table) == UnreferencedFiles()
    assert remove(table, age=timedelta(days=1)).files == 3


def test_files_of_a_commit_in_progress_are_kept_and_it_succeeds(table: Table) -> None:
    with PartitionWriter(table, workspace="w", sort_by=("gid",)) as writer:
        writer.write(batch([row(5)]))
        [file] = writer.finish()
        remove(table)
        assert Path(file.file_path.removeprefix("file://")).exists()


def test_a_commit_between_the_listing_and_the_loading_of_the_metadata_loses_nothing(
    catalog: Catalog, table: Table, monkeypatch: pytest.MonkeyPatch
) -> None:
    refresh = table.refresh

    def commit_then_refresh() -> Table:
        replace(tasks(catalog), "w", [row(7)])
        return refresh()

    monkeypatch.setattr(table, "refresh", commit_then_refresh)
    remove(table, age=timedelta(0))
    assert scan(tasks(catalog))["gid"].to_pylist() == ["7"]


@pytest.mark.parametrize("name", ["data/notes.txt", "metadata/version-hint.text", "elsewhere/lost.parquet", "x.avro"])
def test_files_that_this_package_does_not_write_are_kept(table: Table, name: str) -> None:
    path = folder(table) / name
    path.parent.mkdir(exist_ok=True)
    path.write_text("kept")
    make_old(path)
    remove(table)
    assert path.exists()


def test_nothing_outside_of_the_tables_location_is_removed(table: Table, data_dir: Path) -> None:
    outside = [
        data_dir / "warehouse" / "asana" / name for name in ("tasks2/data/a.parquet", "data/b.parquet", "c.parquet")
    ]
    for path in outside:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("kept")
        make_old(path)
    assert remove(table).files == 3
    assert all(path.exists() for path in outside)


@pytest.mark.parametrize("kind", ["*.parquet", "snap-*.avro", "*-m0.avro"])
def test_nothing_is_removed_if_the_listing_lacks_a_file_of_the_current_snapshot(table: Table, kind: str) -> None:
    newest = max(
        (path for path in folder(table).rglob(kind) if "crashed" not in path.name),
        key=lambda path: path.stat().st_mtime,
    )
    listed = files(table)
    get_file_info = LocalFileSystem.get_file_info

    class Incomplete(LocalFileSystem):
        def get_file_info(self, paths_or_selector: FileSelector) -> object:  # type: ignore[override]
            return [one for one in get_file_info(self, paths_or_selector) if one.path != str(newest)]

    table.io.fs_by_scheme = lambda *_: Incomplete()  # pyright: ignore[reportAttributeAccessIssue] - the seam is untyped
    result = remove(table)
    assert result.skipped == "files of its current snapshot were not found at its location"
    assert files(table) == listed


def test_nothing_is_removed_if_the_listing_fails(table: Table) -> None:
    before = files(table)

    class Failing(LocalFileSystem):
        def get_file_info(self, paths_or_selector: FileSelector) -> object:  # type: ignore[override]
            if paths_or_selector.base_dir.endswith("metadata"):
                raise OSError(5, "Input/output error")
            return super().get_file_info(paths_or_selector)

    table.io.fs_by_scheme = lambda *_: Failing()  # pyright: ignore[reportAttributeAccessIssue] - the seam is untyped
    with pytest.raises(LakeError, match="ASANA_DATA_DIR"):
        remove(table)
    assert files(table) == before


@pytest.mark.parametrize("with_snapshot", [True, False])
def test_a_location_that_is_shared_with_another_catalogs_table_is_left_alone(
    table: Table, tmp_path: Path, *, with_snapshot: bool
) -> None:
    """A table without snapshots is what the process leaves that loses the race to create a table."""
    other_dir = tmp_path / "other"
    other = tasks(open_catalog(data_dir=other_dir))
    if with_snapshot:
        replace(other, "w", [row(1)])
    shutil.copytree(folder(other), folder(table), dirs_exist_ok=True)
    for path in folder(table).rglob("*"):
        make_old(path)
    before = files(table)
    result = remove(table)
    assert (result.skipped == "its location also holds the files of another table") is with_snapshot
    assert (files(table) == before) is with_snapshot
    other.catalog.close()


def test_a_table_without_garbage_collection_keeps_all_files(table: Table) -> None:
    table.transaction().set_properties({"gc.enabled": "false"}).commit_transaction()
    assert remove(table).skipped == "its property gc.enabled is false"


def test_a_store_that_cannot_be_listed_keeps_all_files(table: Table) -> None:
    table.io = FsspecFileIO(table.io.properties)
    assert remove(table).skipped == "FsspecFileIO cannot list files"


def test_a_file_that_cannot_be_deleted_is_named_and_left(
    table: Table, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    class ReadOnly(LocalFileSystem):
        def delete_file(self, path: str) -> None:
            if path.endswith(".avro"):
                raise PermissionError(path)
            super().delete_file(path)

    monkeypatch.setattr(table.io, "fs_by_scheme", lambda *_: ReadOnly())
    with caplog.at_level(logging.WARNING):
        assert remove(table).files == 2
    assert "crashed-m0.avro (PermissionError)" in caplog.text
