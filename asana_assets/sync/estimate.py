"""What the next sync will ask for, told from the tables of the last one and a bounded number of requests.

The decisions are those of the sync itself: the same parents, due by the same memory. What it will find upstream has to
be foreseen: the lists are read that others hang on, a search names what changed since, and of parents of whom nothing
is known some are asked for a page and stand for the others. The rows that come of it have a weight, the number of rows
they stand for. Nothing is written.
"""

import datetime as dt
from collections import deque
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from math import ceil, sqrt
from statistics import variance
from threading import Event
from typing import Final, Protocol, cast

import msgspec
import pyarrow as pa
import pyarrow.compute as pc

from asana_assets.asana.client import PAGE_SIZE, ApiRequest, Client, Page, RequestStats
from asana_assets.asana.errors import AsanaError, ForbiddenError, NotFoundError, PlanLimitError
from asana_assets.asana.field_types import Array, Chunked
from asana_assets.asana.model import GID, PARENT_GID, WORKSPACE_GID, Endpoint, Listing
from asana_assets.sync.change_detection import Sync
from asana_assets.sync.change_search import ChangeSearch
from asana_assets.sync.fetcher import decide_outcome
from asana_assets.sync.full_extract import StoredRows
from asana_assets.sync.parents import (
    FetchRequest,
    Parents,
    choose_parents,
    eligible_parents,
    listing_request,
    mask_owned_by,
    mask_references,
    merge_parents,
    to_gid_list,
)
from asana_assets.sync.rows import FetchedPage, RowBuilder
from asana_assets.sync.sync_state import SyncState

REQUESTS: Final = 30
"""The most that is asked to plan one workspace, whatever its size; what has to be sent again comes on top."""

_LISTS: Final = 16
"""So many may have been sent when the lists are read that others hang on,"""
_SAMPLES: Final = 25
"""and so many, or one more, when parents were sampled; the rest is for searches,"""
_SEARCH: Final = 4
"""each of so many pages."""

_NOBODY: Array = pa.array([], pa.string())
_EMPTY = Page(body=b'{"data":[]}', count=0, requested_at=dt.datetime.min.replace(tzinfo=dt.UTC))


class NeverSyncedError(AsanaError):
    """What the sync would begin with was never read."""


class Lake(Protocol):
    """The tables of the last sync."""

    def stored_rows(self, endpoint: Endpoint, workspace_gid: str) -> StoredRows: ...

    def load_state(self, endpoint_name: str, workspace_gid: str) -> SyncState: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class EndpointCost:
    """What one endpoint will cost: of so many parents so many are due, which takes so many requests."""

    endpoint: Endpoint
    parents: int
    stale: int
    requests: int


@dataclass(slots=True, kw_only=True)
class SyncEstimate:
    """What the next sync of one workspace will cost, and how sure that is.

    Attributes:
        costs: In the order of the catalogue.
        usage: What it took to find out.
        sampled: By parents' endpoint, how many were asked, and for how many of whom nothing is known.
        spread: By endpoint, how many rows that makes, and two standard errors of it, as a part. They hold the truth
            four times in five where sizes spread as projects' do (lognormal, sigma 1), less often where few have most.
        cut: By endpoint, how many rows were read of a list that is longer.
        unread: Endpoints that were never read to their end.
        unsearched: Endpoints whose changes are not known, for the workspace's plan has no search.
        overrun: Endpoints of which more changed than was looked at.
    """

    costs: list[EndpointCost] = field(default_factory=list[EndpointCost])
    request_stats: RequestStats = field(default_factory=RequestStats)
    sampled: dict[str, tuple[int, int]] = field(default_factory=dict[str, tuple[int, int]])
    margins: dict[str, tuple[int, float]] = field(default_factory=dict[str, tuple[int, float]])
    truncated: dict[str, int] = field(default_factory=dict[str, int])
    never_synced: list[str] = field(default_factory=list[str])
    search_unavailable: list[str] = field(default_factory=list[str])
    search_truncated: list[str] = field(default_factory=list[str])

    @property
    def requests(self) -> int:
        return sum(cost.requests for cost in self.costs)

    @property
    def confidence_note(self) -> str:
        """How sure the figures are, in a sentence."""
        doubts: list[str] = []
        if self.truncated:
            doubts.append(
                f"there are more than {_enumerate(f'{rows:,} {name}' for name, rows in self.truncated.items())}"
            )
        if self.never_synced:
            doubts.append("of what was never read, deeper levels and lists of more than 100 come on top")
        if self.search_unavailable:
            doubts.append("without search, which is for paid plans, nobody knows what changed since the last sync")
        if self.search_truncated:
            doubts.append(f"more {_enumerate(self.search_truncated)} changed since the last sync than were looked at")
        samples = [f"{asked:,} of {of:,} {name}" for name, (asked, of) in self.sampled.items()]
        if self.never_synced or samples:
            spread = [f"{rows:,} {name}, likely within {part:.0%}" for name, (rows, part) in self.margins.items()]
            doubts.insert(0, ": ".join([f"Estimated from {_enumerate(samples or ['first pages'])}", *spread]))
            return f"{'; '.join(doubts)}."
        if doubts:
            return f"At least: {'; '.join(doubts)}."
        searched = [cost.endpoint.name for cost in self.costs if cost.endpoint.search]
        if searched:
            return (
                "Exact as far as a search shows what changed since the last sync; of "
                f"{_enumerate(searched)}, each that was deleted costs one more."
            )
        return "Exact if nothing changes until then."


