"""Snapshot expiration, deletion of the files that only expired snapshots reference, and removal of lost files.

PyIceberg expires snapshots but deletes no file. Whether a table is expired here at all is the caller's decision: some
catalogs (Snowflake's) do it themselves.
"""

import logging
import time
from collections.abc import Iterable, Mapping, Sequence
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
_KEEP_ALL = timedelta(days=1)  # every snapshot adds to the time of each commit; of older ones, one a day is kept


@dataclass(frozen=True, slots=True, kw_only=True)
class ExpireResult:
    """Number of expired snapshots, and number and bytes of deleted files; manifest lists count no bytes."""

    snapshots: int = 0
    files: int = 0
    bytes: int = 0


@dataclass(frozen=True, slots=True)
class _ReferencedFiles:
    """Manifest lists and manifests, by path, that some snapshots reference."""

    lists: frozenset[str]
    manifests: dict[str, ManifestFile]


def decide_expired(taken_at: Mapping[int, datetime], *, now: datetime, keep: timedelta) -> set[int]:
    """Return the ids of the snapshots to expire: those older than `keep`, and most of those older than a day.

    Of each day (UTC) only the last snapshot is kept, so that their number is bounded whatever the schedule is.

    Args:
        taken_at: When each snapshot was committed, by id.
        now: The current time.
        keep: The age from which on no snapshot is kept.
    """
    expired: set[int] = set()
    following: datetime | None = None
    for snapshot_id in sorted(taken_at, key=lambda one: taken_at[one], reverse=True):
        at = taken_at[snapshot_id]
        is_last_of_day = following is None or following.date() != at.date()
        if now - at > keep or (now - at > _KEEP_ALL and not is_last_of_day):
            expired.add(snapshot_id)
        following = at
    return expired


@translates_errors
def expire_snapshots(table: Table, *, keep: timedelta, dry_run: bool = False) -> ExpireResult:
    """Expire old snapshots as `decide_expired` says, then delete the files that no remaining snapshot references.

    The current snapshot, branches and tags are kept. Concurrent commits are safe: each builds on the table's head, so
    it references only files of the head and its own. A file that cannot be deleted is logged and left. With the table
    property `gc.enabled=false` no file is deleted.

    Args:
        table: Refreshed in place.
        keep: As for `decide_expired`.
        dry_run: Only return what would be expired and deleted.
    """
    for _ in range(_ATTEMPTS):
        table.refresh()
        old = _expired(table, keep)
        if not old:
            return ExpireResult()
        expired = _referenced_files(table, old)
        if dry_run:
            remaining = [snapshot for snapshot in table.snapshots() if snapshot not in old]
            return _result(old, _unreferenced_files(table, expired, _referenced_files(table, remaining)))
        try:
            table.maintenance.expire_snapshots().by_ids([s.snapshot_id for s in old]).commit()
        except (CommitFailedException, ValueError):  # not retried by PyIceberg; ValueError: already expired
            continue
        table.refresh()
        unreferenced = _unreferenced_files(table, expired, _referenced_files(table, table.snapshots()))
        return _result(old, _delete(table, unreferenced))
    _log.warning(
        "The snapshots of table %s were not expired: other commits kept interfering. The next run tries again.",
        ".".join(table.name()),
    )
    return ExpireResult()


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


def _data_files(table: Table, manifests: Iterable[ManifestFile]) -> dict[str, int]:
    return {
        entry.data_file.file_path: entry.data_file.file_size_in_bytes
        for manifest in manifests
        for entry in manifest.fetch_manifest_entry(table.io, discard_deleted=True)
    }


def _unreferenced_files(table: Table, expired: _ReferencedFiles, remaining: _ReferencedFiles) -> dict[str, int]:
    """Return the sizes in bytes of the files that only expired snapshots reference, in the order to delete them."""
    if table.properties.get("gc.enabled", "true") == "false":
        return {}
    manifests = {path: manifest for path, manifest in expired.manifests.items() if path not in remaining.manifests}
    # A remaining manifest keeps all of its files, so only files of unreferenced manifests can be deleted.
    kept = _data_files(table, remaining.manifests.values()) if manifests else {}
    data = {path: size for path, size in _data_files(table, manifests.values()).items() if path not in kept}
    # Data files first: after a crash, the manifests and lists still name what is left to delete.
    return {
        **data,
        **{path: manifest.manifest_length for path, manifest in manifests.items()},
        **dict.fromkeys(expired.lists - remaining.lists, 0),
    }


def _delete(table: Table, sizes: Mapping[str, int]) -> dict[str, int]:
    """Delete the files and return those that were deleted."""
    deleted: dict[str, int] = {}
    for path, size in sizes.items():
        try:
            table.io.delete(path)
        except FileNotFoundError:
            continue  # another process deleted it
        except OSError as error:
            _log.warning("A file of an expired snapshot could not be deleted: %s (%s)", path, type(error).__name__)
        else:
            deleted[path] = size
    return deleted


def _result(snapshots: Sequence[Snapshot], files: Mapping[str, int]) -> ExpireResult:
    return ExpireResult(snapshots=len(snapshots), files=len(files), bytes=sum(files.values()))


def _expired(table: Table, keep: timedelta) -> list[Snapshot]:
    taken_at = {one.snapshot_id: datetime.fromtimestamp(one.timestamp_ms / 1000, UTC) for one in table.snapshots()}
    protected = {ref.snapshot_id for ref in table.refs().values()}
    now = datetime.fromtimestamp(time.time(), UTC)  # the clock by which PyIceberg dates snapshots
    expired = decide_expired(taken_at, now=now, keep=keep) - protected
    return [snapshot for snapshot in table.snapshots() if snapshot.snapshot_id in expired]
