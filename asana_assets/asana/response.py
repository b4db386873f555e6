"""What an answer of Asana means: pure functions from status, headers and body to a result or an error.

Asana wraps what it gives in `{"data": …, "next_page": …}` and what it refuses in `{"errors": [{"message": …}]}`
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


class NextPage(msgspec.Struct):
    """Where a listing goes on."""

    offset: str


class ListEnvelope(msgspec.Struct):
    """One page. The records stay as they were sent."""

    data: list[msgspec.Raw]
    next_page: NextPage | None = None


class RecordEnvelope(msgspec.Struct):
    """One object."""

    data: msgspec.Raw


class _ErrorDetail(msgspec.Struct):
    message: str = ""


class _ErrorEnvelope(msgspec.Struct):
    errors: list[_ErrorDetail] = msgspec.field(default_factory=list[_ErrorDetail])


LIST_DECODER = msgspec.json.Decoder(ListEnvelope)
RECORD_DECODER = msgspec.json.Decoder(RecordEnvelope)
_ERROR_DECODER = msgspec.json.Decoder(_ErrorEnvelope)

Envelope = TypeVar("Envelope", ListEnvelope, RecordEnvelope)


class RetryableError(Exception):
    """This attempt failed; the next may not.

    Attributes:
        reason: A clause that follows "because".
        limited: Whether it was 429: the token asks too much.
        retry_after: Seconds that Asana asks to wait, or 0.
    """

    def __init__(self, reason: str, *, limited: bool = False, retry_after: float = 0.0) -> None:
        self.reason = reason
        self.limited = limited
        self.retry_after = retry_after
        super().__init__(reason)


class MalformedResponseError(RetryableError):
    """A 200 whose body is not what Asana sends: cut short, empty, or somebody else's."""


def parse_response(
    *, status: int, headers: Mapping[str, str], body: bytes, template: str, decoder: "msgspec.json.Decoder[Envelope]"
) -> Envelope:
    """Give what was asked for.

    Raises:
        RetryableError: it may be sent again.
        PermanentError: the answer is final.
    """
    if status in TRANSIENT_STATUSES:
        limited = status == HTTPStatus.TOO_MANY_REQUESTS
        retry_after = parse_retry_after(headers.get("Retry-After"), now=dt.datetime.now(dt.UTC)) if limited else 0.0
        raise RetryableError(f"Asana answered {status}", limited=limited, retry_after=retry_after)
    if status != HTTPStatus.OK:
        raise permanent_error(status=status, template=template, reason=_error_message(body))
    try:
        body.decode()  # the records are left as they came, so msgspec does not look whether they are UTF-8
        return decoder.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError):
        raise MalformedResponseError("the answer was cut short, empty, or not Asana's") from None


def parse_retry_after(retry_after: str | None, *, now: dt.datetime) -> float:
    """Read `Retry-After`, seconds or an HTTP date, rounded up so that waiting is enough; 0 if there is none."""
    value = (retry_after or "").strip()
    try:
        if re.fullmatch(r"\d+(\.\d*)?", value):
            return float(ceil(float(value)))
        at = parsedate_to_datetime(value)
    except (ValueError, OverflowError):
        return 0.0
    return max(0.0, float(ceil((at.replace(tzinfo=at.tzinfo or dt.UTC) - now).total_seconds())))


def deprecation_notices(headers: Mapping[str, str]) -> list[str]:
    """Give what Asana announces: `name=…;info=…` with `;affected=true` where this very request is concerned.

    See https://developers.asana.com/docs/deprecations. The header comes several times; requests joins it with commas.
    """
    announced = headers.get("Asana-Change", "")
    return [part.strip() for part in re.split(r",\s*(?=name=)", announced) if part.strip()]


def _error_message(body: bytes) -> str:
    try:
        return "; ".join(filter(None, (complaint.message for complaint in _ERROR_DECODER.decode(body).errors)))
    except (msgspec.DecodeError, UnicodeDecodeError):
        return ""
