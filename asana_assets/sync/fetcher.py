"""Asking many parents side by side.

As many listings are open at once as the client may have requests on the way, so that the rate and not the latency is
the bound. Pages are handed over as they come, and a reader that falls behind holds the asking back: what is read but
not yet taken stays bounded. What order pages come in does not matter to a table: its rows are sorted when written.
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
from asana_assets.asana.errors import AsanaError, CancelledError, ForbiddenError, NotFoundError, PlanLimitError
from asana_assets.asana.model import WORKSPACE_GID
from asana_assets.sync.parents import FetchRequest

_LOOK_SECONDS: Final = 0.2


class Outcome(Enum):
    """How asking one parent ended."""

    READ = "read"
    FORBIDDEN = "forbidden"
    DELETED = "gone"
    NOT_ON_PLAN = "not on plan"


@dataclass(frozen=True, slots=True)
class FetchEvent:
    """A page of an ask, or its end; an end comes after all pages of the ask."""

    request: FetchRequest
    page: Page | None = None
    outcome: Outcome | None = None


def decide_outcome(error: AsanaError, asked: FetchRequest) -> Outcome | None:
    """Say what an error of one parent means for the table; None if the table cannot be had.

    A parent may become private or be deleted between its own listing and ours: that concerns its rows alone. The
    workspace is no such parent: when its listing is refused, nothing is known, unless the plan does not have it.
    """
    alone = asked.is_record or asked.listing.parent_ref != WORKSPACE_GID.name
    match error:
        case PlanLimitError() if asked.listing.parent:
            return Outcome.NOT_ON_PLAN
        case ForbiddenError() if alone:
            return Outcome.FORBIDDEN
        case NotFoundError() if alone:
            return Outcome.DELETED
        case _:
            return None


class Fetcher:
    """Asks from `begin` on, a bounded number ahead of who reads `answers`; may be given more while it is read."""

    def __init__(
        self,
        client: Client,
        *,
        opt_fields: str,
        usage: RequestStats,
        on_all_sent: Callable[[], None] = lambda: None,
    ) -> None:
        """Send nothing yet.

        Args:
            client: Sends the requests.
            opt_fields: The fields to request of each record.
            usage: Receives the number of requests and retries.
            on_all_sent: Called after `all_sent` has become true, once or more often, by the thread that called `start`
                or consumes `events`.
        """
        self._client = client
        self._on_all_sent = on_all_sent
        self._opt_fields = opt_fields
        self._usage = usage
        self._ahead = 2 * client.max_in_flight
        self._stop = threading.Event()
        self._answers: queue.Queue[FetchEvent | BaseException] = queue.Queue(maxsize=self._ahead)
        self._asks: Iterator[FetchRequest] = iter(())
        self._more: deque[FetchRequest] = deque()
        self._unanswered = 0
        self._exhausted = False
        self._pool = ThreadPoolExecutor(client.max_in_flight, thread_name_prefix="asana")

    def start(self, asks: Iterator[FetchRequest]) -> None:
        """Start asking; call `close`, or read `answers`, to end it."""
        self._asks = asks
        self._fill()

    def enqueue(self, asks: Iterable[FetchRequest]) -> None:
        """Ask these too. For the thread that reads `answers`, which goes on until they are answered."""
        self._more.extend(asks)

    @property
    def all_sent(self) -> bool:
        """Whether nobody waits to be asked, as far as is known."""
        return self._exhausted and not self._more and self._unanswered <= self._client.max_in_flight

    @property
    def drained(self) -> bool:
        """Whether nothing waits to be taken."""
        return self._answers.empty()

    def events(self) -> Generator[FetchEvent]:
        """Give what comes, to the end; close the generator to stop.

        Raises:
            AsanaError: what an ask failed with, unless `decide_outcome` has a word for it; the others are given up.
        """
        try:
            while self._unanswered:
                answer = self._answers.get()
                if isinstance(answer, BaseException):
                    raise answer
                self._unanswered -= answer.outcome is not None
                yield answer
                self._fill()
        finally:
            self.close()

    def close(self) -> None:
        """Stop asking, and wait for what is on its way."""
        self._stop.set()
        self._pool.shutdown()

    def _fill(self) -> None:
        while self._unanswered < self._ahead:
            asked = self._more.popleft() if self._more else next(self._asks, None)
            self._exhausted = asked is None
            if asked is None:
                break
            self._pool.submit(self._ask, asked)
            self._unanswered += 1
        if self.all_sent:
            self._on_all_sent()

    def _ask(self, asked: FetchRequest) -> None:
        try:
            for page in self._pages(asked):
                self._put(FetchEvent(asked, page=page))
            self._put(FetchEvent(asked, outcome=Outcome.READ))
        except AsanaError as error:
            outcome = decide_outcome(error, asked)
            self._put(FetchEvent(asked, outcome=outcome) if outcome else error)
        except BaseException as error:  # noqa: BLE001 # raised again by the thread that reads
            self._put(error)

    def _pages(self, asked: FetchRequest) -> Iterator[Page]:
        if asked.is_record:
            yield self._client.get_record(
                asked.api_request, opt_fields=self._opt_fields, stats=self._usage, stop=self._stop
            )
        else:
            yield from self._client.iter_pages(
                asked.api_request, opt_fields=self._opt_fields, stats=self._usage, stop=self._stop
            )

    def _put(self, answer: FetchEvent | BaseException) -> None:
        while not self._stop.is_set():
            try:
                self._answers.put(answer, timeout=_LOOK_SECONDS)
            except queue.Full:
                continue
            else:
                return
        if isinstance(answer, FetchEvent):
            raise CancelledError("stopped")
