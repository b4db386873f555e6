"""The client: sends one request at the token's pace, reads the answer, sends again what may be sent again.

It knows Asana's paging and errors, and no endpoint. A page leaves it as the bytes that Asana sent: what the records
mean is for the caller. Safe for use by many threads.
"""

import datetime as dt
import logging
import random
import re
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Final, Self
from urllib.parse import quote, urlencode

import msgspec
import requests
from requests.adapters import HTTPAdapter
from requests.auth import AuthBase
from urllib3.exceptions import HTTPError, LocationParseError, ReadTimeoutError
from urllib3.util import parse_url

from asana_assets.asana.errors import (
    CancelledError,
    ConfigurationError,
    ContractError,
    OffsetExpiredError,
    TransientError,
    UnauthorizedError,
)
from asana_assets.asana.response import (
    LIST_DECODER,
    RECORD_DECODER,
    Envelope,
    RetryableError,
    deprecation_notices,
    parse_response,
)
from asana_assets.asana.throttle import Throttle, WaitTooLongError

log = logging.getLogger(__name__)

PAGE_SIZE: Final = 100
"""The most that Asana gives at once (https://developers.asana.com/docs/pagination)."""

MAX_IN_FLIGHT: Final = 50
"""The most that Asana lets one token have on the way (https://developers.asana.com/docs/rate-limits)."""

