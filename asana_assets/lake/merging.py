"""Merging the small files of a workspace into full ones, without changing a row."""

from collections.abc import Sequence
from dataclasses import dataclass

from pyiceberg.manifest import DataFile
from pyiceberg.table import FileScanTask, Table

from asana_assets.lake.commit import swap_files
from asana_assets.lake.error_translation import translates_errors
from asana_assets.lake.pyiceberg_internals import read_file
from asana_assets.lake.table import live_files
from asana_assets.lake.writer import ROWS_PER_FILE, PartitionWriter

MIN_FILES_TO_MERGE = 8
"""Fewer small files are left alone: readers that follow changes see every row of a rewritten file again."""

BYTES_PER_SAVED_FILE = 1024 * 1024
"""What may be rewritten to save one file: on an object store, opening a file takes as long as rewriting this much."""

_SORT_COLUMNS = ("parent_gid", "gid")


@dataclass(frozen=True, slots=True, kw_only=True)
class FileSize:
    """The size of a data file."""

    rows: int
    bytes: int


@dataclass(frozen=True, slots=True, kw_only=True)
class MergeResult:
    """Number and bytes of the files that were merged, and number of the files that replaced them."""

    files: int = 0
    bytes: int = 0
    files_written: int = 0

    def __add__(self, other: "MergeResult") -> "MergeResult":
        return MergeResult(
            files=self.files + other.files,
            bytes=self.bytes + other.bytes,
            files_written=self.files_written + other.files_written,
        )


def decide_merge(sizes: Sequence[FileSize], *, rows_per_file: int = ROWS_PER_FILE) -> list[int]:
    """Return the positions of the files to merge: as many of the small ones, smallest first, as pay for themselves.

    A merge pays if it rewrites at most `BYTES_PER_SAVED_FILE` per file that it saves. A partition therefore keeps fewer
    than `MIN_FILES_TO_MERGE` small files, or small files that are large enough on average.

    Args:
        sizes: Sizes of all files.
        rows_per_file: Rows of a full file; files with at least half as many are not small.
    """
    small = [number for number, size in enumerate(sizes) if size.rows < rows_per_file // 2]
    small.sort(key=lambda number: sizes[number].bytes)
    rows = sum(sizes[number].rows for number in small)
    rewritten = sum(sizes[number].bytes for number in small)
    while len(small) >= MIN_FILES_TO_MERGE:
        saved = len(small) - -(-rows // rows_per_file)
        if rewritten <= saved * BYTES_PER_SAVED_FILE:
            return sorted(small)
        largest = sizes[small.pop()]
        rows, rewritten = rows - largest.rows, rewritten - largest.bytes
    return []


def size_of(file: DataFile) -> FileSize:
    """Return the size of a data file."""
    return FileSize(rows=file.record_count, bytes=file.file_size_in_bytes)


@translates_errors
def merge_small_files(
    table: Table, workspace: str, *, rows_per_file: int = ROWS_PER_FILE, dry_run: bool = False
) -> MergeResult:
    """Merge a workspace's small files in one snapshot if that pays.

    Rows are copied as they are, also those with equal keys, in the table's sort order.

    Args:
        table: As last refreshed; refreshed in place.
        workspace: The workspace's gid.
        rows_per_file: Maximum of rows per data file.
        dry_run: Only return what would be merged; `files_written` is then 0.

    Raises:
        ConflictError: Another writer changed this workspace in the meantime; nothing was merged.
    """
    files = live_files(table, workspace)
    # A row-level delete, which only another engine can have written, would lose its data file.
    candidates = [task for task in files.values() if not task.delete_files]
    sizes = [size_of(task.file) for task in candidates]
    chosen = [candidates[number] for number in decide_merge(sizes, rows_per_file=rows_per_file)]
    size = sum(task.file.file_size_in_bytes for task in chosen)
    if dry_run or not chosen:
        return MergeResult(files=len(chosen), bytes=size)
    with PartitionWriter(
        table, workspace=workspace, sort_by=sort_columns(table), key=(), rows_per_file=rows_per_file
    ) as writer:
        _copy(table, chosen, writer)
        added = writer.finish()
        swap_files(table, workspace, files, removed=[task.file for task in chosen], added=added, is_merge=True)
    return MergeResult(files=len(chosen), bytes=size, files_written=len(added))


def sort_columns(table: Table) -> list[str]:
    """Return the columns of the table's Iceberg sort order; without one, parent and gid, by which endpoints sort."""
    schema = table.schema()
    names = {field.field_id: field.name.lower() for field in schema.fields}
    declared = [names[field.source_id] for field in table.sort_order().fields if field.source_id in names]
    return declared or [name for name in _SORT_COLUMNS if name in names.values()]


def _copy(table: Table, tasks: Sequence[FileScanTask], writer: PartitionWriter) -> None:
    for task in tasks:
        for rows in read_file(table, task, table.schema()):
            writer.write(rows)
