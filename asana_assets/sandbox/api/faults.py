"""Which requests a fault hits. `fault_kinds` documents what happens to them.

A fault is added for particular requests (`Sandbox.add_fault`), or a `FaultPlan` picks first attempts at random.
"""

from __future__ import annotations

import dataclasses
import threading
import zlib
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, get_args
from urllib.parse import parse_qsl

from asana_assets.sandbox.api.fault_kinds import ContentKind
from asana_assets.sandbox.api.offsets import count_records_before

if TYPE_CHECKING:
    from asana_assets.sandbox.api.fault_kinds import CountedPer, FaultKind, Match
    from asana_assets.sandbox.api.request import ReceivedRequest
    from asana_assets.sandbox.api.responses import RetryAfter
    from asana_assets.sandbox.data.model import JSON

FIRST_ATTEMPT_KINDS: tuple[FaultKind, ...] = (500, 502, 503, 504, 429, "reset", "truncated", "empty", "garbage", "hang")
"""Transient faults: the default kinds of a `FaultPlan`."""

_CONTENT_KINDS = frozenset(get_args(ContentKind))
_NEEDS_OFFSET = frozenset({"repeated_offset", "expired_offset", "invalid_offset", "too_large"})
_NEEDS_FIELD = frozenset({"missing_field", "replaced_field", "raw_field"})
_LOWEST_STATUS, _HIGHEST_STATUS = 200, 599  # a 1xx is not a response, and uvicorn sends no status above 599


@dataclass(slots=True, kw_only=True)
class Fault:
    """A fault for the requests that match.

    Attributes:
        times: How many requests it hits; None for all.
        skip: How many matching requests pass before the first hit.
        counted_per: Whether `times` and `skip` count all requests together, or each listing or page on its own.
        whole_listing: Whether `times` and `skip` count fetches of a listing instead of requests. A fetch is the
            request for the first page and those for the following ones.
        fraction: Hits only this share of the listings (of the pages, if it counts per page), always the same ones.
        after_records: Hits only pages that start after at least this many records of their listing.
        limit_above: Hits only requests whose `limit` is above this.
        retry_after: The `Retry-After` header of an error response.
        message: Replaces the default message of the status.
        body: Replaces the error envelope.
        content: Replaces the error envelope by bytes that need not be JSON.
        headers: Added to the response, or replacing headers of the same name.
        hang_seconds: Duration of a `hang`, `slow` or `trickle`.
        lost: Share of the page's records that are missing; at least one is.
        parameter: Name of the `ignored_parameter`.
        gid: Selects the records with this gid.
        position: Selects the record at this index of the page, negative from its end; None selects all records.
        field: The field of a record; `a.b` is the field `b` of the object or objects in `a`.
        value: What the data, a record, a field or `next_page` is replaced by.
        raw: What a field is replaced by, as bytes.
        hits: How many requests it has hit so far.
    """

    match: Match
    kind: FaultKind
    times: int | None = None
    skip: int = 0
    counted_per: CountedPer = "fault"
    whole_listing: bool = False
    fraction: float = 1
    after_records: int = 0
    limit_above: int = 0
    retry_after: RetryAfter = None
    message: str | None = None
    body: JSON = None
    content: bytes | None = None
    headers: Mapping[str, str] = dataclasses.field(default_factory=dict[str, str])
    hang_seconds: float = 30
    lost: float = 0.5
    parameter: str = ""
    gid: str = ""
    position: int | None = None
    field: str = ""
    value: JSON = None
    raw: bytes = b"null"
    hits: int = dataclasses.field(default=0, init=False)
    _matched: Counter[object] = dataclasses.field(default_factory=Counter[object], init=False, repr=False)
    _is_fetch_hit: dict[str, bool] = dataclasses.field(default_factory=dict[str, bool], init=False, repr=False)

    def __post_init__(self) -> None:
        if isinstance(self.kind, int) and not _LOWEST_STATUS <= self.kind <= _HIGHEST_STATUS:
            raise ValueError(f"the status {self.kind} is not between {_LOWEST_STATUS} and {_HIGHEST_STATUS}")
        if self.kind in _NEEDS_FIELD and not self.field:
            raise ValueError(f"the fault {self.kind!r} requires `field`")
        if self.kind == "ignored_parameter" and not self.parameter:
            raise ValueError("the fault 'ignored_parameter' requires `parameter`")

    @property
    def is_content(self) -> bool:
        """Whether it changes the correct response, so that other faults can change it, too."""
        return self.kind in _CONTENT_KINDS

    def cancel(self) -> None:
        """Stop hitting requests."""
        self.times = 0

    def try_hit(self, request: ReceivedRequest) -> bool:
        """Return whether the fault hits this request, and count it."""
        if self.times == 0 or not matches(self.match, request):
            return False
        if self.whole_listing:
            is_hit = self._count_fetch(request) and self._applies(request)
        else:
            is_hit = self._applies(request) and self._count(request)
        self.hits += is_hit
        return is_hit

    def _applies(self, request: ReceivedRequest) -> bool:
        offset = request.query.get("offset")
        if offset is None and (self.kind in _NEEDS_OFFSET or self.after_records > 0):
            return False
        if self.after_records > 0 and count_records_before(offset or "") < self.after_records:
            return False
        if self.limit_above and not _is_above(request.query.get("limit", ""), self.limit_above):
            return False
        return self.fraction >= 1 or _draw(self.kind, self._counted(request)) < self.fraction

    def _count_fetch(self, request: ReceivedRequest) -> bool:
        """Count the request for a first page, and return whether the fetch that a request belongs to is hit."""
        listing = request.listing
        if "offset" not in request.query:
            self._is_fetch_hit[listing] = self._count(request)
        return self._is_fetch_hit.get(listing, False)

    def _count(self, request: ReceivedRequest) -> bool:
        key = self._counted(request) if self.counted_per != "fault" else ""
        number = self._matched[key]
        self._matched[key] += 1
        return number >= self.skip and (self.times is None or number < self.skip + self.times)

    def _counted(self, request: ReceivedRequest) -> tuple[str, int]:
        """Return the listing, or its page, as a key that is the same for every fetch."""
        offset = request.query.get("offset", "") if self.counted_per == "page" else ""
        return request.listing, count_records_before(offset)


