"""Extract of one endpoint in one workspace whose listing has a window: all records, or those of the window.

Rows are added as they are fetched, in checkpoints, and replace stored rows with the same gid. Stored rows that the
window lacks are deleted once their absence is confirmed, except for those of a log. All other rows stay as they are.
"""

import datetime as dt
import time
from collections.abc import Callable, Generator, Iterator
from contextlib import closing
from dataclasses import replace
from math import ceil

import pyarrow as pa
import pyarrow.compute as pc

from asana_assets.asana.field_types import Array
from asana_assets.asana.listing_requests import EVERYTHING
from asana_assets.asana.model import GID
from asana_assets.asana.paging import PAGE_SIZE
from asana_assets.asana.window import Window
from asana_assets.sync.checkpoint import Checkpoint
from asana_assets.sync.confirmation import prefers_records
from asana_assets.sync.extract import BATCH_ROWS, ExtractContext, stale_parents
from asana_assets.sync.fetcher import Fetcher, FetchEvent, Outcome
from asana_assets.sync.gids import NO_GIDS, to_gid_list
from asana_assets.sync.parents import FetchRequest, listing_request, record_request
from asana_assets.sync.rows import FetchedPage, RowBuilder
from asana_assets.sync.window import decide_start, divide, missed_period, rows_within

_CONCLUSIVE = (Outcome.FETCHED, Outcome.DELETED, Outcome.FORBIDDEN)  # of a record that its listing lacks


