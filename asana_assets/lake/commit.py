"""Data files into and out of a table, one snapshot at a time.

The one primitive is `_swap`: these files of a workspace out, those in. Commits to other workspaces never hinder it;
a commit to the same workspace makes it fail whole. Old files stay on disk for readers and time travel until
`maintenance` expires them.
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

_ATTEMPTS = 10  # each holds PyIceberg's own 20 retries
_SMALL_FILES = 8  # so many files under half a full one are merged along


@translates_errors
def replace_partition(
    table: Table, workspace: str, files: Sequence[DataFile], *, properties: Mapping[str, str] | None = None
) -> int | None:
    """The workspace's rows become exactly those of `files` (none: it becomes empty), in one snapshot.

    Args:
        table: refreshed in place.
        workspace: its gid.
        files: from `PartitionWriter.finish`; deleted if the commit does not happen.
        properties: go into the snapshot's summary.

    Returns:
        The snapshot; when there was nothing to do, the current one, None if there is none.

    Raises:
        ConflictError: another writer changed this workspace meanwhile.
        CommitUnknownError: the catalog's answer was lost; `files` were kept.
    """
    with _UncommittedFiles(table, files) as uncommitted:
        table.refresh()
        base = live_files(table, workspace)
        out = [task.file for task in base.values()]
        return _swap(table, workspace, base, out=out, uncommitted=uncommitted, properties=properties or {})


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
    """The rows of `parents` become exactly `rows`; all other rows of the workspace stay; one snapshot.

    A row of another parent gives way too when a new row has its `key` (a child that moved). Only files that hold
    such rows are rewritten, one at a time in memory; many small files are merged along the way.

    Args:
        table: refreshed in place.
        workspace: its gid.
        parent_column: a string column; files are pruned by its bounds.
        parents: gids that were read, those without rows included; strings.
        rows: read once; rows of other parents than `parents` are not expected.
        sort_by: as `PartitionWriter`.
        key: as `PartitionWriter`.
        properties: go into the snapshot's summary.
        rows_per_file: as `PartitionWriter`.
        run_rows: as `PartitionWriter`.
        spill_dir: as `PartitionWriter`.

    Returns:
        As `replace_partition`.

    Raises:
        ConflictError: another writer changed this workspace meanwhile.
        CommitUnknownError: the catalog's answer was lost; the new files were kept.
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
        arrived = [pa.array([], pa.string())]
        for batch in rows:
            writer.write(batch)
            arrived.append(_identity(batch, key))
        leaving = _RowsToDelete(parent_column, parents, key, pa.concat_arrays(arrived))
        rewritten = _files_to_rewrite(table, list(base.values()), leaving, small=rows_per_file // 2)
        for task in rewritten:
            for batch in read_file(table, task, table.schema()):
                writer.write(batch.filter(pc.invert(leaving.mask(batch))))
        files = writer.finish()
    with _UncommittedFiles(table, files) as uncommitted:
        out = [task.file for task in rewritten]
        return _swap(table, workspace, base, out=out, uncommitted=uncommitted, properties=properties or {})


@dataclass(frozen=True, slots=True)
class _RowsToDelete:
    """Which rows of the table go: those of the parents, and those whose key a new row has."""

    parent_column: str
    parents: AnyArray
    key: Sequence[str]
    keys: pa.StringArray

    def mask(self, rows: pa.RecordBatch) -> pa.BooleanArray:
        by_parent = pc.is_in(rows.column(self.parent_column), value_set=self.parents)
        return pc.or_(by_parent, pc.is_in(_identity(rows, self.key), value_set=self.keys))

    def may_be_in(self, table: Table, file: DataFile) -> bool:
        """By the file's bounds alone."""
        if _within_bounds(table, file, self.parent_column, self.parents):
            return True
        # Of a key of several columns only the parts have bounds, so any new row may be in any file.
        return len(self.keys) > 0 if len(self.key) > 1 else _within_bounds(table, file, self.key[0], self.keys)


def _files_to_rewrite(
    table: Table, tasks: Sequence[FileScanTask], leaving: _RowsToDelete, *, small: int
) -> list[FileScanTask]:
    """The files with a row to go, by their bounds first, then by reading the columns that tell; and many small ones."""
    columns = tuple(dict.fromkeys([leaving.parent_column, *leaving.key]))
    narrow = table.scan(selected_fields=columns, case_sensitive=False).projection()

    def holds(task: FileScanTask) -> bool:
        return leaving.may_be_in(table, task.file) and any(
            pc.any(leaving.mask(batch)).as_py() for batch in read_file(table, task, narrow)
        )

    with ThreadPoolExecutor(SCAN_THREADS) as pool:
        held = list(pool.map(holds, tasks))
    touched = [task for task, is_held in zip(tasks, held, strict=True) if is_held]
    others = [task for task, is_held in zip(tasks, held, strict=True) if not is_held and task.file.record_count < small]
    return touched + others if len(others) >= _SMALL_FILES else touched


def _within_bounds(table: Table, file: DataFile, column: str, values: AnyArray) -> bool:
    """Whether any of `values` lies within the file's bounds of a string column; without bounds any value does."""
    field_id = table.schema().find_field(column, case_sensitive=False).field_id
    low, high = (file.lower_bounds or {}).get(field_id), (file.upper_bounds or {}).get(field_id)
    if low is None or high is None:
        return len(values) > 0
    above = pc.greater_equal(values, pa.scalar(cast("str", from_bytes(StringType(), low)), pa.string()))
    below = pc.less_equal(values, pa.scalar(cast("str", from_bytes(StringType(), high)), pa.string()))
    return bool(pc.any(pc.and_(above, below)).as_py())


def _identity(rows: pa.RecordBatch | pa.Table, key: Sequence[str]) -> pa.StringArray:
    """Each row's key as one string; null when a part is."""
    table = pa.Table.from_batches([rows]) if isinstance(rows, pa.RecordBatch) else rows
    columns = [table.column(name).cast(pa.string()) for name in key]
    if len(columns) > 1:
        columns = [pc.binary_join_element_wise(*columns, "\x1f")]  # pyright: ignore[reportCallIssue,reportArgumentType] - the stubs miss scalars
    return cast("pa.StringArray", pa.concat_arrays([pa.array([], pa.string()), *columns[0].chunks]))


class _UncommittedFiles:
    """New data files, deleted on leaving with an error unless a commit may have taken them."""

    def __init__(self, table: Table, files: Sequence[DataFile]) -> None:
        self.files = files
        self.in_doubt = False
        self._table = table

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        if error is None or self.in_doubt:
            return
        delete_files(self._table, self.files)


def _swap(
    table: Table,
    workspace: str,
    base: Mapping[str, FileScanTask],
    *,
    out: Sequence[DataFile],
    uncommitted: _UncommittedFiles,
    properties: Mapping[str, str],
) -> int | None:
    """One snapshot with `out` removed and the new files added, if the workspace's files are still `base`.

    `base` is of `table` as it was last refreshed.
    """
    name = ".".join(table.name())
    if not out and not uncommitted.files:
        current = table.current_snapshot()
        return current.snapshot_id if current is not None else None
    snapshot_id = 0
    for attempt in range(_ATTEMPTS):
        if attempt:
            time.sleep(random.uniform(0, min(5, 0.1 * 2**attempt)))  # noqa: S311 - jitter, not a secret
            table.refresh()
            if table.snapshot_by_id(snapshot_id) is not None:
                return snapshot_id  # the catalog called it failed, and yet took it
            if live_files(table, workspace).keys() != base.keys():
                raise ConflictError(
                    f"Another run wrote workspace {workspace} of table {name} at the same time; run this one again."
                )
        transaction, snapshot_id = _stage(table, workspace, out, uncommitted.files, properties)
        if _send(table, transaction, snapshot_id, uncommitted):
            return snapshot_id
    raise ConflictError(f"Table {name} was busy: {_ATTEMPTS} attempts to commit failed; run this one again.")


def _stage(
    table: Table, workspace: str, out: Sequence[DataFile], into: Sequence[DataFile], properties: Mapping[str, str]
) -> tuple[Transaction, int]:
    """Write the manifests; the catalog does not know of them yet."""
    transaction = StagedTransaction(table)
    swap = SwapFiles(transaction, table, dict(properties))
    # So PyIceberg's own retries refuse what another did to this workspace; without it, to any, at a new plan's cost.
    swap.delete_by_predicate(where_equal(WORKSPACE_COLUMN, workspace), case_sensitive=False)
    for file in out:
        swap.delete_data_file(file)
    for file in into:
        swap.append_data_file(file)
    try:
        swap.commit()
    except BaseException:
        swap.discard()
        raise
    return transaction, swap.snapshot_id


def _send(table: Table, transaction: Transaction, snapshot_id: int, uncommitted: _UncommittedFiles) -> bool:
    """Whether the catalog took it; False means surely not."""
    uncommitted.in_doubt = True
    try:
        transaction.commit_transaction()
    except (CommitFailedException, ValidationException):
        uncommitted.in_doubt = False  # the two that promise that nothing landed
        return False
    except Exception as error:  # whatever broke, the commit may have landed before
        if _landed(table, snapshot_id):
            return True
        refusal = translate_error(error, table.catalog.properties)
        if isinstance(refusal, CatalogRefusedError):
            uncommitted.in_doubt = False
            raise refusal from None
        raise CommitUnknownError(
            f"The catalog did not say whether it took a commit to table {'.'.join(table.name())}; "
            f"running again is safe ({type(error).__name__})."
        ) from error
    return True


def _landed(table: Table, snapshot_id: int) -> bool:
    with suppress(Exception):  # the catalog is in trouble already; no answer is "unknown"
        table.refresh()
        return table.snapshot_by_id(snapshot_id) is not None
    return False
