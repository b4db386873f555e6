"""Prediction of the rows that the next sync will find upstream.

The workspace's listings that others depend on are fetched, a search finds what changed since the last sync, and parents
whose rows are unknown are sampled. A predicted row has a weight, the number of rows that it stands for. All other rows
are predicted to be as stored.
"""

from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from math import ceil
from typing import Final, Protocol

import pyarrow as pa
import pyarrow.compute as pc

from asana_assets.asana.client import Page
from asana_assets.asana.errors import AsanaError
from asana_assets.asana.field_types import Array
from asana_assets.asana.model import GID, PARENT_GID, WORKSPACE_GID, Endpoint, Listing
from asana_assets.sync.change_search import ChangeSearch
from asana_assets.sync.extract import StoredRows
from asana_assets.sync.gids import (
    NO_GIDS,
    count_references,
    drop_duplicates,
    mask_references,
    to_gid_list,
    upsert,
    values_by_gid,
)
from asana_assets.sync.parent_rows import reported_counts, without_versions
from asana_assets.sync.parents import Parents, choose_parents
from asana_assets.sync.probe import FirstPage, Probe
from asana_assets.sync.sampling import Margin, Sample, Weights, margin, squared_error
from asana_assets.sync.search_hits import SEARCH_FIELDS, changed_hits, changed_parents, decode_hits
from asana_assets.sync.sync_state import SyncState

MAX_REQUESTS: Final = 30
"""The limit of requests for one workspace's estimate, whatever its size; retries come on top."""

SAMPLING_REQUESTS: Final = 25
"""Requests after which no further parent is sampled; the last may take one more."""

_LISTING_REQUESTS: Final = 16  # requests after which no further page of a workspace listing is fetched
_SEARCH_PAGES: Final = 4  # pages of one search


class NeverSyncedError(AsanaError):
    """An upstream endpoint that is not part of the sync was never synced."""


class Lake(Protocol):
    """The tables that the last sync stored."""

    def stored_rows(self, endpoint: Endpoint, workspace_gid: str) -> StoredRows: ...

    def load_state(self, endpoint_name: str, workspace_gid: str) -> SyncState: ...


@dataclass(slots=True, kw_only=True)
class Accuracy:
    """What limits the accuracy of an estimate; empty if the estimate is exact.

    Attributes:
        sampled: For each endpoint of parents with unknown children, how many of them were sampled.
        margins: For each endpoint whose rows were extrapolated from samples, their number and its margin of error.
        truncated: For each endpoint whose listing was not fetched to its end, the number of rows fetched.
        never_synced: Names of endpoints whose sync was never completed.
        search_unavailable: Names of endpoints whose changes are unknown, since search is unavailable.
        search_truncated: Names of endpoints with more changes than were fetched.
    """

    sampled: dict[str, Sample] = field(default_factory=dict[str, Sample])
    margins: dict[str, Margin] = field(default_factory=dict[str, Margin])
    truncated: dict[str, int] = field(default_factory=dict[str, int])
    never_synced: list[str] = field(default_factory=list[str])
    search_unavailable: list[str] = field(default_factory=list[str])
    search_truncated: list[str] = field(default_factory=list[str])


@dataclass(frozen=True, slots=True, kw_only=True)
class SearchResult:
    """What a search for changes found.

    Attributes:
        rows: The endpoint's rows, updated with those that changed.
        changed: Gids of the parents of changed children.
        requests: The requests that the same search will take in the sync.
        rejected: Whether Asana rejected the search.
    """

    rows: pa.Table
    changed: Array = field(default_factory=lambda: NO_GIDS)
    requests: int = 0
    rejected: bool = False


