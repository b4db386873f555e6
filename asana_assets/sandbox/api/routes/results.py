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
    """A listing with pages.

    Attributes:
        kind: The kind of its objects.
        listing: The objects.
        keep: Filters them before they are divided into pages.
        is_endless: Whether every page names a next one, which may be empty, unless there is no object at all.
    """

    kind: str
    listing: StoredListing
    keep: Keep | None = None
    is_endless: bool = False


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
