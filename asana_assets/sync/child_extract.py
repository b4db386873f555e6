"""Incremental extract of children: those of stale parents only, in checkpoints.

A checkpoint holds parents that were fetched completely, with all their rows: once it is stored, they are not fetched
again, whatever happens to the run. The rows of parents that are not stale are left as they are.
"""

import hashlib
import threading
import time
from collections.abc import Callable, Generator, Iterator
from contextlib import closing
from dataclasses import replace

import pyarrow as pa
import pyarrow.compute as pc

from asana_assets.asana.client import Page
from asana_assets.asana.field_types import Array
from asana_assets.asana.model import GID, PARENT_GID, Listing
from asana_assets.sync.checkpoint import Checkpoint
from asana_assets.sync.confirmation import StoredChildren, listed_gids
from asana_assets.sync.extract import BATCH_ROWS, ExtractContext, stale_parents
from asana_assets.sync.fetcher import Fetcher, FetchEvent, Outcome
from asana_assets.sync.gids import NO_GIDS, to_gid_list
from asana_assets.sync.parent_rows import needed_columns, reduce_rows
from asana_assets.sync.parents import (
    FetchRequest,
    Parents,
    childless_gids,
    eligible_parents,
    merge_parents,
    nested_parents,
)
from asana_assets.sync.row_filter import removed_since
from asana_assets.sync.rows import FetchedPage, RowBuilder
from asana_assets.sync.search_hits import SEARCH_FIELDS, changed_hits, changed_parents, decode_hits
from asana_assets.sync.search_records import MODIFIED_AT
from asana_assets.sync.sync_state import no_entries


