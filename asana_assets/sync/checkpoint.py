"""A checkpoint of an extract: what is stored in one commit of rows, followed by one of sync state."""

import datetime as dt
from collections.abc import Collection
from dataclasses import dataclass, field

import pyarrow as pa

from asana_assets.asana.field_types import Array
from asana_assets.asana.model import SYNCED_AT
from asana_assets.sync.change_detection import Sync
from asana_assets.sync.gids import NO_GIDS
from asana_assets.sync.sync_state import SyncState, no_entries


@dataclass(slots=True)
class Checkpoint:
    """Parents that were fetched completely, with all their rows.

    Attributes:
        fetched: The gid of each fetched parent, its version, and when it was requested (UTC): the sync state to save.
        deleted: Gids of the parents that no longer exist.
        failed: Gids of the parents that could not be fetched completely; none of their stored rows is deleted.
        removed: Gids of rows that no longer exist, of an extract without parents of its own.
        batches: The rows of the fetched parents, and those that are known of the others.
        rows: The number of rows.
        completes: The sync that this checkpoint completes; None unless it is the last one.
        outdated: The sync state to save for parents that were not fetched, but whose version is of an older form.
        search_from: Where the search of the next sync starts, by Asana's clock; for the checkpoint that `completes`.
        not_on_plan: Whether the plan does not include the endpoint; for the checkpoint that `completes`.
    """

    fetched: list[tuple[str, str, dt.datetime]] = field(default_factory=list[tuple[str, str, dt.datetime]])
    deleted: list[str] = field(default_factory=list[str])
    failed: list[str] = field(default_factory=list[str])
    removed: Array = field(default_factory=lambda: NO_GIDS)
    batches: list[pa.RecordBatch] = field(default_factory=list[pa.RecordBatch])
    rows: int = 0
    completes: Sync | None = None
    outdated: pa.Table = field(default_factory=no_entries)
    search_from: dt.datetime | None = None
    not_on_plan: bool = False

    def mark_failed(self, parents: Collection[str]) -> None:
        """Treat fetched parents as failed, because some of their records could not be stored."""
        self.failed += [gid for gid, _, _ in self.fetched if gid in parents]
        self.fetched = [one for one in self.fetched if one[0] not in parents]

    def sync_state(self) -> pa.Table:
        """Return the sync state to save once the rows are stored."""
        gids, versions, requested_at = zip(*self.fetched, strict=True) if self.fetched else ((), (), ())
        fetched = SyncState.rows(
            pa.array(gids, pa.string()),
            pa.array(versions, pa.string()),
            pa.array(requested_at, SYNCED_AT.type.arrow_type),
        )
        failed = SyncState.failed_rows(pa.array(self.failed, pa.string()))
        entries = [fetched, failed, self.outdated]
        if self.completes:
            entries.append(SyncState.completed_marker(self.completes, self.search_from, not_on_plan=self.not_on_plan))
        return pa.concat_tables(entries)

    @property
    def parents(self) -> Array:
        """The gids of the parents whose rows this checkpoint replaces."""
        return pa.array([*(gid for gid, _, _ in self.fetched), *self.deleted], pa.string())
