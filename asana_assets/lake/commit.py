"""Committing data files to a table, one snapshot per operation.

The one primitive is `_swap`: atomically replace some of a workspace's data files with new ones. Commits to other
workspaces never conflict with it; a concurrent commit to the same workspace makes the whole swap fail. The replaced
files stay in storage for readers and time travel until `maintenance` expires their snapshots.
"""

import random
import time
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self, cast

import pyarrow as pa
import pyarrow.compute as pc
from pyiceberg.conversions import from_bytes
from pyiceberg.exceptions import CommitFailedException, ValidationException
from pyiceberg.manifest import DataFile
from pyiceberg.table import FileScanTask, Table, Transaction
from pyiceberg.types import StringType

from asana_assets.lake.error_translation import translate_error, translates_errors
from asana_assets.lake.errors import CatalogRefusedError, CommitUnknownError, ConflictError
from asana_assets.lake.pyiceberg_internals import (
    AnyArray,
    StagedTransaction,
    SwapFiles,
    delete_files,
    read_file,
    where_equal,
)
from asana_assets.lake.table import SCAN_THREADS, WORKSPACE_COLUMN, live_files
from asana_assets.lake.writer import ROWS_PER_FILE, RUN_ROWS, PartitionWriter

_COMMIT_ATTEMPTS = 10  # each includes PyIceberg's own 20 retries
_MIN_FILES_TO_COMPACT = 8  # files under half the full size; fewer are left alone


@translates_errors
def replace_partition(
    table: Table, workspace: str, files: Sequence[DataFile], *, properties: Mapping[str, str] | None = None
) -> int | None:
    """Replace all rows of a workspace with those of `files` (none: the partition becomes empty), in one snapshot.

    Args:
        table: Refreshed in place.
        workspace: The workspace's gid.
        files: From `PartitionWriter.finish`; deleted if the commit does not happen.
        properties: Added to the snapshot's summary.

    Returns:
        The id of the new snapshot; if there was nothing to do, of the current one, None without any.

    Raises:
        ConflictError: Another writer changed this workspace in the meantime.
        CommitUnknownError: The catalog's response was lost; `files` were kept.
    """
    with _UncommittedFiles(table, files) as uncommitted:
        table.refresh()
        base = live_files(table, workspace)
        removed = [task.file for task in base.values()]
        return _swap(table, workspace, base, removed=removed, added=uncommitted, properties=properties or {})


