"""Loading and saving sync state in the Iceberg table `sync_state`, and migrating rows of its first layout.

The layout of the rows is `sync_state`'s. The lake is a Protocol here, as `sync` does not depend on it.
"""

import datetime as dt
from collections.abc import Generator, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial, reduce
from typing import Generic, Protocol, TypeVar

import pyarrow as pa
import pyarrow.compute as pc

from asana_assets.asana.field_types import Array
from asana_assets.sync.change_detection import Sync
from asana_assets.sync.contested_parents import LOADED_SCHEMA, UncontestedRows, loaded_rows
from asana_assets.sync.empty_column_rows import EmptyColumn, decode_empty_columns, encode_empty_columns
from asana_assets.sync.first_layout import (
    FIRST_LAYOUT_DROP_PREFIX,
    FIRST_LAYOUT_INTERRUPTED_PREFIX,
    convert_first_layout,
    split_by_layout,
)
from asana_assets.sync.pending_state import PendingState, StateChange
from asana_assets.sync.sync_state import (
    DROP_PREFIX,
    EMPTY_COLUMN_PREFIX,
    INTERRUPTED_KEY,
    SYNC_STATE_SCHEMA,
    RowKind,
    SyncState,
    decode_drops,
    decode_state,
    decode_sync,
    encode,
    interrupted_marker,
    no_entries,
    parent_keys,
    row_count_drop,
)

SYNC_STATE_TABLE = "sync_state"
"""The table's name."""

_KEEP_SNAPSHOTS = dt.timedelta(minutes=10)  # every checkpoint adds a snapshot, and old ones are of no use

TableT = TypeVar("TableT")


class StateLake(Protocol[TableT]):
    """The operations of the lake that the store needs; `TableT` is the lake's handle of a table."""

    def load_table(self, name: str) -> TableT | None: ...

    def ensure_table(self, name: str, schema: pa.Schema) -> TableT: ...

    def column_names(self, table: TableT) -> list[str]: ...

    def scan(
        self,
        table: TableT,
        *,
        workspace: str | None = None,
        columns: Sequence[str] | None = None,
        prefix: tuple[str, str | tuple[str, ...]] | None = None,
    ) -> pa.Table: ...

    def scan_batches(
        self, table: TableT, *, workspace: str | None = None, columns: Sequence[str] | None = None
    ) -> Iterator[pa.RecordBatch]: ...

    def may_contain_null(self, table: TableT, column: str, *, workspace: str) -> bool: ...

    def replace_parents(
        self,
        table: TableT,
        workspace: str,
        *,
        parent_column: str,
        parents: Array,
        rows: Iterable[pa.RecordBatch | pa.Table],
        sort_by: Sequence[str],
        last_writer_wins: bool = False,
    ) -> object: ...

    def expire_old_snapshots(self, table: TableT, *, keep: dt.timedelta) -> None: ...