_MAX_RESTARTS = 5
"""How often a listing may begin anew because its page token expired."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ApiRequest:
    """A GET. `template` is its path, and its name in messages; `values` fill the braces."""

    template: str
    values: Mapping[str, str] = field(default_factory=dict[str, str])
    params: Mapping[str, str] = field(default_factory=dict[str, str])

    @property
    def path(self) -> str:
        return self.template.format_map(self.values)


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    """Records that came with one answer.

    Attributes:
        body: JSON with the records as a list under `data`.
        count: How many.
        asked_at: When they were asked for (UTC): each record is at least as fresh.
    """

    body: bytes
    count: int
    requested_at: dt.datetime


@dataclass(slots=True)
class RequestStats:
    """What some work cost; the threads that do it share one.

    Attributes:
        requests: Sent, those that failed included.
        retries: Of these, the ones that were sent again.
        waited_seconds: Spent waiting for a turn, summed over threads.
        changes: What Asana announced meanwhile; see `deprecation_notices`.
    """

    requests: int = 0
    retries: int = 0
    throttle_wait_seconds: float = 0.0
    deprecation_notices: set[str] = field(default_factory=set[str])
    _lock: threading.Lock = field(default_factory=threading.Lock, repr=False)

    def record_request(self, *, again: bool, waited_seconds: float) -> None:
        with self._lock:
            self.requests += 1
            self.retries += again
            self.throttle_wait_seconds += waited_seconds

    def record_deprecations(self, changes: list[str]) -> None:
        if not self.deprecation_notices.issuperset(changes):
            with self._lock:
                self.deprecation_notices.update(changes)


@dataclass(frozen=True, slots=True, kw_only=True)
class RetryPolicy:
    """How long one request is worth trying.

    Waits grow as 1, 2, 4, … seconds with full jitter (any part of it), so that threads do not come back together. A
    wait that Asana asks for by `Retry-After` costs seconds, not attempts.

    Attributes:
        attempts: Times it is sent, at most.
        first_attempts: The same as long as nothing was ever answered: then a setting is wrong, more likely.
        seconds: From the first failure until giving up.
        longest: The longest wait between two attempts, in seconds.
    """

    max_attempts: int = 8
    attempts_before_first_response: int = 3
    budget_seconds: float = 900.0
    max_backoff_seconds: float = 60.0

    def backoff(self, failures: int) -> float:
        """Give the seconds to wait after so many failures (starts at 1)."""
        return random.uniform(0, min(self.max_backoff_seconds, 2.0 ** (failures - 1)))  # noqa: S311 # jitter, no secret


class Client:
    """Reads Asana with one token."""

    def __init__(
        self,
        *,
        base_url: str,
        token: str,
        throttle: Throttle,
        max_in_flight: int = 40,
        connect_seconds: float = 10.0,
        read_timeout_seconds: float = 60.0,
        retry: RetryPolicy | None = None,
        refresh_token: Callable[[], str] | None = None,
    ) -> None:
        """Sends nothing yet. `renew` gives the token anew: it is asked once Asana turned a token down.

        Raises:
            ConfigurationError: a setting cannot be used.
        """
        if not 1 <= max_in_flight <= MAX_IN_FLIGHT:
            raise ConfigurationError(f"ASANA_MAX_IN_FLIGHT is {max_in_flight}, but must be from 1 to {MAX_IN_FLIGHT}")
        self.max_in_flight = max_in_flight
        self._base_url = _checked_url(base_url)
        self._throttle = throttle
        self._timeout = (connect_seconds, read_timeout_seconds)
        self._retry = retry or RetryPolicy()
        self._in_flight = threading.BoundedSemaphore(max_in_flight)
        self._session = requests.Session()
        self._session.headers.update({"User-Agent": "asana_assets", "Accept": "application/json"})
        for scheme in ("https://", "http://"):
            self._session.mount(scheme, HTTPAdapter(pool_connections=1, pool_maxsize=max_in_flight))
        # What no request changes is worked out once: it costs as much as the rest of a request. The environment has
        # its say here, on proxies and certificates.
        self._prepared = self._prepare(token)
        self._settings = self._session.merge_environment_settings(self._base_url, {}, True, None, None)  # noqa: FBT003 # stream
        self._renew = refresh_token
        self._renewing = threading.Lock()
        self._answered = False
        self._unauthorized: UnauthorizedError | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._session.close()
        self._throttle.pacer.close()

    @property
    def rate(self) -> float:
        """Requests per second, at present."""
        return self._throttle.rate

    def iter_pages(
        self, request: ApiRequest, *, opt_fields: str, usage: RequestStats, stop: threading.Event
    ) -> Iterator[Page]:
        """Read a listing to its end, page by page.

        A page token that expired on the way restarts the listing: records may come twice, none is left out.

        Raises:
            TransientError: the retry budget was spent.
            PermanentError: the answer is final; its kinds are in `errors`.
            ContractError: a page token came a second time.
            StoppedError: `stop` was set.
        """
        params = {"opt_fields": opt_fields, "limit": str(PAGE_SIZE), **request.params}
        offsets: set[str] = set()
        restarts = 0
        while True:
            try:
                body, page, asked_at = self._get_with_retries(request, params, LIST_DECODER, usage, stop)
            except OffsetExpiredError:
                if "offset" not in params or restarts == _MAX_RESTARTS:
                    raise
                log.info("A page token of GET %s expired; that listing starts again", request.template)
                restarts += 1
                offsets.clear()
                del params["offset"]
                continue
            yield Page(body=body, count=len(page.data), requested_at=asked_at)
            if page.next_page is None:
                return
            offset = page.next_page.offset
            if offset in offsets:
                raise ContractError(f"GET {request.template} gave one page token twice: its listing has no end")
            offsets.add(offset)
            params["offset"] = offset

    def get_record(self, request: ApiRequest, *, opt_fields: str, usage: RequestStats, stop: threading.Event) -> Page:
        """Read one object, as a page of one.

        Raises:
            TransientError, PermanentError, StoppedError: as `pages`.
        """
        _, record, asked_at = self._get_with_retries(
            request, {**request.params, "opt_fields": opt_fields}, RECORD_DECODER, usage, stop
        )
        return Page(body=b'{"data":[%b]}' % bytes(record.data), count=1, requested_at=asked_at)

    def _get_with_retries(
        self,
        request: ApiRequest,
        params: Mapping[str, str],
        decoder: "msgspec.json.Decoder[Envelope]",
        usage: RequestStats,
        stop: threading.Event,
    ) -> "tuple[bytes, Envelope, dt.datetime]":
        """Give the body, what it says, and when it was asked for (UTC)."""
        failures = attempts = 0
        give_up_at = float("inf")
        while True:
            with self._in_flight:
                began = time.monotonic()
                try:
                    sent_at = self._throttle.acquire(stop, longest=self._retry.budget_seconds)
                except WaitTooLongError as error:
                    reason = f"Asana asks to wait {error.seconds:.0f} s"
                    raise TransientError(f"GET {request.template} was not sent: {reason}") from None
                if self._unauthorized:  # Asana turned the token down: nothing more is sent with it
                    raise self._unauthorized
                if sent_at is None:
                    raise CancelledError(f"GET {request.template} was not sent: stopped")
                usage.record_request(again=failures > 0, waited_seconds=time.monotonic() - began)
                asked_at = dt.datetime.now(dt.UTC)
                try:
                    body, content = self._send_with_token_refresh(request, params, decoder, usage)
                except RetryableError as error:
                    failure = error
                else:
                    self._throttle.on_success()
                    return body, content, asked_at
            if failure.limited:
                self._throttle.on_rate_limited(sent_at, failure.retry_after)
            failures += 1
            attempts += not failure.retry_after
            now = time.monotonic()
            give_up_at = min(give_up_at, now + self._retry.budget_seconds)
            wait = failure.retry_after or self._retry.backoff(failures)
            allowed = (
                self._retry.max_attempts
                if self._answered
                else min(self._retry.max_attempts, self._retry.attempts_before_first_response)
            )
            if attempts >= allowed or now + wait > give_up_at:
                asks = f" and asks to wait {failure.retry_after:.0f} s" if failure.retry_after else ""
                times = "once" if failures == 1 else f"{failures} times"
                raise TransientError(f"GET {request.template} failed {times}: {failure.reason}{asks}")
            log.debug("GET %s: %s; again in %.1f s", request.template, failure.reason, wait)
            # A wait that Asana asked for is the whole token's: the throttle sees to it.
            if not failure.retry_after and stop.wait(wait):
                raise CancelledError(f"GET {request.template} was not sent again: stopped")

    def _send_with_token_refresh(
        self,
        request: ApiRequest,
        params: Mapping[str, str],
        decoder: "msgspec.json.Decoder[Envelope]",
        usage: RequestStats,
    ) -> "tuple[bytes, Envelope]":
        prepared = self._prepared
        try:
            return self._send_once(prepared.copy(), request, params, decoder, usage)
        except UnauthorizedError as error:
            if self._renewed(prepared):
                raise RetryableError("the token was replaced") from None
            self._unauthorized = error
            raise

    def _prepare(self, token: str) -> requests.PreparedRequest:
        auth = _Bearer(_checked_token(token))
        return self._session.prepare_request(requests.Request("GET", self._base_url, auth=auth))

    def _renewed(self, turned_down: requests.PreparedRequest) -> bool:
        """Say whether there is another token than the one that Asana turned down, as after a rotation."""
        with self._renewing:
            if self._prepared is turned_down and self._renew:
                try:
                    renewed = self._prepare(self._renew())
                except ConfigurationError:
                    log.warning("Asana turned the token down, and it cannot be read again")
                    return False
                if renewed.headers != turned_down.headers:
                    log.info("Asana turned the token down; going on with the one that was put in its place")
                    self._prepared = renewed
            return self._prepared is not turned_down

    def _send_once(
        self,
        prepared: requests.PreparedRequest,
        request: ApiRequest,
        params: Mapping[str, str],
        decoder: "msgspec.json.Decoder[Envelope]",
        usage: RequestStats,
    ) -> "tuple[bytes, Envelope]":
        prepared.url = f"{self._base_url}{quote(request.path)}?{urlencode(params, safe=',')}"
        try:
            with self._session.send(
                prepared,
                timeout=self._timeout,
                allow_redirects=False,  # the API has none; the token goes nowhere else
                **self._settings,
            ) as response:
                body = _read(response, time.monotonic() + self._timeout[1])
        except (requests.RequestException, HTTPError) as error:
            raise RetryableError(_describe(error)) from None
        usage.record_deprecations(deprecation_notices(response.headers))
        if response.status_code != HTTPStatus.OK:
            self._answered = True
        content = parse_response(
            status=response.status_code,
            headers=response.headers,
            body=body,
            template=request.template,
            decoder=decoder,
        )
        self._answered = True
        return body, content


class _Bearer(AuthBase):
    """Sets the header at the last moment; without it, requests would prefer a netrc file's."""

    def __init__(self, token: str) -> None:
        self._token = token

    def __call__(self, r: requests.PreparedRequest) -> requests.PreparedRequest:
        r.headers["Authorization"] = f"Bearer {self._token}"
        return r


