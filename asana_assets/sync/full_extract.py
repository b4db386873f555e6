"""Full extract of one endpoint in one workspace: the rows of every listing of every parent.

Stored rows are consulted where Asana's responses are inconclusive. The rows of a parent that became private are kept.
A stored record that is no longer listed, but may have moved while its listing was fetched, is fetched by its gid before
it is deleted. Where parents are fetched again by age alone, the rows of parents that are not stale are kept, except for
what a search finds changed.
"""

from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import closing

import pyarrow as pa
import pyarrow.compute as pc

from asana_assets.asana.field_types import Array
from asana_assets.asana.model import GID, Listing
from asana_assets.sync.extract import BATCH_ROWS, ExtractContext, ExtractStats, stale_parents
from asana_assets.sync.fetcher import Fetcher
from asana_assets.sync.gids import NO_GIDS, to_gid_list
from asana_assets.sync.parents import FetchRequest, choose_parents, mask_owned_by, record_request
from asana_assets.sync.rows import FetchedPage, RowBuilder
from asana_assets.sync.sync_state import SyncState


class FullExtract:
    """All rows of one endpoint in one workspace, fetched during iteration. Can be iterated once.

    `stats` is updated during iteration.
    """

    def __init__(self, context: ExtractContext) -> None:
        """Select the parents to fetch. Sends no request.

        Raises:
            UnknownWorkspaceError: The workspace is not among the upstream rows.
        """
        self.endpoint = context.endpoint
        self.workspace_gid = context.workspace_gid
        self.previous = context.previous
        self.stats = ExtractStats()
        self._context = context
        self._builder = RowBuilder(context.endpoint)
        self._parents = choose_parents(context.endpoint, context.workspace_gid, context.upstream)
        self._stale = stale_parents(self._parents, context.state, context.sync)
        self.stats.parents = len(self._parents)
        self.stats.parents_stale = len(self._stale)
        self._fetcher: Fetcher | None = None
        self._search_missed_changes = False

    @property
    def data_version(self) -> str:
        """The sync's id: every sync fetches the listings, and nothing else is known of the rows beforehand."""
        return self._context.sync.id

    @property
    def all_sent(self) -> bool:
        """Whether no known request is left to send; true before the start."""
        return self._fetcher is None or self._fetcher.all_sent

    def start(self, on_all_sent: Callable[[], None] = lambda: None) -> None:
        """Start fetching in the background, a bounded number of pages ahead of iteration.

        Call `close` if the rows are not consumed. Has no effect if fetching was started before. `on_all_sent` is called
        whenever `all_sent` may have become true.
        """
        self._fetcher = self._fetcher or self._start_fetcher(self._stale.requests(), on_all_sent)

    def close(self) -> None:
        """Stop fetching."""
        if self._fetcher:
            self._fetcher.close()

    def __iter__(self) -> Generator[pa.RecordBatch]:
        """Yield the rows; close the generator to stop early.

        Raises:
            AsanaError: The endpoint cannot be fetched; the rows so far are incomplete.
        """
        has_previous = len(self._context.previous) > 0
        listed: list[Array] = [NO_GIDS]
        fetcher = self._fetcher or self._start_fetcher(self._stale.requests())
        with closing(self._batches(fetcher)) as batches:
            for batch in batches:
                if has_previous:
                    listed.append(batch[GID.name])
                yield batch
        if self.endpoint.search and len(self._stale) < len(self._parents):
            for batch in self._changed_rows(self.endpoint.search):
                listed.append(batch[GID.name])
                yield batch.filter(mask_owned_by(self.endpoint, batch, self._parents))
        if has_previous and (self.endpoint.record_path or self.stats.forbidden):
            yield from self._reconcile_unlisted(pa.concat_arrays(listed))

    def sync_state(self) -> pa.Table:
        """Return the sync state to save once the rows are stored."""
        versioned = [
            self._fetched_gids(listing) for listing, _ in self._stale.groups if listing.version_columns is not None
        ]
        gids = pa.concat_arrays([NO_GIDS, *versioned])
        fetched = SyncState.rows(gids, pa.repeat(pa.scalar(""), len(gids)), self._context.sync.started_at)
        search_from = self._context.next_search_from(missed_changes=self._search_missed_changes)
        return pa.concat_tables([fetched, SyncState.completed_marker(self._context.sync, search_from)])

    def obsolete_parents(self) -> Array:
        """Return the parents that have sync state and no longer exist."""
        gids = [NO_GIDS, *(self._parents.gids(listing) for listing, _ in self._parents.groups)]
        return self._context.state.untracked_by(pa.concat_arrays(gids))

    @property
    def columns(self) -> tuple[str, ...]:
        """The columns of the endpoint's own rows that `orphaned_gids` needs."""
        return (GID.name, *self.endpoint.parent_columns)

    def orphaned_gids(self, stored: pa.RecordBatch) -> Array:
        """Return the gids of stored rows that belong to none of the parents; empty if all is well."""
        if not self.endpoint.upstream:
            return NO_GIDS
        return stored[GID.name].filter(pc.invert(mask_owned_by(self.endpoint, stored, self._parents)))

    def _start_fetcher(
        self, requests: Iterator[FetchRequest], on_all_sent: Callable[[], None] = lambda: None
    ) -> Fetcher:
        fetcher = Fetcher(
            self._context.client,
            opt_fields=self.endpoint.opt_fields,
            stats=self.stats.request_stats,
            on_all_sent=on_all_sent,
        )
        fetcher.start(requests)
        return fetcher

    def _batches(self, fetcher: Fetcher) -> Generator[pa.RecordBatch]:
        pages: list[FetchedPage] = []
        rows = 0
        with closing(fetcher.events()) as events:
            for event in events:
                if event.page is not None:
                    pages.append(FetchedPage(event.page, event.request.parent_gid))
                    rows += event.page.count
                elif not event.request.is_record:
                    self.stats.record_outcome(event)
                if rows >= BATCH_ROWS:
                    yield self._build(pages)
                    pages.clear()
                    rows = 0
        if pages:
            yield self._build(pages)

    def _build(self, pages: Sequence[FetchedPage]) -> pa.RecordBatch:
        batch = self._builder.build(pages, self.workspace_gid)
        self.stats.add_rows(batch)
        return batch

    def _changed_rows(self, search: Listing) -> Iterator[pa.RecordBatch]:
        """Yield what the search finds changed since the last sync; nothing if there was none or no search."""
        pages = self._context.search.changed_since(
            search,
            self.workspace_gid,
            self._context.search_from,
            opt_fields=self.endpoint.opt_fields,
            stats=self.stats.request_stats,
        )
        for page in pages or ():
            yield self._build([FetchedPage(page, "")])
        self._search_missed_changes = not pages.complete if pages else self._context.search_from is not None

    def _reconcile_unlisted(self, listed: Array) -> Iterator[pa.RecordBatch]:
        """Yield the stored rows that are not in `listed` and must not be deleted, fetched again where possible.

        Asana paginates by rank (https://developers.asana.com/docs/pagination): a record that moves meanwhile can be
        skipped. So a row that should have been listed by a parent just fetched is fetched by its gid. A row is kept as
        it is if only parents that were not, or could not be, fetched would list it.
        """
        stored = self._context.previous.columns((GID.name, *self.endpoint.parent_columns))
        unlisted = stored.filter(pc.invert(pc.is_in(stored[GID.name], value_set=listed)))
        if self.endpoint.record_path:
            missed = mask_owned_by(self.endpoint, unlisted, self._stale.without(self.stats.forbidden))
            requests = (record_request(self.endpoint, gid) for gid in to_gid_list(unlisted[GID.name].filter(missed)))
            with closing(self._batches(self._start_fetcher(requests))) as batches:
                for batch in batches:
                    yield batch.filter(mask_owned_by(self.endpoint, batch, self._parents))
            unlisted = unlisted.filter(pc.invert(missed))
        unfetched = self._parents.filter(
            lambda listing, rows: pc.invert(pc.is_in(rows["gid"], value_set=self._fetched_gids(listing)))
        )
        kept_gids = pc.unique(unlisted[GID.name].filter(mask_owned_by(self.endpoint, unlisted, unfetched)))
        if len(kept_gids):
            for batch in self._context.previous.batches():
                kept = batch.filter(pc.is_in(batch[GID.name], value_set=kept_gids))
                self.stats.carried_over += kept.num_rows
                yield kept

    def _fetched_gids(self, listing: Listing) -> Array:
        """Return the parents whose listing was fetched."""
        return self._stale.without(self.stats.forbidden).gids(listing)
