"""What all extracts have in common: inputs, statistics, and the decision which parents are stale."""

import datetime as dt
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

import pyarrow as pa
import pyarrow.compute as pc

from asana_assets.asana.client import Client, RequestStats
from asana_assets.asana.errors import ForbiddenError
from asana_assets.asana.field_types import Array
from asana_assets.asana.model import UNMAPPED, Endpoint, Listing
from asana_assets.sync.change_detection import Sync
from asana_assets.sync.change_search import ChangeSearch, FoundPages
from asana_assets.sync.failure_policy import (
    OutcomeTally,
    decide_to_confirm,
    decide_to_fail,
    decide_to_stop,
    systematic_failure,
)
from asana_assets.sync.fetcher import Fetcher, FetchEvent, Outcome
from asana_assets.sync.gids import NO_GIDS
from asana_assets.sync.parents import Parents, choose_parents
from asana_assets.sync.plan_limit import decide_not_on_plan, decide_to_try_alone
from asana_assets.sync.row_filter import Exclusion, RowFilter
from asana_assets.sync.rows import BuiltRows
from asana_assets.sync.search_bound import decide_search_from
from asana_assets.sync.sync_state import SyncState
from asana_assets.sync.values import count_values
from asana_assets.sync.write_totals import WriteTotals

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


@dataclass(slots=True)
class ExtractStats:
    """The statistics of an extract, updated while it runs.

    Attributes:
        tries_alone: Whether no second request is sent before one has succeeded, see `decide_to_try_alone`.
        parents: All parents; grows while fetched rows turn out to be parents themselves.
        parents_stale: Parents to fetch.
        parents_fetched: Parents whose fetch ended, whatever the outcome.
        resumed: Parents that an earlier run of the same sync fetched.
        rows: Fetched rows; one that was listed twice counts twice.
        values: Their values by column; see `values.count_values`.
        forbidden: Gids of the parents that are not accessible (403). Their stored rows are kept.
        failed: Parents that cannot be fetched for another reason, by gid with that reason. Their stored rows are kept.
        truncated: Gids of the parents whose listing ended early. None of their stored rows is deleted.
        deleted: Parents that no longer exist (404). Their rows are deleted.
        not_on_plan: Whether the workspace's plan, or the kind of token, does not include the endpoint.
        refused_to_users: Asana's refusal, if it lists the endpoint for service accounts only; otherwise "".
        missing_upstream: Optional upstream endpoints without rows, so that what they list is missing.
        unmapped: Rows with a value that did not fit its column.
        records_skipped: Records that were not stored because they have no gid or are not objects.
        texts_repaired: Texts with characters replaced because they were not valid Unicode.
        search_failure: Why the search for changes did not find all of them; "" if it did, or the plan has no search.
        carried_over: Stored rows that a full extract kept without fetching them.
        excluded: Stored rows that it does not keep, because a row filter excludes them.
        missed_period: The period whose records Asana deleted before they were fetched; None without any.
        tallies: The outcomes by path of the listing.
        request_stats: The cost in requests.
        written: What the IO manager stored; zeros until it has.
        on_progress: Called after each update, by the thread that consumes the extract.
    """

    tries_alone: bool = False
    parents: int = 0
    parents_stale: int = 0
    parents_fetched: int = 0
    resumed: int = 0
    rows: int = 0
    values: Counter[str] = field(default_factory=Counter[str])
    forbidden: list[str] = field(default_factory=list[str])
    failed: dict[str, str] = field(default_factory=dict[str, str])
    truncated: list[str] = field(default_factory=list[str])
    deleted: int = 0
    not_on_plan: bool = False
    refused_to_users: str = ""
    missing_upstream: list[str] = field(default_factory=list[str])
    unmapped: int = 0
    records_skipped: int = 0
    texts_repaired: int = 0
    search_failure: str = ""
    carried_over: int = 0
    excluded: int = 0
    missed_period: tuple[dt.datetime, dt.datetime] | None = None
    tallies: dict[str, OutcomeTally] = field(default_factory=dict[str, OutcomeTally])
    request_stats: RequestStats = field(default_factory=RequestStats)
    written: WriteTotals = field(default_factory=WriteTotals)
    on_progress: Callable[[], None] = lambda: None

    def add_rows(self, built: BuiltRows) -> None:
        """Count fetched rows."""
        batch = built.batch
        self.records_skipped += built.records_skipped
        self.texts_repaired += built.texts_repaired
        self.rows += batch.num_rows
        self.values.update(count_values(batch))
        self.unmapped += batch.num_rows - batch[UNMAPPED.name].null_count
        self.on_progress()

    @property
    def skipped(self) -> list[str]:
        """Gids of the parents whose stored rows are kept because they were refused or failed."""
        return [*self.forbidden, *self.failed]

    def record_outcome(self, event: FetchEvent) -> None:
        """Record the outcome of fetching one parent."""
        outcome = event.outcome
        if outcome is None:
            return
        self.parents_fetched += 1
        self.tallies.setdefault(event.request.listing.path, OutcomeTally()).add(outcome, event.error)
        self.deleted += outcome is Outcome.DELETED
        if outcome is Outcome.NOT_ON_PLAN:
            self.not_on_plan = True
            self.refused_to_users = str(event.error) if isinstance(event.error, ForbiddenError) else ""
        self.record_skipped(event)
        self.on_progress()

    def defer(self, event: FetchEvent) -> bool:
        """Count the outcome of a parent's first response; return whether its second request must be sent at once."""
        tally = self.tallies.setdefault(event.request.listing.path, OutcomeTally())
        if event.outcome is not None:
            tally.deferred[event.outcome] += 1
        return event.outcome is Outcome.DELETED and decide_to_confirm(tally)

    def record_skipped(self, event: FetchEvent) -> None:
        """Record a parent whose stored rows are kept, if the outcome is a refusal, a failure or an early end."""
        gid = event.request.parent_gid
        match event.outcome:
            case Outcome.FORBIDDEN:
                self.forbidden.append(gid)
            case Outcome.FAILED:
                self.failed[gid] = str(event.error)
            case Outcome.TRUNCATED:
                self.truncated.append(gid)
            case _:
                pass

    def is_not_on_plan(self, *, ended: bool = False) -> bool:
        """Return whether the outcomes show that the plan does not include the endpoint, so that no more are needed.

        With `ended`, all outcomes are known, and it is enough that every parent was rejected.
        """
        all_tried = ended and self.parents_fetched == self.parents
        tried_alone = self.tries_alone or all_tried
        return self.not_on_plan and decide_not_on_plan(self.tallies.values(), tried_alone=tried_alone)

    def raise_if_hopeless(self, *, requests_left: bool) -> None:
        """Raise if the outcomes so far show that fetching further parents is pointless.

        Raises:
            SystematicFailureError: A listing fails as a whole.
        """
        for tally in self.tallies.values():
            if decide_to_stop(tally, requests_left=requests_left):
                raise systematic_failure(tally)

    def raise_if_failed(self) -> None:
        """Raise if most parents failed, after all of them were tried.

        Raises:
            SystematicFailureError: A listing failed as a whole.
        """
        unchanged = self.parents - self.parents_stale
        for tally in self.tallies.values():
            if decide_to_fail(tally, unchanged=unchanged):
                raise systematic_failure(tally)


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
