"""Reading one endpoint in one workspace, whole: the rows as they come, and what is to be said about them.

The rows are those of every listing of every parent. What was known before takes part where Asana's answer leaves a
question. The rows of a parent that has become private stay as they were. A record that was known, is not listed any
more and could have moved while its listing was read, is asked for by its gid before it goes. And of listings that are
read by age alone, the rows of parents that are not due yet stay, but for what a search finds changed.
"""

from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from typing import Protocol

import pyarrow as pa
import pyarrow.compute as pc

from asana_assets.asana.client import Client, RequestStats
from asana_assets.asana.field_types import Array
from asana_assets.asana.model import GID, UNMAPPED, Endpoint, Listing
from asana_assets.sync.change_detection import Sync
from asana_assets.sync.change_search import ChangeSearch
from asana_assets.sync.fetcher import Fetcher, FetchEvent, Outcome
from asana_assets.sync.parents import FetchRequest, choose_parents, mask_owned_by, record_request, to_gid_list
from asana_assets.sync.rows import FetchedPage, RowBuilder
from asana_assets.sync.sync_state import SyncState

BATCH_ROWS = 2_000
"""Rows made at once: a page alone costs Arrow's JSON reader three times as much."""


class StoredRows(Protocol):
    """The rows of the last sync, of the same endpoint and workspace."""

    @property
    def names(self) -> set[str]:
        """The columns there were."""
        ...

    def __len__(self) -> int:
        """How many."""
        ...

    def columns(self, names: Sequence[str]) -> pa.Table:
        """Give these columns of every row."""
        ...

    def batches(self, names: Sequence[str] | None = None) -> Iterator[pa.RecordBatch]:
        """Give these columns of every row, or all, a bounded number of rows at a time."""
        ...


@dataclass(slots=True)
class ExtractStats:
    """What is known of a reading, while it goes on and after.

    Attributes:
        parents: All there are; grows where found rows are parents too.
        parents_stale: Of these, to be asked.
        parents_fetched: Of these, answered.
        resumed: Parents that an earlier run of the same sync had read.
        rows: Rows read; one that was listed twice counts twice.
        forbidden: Parents that may not be read any more. Their rows of the last sync stay.
        gone: Parents deleted meanwhile. Their rows go.
        not_on_plan: Whether the workspace's plan does not have it (402).
        unmapped: Rows with a value that did not fit its column.
        carried: Rows of the last sync that stayed without being read, in a table that is written whole.
        usage: What it cost.
        listener: Called whenever something was added, by the thread that reads.
    """

    parents: int = 0
    parents_stale: int = 0
    parents_fetched: int = 0
    resumed: int = 0
    rows: int = 0
    forbidden: list[str] = field(default_factory=list[str])
    deleted: int = 0
    not_on_plan: bool = False
    unmapped: int = 0
    carried_over: int = 0
    request_stats: RequestStats = field(default_factory=RequestStats)
    on_progress: Callable[[], None] = lambda: None

    def add_rows(self, batch: pa.RecordBatch) -> None:
        self.rows += batch.num_rows
        self.unmapped += batch.num_rows - batch[UNMAPPED.name].null_count
        self.on_progress()

    def record_outcome(self, answer: FetchEvent) -> None:
        """Take down how asking one parent ended."""
        self.parents_fetched += 1
        match answer.outcome:
            case Outcome.FORBIDDEN:
                self.forbidden.append(answer.request.parent_gid)
            case Outcome.DELETED:
                self.deleted += 1
            case Outcome.NOT_ON_PLAN:
                self.not_on_plan = True
            case _:
                pass
        self.on_progress()


@dataclass(frozen=True, slots=True, kw_only=True)
class ExtractContext:
    """What a reading reads from.

    Attributes:
        endpoint: What to read.
        workspace_gid: The partition; "" for an endpoint that stands above workspaces.
        upstream: By endpoint name, its rows in this workspace, with the columns that `Endpoint.upstream` names.
        previous: The last sync.
        memory: When whom was read.
        sync: When it began, and what it reads beside what is known to have changed.
        client: Reads Asana.
        search: Finds what changed, on plans that have it.
    """

    endpoint: Endpoint
    workspace_gid: str
    upstream: Mapping[str, pa.Table]
    previous: StoredRows
    state: SyncState
    sync: Sync
    client: Client
    search: ChangeSearch


