"""Snapshot expiration, deletion of the files that only expired snapshots reference, and removal of lost files.

PyIceberg expires snapshots but deletes no file. Whether a table is expired here at all is the caller's decision: some
catalogs (Snowflake's) do it themselves.
"""

import logging
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from pyiceberg.exceptions import CommitFailedException
from pyiceberg.manifest import ManifestFile
from pyiceberg.table import Table
from pyiceberg.table.snapshots import Snapshot

from asana_assets.lake.commit import swap_files
from asana_assets.lake.error_translation import translates_errors
from asana_assets.lake.table import SCAN_THREADS, live_files

_log = logging.getLogger(__name__)
_ATTEMPTS = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class ExpireResult:
    """Number of expired snapshots and of deleted files."""

    snapshots: int
    files: int


@dataclass(frozen=True, slots=True)
class _ReferencedFiles:
    """Manifest lists and manifests, by path, that some snapshots reference."""

    lists: frozenset[str]
    manifests: dict[str, ManifestFile]


@translates_errors
def expire_snapshots(table: Table, *, keep: timedelta) -> ExpireResult:
    """Expire snapshots older than `keep`, then delete the files that no remaining snapshot references.

    The current snapshot, branches and tags are kept. Concurrent commits are safe: each builds on the table's head, so
    it references only files of the head and its own. A file that cannot be deleted is logged and left. With the table
    property `gc.enabled=false` no file is deleted.
    """
    for _ in range(_ATTEMPTS):
        table.refresh()
        protected = {ref.snapshot_id for ref in table.refs().values()}
        cutoff = (datetime.now(UTC) - keep).timestamp() * 1000
        old = [s for s in table.snapshots() if s.timestamp_ms < cutoff and s.snapshot_id not in protected]
        if not old:
            return ExpireResult(snapshots=0, files=0)
        expired = _referenced_files(table, old)
        try:
            table.maintenance.expire_snapshots().by_ids([s.snapshot_id for s in old]).commit()
        except (CommitFailedException, ValueError):  # not retried by PyIceberg; ValueError: already expired
            continue
        table.refresh()
        files = _delete_unreferenced(table, expired) if table.properties.get("gc.enabled", "true") != "false" else 0
        return ExpireResult(snapshots=len(old), files=files)
    _log.warning(
        "The snapshots of table %s were not expired: other commits kept interfering. The next run tries again.",
        ".".join(table.name()),
    )
    return ExpireResult(snapshots=0, files=0)


@translates_errors
def drop_lost_files(table: Table, workspace: str | None) -> int:
    """Remove the data files of a workspace (None: of all) that are missing from the store from the table.

    Until then the table cannot be read. Returns the number of files.
    """
    table.refresh()
    files = [task.file for task in live_files(table, workspace).values()]
    with ThreadPoolExecutor(SCAN_THREADS) as pool:
        exists = pool.map(lambda file: table.io.new_input(file.file_path).exists(), files)
        lost = [file for file, found in zip(files, exists, strict=True) if not found]
    for gid in {str(file.partition[0]) for file in lost}:
        removed = [file for file in lost if file.partition[0] == gid]
        rows = sum(file.record_count for file in removed)
        swap_files(table, gid, live_files(table, gid), removed=removed, added=())
        _log.warning("Table %s lost %d rows of workspace %s with files", ".".join(table.name()), rows, gid)
    return len(lost)


def _referenced_files(table: Table, snapshots: Iterable[Snapshot]) -> _ReferencedFiles:
    lists: set[str] = set()
    manifests: dict[str, ManifestFile] = {}
    for snapshot in snapshots:
        lists.add(snapshot.manifest_list)
        manifests.update({manifest.manifest_path: manifest for manifest in snapshot.manifests(table.io)})
    return _ReferencedFiles(frozenset(lists), manifests)


def _data_files(table: Table, manifests: Iterable[ManifestFile]) -> set[str]:
    return {
        entry.data_file.file_path
        for manifest in manifests
        for entry in manifest.fetch_manifest_entry(table.io, discard_deleted=True)
    }


def _delete_unreferenced(table: Table, expired: _ReferencedFiles) -> int:
    remaining = _referenced_files(table, table.snapshots())
    manifests = {path: manifest for path, manifest in expired.manifests.items() if path not in remaining.manifests}
    # A remaining manifest keeps all of its files, so only files of unreferenced manifests can be deleted.
    data = _data_files(table, manifests.values()) - _data_files(table, remaining.manifests.values())
    deleted = 0
    # Data files first: after a crash, the manifests and lists still name what is left to delete.
    for path in (*data, *manifests, *(expired.lists - remaining.lists)):
        try:
            table.io.delete(path)
        except OSError as error:
            _log.warning("A file of an expired snapshot could not be deleted: %s (%s)", path, type(error).__name__)
        else:
            deleted += 1
    return deleted
