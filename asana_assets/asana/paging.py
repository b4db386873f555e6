"""Paging decisions: how many records to request per page, and when a listing has gone wrong.

Pure, except for logging: the requests are sent by `client`.
"""

import logging
from dataclasses import dataclass, replace
from enum import Enum, auto
from typing import Final

import msgspec

from asana_assets.asana.errors import (
    ContractError,
    ForbiddenError,
    OffsetExpiredError,
    PermanentError,
    PlanLimitError,
    RedirectError,
    TruncatedListingError,
    UnauthorizedError,
)
from asana_assets.asana.response import ListEnvelope, RetryableError

log = logging.getLogger(__name__)

PAGE_SIZE: Final = 100
"""Asana's maximum page size (https://developers.asana.com/docs/pagination)."""

MIN_PAGE_SIZE: Final = 10
"""Smallest page size that is requested from a server that is overloaded by larger pages."""

MAX_PAGES: Final = 10_000
"""Number of pages after which a listing is considered endless.

At the maximum page size these are a million records; Asana truncates listings of tens of thousands
(https://developers.asana.com/docs/pagination).
"""

_OVERLOADS_BEFORE_REDUCTION: Final = 2  # of one page; a single one is usually not the page's fault
_SUCCESSES_BEFORE_GROWTH: Final = 3
_LONG_PAUSE_SECONDS: Final = 30.0  # of a 429 for the cost of its response; one for too many requests is shorter
_MAX_RESTARTS: Final = 5  # of one listing
_MAX_EMPTY_PAGES: Final = 3  # in a row
_MAX_REPEATED_PAGES: Final = 3  # in a row; one may repeat because records moved between two requests

# Errors that have nothing to do with the offset, even if they occur at a later page.
_UNRELATED_TO_OFFSET = (UnauthorizedError, PlanLimitError, ForbiddenError, RedirectError)
_TRUNCATION_WORDS = ("truncat", "too large", "too many results")


class PageOutcome(Enum):
    """What an attempt to fetch a page says about its size."""

    SUCCESS = auto()
    OVERLOAD = auto()
    """A timeout or a 5xx: perhaps too large."""
    COST_LIMIT = auto()
    """A long pause that the number of requests does not explain: too expensive."""


def page_outcome(failure: RetryableError, *, rate_is_low: bool) -> PageOutcome | None:
    """Return what a failed attempt says about the size of its page, None if nothing."""
    if failure.overloaded:
        return PageOutcome.OVERLOAD
    if failure.rate_limited and rate_is_low and failure.retry_after >= _LONG_PAUSE_SECONDS:
        return PageOutcome.COST_LIMIT
    return None


@dataclass(frozen=True, slots=True, kw_only=True)
class PageSize:
    """The page size of a listing, and what led to it.

    Attributes:
        limit: Number of records to request.
        failures: Failed attempts of the current page.
        successes: Pages in a row that were fetched with this limit.
        grow_after: Number of such pages after which the limit grows; 0 if it was never reduced.
    """

    limit: int = PAGE_SIZE
    failures: int = 0
    successes: int = 0
    grow_after: int = 0


