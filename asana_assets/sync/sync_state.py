"""Sync state: which parents were fetched, at which version and when; which syncs completed or were interrupted.

Owns the schema of the Iceberg table `sync_state` and the encoding and decoding of its rows, without I/O: loading and
saving is `sync_state_store`, deciding which parents are stale is `change_detection`.
"""

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from asana_assets.asana.field_types import Array, Chunked
from asana_assets.sync.change_detection import Sync, decide_stale, outdated_state
from asana_assets.sync.search_bound import on_asanas_clock


class RowKind(StrEnum):
    """What a row records.

    Attributes:
        PARENT_VERSION: The last successful fetch of a parent's children for an endpoint.
        FAILED_PARENT: A parent whose last fetch failed; the next sync fetches it first.
        COMPLETED_SYNC: The last sync that stored everything of an endpoint.
        INTERRUPTED_SYNC: The sync of the workspace that is running, or that was killed and can be resumed.
        ROW_COUNT_DROP: A drop of an endpoint's row count that is not acknowledged yet.
        EMPTY_COLUMN: A column of an endpoint that went empty.
        ACCEPTED_EMPTY_COLUMN: The same, once it was accepted.
        EXCLUDED_ROW: A row of an endpoint that was stored, and that a row filter excludes since.
        HIDDEN_COLUMN: A column of an endpoint whose values are not stored as Asana sent them.
    """

    PARENT_VERSION = "parent_version"
    FAILED_PARENT = "failed_parent"
    COMPLETED_SYNC = "completed_sync"
    INTERRUPTED_SYNC = "interrupted_sync"
    ROW_COUNT_DROP = "row_count_drop"
    EMPTY_COLUMN = "empty_column"
    ACCEPTED_EMPTY_COLUMN = "accepted_empty_column"
    EXCLUDED_ROW = "excluded_row"
    HIDDEN_COLUMN = "hidden_column"


INSTANT = pa.timestamp("us", tz="UTC")
"""The type of instants."""


def _column(name: str, kind: pa.DataType, doc: str) -> "pa.Field[Any]":
    return pa.field(name, kind, metadata={"doc": doc})


SYNC_STATE_SCHEMA = pa.schema(
    [
        _column("gid", pa.string(), "The row's key within its workspace."),
        _column("workspace_gid", pa.string(), "The workspace or organization; the partition."),
        _column("kind", pa.string(), f"What the row records: {', '.join(RowKind)}."),
        _column("endpoint", pa.string(), "The endpoint; null for interrupted_sync, which concerns all endpoints."),
        _column(
            "parent_gid",
            pa.string(),
            "The parent that was fetched, for parent_version and failed_parent; the row, for excluded_row.",
        ),
        _column("version", pa.string(), "The parent's version at that fetch; for hidden_column, how it is stored."),
        _column("sync_id", pa.string(), "The sync's id; only for completed_sync and interrupted_sync."),
        _column(
            "search_from", INSTANT, "Where the next search for changes starts, by Asana's clock; for completed_sync."
        ),
        _column(
            "row_count",
            pa.int64(),
            "The number of rows before the drop, or that had a value; for row_count_drop and empty columns.",
        ),
        _column("rows_fetched", pa.int64(), "The rows that were fetched when a column went empty."),
        _column(
            "changes_recorded_to",
            pa.int64(),
            "The sequence number of the table's last snapshot whose changes, and those of all before it, are in the "
            "table changes; for completed_sync.",
        ),
        _column("not_on_plan", pa.bool_(), "True if the plan did not include the endpoint (402); for completed_sync."),
        _column("column_name", pa.string(), "The column that went empty, dotted if nested, or the hidden one."),
        _column(
            "_synced_at",
            INSTANT,
            "When the parent's children were requested, the sync started (of excluded_row, the one that excluded it), "
            "or the drop or empty column was found (UTC).",
        ),
    ],
    metadata={
        "comment": "State of the syncs, by which the next one decides what to fetch; not data of Asana. "
        "The key is workspace_gid and gid."
    },
)
"""The columns of the table `sync_state`."""

