"""Removing files that no metadata of a table references: what crashed writers and interrupted deletions left.

Writers write files before the commit that references them, so only files older than a safe age are removed. Nothing is
removed unless the listing contains every file of the current snapshot, which a wrong or incomplete one does not.
"""

import logging
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime

from pyarrow.fs import FileInfo, FileSelector
from pyiceberg.exceptions import ValidationError
from pyiceberg.io.pyarrow import PyArrowFileIO
from pyiceberg.serializers import FromInputFile
from pyiceberg.table import Table
from pyiceberg.table.snapshots import Snapshot

from asana_assets.lake.error_translation import translates_errors
from asana_assets.lake.table import SCAN_THREADS

_log = logging.getLogger(__name__)

_METADATA_FILE = ".metadata.json"
_REMOVABLE = {"data": (".parquet",), "metadata": (".avro", _METADATA_FILE)}
"""The folders of a table in which PyIceberg writes, and how its files there end; no other file is removed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class UnreferencedFiles:
    """Number and bytes of the files that were removed, and why none was looked for, None if they were."""

    files: int = 0
    bytes: int = 0
    skipped: str | None = None


@translates_errors
def remove_unreferenced_files(table: Table, *, older_than: datetime, dry_run: bool = False) -> UnreferencedFiles:
    """Remove the table's files that were written before `older_than` and that its metadata does not reference.

    Only data files, manifests, manifest lists and metadata files under the table's own location are considered.
    References are those of all snapshots, including branches and tags, and of the metadata log. A file that cannot be
    deleted is logged and left.

    Args:
        table: Refreshed in place.
        older_than: Files of commits in progress must be newer; writers write them minutes before the commit.
        dry_run: Only return what would be removed.
    """
    if table.properties.get("gc.enabled", "true") == "false":
        return UnreferencedFiles(skipped="its property gc.enabled is false")
    if not isinstance(table.io, PyArrowFileIO):
        return UnreferencedFiles(skipped=f"{type(table.io).__name__} cannot list files")
    storage = _Storage(table, table.io)
    # Files that are committed after the listing are not in it; those committed before it are referenced by the metadata
    # that is loaded after it.
    listed = {file.path: file for file in storage.list_files()}
    table.refresh()
    head = table.current_snapshot()
    current = storage.paths([table.metadata_location, *_files_of(table, [head] if head else [])])
    if not listed.keys() >= {path for path in current if storage.is_removable(path)}:
        return UnreferencedFiles(skipped="files of its current snapshot were not found at its location")
    kept = current | storage.paths(_other_references(table))
    unreferenced = {path: file for path, file in listed.items() if path not in kept}
    if storage.has_metadata_of_another_table(unreferenced):
        return UnreferencedFiles(skipped="its location also holds the files of another table")
    old = [file for file in unreferenced.values() if file.mtime is not None and file.mtime < older_than]
    removed = old if dry_run else storage.delete(old)
    return UnreferencedFiles(files=len(removed), bytes=sum(file.size or 0 for file in removed))


class _Storage:
    """The files under a table's location, by the paths by which its file system lists them."""

    def __init__(self, table: Table, io: PyArrowFileIO) -> None:
        scheme, host, path = io.parse_location(table.location(), io.properties)
        self._table = table
        self._io = io
        self._filesystem = io.fs_by_scheme(scheme, host)
        self._root = f"{path.rstrip('/')}/"

    def paths(self, locations: Iterable[str]) -> set[str]:
        return {self._io.parse_location(location, self._io.properties)[2] for location in locations}

    def list_files(self) -> Iterator[FileInfo]:
        for folder in _REMOVABLE:
            selector = FileSelector(f"{self._root}{folder}", recursive=True, allow_not_found=True)
            for file in self._filesystem.get_file_info(selector):
                if file.is_file and self.is_removable(file.path):
                    yield file

    def is_removable(self, path: str) -> bool:
        folder = path.removeprefix(self._root).partition("/")[0] if path.startswith(self._root) else ""
        return path.endswith(_REMOVABLE.get(folder, ()))

    def has_metadata_of_another_table(self, paths: Iterable[str]) -> bool:
        """Return whether any of these metadata files has another UUID and snapshots.

        A table of another catalog may have the same location. Without snapshots, it lost the race to create this one.
        """
        for path in paths:
            if path.endswith(_METADATA_FILE):
                location = f"{self._table.location().rstrip('/')}/{path.removeprefix(self._root)}"
                try:
                    metadata = FromInputFile.table_metadata(self._io.new_input(location))
                except (ValidationError, ValueError, FileNotFoundError):
                    continue  # incomplete, or deleted meanwhile
                if metadata.snapshots and metadata.table_uuid != self._table.metadata.table_uuid:
                    return True
        return False

    def delete(self, files: Iterable[FileInfo]) -> list[FileInfo]:
        """Delete the files and return those that were deleted."""
        with ThreadPoolExecutor(SCAN_THREADS) as pool:
            return [file for file in pool.map(self._delete, files) if file is not None]

    def _delete(self, file: FileInfo) -> FileInfo | None:
        try:
            self._filesystem.delete_file(file.path)
        except FileNotFoundError:
            return None  # another process deleted it
        except OSError as error:
            _log.warning("An unreferenced file could not be deleted: %s (%s)", file.path, type(error).__name__)
            return None
        return file


def _other_references(table: Table) -> Iterator[str]:
    """Yield the files that the table's metadata references besides those of the current snapshot."""
    yield from (entry.metadata_file for entry in table.metadata.metadata_log)
    yield from (file.statistics_path for file in table.metadata.statistics)
    yield from (file.statistics_path for file in table.metadata.partition_statistics)
    yield from _files_of(table, table.snapshots())


def _files_of(table: Table, snapshots: Iterable[Snapshot]) -> set[str]:
    """Return the manifest lists, manifests, data files and delete files of these snapshots."""
    snapshots = list(snapshots)
    with ThreadPoolExecutor(SCAN_THREADS) as pool:
        lists = pool.map(lambda snapshot: snapshot.manifests(table.io), snapshots)
        manifests = {manifest.manifest_path: manifest for manifests in lists for manifest in manifests}
        entries = pool.map(
            lambda manifest: manifest.fetch_manifest_entry(table.io, discard_deleted=True), manifests.values()
        )
        data = {entry.data_file.file_path for found in entries for entry in found}
    return {snapshot.manifest_list for snapshot in snapshots} | manifests.keys() | data
