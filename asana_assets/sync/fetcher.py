"""Concurrent fetching with backpressure.

Up to the client's `max_in_flight` listings are open at once, so that the rate limit and not latency bounds throughput.
Pages are handed over as they arrive. A slow consumer holds the fetching back, which bounds the pages that are fetched
and not yet consumed. Pages arrive in any order: rows are sorted when they are written.
"""

import queue
import threading
from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from enum import Enum
from typing import Final

from asana_assets.asana.client import Client, Page, RequestStats
from asana_assets.asana.errors import (
    AsanaError,
    CancelledError,
    ConfigurationError,
    ForbiddenError,
    NotFoundError,
    PlanLimitError,
    TruncatedListingError,
    UnauthorizedError,
)
from asana_assets.asana.model import WORKSPACE_GID
from asana_assets.sync.parents import FetchRequest

_POLL_SECONDS: Final = 0.2  # how often a worker blocked by a full queue checks whether the fetcher was closed


class Outcome(Enum):
    """The outcome of fetching one parent.

    Attributes:
        FETCHED: Its listing was fetched to the end.
        DELETED: It does not exist (404, 410).
        FORBIDDEN: The token has no access (403, 451).
        NOT_ON_PLAN: The workspace's plan does not include the listing (402), or the token's kind (403).
        TRUNCATED: Its listing ended before its end; the pages so far are good.
        FAILED: Its listing cannot be fetched for any other reason; that of other parents may.
    """

    FETCHED = "fetched"
    DELETED = "deleted"
    FORBIDDEN = "forbidden"
    NOT_ON_PLAN = "not on plan"
    TRUNCATED = "truncated"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class FetchEvent:
    """A page of a request or, after all of its pages, its outcome and the error that caused it, if any."""

    request: FetchRequest
    page: Page | None = None
    outcome: Outcome | None = None
    error: AsanaError | None = None


def decide_outcome(error: AsanaError, request: FetchRequest) -> Outcome | None:  # noqa: PLR0911 - one per class
    """Return what an error means for one parent, or None if the endpoint as a whole cannot be fetched.

    A parent may become private, be deleted or break after it was listed; this affects its own rows only. A rejected
    listing of the workspace leaves everything unknown, unless the plan does not include it.
    """
    affects_one_parent = request.is_record or request.listing.parent_ref != WORKSPACE_GID.name
    match error:
        case UnauthorizedError() | ConfigurationError() | CancelledError():
            return None
        case PlanLimitError() if request.listing.parent:
            return Outcome.NOT_ON_PLAN
        case ForbiddenError() if request.listing.service_accounts_only:
            return Outcome.NOT_ON_PLAN
        case TruncatedListingError():
            return Outcome.TRUNCATED
        case ForbiddenError() if affects_one_parent or request.is_optional:
            return Outcome.FORBIDDEN
        case NotFoundError() if affects_one_parent:
            return Outcome.DELETED
        case NotFoundError() if request.is_optional:
            return Outcome.FORBIDDEN
        case _:
            return Outcome.FAILED if affects_one_parent else None


class Fetcher:
    """Sends requests from worker threads, a bounded number ahead of the consumer of `events`."""

    def __init__(
        self,
        client: Client,
        *,
        opt_fields: str,
        stats: RequestStats,
        on_all_sent: Callable[[], None] = lambda: None,
        alone: bool = False,
    ) -> None:
        """Create the worker threads; no request is sent yet.

        Args:
            client: Sends the requests.
            opt_fields: The fields to request of each record.
            stats: Receives the cost.
            on_all_sent: Called whenever `all_sent` may have become true, by the thread that called `start` or that
                consumes `events`.
            alone: Whether to send one request at a time until one succeeds.
        """
        self._client = client
        self._on_all_sent = on_all_sent
        self._opt_fields = opt_fields
        self._stats = stats
        self._max_pending = 2 * client.max_in_flight
        self._limit = 1 if alone else self._max_pending
        self._stop = threading.Event()
        self._events: queue.Queue[FetchEvent | BaseException] = queue.Queue(maxsize=self._max_pending)
        self._requests: Iterator[FetchRequest] = iter(())
        self._queued: deque[FetchRequest] = deque()
        self._deferred: deque[FetchRequest] = deque()
        self._pending = 0  # requests submitted whose outcome was not consumed yet
        self._exhausted = False
        self._pool = ThreadPoolExecutor(client.max_in_flight, thread_name_prefix="asana")

    def start(self, requests: Iterator[FetchRequest]) -> None:
        """Start fetching. Consume `events` to the end, or call `close`."""
        self._requests = requests
        self._submit()

    def enqueue(self, requests: Iterable[FetchRequest]) -> None:
        """Add requests; to be called by the thread that consumes `events`, which then also yields theirs."""
        self._queued.extend(requests)

    def defer(self, requests: Iterable[FetchRequest]) -> None:
        """Add requests to be sent after all others; to be called like `enqueue`."""
        self._deferred.extend(requests)

    def drop_unsent(self) -> None:
        """Drop the requests that no worker has taken; to be called like `enqueue`."""
        self._requests = iter(())
        self._queued.clear()
        self._deferred.clear()

    @property
    def all_sent(self) -> bool:
        """Whether every known request was sent or has a worker of its own."""
        return self._exhausted and not (self._queued or self._deferred) and self._pending <= self._client.max_in_flight

    @property
    def drained(self) -> bool:
        """Whether every event so far has been consumed."""
        return self._events.empty()

    def events(self) -> Generator[FetchEvent]:
        """Yield events until every request has an outcome; close the generator to stop early.

        Raises:
            AsanaError: A request failed with an error that `decide_outcome` has no outcome for. Remaining requests are
                cancelled.
        """
        try:
            while self._pending:
                event = self._events.get()
                if isinstance(event, BaseException):
                    raise event
                self._pending -= event.outcome is not None
                if event.page is not None or event.outcome is Outcome.FETCHED:
                    self._limit = self._max_pending
                yield event
                self._submit()
        finally:
            self.close()

    def close(self) -> None:
        """Cancel requests that were not sent, and wait for those in flight."""
        self._stop.set()
        self._pool.shutdown()

    def _submit(self) -> None:
        while self._pending < self._limit:
            request = self._queued.popleft() if self._queued else next(self._requests, None)
            self._exhausted = request is None
            if request is None and self._deferred:
                request = self._deferred.popleft()
            if request is None:
                break
            self._pool.submit(self._fetch, request)
            self._pending += 1
        if self.all_sent:
            self._on_all_sent()

    def _fetch(self, request: FetchRequest) -> None:
        try:
            pages = self._client.iter_pages(
                request.api_request, opt_fields=self._opt_fields, stats=self._stats, stop=self._stop
            )
            for page in pages:
                self._stats.record_page(page.count)
                self._put(FetchEvent(request, page=page))
            self._put(FetchEvent(request, outcome=Outcome.FETCHED))
        except AsanaError as error:
            outcome = decide_outcome(error, request)
            self._put(FetchEvent(request, outcome=outcome, error=error) if outcome else error)
        except BaseException as error:  # noqa: BLE001 - raised again in the consumer's thread
            self._put(error)

    def _put(self, event: FetchEvent | BaseException) -> None:
        while not self._stop.is_set():
            try:
                self._events.put(event, timeout=_POLL_SECONDS)
            except queue.Full:
                continue
            else:
                return
        if isinstance(event, FetchEvent):
            raise CancelledError("stopped")
