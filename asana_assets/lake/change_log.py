"""The table `changes`: an entry for each row that a sync added, changed or removed.

Entries are written before the rows, to a data file that belongs to no snapshot yet. The snapshot of the rows names the
file, and a second commit adds it to the table. If a writer is interrupted between the two commits, `add_missing` makes
up for it: the file is complete, so nothing is computed again. All entries of one write have the same `seen_at`, by
which they are found even after files were merged.
"""

import json
import logging
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
from pyiceberg.conversions import from_bytes
from pyiceberg.manifest import DataFile
from pyiceberg.table import FileScanTask, Table
from pyiceberg.table.snapshots import Snapshot
from pyiceberg.types import TimestamptzType

from asana_assets.lake.commit import swap_files
from asana_assets.lake.conflict_retry import retry_on_conflict
from asana_assets.lake.error_translation import translate_errors
from asana_assets.lake.errors import CommitUnknownError
from asana_assets.lake.pyiceberg_internals import (
    DataFileWriter,
    arrow_schema,
    read_file,
    refresh_vended_credentials,
    stored_data_file,
)
from asana_assets.lake.table import WORKSPACE_COLUMN, live_files
from asana_assets.lake.writer import delete_files

_SEEN_AT = "seen_at"
_PROPERTY = "asana-changes"  # in the summary of a snapshot of rows
_log = logging.getLogger(__name__)


def _column(name: str, kind: pa.DataType, doc: str) -> "pa.Field[Any]":
    return pa.field(name, kind, metadata={"doc": doc})


CHANGES_SCHEMA = pa.schema(
    [
        _column(WORKSPACE_COLUMN, pa.string(), "The workspace or organization; the partition."),
        _column("endpoint", pa.string(), "The table whose row changed."),
        _column("gid", pa.string(), "The row's gid."),
        _column("kind", pa.string(), "What happened to the row: added, changed or removed."),
        _column(
            _SEEN_AT, pa.timestamp("us", "UTC"), "When a sync stored the change (UTC); Asana's own change was earlier."
        ),
        _column("sync_id", pa.string(), "The sync that found the change."),
        _column("changed_columns", pa.list_(pa.string()), "The names of the changed columns; null unless changed."),
        _column(
            "old_values",
            pa.string(),
            "A JSON object: the old values of the changed columns, or the whole row if it was removed; null if added.",
        ),
    ],
    metadata={
        "comment": "History of all tables: one row for each row that a sync added, changed or removed. The first sync "
        "of a table adds none. The key is workspace_gid, endpoint, gid, seen_at."
    },
)
"""The columns of the table `changes`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Recording:
    """The entries of one write of rows, in a data file of `changes` that is not part of the table yet.

    Attributes:
        workspace: The workspace's gid.
        file: The file's path.
        seen_at: The entries' `seen_at`, in microseconds since 1970.
    """

    workspace: str
    file: str
    seen_at: int

    @property
    def snapshot_properties(self) -> dict[str, str]:
        """What the summary of the rows' snapshot says of the entries."""
        return {_PROPERTY: json.dumps(asdict(self))}


