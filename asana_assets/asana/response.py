"""Response parsing: pure functions from status, headers and body to a result or an error.

Asana wraps results in `{"data": …, "next_page": …}` and errors in `{"errors": [{"message": …}]}`
(https://developers.asana.com/docs/errors).
"""

import datetime as dt
import re
from collections.abc import Mapping
from email.utils import parsedate_to_datetime
from http import HTTPStatus
from math import ceil
from typing import Final, TypeVar

import msgspec

from asana_assets.asana.errors import permanent_error

TRANSIENT_STATUSES: Final = frozenset({429, 500, 502, 503, 504})
"""Statuses that may be retried."""


class NextPage(msgspec.Struct):
    """Pagination token of the next page."""

    offset: str


class ListEnvelope(msgspec.Struct):
    """One page of a listing, with records as raw JSON."""

    data: list[msgspec.Raw]
    next_page: NextPage | None = None


class RecordEnvelope(msgspec.Struct):
    """One record, as raw JSON."""

    data: msgspec.Raw


class _ErrorDetail(msgspec.Struct):
    message: str = ""


class _ErrorEnvelope(msgspec.Struct):
    errors: list[_ErrorDetail] = msgspec.field(default_factory=list[_ErrorDetail])


LIST_DECODER = msgspec.json.Decoder(ListEnvelope)
"""Decoder for a listing's page."""

RECORD_DECODER = msgspec.json.Decoder(RecordEnvelope)
"""Decoder for a single record."""

_ERROR_DECODER = msgspec.json.Decoder(_ErrorEnvelope)

Envelope = TypeVar("Envelope", ListEnvelope, RecordEnvelope)


class RetryableError(Exception):
    """A failed attempt that may be retried.

    Attributes:
        reason: What failed, as a clause for the message of the final error.
        rate_limited: Whether the status was 429.
        retry_after: Seconds to wait according to `Retry-After`, 0 without it.
    """

    def __init__(self, reason: str, *, rate_limited: bool = False, retry_after: float = 0.0) -> None:
        self.reason = reason
        self.rate_limited = rate_limited
        self.retry_after = retry_after
        super().__init__(reason)


class MalformedResponseError(RetryableError):
    """A 200 with a truncated, empty or non-Asana body, such as a proxy's login page."""


def parse_response(
    *, status: int, headers: Mapping[str, str], body: bytes, template: str, decoder: "msgspec.json.Decoder[Envelope]"
) -> Envelope:
    """Decode a successful response.

    Raises:
        RetryableError: The request may be sent again.
        PermanentError: Sending the request again would not help.
    """
    if status in TRANSIENT_STATUSES:
        rate_limited = status == HTTPStatus.TOO_MANY_REQUESTS
        retry_after = (
            parse_retry_after(headers.get("Retry-After"), now=dt.datetime.now(dt.UTC)) if rate_limited else 0.0
        )
        raise RetryableError(f"Asana returned {status}", rate_limited=rate_limited, retry_after=retry_after)
    if status != HTTPStatus.OK:
        raise permanent_error(status=status, template=template, reason=_error_message(body))
    try:
        body.decode()  # msgspec does not validate the UTF-8 of raw records
        return decoder.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError):
        raise MalformedResponseError("the response body is truncated, empty or not Asana's") from None


def parse_retry_after(value: str | None, *, now: dt.datetime) -> float:
    """Return the seconds to wait for a `Retry-After` header, 0 if it is missing or invalid.

    Seconds and HTTP dates are both rounded up, so that waiting is sufficient.
    """
    stripped = (value or "").strip()
    try:
        if re.fullmatch(r"\d+(\.\d*)?", stripped):
            return float(ceil(float(stripped)))
        retry_at = parsedate_to_datetime(stripped)
    except (ValueError, OverflowError):
        return 0.0
    return max(0.0, float(ceil((retry_at.replace(tzinfo=retry_at.tzinfo or dt.UTC) - now).total_seconds())))


def deprecation_notices(headers: Mapping[str, str]) -> list[str]:
    """Return the API changes that Asana announces in `Asana-Change` headers.

    Each is `name=…;info=…`, with `;affected=true` if it affects this request
    (https://developers.asana.com/docs/deprecations). Several headers arrive joined by commas.
    """
    value = headers.get("Asana-Change", "")
    return [notice.strip() for notice in re.split(r",\s*(?=name=)", value) if notice.strip()]


def _error_message(body: bytes) -> str:
    try:
        return "; ".join(filter(None, (detail.message for detail in _ERROR_DECODER.decode(body).errors)))
    except (msgspec.DecodeError, UnicodeDecodeError):
        return ""
