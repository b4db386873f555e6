"""From a listing of the registry to the request that the client sends."""

from asana_assets.asana.client import ApiRequest
from asana_assets.asana.model import Listing


def listing_api_request(listing: Listing, parent_gid: str, workspace_gid: str) -> ApiRequest:
    """Build the request for a listing of one parent."""
    values = {"parent": parent_gid, "workspace": workspace_gid}
    params = {name: value.format_map(values) for name, value in listing.params.items()}
    return ApiRequest(template=listing.path, values=values, params=params, single=listing.single, paged=listing.paged)