@dataclass(slots=True, kw_only=True)
class RowPrediction:
    """The predicted rows of one workspace, endpoint by endpoint, parents before children.

    Attributes:
        probe: Sends the requests.
        lake: The tables that the last sync stored.
        search: Finds changes, on plans that include search.
        accuracy: What limits the accuracy so far.
        weights: The number of rows that a predicted row stands for.
    """

    probe: Probe
    lake: Lake
    search: ChangeSearch
    accuracy: Accuracy = field(default_factory=Accuracy)
    weights: Weights = field(default_factory=Weights)
    _predicted: dict[str, pa.Table] = field(default_factory=dict[str, pa.Table])

    @property
    def _gid(self) -> str:
        return self.probe.workspace_gid

    def rows(self, endpoint: Endpoint) -> pa.Table:
        """Return the predicted rows of an endpoint, or the stored ones if there is no prediction."""
        if endpoint.name in self._predicted:
            return self._predicted[endpoint.name]
        stored = self.lake.stored_rows(endpoint, self._gid)
        return self.probe.reduce(endpoint, stored.batches(self.probe.columns(endpoint)))

    def set_rows(self, endpoint: Endpoint, rows: pa.Table) -> None:
        """Set the predicted rows of an endpoint."""
        self._predicted[endpoint.name] = rows

    def upstream(self, endpoint: Endpoint) -> dict[str, pa.Table]:
        """Return the rows of the upstream endpoints, by name.

        Raises:
            NeverSyncedError: One of them is not part of the sync and was never synced.
        """
        for parent in [listing.parent for listing in endpoint.listings if listing.parent]:
            if parent.name not in self._predicted:
                rows = self.rows(parent)
                if not rows.num_rows and self.lake.load_state(parent.name, self._gid).last_sync_id is None:
                    raise NeverSyncedError(
                        f"{parent.name} of workspace {self._gid} was never synced: select {parent.name} as well"
                    )
                self._predicted[parent.name] = rows
        return {name: self._predicted[name] for name in endpoint.upstream}

    def fetch_listings(self, endpoints: Sequence[Endpoint]) -> None:
        """Fetch the rows of endpoints that are listed by workspace, a page of each in turn, within a limit."""
        pages: dict[str, list[Page]] = {endpoint.name: [] for endpoint in endpoints}
        unfinished = deque(
            (
                endpoint.name,
                self.probe.all_pages(endpoint, choose_parents(endpoint, self._gid, self._predicted).requests()),
            )
            for endpoint in endpoints
        )
        while unfinished and self.probe.stats.requests < _LISTING_REQUESTS:
            name, listing = unfinished.popleft()
            if page := next(listing, None):
                pages[name].append(page)
                unfinished.append((name, listing))
        for endpoint in endpoints:
            fetched = pages[endpoint.name]
            is_truncated = bool(unfinished and fetched and fetched[-1].count == fetched[-1].limit)
            rows = self.probe.included(endpoint, self.probe.rows(endpoint, fetched), complete=not is_truncated)
            if is_truncated:
                self.accuracy.truncated[endpoint.name] = rows.num_rows
                rows = upsert(self.rows(endpoint), rows)
            self._predicted[endpoint.name] = rows

    def apply_search(self, endpoint: Endpoint, search: Listing, state: SyncState, rows: pa.Table) -> SearchResult:
        """Search for what changed since the last sync and apply it to the rows of an endpoint."""
        stats = self.probe.stats
        requests_before = stats.requests
        search_from = state.search_from(self.probe.client.clock_skew)
        results = self.search.changed_since(
            search,
            self._gid,
            search_from,
            opt_fields=self.probe.opt_fields(endpoint, *SEARCH_FIELDS),
            stats=stats,
        )
        if results is None or results.failure:
            if search_from is None:
                return SearchResult(rows=rows)
            self.accuracy.search_unavailable.append(endpoint.name)
            return SearchResult(rows=rows, requests=1, rejected=True)
        pages: list[Page] = []
        for page in results:
            pages.append(page)
            if page.count == page.limit and (len(pages) == _SEARCH_PAGES or stats.requests >= MAX_REQUESTS):
                self.accuracy.search_truncated.append(endpoint.name)
                break
        found, changed = self.probe.rows(endpoint, pages), NO_GIDS
        if endpoint.recursive_listing:
            hits = changed_hits(decode_hits(pages), rows)
            changed = changed_parents(endpoint.recursive_listing, hits, rows)
            found = found.filter(pc.is_in(found[GID.name], value_set=hits[GID.name].combine_chunks()))
            parent_gids = values_by_gid(found[GID.name], hits[GID.name], hits[PARENT_GID.name])
            found = found.set_column(found.schema.get_field_index(PARENT_GID.name), PARENT_GID.name, parent_gids)
            rows = self._count_new_children(endpoint.recursive_listing, hits, rows)
        return SearchResult(rows=upsert(rows, found), changed=changed, requests=stats.requests - requests_before)

    def _count_new_children(self, listing: Listing, hits: pa.Table, rows: pa.Table) -> pa.Table:
        """Outdate the versions of the parents of new children, which contain their number; return the endpoint's rows.

        Such a parent is not modified, so search does not find it.
        """
        is_stored = pc.is_in(hits[GID.name], value_set=rows[GID.name].combine_chunks())
        parents = hits[PARENT_GID.name].filter(pc.invert(is_stored)).combine_chunks()
        if listing.parent:
            self._predicted[listing.parent.name] = without_versions(self._predicted[listing.parent.name], parents)
        return without_versions(rows, parents)

    def listed_gids(self, endpoint: Endpoint, state: SyncState) -> Array:
        """Return the gids of the stored rows that are not requested one by one."""
        gids = self.rows(endpoint)[GID.name].combine_chunks()
        return gids.filter(pc.invert(pc.is_in(gids, value_set=state.parents["parent_gid"].combine_chunks())))

    def placeholders(self, parents: Parents, upstream: Mapping[str, pa.Table], rows: pa.Table) -> pa.Table:
        """Return a row for each parent that reports more children than are known; it stands for the missing ones."""
        names: list[str] = []
        for listing, group in parents.groups:
            gids = group["gid"].combine_chunks()
            missing = pc.subtract(
                reported_counts(listing, gids, upstream, rows), count_references(gids, rows[listing.parent_ref])
            )
            weights = pc.multiply(self.weights.of(gids), missing)
            has_missing = pc.greater(missing, pa.scalar(0))
            found = [f"{listing.path} of {gid}" for gid in to_gid_list(gids.filter(has_missing))]
            for name, weight in zip(found, weights.filter(has_missing).to_pylist(), strict=True):
                self.weights.add(name, float(weight or 0))
            names += found
        gid_column = pa.array(names, pa.string())
        columns = [
            gid_column if column.name == GID.name else pa.nulls(len(names), column.type) for column in rows.schema
        ]
        return pa.Table.from_arrays(columns, schema=rows.schema)

    def sample(self, endpoint: Endpoint, stale: Parents, state: SyncState, rows: pa.Table) -> tuple[pa.Table, float]:
        """Sample the parents whose rows are unknown.

        Returns:
            Rows that stand for those of all these parents, and the number of pages that these have beyond their first.
        """
        samples = [rows.slice(0, 0)]
        further_pages = total_squared_error = 0.0
        groups = [(listing, group["gid"].combine_chunks()) for listing, group in stale.groups]
        for index, (listing, gids) in enumerate(groups):
            if listing.parent is None or listing.parent_ref == WORKSPACE_GID.name:
                continue
            unknown = to_gid_list(gids.filter(pc.invert(self._mask_known(listing, listing.parent, gids, state, rows))))
            left = max(0, SAMPLING_REQUESTS - self.probe.stats.requests)
            is_last = index == len(groups) - 1
            first_pages = self.probe.first_pages(endpoint, listing, unknown, left if is_last else ceil(left * 3 / 4))
            sizes: list[float] = []
            for first in first_pages:
                represented = len(unknown) / len(first_pages)
                further_pages += represented * first.further_pages
                new = self.probe.rows(endpoint, first.pages)
                counted = pc.is_in(new[GID.name].combine_chunks(), value_set=rows[GID.name].combine_chunks())
                for earlier, earlier_gids in groups[:index]:
                    counted = pc.or_(counted, mask_references(new[earlier.parent_ref], earlier_gids))
                new = new.filter(pc.invert(counted))
                sizes.append(self._weigh(new, listing, first, represented))
                samples.append(new)
            if len(first_pages) < len(unknown):
                self.accuracy.sampled[listing.parent.name] = Sample(sampled=len(first_pages), population=len(unknown))
                total_squared_error += squared_error(sizes, len(unknown))
        sampled_rows = drop_duplicates(pa.concat_tables(samples))
        if total_squared_error:
            total = rows.num_rows + self.weights.total(sampled_rows[GID.name])
            self.accuracy.margins[endpoint.name] = margin(total, total_squared_error)
        return sampled_rows, further_pages

    def _mask_known(self, listing: Listing, parent: Endpoint, gids: Array, state: SyncState, rows: pa.Table) -> Array:
        """Return a boolean mask of the parents that have known rows or existed at the last completed sync."""
        known: Array = pc.greater(count_references(gids, rows[listing.parent_ref]), pa.scalar(0))
        if state.last_sync_id is None:
            return known
        stored = self.lake.stored_rows(parent, self._gid).columns((listing.parent_column,))
        return pc.or_(known, pc.is_in(gids, value_set=stored[listing.parent_column].combine_chunks()))

    def _weigh(self, rows: pa.Table, listing: Listing, first: FirstPage, represented: float) -> float:
        """Add the weights of a sampled parent's rows, and return the parent's number of rows.

        A row with several parents is found under each of them, so each counts only its share of the row.
        """
        parent_counts = [len(gids) if isinstance(gids, list) else 1 for gids in rows[listing.parent_ref].to_pylist()]
        shares = [first.records_per_row / parents for parents in parent_counts]
        for gid, share in zip(to_gid_list(rows[GID.name]), shares, strict=True):
            self.weights.add(gid, represented * share)
        return sum(shares)
