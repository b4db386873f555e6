"""Committing data files to a table, one snapshot per operation.

The one primitive is `swap_files`: atomically replace some of a workspace's data files with new ones. Commits to other
workspaces never conflict with it; a concurrent commit to the same workspace makes the whole swap fail. The replaced
files stay in storage for readers and time travel until `maintenance` expires their snapshots.
"""

import random
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from types import TracebackType
from typing import Self

from pyiceberg.exceptions import CommitFailedException, ValidationException
from pyiceberg.manifest import DataFile, ManifestEntry, ManifestEntryStatus
from pyiceberg.table import FileScanTask, Table, Transaction
from pyiceberg.table.snapshots import Operation, Snapshot

from asana_assets.lake.error_translation import translate_error, translates_errors
from asana_assets.lake.errors import CatalogRefusedError, CommitUnknownError, ConflictError
from asana_assets.lake.expressions import where_equal
from asana_assets.lake.pyiceberg_internals import StagedTransaction, SwapFiles
from asana_assets.lake.table import WORKSPACE_COLUMN, live_files
from asana_assets.lake.writer import delete_files

_COMMIT_ATTEMPTS = 10  # each includes PyIceberg's own 20 retries


@translates_errors
def swap_files(
    table: Table,
    workspace: str,
    base: Mapping[str, FileScanTask],
    *,
    removed: Sequence[DataFile],
    added: Sequence[DataFile],
    properties: Mapping[str, str] | None = None,
    is_merge: bool = False,
    keep_added: bool = False,
) -> int | None:
    """Replace some of a workspace's data files with new ones, in one snapshot.

    Args:
        table: As last refreshed when `base` was read; refreshed in place.
        workspace: The workspace's gid.
        base: All files of the workspace, from `live_files`; if their rows are others by now, nothing is committed.
        removed: Those of `base` to remove.
        added: From `PartitionWriter.finish`; deleted if the commit does not happen.
        properties: Added to the snapshot's summary.
        is_merge: Whether `added` have the same rows as `removed`, so that readers of changes may ignore the snapshot.
        keep_added: Whether `added` are kept even if the commit does not happen.

    Returns:
        The id of the new snapshot; if there was nothing to do, of the current one, None without any.

    Raises:
        ConflictError: Another writer changed this workspace in the meantime.
        CommitUnknownError: The catalog's response was lost; `added` were kept.
    """
    with _UncommittedFiles(table, added, keep=keep_added) as uncommitted:
        return _swap(
            table, workspace, base, removed=removed, added=uncommitted, properties=properties or {}, is_merge=is_merge
        )


def conflict(table: Table, workspace: str) -> ConflictError:
    """Return the error of a write that conflicts with another writer's."""
    name = ".".join(table.name())
    return ConflictError(
        f"Another run wrote workspace {workspace} of table {name} at the same time; run this one again."
    )


class _UncommittedFiles:
    """New data files that are deleted if the block raises, unless they are to be kept or a commit may include them."""

    def __init__(self, table: Table, files: Sequence[DataFile], *, keep: bool) -> None:
        self.files = files
        self.outcome_unknown = False
        self._keep = keep
        self._table = table

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        if error is None or self.outcome_unknown or self._keep:
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
    is_merge: bool,
) -> int | None:
    """Commit one snapshot without `removed` and with `added`, provided that the workspace's rows are still the same.

    `base` is from `table` as last refreshed. Other files of it may be merged meanwhile.
    """
    if not removed and not added.files:
        current = table.current_snapshot()
        return current.snapshot_id if current is not None else None
    head, snapshot_id = table.current_snapshot(), 0
    for attempt in range(_COMMIT_ATTEMPTS):
        if attempt:
            time.sleep(random.uniform(0, min(5, 0.1 * 2**attempt)))  # noqa: S311 - jitter, not a secret
            table.refresh()
            if table.snapshot_by_id(snapshot_id) is not None:
                return snapshot_id  # the catalog reported a failure but applied the commit
            current = live_files(table, workspace).keys()
            is_same = current == base.keys() or current == _after_merges(table, workspace, base, since=head)
            if not is_same or not current >= {file.file_path for file in removed}:
                raise conflict(table, workspace)
        transaction, snapshot_id = _stage(table, workspace, removed, added.files, properties, is_merge=is_merge)
        if _commit(table, transaction, snapshot_id, added):
            return snapshot_id
    raise ConflictError(
        f"Table {'.'.join(table.name())} was busy: {_COMMIT_ATTEMPTS} attempts to commit failed; run this one again."
    )


def _after_merges(table: Table, workspace: str, files: Iterable[str], *, since: Snapshot | None) -> set[str]:
    """Return what these files of a workspace became by the merges since a snapshot, which change no row."""
    result, last = set(files), (since and since.sequence_number) or 0
    for snapshot in table.snapshots():
        is_new = (snapshot.sequence_number or 0) > last
        if is_new and snapshot.summary is not None and snapshot.summary.operation is Operation.REPLACE:
            for entry in _own_entries(table, snapshot):
                if entry.data_file.partition[0] == workspace:
                    change = result.add if entry.status is ManifestEntryStatus.ADDED else result.discard
                    change(entry.data_file.file_path)
    return result


def _own_entries(table: Table, snapshot: Snapshot) -> Iterator[ManifestEntry]:
    """Yield the entries of the files that a snapshot added or removed."""
    for manifest in snapshot.manifests(table.io):
        if manifest.added_snapshot_id == snapshot.snapshot_id:
            entries = manifest.fetch_manifest_entry(table.io, discard_deleted=False)
            yield from (entry for entry in entries if entry.snapshot_id == snapshot.snapshot_id)


def _stage(
    table: Table,
    workspace: str,
    removed: Sequence[DataFile],
    added: Sequence[DataFile],
    properties: Mapping[str, str],
    *,
    is_merge: bool,
) -> tuple[Transaction, int]:
    """Write the new snapshot's manifests without committing; return the transaction and the snapshot's id."""
    transaction = StagedTransaction(table)
    swap = SwapFiles(transaction, table, dict(properties), is_merge=is_merge)
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
