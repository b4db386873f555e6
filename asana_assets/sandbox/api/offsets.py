"""Offsets: opaque pagination tokens, signed, bound to one listing, and short-lived."""

from __future__ import annotations

import base64
import hashlib
import hmac
from dataclasses import dataclass
from typing import TYPE_CHECKING

import msgspec

from asana_assets.sandbox.api.errors import OFFSET_EXPIRED, OFFSET_INVALID, ApiError

if TYPE_CHECKING:
    from asana_assets.sandbox.data.model import Rank

_HEADER = base64.urlsafe_b64encode(b'{"typ":"JWT","alg":"HS256"}').rstrip(b"=").decode()


@dataclass(frozen=True, slots=True, kw_only=True)
class Position:
    """Where a page starts: after the object of this rank, with this many records on the pages before it."""

    rank: Rank
    records_before: int


class _Payload(msgspec.Struct):
    last_rank: str
    records_before: int
    listing: str
    iat: float
    exp: float


class Offsets:
    """Issues and decodes offsets. Times are seconds on the wall clock."""

    def __init__(self, seed: int, lifetime_seconds: float) -> None:
        self._key = f"offsets {seed}".encode()
        self.lifetime_seconds = lifetime_seconds
        self._valid_from = 0.0

    def expire_all(self, now: float) -> None:
        """Expire every offset issued until now."""
        self._valid_from = now

    def issue(self, position: Position, listing: str, now: float) -> str:
        """Return an offset for the page that starts at the position."""
        payload = _Payload(
            last_rank=msgspec.json.encode(position.rank).decode(),
            records_before=position.records_before,
            listing=_digest(listing),
            iat=now,
            exp=now + self.lifetime_seconds,
        )
        signed = f"{_HEADER}.{_encode(msgspec.json.encode(payload))}"
        return f"{signed}.{self._sign(signed)}"

    def decode(self, offset: str, listing: str, now: float) -> Position:
        """Return the position at which the page starts.

        Raises:
            ApiError: The offset expired, was not issued here, or was issued for another listing (400).
        """
        signed, _, signature = offset.rpartition(".")
        if not hmac.compare_digest(signature.encode(), self._sign(signed).encode()):
            raise ApiError(400, OFFSET_INVALID)
        payload = _decode_payload(signed)
        if payload.listing != _digest(listing):
            raise ApiError(400, OFFSET_INVALID)
        if now >= payload.exp or payload.iat <= self._valid_from:
            raise ApiError(400, OFFSET_EXPIRED)
        rank = msgspec.json.decode(payload.last_rank, type=tuple[int | str, ...])
        return Position(rank=rank, records_before=payload.records_before)

    def _sign(self, signed: str) -> str:
        return _encode(hmac.digest(self._key, signed.encode(), "sha256"))


def count_records_before(offset: str) -> int:
    """Return how many records of the listing precede the page; 0 without an offset that was issued here."""
    try:
        return _decode_payload(offset.rpartition(".")[0]).records_before
    except (ValueError, msgspec.DecodeError):
        return 0


def _decode_payload(signed: str) -> _Payload:
    text = signed.partition(".")[2]
    return msgspec.json.decode(base64.urlsafe_b64decode(text + "=" * (-len(text) % 4)), type=_Payload)


def _encode(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


def _digest(listing: str) -> str:
    return hashlib.sha256(listing.encode()).hexdigest()[:16]
