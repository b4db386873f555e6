"""Full extract of one endpoint in one workspace: the rows of every listing of every parent.

Stored rows are consulted where Asana's responses are inconclusive. The rows of a parent that became private are kept.
A stored record that is no longer listed, but may have moved while its listing was fetched, is fetched by its gid before
it is deleted. The rows of parents that are not stale are kept, except for what a search finds changed.
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
from asana_assets.sync.extract import BATCH_ROWS, ExtractContext, stale_parents
from asana_assets.sync.extract_filter import ExtractFilter
from asana_assets.sync.fallback import mask_unfetched, only_unlisted
from asana_assets.sync.fetcher import Fetcher, FetchEvent, Outcome
from asana_assets.sync.gids import NO_GIDS, count_references, to_gid_list
from asana_assets.sync.parents import FetchRequest, Parents, mask_owned_by, mask_with_unknown_parents, record_request
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
        self.sync = context.sync
        self.state = context.state
        self.stats = context.new_stats()
        self._context = context
        self._builder = RowBuilder(context.endpoint)
        self._chosen = context.choose_parents()
        self._parents = self._chosen.of(lambda listing: listing not in context.endpoint.fallback_listings)
        self._stale = stale_parents(self._parents, context.state, context.sync)
        self.stats.parents = len(self._parents)
        self.stats.parents_stale = len(self._stale)
        self.stats.missing_upstream = context.missing_upstream
        self._pages_by_listing: Counter[tuple[str, str]] = Counter()
        self._confirmations: dict[tuple[bool, str], FetchEvent] = {}  # by whether of a record, and gid
        self._fetcher: Fetcher | None = None
        self._incomplete: set[str] = set()  # parents with a record that was skipped
        self._search_missed_changes = False
        self._filter = ExtractFilter(context, self._parents, self.stats)

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
            AsanaError: The endpoint cannot be fetched, or a filter's settings do not fit what was; the rows so far are
                incomplete.
        """
        has_previous = len(self._context.previous) > 0
        listed: list[Array] = [NO_GIDS]
        disowned: list[Array] = [NO_GIDS]
        fetcher = self._fetcher or self._start_fetcher(self._requests())
        needs_listed = has_previous or bool(self.endpoint.fallback_listings)
        with closing(self._batches(fetcher)) as batches:
            for batch in batches:
                if needs_listed:
                    listed.append(batch[GID.name])
                yield batch
        if self.endpoint.fallback_listings and not self.stats.not_on_plan:
            for batch in self._unlisted_records(pa.concat_arrays(listed)):
                listed.append(batch[GID.name])
                yield batch
        self.stats.raise_if_failed()
        self._filter.verify()
        if self.stats.is_not_on_plan():
            yield from self._rows_of_former_plan()
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
        versioned = self._versioned_parents.rows
        gids, versions = versioned["gid"].combine_chunks(), versioned["version"].combine_chunks()
        fetched = SyncState.rows(gids, versions, self._context.sync.started_at)
        failed = SyncState.failed_rows(pa.array(self.stats.failed, pa.string()))
        search_from = self._context.next_search_from(missed_changes=self._search_missed_changes)
        not_on_plan = self.stats.is_not_on_plan(ended=True)
        completed = SyncState.completed_marker(self._context.sync, search_from, not_on_plan=not_on_plan)
        return pa.concat_tables([fetched, failed, self._filter.sync_state(), completed])

    def obsolete_parents(self) -> Array:
        """Return the parents that have sync state and no longer exist, or no longer fail, and what is not excluded."""
        untracked = self._context.state.untracked_by(self._parents.rows["gid"].combine_chunks())
        recovered = set(to_gid_list(self._context.state.failed)).difference(self.stats.failed, to_gid_list(untracked))
        versioned = to_gid_list(self._versioned_parents.rows["gid"])
        no_longer = pa.array(recovered.difference(versioned), pa.string())
        return pa.concat_arrays([untracked, no_longer, self._filter.obsolete_state()])

    def count_excluded(self) -> int:
        """Return how many stored rows were removed because a filter excludes them or their parents."""
        return self.stats.excluded

    @property
    def columns(self) -> tuple[str, ...]:
        """The columns of the endpoint's own rows that `orphaned_gids` needs."""
        return self.endpoint.ownership_columns

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
        built = replace(built, batch=self._filter.include(built.batch))
        self.stats.add_rows(built)
        self._incomplete |= built.incomplete_parents
        return built.batch

    def _unlisted_records(self, listed: Array) -> Iterator[pa.RecordBatch]:
        """Yield the single records that are stale and not in `listed`."""
        self._parents = only_unlisted(self.endpoint, self._chosen, listed)
        self._stale = stale_parents(self._parents, self._context.state, self._context.sync)
        self.stats.parents, self.stats.parents_stale = len(self._parents), len(self._stale)
        unlisted = self._stale.of(lambda listing: listing in self.endpoint.fallback_listings)
        requests = unlisted.prioritized_requests(self._context.state.failed)
        with closing(self._batches(self._start_fetcher(requests))) as batches:
            yield from batches

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
        search shows it without any of its parents. One that a filter excludes is not kept. Any other is confirmed to be
        gone: its record is fetched, or all of its parents are listed once more.
        """
        stored = self._context.previous.columns(self.endpoint.ownership_columns)
        unlisted = stored.filter(pc.invert(pc.is_in(stored[GID.name], value_set=listed)))
        unlisted = self._filter.keep_stored(unlisted)
        if not unlisted.num_rows:
            return
        is_missing = mask_owned_by(self.endpoint, unlisted, self._usable_parents())
        # A parent that is gone listed the row as well: another one, which was not stale, may not list it any more.
        has_lost_parent = mask_with_unknown_parents(self.endpoint, unlisted, self._parents)
        is_owned = mask_owned_by(self.endpoint, unlisted, self._without_skipped(self._parents))
        has_left = pc.or_(has_lost_parent, pc.is_in(unlisted[GID.name], value_set=disowned))
        is_missing = pc.or_(is_missing, pc.and_(has_left, is_owned))
        unfetched = self._unfetched_parents()
        is_missing = pc.and_(is_missing, pc.invert(mask_unfetched(self.endpoint, unlisted, unfetched)))
        missing, kept = unlisted.filter(is_missing), unlisted.filter(pc.invert(is_missing))
        kept = kept.filter(mask_owned_by(self.endpoint, kept, unfetched))
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
        yield from self._carry_over(kept_gids)

    def _rows_of_former_plan(self) -> Iterator[pa.RecordBatch]:
        """Yield the stored rows, unless their deletion is accepted."""
        if not self._context.accept_deletions:
            stored = self._filter.keep_stored(self._context.previous.columns(self.endpoint.ownership_columns))
            owned = stored.filter(mask_owned_by(self.endpoint, stored, self._parents))
            yield from self._carry_over(owned[GID.name].combine_chunks())

    def _carry_over(self, gids: Array) -> Iterator[pa.RecordBatch]:
        for batch in self._context.previous.batches() if len(gids) else ():
            rows = batch.filter(pc.is_in(batch[GID.name], value_set=gids))
            self.stats.carried_over += rows.num_rows
            yield rows

    def _confirmation_requests(self, missing: pa.Table) -> list[FetchRequest]:
        """Return the requests that show whether missing rows are gone."""

        def lists_missing(listing: Listing, parents: pa.Table) -> Array:
            return pc.greater(count_references(parents["gid"], missing[listing.parent_ref]), pa.scalar(0))

        # Parents that were not stale are listed as well: a task that left its project may be in its assignee's listing.
        listings = [
            replace(request, is_confirmation=True, is_optional=self._context.is_optional)
            for request in self._without_skipped(self._parents).filter(lists_missing).requests()
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

    def _without_skipped(self, parents: Parents) -> Parents:
        return parents.without(self._inconclusive)

    @property
    def _inconclusive(self) -> list[str]:
        """The parents whose response does not show that a row is missing."""
        return [*self.stats.skipped, *self.stats.truncated, *self._incomplete]

    def _usable_parents(self) -> Parents:
        """The fetched parents whose listing shows that a row is missing."""
        return self._without_skipped(self._stale)

    def _unfetched_parents(self) -> Parents:
        """The parents without a complete listing: not stale, refused, failed, truncated or with skipped records."""
        fetched = self._fetched_parents
        return self._parents.filter(
            lambda listing, rows: pc.invert(pc.is_in(rows["gid"], value_set=fetched.gids(listing)))
        )

    @property
    def _keeps_former_plan(self) -> bool:
        return self.stats.not_on_plan and not self._context.accept_deletions

    @property
    def _fetched_parents(self) -> Parents:
        """The parents whose listing was fetched completely."""
        return self._usable_parents().of(lambda _: not self._keeps_former_plan)

    @property
    def _versioned_parents(self) -> Parents:
        """The parents whose fetch is recorded; none if a rejection by the plan may have hidden rows."""
        is_known = not self.stats.not_on_plan
        return self._fetched_parents.of(lambda listing: is_known and listing.version_columns is not None)