class _Gid(msgspec.Struct):
    gid: str


class _Hit(msgspec.Struct):
    gid: str
    parent: _Gid | None = None


class _Hits(msgspec.Struct):
    data: list[_Hit]


class _Numbers(msgspec.Struct):
    data: list[dict[str, int | str]]


@dataclass(slots=True, kw_only=True)
class SyncEstimator:
    """Plans one sync of one workspace; plans once.

    Attributes:
        workspace: Its row.
        above: The endpoint of that row.
        endpoints: What is to be synced in the workspace, in the order of the catalogue.
        lake: The tables of the last sync.
        client: Reads Asana.
        search: Finds what changed, on plans that have it.
        began: When the sync begins (UTC), or began, if it goes on with one that was interrupted.
        full: Whether it asks every parent, changed or not.
        after_days: The age at which a parent is asked again in any case, in place of each endpoint's own; 0 for never.
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
    _estimate: SyncEstimate = field(default_factory=SyncEstimate)
    _rows: dict[str, pa.Table] = field(default_factory=dict[str, pa.Table])
    _weights: dict[str, float] = field(default_factory=dict[str, float])
    _refusal_counted: bool = False

    def estimate(self) -> SyncEstimate:
        """Find out.

        Raises:
            AsanaError: Asana cannot be asked, or what the sync would begin with was never read.
        """
        self._rows[self.workspace_endpoint.name] = self.workspace
        self._read_lists()
        self._estimate.costs += [self._estimate_endpoint(endpoint) for endpoint in self.endpoints]
        return self._estimate

    @property
    def _gid(self) -> str:
        return str(self.workspace[GID.name][0].as_py())

    def _estimate_endpoint(self, endpoint: Endpoint) -> EndpointCost:
        memory = self.lake.load_state(endpoint.name, self._gid)
        if memory.last_sync_id is None:
            self._estimate.never_synced.append(endpoint.name)
        upstream = {name: self._upstream(endpoint, name) for name in endpoint.upstream}
        parents = choose_parents(endpoint, self._gid, upstream)
        rows = self._rows[endpoint.name] if endpoint.name in self._rows else self._known(endpoint)
        changed, searches = _NOBODY, 0
        if endpoint.search:
            rows, changed, searches = self._apply_search(endpoint, endpoint.search, memory, rows)
        if nested := endpoint.recursive_listing:
            [(_, above)] = parents.groups
            # Who has a child for the first time may not be modified by it, but the search that finds the child tells.
            named = [found.filter(pc.is_in(found[GID.name], value_set=changed)) for found in (*upstream.values(), rows)]
            # One of our own is read again first, with those beside it.
            known = eligible_parents(nested, named[-1])["gid"]
            childless = named[-1].filter(pc.invert(pc.is_in(named[-1][GID.name], value_set=known)))
            changed = pa.concat_arrays([changed, childless[PARENT_GID.name].combine_chunks()])
            levels = [
                above,
                eligible_parents(nested, rows),
                *(eligible_parents(replace(nested, only_if=None), found) for found in named),
            ]
            parents = Parents(self._gid, ((nested, merge_parents(levels)),))
        sync = Sync(
            id="",
            started_at=self.started_at,
            max_age=endpoint.max_age(self.refresh_after_days),
            full_refresh=self.full_refresh,
        )
        due = _due(parents, memory, sync, changed)
        requests = 0.0
        if not self.full_refresh if endpoint.is_child else len(due) < len(parents):  # else the sync does not search
            requests += searches
            self._refusal_counted |= endpoint.name in self._estimate.search_unavailable
        for listing, asked in due.groups:
            known, told = (
                _count(asked["gid"], rows[listing.parent_ref]),
                _reported_counts(listing, asked["gid"], upstream, rows),
            )
            requests += self._weigh(asked, _pages(pc.max_element_wise(known, told)))
        if self._has_dependents(endpoint):
            rows = rows.filter(mask_owned_by(endpoint, rows, parents))
            if endpoint.is_child:
                more = self._placeholder_rows(
                    _due(due, memory, replace(sync, max_age=None, full_refresh=False), changed), upstream, rows
                )
            else:
                more, pages = self._sample_parents(endpoint, due, memory, rows)
                requests += pages
            self._rows[endpoint.name] = pa.concat_tables([rows, more])
        return EndpointCost(
            endpoint=endpoint,
            parents=round(sum(self._weigh(asked) for _, asked in parents.groups)),
            stale=round(sum(self._weigh(asked) for _, asked in due.groups)),
            requests=round(requests),
        )

    def _weigh(self, parents: pa.Table, values: Array | None = None) -> float:
        """Count parents, or sum up a value of theirs, each as often as it stands for one."""
        weights = self._weights_of(parents["gid"])
        return float(pc.sum(weights if values is None else pc.multiply(weights, values)).as_py() or 0)

    def _weights_of(self, gids: Array | Chunked) -> Array:
        known, weights = pa.array(self._weights, pa.string()), pa.array(self._weights.values(), pa.float64())
        return _look_up(gids, known, weights, 1.0)

    # --- the rows that the sync will find

    def _has_dependents(self, endpoint: Endpoint) -> bool:
        """Say whether rows of the endpoint are parents in this sync."""
        return any(endpoint.name in other.upstream for other in self.endpoints)

    def _columns(self, endpoint: Endpoint) -> tuple[str, ...]:
        """Name the columns that are needed of an endpoint's rows."""
        nested = endpoint.recursive_listing
        own = (
            GID.name,
            *endpoint.parent_columns,
            *((nested.only_if, *(nested.version_columns or ())) if nested else ()),
        )
        others = (column for other in self.endpoints for column in other.upstream.get(endpoint.name, ()))
        return tuple(dict.fromkeys(column for column in (*own, *others) if column))

    def _opt_fields(self, endpoint: Endpoint, *more: str) -> str:
        needed = self._columns(endpoint)
        columns = (column for column in endpoint.columns if column.name in needed)
        paths = (path for column in columns for path in column.type.opt_fields(column.field))
        return ",".join(dict.fromkeys((GID.name, *paths, *more)))

    def _known(self, endpoint: Endpoint) -> pa.Table:
        """Give the rows of the last sync."""
        columns = self._columns(endpoint)
        return self.lake.stored_rows(endpoint, self._gid).columns(columns).select(columns)

    def _upstream(self, endpoint: Endpoint, name: str) -> pa.Table:
        """Give the rows of an endpoint above this one: foreseen if the sync reads them too, else as they are stored."""
        if name not in self._rows:
            [parent, *_] = [one.parent for one in endpoint.listings if one.parent and one.parent.name == name]
            self._rows[name] = self._known(parent)
            if not self._rows[name].num_rows and self.lake.load_state(name, self._gid).last_sync_id is None:
                raise NeverSyncedError(f"{name} of workspace {self._gid} was never synced: select {name}, too")
        return self._rows[name]

    def _read_lists(self) -> None:
        """Read the lists of the workspace that others hang on, a page of each in turn, as far as that may cost."""
        lists = [
            one for one in self.endpoints if self._has_dependents(one) and one.parent_columns == (WORKSPACE_GID.name,)
        ]
        found: dict[str, list[Page]] = {one.name: [] for one in lists}
        waiting = deque((one, self._ask_all(one)) for one in lists)
        while waiting and self._estimate.request_stats.requests < _LISTS:
            endpoint, pages = waiting.popleft()
            if page := next(pages, None):
                found[endpoint.name].append(page)
                waiting.append((endpoint, pages))
        for endpoint in lists:
            pages = found[endpoint.name]
            rows = self._build(endpoint, pages)
            if waiting and pages and pages[-1].count == PAGE_SIZE:
                self._estimate.truncated[endpoint.name] = rows.num_rows
                rows = _upsert(self._known(endpoint), rows)
            self._rows[endpoint.name] = rows

    def _apply_search(
        self, endpoint: Endpoint, search: Listing, memory: SyncState, rows: pa.Table
    ) -> tuple[pa.Table, Array, int]:
        """Give the rows with what a search finds changed, the parents that it names, and what the sync's will cost."""
        before = self._estimate.request_stats.requests
        pages = self.search.changed_since(
            search,
            self._gid,
            memory.last_sync_started_at,
            opt_fields=self._opt_fields(endpoint, "created_at", "modified_at", "parent"),
            usage=self._estimate.request_stats,
        )
        if pages is None:
            if memory.last_sync_started_at is None:
                return rows, _NOBODY, 0
            self._estimate.search_unavailable.append(endpoint.name)
            return rows, _NOBODY, 0 if self._refusal_counted else 1  # the sync, too, is refused once
        found: list[Page] = []
        for page in pages:
            found.append(page)
            if page.count == PAGE_SIZE and (len(found) == _SEARCH or self._estimate.request_stats.requests >= REQUESTS):
                self._estimate.search_truncated.append(endpoint.name)
                break
        new = self._build(endpoint, found)
        changed = _NOBODY
        if endpoint.is_child:
            hits = [hit for page in found for hit in msgspec.json.decode(page.body, type=_Hits).data]
            parent_gids = pa.array([hit.parent and hit.parent.gid for hit in hits], pa.string())
            above = _look_up(new[GID.name], pa.array([hit.gid for hit in hits], pa.string()), parent_gids)
            new = new.set_column(new.schema.get_field_index(PARENT_GID.name), PARENT_GID.name, above)
            as_known = _look_up(new[GID.name], rows[GID.name], rows["modified_at"])
            other = pc.not_equal(new["modified_at"].combine_chunks(), as_known)
            new = new.filter(cast("Array", pc.fill_null(other, pa.scalar(value=True))))
            changed = new[PARENT_GID.name].combine_chunks().drop_null()
        return _upsert(rows, new), changed, self._estimate.request_stats.requests - before

    def _placeholder_rows(self, due: Parents, upstream: Mapping[str, pa.Table], rows: pa.Table) -> pa.Table:
        """Give a row for each parent that tells of more rows than are known; it stands for those."""
        [(listing, asked)] = due.groups
        gids = asked["gid"].combine_chunks()
        more = pc.subtract(_reported_counts(listing, gids, upstream, rows), _count(gids, rows[listing.parent_ref]))
        weights = pc.multiply(self._weights_of(gids), more)
        promising = pc.greater(more, pa.scalar(0))
        names = [f"{listing.path} of {gid}" for gid in to_gid_list(gids.filter(promising))]
        for name, weight in zip(names, weights.filter(promising).to_pylist(), strict=True):
            self._weights[name] = float(weight or 0)
        return _stub_rows(pa.array(names, pa.string()), rows.schema)

    def _sample_parents(
        self, endpoint: Endpoint, due: Parents, memory: SyncState, rows: pa.Table
    ) -> tuple[pa.Table, float]:
        """Ask some of the parents of whom nothing is known for a page; give rows that stand for those of all.

        And the pages that all of these parents have beyond the first.
        """
        found = [rows.slice(0, 0)]
        beyond = error = 0.0
        groups = [(listing, asked["gid"].combine_chunks()) for listing, asked in due.groups]
        for at, (listing, gids) in enumerate(groups, 1):
            if listing.parent is None or listing.parent_ref == WORKSPACE_GID.name:
                continue
            known: Array = pc.greater(_count(gids, rows[listing.parent_ref]), pa.scalar(0))
            if memory.last_sync_id:
                stored = self.lake.stored_rows(listing.parent, self._gid).columns((listing.parent_column,))
                known = pc.or_(known, pc.is_in(gids, value_set=stored[listing.parent_column].combine_chunks()))
            unknown = to_gid_list(gids.filter(pc.invert(known)))
            left = max(0, _SAMPLES - self._estimate.request_stats.requests)
            answers = self._ask_some(endpoint, listing, unknown, left if at == len(groups) else ceil(left * 3 / 4))
            sizes: list[float] = []
            for page, number in answers:
                each = len(unknown) / len(answers)
                beyond += each * max(0, ceil(number / PAGE_SIZE) - 1)
                new = self._build(endpoint, [page])
                elsewhere = pc.is_in(new[GID.name].combine_chunks(), value_set=rows[GID.name].combine_chunks())
                for earlier, others in groups[: at - 1]:
                    elsewhere = pc.or_(elsewhere, mask_references(new[earlier.parent_ref], others))
                new = new.filter(pc.invert(elsewhere))
                homes = [len(home) if isinstance(home, list) else 1 for home in new[listing.parent_ref].to_pylist()]
                for gid, shared in zip(to_gid_list(new[GID.name]), homes, strict=True):
                    self._weights[gid] = self._weights.get(gid, 0.0) + each * number / page.count / shared
                sizes.append(sum(number / page.count / shared for shared in homes))
                found.append(new)
            if len(answers) < len(unknown):
                self._estimate.sampled[listing.parent.name] = len(answers), len(unknown)
                error += _squared_error(sizes, len(unknown))
        more = _dedupe(pa.concat_tables(found))
        if error:
            total = rows.num_rows + self._weigh(more)
            self._estimate.margins[endpoint.name] = round(total), 2 * sqrt(error) / total
        return more, beyond

    # --- asking

    def _ask_some(
        self, endpoint: Endpoint, listing: Listing, parents: Sequence[str], requests: int
    ) -> list[tuple[Page, int]]:
        """Give the first page of some parents, and how many rows each has in all, as far as that can be told."""
        until = self._estimate.request_stats.requests + requests
        answers: list[tuple[Page, int]] = []
        # By gid they are in the order of their making. With the bits of the places reversed, first come the ends and
        # the middle, then what lies between: wherever this stops, those asked are of every age.
        for place in sorted(range(len(parents)), key=lambda place: f"{place:032b}"[::-1]):
            if self._estimate.request_stats.requests >= until:
                break
            page = next(self._ask(endpoint, listing_request(listing, parents[place], self._gid)), _EMPTY)
            answers.append((page, self._count_records(listing, parents[place], page)))
        return answers

    def _count_records(self, listing: Listing, parent_gid: str, page: Page) -> int:
        if page.count < PAGE_SIZE or listing.count_field is None:
            return page.count
        path, name = listing.count_field
        request = ApiRequest(template=path, values={"parent": parent_gid})
        try:
            counts = self.client.get_record(request, opt_fields=name, usage=self._estimate.request_stats, stop=Event())
        except (ForbiddenError, NotFoundError, PlanLimitError):
            return page.count
        [record] = msgspec.json.decode(counts.body, type=_Numbers).data
        return max(page.count, int(record.get(name, 0)))

    def _ask_all(self, endpoint: Endpoint) -> Iterator[Page]:
        for asked in choose_parents(endpoint, self._gid, self._rows).requests():
            yield from self._ask(endpoint, asked)

    def _ask(self, endpoint: Endpoint, asked: FetchRequest) -> Iterator[Page]:
        """Give the pages, with what is needed of them; none where that is an answer, too."""
        try:
            yield from self.client.iter_pages(
                asked.api_request,
                opt_fields=self._opt_fields(endpoint),
                usage=self._estimate.request_stats,
                stop=Event(),
            )
        except AsanaError as error:
            if decide_outcome(error, asked) is None:
                raise

    def _build(self, endpoint: Endpoint, pages: Sequence[Page]) -> pa.Table:
        found = [FetchedPage(page, "") for page in pages]
        batches = [RowBuilder(endpoint).build(found, self._gid)] if found else []
        return _dedupe(pa.Table.from_batches(batches, endpoint.schema).select(self._columns(endpoint)))


