"""Search for the changed records of a workspace: paid plans only, at most 100 results per request, no paging.

Results are therefore paginated by key: sorted by modification time, each request starts where the last one ended.
Asana's search index lags behind changes by about a minute, longer during incidents
(https://developers.asana.com/reference/searchtasksforworkspace), hence the overlap.
"""

import datetime as dt
import logging
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import chain

import msgspec

from asana_assets.asana.client import PAGE_SIZE, ApiRequest, Client, Page, RequestStats
from asana_assets.asana.errors import ForbiddenError, NotFoundError, PlanLimitError
from asana_assets.asana.model import Listing

log = logging.getLogger(__name__)

OVERLAP = dt.timedelta(minutes=10)
"""Time before the start of the last sync that a search covers again."""

_MILLISECOND = dt.timedelta(milliseconds=1)  # the resolution of Asana's timestamps
_EARLIEST = dt.datetime(2008, 1, 1, tzinfo=dt.UTC)  # before anything in Asana was created


@dataclass(slots=True)
class ChangeSearch:
    """Searches with one token, and caches which workspaces' plans do not include search.

    Attributes:
        client: Sends the requests.
        interval_seconds: Time between two searches; Asana allows 60 a minute, in addition to the token's own limit.
    """

    client: Client
    interval_seconds: float = 1.0
    _unavailable: set[str] = field(default_factory=set[str])

    def changed_since(
        self,
        listing: Listing,
        workspace_gid: str,
        last_sync_started_at: dt.datetime | None,
        *,
        opt_fields: str,
        stats: RequestStats,
        stop: threading.Event | None = None,
    ) -> Iterator[Page] | None:
        """Return the pages of records modified since the last sync started; some records may occur more than once.

        Args:
            listing: The search request.
            workspace_gid: The workspace.
            last_sync_started_at: The start of the last sync (UTC); None if there was none.
            opt_fields: The fields to request, `created_at` and `modified_at` among them.
            stats: Receives the cost.
            stop: Cancels the search once it is set.

        Returns:
            None if there was no last sync or search is not available.

        Raises:
            AsanaError: As for `Client.iter_pages`.
        """
        if last_sync_started_at is None or workspace_gid in self._unavailable:
            return None
        stop = stop or threading.Event()
        search = _KeysetSearch(self.client, self.interval_seconds, listing, workspace_gid, opt_fields, stats, stop)
        pages = search.pages(last_sync_started_at - OVERLAP)
        try:
            first = next(pages)
        except (PlanLimitError, ForbiddenError, NotFoundError) as error:
            if not isinstance(error, PlanLimitError):
                log.warning("Search was rejected; changes that only search finds are picked up by age: %s", error)
            self._unavailable.add(workspace_gid)
            return None
        return chain([first], pages)


@dataclass(slots=True)
class _KeysetSearch:
    """Keyset pagination by modification time, and by creation time where modification times are equal."""

    client: Client
    interval_seconds: float
    listing: Listing
    workspace_gid: str
    opt_fields: str
    stats: RequestStats
    stop: threading.Event
    requests: int = 0

    def pages(self, since: dt.datetime) -> Iterator[Page]:
        """Yield pages of the records modified since then, in the order of modification.

        A record that changes meanwhile moves to the end of this order and is found there.
        """
        while True:
            page = self._page("modified_at", since)
            yield page
            if page.count < page.limit:
                return
            latest = _latest(page, "modified_at")
            if latest - since < _MILLISECOND:
                yield from self._pages_of_instant(since)
                latest = since + _MILLISECOND
            since = latest

    def _pages_of_instant(self, instant: dt.datetime) -> Iterator[Page]:
        """Yield pages of the records modified at one instant, which do not fit one page, in the order of creation."""
        since = _EARLIEST
        while True:
            page = self._page("created_at", instant, until=instant + _MILLISECOND, created_since=since)
            yield page
            if page.count < page.limit:
                return
            latest = _latest(page, "created_at")
            if latest - since < _MILLISECOND:
                log.warning(
                    "At least %d records were created, and modified, within one millisecond; search skips the others",
                    PAGE_SIZE,
                )
                latest = since + _MILLISECOND
            since = latest

    def _page(
        self,
        sort_by: str,
        since: dt.datetime,
        *,
        until: dt.datetime | None = None,
        created_since: dt.datetime | None = None,
    ) -> Page:
        if self.requests:
            self.stop.wait(self.interval_seconds)
        self.requests += 1
        # The bounds are treated as exclusive and widened by a millisecond: at worst a record is found twice.
        params = {
            **self.listing.params,
            "modified_at.after": _format_instant(since - _MILLISECOND),
            "sort_by": sort_by,
            "sort_ascending": "true",
        }
        if until:
            params["modified_at.before"] = _format_instant(until + _MILLISECOND)
        if created_since:
            params["created_at.after"] = _format_instant(created_since - _MILLISECOND)
        request = ApiRequest(template=self.listing.path, values={"workspace": self.workspace_gid}, params=params)
        [page] = self.client.iter_pages(request, opt_fields=self.opt_fields, stats=self.stats, stop=self.stop)
        return page


class _Times(msgspec.Struct):
    modified_at: dt.datetime
    created_at: dt.datetime


class _Records(msgspec.Struct):
    data: list[_Times]


def _latest(page: Page, field_name: str) -> dt.datetime:
    return max(getattr(record, field_name) for record in msgspec.json.decode(page.body, type=_Records).data)


def _format_instant(instant: dt.datetime) -> str:
    return instant.astimezone(dt.UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
