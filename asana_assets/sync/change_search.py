"""Search for the changed records of a workspace: paid plans only, at most 100 results per request, no paging.

Results are therefore paginated by key: sorted by modification time, each request starts where the last one ended. That
is right only if a full page is sorted as requested, which is verified. If it is not (records change while the search
index lags behind, or a proxy or a future API sorts differently), the time is divided into windows until each has fewer
results than a page holds: those are complete whatever their order.

Asana's search index lags behind changes by about a minute, longer during incidents
(https://developers.asana.com/reference/searchtasksforworkspace), hence the overlap.
"""

import datetime as dt
import logging
import threading
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import chain, pairwise

from asana_assets.asana.client import ApiRequest, Client, Page, RequestStats
from asana_assets.asana.errors import (
    AsanaError,
    ContractError,
    PermanentError,
    PlanLimitError,
    RedirectError,
    TransientError,
    UnauthorizedError,
)
from asana_assets.asana.model import Listing
from asana_assets.sync.search_records import CREATED_AT, MODIFIED_AT, decode_records

log = logging.getLogger(__name__)

OVERLAP = dt.timedelta(minutes=10)
"""Time before the start of the last sync that a search covers again."""

_MILLISECOND = dt.timedelta(milliseconds=1)  # the resolution of Asana's timestamps
_EARLIEST = dt.datetime(2008, 1, 1, tzinfo=dt.UTC)  # before anything in Asana was created

# The limit of requests for windows. Records that were changed together take up to 30 halvings, of two requests each,
# for every page of them; a server that ignores the windows returns the same records again and again.
_WINDOW_REQUESTS = 100
_WINDOW_REQUESTS_PER_PAGE = 60

_Range = tuple[dt.datetime, dt.datetime | None]
_Ranges = Mapping[str, _Range]  # by field


class _UntrustedError(Exception):
    """The results of a search show that it does not find everything."""


@dataclass(slots=True)
class FoundPages:
    """The pages of a search; can be iterated once.

    Attributes:
        complete: Whether the search found everything that repeating it could find; False until its end.
        failure: Why the search did not find everything; "" if it did.
    """

    _pages: Iterator[Page]
    _skipped: Sequence[str] = ()  # what else the search did not find; grows while it is iterated
    complete: bool = False
    failure: str = ""

    def __iter__(self) -> Iterator[Page]:
        try:
            yield from self._pages
        except (UnauthorizedError, RedirectError):
            raise
        except (_UntrustedError, PermanentError, TransientError, ContractError) as error:
            self.failure = str(error)
            _log_failure(error)
        else:
            self.complete = not self.failure
            self.failure = self.failure or "; ".join(dict.fromkeys(self._skipped))


@dataclass(slots=True)
class ChangeSearch:
    """Searches with one token, and caches in which workspaces search is not available.

    Attributes:
        client: Sends the requests.
        interval_seconds: Time between two searches; Asana allows 60 a minute, in addition to the token's own limit.
    """

    client: Client
    interval_seconds: float = 1.0
    _unavailable: dict[str, str] = field(default_factory=dict[str, str])  # with the reason; "" if it is the plan

    def changed_since(
        self,
        listing: Listing,
        workspace_gid: str,
        search_from: dt.datetime | None,
        *,
        opt_fields: str,
        stats: RequestStats,
        stop: threading.Event | None = None,
    ) -> FoundPages | None:
        """Return the pages of records modified since the last search; some records may occur more than once.

        A search that fails is logged and incomplete, and raises nothing: without it, changes are found by age.

        Args:
            listing: The search request.
            workspace_gid: The workspace.
            search_from: The start of the last sync, by Asana's clock (`SyncState.search_from`); None if there was none.
            opt_fields: The fields to request, `created_at` and `modified_at` among them.
            stats: Receives the cost.
            stop: Cancels the search once it is set.

        Returns:
            None if there was no last sync, or the workspace's plan does not include search.

        Raises:
            UnauthorizedError: The token was rejected.
            RedirectError: Asana was not reached.
            CancelledError: `stop` was set.
        """
        if search_from is None:
            return None
        if workspace_gid in self._unavailable:
            return _failed_search(self._unavailable[workspace_gid])
        stop = stop or threading.Event()
        search = _Search(self.client, self.interval_seconds, listing, workspace_gid, opt_fields, stats, stop)
        pages = search.pages(search_from - OVERLAP)
        try:
            first = next(pages)
        except (UnauthorizedError, RedirectError):
            raise
        except PermanentError as error:
            if not isinstance(error, PlanLimitError):
                log.warning("Search was rejected; changes that only search finds are picked up by age: %s", error)
            self._unavailable[workspace_gid] = "" if isinstance(error, PlanLimitError) else str(error)
            return _failed_search(self._unavailable[workspace_gid])
        except (TransientError, ContractError) as error:
            _log_failure(error)
            return _failed_search(str(error))
        return FoundPages(chain([first], pages), search.skipped)


def _failed_search(failure: str) -> FoundPages | None:
    return FoundPages(iter(()), failure=failure) if failure else None


