"""Keeping a table small: old snapshots, and the files that only they hold.

PyIceberg forgets snapshots but leaves every file. Catalogs that expire by themselves (Snowflake's) are to be left
alone; that is the caller's decision.
"""

import logging
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from pyiceberg.exceptions import CommitFailedException
from pyiceberg.manifest import ManifestFile
from pyiceberg.table import Table
from pyiceberg.table.snapshots import Snapshot

from asana_assets.lake.error_translation import translates_errors

_log = logging.getLogger(__name__)
_ATTEMPTS = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class ExpireResult:
    """How many snapshots were forgotten and how many files deleted."""

    snapshots: int
    files: int


@dataclass(frozen=True, slots=True)
class _ReferencedFiles:
    """The files that some snapshots hold, by path."""

    lists: frozenset[str]
    manifests: dict[str, ManifestFile]


@translates_errors
def expire_snapshots(table: Table, *, keep: timedelta) -> ExpireResult:
    """Forget snapshots older than `keep`, then delete the files that no snapshot left refers to.

    The current snapshot, branches and tags stay. Concurrent commits are safe: they build upon the head, so they hold
    no file but the head's and their own. A file that cannot be deleted is left. With the table property
    `gc.enabled=false` no file is deleted.
    """
    for _ in range(_ATTEMPTS):
        table.refresh()
        protected = {ref.snapshot_id for ref in table.refs().values()}
        cutoff = (datetime.now(UTC) - keep).timestamp() * 1000
        old = [s for s in table.snapshots() if s.timestamp_ms < cutoff and s.snapshot_id not in protected]
        if not old:
            return ExpireResult(snapshots=0, files=0)
        reach = _reach(table, old)
        try:
            table.maintenance.expire_snapshots().by_ids([s.snapshot_id for s in old]).commit()
        except (CommitFailedException, ValueError):  # PyIceberg does not retry this one; ValueError: gone already
            continue
        table.refresh()
        files = _delete_unreferenced(table, reach) if table.properties.get("gc.enabled", "true") != "false" else 0
        return ExpireResult(snapshots=len(old), files=files)
    _log.warning("Table %s was too busy to expire snapshots; the next run will.", ".".join(table.name()))
    return ExpireResult(snapshots=0, files=0)


def _reach(table: Table, snapshots: Iterable[Snapshot]) -> _ReferencedFiles:
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
    left = _reach(table, table.snapshots())
    dead = {path: manifest for path, manifest in expired.manifests.items() if path not in left.manifests}
    # A manifest that stays keeps all its files, so only dead ones can hold a file to delete.
    data = _data_files(table, dead.values()) - _data_files(table, left.manifests.values())
    deleted = 0
    for path in (*data, *dead, *(expired.lists - left.lists)):  # data first: after a crash the lists still name it
        try:
            table.io.delete(path)
        except OSError as error:
            _log.warning("A file of an expired snapshot could not be deleted: %s (%s)", path, type(error).__name__)
        else:
            deleted += 1
    return deleted