def decide_page_size(size: PageSize, outcome: PageOutcome) -> PageSize:
    """Return the page size for the next attempt.

    The limit is halved at the second overload of a page, and from then on at each one. It is doubled after some pages
    that succeed; after twice as many each time that a page fails again, so that a listing whose large pages always
    time out spends little time on trying them.
    """
    if outcome is PageOutcome.SUCCESS:
        if size.limit == PAGE_SIZE and not size.failures:
            return size
        successes = size.successes + 1
        if size.limit < PAGE_SIZE and successes >= size.grow_after:
            return PageSize(limit=min(PAGE_SIZE, size.limit * 2), grow_after=size.grow_after)
        return replace(size, failures=0, successes=successes)
    failures = size.failures + 1
    if outcome is PageOutcome.OVERLOAD and not size.grow_after and failures < _OVERLOADS_BEFORE_REDUCTION:
        return replace(size, failures=failures)
    fails_again = size.grow_after and not size.failures
    return PageSize(
        limit=max(MIN_PAGE_SIZE, size.limit // 2),
        failures=failures,
        grow_after=max(_SUCCESSES_BEFORE_GROWTH, size.grow_after * (2 if fails_again else 1)),
    )


class PageSizer:
    """The page size of one listing."""

    def __init__(self, template: str, *, fixed: str | None = None) -> None:
        """Start with the maximum page size, or keep to a fixed one.

        Args:
            template: Path template, for log messages.
            fixed: The request's own limit.
        """
        self._template = template
        self._is_fixed = fixed is not None
        self._size = PageSize(limit=PAGE_SIZE if fixed is None else int(fixed))
        self._may_grow = True

    @property
    def limit(self) -> int:
        """Number of records to request."""
        return self._size.limit

    def record(self, outcome: PageOutcome) -> None:
        """Adapt the size to the outcome of an attempt."""
        if self._is_fixed:
            return
        decided = decide_page_size(self._size, outcome)
        if decided.limit < self._size.limit:
            log.info("GET %s: requesting pages of %d, as larger ones fail", self._template, decided.limit)
        elif decided.limit > self._size.limit:
            if not self._may_grow:
                return
            log.debug("GET %s: requesting pages of %d again", self._template, decided.limit)
        self._size = decided

    def stop_growth(self) -> None:
        """Allow the size only to shrink, since the server may refuse an offset when the limit changes."""
        self._may_grow = False


class ListingProgress:
    """How far a listing has been fetched, to recognize one that never ends or that ends early."""

    def __init__(self, template: str, *, ends_empty: bool = False) -> None:
        """Start at the first page.

        Args:
            template: Path template, for messages.
            ends_empty: Whether an empty page ends the listing, which then may have any number of pages.
        """
        self._template = template
        self._ends_empty = ends_empty
        self._restarts = 0
        self._refused_at: int | None = None  # records of the longest walk that ended with a refusal
        self._start_walk()

    def next_offset(self, page: ListEnvelope) -> str | None:
        """Record a page and return the offset of the next one, None if it is the last.

        Raises:
            ContractError: The listing never ends: an offset or a page is repeated, or too many pages are empty.
        """
        self._pages += 1
        self._count += len(page.data)
        if page.next_page is None or (self._ends_empty and not page.data):
            return None
        self._raise_if_endless(page, page.next_page.offset)
        self._offsets.add(page.next_page.offset)
        return page.next_page.offset

    def restart(self, error: PermanentError) -> None:
        """Start the listing from its first page again, after the page at an offset was refused.

        Records may then repeat, but none is missed.

        Raises:
            PermanentError: The refusal has nothing to do with the offset.
            TruncatedListingError: Asana does not return the rest of the listing, however often it is requested.
        """
        if isinstance(error, _UNRELATED_TO_OFFSET):
            raise error
        # An expired offset may expire at the same page again; for any other reason, a second walk must get further.
        is_stuck = (
            self._refused_at is not None
            and self._count <= self._refused_at
            and not isinstance(error, OffsetExpiredError)
        )
        self._refused_at = max(self._count, self._refused_at or 0)
        reason = error.reason.lower()
        if is_stuck or self._restarts == _MAX_RESTARTS or any(words in reason for words in _TRUNCATION_WORDS):
            raise TruncatedListingError(
                count=self._refused_at, status=error.status, template=error.template, reason=error.reason
            )
        log.info("GET %s: the offset was refused (%s); restarting the listing", self._template, error)
        self._restarts += 1
        self._start_walk()

    def _start_walk(self) -> None:
        self._pages = self._count = 0
        self._offsets: set[str] = set()
        self._first_gids: set[str] = set()
        self._empty_pages = self._repeated_pages = 0

    def _raise_if_endless(self, page: ListEnvelope, offset: str) -> None:
        self._empty_pages = 0 if page.data else self._empty_pages + 1
        if gid := _first_gid(page):
            self._repeated_pages = self._repeated_pages + 1 if gid in self._first_gids else 0
            self._first_gids.add(gid)
        symptom = ""
        if offset in self._offsets:
            symptom = "the same offset twice"
        elif self._empty_pages == _MAX_EMPTY_PAGES:
            symptom = f"{_MAX_EMPTY_PAGES} empty pages in a row that each have a next page"
        elif self._repeated_pages == _MAX_REPEATED_PAGES:
            symptom = f"{_MAX_REPEATED_PAGES} pages in a row that it had already returned under other offsets"
        elif self._pages >= MAX_PAGES and not self._ends_empty:
            symptom = f"{MAX_PAGES} pages and has more"
        if symptom:
            raise ContractError(f"GET {self._template} returned {symptom}; the listing never ends")


class _Identified(msgspec.Struct):
    gid: str


def _first_gid(page: ListEnvelope) -> str | None:
    if not page.data:
        return None
    try:
        return msgspec.json.decode(page.data[0], type=_Identified).gid
    except (msgspec.DecodeError, UnicodeDecodeError):
        return None
