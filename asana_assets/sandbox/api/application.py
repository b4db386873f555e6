"""The ASGI application: authentication, limits, latency, faults, and a log of every request."""

from __future__ import annotations

import asyncio
import sys
import time
from dataclasses import dataclass
from random import Random
from typing import TYPE_CHECKING
from urllib.parse import parse_qsl

import msgspec

from asana_assets.sandbox.api import errors
from asana_assets.sandbox.api.delivery import Delivery, send_response, wait_for_disconnect
from asana_assets.sandbox.api.errors import ApiError
from asana_assets.sandbox.api.fault_effects import apply_faults
from asana_assets.sandbox.api.faults import Faults
from asana_assets.sandbox.api.fields import compact_fields, single_fields
from asana_assets.sandbox.api.limits import Window, retry_after
from asana_assets.sandbox.api.offsets import Offsets
from asana_assets.sandbox.api.paging import build_page
from asana_assets.sandbox.api.render import Encoder
from asana_assets.sandbox.api.request import ReceivedRequest
from asana_assets.sandbox.api.responses import error_response, http_date, ok_response
from asana_assets.sandbox.api.routes import dispatch
from asana_assets.sandbox.api.routes.lookup import Lookup
from asana_assets.sandbox.api.routes.results import Counts, UnpagedListing
from asana_assets.sandbox.data.model import Object

if TYPE_CHECKING:
    from collections.abc import Iterable

    from asana_assets.sandbox.api.delivery import Receive, Scope, Send
    from asana_assets.sandbox.api.responses import Header, Response
    from asana_assets.sandbox.api.routes.results import Result
    from asana_assets.sandbox.data.organization import Organization

PREFIX = "/api/1.0"


@dataclass(slots=True, kw_only=True)
class LogEntry:
    """One request.

    Attributes:
        received: When it was received, in seconds on the monotonic clock.
        path: Without the API's prefix.
        token: `token 1` for the server's first token, and so on; empty for any other.
        in_flight: How many requests of this token were being processed when it was received, including itself.
        status: Of the response; 0 before it is sent, and if the connection was reset instead.
        fault: Kind of the fault that hit it, or kinds joined by `+`; empty if none did.
        finished: When it was finished, as `received`; 0 before.
    """

    received: float
    method: str
    path: str
    query: dict[str, str]
    token: str
    in_flight: int
    status: int = 0
    fault: str = ""
    finished: float = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """Behavior of the service. All durations are in seconds.

    Attributes:
        latency: Mean time before a response; uniformly distributed within ± `jitter`.
        requests_per_minute: Rate limit of each token; None is unlimited.
        window_seconds: Length of the rate limits' window; tests shorten it.
        search_per_minute: Separate rate limit of each token for searches; None is unlimited.
        search_lag: How long the search index takes to notice a change.
        max_concurrent_requests: Limit of each token; more are rejected with 429.
        offset_lifetime_seconds: How long an offset is valid.
        seed: Determines the latencies.
    """

    latency: float = 0
    jitter: float = 0
    requests_per_minute: int | None = None
    window_seconds: float = 60
    search_per_minute: int | None = 60
    search_lag: float = 0
    max_concurrent_requests: int = 50
    offset_lifetime_seconds: float = 900
    seed: int = 1


