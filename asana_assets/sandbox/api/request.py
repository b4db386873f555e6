"""A received request, and the validation of its query parameters."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias
from urllib.parse import urlencode

from asana_assets.sandbox.api.errors import ApiError
from asana_assets.sandbox.data.model import normalize_instant

Query: TypeAlias = dict[str, str]

MAX_LIMIT = 100


@dataclass(frozen=True, slots=True, kw_only=True)
class ReceivedRequest:
    """A request as routes and faults see it.

    Attributes:
        path: Without the API's prefix.
        token: The access token; empty if it is not one of the server's.
    """

    method: str
    path: str
    query: Query
    token: str

    @property
    def listing(self) -> str:
        """The path and the parameters that identify the listing: all except those of pagination and rendering."""
        names = sorted(name for name in self.query if name not in {"limit", "offset"} and name[:4] != "opt_")
        return f"{self.path}?{urlencode([(name, self.query[name]) for name in names])}"


def require(query: Query, name: str) -> str:
    """Return a query parameter.

    Raises:
        ApiError: The parameter is missing or empty (400).
    """
    value = query.get(name)
    if not value:
        raise ApiError(400, f"{name}: Missing input")
    return value


def parse_limit(query: Query) -> int | None:
    """Return the page size, or None if it is not given.

    Raises:
        ApiError: It is not a number from 1 to 100 (400).
    """
    if "limit" not in query:
        return None
    text = query["limit"]
    if not text.isdigit() or not 1 <= int(text) <= MAX_LIMIT:
        raise ApiError(400, f"limit: Must be between 1 and {MAX_LIMIT}")
    return int(text)


def parse_instant(name: str, text: str) -> str:
    """Return the value of a query parameter as an instant in the format of the data.

    Raises:
        ApiError: It is not ISO 8601 (400).
    """
    try:
        return normalize_instant(text.replace(" ", "+"))  # an unescaped + in a URL means a space
    except ValueError as error:
        raise ApiError(400, f"{name}: Not a valid date: {text}") from error


def parse_optional_instant(query: Query, name: str) -> str:
    """Return a query parameter as `parse_instant` does; empty if it is missing or empty."""
    return parse_instant(name, query[name]) if query.get(name) else ""