# Rows as callers build them: without the key, the workspace and the endpoint, which are added when they are saved.
_ENTRY_SCHEMA = pa.schema([one for one in SYNC_STATE_SCHEMA if one.name not in {"gid", "workspace_gid", "endpoint"}])

# The keys of an endpoint's parents and of its completed sync start with the endpoint, so that one scan loads them all.
DROP_PREFIX = f"{RowKind.ROW_COUNT_DROP}/"
"""Start of the keys of row-count drops; the endpoint follows, so that one scan loads those of all endpoints."""

EMPTY_COLUMN_PREFIX = f"{RowKind.EMPTY_COLUMN}/"
"""Start of the keys of empty columns, accepted or not; the endpoint and the column follow."""

INTERRUPTED_KEY = str(RowKind.INTERRUPTED_SYNC)
"""The key of a workspace's interrupted sync."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SyncState:
    """Sync state of one endpoint in one workspace.

    Attributes:
        parents: `parent_gid`, `version` and `_synced_at` of the parents' last fetches; one row per gid.
        failed: Gids of the parents whose last fetch failed.
        last_sync: The last completed sync.
        saved_search_from: Where that sync says that the next search starts; None if an earlier release saved it.
        changes_recorded_to: The sequence number of the table's last snapshot whose changes are known to be recorded.
        not_on_plan: Whether the workspace's plan did not include the endpoint at the last completed sync.
        excluded: `parent_gid` and `_synced_at` of the endpoint's rows that were stored and that a row filter excludes
            since; the instant is the start of the sync that did so first.
        hidden: How its hidden columns are stored, by name.
    """

    parents: pa.Table = field(default_factory=_ENTRY_SCHEMA.empty_table)
    failed: Array = field(default_factory=lambda: pa.array([], pa.string()))
    last_sync: Sync | None = None
    saved_search_from: dt.datetime | None = None
    changes_recorded_to: int | None = None
    not_on_plan: bool = False
    excluded: pa.Table = field(default_factory=_ENTRY_SCHEMA.empty_table)
    hidden: Mapping[str, str] = field(default_factory=dict[str, str])

    @staticmethod
    def rows(parent_gids: Array, versions: Array, fetched_at: "dt.datetime | Array") -> pa.Table:
        """Return the rows to save for fetched parents; `fetched_at` is one instant for all, or one per parent."""
        count = len(parent_gids)
        instants = fetched_at if isinstance(fetched_at, pa.Array) else pa.repeat(pa.scalar(fetched_at, INSTANT), count)
        columns = {"parent_gid": parent_gids, "version": versions, "_synced_at": instants}
        return build_entries(RowKind.PARENT_VERSION, count, columns)

    @staticmethod
    def failed_rows(parent_gids: Array) -> pa.Table:
        """Return the rows to save for parents whose fetch failed."""
        return build_entries(RowKind.FAILED_PARENT, len(parent_gids), {"parent_gid": parent_gids})

    @staticmethod
    def completed_marker(sync: Sync, search_from: dt.datetime | None = None, *, not_on_plan: bool = False) -> pa.Table:
        """Return the row to save for a completed sync; for `search_from` see `decide_search_from`."""
        columns = {
            "search_from": pa.array([search_from], INSTANT),
            "not_on_plan": pa.array([not_on_plan or None], pa.bool_()),
        }
        return _sync_entry(RowKind.COMPLETED_SYNC, sync, columns)

    @property
    def last_sync_id(self) -> str | None:
        """Id of the last completed sync."""
        return self.last_sync.id if self.last_sync else None

    @property
    def last_sync_started_at(self) -> dt.datetime | None:
        """Start (UTC) of the last completed sync; before the first one, the earliest fetch of a parent."""
        return self.last_sync.started_at if self.last_sync else pc.min(self.parents["_synced_at"]).as_py()

    def search_from(self, clock_skew: dt.timedelta) -> dt.datetime | None:
        """Return where a search for changes must start, by Asana's clock; None if nothing was fetched yet.

        Args:
            clock_skew: Asana's time minus local time, for what is only known by the local clock.
        """
        started_at = self.last_sync_started_at
        return self.saved_search_from or (started_at and on_asanas_clock(started_at, clock_skew))

    def untracked_by(self, parent_gids: Array) -> Array:
        """Return the parents that were fetched, or failed, and are not among `parent_gids`."""
        fetched = pa.concat_arrays([self.parents["parent_gid"].combine_chunks(), self.failed])
        return fetched.filter(pc.invert(pc.is_in(fetched, value_set=parent_gids)))

    def count_fetched_since(self, instant: dt.datetime) -> int:
        """Return the number of parents that were fetched at `instant` or later."""
        return self._fetched_since(instant).num_rows

    def stale(self, parents: pa.Table, *, sync: Sync, changed: Array | None = None) -> Array:
        """Return a boolean mask of the parents (`gid`, `version`) to fetch; those in `changed` always are."""
        return decide_stale(
            parents,
            self._fetched_since(sync.started_at) if sync.full_refresh else self.parents,
            pa.array([], pa.string()) if changed is None else changed,
            now=sync.started_at,
            max_age=sync.max_age,
        )

    def outdated(self, parents: pa.Table) -> pa.Table:
        """Return the rows to save for `parents` (`gid`, `version`), none stale, whose version is of an older form."""
        rows = outdated_state(parents, self.parents)
        return self.rows(*(rows[name].combine_chunks() for name in ("parent_gid", "version", "_synced_at")))

    def _fetched_since(self, instant: dt.datetime) -> pa.Table:
        return self.parents.filter(pc.greater_equal(self.parents["_synced_at"], pa.scalar(instant, INSTANT)))


def no_entries() -> pa.Table:
    """Return a table of rows to save that is empty."""
    return _ENTRY_SCHEMA.empty_table()


def interrupted_marker(sync: Sync) -> pa.Table:
    """Return the row to save for a sync that starts, and is found again if it is interrupted."""
    return _sync_entry(RowKind.INTERRUPTED_SYNC, sync, {})


def row_count_drop(row_count: int, found_at: dt.datetime) -> pa.Table:
    """Return the row to save for a drop from `row_count` rows."""
    columns = {"row_count": pa.array([row_count], pa.int64()), "_synced_at": pa.array([found_at], INSTANT)}
    return build_entries(RowKind.ROW_COUNT_DROP, 1, columns)


def _sync_entry(kind: RowKind, sync: Sync, columns: Mapping[str, Array]) -> pa.Table:
    identity = {"sync_id": pa.array([sync.id]), "_synced_at": pa.array([sync.started_at], INSTANT)}
    return build_entries(kind, 1, {**identity, **columns})


def build_entries(kind: RowKind, count: int, columns: Mapping[str, Array]) -> pa.Table:
    """Return rows to save of one kind; columns that are not given are null."""
    columns = {"kind": pa.repeat(pa.scalar(kind.value), count), **columns}
    arrays = [columns.get(column.name, pa.nulls(count, column.type)) for column in _ENTRY_SCHEMA]
    return pa.table(arrays, schema=_ENTRY_SCHEMA)


def with_changes_recorded_to(entries: pa.Table, sequence_number: int | None) -> pa.Table:
    """Return rows to save with this sequence number in that of the completed sync, if it is among them."""
    is_completed = pc.equal(entries["kind"], pa.scalar(RowKind.COMPLETED_SYNC.value))
    values = pc.if_else(is_completed, pa.scalar(sequence_number, pa.int64()), pa.scalar(None, pa.int64()))
    name = "changes_recorded_to"
    return entries.set_column(entries.schema.get_field_index(name), entries.schema.field(name), values)


def encode(entries: pa.Table, endpoint_name: str | None) -> pa.Table:
    """Add the endpoint and the key to rows to save."""
    endpoints = pa.repeat(pa.scalar(endpoint_name, pa.string()), entries.num_rows)
    rows = entries.append_column("endpoint", endpoints)
    return rows.append_column(
        "gid", row_keys(rows["kind"], rows["endpoint"], pc.coalesce(rows["parent_gid"], rows["column_name"]))
    )


def parent_keys(endpoint_name: str, parent_gids: Array) -> Array:
    """Return the keys of parents' rows."""
    return _join(pa.repeat(pa.scalar(endpoint_name), len(parent_gids)), parent_gids)