class FullExtract:
    """One endpoint's rows in one workspace, read while iterated; `report` fills meanwhile. Iterate once."""

    def __init__(self, source: ExtractContext) -> None:
        """Choose whom to ask; ask nothing yet.

        Raises:
            UnknownWorkspaceError: the workspace is not among the upstream rows.
        """
        self.endpoint = source.endpoint
        self.workspace_gid = source.workspace_gid
        self.previous = source.previous
        self.stats = ExtractStats()
        self._source = source
        self._builder = RowBuilder(source.endpoint)
        self._parents = choose_parents(source.endpoint, source.workspace_gid, source.upstream)
        self._stale = self._parents.where(self._is_due)
        self.stats.parents = len(self._parents)
        self.stats.parents_stale = len(self._stale)
        self._fetcher: Fetcher | None = None

    def start(self) -> None:
        """Start asking, a bounded number of pages ahead of who iterates; call `close` if nobody does."""
        self._fetcher = self._fetcher or self._ask(self._stale.requests())

    @property
    def all_sent(self) -> bool:
        """Whether what was begun has nobody more to ask."""
        return self._fetcher is None or self._fetcher.all_sent

    def close(self) -> None:
        """Stop asking."""
        if self._fetcher:
            self._fetcher.close()

    def __iter__(self) -> Generator[pa.RecordBatch]:
        """Read; close the generator to stop.

        Raises:
            AsanaError: the table cannot be read; what was given so far is not all.
        """
        anything_known = len(self._source.previous) > 0
        listed: list[Array] = [pa.array([], pa.string())]
        fan = self._fetcher or self._ask(self._stale.requests())
        with closing(self._read(fan)) as batches:
            for batch in batches:
                if anything_known:
                    listed.append(batch[GID.name])
                yield batch
        if self.endpoint.search and len(self._stale) < len(self._parents):
            for batch in self._changed():
                listed.append(batch[GID.name])
                yield batch.filter(mask_owned_by(self.endpoint, batch, self._parents))
        if anything_known and (self.endpoint.record_path or self.stats.forbidden):
            yield from self._reconcile_unlisted(pa.concat_arrays(listed))

    def sync_state(self) -> pa.Table:
        """Give what is to be remembered once the rows are stored."""
        by_age = [self._read_gids(listing) for listing, _ in self._stale.groups if listing.version_columns is not None]
        gids = pa.concat_arrays([pa.array([], pa.string()), *by_age])
        read = SyncState.rows(gids, pa.repeat(pa.scalar(""), len(gids)), self._source.sync.started_at)
        return pa.concat_tables([read, SyncState.completed_marker(self._source.sync)])

    def obsolete_parents(self) -> Array:
        """Give the parents that are remembered and are none any more."""
        gids = [pa.array([], pa.string()), *(self._parents.gids(listing) for listing, _ in self._parents.groups)]
        return self._source.state.untracked_by(pa.concat_arrays(gids))

    @property
    def data_version(self) -> str:
        """What the rows are known by before they are read: the sync that reads them, since a list is read each time."""
        return self._source.sync.id

    @property
    def columns(self) -> tuple[str, ...]:
        """The columns of the endpoint's own rows that `orphans` looks at."""
        return (GID.name, *self.endpoint.parent_columns)

    def orphaned_gids(self, stored: pa.RecordBatch) -> Array:
        """Give the gids of those stored rows that no parent can have listed; none, if all is well."""
        if not self.endpoint.upstream:
            return pa.array([], pa.string())
        return stored[GID.name].filter(pc.invert(mask_owned_by(self.endpoint, stored, self._parents)))

    def _is_due(self, listing: Listing, rows: pa.Table) -> Array:
        if listing.version_columns is None:
            return pa.repeat(pa.scalar(value=True), rows.num_rows)
        return self._source.state.stale(rows, sync=self._source.sync)

    def _ask(self, asks: Iterator[FetchRequest]) -> Fetcher:
        fan = Fetcher(self._source.client, opt_fields=self.endpoint.opt_fields, usage=self.stats.request_stats)
        fan.start(asks)
        return fan

    def _read(self, fan: Fetcher) -> Generator[pa.RecordBatch]:
        found: list[FetchedPage] = []
        rows = 0
        with closing(fan.events()) as answers:
            for answer in answers:
                if answer.page is not None:
                    found.append(FetchedPage(answer.page, answer.request.parent_gid))
                    rows += answer.page.count
                elif not answer.request.is_record:
                    self.stats.record_outcome(answer)
                if rows >= BATCH_ROWS:
                    yield self._build(found)
                    found.clear()
                    rows = 0
        if found:
            yield self._build(found)

    def _build(self, found: Sequence[FetchedPage]) -> pa.RecordBatch:
        batch = self._builder.build(found, self.workspace_gid)
        self.stats.add_rows(batch)
        return batch

    def _changed(self) -> Iterator[pa.RecordBatch]:
        """Give what a search finds changed since the last sync, if there was one and the plan has search."""
        if self.endpoint.search is None:
            return
        pages = self._source.search.changed_since(
            self.endpoint.search,
            self.workspace_gid,
            self._source.state.last_sync_started_at,
            opt_fields=self.endpoint.opt_fields,
            usage=self.stats.request_stats,
        )
        for page in pages or ():
            yield self._build([FetchedPage(page, "")])

    def _reconcile_unlisted(self, listed: Array) -> Iterator[pa.RecordBatch]:
        """Settle what becomes of the rows that were known and are not listed now.

        Asana pages by rank (https://developers.asana.com/docs/pagination): what moves meanwhile can be passed over. So
        a row that a parent read now would list, is asked for by gid. One that only a parent that was not, or could not
        be, read would list, stays as it is.
        """
        known = self._source.previous.columns((GID.name, *self.endpoint.parent_columns))
        unseen = known.filter(pc.invert(pc.is_in(known[GID.name], value_set=listed)))
        if self.endpoint.record_path:
            missed = mask_owned_by(self.endpoint, unseen, self._stale.without(self.stats.forbidden))
            asks = (record_request(self.endpoint, gid) for gid in to_gid_list(unseen[GID.name].filter(missed)))
            with closing(self._read(self._ask(asks))) as batches:
                for batch in batches:
                    yield batch.filter(mask_owned_by(self.endpoint, batch, self._parents))
            unseen = unseen.filter(pc.invert(missed))
        unread = self._parents.where(
            lambda listing, rows: pc.invert(pc.is_in(rows["gid"], value_set=self._read_gids(listing)))
        )
        kept = pc.unique(unseen[GID.name].filter(mask_owned_by(self.endpoint, unseen, unread)))
        if len(kept):
            for batch in self._source.previous.batches():
                staying = batch.filter(pc.is_in(batch[GID.name], value_set=kept))
                self.stats.carried_over += staying.num_rows
                yield staying

    def _read_gids(self, listing: Listing) -> Array:
        """Give the parents that were read."""
        return self._stale.without(self.stats.forbidden).gids(listing)