class SyncStateStore(Generic[TableT]):
    """The sync state of all endpoints and workspaces.

    Rows of the table's first layout are understood when they are loaded. The next save in their workspace rewrites all
    of them, in the commit that it makes anyway, so that a crash leaves either all or none rewritten.

    Each save is a commit of its own, except in a `buffered` block.

    Args:
        lake: The tables.
        pending: Changes that are not committed yet; what this store loads includes them.
    """

    def __init__(self, lake: StateLake[TableT], pending: PendingState | None = None) -> None:
        self._lake = lake
        self._pending = PendingState() if pending is None else pending
        self._findings: dict[str, pa.Table] = {}  # rows of what checks found, by workspace
        self._migrated_workspaces: set[str] = set()

    @contextmanager
    def buffered(self, workspace_gid: str) -> Generator[None]:
        """Commit what is saved for this workspace within this block at its end, whether or not it raises.

        It is committed earlier if it is due, see `flush_if_due`. Blocks may be nested: the outermost one commits.
        """
        self._pending.hold(workspace_gid)
        try:
            yield
        finally:
            self._pending.release(workspace_gid)
            if not self._pending.is_held(workspace_gid):
                self.flush(workspace_gid)

    def flush(self, workspace_gid: str) -> None:
        """Commit what was saved for this workspace in `buffered` blocks and is not committed yet."""
        self._pending.flush(workspace_gid, lambda change: self._commit(workspace_gid, change))

    def flush_if_due(self, workspace_gid: str) -> None:
        """Do `flush` if much was saved since the last one, or 30 seconds ago."""
        if self._pending.is_due(workspace_gid):
            self.flush(workspace_gid)

    def load(self, endpoint_name: str, workspace_gid: str) -> SyncState:
        """Load the sync state of an endpoint in one workspace."""
        return decode_state(self._scan(workspace_gid, f"{endpoint_name}/"))

    def completed_syncs(self, workspace_gid: str, endpoint_names: Sequence[str]) -> dict[str, Sync]:
        """Load the last completed sync of each endpoint that has one, without the state of its parents."""
        keys = [f"{name}/{end}" for name in endpoint_names for end in (RowKind.COMPLETED_SYNC, workspace_gid)]
        rows = self._scan(workspace_gid, *keys)  # the workspace's gid ends the key in the table's first layout
        syncs = {
            name: decode_sync(rows.filter(pc.equal(rows["endpoint"], pa.scalar(name))), RowKind.COMPLETED_SYNC)
            for name in endpoint_names
        }
        return {name: sync for name, sync in syncs.items() if sync}

    def save(
        self,
        endpoint_name: str,
        workspace_gid: str,
        rows: pa.Table,
        deleted_parents: Array,
        *,
        loaded: SyncState | None = None,
    ) -> None:
        """Upsert `rows` (from `SyncState.rows`, `SyncState.completed_marker`); delete those of `deleted_parents`.

        With `loaded`, which is the state that the sync started from, contested parents are deleted instead, so that the
        next sync fetches them again; see `contested_parents`.
        """
        self._replace(
            workspace_gid,
            encode(rows, endpoint_name),
            delete=parent_keys(endpoint_name, deleted_parents),
            loaded=None if loaded is None else loaded_rows(endpoint_name, loaded, rows),
        )

    def interrupted_sync(self, workspace_gid: str) -> Sync | None:
        """Load the sync that `set_interrupted_sync` saved, unless it was cleared since."""
        rows = self._scan(workspace_gid, INTERRUPTED_KEY, FIRST_LAYOUT_INTERRUPTED_PREFIX)
        return decode_sync(rows, RowKind.INTERRUPTED_SYNC)

    def set_interrupted_sync(self, workspace_gid: str, sync: Sync | None) -> None:
        """Save a sync when it starts, so that it is found if it is interrupted; None clears it."""
        entries = interrupted_marker(sync) if sync else no_entries()
        self._replace(workspace_gid, encode(entries, None), delete=pa.array([INTERRUPTED_KEY]))

    def dropped_from(self, endpoint_name: str, workspace_gid: str) -> int | None:
        """Return the row count before an unacknowledged drop, None without one."""
        return decode_drops(self._load_findings(workspace_gid)).get(endpoint_name)

    def set_dropped_from(self, endpoint_name: str, workspace_gid: str, row_count: int | None) -> None:
        """Save the row count before a drop; None acknowledges the drop."""
        entries = no_entries() if row_count is None else row_count_drop(row_count, dt.datetime.now(dt.UTC))
        self._replace(workspace_gid, encode(entries, endpoint_name), delete=pa.array([f"{DROP_PREFIX}{endpoint_name}"]))
        self._commit_finding(workspace_gid)

    def empty_columns(self, endpoint_name: str, workspace_gid: str) -> list[EmptyColumn]:
        """Return the columns that went empty and have no values again."""
        return decode_empty_columns(self._load_findings(workspace_gid)).get(endpoint_name, [])

    def set_empty_columns(self, endpoint_name: str, workspace_gid: str, columns: Sequence[EmptyColumn]) -> None:
        """Save the columns that went empty, in place of those saved before; do nothing if they are equal."""
        known = self.empty_columns(endpoint_name, workspace_gid)
        if {column.name: column for column in known} == {column.name: column for column in columns}:
            return
        keys = [f"{EMPTY_COLUMN_PREFIX}{endpoint_name}/{column.name}" for column in known]
        rows = encode(encode_empty_columns(columns), endpoint_name)
        self._replace(workspace_gid, rows, delete=pa.array(keys, pa.string()))
        self._commit_finding(workspace_gid)

    def _commit_finding(self, workspace_gid: str) -> None:
        """Commit at once: a comparison of the stored rows with those of the next sync would not find it again."""
        self._findings.pop(workspace_gid, None)
        self.flush(workspace_gid)

    def _load_findings(self, workspace_gid: str) -> pa.Table:
        """Load the row-count drops and empty columns of all endpoints, once per workspace."""
        if workspace_gid not in self._findings:
            prefixes = (DROP_PREFIX, EMPTY_COLUMN_PREFIX, FIRST_LAYOUT_DROP_PREFIX)
            self._findings[workspace_gid] = self._scan(workspace_gid, *prefixes)
        return self._findings[workspace_gid]

    def _scan(self, workspace_gid: str, *key_prefixes: str) -> pa.Table:
        """Return the rows whose key starts with one of the prefixes, in the current layout."""
        pending = self._pending.get(workspace_gid)  # before the table, as they may be committed in between
        rows = self._scan_table(workspace_gid, key_prefixes)
        if pending is None:
            return rows
        matches = reduce(pc.or_, (pc.starts_with(pending.rows["gid"], prefix) for prefix in key_prefixes))
        return replace(pending, rows=pending.rows.filter(matches)).apply(rows)

    def _scan_table(self, workspace_gid: str, key_prefixes: tuple[str, ...]) -> pa.Table:
        table = self._lake.load_table(SYNC_STATE_TABLE)
        if table is None:
            return SYNC_STATE_SCHEMA.empty_table()
        present = self._lake.column_names(table)
        columns = [name for name in SYNC_STATE_SCHEMA.names if name in present]
        rows = self._lake.scan(table, workspace=workspace_gid, columns=columns, prefix=("gid", key_prefixes))
        current, first_layout = split_by_layout(rows)
        return pa.concat_tables([current, convert_first_layout(first_layout, workspace_gid)])

    def _replace(self, workspace_gid: str, rows: pa.Table, *, delete: Array, loaded: pa.Table | None = None) -> None:
        """Delete rows by key and upsert `rows`, in one commit, or in a later one in a `buffered` block."""
        change = StateChange(rows=rows, deleted=delete, loaded=loaded)
        if not self._pending.is_held(workspace_gid):
            self._commit(workspace_gid, change)
            return
        self._pending.add(workspace_gid, change)
        self.flush_if_due(workspace_gid)

    def _commit(self, workspace_gid: str, change: StateChange) -> None:
        rows, delete = change.rows, change.deleted
        table = self._lake.ensure_table(SYNC_STATE_TABLE, SYNC_STATE_SCHEMA)
        batches: Iterable[pa.Table] = [rows]
        if self._needs_migration(table, workspace_gid):
            batches = _WithMigratedRows(self._lake, table, workspace_gid, rows, delete)
            delete = pa.concat_arrays([delete, *batches.obsolete_keys()])
        elif change.loaded is not None:
            scan = partial(self._lake.scan_batches, table, workspace=workspace_gid, columns=LOADED_SCHEMA.names)
            batches = UncontestedRows(rows, change.loaded, scan)
            delete = pa.concat_arrays([delete, batches.keys])
        self._lake.replace_parents(
            table,
            workspace_gid,
            parent_column="gid",
            parents=delete,
            rows=batches,
            sort_by=("gid",),
            last_writer_wins=True,
        )
        self._migrated_workspaces.add(workspace_gid)
        self._lake.expire_old_snapshots(table, keep=_KEEP_SNAPSHOTS)

    def _needs_migration(self, table: TableT, workspace_gid: str) -> bool:
        if workspace_gid in self._migrated_workspaces:
            return False
        return self._lake.may_contain_null(table, "kind", workspace=workspace_gid)


