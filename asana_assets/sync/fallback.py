"""Single records that no listing contains: requested one by one, after the endpoint's other listings.

Pure decisions. The gids of the records are those of the parents, see `Endpoint.fallback_listings`.
"""

import pyarrow as pa
import pyarrow.compute as pc

from asana_assets.asana.field_types import Array
from asana_assets.asana.model import GID, Endpoint, Listing
from asana_assets.sync.parents import Parents


def only_unlisted(endpoint: Endpoint, parents: Parents, listed: Array) -> Parents:
    """Return the parents without the single records whose gids are in `listed`."""

    def mask(listing: Listing, rows: pa.Table) -> Array:
        if listing not in endpoint.fallback_listings:
            return pa.repeat(pa.scalar(value=True), rows.num_rows)
        return pc.invert(pc.is_in(rows["gid"], value_set=listed))

    return parents.filter(mask)


def mask_unfetched(endpoint: Endpoint, rows: pa.Table, unfetched: Parents) -> Array:
    """Return a boolean mask of the rows that are single records in `unfetched`.

    That they are missing from the other listings does not show that they are gone.
    """
    found: Array = pa.repeat(pa.scalar(value=False), rows.num_rows)
    for listing in endpoint.fallback_listings:
        found = pc.or_(found, pc.is_in(rows[GID.name], value_set=unfetched.gids(listing)))
    return found
