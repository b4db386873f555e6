"""The requests of an estimate: as few pages as possible, with only the columns that the estimate needs."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from math import ceil
from threading import Event

import msgspec
import pyarrow as pa

from asana_assets.asana.client import ApiRequest, Client, Page, RequestStats
from asana_assets.asana.errors import AsanaError, ForbiddenError, NotFoundError, PlanLimitError
from asana_assets.asana.model import GID, Endpoint, Listing
from asana_assets.asana.paging import PAGE_SIZE
from asana_assets.sync.fetcher import Outcome, decide_outcome
from asana_assets.sync.gids import drop_duplicates
from asana_assets.sync.parent_rows import listings_of_parent, needed_columns, reduce_rows
from asana_assets.sync.parents import FetchRequest, listing_request
from asana_assets.sync.row_filter import RowFilter
from asana_assets.sync.rows import FetchedPage, RowBuilder
from asana_assets.sync.sampling import sampling_order
from asana_assets.sync.search_records import MODIFIED_AT


class _Counts(msgspec.Struct):
    data: list[dict[str, int | str]]


@dataclass(frozen=True, slots=True, kw_only=True)
class FirstPage:
    """The first page of a parent's listing.

    Attributes:
        page: The page; None if the parent cannot be fetched.
        records: The number of records in the whole listing, or on the page if Asana does not report it.
    """

    page: Page | None
    records: int

    @property
    def pages(self) -> list[Page]:
        """The page, if there is one."""
        return [self.page] if self.page else []

    @property
    def further_pages(self) -> int:
        """The number of pages after the first."""
        page_size = max(PAGE_SIZE, self.page.limit if self.page else 0)
        return max(0, ceil(self.records / page_size) - 1)

    @property
    def records_per_row(self) -> float:
        """The number of records in the whole listing that each record on the page stands for."""
        return self.records / self.page.count if self.page and self.page.count else 0.0


@dataclass(slots=True, kw_only=True)
class Probe:
    """Sends the requests of one workspace's estimate.

    Attributes:
        client: Sends the requests.
        workspace_gid: The workspace.
        endpoints: The endpoints of the sync; what they need of each other is fetched.
        filters: The row filters of the sync, by endpoint.
        other_workspaces: Gids of the other workspaces that are synced.
        stats: The cost so far.
        filter_costs: By endpoint with a row filter, how many listed rows it excludes and what requests it takes itself.
    """

    client: Client
    workspace_gid: str
    endpoints: Sequence[Endpoint]
    filters: Mapping[str, RowFilter] = field(default_factory=dict[str, RowFilter])
    other_workspaces: Sequence[str] = ()
    stats: RequestStats = field(default_factory=RequestStats)
    filter_costs: dict[str, tuple[int, int]] = field(default_factory=dict[str, tuple[int, int]])

    def has_dependents(self, endpoint: Endpoint) -> bool:
        """Return whether the endpoint's rows are parents in this sync."""
        return any(endpoint.name in other.upstream for other in self.endpoints)

    def columns(self, endpoint: Endpoint) -> tuple[str, ...]:
        """Return the columns of an endpoint that this sync needs to select parents."""
        return needed_columns(self._listings(endpoint), self._kept_columns(endpoint))

    def reduce(self, endpoint: Endpoint, batches: Iterable[pa.RecordBatch]) -> pa.Table:
        """Return an endpoint's rows, given with at least `columns`, with what this sync needs to select parents."""
        return reduce_rows(endpoint, batches, self._listings(endpoint), self._kept_columns(endpoint))

    def _listings(self, endpoint: Endpoint) -> list[Listing]:
        """Return the listings of this sync whose parents are the endpoint's rows."""
        own = [endpoint.recursive_listing] if endpoint.recursive_listing else []
        return own + [one for other in self.endpoints for one in listings_of_parent(other, endpoint.name)]

    def _kept_columns(self, endpoint: Endpoint) -> tuple[str, ...]:
        row_filter = self.filters.get(endpoint.name)
        modified_at = (MODIFIED_AT,) if endpoint.recursive_listing else ()
        return (*endpoint.ownership_columns, *modified_at, *(row_filter.columns if row_filter else ()))

    def opt_fields(self, endpoint: Endpoint, *more: str) -> str:
        """Return the fields to request for these columns, and `more`."""
        needed = self.columns(endpoint)
        columns = (column for column in endpoint.columns if column.name in needed)
        paths = (path for column in columns for path in column.type.opt_fields(column.field))
        return ",".join(dict.fromkeys((GID.name, *paths, *more)))

    def pages(self, endpoint: Endpoint, request: FetchRequest) -> Iterator[Page]:
        """Yield the pages of a listing; none if the parent cannot be fetched.

        Raises:
            AsanaError: An error that is not about this parent alone.
        """
        try:
            yield from self.client.iter_pages(
                request.api_request, opt_fields=self.opt_fields(endpoint), stats=self.stats, stop=Event()
            )
        except AsanaError as error:
            if decide_outcome(error, request) is None:
                raise

    def is_not_on_plan(self, request: FetchRequest) -> bool:
        """Return whether the plan does not include what a request lists, from one request.

        Raises:
            AsanaError: As for `pages`.
        """
        listing = self.client.iter_pages(request.api_request, opt_fields=GID.name, stats=self.stats, stop=Event())
        try:
            next(listing, None)
        except AsanaError as error:
            outcome = decide_outcome(error, request)
            if outcome is None:
                raise
            return outcome is Outcome.NOT_ON_PLAN
        return False

    def all_pages(self, endpoint: Endpoint, requests: Iterable[FetchRequest]) -> Iterator[Page]:
        """Yield the pages of several listings, one listing after the other.

        Raises:
            AsanaError: As for `pages`.
        """
        for request in requests:
            yield from self.pages(endpoint, request)

    def first_pages(
        self, endpoint: Endpoint, listing: Listing, parent_gids: Sequence[str], max_requests: int
    ) -> list[FirstPage]:
        """Fetch the first page for some of the parents, stopping once `max_requests` are sent, or one more."""
        requests_at_end = self.stats.requests + max_requests
        fetched: list[FirstPage] = []
        for index in sampling_order(len(parent_gids)):
            if self.stats.requests >= requests_at_end:
                break
            gid = parent_gids[index]
            page = next(self.pages(endpoint, listing_request(listing, gid, self.workspace_gid)), None)
            fetched.append(FirstPage(page=page, records=self._count_records(listing, gid, page) if page else 0))
        return fetched

    def rows(self, endpoint: Endpoint, pages: Sequence[Page]) -> pa.Table:
        """Return the rows on the pages, once each, reduced."""
        fetched = [FetchedPage(page, "") for page in pages]
        batches = [RowBuilder(endpoint).build(fetched, self.workspace_gid).batch] if fetched else []
        return drop_duplicates(self.reduce(endpoint, batches))

    def included(self, endpoint: Endpoint, rows: pa.Table, *, complete: bool) -> pa.Table:
        """Return the rows of a listing, complete or not, that the endpoint's row filter includes.

        Raises:
            ConfigurationError: The filter's settings do not fit a complete listing.
        """
        row_filter = self.filters.get(endpoint.name)
        if row_filter is None:
            return rows
        requests_before = self.stats.requests
        selection = row_filter.start(self.client, (self.workspace_gid, *self.other_workspaces), self.stats)
        included = rows.filter(selection.mask(rows))
        if complete:
            selection.verify()
        self.filter_costs[endpoint.name] = (
            rows.num_rows - included.num_rows,
            self.stats.requests - requests_before,
        )
        return included

    def _count_records(self, listing: Listing, parent_gid: str, page: Page) -> int:
        """Return the number of records of a listing, from one more request if its first page is full."""
        if page.count < page.limit or listing.count_field is None:
            return page.count
        path, name = listing.count_field
        request = ApiRequest(template=path, values={"parent": parent_gid})
        try:
            counts = self.client.get_record(request, opt_fields=name, stats=self.stats, stop=Event())
        except (ForbiddenError, NotFoundError, PlanLimitError):
            return page.count
        [record] = msgspec.json.decode(counts.body, type=_Counts).data
        return max(page.count, int(record.get(name, 0)))
