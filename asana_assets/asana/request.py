"""What is requested of the API, and the page that a response becomes."""

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass, field

from asana_assets.asana.paging import PAGE_SIZE


@dataclass(frozen=True, slots=True, kw_only=True)
class ApiRequest:
    """A GET request.

    Attributes:
        template: Path template below the base URL; messages show it instead of the path.
        values: Values of the template's placeholders.
        params: Query parameters.
        single: Whether the response is one record instead of a list.
        paged: Whether the listing has pages.
        ends_empty: Whether an empty page ends the listing, which always names a next page.
    """

    template: str
    values: Mapping[str, str] = field(default_factory=dict[str, str])
    params: Mapping[str, str] = field(default_factory=dict[str, str])
    single: bool = False
    paged: bool = True
    ends_empty: bool = False

    @property
    def path(self) -> str:
        """The path with its placeholders filled."""
        return self.template.format_map(self.values)


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    """The records of one response.

    Attributes:
        body: JSON object with the list of records under `data`.
        count: Number of records.
        requested_at: When the request was sent (UTC); the records are at least as fresh.
        limit: Maximum number of records requested; smaller than `PAGE_SIZE` if larger pages failed, and more than
            `count` if there are no pages.
        repairs: Number of strings whose text was repaired because it was not valid Unicode.
    """

    body: bytes
    count: int
    requested_at: dt.datetime
    limit: int = PAGE_SIZE
    repairs: int = 0