def of_kind(rows: pa.Table, kind: RowKind) -> pa.Table:
    """Return the rows of one kind."""
    return rows.filter(pc.equal(rows["kind"], pa.scalar(kind.value)))


def decode_state(rows: pa.Table) -> SyncState:
    """Return the state in the rows of one endpoint."""
    completed = next(iter(_newest_first(rows, RowKind.COMPLETED_SYNC)), {})
    return SyncState(
        parents=of_kind(rows, RowKind.PARENT_VERSION).select(["parent_gid", "version", "_synced_at"]),
        failed=of_kind(rows, RowKind.FAILED_PARENT)["parent_gid"].combine_chunks(),
        last_sync=decode_sync(rows, RowKind.COMPLETED_SYNC),
        saved_search_from=completed.get("search_from"),
        changes_recorded_to=completed.get("changes_recorded_to"),
        not_on_plan=bool(completed.get("not_on_plan")),
        excluded=of_kind(rows, RowKind.EXCLUDED_ROW).select(["parent_gid", "_synced_at"]),
        hidden={row["column_name"]: row["version"] for row in of_kind(rows, RowKind.HIDDEN_COLUMN).to_pylist()},
    )


def decode_sync(rows: pa.Table, kind: RowKind) -> Sync | None:
    """Return the newest sync among the rows of `kind`, None without any."""
    syncs = _newest_first(rows, kind)
    return Sync(id=str(syncs[0]["sync_id"]), started_at=syncs[0]["_synced_at"]) if syncs else None


