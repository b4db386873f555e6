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

from asana_assets.asana.errors import permanent

TRANSIENT_STATUSES: Final = frozenset({429, 500, 502, 503, 504})


class NextPage(msgspec.Struct):
    """Where a listing goes on."""

    offset: str


class Listing(msgspec.Struct):
    """One page. The records stay as they were sent."""

    data: list[msgspec.Raw]
    next_page: NextPage | None = None


class Record(msgspec.Struct):
    """One object."""

    data: msgspec.Raw


class _Complaint(msgspec.Struct):
    message: str = ""


class _Complaints(msgspec.Struct):
    errors: list[_Complaint] = msgspec.field(default_factory=list[_Complaint])


LISTING = msgspec.json.Decoder(Listing)
RECORD = msgspec.json.Decoder(Record)
_COMPLAINTS = msgspec.json.Decoder(_Complaints)

Content = TypeVar("Content", Listing, Record)


class TryAgainError(Exception):
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


class NotAsanaError(TryAgainError):
    """A 200 whose body is not what Asana sends: cut short, empty, or somebody else's."""


def read(
    *, status: int, headers: Mapping[str, str], body: bytes, template: str, decoder: "msgspec.json.Decoder[Content]"
) -> Content:
    """Give what was asked for.

    Raises:
        TryAgainError: it may be sent again.
        PermanentError: the answer is final.
    """
    if status in TRANSIENT_STATUSES:
        limited = status == HTTPStatus.TOO_MANY_REQUESTS
        retry_after = seconds_to_wait(headers.get("Retry-After"), now=dt.datetime.now(dt.UTC)) if limited else 0.0
        raise TryAgainError(f"Asana answered {status}", limited=limited, retry_after=retry_after)
    if status != HTTPStatus.OK:
        raise permanent(status=status, template=template, reason=_complaint(body))
    try:
        body.decode()  # the records are left as they came, so msgspec does not look whether they are UTF-8
        return decoder.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError):
        raise NotAsanaError("the answer was cut short, empty, or not Asana's") from None


def seconds_to_wait(retry_after: str | None, *, now: dt.datetime) -> float:
    """Read `Retry-After`, seconds or an HTTP date, rounded up so that waiting is enough; 0 if there is none."""
    value = (retry_after or "").strip()
    try:
        if re.fullmatch(r"\d+(\.\d*)?", value):
            return float(ceil(float(value)))
        at = parsedate_to_datetime(value)
    except (ValueError, OverflowError):
        return 0.0
    return max(0.0, float(ceil((at.replace(tzinfo=at.tzinfo or dt.UTC) - now).total_seconds())))


def changes(headers: Mapping[str, str]) -> list[str]:
    """Give what Asana announces: `name=…;info=…` with `;affected=true` where this very request is concerned.

    See https://developers.asana.com/docs/deprecations. The header comes several times; requests joins it with commas.
    """
    announced = headers.get("Asana-Change", "")
    return [part.strip() for part in re.split(r",\s*(?=name=)", announced) if part.strip()]


def _complaint(body: bytes) -> str:
    try:
        return "; ".join(filter(None, (complaint.message for complaint in _COMPLAINTS.decode(body).errors)))
    except (msgspec.DecodeError, UnicodeDecodeError):
        return ""
