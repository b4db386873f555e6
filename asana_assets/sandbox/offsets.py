"""The opaque page token: signed, bound to one listing, and short-lived."""

from __future__ import annotations

import base64
import hashlib
import hmac
from typing import TYPE_CHECKING

import msgspec

from asana_assets.sandbox.errors import EXPIRED, INVALID, ApiError

if TYPE_CHECKING:
    from asana_assets.sandbox.store import Rank

_HEADER = base64.urlsafe_b64encode(b'{"typ":"JWT","alg":"HS256"}').rstrip(b"=").decode()


class _Payload(msgspec.Struct):
    border_rank: str
    listing: str
    iat: float
    exp: float


class Offsets:
    """Issues and reads offsets. Seconds are of the wall clock."""

    def __init__(self, seed: int, lifetime_seconds: float) -> None:
        self._key = f"offsets {seed}".encode()
        self.lifetime_seconds = lifetime_seconds
        self._valid_from = 0.0

    def expire_all(self, now: float) -> None:
        """Every offset issued up to now has expired."""
        self._valid_from = now

    def issue(self, rank: Rank, listing: str, now: float) -> str:
        """A token for what comes after the object of that rank."""
        border = msgspec.json.encode(rank).decode()
        payload = _Payload(border_rank=border, listing=_short(listing), iat=now, exp=now + self.lifetime_seconds)
        signed = f"{_HEADER}.{_encode(msgspec.json.encode(payload))}"
        return f"{signed}.{self._sign(signed)}"

    def read(self, offset: str, listing: str, now: float) -> Rank:
        """The rank after which the page begins.

        Raises:
            ApiError: 400, expired; or not issued here; or issued for another listing.
        """
        signed, _, signature = offset.rpartition(".")
        if not hmac.compare_digest(signature.encode(), self._sign(signed).encode()):
            raise ApiError(400, INVALID)
        text = signed.partition(".")[2]
        payload = msgspec.json.decode(base64.urlsafe_b64decode(text + "=" * (-len(text) % 4)), type=_Payload)
        if payload.listing != _short(listing):
            raise ApiError(400, INVALID)
        if now >= payload.exp or payload.iat <= self._valid_from:
            raise ApiError(400, EXPIRED)
        return msgspec.json.decode(payload.border_rank, type=tuple[int | str, ...])

    def _sign(self, signed: str) -> str:
        return _encode(hmac.digest(self._key, signed.encode(), "sha256"))


def _encode(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


def _short(listing: str) -> str:
    return hashlib.sha256(listing.encode()).hexdigest()[:16]
