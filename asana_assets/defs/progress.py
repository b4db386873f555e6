"""How far a reading is, and how long it will take: for the terminal and for the run's log."""

import time
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from typing import Protocol

from asana_assets.asana.model import Endpoint
from asana_assets.sync.extract import ExtractStats

LOG_INTERVAL_SECONDS = 60.0
"""Between two lines in the run's log."""


class TrackedExtract(Protocol):
    """A reading, as far as progress is concerned."""

    @property
    def endpoint(self) -> Endpoint: ...

    @property
    def stats(self) -> ExtractStats: ...


class ProgressReporter(Protocol):
    """Somebody to tell what is being read; a resource, so that each face can bring its own."""

    def track_extract(self, extract: TrackedExtract) -> AbstractContextManager[None]:
        """Surround the time in which `reading` is read; its report fills meanwhile."""
        ...


@dataclass(slots=True)
class NullProgress:
    """Tells nobody."""

    def track_extract(self, extract: TrackedExtract) -> AbstractContextManager[None]:  # noqa: ARG002 # of the protocol
        return nullcontext()


@dataclass(slots=True)
class RequestRate:
    """How fast a reading goes, from one look to the next.

    Attributes:
        report: The reading's.
        clock: Seconds.
        rate: Requests per second between the last two looks.
    """

    report: ExtractStats
    clock: Callable[[], float] = time.monotonic
    rate: float = 0.0
    _at: float = field(init=False)
    _requests: int = field(init=False)

    def __post_init__(self) -> None:
        self._at, self._requests = self.clock(), self.report.request_stats.requests

    def sample(self) -> None:
        """Measure, since the last look."""
        now, requests = self.clock(), self.report.request_stats.requests
        if now > self._at:
            self.rate = (requests - self._requests) / (now - self._at)
            self._at, self._requests = now, requests

    @property
    def seconds_left(self) -> float | None:
        """How long the rest takes if its parents cost what those before did; None as long as nothing tells."""
        report = self.report
        if not report.parents_fetched or not self.rate:
            return None
        each = max(1.0, report.request_stats.requests / report.parents_fetched)
        return (report.parents_stale - report.parents_fetched) * each / self.rate


@dataclass(slots=True)
class ProgressLogger:
    """Says, about once a minute, how far a reading is."""

    reading: TrackedExtract
    say: Callable[[str], object]
    clock: Callable[[], float] = time.monotonic
    _speed: RequestRate = field(init=False)
    _next: float = field(init=False)

    def __post_init__(self) -> None:
        self._speed = RequestRate(self.reading.stats, self.clock)
        self._next = self.clock() + LOG_INTERVAL_SECONDS

    def __call__(self) -> None:
        if self.clock() < self._next:
            return
        self._next = self.clock() + LOG_INTERVAL_SECONDS
        self._speed.sample()
        endpoint, report = self.reading.endpoint, self.reading.stats
        parents = " and ".join(endpoint.upstream) or "listings"
        done = f"{report.parents_fetched:,} of {report.parents_stale:,} {parents}"
        self.say(f"{endpoint.name}: {done}, {self._speed.rate:.1f} requests/s{format_eta(self._speed.seconds_left)}")


def format_eta(seconds: float | None) -> str:
    """Say how long it will take; nothing as long as nobody knows."""
    if seconds is None:
        return ""
    minutes = seconds / 60
    if minutes < 1:
        return ", less than a minute left"
    hours = f"{minutes / 60:.1f} h" if minutes >= 120 else f"{minutes:.0f} min"  # noqa: PLR2004 # two hours
    return f", {hours} left"