def _due(parents: Parents, memory: SyncState, sync: Sync, changed: Array) -> Parents:
    """Give those that the sync will ask."""

    def is_due(listing: Listing, asked: pa.Table) -> Array:
        if listing.version_columns is None:
            return pa.repeat(pa.scalar(value=True), asked.num_rows)
        return memory.stale(asked, sync=sync, changed=changed)

    return parents.where(is_due)


def _count(gids: Array | Chunked, within: Chunked) -> Array:
    """Count, for each of these parents, the rows that name it."""
    values = pc.list_flatten(within) if pa.types.is_list(within.type) else within
    counts = pc.value_counts(values)
    return _look_up(gids, counts.field("values"), counts.field("counts"), 0)


def _reported_counts(
    listing: Listing, gids: Array | Chunked, upstream: Mapping[str, pa.Table], rows: pa.Table
) -> Array:
    """Say, for each of these parents, how many rows it has by its own account; 0 where it does not tell."""
    told: Array = pa.repeat(pa.scalar(0), len(gids))
    above = [upstream[listing.parent.name]] if listing.only_if and listing.parent else []
    for parents in (*above, rows) if listing.recursive else above:
        numbers = parents[str(listing.only_if)]
        if pa.types.is_integer(numbers.type):
            found = _look_up(gids, parents[listing.parent_column], numbers)
            told = pc.max_element_wise(told, found)
    return told


