"""Searching a workspace for what changed: paid plans only, at most 100 tasks an answer, and no paging.

So the answers are taken in the order of the changes, each from where the last one ended. Asana's index follows changes
by a minute, longer when it is in trouble (https://developers.asana.com/reference/searchtasksforworkspace), hence the
overlap.
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
"""How far before the last sync a search begins."""

_MILLISECOND = dt.timedelta(milliseconds=1)
_BEGINNING = dt.datetime(2008, 1, 1, tzinfo=dt.UTC)
"""Before anything in Asana was created."""


@dataclass(slots=True)
class ChangeSearch:
    """Searches with one token; remembers which workspaces' plans have no search.

    Attributes:
        client: Sends the requests.
        seconds_each: Between two searches; Asana allows 60 a minute, beside the token's own limit.
    """

    client: Client
    seconds_each: float = 1.0
    _without: set[str] = field(default_factory=set[str])
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def changed_since(
        self,
        listing: Listing,
        workspace_gid: str,
        last_sync: dt.datetime | None,
        *,
        opt_fields: str,
        usage: RequestStats,
        stop: threading.Event | None = None,
    ) -> Iterator[Page] | None:
        """Give what was modified since the last sync began; some of it twice.

        `opt_fields` names `created_at` and `modified_at`. None if there was no last sync, or the plan has no search.
        `stop`, once set, ends the search.

        Raises:
            AsanaError: as `Client.pages`.
        """
        if last_sync is None or workspace_gid in self._without:
            return None
        stop = stop or threading.Event()
        search = _KeysetSearch(self.client, self.seconds_each, listing, workspace_gid, opt_fields, usage, stop)
        pages = search.pages(last_sync - OVERLAP)
        try:
            first = next(pages)
        except (PlanLimitError, ForbiddenError, NotFoundError) as error:
            if not isinstance(error, PlanLimitError):
                log.warning("Searching is refused, so changes inside subtasks come by age: %s", error)
            self._without.add(workspace_gid)
            return None
        return chain([first], pages)


@dataclass(slots=True)
class _KeysetSearch:
    """Asks for tasks by time, as often as it takes."""

    client: Client
    seconds_each: float
    listing: Listing
    workspace_gid: str
    opt_fields: str
    usage: RequestStats
    stop: threading.Event
    asked: int = 0

    def pages(self, since: dt.datetime) -> Iterator[Page]:
        """Give what was modified since, in its order, from one page's end to the next.

        What changes meanwhile moves to the end, where it is found.
        """
        while True:
            page = self._page("modified_at", since)
            yield page
            if page.count < PAGE_SIZE:
                return
            last = _last_value(page, "modified_at")
            if last - since < _MILLISECOND:
                yield from self._created(since)
                last = since + _MILLISECOND
            since = last

    def _created(self, instant: dt.datetime) -> Iterator[Page]:
        """Give more tasks than fit one page that were modified in one instant, in the order of their creation."""
        since = _BEGINNING
        while True:
            page = self._page("created_at", instant, until=instant + _MILLISECOND, created_since=since)
            yield page
            if page.count < PAGE_SIZE:
                return
            last = _last_value(page, "created_at")
            if last - since < _MILLISECOND:
                log.warning("More than %d tasks were created and modified in one instant; some pass by", PAGE_SIZE)
                last = since + _MILLISECOND
            since = last

    def _page(
        self,
        order: str,
        since: dt.datetime,
        *,
        until: dt.datetime | None = None,
        created_since: dt.datetime | None = None,
    ) -> Page:
        if self.asked:
            self.stop.wait(self.seconds_each)
        self.asked += 1
        # The bounds are taken as exclusive, and widened by an instant: at worst a task comes twice.
        params = {
            **self.listing.params,
            "modified_at.after": _format_instant(since - _MILLISECOND),
            "sort_by": order,
            "sort_ascending": "true",
        }
        if until:
            params["modified_at.before"] = _format_instant(until + _MILLISECOND)
        if created_since:
            params["created_at.after"] = _format_instant(created_since - _MILLISECOND)
        request = ApiRequest(template=self.listing.path, values={"workspace": self.workspace_gid}, params=params)
        [page] = self.client.iter_pages(request, opt_fields=self.opt_fields, stats=self.usage, stop=self.stop)
        return page


class _Times(msgspec.Struct):
    modified_at: dt.datetime
    created_at: dt.datetime


class _Tasks(msgspec.Struct):
    data: list[_Times]


def _last_value(page: Page, order: str) -> dt.datetime:
    return max(getattr(task, order) for task in msgspec.json.decode(page.body, type=_Tasks).data)


def _format_instant(instant: dt.datetime) -> str:
    return instant.astimezone(dt.UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
