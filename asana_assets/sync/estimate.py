"""Estimate of the next sync's requests, from the stored tables and a bounded number of requests. Writes nothing.

The decisions are those of the sync: the same parents, stale by the same sync state. Only the rows that it will find
upstream have to be predicted.
"""

import datetime as dt
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from math import ceil
from typing import cast

import pyarrow as pa
import pyarrow.compute as pc

from asana_assets.asana.client import Client, RequestStats
from asana_assets.asana.field_types import Array
from asana_assets.asana.listing_requests import with_margin
from asana_assets.asana.model import GID, WORKSPACE_GID, Endpoint, Listing
from asana_assets.asana.paging import PAGE_SIZE
from asana_assets.asana.window import Window
from asana_assets.sync.change_detection import Sync
from asana_assets.sync.change_search import ChangeSearch
from asana_assets.sync.extract import stale_parents
from asana_assets.sync.fallback import only_unlisted
from asana_assets.sync.gids import count_references
from asana_assets.sync.parent_rows import reported_counts
from asana_assets.sync.parents import Parents, choose_parents, eligible_parents, mask_owned_by, merge_parents
from asana_assets.sync.plan_limit import decide_to_try_alone
from asana_assets.sync.probe import Probe
from asana_assets.sync.row_filter import RowFilter, mask_without_parents
from asana_assets.sync.row_prediction import SAMPLING_REQUESTS, Accuracy, Lake, RowPrediction, SearchResult
from asana_assets.sync.sync_state import SyncState
from asana_assets.sync.window import decide_start, rows_within


@dataclass(frozen=True, slots=True, kw_only=True)
class EndpointCost:
    """The estimated cost of one endpoint: its parents, how many of them are stale, and the requests for these."""

    endpoint: Endpoint
    parents: int
    stale: int
    requests: int


@dataclass(frozen=True, slots=True, kw_only=True)
class SyncEstimate:
    """The estimated cost of one workspace's next sync.

    Attributes:
        costs: The cost of each endpoint, in the order of the sync's endpoints.
        accuracy: What limits the accuracy.
        request_stats: The cost of the estimate itself.
    """

    costs: Sequence[EndpointCost]
    accuracy: Accuracy
    request_stats: RequestStats

    @property
    def requests(self) -> int:
        """The estimated number of requests of all endpoints."""
        return sum(cost.requests for cost in self.costs)