@dataclass(frozen=True, slots=True)
class _WithMigratedRows(Generic[TableT]):
    """The workspace's rows of the first layout, converted, followed by the new rows; can be iterated repeatedly.

    The table is scanned while this is iterated, which is after the commit refreshed it, so that rows which others
    committed in the meantime are not overwritten with older ones.
    """

    lake: StateLake[TableT]
    table: TableT
    workspace_gid: str
    rows: pa.Table
    delete: Array

    def __iter__(self) -> Iterator[pa.Table]:
        superseded = pa.concat_arrays([self.delete, *self.rows["gid"].chunks])
        for current, first_layout in self._batches():
            # After a downgrade a marker may exist in both layouts; the writer keeps the newer of two rows with one key.
            markers = current.filter(pc.not_equal(current["kind"], pa.scalar(RowKind.PARENT_VERSION.value)))
            migrated = pa.concat_tables([convert_first_layout(first_layout, self.workspace_gid), markers])
            yield migrated.filter(pc.invert(pc.is_in(migrated["gid"], value_set=superseded)))
        yield self.rows

    def obsolete_keys(self) -> Iterator[Array]:
        """Yield the keys that differ from those of the converted rows, so that these do not replace them."""
        for _, first_layout in self._batches():
            converted = convert_first_layout(first_layout, self.workspace_gid)
            differs = pc.not_equal(first_layout["gid"], converted["gid"])
            yield from first_layout["gid"].filter(differs).chunks

    def _batches(self) -> Iterator[tuple[pa.Table, pa.Table]]:
        for batch in self.lake.scan_batches(self.table, workspace=self.workspace_gid):
            yield split_by_layout(pa.Table.from_batches([batch]))
