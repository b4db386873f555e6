"""Pages of a listing: `limit`, `offset`, and `next_page`."""

from __future__ import annotations

import time
from bisect import bisect_right
from typing import TYPE_CHECKING
from urllib.parse import urlencode

import msgspec

from asana_assets.sandbox.api import errors
from asana_assets.sandbox.api.errors import ApiError
from asana_assets.sandbox.api.offsets import Position
from asana_assets.sandbox.api.request import parse_limit

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from asana_assets.sandbox.api.offsets import Offsets
    from asana_assets.sandbox.api.request import ReceivedRequest
    from asana_assets.sandbox.api.routes.results import PagedListing
    from asana_assets.sandbox.data.model import Object

_MAX_WITHOUT_LIMIT = 1000


def build_page(
    request: ReceivedRequest,
    paged: PagedListing,
    *,
    offsets: Offsets,
    base_url: str,
    encode: Callable[[Iterable[Object]], list[bytes]],
) -> bytes:
    """Return the body of the requested page.

    A page starts after the rank of the previous page's last object, so that deletions do not shift it. Without `limit`
    there are no pages.

    Raises:
        ApiError: The limit or offset is invalid, or the listing is too large to be sent without a limit (400).
    """
    query, listing = request.query, paged.listing
    limit = parse_limit(query)
    now, listing_name = time.time(), request.listing
    start, records_before, position = 0, 0, None
    if query.get("offset"):
        position = offsets.decode(query["offset"], listing_name, now)
        start, records_before = bisect_right(listing.ranks, position.rank), position.records_before
    page: list[Object] = []
    end, count = start, len(listing.objects)
    page_size = _MAX_WITHOUT_LIMIT if limit is None else limit
    has_more = False
    while end < count:
        found = listing.objects[end]
        if paged.keep is None or paged.keep(found):
            if len(page) == page_size:
                has_more = True
                break
            page.append(found)
        end += 1
    data = b",".join(encode(page))
    if limit is None:
        if has_more:
            raise ApiError(400, errors.RESULT_TOO_LARGE)
        return b'{"data":[%b]}' % data
    if page:
        position = Position(rank=listing.ranks[end - 1], records_before=records_before + len(page))
    if position is None or not (has_more or paged.is_endless):
        return b'{"data":[%b],"next_page":null}' % data
    offset = offsets.issue(position, listing_name, now)
    path = f"{request.path}?{urlencode({**query, 'offset': offset})}"
    next_page = msgspec.json.encode({"offset": offset, "path": path, "uri": f"{base_url}{path}"})
    return b'{"data":[%b],"next_page":%b}' % (data, next_page)