@dataclass(slots=True, kw_only=True)
class SyncEstimator:
    """Estimates one sync of one workspace. Single use.

    Attributes:
        workspace: The workspace's row.
        workspace_endpoint: The endpoint of that row.
        endpoints: The endpoints to sync in the workspace, parents before children.
        lake: The tables that the last sync stored.
        client: Sends the requests.
        search: Finds changes, on plans that include search.
        started_at: The start of the sync (UTC), or of the interrupted sync that it resumes.
        full_refresh: Whether the sync fetches every parent, changed or not.
        refresh_after_days: The age at which an unchanged parent is stale; None for each endpoint's own, 0 for never.
        filters: The row filters, by endpoint.
        other_workspaces: Gids of the other workspaces that are synced.
    """

    workspace: pa.Table
    workspace_endpoint: Endpoint
    endpoints: Sequence[Endpoint]
    lake: Lake
    client: Client
    search: ChangeSearch
    started_at: dt.datetime
    full_refresh: bool = False
    refresh_after_days: float | None = None
    filters: Mapping[str, RowFilter] = field(default_factory=dict[str, RowFilter])
    other_workspaces: Sequence[str] = ()
    _prediction: RowPrediction = field(init=False)
    _rejection_counted: bool = field(init=False, default=False)

    def __post_init__(self) -> None:
        probe = Probe(
            client=self.client,
            workspace_gid=self._gid,
            endpoints=self.endpoints,
            filters=self.filters,
            other_workspaces=self.other_workspaces,
        )
        self._prediction = RowPrediction(probe=probe, lake=self.lake, search=self.search)
        self._prediction.set_rows(self.workspace_endpoint, self.workspace)

    @property
    def _gid(self) -> str:
        return str(self.workspace[GID.name][0].as_py())

    def estimate(self) -> SyncEstimate:
        """Estimate the cost of each endpoint.

        Raises:
            NeverSyncedError: An upstream endpoint is not part of the sync and was never synced.
            AsanaError: A request failed.
        """
        prediction = self._prediction
        prediction.fetch_listings(
            [
                endpoint
                for endpoint in self.endpoints
                if prediction.probe.has_dependents(endpoint) and endpoint.parent_columns == (WORKSPACE_GID.name,)
            ]
        )
        costs = [self._estimate_endpoint(endpoint) for endpoint in self.endpoints]
        return SyncEstimate(costs=costs, accuracy=prediction.accuracy, request_stats=prediction.probe.stats)

    def _estimate_endpoint(self, endpoint: Endpoint) -> EndpointCost:
        prediction = self._prediction
        state = self.lake.load_state(endpoint.name, self._gid)
        if state.last_sync_id is None:
            prediction.accuracy.never_synced.append(endpoint.name)
        upstream = prediction.upstream(endpoint)
        parents = choose_parents(endpoint, self._gid, upstream)
        sync = Sync(
            id="",
            started_at=self.started_at,
            max_age=endpoint.max_age(self.refresh_after_days),
            full_refresh=self.full_refresh,
        )
        if endpoint.window:
            return self._estimate_window(endpoint, endpoint.window, parents, state, sync)
        if endpoint.fallback_listings:
            parents = only_unlisted(endpoint, parents, prediction.listed_gids(endpoint, state))
        found = SearchResult(rows=prediction.rows(endpoint))
        if endpoint.search:
            found = prediction.apply_search(endpoint, endpoint.search, state, found.rows)
        if endpoint.recursive_listing:
            parents = _add_nested(parents, endpoint.recursive_listing, upstream, found)
        stale = stale_parents(parents, state, sync, found.changed)
        if self._is_not_on_plan(endpoint, stale, state):
            return EndpointCost(endpoint=endpoint, parents=len(parents), stale=len(stale), requests=1)
        excluded_rows, filter_requests = prediction.probe.filter_costs.get(endpoint.name, (0, 0))
        requests = float(self._count_search_requests(endpoint, parents, stale, found) + filter_requests)
        for listing, group in stale.groups:
            counts = pc.max_element_wise(
                count_references(group["gid"], found.rows[listing.parent_ref]),
                reported_counts(listing, group["gid"], upstream, found.rows),
            )
            counts = pc.add(counts, pa.scalar(excluded_rows, counts.type))
            pages = _page_counts(counts) if listing.paged else None
            requests += prediction.weights.total(group["gid"], pages)
        if prediction.probe.has_dependents(endpoint):
            rows = found.rows.filter(mask_owned_by(endpoint, found.rows, parents))
            if endpoint.is_child:
                # Only a changed parent can have more children than are stored; age and a full refresh add none.
                modified = stale_parents(stale, state, replace(sync, max_age=None, full_refresh=False), found.changed)
                more = prediction.placeholders(modified, upstream, rows)
            else:
                more, further_pages = prediction.sample(endpoint, stale, state, rows)
                requests += further_pages
            rows = pa.concat_tables([rows, more])
            excluded = mask_without_parents(endpoint, rows, parents, self.filters.keys())
            prediction.set_rows(endpoint, rows.filter(pc.invert(excluded)))
        return EndpointCost(
            endpoint=endpoint,
            parents=round(sum(prediction.weights.total(group["gid"]) for _, group in parents.groups)),
            stale=round(sum(prediction.weights.total(group["gid"]) for _, group in stale.groups)),
            requests=round(requests),
        )

    def _estimate_window(
        self, endpoint: Endpoint, window: Window, parents: Parents, state: SyncState, sync: Sync
    ) -> EndpointCost:
        """Estimate the cost of the rows that are stored of the window; new ones are not known."""
        stored = self.lake.stored_rows(endpoint, self._gid)
        is_stale = len(stale_parents(parents, state, sync)) > 0
        start = decide_start(window, stored, state, sync, self.client.clock_skew, is_stale=is_stale)
        start, _ = with_margin(window, start, None)
        if window.retention:
            start = max(start, sync.started_at - window.retention)
        rows = rows_within(window, stored.columns((window.column.name,)), start).num_rows
        end = bool(rows and window.retention)  # the empty page
        return EndpointCost(
            endpoint=endpoint,
            parents=len(parents),
            stale=len(parents),
            requests=len(parents) * (max(1, ceil(rows / PAGE_SIZE)) + end),
        )

    def _is_not_on_plan(self, endpoint: Endpoint, stale: Parents, state: SyncState) -> bool:
        """Return whether the sync will send one request instead of one per parent, as the plan lacks the endpoint."""
        probe = self._prediction.probe
        if len(stale) <= 1 or probe.stats.requests >= SAMPLING_REQUESTS:
            return False
        has_rows = len(self.lake.stored_rows(endpoint, self._gid)) > 0
        return decide_to_try_alone(endpoint, state, has_rows=has_rows) and probe.is_not_on_plan(next(stale.requests()))

    def _count_search_requests(self, endpoint: Endpoint, parents: Parents, stale: Parents, found: SearchResult) -> int:
        """Return the number of requests that the sync's own search will take; 0 if it will not search."""
        will_search = not self.full_refresh if endpoint.is_child else len(stale) < len(parents)
        if not will_search or (found.rejected and self._rejection_counted):  # once rejected, a sync searches no more
            return 0
        self._rejection_counted |= found.rejected
        return found.requests


def _add_nested(parents: Parents, nested: Listing, upstream: Mapping[str, pa.Table], found: SearchResult) -> Parents:
    """Add the rows that are parents themselves.

    A first child does not modify its parent, whose row may still report no children; the search hit for the child
    names the parent.
    """
    [(_, roots)] = parents.groups
    regardless = replace(nested, only_if=None)
    named = (
        rows.filter(pc.is_in(rows[GID.name], value_set=found.changed)) for rows in (*upstream.values(), found.rows)
    )
    tables = [roots, eligible_parents(nested, found.rows), *(eligible_parents(regardless, rows) for rows in named)]
    return Parents(parents.workspace_gid, ((nested, merge_parents(tables)),))


def _page_counts(counts: Array) -> Array:
    """Return the number of pages for each number of records; an empty listing takes one, too."""
    pages = pc.ceil(pc.divide(counts.cast(pa.float64()), pa.scalar(float(PAGE_SIZE))))
    return cast("Array", pc.max_element_wise(pages, pa.scalar(1.0)))