def _newest_first(rows: pa.Table, kind: RowKind) -> list[dict[str, Any]]:
    return of_kind(rows, kind).sort_by([("_synced_at", "descending")]).to_pylist()


def decode_drops(rows: pa.Table) -> dict[str, int]:
    """Return the row counts before drops, by endpoint."""
    drops = of_kind(rows, RowKind.ROW_COUNT_DROP).sort_by("_synced_at")  # the newest wins
    return {str(row["endpoint"]): int(row["row_count"]) for row in drops.to_pylist()}


def row_keys(kind: Array | Chunked, endpoint: Array | Chunked, name: Array | Chunked) -> Array | Chunked:
    """Return each row's key; `name` is the gid of the parent, or the name of the column.

    It is endpoint/parent, endpoint/completed_sync, endpoint/excluded_row/gid, endpoint/hidden_column/column,
    row_count_drop/endpoint, empty_column/endpoint/column or interrupted_sync.
    """
    is_completed, is_drop = (
        pc.equal(kind, pa.scalar(one.value)) for one in (RowKind.COMPLETED_SYNC, RowKind.ROW_COUNT_DROP)
    )
    is_parent = pc.is_in(kind, value_set=pa.array([RowKind.PARENT_VERSION.value, RowKind.FAILED_PARENT.value]))
    keys = pc.if_else(is_completed, _join(endpoint, kind), pc.if_else(is_drop, _join(kind, endpoint), kind))
    is_column = pc.is_in(kind, value_set=pa.array([RowKind.EMPTY_COLUMN.value, RowKind.ACCEPTED_EMPTY_COLUMN.value]))
    keys = pc.if_else(is_column, _join(pa.scalar(RowKind.EMPTY_COLUMN.value), endpoint, name), keys)
    names_row = pc.is_in(kind, value_set=pa.array([RowKind.EXCLUDED_ROW.value, RowKind.HIDDEN_COLUMN.value]))
    keys = pc.if_else(names_row, _join(endpoint, kind, name), keys)
    return pc.if_else(is_parent, _join(endpoint, name), keys)


def _join(*parts: Array | Chunked | pa.StringScalar) -> Array:
    return pc.binary_join_element_wise(*parts, pa.scalar("/"))  # pyright: ignore[reportCallIssue, reportArgumentType] - the stubs miss scalars