def _pages(rows: Array) -> Array:
    """Say how many pages so many rows take."""
    filled = pc.ceil(pc.divide(rows.cast(pa.float64()), pa.scalar(float(PAGE_SIZE))))
    return cast("Array", pc.max_element_wise(filled, pa.scalar(1.0)))


def _look_up(
    gids: Array | Chunked, known: Array | Chunked, values: Array | Chunked, default: float | None = None
) -> Array:
    """Give, for each of `gids`, the value beside it in `known`."""
    known = known.combine_chunks() if isinstance(known, pa.ChunkedArray) else known
    found = values.take(pc.index_in(gids, value_set=known))
    found = found.combine_chunks() if isinstance(found, pa.ChunkedArray) else found
    return found if default is None else pc.fill_null(found, pa.scalar(default, found.type))


def _dedupe(rows: pa.Table) -> pa.Table:
    """Leave out rows whose gid came before."""
    gids = rows[GID.name].combine_chunks()
    return rows.take(pc.index_in(pc.unique(gids), value_set=gids))


def _upsert(rows: pa.Table, new: pa.Table) -> pa.Table:
    """Put new rows to others, in the place of those with the same gid."""
    stay = pc.invert(pc.is_in(rows[GID.name], value_set=new[GID.name].combine_chunks()))
    return pa.concat_tables([rows.filter(stay), new])


def _stub_rows(gids: Array, schema: pa.Schema) -> pa.Table:
    """Give rows of which nothing is known but a gid."""
    columns = [gids if column.name == GID.name else pa.nulls(len(gids), column.type) for column in schema]
    return pa.Table.from_arrays(columns, schema=schema)


def _squared_error(sizes: Sequence[float], of: int) -> float:
    """Give the squared standard error of what the sizes of some parents make of the sum over all."""
    if len(sizes) < 2:  # noqa: PLR2004 # one alone tells nothing of it
        return float((of * sum(sizes)) ** 2)
    return of * of * variance(sizes) / len(sizes) * (1 - len(sizes) / of)


def _enumerate(words: Iterable[str]) -> str:
    """Put words into a row, as in "one, two and three"."""
    *some, last = words
    return f"{', '.join(some)} and {last}" if some else last
