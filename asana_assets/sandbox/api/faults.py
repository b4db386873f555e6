"""Everything the sandbox can do wrong: which requests a fault hits, and what it does to the response.

A fault is added for particular requests (`Sandbox.add_fault`), or a `FaultPlan` picks first attempts at random. A new
kind of misbehavior is added here only: its name to `FaultKind`, a function to `_EFFECTS`.
"""

from __future__ import annotations

import threading
import zlib
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Literal, TypeAlias, cast
from urllib.parse import parse_qsl

import msgspec

from asana_assets.sandbox.api import errors
from asana_assets.sandbox.api.delivery import Delivery
from asana_assets.sandbox.api.request import ReceivedRequest
from asana_assets.sandbox.api.responses import error_response

if TYPE_CHECKING:
    from asana_assets.sandbox.api.responses import Response, RetryAfter
    from asana_assets.sandbox.data.model import JSON

FaultKind: TypeAlias = (
    int | Literal["reset", "disconnect", "truncated", "empty", "garbage", "hang", "repeated_offset", "expired_offset"]
)
"""What happens to the response.

- An HTTP status: an error response.
- `reset`: the connection is reset in the middle of the body.
- `disconnect`: the connection is reset before the response.
- `truncated`: 200 with the first half of the JSON and a matching `Content-Length`.
- `empty`: 200 without a body.
- `garbage`: 200 with an HTML page.
- `hang`: no response for `hang_seconds`, then 504.
- `repeated_offset`: a page whose next offset is the requested one. Hits only requests with an offset.
- `expired_offset`: 400, the offset has expired. Hits only requests with an offset.
"""

FIRST_ATTEMPT_KINDS: tuple[FaultKind, ...] = (500, 502, 503, 504, 429, "reset", "truncated", "empty", "garbage", "hang")
"""Transient faults: the default kinds of a `FaultPlan`."""

Match: TypeAlias = "str | Callable[[ReceivedRequest], bool]"
"""The requests that a fault hits: a predicate, or a pattern as for `matches`."""

Respond: TypeAlias = "Callable[[], Response]"
"""Builds the correct response."""

_NEEDS_OFFSET = frozenset({"repeated_offset", "expired_offset"})
_HTML = b"<!DOCTYPE html><html><head><title>Asana</title></head><body>We are having trouble.</body></html>"


@dataclass(slots=True, kw_only=True)
class Fault:
    """A fault for the requests that match.

    Attributes:
        times: How many requests it hits; None for all.
        skip: How many matching requests pass before the first hit.
        retry_after: The `Retry-After` header of an error response.
        message: Replaces the default message of the status.
        body: Replaces the error envelope.
        hang_seconds: Duration of a `hang`.
        hits: How many requests it has hit so far.
    """

    match: Match
    kind: FaultKind
    times: int | None = None
    skip: int = 0
    retry_after: RetryAfter = None
    message: str | None = None
    body: JSON = None
    hang_seconds: float = 30
    hits: int = field(default=0, init=False)

    def cancel(self) -> None:
        """Stop hitting requests."""
        self.times = 0

    def try_hit(self, request: ReceivedRequest) -> bool:
        """Return whether the fault hits this request, and count it."""
        if self.times is not None and self.hits >= self.times:
            return False
        if self.kind in _NEEDS_OFFSET and "offset" not in request.query:
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
    that follow it, as in `/attachments?parent=123`, must be among those of the request.
    """
    if not isinstance(match, str):
        return match(request)
    if match == "*":
        return True
    path, _, query = match.partition("?")
    if any(request.query.get(name) != value for name, value in parse_qsl(query, keep_blank_values=True)):
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

    def take(self, request: ReceivedRequest) -> Fault | None:
        """Return the fault that hits this request, and count it. Added faults take precedence over the plan."""
        with self._lock:
            for fault in self._added:
                if fault.try_hit(request):
                    return fault
            return self._take_planned(request) if self.plan is not None else None

    def _take_planned(self, request: ReceivedRequest) -> Fault | None:
        plan = self.plan
        key = (request.method, request.path, tuple(sorted(request.query.items())))
        if plan is None or key in self._attempted:
            return None
        self._attempted.add(key)
        if zlib.crc32(repr((plan.seed, key)).encode()) / 2**32 >= plan.fraction:
            return None
        kind = plan.kinds[self._planned_hits % len(plan.kinds)]
        self._planned_hits += 1
        return Fault(match="*", kind=kind, hang_seconds=plan.hang_seconds)


def apply_fault(fault: Fault, request: ReceivedRequest, respond: Respond) -> Delivery:
    """Return what is sent instead of the correct response."""
    effect = _error_status if isinstance(fault.kind, int) else _EFFECTS[fault.kind]
    return effect(fault, request, respond)


def _error_status(fault: Fault, _request: ReceivedRequest, _respond: Respond) -> Delivery:
    status = cast("int", fault.kind)
    message = fault.message or errors.DEFAULT_MESSAGES.get(status, "Error")
    response = error_response(status, message, fault.retry_after)
    if fault.body is not None:
        response = replace(response, body=msgspec.json.encode(fault.body))
    return Delivery(response=response)


def _reset(_fault: Fault, _request: ReceivedRequest, respond: Respond) -> Delivery:
    response = respond()
    return Delivery(response=response, reset_after_bytes=len(response.body) // 2)


def _disconnect(_fault: Fault, _request: ReceivedRequest, _respond: Respond) -> Delivery:
    return Delivery(response=None)


def _truncated(_fault: Fault, _request: ReceivedRequest, respond: Respond) -> Delivery:
    response = respond()
    return Delivery(response=replace(response, body=response.body[: len(response.body) // 2]))


def _empty(_fault: Fault, _request: ReceivedRequest, respond: Respond) -> Delivery:
    return Delivery(response=replace(respond(), body=b""))


def _garbage(_fault: Fault, _request: ReceivedRequest, respond: Respond) -> Delivery:
    return Delivery(response=replace(respond(), body=_HTML, headers=[(b"content-type", b"text/html")]))


def _hang(fault: Fault, _request: ReceivedRequest, _respond: Respond) -> Delivery:
    return Delivery(response=error_response(504, errors.DEFAULT_MESSAGES[504]), hang_seconds=fault.hang_seconds)


def _repeated_offset(_fault: Fault, request: ReceivedRequest, respond: Respond) -> Delivery:
    response, offset = respond(), request.query["offset"]
    next_page = msgspec.json.encode({"offset": offset, "path": request.path, "uri": request.path})
    data = response.body.rpartition(b',"next_page":')[0]
    return Delivery(response=replace(response, body=b'%b,"next_page":%b}' % (data, next_page)))


def _expired_offset(_fault: Fault, _request: ReceivedRequest, _respond: Respond) -> Delivery:
    return Delivery(response=error_response(400, errors.OFFSET_EXPIRED))


_EFFECTS: dict[str, Callable[[Fault, ReceivedRequest, Respond], Delivery]] = {
    "reset": _reset,
    "disconnect": _disconnect,
    "truncated": _truncated,
    "empty": _empty,
    "garbage": _garbage,
    "hang": _hang,
    "repeated_offset": _repeated_offset,
    "expired_offset": _expired_offset,
}