class ChildExtract:
    """The children of the stale parents of one workspace, fetched while `checkpoints` is iterated. Single use.

    `stats` is updated during iteration. `data_version`, set by `start`, changes if the version of any parent changes, a
    search finds a changed child, or a listing has no versions.
    """

    def __init__(
        self, context: ExtractContext, *, checkpoint_rows: int = 50_000, checkpoint_seconds: float = 300.0
    ) -> None:
        """Select the parents. Sends no request.

        Args:
            context: The inputs.
            checkpoint_rows: The number of rows and parents at which a checkpoint is complete.
            checkpoint_seconds: The time after which a checkpoint is complete, whatever its size.
        """
        self.endpoint = context.endpoint
        self.workspace_gid = context.workspace_gid
        self.previous = context.previous
        self.sync = context.sync
        self.state = context.state
        self.stats = context.new_stats()
        self.data_version = ""
        self._context = context
        self._checkpoint_rows = checkpoint_rows
        self._checkpoint_seconds = checkpoint_seconds
        self._builder = RowBuilder(context.endpoint)
        self._roots = context.choose_parents()
        self._childless = {
            gid
            for listing in context.endpoint.listings
            if listing.parent
            for gid in to_gid_list(childless_gids(listing, context.upstream[listing.parent.name]))
        }
        self._stored_children = StoredChildren(NO_GIDS, {})
        self._first_pages: dict[str, list[Page]] = {}
        self._checkpoint = Checkpoint()
        self._pages: list[FetchedPage] = []
        self._changed = NO_GIDS
        self._requested: set[str] = set()
        self._outdated = no_entries()
        self._search_missed_changes = False
        self._fetcher: Fetcher | None = None
        self._stop_search = threading.Event()

    @property
    def all_sent(self) -> bool:
        """Whether no known request is left to send; true before the start."""
        return self._fetcher is None or self._fetcher.all_sent

    def start(self, on_all_sent: Callable[[], None] = lambda: None) -> None:
        """Determine the stale parents and start fetching in the background, a bounded number of pages ahead.

        Call `close` if the checkpoints are not consumed. Has no effect if fetching was started before. `on_all_sent` is
        called whenever `all_sent` may have become true.

        Raises:
            CancelledError: `close` was called meanwhile.
            AsanaError: The token was rejected, or Asana was not reached.
        """
        self._fetcher = self._fetcher or self._start_fetcher(on_all_sent)

    def _start_fetcher(self, on_all_sent: Callable[[], None] = lambda: None) -> Fetcher:
        context, parents = self._context, self._roots
        if nested := self.endpoint.recursive_listing:
            needed = ((nested,), (GID.name, PARENT_GID.name, MODIFIED_AT))
            stored = reduce_rows(self.endpoint, context.previous.batches(needed_columns(*needed)), *needed)
            merged = merge_parents([parents.rows, nested_parents(nested, parents.rows, stored)])
            parents = Parents(self.workspace_gid, ((nested, merged),))
            if self.endpoint.search and not context.sync.full_refresh:
                self._changed = self._find_changed(nested, self.endpoint.search, stored)
        roots = parents.rows
        stale = stale_parents(parents, context.state, context.sync, self._changed)
        stale_gids = stale.rows["gid"].combine_chunks()
        if nested:
            self._requested = set(to_gid_list(stale_gids))
        fresh = pc.invert(pc.is_in(roots["gid"], value_set=stale_gids))
        self._outdated = context.state.outdated(roots.filter(fresh))
        self.stats.parents, self.stats.parents_stale = len(parents), len(stale)
        # Rows that are fetched may show that a further row of a recursive listing is stale.
        to_confirm = roots["gid"].combine_chunks() if nested else stale_gids
        if len(stale):
            gid = self.endpoint.record_gid.name
            stored_batches = context.previous.batches((gid, PARENT_GID.name))
            self._stored_children = StoredChildren.select(stored_batches, to_confirm, gid)
        self.stats.resumed = context.state.count_fetched_since(context.sync.started_at)
        self.data_version = self._hash(roots)
        fetcher = context.open_fetcher(self.stats, on_all_sent)
        fetcher.start(stale.prioritized_requests(context.state.failed))
        return fetcher

    def _hash(self, parents: pa.Table) -> str:
        """Return a hash of all parents' gids and versions."""
        digest = hashlib.sha256()
        for batch in parents.combine_chunks().to_batches():
            digest.update(batch.serialize())
        unversioned = any(listing.version_columns is None for listing in self.endpoint.listings)
        if unversioned or len(self._changed):  # versions do not show these changes
            digest.update(self._context.sync.id.encode())
        return digest.hexdigest()[:16]

    def close(self) -> None:
        """Stop fetching. While another thread is in `start`, call it again once that has returned."""
        self._stop_search.set()
        if self._fetcher:
            self._fetcher.close()

    def checkpoints(self) -> Generator[Checkpoint]:
        """Yield checkpoints until all stale parents are fetched; the last one `completes` the sync.

        Requesting the next checkpoint acknowledges that the previous one is stored.

        Raises:
            AsanaError: Some parents cannot be fetched; the others are in the checkpoints so far and in
                `partial_checkpoint`.
        """
        self._fetcher = fetcher = self._fetcher or self._start_fetcher()
        pages: dict[str, list[Page]] = {}
        rows_to_build = 0
        started_at = time.monotonic()
        with closing(fetcher.events()) as events:
            for event in events:
                parent_gid = event.request.parent_gid
                if event.page is not None:
                    pages.setdefault(parent_gid, []).append(event.page)
                    continue
                parent_pages = pages.pop(parent_gid, [])
                if self._defer_confirmation(fetcher, event, parent_pages):
                    continue
                parent_pages = self._record_parent(event, parent_pages)
                if self.stats.is_not_on_plan():
                    fetcher.drop_unsent()
                self.stats.raise_if_hopeless(requests_left=not fetcher.all_sent)
                rows_to_build += sum(page.count for page in parent_pages)
                size = rows_to_build + self._checkpoint.rows + len(self._checkpoint.fetched)
                complete = size >= self._checkpoint_rows or time.monotonic() - started_at >= self._checkpoint_seconds
                may_find_parents = bool(self.endpoint.recursive_listing) and fetcher.drained
                if complete or rows_to_build >= BATCH_ROWS or may_find_parents:
                    rows_to_build = 0
                    fetcher.enqueue(self._nested_requests(self._build()))
                if complete:
                    yield from self._yield_checkpoint()
                    started_at = time.monotonic()
        self._build()
        self.stats.raise_if_failed()
        self._checkpoint.completes = self._context.sync
        self._checkpoint.not_on_plan = self.stats.is_not_on_plan(ended=True)
        self._checkpoint.search_from = self._context.next_search_from(missed_changes=self._search_missed_changes)
        requested = pc.is_in(self._outdated["parent_gid"], value_set=pa.array(list(self._requested), pa.string()))
        self._checkpoint.outdated = self._outdated.filter(pc.invert(requested))
        yield from self._yield_checkpoint()

    def partial_checkpoint(self) -> Checkpoint:
        """Return what was fetched but not acknowledged as stored, after an interruption of `checkpoints`."""
        self._build()
        if not any(tally.successes for tally in self.stats.tallies.values()):
            self._checkpoint.deleted.clear()  # if no parent is found, a permission may be missing
        return self._checkpoint

    def obsolete_parents(self, stored: pa.Table) -> tuple[Array, Array]:
        """Return the parents that no longer exist: those with stored rows, and those with sync state.

        A parent whose rows another sync has added since this one began is not among them: it may be new.

        Args:
            stored: Every row stored by now, with the columns in `columns`.
        """
        roots = self._roots.rows
        valid = roots["gid"].combine_chunks()
        if self._context.accept_deletions and self.stats.is_not_on_plan(ended=True):
            valid = NO_GIDS
        elif nested := self.endpoint.recursive_listing:
            listing = replace(nested, version_columns=None)
            valid = pa.concat_arrays([valid, *nested_parents(listing, roots, stored)["gid"].chunks])
        with_rows = pc.unique(stored[PARENT_GID.name].combine_chunks())
        with_rows = with_rows.filter(pc.invert(pc.is_in(with_rows, value_set=valid)))
        if len(with_rows):
            with_rows = with_rows.filter(pc.is_in(with_rows, value_set=self._known_parents()))
        return with_rows, self._context.state.untracked_by(valid)

    def _known_parents(self) -> Array:
        """Return the parents that had rows when this sync began, and those of a recursive listing that it requested."""
        before = pc.unique(self.previous.columns((PARENT_GID.name,))[PARENT_GID.name].combine_chunks())
        return pa.concat_arrays([before, pa.array(list(self._requested), pa.string())])

    def count_excluded(self) -> int:
        """Return how many rows stored before lost their parent, if filters removed any above since the last sync."""
        if not removed_since(self._context.exclusions, self.state.last_sync):
            return 0
        stored = self.previous.columns(self.columns)
        parent_gids = stored[PARENT_GID.name].combine_chunks()
        return pc.is_in(parent_gids, value_set=self.obsolete_parents(stored)[0]).true_count

    def orphaned_gids(self, stored: pa.Table) -> Array:
        """Return the missing parents that stored rows, given with the columns in `columns`, reference."""
        return self.obsolete_parents(stored)[0]

    @property
    def columns(self) -> tuple[str, ...]:
        """The columns of the endpoint's own rows that show which of them are parents."""
        only_if = (nested := self.endpoint.recursive_listing) and nested.only_if
        return tuple(name for name in (GID.name, PARENT_GID.name, only_if) if name)

    def _find_changed(self, nested: Listing, search: Listing, stored: pa.Table) -> Array:
        """Return the parents of the children that a search finds changed."""
        pages = self._context.search.changed_since(
            search,
            self.workspace_gid,
            self._context.search_from,
            opt_fields=",".join(SEARCH_FIELDS),
            stats=self.stats.request_stats,
            stop=self._stop_search,
        )
        hits = decode_hits(pages or ())
        self._search_missed_changes = self._context.record_search(pages, self.stats)
        return changed_parents(nested, changed_hits(hits, stored), stored)

    def _defer_confirmation(self, fetcher: Fetcher, event: FetchEvent, pages: list[Page]) -> bool:
        """Return whether the parent is requested again, as it is said not to exist or lacks stored children."""
        request = event.request
        if request.is_confirmation or event.outcome not in {Outcome.FETCHED, Outcome.DELETED}:
            return False
        if event.outcome is Outcome.FETCHED:
            unlisted = self._stored_children.of(request.parent_gid).difference(listed_gids(pages))
            if not unlisted or request.parent_gid in self._childless:
                return False
        self._first_pages[request.parent_gid] = pages
        add = fetcher.enqueue if self.stats.defer(event) else fetcher.defer
        add([replace(request, is_confirmation=True)])
        return True

    def _record_parent(self, event: FetchEvent, pages: list[Page]) -> list[Page]:
        """Record the outcome of a parent; return its pages, those of the first response included."""
        gid, outcome = event.request.parent_gid, event.outcome
        pages = [*self._first_pages.pop(gid, []), *pages]
        self.stats.record_outcome(event)
        if fetched := outcome is Outcome.FETCHED:
            requested_at = pages[0].requested_at if pages else self._context.sync.started_at
            self._checkpoint.fetched.append((gid, event.request.version, requested_at))
        elif outcome is Outcome.DELETED:
            self._checkpoint.deleted.append(gid)
        elif outcome is Outcome.FAILED:
            self._checkpoint.failed.append(gid)
        if not fetched and outcome is not Outcome.TRUNCATED:
            return []
        # The rows of a truncated parent are added; as it is not `fetched`, none of its stored rows is deleted.
        self._pages += [FetchedPage(page, gid) for page in pages]
        return pages

    def _build(self) -> pa.RecordBatch | None:
        """Build the rows of the pages kept so far, add them to the checkpoint, and return them."""
        if not self._pages:
            return None
        built = self._builder.build(self._pages, self.workspace_gid)
        self._pages = []
        self._checkpoint.batches.append(built.batch)
        self._checkpoint.rows += built.batch.num_rows
        self._checkpoint.mark_failed(built.incomplete_parents)
        self.stats.add_rows(built)
        return built.batch

    def _nested_requests(self, batch: pa.RecordBatch | None) -> Iterator[FetchRequest]:
        """Yield requests for the new rows that are stale parents, without those requested before."""
        nested = self.endpoint.recursive_listing
        if batch is None or not nested:
            return
        self._childless.update(to_gid_list(childless_gids(nested, batch)))
        rows = eligible_parents(nested, batch, pa.array(self._stored_children.ranges, pa.string()))
        parents = Parents(self.workspace_gid, ((nested, merge_parents([rows])),))
        stale = stale_parents(parents, self._context.state, self._context.sync, self._changed)
        for request in stale.requests():
            if request.parent_gid not in self._requested:
                self._requested.add(request.parent_gid)
                self.stats.parents += 1
                self.stats.parents_stale += 1
                yield request

    def _yield_checkpoint(self) -> Iterator[Checkpoint]:
        yield self._checkpoint
        self._checkpoint = Checkpoint()
