"""The ASGI application: who is asking, whether it is too much, what goes wrong, and pages of JSON."""

from __future__ import annotations

import asyncio
import socket
import struct
import sys
import time
from bisect import bisect_right
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from random import Random
from typing import TYPE_CHECKING, Any, Protocol, TypeAlias, cast
from urllib.parse import parse_qsl, urlencode

from asana_assets.sandbox import errors
from asana_assets.sandbox.errors import ApiError, error_body
from asana_assets.sandbox.faults import Fault, Faults, ReceivedRequest
from asana_assets.sandbox.fields import compact_fields, single_fields
from asana_assets.sandbox.limits import Window, retry_after
from asana_assets.sandbox.model import Object
from asana_assets.sandbox.offsets import Offsets
from asana_assets.sandbox.render import Encoder
from asana_assets.sandbox.routes import Counts, Result, Routes, Rows, Unpaged

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterable

    from asana_assets.sandbox.faults import RetryAfter
    from asana_assets.sandbox.organization import Organization

Scope: TypeAlias = "dict[str, Any]"  # as ASGI defines it
Message: TypeAlias = "dict[str, Any]"
Receive: TypeAlias = "Callable[[], Awaitable[Message]]"
Send: TypeAlias = "Callable[[Message], Awaitable[None]]"
Header: TypeAlias = tuple[bytes, bytes]

PREFIX = "/api/1.0"
_PAGE = 100
_UNPAGED = 1000
_HTML = b"<!DOCTYPE html><html><head><title>Asana</title></head><body>We are having trouble.</body></html>"
_FORUM = "https://forum.asana.com/t"
_CHANGES = (
    f"name=new_user_task_lists;info={_FORUM}/103828",
    f"name=cross_workspace_deprecation;info={_FORUM}/1031581",
    f"name=new_goal_memberships;info={_FORUM}/378601;affected=true",
    f"name=teamless_projects;info={_FORUM}/929205",
    f"name=goal_sals_api;info={_FORUM}/1089758",
)
_JSON: Header = (b"content-type", b"application/json; charset=UTF-8")
# Announced deprecations, each twice, as recorded.
_OK_HEADERS: list[Header] = [
    _JSON,
    *((b"asana-change", change.encode()) for change in (*_CHANGES, *_CHANGES)),
    (b"x-asana-api-version", b"1.1"),
]


@dataclass(slots=True, kw_only=True)
class LogEntry:
    """One request. `status` is 0 while it is answered, and if it was cut off before."""

    received: float
    """Seconds on the monotonic clock."""
    method: str
    path: str
    query: dict[str, str]
    token: str
    """Which token, by its place among those of the server; empty if none of them."""
    in_flight: int
    """Requests being answered when this one came, this one too."""
    status: int = 0
    fault: str = ""
    finished: float = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """How the service behaves, whatever the data. Durations in seconds."""

    latency: float = 0
    jitter: float = 0
    """Latencies are spread evenly over latency ± jitter."""
    requests_per_minute: int | None = None
    window_seconds: float = 60
    """What counts as a minute; tests shorten it."""
    search_per_minute: int | None = 60
    search_lag: float = 0
    concurrency: int = 50
    offset_seconds: float = 900
    seed: int = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class _Answer:
    status: int
    body: bytes
    headers: list[Header]


class _Connected(Protocol):
    transport: asyncio.Transport


class _BoundSend(Protocol):
    __self__: _Connected


