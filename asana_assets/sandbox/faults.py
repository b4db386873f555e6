"""Failures to order: a plan that strikes first attempts at random, and single faults aimed at a request.

What is decided here is which fault a request meets; the server makes it happen.
"""

from __future__ import annotations

import threading
import zlib
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import timedelta
from typing import TYPE_CHECKING, Literal, TypeAlias
from urllib.parse import parse_qsl

if TYPE_CHECKING:
    from asana_assets.sandbox.model import JSON

FaultKind: TypeAlias = (
    int | Literal["reset", "disconnect", "truncated", "empty", "garbage", "hang", "repeated_offset", "expired_offset"]
)
"""An HTTP status, or: a reset in the middle of the body; a reset before any answer; JSON cut short under a correct
length; a 200 without a body; a 200 that is an HTML page; no answer for `hang_seconds`; a page whose next offset is the
one it was asked with; an offset that has expired."""

RetryAfter: TypeAlias = float | str | timedelta | None
"""Seconds; the header as it is; an HTTP date that far ahead; or no header."""

FIRST_ATTEMPT_KINDS: tuple[FaultKind, ...] = (500, 502, 503, 504, 429, "reset", "truncated", "empty", "garbage", "hang")


@dataclass(frozen=True, slots=True, kw_only=True)
class ReceivedRequest:
    """What the client asked, without the prefix of the API."""

    method: str
    path: str
    query: dict[str, str]
    token: str


Match: TypeAlias = "str | Callable[[ReceivedRequest], bool]"


@dataclass(slots=True, kw_only=True)
class Fault:
    """One order. `hits` counts how often it struck; `cancel` ends it."""

    match: Match
    kind: FaultKind
    times: int | None = None
    """How often it strikes; None for ever."""
    skip: int = 0
    """How many matching requests pass before."""
    retry_after: RetryAfter = None
    message: str | None = None
    """Instead of Asana's usual sentence for the status."""
    body: JSON = None
    """Instead of the errors envelope."""
    hang_seconds: float = 30
    hits: int = field(default=0, init=False)

    def cancel(self) -> None:
        self.times = 0

    def strikes(self, request: ReceivedRequest) -> bool:
        if self.times is not None and self.hits >= self.times:
            return False
        if self.kind in {"repeated_offset", "expired_offset"} and "offset" not in request.query:
            return False
        if not matches(self.match, request):
            return False
        if self.skip > 0:
            self.skip -= 1
            return False
        self.hits += 1
        return True


@dataclass(frozen=True, slots=True, kw_only=True)
class FaultPlan:
    """A fraction of first attempts (by method, path and query) fails, one kind after the other."""

    fraction: float = 0.2
    kinds: tuple[FaultKind, ...] = FIRST_ATTEMPT_KINDS
    hang_seconds: float = 30
    seed: int = 1


def matches(match: Match, request: ReceivedRequest) -> bool:
    """Whether a request is meant.

    A text is a path template, `/projects/{project_gid}/sections`, with any number of query parameters that must be
    there, `/attachments?parent=123`; `*` is every request.
    """
    if not isinstance(match, str):
        return match(request)
    if match == "*":
        return True
    path, _, query = match.partition("?")
    if any(request.query.get(name) != value for name, value in parse_qsl(query, keep_blank_values=True)):
        return False
    wanted, found = path.strip("/").split("/"), request.path.strip("/").split("/")
    return len(wanted) == len(found) and all(
        one == other or one.startswith("{") for one, other in zip(wanted, found, strict=True)
    )


class Faults:
    """All orders in force. Thread-safe: tests order while the server answers."""

    def __init__(self, plan: FaultPlan | None = None) -> None:
        self.plan = plan
        self._ordered: list[Fault] = []
        self._seen: set[tuple[str, str, tuple[tuple[str, str], ...]]] = set()
        self._struck = 0
        self._lock = threading.Lock()

    def order(self, fault: Fault) -> Fault:
        with self._lock:
            self._ordered.append(fault)
        return fault

    def clear(self) -> None:
        """No more faults: neither those ordered nor the plan."""
        with self._lock:
            self._ordered.clear()
            self.plan = None

    def find(self, request: ReceivedRequest) -> Fault | None:
        """The fault that a request meets. Orders come before the plan."""
        with self._lock:
            for fault in self._ordered:
                if fault.strikes(request):
                    return fault
            return self._planned(request) if self.plan is not None else None

    def _planned(self, request: ReceivedRequest) -> Fault | None:
        plan = self.plan
        key = (request.method, request.path, tuple(sorted(request.query.items())))
        if plan is None or key in self._seen:
            return None
        self._seen.add(key)
        if zlib.crc32(repr((plan.seed, key)).encode()) / 2**32 >= plan.fraction:
            return None
        kind = plan.kinds[self._struck % len(plan.kinds)]
        self._struck += 1
        return Fault(match="*", kind=kind, hang_seconds=plan.hang_seconds)