def _read(response: requests.Response, deadline: float) -> bytes:
    """Read the body, but not past `deadline`: a byte now and then must not hold a thread for ever."""
    chunks: list[bytes] = []
    # What there is, at once: `iter_content` would wait for a chunk to be full, however long that takes.
    while chunk := response.raw.read1(1 << 18, decode_content=True):
        chunks.append(chunk)
        if time.monotonic() > deadline:
            raise requests.ReadTimeout
    return b"".join(chunks)


_WORDS: Final[tuple[tuple[type[Exception], str], ...]] = (
    (requests.Timeout, "it was not answered in time"),
    (requests.exceptions.SSLError, "the TLS certificate was not accepted"),
    (requests.exceptions.ProxyError, "the proxy did not let it through"),
    (requests.ConnectionError, "no connection"),
    # While the body is read, urllib3 speaks for itself.
    (ReadTimeoutError, "it was not answered in time"),
    (HTTPError, "the answer broke off"),
)


def _describe(error: Exception) -> str:
    """Say what happened, without the URL that requests quotes."""
    return next((words for kind, words in _WORDS if isinstance(error, kind)), type(error).__name__)


def _checked_url(url: str) -> str:
    try:
        parsed = parse_url(url)
    except LocationParseError:
        parsed = parse_url("")
    if parsed.scheme not in {"http", "https"} or not parsed.host:
        raise ConfigurationError(f"ASANA_BASE_URL is not an http or https address: {url!r}")
    return url.rstrip("/")


def _checked_token(token: str) -> str:
    if not re.fullmatch(r"[\x21-\x7e]+", token.strip()):
        raise ConfigurationError(
            "the access token (ASANA_ACCESS_TOKEN, or the secret that ASANA_TOKEN_SECRET_ID names) is empty or has "
            "characters that no token has"
        )
    return token.strip()