class Application:
    """Answers as Asana does, and keeps a log of what it was asked."""

    def __init__(self, organization: Organization, tokens: tuple[str, ...], faults: Faults, options: Options) -> None:
        self.organization = organization
        self.options = options
        self.faults = faults
        self.base_url = ""
        self.offsets = Offsets(options.seed, options.offset_seconds)
        self.log: list[LogEntry] = []
        self.windows = {token: Window(options.requests_per_minute, options.window_seconds) for token in tokens}
        self._searches = {token: Window(options.search_per_minute, options.window_seconds) for token in tokens}
        self._in_flight = dict.fromkeys(tokens, 0)
        self._names = {token: f"token {number}" for number, token in enumerate(tokens, 1)}
        self._routes = Routes(organization, options.search_lag)
        self._encoder = Encoder()
        self._latencies = Random(options.seed)  # noqa: S311 - not a secret

    def revoke(self, token: str) -> None:
        """From now on 401."""
        self.windows.pop(token, None)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return
        received = time.monotonic()
        token = _bearer(scope["headers"])
        known = token if token in self.windows else ""
        query = dict(parse_qsl(scope["query_string"].decode("ascii"), keep_blank_values=True))
        if "opt_fields" in query:  # kilobytes, and always the same few: the log keeps one of each
            query["opt_fields"] = sys.intern(query["opt_fields"])
        path: str = scope["path"]
        # Outside the prefix there is nothing: no route begins with a hyphen.
        path = path.removeprefix(PREFIX) if path.startswith(f"{PREFIX}/") else f"/-{path}"
        request = ReceivedRequest(method=scope["method"], path=path, query=query, token=known)
        if known:
            self._in_flight[known] += 1
        entry = LogEntry(
            received=received,
            method=request.method,
            path=request.path,
            query=query,
            token=self._names[known] if known else "",
            in_flight=self._in_flight[known] if known else 0,
        )
        self.log.append(entry)
        try:
            await self._serve(request, entry, receive, send)
        finally:
            if known:
                self._in_flight[known] -= 1
            entry.finished = time.monotonic()

    async def _serve(self, request: ReceivedRequest, entry: LogEntry, receive: Receive, send: Send) -> None:
        try:
            self._admit(request, entry)
        except ApiError as error:
            await _reply(send, entry, self._refusal(error))
            return
        fault = self.faults.find(request)
        if fault is not None:
            entry.fault = str(fault.kind)
        if self.options.latency > 0:
            spread = self._latencies.uniform(-self.options.jitter, self.options.jitter)
            await asyncio.sleep(max(0, self.options.latency + spread))
        if fault is None:
            await _reply(send, entry, self._answer(request))
        elif fault.kind == "hang":
            await _until_gone(receive, fault.hang_seconds)
            await _reply(send, entry, self._error(504, errors.MESSAGES[504]))
        elif fault.kind == "disconnect":
            _reset(send)
        elif fault.kind == "reset":
            answer = self._answer(request)
            await _start(send, answer)
            half = answer.body[: len(answer.body) // 2]
            await send({"type": "http.response.body", "body": half, "more_body": True})
            _reset(send)
        else:
            await _reply(send, entry, self._spoiled(fault, request))

    def _admit(self, request: ReceivedRequest, entry: LogEntry) -> None:
        if not request.token:
            raise ApiError(401, errors.NOT_AUTHORIZED)
        wait = self.windows[request.token].admit(entry.received)
        if wait > 0:
            raise ApiError(429, errors.RATE_LIMITED, wait_seconds=retry_after(wait))
        if entry.in_flight > self.options.concurrency:
            longest = self.options.latency + self.options.jitter
            raise ApiError(429, errors.RATE_LIMITED, wait_seconds=retry_after(longest))
        if request.path.endswith("/tasks/search"):
            wait = self._searches[request.token].admit(entry.received)
            if wait > 0:
                raise ApiError(429, errors.RATE_LIMITED, wait_seconds=retry_after(wait))

    # -- answers

    def _answer(self, request: ReceivedRequest) -> _Answer:
        if request.method != "GET":
            return self._error(404, errors.NO_ROUTE)
        try:
            with self.organization.lock:
                body = self._body(request, self._routes.answer(request.path, request.query))
        except ApiError as error:
            return self._refusal(error)
        return _Answer(status=200, body=body, headers=_OK_HEADERS)

    def _body(self, request: ReceivedRequest, result: Result) -> bytes:
        if isinstance(result, Object):
            fields = request.query.get("opt_fields") or single_fields(result.kind)
            return b'{"data":%b}' % self._encode([result], fields)[0]
        if isinstance(result, Counts):
            return self._encoder.encode({"data": result.numbers})
        fields = request.query.get("opt_fields") or compact_fields(result.kind)
        if isinstance(result, Unpaged):
            return b'{"data":[%b]}' % b",".join(self._encode(result.objects, fields))
        return self._page(request, result, fields)

    def _encode(self, objects: Iterable[Object], fields: str) -> list[bytes]:
        return self._encoder.records(objects, fields, self.organization.revision)

    def _page(self, request: ReceivedRequest, rows: Rows, fields: str) -> bytes:
        query, listing = request.query, rows.listing
        limit = _limit(query)
        name = f"{request.path}?{urlencode(sorted(_filters(query).items()))}"
        now = time.time()
        start = 0
        if query.get("offset"):
            start = bisect_right(listing.ranks, self.offsets.read(query["offset"], name, now))
        page: list[Object] = []
        end, count = start, len(listing.objects)
        most = _UNPAGED if limit is None else limit
        more = False
        while end < count:
            found = listing.objects[end]
            if rows.keep is None or rows.keep(found):
                if len(page) == most:
                    more = True
                    break
                page.append(found)
            end += 1
        data = b",".join(self._encode(page, fields))
        if limit is None:
            if more:
                raise ApiError(400, errors.TOO_LARGE)
            return b'{"data":[%b]}' % data
        if not more:
            return b'{"data":[%b],"next_page":null}' % data
        offset = self.offsets.issue(listing.ranks[end - 1], name, now)
        path = f"{request.path}?{urlencode({**query, 'offset': offset})}"
        following = self._encoder.encode({"offset": offset, "path": path, "uri": f"{self.base_url}{path}"})
        return b'{"data":[%b],"next_page":%b}' % (data, following)

    # -- what goes wrong

    def _refusal(self, error: ApiError) -> _Answer:
        return self._error(error.status, error.message, error.wait_seconds)

    def _error(self, status: int, message: str, wait: RetryAfter = None) -> _Answer:
        headers = [_JSON, *_retry_after(wait)]
        return _Answer(status=status, body=self._encoder.encode(error_body(status, message)), headers=headers)

    def _spoiled(self, fault: Fault, request: ReceivedRequest) -> _Answer:
        kind = fault.kind
        if isinstance(kind, int):
            message = fault.message or errors.MESSAGES.get(kind, "Error")
            refused = self._error(kind, message, fault.retry_after)
            return refused if fault.body is None else replace(refused, body=self._encoder.encode(fault.body))
        if kind == "expired_offset":
            return self._error(400, errors.EXPIRED)
        answer = self._answer(request)
        if kind == "garbage":
            return replace(answer, body=_HTML, headers=[(b"content-type", b"text/html")])
        if kind == "repeated_offset":
            asked = request.query["offset"]
            page = self._encoder.encode({"offset": asked, "path": request.path, "uri": request.path})
            data = answer.body.rpartition(b',"next_page":')[0]
            return replace(answer, body=b'%b,"next_page":%b}' % (data, page))
        kept = 0 if kind == "empty" else len(answer.body) // 2
        return replace(answer, body=answer.body[:kept])


def _bearer(headers: Iterable[Header]) -> str:
    for name, value in headers:
        if name == b"authorization":
            scheme, _, token = value.decode("latin-1").partition(" ")
            return token.strip() if scheme.lower() == "bearer" else ""
    return ""


def _limit(query: dict[str, str]) -> int | None:
    if "limit" not in query:
        return None
    text = query["limit"]
    if not text.isdigit() or not 1 <= int(text) <= _PAGE:
        raise ApiError(400, "limit: Must be between 1 and 100")
    return int(text)


def _filters(query: dict[str, str]) -> dict[str, str]:
    """What makes it this listing: all but paging and rendering."""
    return {name: value for name, value in query.items() if name not in {"limit", "offset"} and name[:4] != "opt_"}


def _retry_after(wait: RetryAfter) -> list[Header]:
    if wait is None:
        return []
    if isinstance(wait, timedelta):
        wait = format_datetime(datetime.now(UTC) + wait, usegmt=True)
    return [(b"retry-after", str(wait).encode())]


async def _start(send: Send, answer: _Answer) -> None:
    length = (b"content-length", b"%d" % len(answer.body))
    await send({"type": "http.response.start", "status": answer.status, "headers": [*answer.headers, length]})


async def _reply(send: Send, entry: LogEntry, answer: _Answer) -> None:
    entry.status = answer.status
    await _start(send, answer)
    await send({"type": "http.response.body", "body": answer.body})


async def _until_gone(receive: Receive, seconds: float) -> None:
    """Wait until the client hangs up, at most so long."""

    async def gone() -> None:
        while (await receive())["type"] != "http.disconnect":
            pass

    try:
        await asyncio.wait_for(gone(), seconds)
    except TimeoutError:
        return


def _reset(send: Send) -> None:
    """Cut the connection so that the client sees a reset. ASGI has no word for it; uvicorn's `send` knows the way."""
    transport = cast("_BoundSend", send).__self__.transport
    connection = cast("socket.socket | None", transport.get_extra_info("socket"))
    if connection is not None:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    transport.abort()