class ChangeLog:
    """Writes the table `changes`.

    Args:
        open_table: Loads the table, created if necessary.
        retention: The age at which entries are removed; None to keep them.
    """

    def __init__(self, open_table: Callable[[], Table], *, retention: timedelta | None) -> None:
        self._open_table = open_table
        self._retention = retention
        self._added: set[str] = set()  # files whose entries are known to be in the table, perhaps in another file

    @contextmanager
    def recording(
        self, rows: Table, workspace: str, sync_id: str, entries: Iterable[pa.Table]
    ) -> Generator[Mapping[str, str]]:
        """Write entries to a file, yield properties for the snapshot that the block commits, then commit the entries.

        The file is deleted if the block raises, unless its commit may have been applied.

        Args:
            rows: The table whose rows the block commits.
            workspace: The workspace's gid.
            sync_id: The sync that found the changes.
            entries: The changes, as in `row_changes.ENTRY_SCHEMA`; without any, no file is written.
        """
        entries = iter(entries)
        first = next(entries, None)
        if first is None:
            yield {}
            return
        table = self._open_table()
        recording, file = _write_entries(table, _chained(first, entries), _endpoint(rows), workspace, sync_id)
        try:
            yield recording.snapshot_properties
        except CommitUnknownError:
            raise
        except Exception:  # whatever failed, the rows were not committed
            delete_files(table, [file])
            raise
        self._add(table, _endpoint(rows), recording, file)

    def add_missing(
        self, rows: Table, *, workspace: str | None, after: int | None = None, before: datetime | None = None
    ) -> int:
        """Add the entries of writers that were interrupted before they committed them.

        Without any snapshot in question, the table `changes` is not even loaded.

        Args:
            rows: A table of rows, as last refreshed.
            workspace: The workspace's gid; None for all.
            after: The sequence number of the last snapshot whose entries, and those of all before it, are known to be
                in `changes`.
            before: Only snapshots that are older than this instant are considered.

        Returns:
            The sequence number of the table's last snapshot.
        """
        found = [
            recording
            for snapshot in rows.snapshots()
            if (recording := _recording_of(snapshot)) is not None
            and recording.file not in self._added
            and workspace in {None, recording.workspace}
            and (snapshot.sequence_number or 0) > (after or 0)
            and (before is None or snapshot.timestamp_ms < before.timestamp() * 1000)
            and not self._is_outdated(recording.seen_at)
        ]
        if found:
            table = self._open_table()
            for recording in found:
                self._add(table, _endpoint(rows), recording, None)
        return max((snapshot.sequence_number or 0 for snapshot in rows.snapshots()), default=0)

    def _add(self, table: Table, endpoint: str, recording: Recording, file: DataFile | None) -> None:
        """Commit a file of entries unless they are in the table already; also remove files with outdated entries."""

        def add() -> None:
            base = live_files(table, recording.workspace)
            if _contains(table, base, endpoint, recording):
                return
            if file is None and not table.io.new_input(recording.file).exists():
                _log.warning(
                    "The changes of %s that a sync of workspace %s stored at %s are lost: there is no file %s",
                    endpoint,
                    recording.workspace,
                    _instant(recording.seen_at),
                    recording.file,
                )
                return
            outdated = [task.file for task in base.values() if self._is_outdated(_newest(table, task.file))]
            added = [file or stored_data_file(table, recording.file)]
            swap_files(table, recording.workspace, base, removed=outdated, added=added, keep_added=True)

        with translate_errors(table):
            refresh_vended_credentials(table)
            retry_on_conflict(add)
        self._added.add(recording.file)

    def _is_outdated(self, seen_at: int | None) -> bool:
        if self._retention is None or seen_at is None:
            return False
        return _instant(seen_at) < datetime.now(UTC) - self._retention


def _write_entries(
    table: Table, entries: Iterable[pa.Table], endpoint: str, workspace: str, sync_id: str
) -> tuple[Recording, DataFile]:
    seen_at = pa.scalar(datetime.now(UTC), CHANGES_SCHEMA.field(_SEEN_AT).type)
    constants = {WORKSPACE_COLUMN: workspace, "endpoint": endpoint, _SEEN_AT: seen_at, "sync_id": sync_id}
    schema = arrow_schema(table.schema(), field_ids=True)
    with translate_errors(table):
        writer = DataFileWriter(table, workspace)
        try:
            for rows in entries:
                columns = [
                    pa.repeat(constants[field.name], rows.num_rows) if field.name in constants else rows[field.name]
                    for field in schema
                ]
                writer.write(pa.table(columns, schema=schema))
            file = writer.close()
        except BaseException:
            writer.abort()
            raise
    return Recording(workspace=workspace, file=file.file_path, seen_at=seen_at.cast(pa.int64()).as_py() or 0), file


def _chained(first: pa.Table, others: Iterator[pa.Table]) -> Iterator[pa.Table]:
    yield first
    yield from others


def _endpoint(rows: Table) -> str:
    return rows.name()[-1].lower()


def _recording_of(snapshot: Snapshot) -> Recording | None:
    text = snapshot.summary[_PROPERTY] if snapshot.summary and _PROPERTY in snapshot.summary else None
    return Recording(**json.loads(text)) if text else None


def _contains(table: Table, files: Mapping[str, FileScanTask], endpoint: str, recording: Recording) -> bool:
    """Return whether the entries are among those of a workspace's files; few files are read, if any."""
    if recording.file in files:
        return True
    projection = table.scan(selected_fields=("endpoint", _SEEN_AT), case_sensitive=False).projection()
    for task in files.values():
        oldest, newest = _bound(table, task.file.lower_bounds), _newest(table, task.file)
        if (oldest is not None and recording.seen_at < oldest) or (newest is not None and newest < recording.seen_at):
            continue
        for rows in read_file(table, task, projection):
            is_same = pc.equal(rows[_SEEN_AT].cast(pa.int64()), pa.scalar(recording.seen_at, pa.int64()))
            if pc.any(pc.and_(is_same, pc.equal(rows["endpoint"], pa.scalar(endpoint)))).as_py():
                return True
    return False


def _newest(table: Table, file: DataFile) -> int | None:
    return _bound(table, file.upper_bounds)


def _bound(table: Table, bounds: Mapping[int, bytes] | None) -> int | None:
    field_id = table.schema().find_field(_SEEN_AT, case_sensitive=False).field_id
    value = (bounds or {}).get(field_id)
    return None if value is None else int(from_bytes(TimestamptzType(), value))


def _instant(microseconds: int) -> datetime:
    return datetime.fromtimestamp(0, UTC) + timedelta(microseconds=microseconds)
