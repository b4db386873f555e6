"""What all extracts have in common: inputs, statistics, and the decision which parents are stale."""

import datetime as dt
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

import pyarrow as pa
import pyarrow.compute as pc

from asana_assets.asana.client import Client
from asana_assets.asana.field_types import Array
from asana_assets.asana.model import Endpoint, Listing
from asana_assets.sync.change_detection import Sync
from asana_assets.sync.change_search import ChangeSearch, FoundPages
from asana_assets.sync.extract_stats import ExtractStats
from asana_assets.sync.fetcher import Fetcher
from asana_assets.sync.gids import NO_GIDS
from asana_assets.sync.parents import Parents, choose_parents
from asana_assets.sync.plan_limit import decide_to_try_alone
from asana_assets.sync.row_filter import Exclusion, RowFilter
from asana_assets.sync.search_bound import decide_search_from
from asana_assets.sync.sync_state import SyncState

BATCH_ROWS = 2_000
"""Rows to build at once; Arrow's JSON reader takes three times as long when given single pages."""


class StoredRows(Protocol):
    """The rows of one endpoint in one workspace as the last sync stored them."""

    @property
    def names(self) -> set[str]:
        """The names of the stored columns."""
        ...

    def __len__(self) -> int:
        """Return the number of rows."""
        ...

    def count_values(self) -> Mapping[str, int]:
        """Return the number of values of each column that are not null; see `values.count_values`."""
        ...

    def columns(self, names: Sequence[str]) -> pa.Table:
        """Return these columns of every row."""
        ...

    def batches(self, names: Sequence[str] | None = None) -> Iterator[pa.RecordBatch]:
        """Yield every row with these columns, or with all, in batches of bounded size."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class ExtractContext:
    """The inputs of an extract.

    Attributes:
        endpoint: The endpoint to fetch.
        workspace_gid: The partition; "" for an endpoint that is not listed within a workspace.
        upstream: The rows of each upstream endpoint in this workspace, with the columns in `Endpoint.upstream`.
        previous: The rows that the last sync stored.
        state: The version of each parent, and the time, at its last fetch.
        sync: The sync that the extract is part of.
        client: Sends the requests.
        search: Finds changes, on plans that include search.
        is_optional: Whether all dependents can do without the endpoint's rows, so that a refused listing of the
            workspace keeps the stored rows and fails no asset.
        accept_deletions: Whether rows of an endpoint that is no longer on the plan are deleted.
        row_filter: Decides which rows of the endpoint are stored; None for all.
        exclusions: What row filters have removed, by the name of each filtered endpoint above this one.
        other_workspaces: Gids of the other workspaces that are synced.
    """

    endpoint: Endpoint
    workspace_gid: str
    upstream: Mapping[str, pa.Table]
    previous: StoredRows
    state: SyncState
    sync: Sync
    client: Client
    search: ChangeSearch
    is_optional: bool = False
    accept_deletions: bool = False
    row_filter: RowFilter | None = None
    exclusions: Mapping[str, Exclusion] = field(default_factory=dict[str, Exclusion])
    other_workspaces: Sequence[str] = ()

    def choose_parents(self) -> Parents:
        """Return the parents that the endpoint's listings apply to; raises as `parents.choose_parents` does."""
        return choose_parents(self.endpoint, self.workspace_gid, self.upstream, parents_with_rows(self))

    @property
    def missing_upstream(self) -> list[str]:
        """Optional upstream endpoints without rows."""
        optional = [listing.parent for listing in self.endpoint.listings if listing.parent and listing.is_optional]
        return [parent.name for parent in optional if not self.upstream[parent.name].num_rows]

    def new_stats(self) -> ExtractStats:
        """Return the statistics of an extract that has not started."""
        has_rows = len(self.previous) > 0
        return ExtractStats(tries_alone=decide_to_try_alone(self.endpoint, self.state, has_rows=has_rows))

    def open_fetcher(self, stats: ExtractStats, on_all_sent: Callable[[], None] = lambda: None) -> Fetcher:
        """Open a fetcher of the endpoint's fields that counts its requests in `stats`; it sends nothing yet."""
        return Fetcher(
            self.client,
            opt_fields=self.endpoint.opt_fields,
            stats=stats.request_stats,
            on_all_sent=on_all_sent,
            alone=stats.tries_alone,
        )

    @property
    def search_from(self) -> dt.datetime | None:
        """Where a search for changes must start, by Asana's clock; None if nothing was fetched yet."""
        return self.state.search_from(self.client.clock_skew)

    def record_search(self, pages: FoundPages | None, stats: ExtractStats) -> bool:
        """Record why a search that has ended failed, if it did; return whether it missed changes."""
        stats.search_failure = pages.failure if pages else ""
        return not pages.complete if pages else self.search_from is not None

    def next_search_from(self, *, missed_changes: bool) -> dt.datetime:
        """Return where that of the next sync must start, given whether this sync's search missed changes."""
        return decide_search_from(self.search_from, self.sync, self.client.clock_skew, missed_changes=missed_changes)


class Extract(Protocol):
    """The fetch of one endpoint in one workspace, from `start` until its rows are consumed or it is closed."""

    @property
    def endpoint(self) -> Endpoint:
        """The endpoint."""
        ...

    @property
    def workspace_gid(self) -> str:
        """The partition; "" for an endpoint that is not listed within a workspace."""
        ...

    @property
    def previous(self) -> StoredRows:
        """The rows that the last sync stored."""
        ...

    @property
    def stats(self) -> ExtractStats:
        """The statistics so far."""
        ...

    @property
    def all_sent(self) -> bool:
        """Whether no known request is left to send; true before the start."""
        ...

    def start(self, on_all_sent: Callable[[], None] = lambda: None) -> None:
        """Start fetching in the background. Has no effect if the extract was started before.

        `on_all_sent` is called whenever `all_sent` may have become true.
        """
        ...

    def close(self) -> None:
        """Stop fetching."""
        ...


def stale_parents(parents: Parents, state: SyncState, sync: Sync, changed: Array | None = None) -> Parents:
    """Return the parents to fetch: all those of a listing without versions, and the stale ones of any other.

    Gids in `changed` are stale in any case.
    """

    def mask(listing: Listing, rows: pa.Table) -> Array:
        if listing.version_columns is None:
            return pa.repeat(pa.scalar(value=True), rows.num_rows)
        return state.stale(rows, sync=sync, changed=changed)

    return parents.filter(mask)


def parents_with_rows(context: ExtractContext) -> Array | None:
    """Return the parents of the stored rows, if a parent's row says whether a listing applies to it."""
    conditional = tuple(dict.fromkeys(listing.parent_ref for listing in context.endpoint.listings if listing.only_if))
    if not conditional:
        return None
    stored = context.previous.columns(conditional)
    return pc.unique(pa.concat_arrays([NO_GIDS, *(chunk for name in conditional for chunk in stored[name].chunks)]))
