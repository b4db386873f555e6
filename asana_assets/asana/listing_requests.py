"""From a listing of the registry to the request that the client sends."""

import datetime as dt

from asana_assets.asana.field_types import DATE
from asana_assets.asana.model import Listing
from asana_assets.asana.request import ApiRequest
from asana_assets.asana.window import Window

EVERYTHING = dt.datetime.fromtimestamp(0, dt.UTC)
"""The start of a window with all records."""

_MARGIN = dt.timedelta(days=1)  # whether Asana includes the bounds, and in which time zone, is not documented


def listing_api_request(
    listing: Listing,
    parent_gid: str,
    workspace_gid: str,
    window: tuple[dt.datetime, dt.datetime | None] = (EVERYTHING, None),
) -> ApiRequest:
    """Build the request for a listing of one parent, from the start of its window to the end, None for no end."""
    values = {"parent": parent_gid, "workspace": workspace_gid}
    params = {name: value.format_map(values) for name, value in listing.params.items()}
    if listing.window:
        params |= listing.window.params(*with_margin(listing.window, *window))
    return ApiRequest(
        template=listing.path,
        values=values,
        params=params,
        single=listing.single,
        paged=listing.paged,
        ends_empty=listing.window is not None and listing.window.retention is not None,
    )


def with_margin(window: Window, start: dt.datetime, end: dt.datetime | None) -> tuple[dt.datetime, dt.datetime | None]:
    """Return the bounds to request for a window of which no record may be missing."""
    if window.column.type is not DATE:
        return start, end
    return max(EVERYTHING, start - _MARGIN), end and end + _MARGIN