class Application:
    """Responds as Asana does, except where a fault hits, and logs every request."""

    def __init__(self, organization: Organization, tokens: tuple[str, ...], faults: Faults, options: Options) -> None:
        self.organization = organization
        self.options = options
        self.faults = faults
        self.base_url = ""
        self.offsets = Offsets(options.seed, options.offset_lifetime_seconds)
        self.log: list[LogEntry] = []
        self.windows = {token: Window(options.requests_per_minute, options.window_seconds) for token in tokens}
        self._search_windows = {token: Window(options.search_per_minute, options.window_seconds) for token in tokens}
        self._in_flight = dict.fromkeys(tokens, 0)
        self._token_names = {token: f"token {number}" for number, token in enumerate(tokens, 1)}
        self._lookup = Lookup(organization, options.search_lag)
        self._encoder = Encoder()
        self._date: tuple[int, Header] = (0, (b"date", b""))
        self._latencies = Random(options.seed)  # noqa: S311 - not a secret

    def revoke_token(self, token: str) -> None:
        """Reject the token with 401 from now on."""
        self.windows.pop(token, None)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return
        received = time.monotonic()
        token = _bearer_token(scope["headers"])
        known = token if token in self.windows else ""
        query = dict(parse_qsl(scope["query_string"].decode("ascii"), keep_blank_values=True))
        if "opt_fields" in query:  # kilobytes, but few different ones: the log shares them
            query["opt_fields"] = sys.intern(query["opt_fields"])
        path: str = scope["path"]
        # No route starts with a hyphen, so that every path outside the prefix is not found.
        path = path.removeprefix(PREFIX) if path.startswith(f"{PREFIX}/") else f"/-{path}"
        request = ReceivedRequest(method=scope["method"], path=path, query=query, token=known)
        if known:
            self._in_flight[known] += 1
        entry = LogEntry(
            received=received,
            method=request.method,
            path=request.path,
            query=query,
            token=self._token_names[known] if known else "",
            in_flight=self._in_flight[known] if known else 0,
        )
        self.log.append(entry)
        try:
            delivery = await self._process(request, entry)
            if delivery.hang_seconds > 0:
                await wait_for_disconnect(receive, delivery.hang_seconds)
            entry.status = delivery.status  # before sending: clients read the log as soon as they have the response
            await send_response(delivery, send, self._date_header())
        finally:
            if known:
                self._in_flight[known] -= 1
            entry.finished = time.monotonic()

    async def _process(self, request: ReceivedRequest, entry: LogEntry) -> Delivery:
        try:
            self._admit(request, entry)
        except ApiError as error:
            return Delivery(response=_to_response(error))
        faults = self.faults.take(request)
        if faults:
            entry.fault = "+".join(str(fault.kind) for fault in faults)
        if self.options.latency > 0:
            deviation = self._latencies.uniform(-self.options.jitter, self.options.jitter)
            await asyncio.sleep(max(0, self.options.latency + deviation))
        if faults:
            return apply_faults(faults, request, self._respond, self.organization.server_time())
        return Delivery(response=self._respond(request))

    def _admit(self, request: ReceivedRequest, entry: LogEntry) -> None:
        """Raise `ApiError` if the token is invalid (401) or exceeds a limit (429)."""
        if not request.token:
            raise ApiError(401, errors.NOT_AUTHORIZED)
        wait = self.windows[request.token].admit(entry.received)
        if wait > 0:
            raise ApiError(429, errors.RATE_LIMITED, wait_seconds=retry_after(wait))
        if entry.in_flight > self.options.max_concurrent_requests:
            longest = self.options.latency + self.options.jitter
            raise ApiError(429, errors.RATE_LIMITED, wait_seconds=retry_after(longest))
        if request.path.endswith("/tasks/search"):
            wait = self._search_windows[request.token].admit(entry.received)
            if wait > 0:
                raise ApiError(429, errors.RATE_LIMITED, wait_seconds=retry_after(wait))

    def _respond(self, request: ReceivedRequest) -> Response:
        if request.method != "GET":
            return error_response(404, errors.NO_MATCHING_ROUTE)
        try:
            with self.organization.lock:
                return ok_response(self._build_body(request, dispatch(self._lookup, request.path, request.query)))
        except ApiError as error:
            return _to_response(error)

    def _date_header(self) -> Header:
        """Return the header `Date`, which is built once per second."""
        second = int(self.organization.server_time())
        if second != self._date[0]:
            self._date = (second, (b"date", http_date(second).encode()))
        return self._date[1]

    def _build_body(self, request: ReceivedRequest, result: Result) -> bytes:
        if isinstance(result, Counts):
            return msgspec.json.encode({"data": result.numbers})
        opt_fields = request.query.get("opt_fields")
        if isinstance(result, Object):
            return b'{"data":%b}' % self._encode([result], opt_fields or single_fields(result.kind))[0]
        fields = opt_fields or compact_fields(result.kind)
        if isinstance(result, UnpagedListing):
            return b'{"data":[%b]}' % b",".join(self._encode(result.objects, fields))
        return build_page(
            request,
            result,
            offsets=self.offsets,
            base_url=self.base_url,
            encode=lambda objects: self._encode(objects, fields),
        )

    def _encode(self, objects: Iterable[Object], opt_fields: str) -> list[bytes]:
        return self._encoder.encode_records(objects, opt_fields, self.organization.revision)


def _to_response(error: ApiError) -> Response:
    return error_response(error.status, error.message, error.wait_seconds)


def _bearer_token(headers: Iterable[Header]) -> str:
    """Return the token of the Authorization header; empty if there is none."""
    for name, value in headers:
        if name == b"authorization":
            scheme, _, token = value.decode("latin-1").partition(" ")
            return token.strip() if scheme.lower() == "bearer" else ""
    return ""
