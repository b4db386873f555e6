"""What a route returns, before pagination and rendering."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

from asana_assets.sandbox.data.model import Object

if TYPE_CHECKING:
    from asana_assets.sandbox.data.store import StoredListing

Keep: TypeAlias = Callable[[Object], bool]
"""Whether a listing with a query parameter contains an object."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PagedListing:
    """A listing with pages. `keep` filters it before it is divided into pages."""

    kind: str
    listing: StoredListing
    keep: Keep | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class UnpagedListing:
    """A listing that ignores `limit` and `offset`."""

    kind: str
    objects: list[Object]


@dataclass(frozen=True, slots=True, kw_only=True)
class Counts:
    """Numbers by name; unlike an object it has no gid, and contains only what `opt_fields` requests."""

    numbers: dict[str, int]


Result: TypeAlias = Object | PagedListing | UnpagedListing | Counts