@dataclass(frozen=True, slots=True, kw_only=True)
class FaultPlan:
    """Lets a fraction of first attempts fail, with each of `kinds` in turn.

    A first attempt is the first request with its method, path and query.
    """

    fraction: float = 0.2
    kinds: tuple[FaultKind, ...] = FIRST_ATTEMPT_KINDS
    hang_seconds: float = 30
    seed: int = 1


def matches(match: Match, request: ReceivedRequest) -> bool:
    """Return whether a request matches.

    A pattern is `*` for every request, or a path template such as `/projects/{project_gid}/sections`. Query parameters
    that follow it, as in `/attachments?parent=123`, must be among those of the request; `/tasks?project={gid}` matches
    any value.
    """
    if not isinstance(match, str):
        return match(request)
    if match == "*":
        return True
    path, _, query = match.partition("?")
    for name, value in parse_qsl(query, keep_blank_values=True):
        if name not in request.query or (not value.startswith("{") and request.query[name] != value):
            return False
    expected, actual = path.strip("/").split("/"), request.path.strip("/").split("/")
    return len(expected) == len(actual) and all(
        segment == other or segment.startswith("{") for segment, other in zip(expected, actual, strict=True)
    )


class Faults:
    """The active faults. Thread-safe: tests add faults while the server is running."""

    def __init__(self, plan: FaultPlan | None = None) -> None:
        self.plan = plan
        self._added: list[Fault] = []
        self._attempted: set[tuple[str, str, tuple[tuple[str, str], ...]]] = set()
        self._planned_hits = 0
        self._lock = threading.Lock()

    def add(self, fault: Fault) -> Fault:
        with self._lock:
            self._added.append(fault)
        return fault

    def clear(self) -> None:
        """Remove all faults, including the plan."""
        with self._lock:
            self._added.clear()
            self.plan = None

    def take(self, request: ReceivedRequest) -> list[Fault]:
        """Return the faults that hit this request, and count them.

        In the order in which they were added, these are any number of faults of the content and at most one that
        replaces the response. Added faults take precedence over the plan.
        """
        hit: list[Fault] = []
        with self._lock:
            for fault in self._added:
                if fault.try_hit(request):
                    hit.append(fault)
                    if not fault.is_content:
                        return hit
            if self.plan is not None and not hit and (planned := self._take_planned(self.plan, request)) is not None:
                hit.append(planned)
        return hit

    def _take_planned(self, plan: FaultPlan, request: ReceivedRequest) -> Fault | None:
        key = (request.method, request.path, tuple(sorted(request.query.items())))
        if key in self._attempted:
            return None
        self._attempted.add(key)
        if _draw(plan.seed, key) >= plan.fraction:
            return None
        kind = plan.kinds[self._planned_hits % len(plan.kinds)]
        self._planned_hits += 1
        return Fault(match="*", kind=kind, hang_seconds=plan.hang_seconds)


def _draw(seed: object, key: object) -> float:
    """Return a number from 0 to 1 that depends only on the arguments."""
    return zlib.crc32(repr((seed, key)).encode()) / 2**32


def _is_above(limit: str, bound: int) -> bool:
    return limit.isdigit() and int(limit) > bound