@translates_errors
def replace_parents(
    table: Table,
    workspace: str,
    *,
    parent_column: str,
    parents: AnyArray,
    rows: Iterable[pa.RecordBatch | pa.Table],
    sort_by: Sequence[str],
    key: Sequence[str] = ("gid",),
    properties: Mapping[str, str] | None = None,
    rows_per_file: int = ROWS_PER_FILE,
    run_rows: int = RUN_ROWS,
    spill_dir: Path | None = None,
) -> int | None:
    """Replace the rows of `parents` with `rows` and keep all other rows of the workspace, in one snapshot.

    A row of another parent is also replaced if a new row has the same `key` (a child that moved). Only files that
    contain such rows are rewritten, one at a time in memory; many small files are merged along the way.

    Args:
        table: Refreshed in place, before `rows` are iterated.
        workspace: The workspace's gid.
        parent_column: A string column; files are pruned by its bounds.
        parents: Gids of the fetched parents as strings, including those without rows.
        rows: The new rows, iterated once; rows of parents outside `parents` are not expected.
        sort_by: As for `PartitionWriter`.
        key: As for `PartitionWriter`.
        properties: Added to the snapshot's summary.
        rows_per_file: As for `PartitionWriter`.
        run_rows: As for `PartitionWriter`.
        spill_dir: As for `PartitionWriter`.

    Returns:
        As for `replace_partition`.

    Raises:
        ConflictError: Another writer changed this workspace in the meantime.
        CommitUnknownError: The catalog's response was lost; the new files were kept.
    """
    table.refresh()
    base = live_files(table, workspace)
    with PartitionWriter(
        table,
        workspace=workspace,
        sort_by=sort_by,
        key=key,
        rows_per_file=rows_per_file,
        run_rows=run_rows,
        spill_dir=spill_dir,
    ) as writer:
        new_keys = [pa.array([], pa.string())]
        for batch in rows:
            writer.write(batch)
            new_keys.append(_row_keys(batch, key))
        obsolete = _RowsToDelete(parent_column, parents, key, pa.concat_arrays(new_keys))
        rewritten = _files_to_rewrite(table, list(base.values()), obsolete, small=rows_per_file // 2)
        for task in rewritten:
            for batch in read_file(table, task, table.schema()):
                writer.write(batch.filter(pc.invert(obsolete.mask(batch))))
        files = writer.finish()
    with _UncommittedFiles(table, files) as uncommitted:
        removed = [task.file for task in rewritten]
        return _swap(table, workspace, base, removed=removed, added=uncommitted, properties=properties or {})


@dataclass(frozen=True, slots=True)
class _RowsToDelete:
    """Predicate for stored rows to delete: rows of `parents`, and rows whose key is among the new rows' `keys`."""

    parent_column: str
    parents: AnyArray
    key: Sequence[str]
    keys: pa.StringArray

    def mask(self, rows: pa.RecordBatch) -> pa.BooleanArray:
        by_parent = pc.is_in(rows.column(self.parent_column), value_set=self.parents)
        return pc.or_(by_parent, pc.is_in(_row_keys(rows, self.key), value_set=self.keys))

    def may_be_in(self, table: Table, file: DataFile) -> bool:
        """Return whether the file may contain such rows, judged by its column bounds."""
        if _within_bounds(table, file, self.parent_column, self.parents):
            return True
        # Bounds exist per column, so with a key of several columns any file may contain any new row's key.
        return len(self.keys) > 0 if len(self.key) > 1 else _within_bounds(table, file, self.key[0], self.keys)


def _files_to_rewrite(
    table: Table, tasks: Sequence[FileScanTask], obsolete: _RowsToDelete, *, small: int
) -> list[FileScanTask]:
    """Return the files that contain rows to delete, plus files of fewer than `small` rows if many can be merged.

    Files are pruned by their column bounds first, then by reading the parent and key columns.
    """
    columns = tuple(dict.fromkeys([obsolete.parent_column, *obsolete.key]))
    narrow = table.scan(selected_fields=columns, case_sensitive=False).projection()

    def is_affected(task: FileScanTask) -> bool:
        return obsolete.may_be_in(table, task.file) and any(
            pc.any(obsolete.mask(batch)).as_py() for batch in read_file(table, task, narrow)
        )

    with ThreadPoolExecutor(SCAN_THREADS) as pool:
        affected = list(pool.map(is_affected, tasks))
    to_rewrite = [task for task, hit in zip(tasks, affected, strict=True) if hit]
    mergeable = [task for task, hit in zip(tasks, affected, strict=True) if not hit and task.file.record_count < small]
    return to_rewrite + mergeable if len(mergeable) >= _MIN_FILES_TO_COMPACT else to_rewrite


def _within_bounds(table: Table, file: DataFile, column: str, values: AnyArray) -> bool:
    """Return whether any of `values` lies within the file's bounds of a string column; without bounds, any does."""
    field_id = table.schema().find_field(column, case_sensitive=False).field_id
    low, high = (file.lower_bounds or {}).get(field_id), (file.upper_bounds or {}).get(field_id)
    if low is None or high is None:
        return len(values) > 0
    above = pc.greater_equal(values, pa.scalar(cast("str", from_bytes(StringType(), low)), pa.string()))
    below = pc.less_equal(values, pa.scalar(cast("str", from_bytes(StringType(), high)), pa.string()))
    return bool(pc.any(pc.and_(above, below)).as_py())


def _row_keys(rows: pa.RecordBatch | pa.Table, key: Sequence[str]) -> pa.StringArray:
    """Return each row's key as one string; null if any part is null."""
    table = pa.Table.from_batches([rows]) if isinstance(rows, pa.RecordBatch) else rows
    columns = [table.column(name).cast(pa.string()) for name in key]
    if len(columns) > 1:
        columns = [pc.binary_join_element_wise(*columns, "\x1f")]  # pyright: ignore[reportCallIssue,reportArgumentType] - the stubs miss scalars
    return cast("pa.StringArray", pa.concat_arrays([pa.array([], pa.string()), *columns[0].chunks]))


class _UncommittedFiles:
    """New data files that are deleted if the block raises, unless a commit may have included them."""

    def __init__(self, table: Table, files: Sequence[DataFile]) -> None:
        self.files = files
        self.outcome_unknown = False
        self._table = table

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        if error is None or self.outcome_unknown:
            return
        delete_files(self._table, self.files)


def _swap(
    table: Table,
    workspace: str,
    base: Mapping[str, FileScanTask],
    *,
    removed: Sequence[DataFile],
    added: _UncommittedFiles,
    properties: Mapping[str, str],
) -> int | None:
    """Commit one snapshot without `removed` and with `added`, provided that the workspace's files are still `base`.

    `base` is from `table` as last refreshed.
    """
    name = ".".join(table.name())
    if not removed and not added.files:
        current = table.current_snapshot()
        return current.snapshot_id if current is not None else None
    snapshot_id = 0
    for attempt in range(_COMMIT_ATTEMPTS):
        if attempt:
            time.sleep(random.uniform(0, min(5, 0.1 * 2**attempt)))  # noqa: S311 - jitter, not a secret
            table.refresh()
            if table.snapshot_by_id(snapshot_id) is not None:
                return snapshot_id  # the catalog reported a failure but applied the commit
            if live_files(table, workspace).keys() != base.keys():
                raise ConflictError(
                    f"Another run wrote workspace {workspace} of table {name} at the same time; run this one again."
                )
        transaction, snapshot_id = _stage(table, workspace, removed, added.files, properties)
        if _commit(table, transaction, snapshot_id, added):
            return snapshot_id
    raise ConflictError(f"Table {name} was busy: {_COMMIT_ATTEMPTS} attempts to commit failed; run this one again.")


def _stage(
    table: Table, workspace: str, removed: Sequence[DataFile], added: Sequence[DataFile], properties: Mapping[str, str]
) -> tuple[Transaction, int]:
    """Write the new snapshot's manifests without committing; return the transaction and the snapshot's id."""
    transaction = StagedTransaction(table)
    swap = SwapFiles(transaction, table, dict(properties))
    # With the predicate, PyIceberg's own retries fail only after a concurrent commit to this workspace; without it,
    # after any, and each failure costs a new plan.
    swap.delete_by_predicate(where_equal(WORKSPACE_COLUMN, workspace), case_sensitive=False)
    for file in removed:
        swap.delete_data_file(file)
    for file in added:
        swap.append_data_file(file)
    try:
        swap.commit()
    except BaseException:
        swap.discard()
        raise
    return transaction, swap.snapshot_id


def _commit(table: Table, transaction: Transaction, snapshot_id: int, added: _UncommittedFiles) -> bool:
    """Send the commit and return whether it was applied; False means it definitely was not."""
    added.outcome_unknown = True
    try:
        transaction.commit_transaction()
    except (CommitFailedException, ValidationException):
        added.outcome_unknown = False  # only these two guarantee that nothing was applied
        return False
    except Exception as error:  # whatever failed, the commit may have been applied before
        if _is_applied(table, snapshot_id):
            return True
        refusal = translate_error(error, table.catalog.properties)
        if isinstance(refusal, CatalogRefusedError):
            added.outcome_unknown = False
            raise refusal from None
        raise CommitUnknownError(
            f"The outcome of a commit to table {'.'.join(table.name())} is unknown; "
            f"running again is safe ({type(error).__name__})."
        ) from error
    return True


def _is_applied(table: Table, snapshot_id: int) -> bool:
    with suppress(Exception):  # the catalog is failing already; if this read fails too, the outcome stays unknown
        table.refresh()
        return table.snapshot_by_id(snapshot_id) is not None
    return False
