"""Which parents have to be asked again: decided from what is known, without asking anybody.

A parent is due when its version differs from the one it had at its last successful read, when something names it as
changed, or when that read is too long ago. Versions are compared for equality and with nothing else: a clock, or one
bookmark for all, would pass over an old project that was shared only yesterday.
"""

import datetime as dt
from dataclasses import dataclass
from typing import Self, cast

import pyarrow as pa
import pyarrow.compute as pc

from asana_assets.asana.field_types import Array

SYNC_STATE_SCHEMA = pa.schema(
    [
        pa.field("gid", pa.string(), metadata={"doc": "The key: endpoint/parent_gid."}),
        pa.field("workspace_gid", pa.string(), metadata={"doc": "The workspace; the partition."}),
        pa.field("endpoint", pa.string(), metadata={"doc": "What was read."}),
        pa.field("parent_gid", pa.string(), metadata={"doc": "Of whom; the workspace itself where it was read whole."}),
        pa.field("version", pa.string(), metadata={"doc": "The parent's version at that read."}),
        pa.field("_synced_at", pa.timestamp("us", tz="UTC"), metadata={"doc": "When it was read (UTC)."}),
    ]
)
"""One row for each endpoint, workspace and parent that was read."""

_INSTANT = pa.timestamp("us", tz="UTC")

_AGE_JITTER = 3
"""A parent's age limit lies within the last third of what is configured, by its gid: parents that were first read on
one day do not all come due on another."""


def versions(rows: pa.Table | pa.RecordBatch, columns: tuple[str, ...]) -> Array:
    """Give each row's version: the values of these columns, as text; "" without any."""
    if not columns:
        return pa.repeat(pa.scalar(""), rows.num_rows)
    texts = [pc.fill_null(rows[column].cast(pa.string()), pa.scalar("")) for column in columns]
    joined = pc.binary_join_element_wise(*texts, pa.scalar("|"))  # pyright: ignore[reportCallIssue, reportArgumentType] # the stubs know no scalars here
    return joined.combine_chunks() if isinstance(joined, pa.ChunkedArray) else joined


@dataclass(frozen=True, slots=True, kw_only=True)
class Sync:
    """A sync of one endpoint in one workspace.

    Attributes:
        id: Names it. A run that goes on with an interrupted sync has its name, and its beginning.
        began: When (UTC).
        after: The age at which a read is too old; None for never.
        full: Whether everything is to be read that was not since it began.
    """

    id: str
    started_at: dt.datetime
    max_age: dt.timedelta | None = None
    full_refresh: bool = False


@dataclass(frozen=True, slots=True)
class SyncState:
    """What is known of the last reads of one endpoint in one workspace.

    Attributes:
        workspace_gid: The partition.
        table: `parent_gid`, `version` and `_synced_at`; gids once each. The row whose parent is the workspace itself
            tells when the last sync that came to its end began.
    """

    workspace_gid: str
    table: pa.Table

    @classmethod
    def empty(cls, workspace_gid: str = "") -> Self:
        """Before the first read."""
        return cls(workspace_gid, SYNC_STATE_SCHEMA.empty_table())

    @staticmethod
    def rows(gids: Array, versions: Array, read_at: "dt.datetime | Array") -> pa.Table:
        """Put together what is to be kept of some reads."""
        instants = read_at if isinstance(read_at, pa.Array) else pa.repeat(pa.scalar(read_at, _INSTANT), len(gids))
        return pa.table({"parent_gid": gids, "version": versions, "_synced_at": instants})

    @staticmethod
    def completed_marker(workspace_gid: str, sync: Sync) -> pa.Table:
        """Give what is to be kept of a sync that has come to its end."""
        return SyncState.rows(pa.array([workspace_gid]), pa.array([sync.id]), sync.started_at)

    @property
    def last_sync_started_at(self) -> dt.datetime | None:
        """When the last sync began that came to its end; before one did, when the first parent was read (UTC)."""
        ended = self._ended()
        first = pc.min((ended if ended.num_rows else self.table)["_synced_at"])
        return first.as_py()

    def untracked_by(self, parent_gids: Array) -> Array:
        """Give the parents that are remembered and not among these."""
        remembered = self.table["parent_gid"].combine_chunks()
        known = pc.or_(pc.is_in(remembered, value_set=parent_gids), pc.equal(remembered, pa.scalar(self.workspace_gid)))
        return remembered.filter(pc.invert(known))

    def count_fetched_since(self, instant: dt.datetime) -> int:
        """Count the parents that were read at that instant or later."""
        read = self.table.filter(pc.not_equal(self.table["parent_gid"], pa.scalar(self.workspace_gid)))
        return read.filter(pc.greater_equal(read["_synced_at"], pa.scalar(instant, _INSTANT))).num_rows

    @property
    def last_sync_id(self) -> str | None:
        """The name of the last sync that came to its end."""
        ended = self._ended()
        return ended["version"][0].as_py() if ended.num_rows else None

    def _ended(self) -> pa.Table:
        """Give the row of the last sync that came to its end, if one did."""
        return self.table.filter(pc.equal(self.table["parent_gid"], pa.scalar(self.workspace_gid)))

    def stale(self, parents: pa.Table, *, sync: Sync, changed: Array | None = None) -> Array:
        """Say of each parent (`gid`, `version`) whether it is to be asked: booleans. `changed` are, in any case."""
        named = pa.array([], pa.string()) if changed is None else changed
        known = self.table
        if sync.full_refresh:
            known = known.filter(pc.greater_equal(known["_synced_at"], pa.scalar(sync.started_at, _INSTANT)))
        return decide_stale(parents, known, named, now=sync.started_at, max_age=sync.max_age)


def decide_stale(
    parents: pa.Table, state: pa.Table, changed: Array, *, now: dt.datetime, max_age: dt.timedelta | None
) -> Array:
    """Say of each parent whether it is due: booleans.

    Args:
        parents: `gid` and `version`; gids once each.
        state: `parent_gid`, `version` and `_synced_at` of the last reads; gids once each.
        changed: Gids that are due in any case.
        now: UTC.
        max_age: The age at which a read is too old; None for never.
    """
    gids = parents["gid"].combine_chunks().cast(pa.string())
    at = pc.index_in(gids, value_set=state["parent_gid"].combine_chunks())
    stored = state["version"].combine_chunks().take(at)
    due = pc.or_(pc.is_null(at), pc.is_in(gids, value_set=changed))
    due = pc.or_(due, pc.fill_null(pc.not_equal(parents["version"].combine_chunks(), stored), pa.scalar(value=True)))
    if max_age is not None:
        read_at = state["_synced_at"].combine_chunks().take(at)
        age = pc.subtract(pa.scalar(now, read_at.type), read_at).cast(pa.int64())
        limit = pc.multiply(_age_limit_fraction(gids), pa.scalar(max_age / dt.timedelta(microseconds=1)))
        due = pc.or_(due, pc.fill_null(pc.greater_equal(age.cast(pa.float64()), limit), pa.scalar(value=True)))
    return cast("Array", due)


def _age_limit_fraction(gids: Array) -> Array:
    """Give, by gid, the part of the age limit after which it is due: above 1 - 1/`_SPREAD`, up to 1."""
    last_digits = pc.utf8_slice_codeunits(gids, -3)
    digits = pc.if_else(pc.string_is_ascii(last_digits), pc.replace_substring_regex(last_digits, "[^0-9]", "0"), "0")
    return pc.subtract(pa.scalar(1.0), pc.divide(digits.cast(pa.float64()), pa.scalar(1000.0 * _AGE_JITTER)))
