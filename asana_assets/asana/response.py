"""Response parsing: pure functions from status, headers and body to a result or an error.

Asana wraps results in `{"data": …, "next_page": …}` and errors in `{"errors": [{"message": …}]}`
(https://developers.asana.com/docs/errors).
"""

import datetime as dt
import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from email.utils import parsedate_to_datetime
from http import HTTPStatus
from math import ceil
from typing import Annotated, Final, Generic, TypeVar
from urllib.parse import urlsplit

import msgspec

from asana_assets.asana.errors import REDIRECTS, permanent_error
from asana_assets.asana.text_repair import repair_text

_TRANSIENT_CLIENT_ERRORS: Final = frozenset({HTTPStatus.REQUEST_TIMEOUT, HTTPStatus.TOO_MANY_REQUESTS})


class NextPage(msgspec.Struct):
    """Pagination token of the next page."""

    offset: Annotated[str, msgspec.Meta(min_length=1)]


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


@dataclass(frozen=True, slots=True, kw_only=True)
class ParsedResponse(Generic[Envelope]):
    """A successful response.

    Attributes:
        envelope: The decoded body, with records as raw JSON.
        body: The body as sent or, if `repairs` is not 0, with valid text.
        repairs: Number of strings whose text was repaired.
    """

    envelope: Envelope
    body: bytes
    repairs: int = 0


class RetryableError(Exception):
    """A failed attempt that may be retried.

    Attributes:
        reason: What failed, as a clause for the message of the final error.
        rate_limited: Whether the status was 429.
        overloaded: Whether the server took too long or failed (a timeout or a 5xx), so that a smaller page may succeed.
        retry_after: Seconds to wait according to `Retry-After`, 0 without it.
    """

    def __init__(
        self, reason: str, *, rate_limited: bool = False, overloaded: bool = False, retry_after: float = 0.0
    ) -> None:
        self.reason = reason
        self.rate_limited = rate_limited
        self.overloaded = overloaded
        self.retry_after = retry_after
        super().__init__(reason)


class MalformedResponseError(RetryableError):
    """A 2xx without a complete body of Asana's: truncated, empty, partial, or such as a proxy's login page."""


def is_final(status: int) -> bool:
    """Return whether sending the request again would not help.

    Redirects and client errors are final. Every other status but 200 is transient: 408, 429, every 5xx (proxies add
    some of their own, such as 520 to 530, 598 and 599), other 2xx, and those that HTTP does not define.
    """
    return HTTPStatus.MULTIPLE_CHOICES <= status < HTTPStatus.INTERNAL_SERVER_ERROR and (
        status not in _TRANSIENT_CLIENT_ERRORS
    )


def parse_response(
    *,
    status: int,
    headers: Mapping[str, str],
    body: bytes,
    template: str,
    decoder: "msgspec.json.Decoder[Envelope]",
    retry_after: float = 0.0,
) -> ParsedResponse[Envelope]:
    """Decode a successful response.

    Raises:
        RetryableError: The request may be sent again, after `retry_after` seconds.
        PermanentError: Sending the request again would not help.
    """
    if status == HTTPStatus.OK:
        if parsed := _decode(body, decoder) or _decode_repaired(body, decoder):
            return parsed
        description = _describe_malformed(body, decoder)
        raise MalformedResponseError(f"Asana returned 200 with {description}", retry_after=retry_after)
    if is_final(status):
        reason = _redirect_reason(headers.get("Location")) if status in REDIRECTS else _error_message(body)
        raise permanent_error(status=status, template=template, reason=reason)
    if HTTPStatus.OK < status < HTTPStatus.MULTIPLE_CHOICES:
        description = "" if _decode(body, decoder) else f", with {_describe_malformed(body, decoder)}"
        raise MalformedResponseError(f"Asana returned {status} instead of 200{description}", retry_after=retry_after)
    raise RetryableError(
        f"Asana returned {status}",
        rate_limited=status == HTTPStatus.TOO_MANY_REQUESTS,
        overloaded=status == HTTPStatus.REQUEST_TIMEOUT or status >= HTTPStatus.INTERNAL_SERVER_ERROR,
        retry_after=retry_after,
    )


def parse_retry_after(value: str | None, *, now: dt.datetime) -> float:
    """Return the seconds to wait for a `Retry-After` header, 0 if it is missing or invalid.

    Seconds and HTTP dates are both rounded up, so that waiting is sufficient.
    """
    stripped = (value or "").strip()
    if not stripped:
        return 0.0
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


def _decode(body: bytes, decoder: "msgspec.json.Decoder[Envelope]") -> ParsedResponse[Envelope] | None:
    try:
        body.decode()  # msgspec does not validate the UTF-8 of raw records
        envelope = decoder.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return None
    if isinstance(envelope, RecordEnvelope) and not bytes(envelope.data).startswith(b"{"):
        return None
    return ParsedResponse(envelope=envelope, body=body)


def _decode_repaired(body: bytes, decoder: "msgspec.json.Decoder[Envelope]") -> ParsedResponse[Envelope] | None:
    repaired, repairs = repair_text(body)
    parsed = _decode(repaired, decoder) if repaired != body else None
    return replace(parsed, repairs=repairs) if parsed else None


def _describe_malformed(body: bytes, decoder: "msgspec.json.Decoder[Envelope]") -> str:
    """Describe a body that cannot be decoded, as a noun phrase that quotes nothing but Asana's own error message."""
    start = body[:1024].lstrip().lower()
    if not start:
        return "an empty body"
    if start.startswith(b"<"):
        return "an HTML page" if b"<html" in start or b"<!doctype html" in start else "an XML document"
    try:
        decoded = msgspec.json.decode(repair_text(body)[0])
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        if not start.startswith((b"{", b"[")):
            return "text that is not JSON"
        return "truncated JSON" if "truncated" in str(error) else "invalid JSON"
    message = _error_message(body)
    return f"an error instead of data: {message}" if message else _describe_shape(decoded, decoder)


def _describe_shape(decoded: object, decoder: "msgspec.json.Decoder[Envelope]") -> str:
    if decoder.type is RecordEnvelope:
        return "JSON that has no `data` object"
    match decoded:
        case {"data": list()}:
            return "a `next_page` that has no `offset`"
        case _:
            return "JSON that has no `data` list"


def _redirect_reason(location: str | None) -> str:
    """Describe a redirect by its target host; the rest of the URL may hold secrets."""
    target = "an unknown host"
    try:
        parsed = urlsplit((location or "").strip())
        host = (parsed.hostname or "") + (f":{parsed.port}" if parsed.port else "")
        if re.fullmatch(r"[a-z0-9._:-]+", host):
            target = host
        elif parsed.path.startswith("/") and not parsed.netloc:
            target = "another path"
    except ValueError:
        pass
    return f"a redirect to {target}; check ASANA_BASE_URL"


def _error_message(body: bytes) -> str:
    try:
        return "; ".join(filter(None, (detail.message for detail in _ERROR_DECODER.decode(body).errors)))
    except (msgspec.DecodeError, UnicodeDecodeError):
        return ""
