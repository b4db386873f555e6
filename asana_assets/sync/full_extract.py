"""Full extract of one endpoint in one workspace: the rows of every listing of every parent.

Stored rows are consulted where Asana's responses are inconclusive. The rows of a parent that became private are kept.
A stored record that is no longer listed, but may have moved while its listing was fetched, is fetched by its gid before
it is deleted. Where parents are fetched again by age alone, the rows of parents that are not stale are kept, except for
what a search finds changed.
"""

from collections import Counter
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import closing
from dataclasses import replace

import pyarrow as pa
import pyarrow.compute as pc

from asana_assets.asana.field_types import Array
from asana_assets.asana.model import GID, Listing
from asana_assets.sync.confirmation import prefers_records
from asana_assets.sync.extract import BATCH_ROWS, ExtractContext
from asana_assets.sync.fetcher import Fetcher, FetchEvent, Outcome
from asana_assets.sync.gids import NO_GIDS, count_references, to_gid_list
from asana_assets.sync.parents import (
    FetchRequest,
    Parents,
    choose_parents,
    mask_owned_by,
    mask_with_unknown_parents,
    record_request,
)
from asana_assets.sync.rows import FetchedPage, RowBuilder
from asana_assets.sync.stale_parents import parents_with_rows, stale_parents
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
        self.sync = context.sync
        self.state = context.state
        self.stats = context.new_stats()
        self._context = context
        self._builder = RowBuilder(context.endpoint)
        self._parents = choose_parents(
            context.endpoint, context.workspace_gid, context.upstream, parents_with_rows(context)
        )
        self._stale = stale_parents(self._parents, context.state, context.sync)
        self.stats.parents = len(self._parents)
        self.stats.parents_stale = len(self._stale)
        self.stats.missing_upstream = [
            listing.parent.name
            for listing in context.endpoint.listings
            if listing.parent and listing.is_optional and not context.upstream[listing.parent.name].num_rows
        ]
        self._pages_by_listing: Counter[tuple[str, str]] = Counter()
        self._confirmations: dict[tuple[bool, str], FetchEvent] = {}  # by whether of a record, and gid
        self._fetcher: Fetcher | None = None
        self._incomplete: set[str] = set()  # parents with a record that was skipped
        self._search_missed_changes = False

    @property
    def all_sent(self) -> bool:
        """Whether no known request is left to send; true before the start."""
        return self._fetcher is None or self._fetcher.all_sent

    def start(self, on_all_sent: Callable[[], None] = lambda: None) -> None:
        """Start fetching in the background, a bounded number of pages ahead of iteration.

        Call `close` if the rows are not consumed. Has no effect if fetching was started before. `on_all_sent` is called
        whenever `all_sent` may have become true.
        """
        self._fetcher = self._fetcher or self._start_fetcher(self._requests(), on_all_sent)

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
        disowned: list[Array] = [NO_GIDS]
        fetcher = self._fetcher or self._start_fetcher(self._requests())
        with closing(self._batches(fetcher)) as batches:
            for batch in batches:
                if has_previous:
                    listed.append(batch[GID.name])
                yield batch
        self.stats.raise_if_failed()
        if self.stats.is_not_on_plan():  # what is stored is of a former plan
            if not self._context.accept_deletions:
                yield from self._carry_over(lambda batch: mask_owned_by(self.endpoint, batch, self._parents))
            return
        if self.endpoint.search and len(self._stale) < len(self._parents):
            for batch in self._changed_rows(self.endpoint.search):
                is_owned = mask_owned_by(self.endpoint, batch, self._parents)
                listed.append(batch[GID.name].filter(is_owned))
                disowned.append(batch[GID.name].filter(pc.invert(is_owned)))
                yield batch.filter(is_owned)
        if has_previous:
            yield from self._reconcile_unlisted(pa.concat_arrays(listed), pa.concat_arrays(disowned))

    def sync_state(self) -> pa.Table:
        """Return the sync state to save once the rows are stored."""
        gids = pa.concat_arrays([NO_GIDS, *self._versioned_gids])
        fetched = SyncState.rows(gids, pa.repeat(pa.scalar(""), len(gids)), self._context.sync.started_at)
        failed = SyncState.failed_rows(pa.array(self.stats.failed, pa.string()))
        search_from = self._context.next_search_from(missed_changes=self._search_missed_changes)
        not_on_plan = self.stats.is_not_on_plan(ended=True)
        completed = SyncState.completed_marker(self._context.sync, search_from, not_on_plan=not_on_plan)
        return pa.concat_tables([fetched, failed, completed])

    def obsolete_parents(self) -> Array:
        """Return the parents that have sync state and no longer exist, or no longer fail."""
        gids = [self._parents.gids(listing) for listing, _ in self._parents.groups]
        untracked = self._context.state.untracked_by(pa.concat_arrays([NO_GIDS, *gids]))
        recovered = set(to_gid_list(self._context.state.failed)).difference(self.stats.failed, to_gid_list(untracked))
        recovered.difference_update(*map(to_gid_list, self._versioned_gids))
        return pa.concat_arrays([untracked, pa.array(recovered, pa.string())])

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
        fetcher = self._context.open_fetcher(self.stats, on_all_sent)
        fetcher.start(requests)
        return fetcher

    def _requests(self) -> Iterator[FetchRequest]:
        for request in self._stale.prioritized_requests(self._context.state.failed):
            yield replace(request, is_optional=self._context.is_optional)

    @property
    def _versioned_gids(self) -> list[Array]:
        """The parents whose fetch is recorded, by listing; none if a rejection by the plan may have hidden rows."""
        versioned = [listing for listing, _ in self._stale.groups if listing.version_columns is not None]
        return [] if self.stats.not_on_plan else [self._fetched_gids(listing) for listing in versioned]

    def _batches(self, fetcher: Fetcher) -> Generator[pa.RecordBatch]:
        pages: list[FetchedPage] = []
        rows = 0
        with closing(fetcher.events()) as events:
            for event in events:
                request = event.request
                if event.page is not None:
                    pages.append(FetchedPage(event.page, request.parent_gid))
                    rows += event.page.count
                    self._pages_by_listing[request.listing.path, request.parent_gid] += 1
                elif request.is_record or request.is_confirmation:
                    self._confirmations[request.is_record, request.parent_gid] = event
                else:
                    self.stats.record_outcome(event)
                    if self.stats.is_not_on_plan():
                        fetcher.drop_unsent()
                    self.stats.raise_if_hopeless(requests_left=not fetcher.all_sent)
                if rows >= BATCH_ROWS:
                    yield self._build(pages)
                    pages.clear()
                    rows = 0
        if pages:
            yield self._build(pages)

    def _build(self, pages: Sequence[FetchedPage]) -> pa.RecordBatch:
        built = self._builder.build(pages, self.workspace_gid)
        self.stats.add_rows(built)
        self._incomplete |= built.incomplete_parents
        return built.batch

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
        self._search_missed_changes = self._context.record_search(pages, self.stats)

    def _reconcile_unlisted(self, listed: Array, disowned: Array) -> Iterator[pa.RecordBatch]:
        """Yield the stored rows that are not in `listed` and must not be deleted, fetched again where possible.

        A row that only parents without a usable response would list is kept as it is, unless it is in `disowned`, as a
        search shows it without any of its parents. Any other is confirmed to be gone: its record is fetched, or all of
        its parents are listed once more.
        """
        stored = self._context.previous.columns((GID.name, *self.endpoint.parent_columns))
        unlisted = stored.filter(pc.invert(pc.is_in(stored[GID.name], value_set=listed)))
        if not unlisted.num_rows:
            return
        is_missing = mask_owned_by(self.endpoint, unlisted, self._stale.without(self._inconclusive))
        # A parent that is gone listed the row as well: another one, which was not stale, may not list it any more.
        has_lost_parent = mask_with_unknown_parents(self.endpoint, unlisted, self._parents)
        is_owned = mask_owned_by(self.endpoint, unlisted, self._parents.without(self._inconclusive))
        has_left = pc.or_(has_lost_parent, pc.is_in(unlisted[GID.name], value_set=disowned))
        is_missing = pc.or_(is_missing, pc.and_(has_left, is_owned))
        missing, kept = unlisted.filter(is_missing), unlisted.filter(pc.invert(is_missing))
        kept = kept.filter(mask_owned_by(self.endpoint, kept, self._unfetched_parents()))
        requests = self._confirmation_requests(missing)
        confirmed = [NO_GIDS]
        with closing(self._batches(self._start_fetcher(iter(requests)))) as batches:
            for batch in batches:
                confirmed.append(batch[GID.name])
                yield batch.filter(mask_owned_by(self.endpoint, batch, self._parents))
        missing = missing.filter(
            pc.invert(pc.is_in(missing[GID.name], value_set=pc.unique(pa.concat_arrays(confirmed))))
        )
        kept_gids = pa.concat_arrays([*kept[GID.name].chunks, *self._unconfirmed(missing)[GID.name].chunks, NO_GIDS])
        if len(kept_gids):
            yield from self._carry_over(lambda batch: pc.is_in(batch[GID.name], value_set=kept_gids))

    def _carry_over(self, mask: Callable[[pa.RecordBatch], Array]) -> Iterator[pa.RecordBatch]:
        for batch in self._context.previous.batches():
            rows = batch.filter(mask(batch))
            self.stats.carried_over += rows.num_rows
            yield rows

    def _confirmation_requests(self, missing: pa.Table) -> list[FetchRequest]:
        """Return the requests that show whether missing rows are gone."""

        def lists_missing(listing: Listing, parents: pa.Table) -> Array:
            return pc.greater(count_references(parents["gid"], missing[listing.parent_ref]), pa.scalar(0))

        # Parents that were not stale are listed as well: a task that left its project may be in its assignee's listing.
        listings = [
            replace(request, is_confirmation=True, is_optional=self._context.is_optional)
            for request in self._parents.without(self._inconclusive).filter(lists_missing).requests()
        ]
        pages = sum(self._pages_by_listing[one.listing.path, one.parent_gid] or 1 for one in listings)
        if self.endpoint.record_path and prefers_records(missing=missing.num_rows, pages=pages):
            return [record_request(self.endpoint, gid) for gid in to_gid_list(missing[GID.name])]
        return listings

    def _unconfirmed(self, missing: pa.Table) -> pa.Table:
        """Return the missing rows whose absence the confirmations, which lack them too, do not prove."""
        by_record = any(is_record for is_record, _ in self._confirmations)
        failed_records: list[str] = []
        for (is_record, gid), event in self._confirmations.items():
            if is_record and event.outcome is Outcome.FORBIDDEN:
                continue  # neither listed nor accessible: it is no longer visible to the token
            if is_record and event.outcome is Outcome.FAILED:
                failed_records.append(gid)
            if not is_record and event.outcome is Outcome.FETCHED:
                self.stats.not_on_plan = False
            self.stats.record_skipped(event)
        if by_record:
            return missing.filter(pc.is_in(missing[GID.name], value_set=pa.array(failed_records, pa.string())))
        if self._keeps_former_plan:
            return missing
        skipped = pa.array(self._inconclusive, pa.string())
        inconclusive = self._parents.filter(lambda _, rows: pc.is_in(rows["gid"], value_set=skipped))
        return missing.filter(mask_owned_by(self.endpoint, missing, inconclusive))

    @property
    def _inconclusive(self) -> list[str]:
        """The parents whose response does not show that a row is missing."""
        return [*self.stats.skipped, *self.stats.truncated, *self._incomplete]

    def _unfetched_parents(self) -> Parents:
        """The parents without a complete listing: not stale, refused, failed, truncated or with skipped records."""
        return self._parents.filter(
            lambda listing, rows: pc.invert(pc.is_in(rows["gid"], value_set=self._fetched_gids(listing)))
        )

    @property
    def _keeps_former_plan(self) -> bool:
        return self.stats.not_on_plan and not self._context.accept_deletions

    def _fetched_gids(self, listing: Listing) -> Array:
        """Return the parents whose listing was fetched completely."""
        return NO_GIDS if self._keeps_former_plan else self._stale.without(self._inconclusive).gids(listing)
