"""Progress and remaining time of an extract, for the terminal and the run log."""

import time
from collections.abc import Callable, Iterable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from typing import Protocol

from asana_assets.asana.endpoints import WORKSPACES
from asana_assets.asana.model import Endpoint
from asana_assets.sync.extract_stats import ExtractStats

LOG_INTERVAL_SECONDS = 60.0
"""The interval between two progress lines in the run log."""

_MINUTE = 60.0
_HOUR = 3600.0


class TrackedExtract(Protocol):
    """The part of an extract that progress is computed from."""

    @property
    def endpoint(self) -> Endpoint: ...

    @property
    def stats(self) -> ExtractStats: ...


class ProgressReporter(Protocol):
    """Receives the extracts to report on. A resource, so that the command line can provide its own."""

    def track_extract(self, extract: TrackedExtract) -> AbstractContextManager[None]:
        """Return a context that is open while the extract is consumed; its `stats` change meanwhile."""
        ...


@dataclass(slots=True)
class NullProgress:
    """Reports nothing."""

    def track_extract(self, extract: TrackedExtract) -> AbstractContextManager[None]:  # noqa: ARG002 - the protocol's
        return nullcontext()


@dataclass(slots=True)
class RequestRate:
    """The request rate of an extract, measured between samples.

    Attributes:
        stats: The extract's stats.
        clock: Returns seconds.
        rate: Requests per second between the last two samples.
    """

    stats: ExtractStats
    clock: Callable[[], float] = time.monotonic
    rate: float = 0.0
    _sampled_at: float = field(init=False)
    _requests: int = field(init=False)

    def __post_init__(self) -> None:
        self._sampled_at, self._requests = self.clock(), self.stats.request_stats.requests

    def sample(self) -> None:
        """Update the rate."""
        now, requests = self.clock(), self.stats.request_stats.requests
        if now > self._sampled_at:
            self.rate = (requests - self._requests) / (now - self._sampled_at)
            self._sampled_at, self._requests = now, requests

    @property
    def requests_left(self) -> float | None:
        """The remaining requests at the requests per parent so far, None if unknown."""
        stats = self.stats
        if not stats.parents_fetched:
            return None
        requests_per_parent = max(1.0, stats.request_stats.requests / stats.parents_fetched)
        return (stats.parents_stale - stats.parents_fetched) * requests_per_parent

    @property
    def seconds_left(self) -> float | None:
        """The remaining time at the current rate, None if unknown."""
        requests_left = self.requests_left
        return None if requests_left is None or not self.rate else requests_left / self.rate


@dataclass(slots=True)
class ProgressLogger:
    """Logs the progress of an extract, at most once per `LOG_INTERVAL_SECONDS`; called whenever its stats change.

    Attributes:
        extract: The extract.
        log: Receives the text of each line, which names neither the asset nor the workspace.
        clock: Returns seconds.
    """

    extract: TrackedExtract
    log: Callable[[str], object]
    clock: Callable[[], float] = time.monotonic
    _request_rate: RequestRate = field(init=False)
    _next_line_at: float = field(init=False)

    def __post_init__(self) -> None:
        self._request_rate = RequestRate(self.extract.stats, self.clock)
        self._next_line_at = self.clock() + LOG_INTERVAL_SECONDS

    def __call__(self) -> None:
        if self.clock() < self._next_line_at:
            return
        self._next_line_at = self.clock() + LOG_INTERVAL_SECONDS
        self._request_rate.sample()
        stats, rate, seconds_left = self.extract.stats, self._request_rate.rate, self._request_rate.seconds_left
        fetched = f"{stats.parents_fetched:,} of {stats.parents_stale:,} {_parents(self.extract.endpoint)}"
        self.log(f"{fetched}, {rate:.1f} requests/s{format_eta(seconds_left)}")


def describe_start(extract: TrackedExtract) -> str:
    """Return what an extract fetches."""
    stats = extract.stats
    if set(extract.endpoint.upstream) <= {WORKSPACES.name}:
        return "fetching all rows"
    return f"fetching {stats.parents_stale:,} of {stats.parents:,} {_parents(extract.endpoint)}"


def describe_result(stats: ExtractStats, seconds: float) -> str:
    """Return the figures of an extract that was stored, as in "108 rows, 3 changed, 21 requests, 0.9 s"."""
    written = stats.written
    changes = {"added": written.added, "changed": written.changed, "removed": written.removed}
    described = [f"{number:,} {change}" for change, number in changes.items() if number] or ["unchanged"]
    requests = count(stats.request_stats.requests, "request")
    return ", ".join([count(written.rows, "row"), *described, requests, format_duration(seconds)])


def count(number: int, noun: str) -> str:
    """Return a number with its noun, as in "1 row" and "1,200 rows"."""
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def enumerate_words(words: Iterable[str]) -> str:
    """Join words, at least one, as in "one, two and three"."""
    *others, last = words
    return f"{', '.join(others)} and {last}" if others else last


def _parents(endpoint: Endpoint) -> str:
    return enumerate_words(endpoint.upstream or ["listings"])


def format_eta(seconds: float | None) -> str:
    """Return the remaining time with a leading comma, or "" if it is unknown."""
    if seconds is None:
        return ""
    return ", less than a minute left" if seconds < _MINUTE else f", {format_duration(seconds)} left"


def format_duration(seconds: float) -> str:
    """Format a duration: tenths of seconds below a minute, minutes below two hours, then tenths of hours."""
    if seconds < _MINUTE:
        return f"{seconds:.1f} s"
    return f"{seconds / _MINUTE:.0f} min" if seconds < 2 * _HOUR else f"{seconds / _HOUR:,.1f} h"
