"""API client: rate limiting, retries and paging on top of a transport.

Knows Asana's paging and errors, but no endpoint. Pages are returned as the bytes that Asana sent; decoding their
records is up to the caller.
"""

import datetime as dt
import logging
import random
import threading
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Final, Self

import msgspec

from asana_assets.asana.errors import (
    CancelledError,
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
from asana_assets.asana.transport import Transport

log = logging.getLogger(__name__)

PAGE_SIZE: Final = 100
"""Asana's maximum page size (https://developers.asana.com/docs/pagination)."""

_MAX_RESTARTS = 5  # of one listing whose offsets expire


@dataclass(frozen=True, slots=True, kw_only=True)
class ApiRequest:
    """A GET request.

    Attributes:
        template: Path template below the base URL; messages show it instead of the path.
        values: Values of the template's placeholders.
        params: Query parameters.
    """

    template: str
    values: Mapping[str, str] = field(default_factory=dict[str, str])
    params: Mapping[str, str] = field(default_factory=dict[str, str])

    @property
    def path(self) -> str:
        """The path with its placeholders filled."""
        return self.template.format_map(self.values)


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    """The records of one response.

    Attributes:
        body: JSON object with the list of records under `data`.
        count: Number of records.
        requested_at: When the request was sent (UTC); the records are at least as fresh.
    """

    body: bytes
    count: int
    requested_at: dt.datetime


@dataclass(slots=True)
class RequestStats:
    """Counters for a piece of work, shared by its threads.

    Attributes:
        requests: Requests sent, including failed ones.
        retries: The part of `requests` that repeated a failed request.
        throttle_wait_seconds: Time spent waiting for request slots, summed over threads.
        deprecation_notices: API changes that Asana announced in response headers.
    """

    requests: int = 0
    retries: int = 0
    throttle_wait_seconds: float = 0.0
    deprecation_notices: set[str] = field(default_factory=set[str])
    _lock: threading.Lock = field(default_factory=threading.Lock, repr=False)

    def record_request(self, *, is_retry: bool, throttle_wait_seconds: float) -> None:
        with self._lock:
            self.requests += 1
            self.retries += is_retry
            self.throttle_wait_seconds += throttle_wait_seconds

    def record_deprecations(self, notices: list[str]) -> None:
        if not self.deprecation_notices.issuperset(notices):
            with self._lock:
                self.deprecation_notices.update(notices)


@dataclass(frozen=True, slots=True, kw_only=True)
class RetryPolicy:
    """Limits on the retries of one request.

    The backoff is exponential (1, 2, 4, … seconds) with full jitter, so that threads do not retry in lockstep. A wait
    that `Retry-After` demands counts towards the seconds, not the attempts.

    Attributes:
        max_attempts: Maximum number of attempts.
        attempts_before_first_response: Maximum number of attempts until the client has received its first response;
            without any response, a wrong setting is likely.
        budget_seconds: Time from the first failure until the request is given up.
        max_backoff_seconds: Maximum backoff between two attempts.
    """

    max_attempts: int = 8
    attempts_before_first_response: int = 3
    budget_seconds: float = 900.0
    max_backoff_seconds: float = 60.0

    def backoff(self, failures: int) -> float:
        """Return the seconds to wait after this number of failures, at least 1."""
        return random.uniform(0, min(self.max_backoff_seconds, 2.0 ** (failures - 1)))  # noqa: S311 - jitter, not a secret


class Client:
    """Fetches listings and records. Thread-safe."""

    def __init__(self, *, transport: Transport, throttle: Throttle, retry: RetryPolicy | None = None) -> None:
        self._transport = transport
        self._throttle = throttle
        self._retry = retry or RetryPolicy()
        self._in_flight = threading.BoundedSemaphore(transport.max_in_flight)
        self._has_response = False
        self._unauthorized: UnauthorizedError | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._transport.close()
        self._throttle.pacer.close()

    @property
    def max_in_flight(self) -> int:
        """Maximum number of concurrent requests."""
        return self._transport.max_in_flight

    @property
    def rate(self) -> float:
        """Current rate, in requests per second."""
        return self._throttle.rate

    def iter_pages(
        self, request: ApiRequest, *, opt_fields: str, stats: RequestStats, stop: threading.Event
    ) -> Iterator[Page]:
        """Yield the pages of a listing, each fetched when it is consumed.

        The listing restarts if its offset expires: records may then repeat, but none is missed.

        Raises:
            TransientError: The retry budget of a page is spent.
            PermanentError: A page was rejected; the subclasses are listed in `errors`.
            ContractError: An offset was repeated.
            CancelledError: `stop` was set.
        """
        params = {"opt_fields": opt_fields, "limit": str(PAGE_SIZE), **request.params}
        offsets: set[str] = set()
        restarts = 0
        while True:
            try:
                body, page, requested_at = self._get_with_retries(request, params, LIST_DECODER, stats, stop)
            except OffsetExpiredError:
                if "offset" not in params or restarts == _MAX_RESTARTS:
                    raise
                log.info("GET %s: the offset expired; restarting the listing", request.template)
                restarts += 1
                offsets.clear()
                del params["offset"]
                continue
            yield Page(body=body, count=len(page.data), requested_at=requested_at)
            if page.next_page is None:
                return
            offset = page.next_page.offset
            if offset in offsets:
                raise ContractError(f"GET {request.template} returned the same offset twice; its pages form a loop")
            offsets.add(offset)
            params["offset"] = offset

    def get_record(self, request: ApiRequest, *, opt_fields: str, stats: RequestStats, stop: threading.Event) -> Page:
        """Fetch one record, as a page of one.

        Raises:
            TransientError: The retry budget is spent.
            PermanentError: The request was rejected; the subclasses are listed in `errors`.
            CancelledError: `stop` was set.
        """
        params = {**request.params, "opt_fields": opt_fields}
        _, record, requested_at = self._get_with_retries(request, params, RECORD_DECODER, stats, stop)
        return Page(body=b'{"data":[%b]}' % bytes(record.data), count=1, requested_at=requested_at)

    def _get_with_retries(
        self,
        request: ApiRequest,
        params: Mapping[str, str],
        decoder: "msgspec.json.Decoder[Envelope]",
        stats: RequestStats,
        stop: threading.Event,
    ) -> "tuple[bytes, Envelope, dt.datetime]":
        """Return the body, its decoded envelope, and when the request was sent (UTC)."""
        failures = attempts = 0
        give_up_at = float("inf")
        while True:
            with self._in_flight:
                sent_at = self._acquire_slot(request, stats, stop, is_retry=failures > 0)
                requested_at = dt.datetime.now(dt.UTC)
                try:
                    body, envelope = self._send_once(request, params, decoder, stats)
                except RetryableError as error:
                    failure = error
                else:
                    self._throttle.on_success()
                    return body, envelope, requested_at
            if failure.rate_limited:
                self._throttle.on_rate_limited(sent_at, failure.retry_after)
            failures += 1
            attempts += not failure.retry_after
            now = time.monotonic()
            give_up_at = min(give_up_at, now + self._retry.budget_seconds)
            wait = failure.retry_after or self._retry.backoff(failures)
            if attempts >= self._max_attempts or now + wait > give_up_at:
                times = "once" if failures == 1 else f"{failures} times"
                delay = f" with a Retry-After of {failure.retry_after:.0f} s" if failure.retry_after else ""
                raise TransientError(f"GET {request.template} failed {times}: {failure.reason}{delay}")
            log.debug("GET %s: %s; retrying in %.1f s", request.template, failure.reason, wait)
            # `Retry-After` applies to the whole token: the throttle's next slot is behind the pause.
            if not failure.retry_after and stop.wait(wait):
                raise CancelledError(f"GET {request.template} was not retried: cancelled")

    @property
    def _max_attempts(self) -> int:
        if self._has_response:
            return self._retry.max_attempts
        return min(self._retry.max_attempts, self._retry.attempts_before_first_response)

    def _acquire_slot(
        self, request: ApiRequest, stats: RequestStats, stop: threading.Event, *, is_retry: bool
    ) -> float:
        """Wait for a request slot and return when it started, by the throttle's clock."""
        started_at = time.monotonic()
        try:
            sent_at = self._throttle.acquire(stop, max_wait_seconds=self._retry.budget_seconds)
        except WaitTooLongError as error:
            raise TransientError(f"GET {request.template} was not sent: {error}") from None
        if self._unauthorized:  # another thread's 401 while this one waited
            raise self._unauthorized
        if sent_at is None:
            raise CancelledError(f"GET {request.template} was not sent: cancelled")
        stats.record_request(is_retry=is_retry, throttle_wait_seconds=time.monotonic() - started_at)
        return sent_at

    def _send_once(
        self,
        request: ApiRequest,
        params: Mapping[str, str],
        decoder: "msgspec.json.Decoder[Envelope]",
        stats: RequestStats,
    ) -> "tuple[bytes, Envelope]":
        response = self._transport.get(request.path, params)
        stats.record_deprecations(deprecation_notices(response.headers))
        if response.status != HTTPStatus.OK:
            self._has_response = True
        if response.token_replaced:
            raise RetryableError("the token was replaced")
        try:
            envelope = parse_response(
                status=response.status,
                headers=response.headers,
                body=response.body,
                template=request.template,
                decoder=decoder,
            )
        except UnauthorizedError as error:
            self._unauthorized = error  # no other request is sent with this token
            raise
        self._has_response = True  # a 200 counts only if it is Asana's: it may be a proxy's
        return response.body, envelope