@dataclass(slots=True)
class _Search:
    """One search: by key while pages are sorted by it, otherwise by windows of time."""

    client: Client
    interval_seconds: float
    listing: Listing
    workspace_gid: str
    opt_fields: str
    stats: RequestStats
    stop: threading.Event
    requests: int = 0
    window_requests: int = 0
    found: set[str] = field(default_factory=set[str])  # by windows
    skipped: list[str] = field(default_factory=list[str])

    def pages(self, since: dt.datetime) -> Iterator[Page]:
        """Yield pages of the records modified since then.

        Raises:
            _UntrustedError: The results do not match the request, so that further ones would not be complete.
        """
        # A record that changes meanwhile moves to the end of the order and is found there.
        return self._sorted_pages(MODIFIED_AT, {MODIFIED_AT: (_floor(since), None)})

    def _sorted_pages(self, key: str, ranges: _Ranges) -> Iterator[Page]:
        """Yield pages in the order of `key`, each starting where the previous one ended."""
        since, until = ranges[key]
        while True:
            page = self._page(key, {**ranges, key: (since, until)})
            yield page
            if page.count < page.limit:
                return
            times = [record.time(key) for record in decode_records(page)]
            if not _is_sorted(times, since, page.count):
                log.warning(
                    "Search of workspace %s did not sort its results by %s; searching by windows of time instead",
                    self.workspace_gid,
                    key,
                )
                yield from self._windows(key, {**ranges, key: (since, until or self._end(since))})
                return
            latest = _floor(times[-1] or since)
            if latest <= since:
                yield from self._pages_of_instant(key, ranges, since)
                latest = since + _MILLISECOND
            since = latest

    def _pages_of_instant(self, key: str, ranges: _Ranges, instant: dt.datetime) -> Iterator[Page]:
        """Yield pages of the records of one instant, which do not fit one page, in the order of creation."""
        if key == CREATED_AT:
            message = "more records were created, and modified, within one millisecond than search returns"
            log.warning("Search skips some changes: %s", message)
            self.skipped.append(message)
            return
        instant_only = {**ranges, key: (instant, instant + _MILLISECOND), CREATED_AT: (_EARLIEST, None)}
        yield from self._sorted_pages(CREATED_AT, instant_only)

    def _windows(self, key: str, ranges: _Ranges) -> Iterator[Page]:
        """Yield pages of windows of time, each halved until its results fit one page, whatever their order."""
        since, until = ranges[key]
        pending = [(since, until or self._end(since))]
        while pending:
            since, until = pending.pop()
            page = self._page(key, {**ranges, key: (since, until)})
            self.window_requests += 1
            yield page
            if page.count < page.limit:
                continue
            self._check_progress(page, key, since, until)
            if until - since <= _MILLISECOND:
                yield from self._pages_of_instant(key, ranges, since)
            else:
                middle = _floor(since + (until - since) / 2)
                pending += [(middle, until), (since, middle)]

    def _check_progress(self, page: Page, key: str, since: dt.datetime, until: dt.datetime) -> None:
        """Raise _UntrustedError if smaller windows would find nothing more."""
        records = decode_records(page)
        self.found.update(record.gid for record in records)
        times = [time for record in records if (time := record.time(key))]
        if not any(since - _MILLISECOND <= time <= until + _MILLISECOND for time in times):
            raise _UntrustedError(f"search of workspace {self.workspace_gid} ignored the bounds of {key}")
        if self.window_requests > _WINDOW_REQUESTS + _WINDOW_REQUESTS_PER_PAGE * len(self.found) // page.limit:
            raise _UntrustedError(
                f"search of workspace {self.workspace_gid} found {len(self.found)} records in "
                f"{self.window_requests} windows of time, and no end"
            )

    def _end(self, since: dt.datetime) -> dt.datetime:
        """Return the end of the last window; what is modified later is found by the next search."""
        now = dt.datetime.now(dt.UTC) + self.client.clock_skew
        return _floor(max(now, since) + OVERLAP)

    def _page(self, sort_by: str, ranges: _Ranges) -> Page:
        if self.requests:
            self.stop.wait(self.interval_seconds)
        self.requests += 1
        params = {**self.listing.params, "sort_by": sort_by, "sort_ascending": "true"}
        # The bounds are treated as exclusive and widened by a millisecond: at worst a record is found twice.
        for name, (since, until) in ranges.items():
            params[f"{name}.after"] = _format_instant(since - _MILLISECOND)
            if until:
                params[f"{name}.before"] = _format_instant(until + _MILLISECOND)
        request = ApiRequest(template=self.listing.path, values={"workspace": self.workspace_gid}, params=params)
        return next(self.client.iter_pages(request, opt_fields=self.opt_fields, stats=self.stats, stop=self.stop))


def _is_sorted(times: list[dt.datetime | None], since: dt.datetime, count: int) -> bool:
    """Return whether a page of `count` records has this many times, none before `since` and each before the next."""
    known = [time for time in times if time is not None]
    if len(known) < count or known[0] < since - _MILLISECOND:
        return False
    return all(earlier <= later for earlier, later in pairwise(known))


def _log_failure(error: AsanaError | _UntrustedError) -> None:
    log.warning(
        "Search failed; changes that only search finds are searched for again by the next sync, and picked up by age "
        "at the latest: %s",
        error,
    )


def _floor(instant: dt.datetime) -> dt.datetime:
    """Return the instant at the resolution of Asana's timestamps."""
    return instant.replace(microsecond=instant.microsecond // 1000 * 1000)


def _format_instant(instant: dt.datetime) -> str:
    return instant.astimezone(dt.UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
