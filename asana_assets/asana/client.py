"""API client: rate limiting, retries and paging on top of a transport.

Knows Asana's paging and errors, but no endpoint. Pages are returned as the bytes that Asana sent; decoding their
records is up to the caller.
"""

import datetime as dt
import logging
import threading
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from http import HTTPStatus
from typing import Generic, Self

import msgspec

from asana_assets.asana.errors import (
    CancelledError,
    PermanentError,
    TransientError,
    UnauthorizedError,
)
from asana_assets.asana.paging import ListingProgress, PageOutcome, PageSizer, page_outcome
from asana_assets.asana.request import ApiRequest, Page
from asana_assets.asana.request_stats import RequestStats
from asana_assets.asana.response import (
    LIST_DECODER,
    RECORD_DECODER,
    Envelope,
    ParsedResponse,
    RetryableError,
    deprecation_notices,
    parse_response,
    parse_retry_after,
)
from asana_assets.asana.retry_policy import RetryPolicy
from asana_assets.asana.server_clock import ACCURACY, ServerClock
from asana_assets.asana.throttle import Throttle, WaitTooLongError
from asana_assets.asana.transport import Transport

log = logging.getLogger(__name__)


class Client:
    """Fetches listings and records. Thread-safe."""

    def __init__(self, *, transport: Transport, throttle: Throttle, retry: RetryPolicy | None = None) -> None:
        self._transport = transport
        self._throttle = throttle
        self._retry = retry or RetryPolicy()
        self._server_clock = ServerClock()
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

    @property
    def clock_skew(self) -> dt.timedelta:
        """Asana's time minus local time, accurate to about a second; zero until it is known."""
        return self._server_clock.skew

    def iter_pages(
        self, request: ApiRequest, *, opt_fields: str, stats: RequestStats, stop: threading.Event
    ) -> Iterator[Page]:
        """Yield the pages of a listing, each fetched when it is consumed; of a single record, a page of one.

        Pages that the server cannot produce are requested with a smaller `limit`, unless the request has its own.

        The listing restarts if its offset is refused: records may then repeat, but none is missed.

        Raises:
            TransientError: The retry budget of a page is spent.
            PermanentError: A page was rejected; the subclasses are listed in `errors`.
            TruncatedListingError: The rest of the listing is refused, after the pages that were yielded.
            ContractError: The listing never ends.
            CancelledError: `stop` was set.
        """
        if request.single:
            yield self.get_record(request, opt_fields=opt_fields, stats=stats, stop=stop)
            return
        if not request.paged:
            yield self._get_unpaged(request, opt_fields=opt_fields, stats=stats, stop=stop)
            return
        params = {"opt_fields": opt_fields, "limit": "", **request.params}
        page_size = PageSizer(request.template, fixed=request.params.get("limit"))
        progress = ListingProgress(request.template, ends_empty=request.ends_empty)
        while True:
            try:
                fetched = self._get_with_retries(request, params, LIST_DECODER, stats, stop, page_size=page_size)
            except PermanentError as error:
                if "offset" not in params:
                    raise
                progress.restart(error)
                page_size.stop_growth()
                del params["offset"]
                continue
            page = fetched.parsed
            yield Page(
                body=page.body,
                count=len(page.envelope.data),
                requested_at=fetched.requested_at,
                limit=fetched.limit,
                repairs=page.repairs,
            )
            offset = progress.next_offset(page.envelope)
            if offset is None:
                return
            params["offset"] = offset

    def get_record(self, request: ApiRequest, *, opt_fields: str, stats: RequestStats, stop: threading.Event) -> Page:
        """Fetch one record, as a page of one.

        Raises:
            TransientError: The retry budget is spent.
            PermanentError: The request was rejected; the subclasses are listed in `errors`.
            CancelledError: `stop` was set.
        """
        params = {**request.params, "opt_fields": opt_fields}
        fetched = self._get_with_retries(request, params, RECORD_DECODER, stats, stop)
        record = fetched.parsed
        return Page(
            body=b'{"data":[%b]}' % bytes(record.envelope.data),
            count=1,
            requested_at=fetched.requested_at,
            limit=1,
            repairs=record.repairs,
        )

    def _get_unpaged(self, request: ApiRequest, *, opt_fields: str, stats: RequestStats, stop: threading.Event) -> Page:
        params = {"opt_fields": opt_fields, **request.params}
        fetched = self._get_with_retries(request, params, LIST_DECODER, stats, stop)
        page = fetched.parsed
        count = len(page.envelope.data)
        return Page(
            body=page.body, count=count, requested_at=fetched.requested_at, limit=count + 1, repairs=page.repairs
        )

    def _get_with_retries(
        self,
        request: ApiRequest,
        params: Mapping[str, str],
        decoder: "msgspec.json.Decoder[Envelope]",
        stats: RequestStats,
        stop: threading.Event,
        *,
        page_size: PageSizer | None = None,
    ) -> "_Fetched[Envelope]":
        failures = attempts = 0
        give_up_at = float("inf")
        while True:
            limit = page_size.limit if page_size else 1
            with self._in_flight:
                sent_at = self._acquire_slot(request, stats, stop, is_retry=failures > 0)
                rate_is_low = self._throttle.rate_is_low
                requested_at = dt.datetime.now(dt.UTC)
                try:
                    attempt = params if page_size is None else {**params, "limit": str(limit)}
                    parsed = self._send_once(request, attempt, decoder, stats, requested_at)
                except RetryableError as error:
                    failure = error
                else:
                    self._throttle.on_success()
                    if page_size:
                        page_size.record(PageOutcome.SUCCESS)
                    return _Fetched(parsed=parsed, requested_at=requested_at, limit=limit)
            if failure.rate_limited:
                self._throttle.on_rate_limited(sent_at, failure.retry_after)
            if page_size and (outcome := page_outcome(failure, rate_is_low=rate_is_low)):
                page_size.record(outcome)
            if failure.overloaded:  # the server accepted the request, so no setting is likely to be wrong
                self._has_response = True
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
        sent_at: dt.datetime,
    ) -> "ParsedResponse[Envelope]":
        response = self._transport.get(request.path, params)
        received_at = dt.datetime.now(dt.UTC)
        self._server_clock.record(response.headers.get("Date"), sent_at=sent_at, received_at=received_at)
        stats.record_deprecations(deprecation_notices(response.headers))
        retry_after = 0.0
        if "Retry-After" in response.headers:
            server_time = received_at + self.clock_skew - ACCURACY  # early, so that waiting is sufficient
            retry_after = parse_retry_after(response.headers["Retry-After"], now=server_time)
        if retry_after and response.status != HTTPStatus.TOO_MANY_REQUESTS:  # a 429 also cuts the rate
            self._throttle.pause(retry_after)
        if response.status != HTTPStatus.OK:
            self._has_response = True
        if response.token_replaced:
            raise RetryableError("the token was replaced")
        try:
            parsed = parse_response(
                status=response.status,
                headers=response.headers,
                body=response.body,
                template=request.template,
                decoder=decoder,
                retry_after=retry_after,
            )
        except UnauthorizedError as error:
            self._unauthorized = error  # no other request is sent with this token
            raise
        self._has_response = True  # a 200 counts only if it is Asana's: it may be a proxy's
        return parsed


@dataclass(frozen=True, slots=True, kw_only=True)
class _Fetched(Generic[Envelope]):
    parsed: ParsedResponse[Envelope]
    requested_at: dt.datetime
    limit: int
