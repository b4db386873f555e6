"""Writing rows so that only differences reach the table: which rows to write, and which files to rewrite for them.

Stored rows whose content is among the new rows are left as they are, `_synced_at` included. Without any difference,
nothing is written and nothing is committed.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, closing
from dataclasses import dataclass
from operator import attrgetter
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
from pyiceberg.table import FileScanTask, Table

from asana_assets.lake.change_log import ChangeLog
from asana_assets.lake.commit import conflict, swap_files
from asana_assets.lake.error_translation import translate_errors
from asana_assets.lake.index_reader import IndexReader, Parents, row_keys
from asana_assets.lake.merging import decide_merge, size_of
from asana_assets.lake.pyiceberg_internals import AnyArray, arrow_schema, read_file
from asana_assets.lake.row_changes import RowChanges
from asana_assets.lake.row_hash import ROW_HASH, with_row_hashes
from asana_assets.lake.row_index import INDEX_SCHEMA, KEY, RowIndex, row_numbers
from asana_assets.lake.table import SYNCED_AT, live_files
from asana_assets.lake.writer import ROWS_PER_FILE, RUN_BYTES, RUN_ROWS, PartitionWriter, deleted_on_error

_MIN_BATCH_ROWS = 10_000
_NO_ROWS = INDEX_SCHEMA.empty_table()


@dataclass(frozen=True, slots=True, kw_only=True)
class WriteResult:
    """What a write changed.

    Attributes:
        snapshot_id: The new snapshot; without any difference the current one, None without any.
        added: Rows with a new key.
        changed: Rows that replaced a stored row with the same key.
        removed: Stored rows that were deleted.
    """

    snapshot_id: int | None
    added: int = 0
    changed: int = 0
    removed: int = 0


@dataclass(frozen=True, slots=True)
class ChangeRecorder:
    """Where the entries of a write's changes go.

    Attributes:
        log: The table of entries.
        sync_id: The sync that the entries belong to.
    """

    log: ChangeLog
    sync_id: str


def write_rows(
    table: Table,
    workspace: str,
    rows: Iterable[pa.RecordBatch | pa.Table],
    *,
    sort_by: Sequence[str],
    parents: Parents | None = None,
    compare_contents: bool = False,
    key: Sequence[str] = ("gid",),
    properties: Mapping[str, str] | None = None,
    recorder: ChangeRecorder | None = None,
    rows_per_file: int = ROWS_PER_FILE,
    run_rows: int = RUN_ROWS,
    spill_dir: Path | None = None,
) -> WriteResult:
    """Replace the rows of a workspace, or of some parents, with `rows`, in one snapshot or, if they are equal, none.

    A row of another parent is also replaced if a new row has the same `key` (a child that moved). Only files that
    contain replaced rows are rewritten, one at a time in memory; small files are merged along the way if that pays. In
    a table without the column `_row_hash`, all rows count as changed.

    Args:
        table: Refreshed in place, before `rows` are iterated.
        workspace: The workspace's gid.
        rows: The new rows, iterated once; with `parents` and hashes, all of them are in memory at once.
        sort_by: As for `PartitionWriter`.
        parents: The parents whose rows are replaced; None for all rows of the workspace.
        compare_contents: Whether stored rows are compared by their contents instead of by their stored hashes.
        key: As for `PartitionWriter`.
        properties: Added to the snapshot's summary.
        recorder: Records the changes; None if they are not recorded.
        rows_per_file: As for `PartitionWriter`.
        run_rows: As for `PartitionWriter`.
        spill_dir: As for `PartitionWriter`.

    Raises:
        ConflictError: Another writer changed this workspace in the meantime.
        CommitUnknownError: The catalog's response was lost; the new files were kept.
    """
    reader = IndexReader(table=table, key=key, parents=parents, compare_contents=compare_contents)
    new_keys = [pa.array([], pa.string())]
    with translate_errors(table):
        table.refresh()
        base = live_files(table, workspace)
        if reader.has_hashes and parents is not None:
            rows = list(rows)
            new_keys += [row_keys(batch, key) for batch in rows]
        index = RowIndex(reader.read(base.values(), pa.concat_arrays(new_keys)) if reader.has_hashes else _NO_ROWS)
    with PartitionWriter(
        table,
        workspace=workspace,
        sort_by=sort_by,
        key=key,
        rows_per_file=rows_per_file,
        run_rows=run_rows,
        spill_dir=spill_dir,
    ) as writer:
        # Each lookup in the index has a fixed cost.
        for run in _runs(_combine(rows), run_rows if len(index) else 1, attrgetter("nbytes")):
            for batch in _select(run, index, key, has_hashes=reader.has_hashes):
                if recorder is not None and not len(index):  # `_select` compares nothing
                    index.add_written(row_keys(batch, key))
                writer.write(batch)
        with translate_errors(table):
            if parents is None:  # fetching the rows may have taken hours
                table.refresh()
            current = live_files(table, workspace)
            if current.keys() != base.keys() or not reader.has_hashes:
                index = index.rebase(reader.read(current.values(), index.written))
            if index is None:
                raise conflict(table, workspace)
            changed, removed = index.changed(), index.removed()
            changes = None if recorder is None else _row_changes(table, index.written, changed, run_rows, spill_dir)
            del index  # large, and rewriting files needs the memory
            return _commit(
                table,
                workspace,
                current,
                writer,
                changed=changed,
                removed=removed,
                rows_per_file=rows_per_file,
                properties=properties,
                changes=changes,
                recorder=recorder,
            )


def _row_changes(
    table: Table, written: AnyArray, changed: pa.Table, run_rows: int, spill_dir: Path | None
) -> RowChanges:
    return RowChanges(
        arrow_schema(table.schema(), field_ids=True),
        written=written,
        changed=changed[KEY].combine_chunks(),
        run_rows=run_rows,
        run_bytes=RUN_BYTES,
        spill_dir=spill_dir,
    )


def _combine(rows: Iterable[pa.RecordBatch | pa.Table]) -> Iterator[pa.Table]:
    """Combine small batches: hashing has a fixed cost for each."""
    tables = (pa.Table.from_batches([batch]) if isinstance(batch, pa.RecordBatch) else batch for batch in rows)
    # Batches may order their columns differently.
    return (
        pa.concat_tables(batches, promote_options="default").combine_chunks()
        for batches in _runs(tables, _MIN_BATCH_ROWS, pa.Table.get_total_buffer_size)
    )


def _runs(batches: Iterable[pa.Table], run_rows: int, size_of: Callable[[pa.Table], int]) -> Iterator[list[pa.Table]]:
    """Yield the batches in lists of about `run_rows` rows, fewer when rows are wide."""
    run: list[pa.Table] = []
    count = size = 0
    for batch in batches:
        run.append(batch)
        count += batch.num_rows
        size += size_of(batch)
        if count >= run_rows or size >= RUN_BYTES:
            yield run
            run, count, size = [], 0, 0
    if run:
        yield run


def _select(run: Sequence[pa.Table], index: RowIndex, key: Sequence[str], *, has_hashes: bool) -> Iterator[pa.Table]:
    """Yield the rows of a run that differ from the stored ones, with their hashes; without hashes, all of them."""
    if not has_hashes:
        index.add_written(pa.concat_arrays([row_keys(batch, key) for batch in run]))
        yield from run
        return
    hashed = [with_row_hashes(batch) for batch in run]
    if not len(index):
        yield from hashed
        return
    columns = [KEY, ROW_HASH, SYNCED_AT]
    rows = [pa.table([row_keys(batch, key), batch[ROW_HASH], batch[SYNCED_AT]], columns) for batch in hashed]
    differs = index.select(pa.concat_tables(rows))
    start = 0
    for batch in hashed:
        yield batch.filter(differs.slice(start, batch.num_rows))
        start += batch.num_rows


def _commit(
    table: Table,
    workspace: str,
    files: Mapping[str, FileScanTask],
    writer: PartitionWriter,
    *,
    changed: pa.Table,
    removed: pa.Table,
    rows_per_file: int,
    properties: Mapping[str, str] | None,
    changes: RowChanges | None,
    recorder: ChangeRecorder | None,
) -> WriteResult:
    """Add the stored rows of the files to rewrite to those written, then replace these files.

    Args:
        table: As for `write_rows`.
        workspace: As for `write_rows`.
        files: The workspace's files, in the order of the index.
        writer: Holds the rows to write.
        changed: The stored rows that are replaced, as in `INDEX_SCHEMA`.
        removed: The stored rows that are deleted, as in `INDEX_SCHEMA`.
        rows_per_file: As for `write_rows`.
        properties: As for `write_rows`.
        changes: Collects the changes for `recorder`.
        recorder: As for `write_rows`.
    """
    replaced = pa.concat_tables([changed, removed])
    if not replaced.num_rows and writer.is_empty:
        return WriteResult(snapshot_id=swap_files(table, workspace, files, removed=(), added=()))
    tasks = dict(enumerate(files.values()))
    affected: set[int] = set(replaced["file"].unique().to_pylist())  # pyright: ignore[reportAssignmentType] - no nulls
    others = [number for number in tasks if number not in affected]
    merged = decide_merge([size_of(tasks[number].file) for number in others], rows_per_file=rows_per_file)
    rewritten = sorted([*affected, *(others[position] for position in merged)])
    kept = 0
    for number in rewritten:
        deleted = replaced.filter(pc.equal(replaced["file"], pa.scalar(number, pa.int32())))[
            "position"
        ].combine_chunks()
        for rows, old_rows in _split(table, tasks[number], deleted, read_deleted=changes is not None):
            writer.write(rows)
            kept += rows.num_rows
            if changes is not None:
                changes.add_old(old_rows, tasks[number].file.value_counts or {})
    added = writer.finish(None if changes is None else changes.add_new)
    with ExitStack() as stack:
        recording: Mapping[str, str] = {}
        if changes is not None and recorder is not None:
            stack.enter_context(closing(changes))
            with deleted_on_error(table, added):
                entries = changes.entries()
                recording = stack.enter_context(recorder.log.recording(table, workspace, recorder.sync_id, entries))
        snapshot_id = swap_files(
            table,
            workspace,
            files,
            removed=[tasks[number].file for number in rewritten],
            added=added,
            properties={**(properties or {}), **recording},
        )
    rows_changed = len(pc.unique(changed[KEY]))
    return WriteResult(
        snapshot_id=snapshot_id,
        added=max(0, sum(file.record_count for file in added) - kept - rows_changed),
        changed=rows_changed,
        removed=removed.num_rows,
    )


def _split(
    table: Table, task: FileScanTask, deleted: AnyArray, *, read_deleted: bool
) -> Iterator[tuple[pa.RecordBatch, pa.RecordBatch]]:
    """Yield a file's rows to keep and those at the positions `deleted`.

    If these are all and need not be read, the file is not read.
    """
    if len(deleted) == task.file.record_count and not read_deleted:
        return
    start = 0
    for rows in read_file(table, task, table.schema()):
        positions = row_numbers(rows.num_rows, start).cast(pa.int32())
        is_deleted = pc.is_in(positions, value_set=deleted)
        yield rows.filter(pc.invert(is_deleted)), rows.filter(is_deleted)
        start += rows.num_rows