class WindowExtract:
    """The rows of one endpoint with a window, fetched while `checkpoints` is iterated. Single use.

    `stats` is updated during iteration.
    """

    def __init__(
        self,
        context: ExtractContext,
        window: Window,
        *,
        checkpoint_rows: int = 50_000,
        checkpoint_seconds: float = 300.0,
    ) -> None:
        """Decide whether all records are fetched. Sends no request.

        Args:
            context: The inputs.
            window: The endpoint's window.
            checkpoint_rows: The number of rows at which a checkpoint is complete.
            checkpoint_seconds: The time after which a checkpoint is complete, whatever its size.

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
        self._window = window
        self._checkpoint_rows = checkpoint_rows
        self._checkpoint_seconds = checkpoint_seconds
        self._builder = RowBuilder(context.endpoint)
        parents = context.choose_parents()
        self._is_stale = len(stale_parents(parents, context.state, context.sync)) > 0
        self.stats.parents = self.stats.parents_stale = len(parents)
        self._start = EVERYTHING
        self._pages: list[FetchedPage] = []
        self._checkpoint = Checkpoint()
        self._listed: list[Array] = [NO_GIDS]
        self._dates: list[Array] = []  # of the records in `_listed`
        self._outcomes: list[FetchEvent] = []
        self._is_incomplete = False  # a record was skipped
        self._fetcher: Fetcher | None = None

    @property
    def all_sent(self) -> bool:
        """Whether no known request is left to send; true before the start."""
        return self._fetcher is None or self._fetcher.all_sent

    def start(self, on_all_sent: Callable[[], None] = lambda: None) -> None:
        """Start fetching in the background, a bounded number of pages ahead.

        Call `close` if the checkpoints are not consumed. Has no effect if fetching was started before. `on_all_sent` is
        called whenever `all_sent` may have become true.
        """
        self._fetcher = self._fetcher or self._start_fetcher(on_all_sent)

    def _start_fetcher(self, on_all_sent: Callable[[], None] = lambda: None) -> Fetcher:
        context, clock_skew = self._context, self._context.client.clock_skew
        self._start = decide_start(
            self._window, context.previous, context.state, context.sync, clock_skew, is_stale=self._is_stale
        )
        self.stats.missed_period = missed_period(self._window, context.state, context.sync, clock_skew)
        fetcher = context.open_fetcher(self.stats, on_all_sent)
        fetcher.start(iter([self._list_from(self._start)] if self.stats.parents else []))
        return fetcher

    def close(self) -> None:
        """Stop fetching."""
        if self._fetcher:
            self._fetcher.close()

    def checkpoints(self) -> Generator[Checkpoint]:
        """Yield checkpoints until everything is fetched; the last one `completes` the sync.

        Requesting the next checkpoint acknowledges that the previous one is stored.

        Raises:
            AsanaError: The listing cannot be fetched; what was is in the checkpoints so far and in
                `partial_checkpoint`.
        """
        self._fetcher = fetcher = self._fetcher or self._start_fetcher()
        yield from self._fetch(fetcher)
        for event in self._outcomes:
            self.stats.record_outcome(event)
        is_complete = not self._is_incomplete and all(one.outcome is Outcome.FETCHED for one in self._outcomes)
        gone = NO_GIDS
        if self.stats.not_on_plan and self._context.accept_deletions and not self.stats.refused_to_users:
            gone = self.previous.columns((GID.name,))[GID.name].combine_chunks()
        elif is_complete and self._window.retention is None and len(self.previous):
            gone = yield from self._find_gone()
        self._checkpoint.removed = gone
        if is_complete and (self._is_stale or self._start == EVERYTHING):
            self._checkpoint.fetched.append((self.workspace_gid, "", self.sync.started_at))
        self._checkpoint.completes = self.sync
        self._checkpoint.search_from = self._context.next_search_from(missed_changes=not is_complete)
        yield from self._yield_checkpoint()

    def partial_checkpoint(self) -> Checkpoint:
        """Return what was fetched but not acknowledged as stored, after an interruption of `checkpoints`."""
        self._build()
        return self._checkpoint

    @staticmethod
    def count_excluded() -> int:
        """Return 0, as row filters do not apply to these listings."""
        return 0

    def _list_from(self, start: dt.datetime, end: dt.datetime | None = None) -> FetchRequest:
        [listing] = self.endpoint.listings
        request = listing_request(listing, self.workspace_gid, self.workspace_gid, window=(start, end))
        return replace(request, is_optional=self._context.is_optional)

    def _fetch(self, fetcher: Fetcher) -> Iterator[Checkpoint]:
        """Consume a fetcher: build rows, yield full checkpoints, and collect the outcomes.

        A listing that Asana truncates is divided, until it does not.
        """
        self._outcomes.clear()
        rows = 0
        started_at = time.monotonic()
        with closing(fetcher.events()) as events:
            for event in events:
                if event.page is None:
                    self._build()
                    rows = 0
                    halves = self._divide(event)
                    fetcher.enqueue(halves)
                    if not halves:
                        self._outcomes.append(event)
                    continue
                self._pages.append(FetchedPage(event.page, event.request.parent_gid))
                rows += event.page.count
                size = rows + self._checkpoint.rows
                is_full = size >= self._checkpoint_rows or time.monotonic() - started_at >= self._checkpoint_seconds
                if is_full or rows >= BATCH_ROWS:
                    self._build()
                    rows = 0
                if is_full:
                    yield from self._yield_checkpoint()
                    started_at = time.monotonic()
        self._build()

    def _divide(self, event: FetchEvent) -> list[FetchRequest]:
        """Return the requests for the halves of a truncated listing; none if it cannot be divided."""
        if event.outcome is not Outcome.TRUNCATED or not self._window.end_param or not self._dates:
            return []
        halves = divide(pa.concat_arrays(self._dates), *event.request.window)
        self.stats.parents = self.stats.parents_stale = self.stats.parents + bool(halves)
        return [replace(self._list_from(*half), is_confirmation=event.request.is_confirmation) for half in halves]

    def _find_gone(self) -> Generator[Checkpoint, None, Array]:
        """Return the gids of the stored rows that no longer exist, confirmed by a second response.

        A missing record may have left the window, so it is fetched by itself, or the whole listing is.
        """
        stored = rows_within(self._window, self.previous.columns((GID.name, self._window.column.name)), self._start)
        missing = self._not_listed(stored[GID.name].combine_chunks())
        if not len(missing):
            return NO_GIDS
        pages = ceil(len(self.previous) / PAGE_SIZE)
        if self.endpoint.record_path and prefers_records(missing=len(missing), pages=pages):
            requests = [record_request(self.endpoint, gid) for gid in to_gid_list(missing)]
        else:
            requests = [replace(self._list_from(EVERYTHING), is_confirmation=True)]
        fetcher = self._fetcher = self._context.open_fetcher(self.stats)
        fetcher.start(iter(requests))
        yield from self._fetch(fetcher)
        inconclusive: list[str] = []
        for event in self._outcomes:
            if event.request.is_record and event.outcome in _CONCLUSIVE:
                continue
            self.stats.record_skipped(event)
            if event.request.is_record:
                inconclusive.append(event.request.parent_gid)
            elif event.outcome is not Outcome.FETCHED:
                return NO_GIDS
        if self._is_incomplete:
            return NO_GIDS
        missing = self._not_listed(missing)
        return missing.filter(pc.invert(pc.is_in(missing, value_set=pa.array(inconclusive, pa.string()))))

    def _not_listed(self, gids: Array) -> Array:
        return gids.filter(pc.invert(pc.is_in(gids, value_set=pa.concat_arrays(self._listed))))

    def _build(self) -> None:
        """Build the rows of the pages so far and add them to the checkpoint."""
        if not self._pages:
            return
        built = self._builder.build(self._pages, self.workspace_gid)
        self._pages = []
        self._is_incomplete = self._is_incomplete or bool(built.incomplete_parents)
        self._checkpoint.batches.append(built.batch)
        self._checkpoint.rows += built.batch.num_rows
        if self._window.retention is None:
            self._listed.append(built.batch[GID.name])
            self._dates.append(built.batch[self._window.column.name])
        self.stats.add_rows(built)

    def _yield_checkpoint(self) -> Iterator[Checkpoint]:
        yield self._checkpoint
        self._checkpoint = Checkpoint()
