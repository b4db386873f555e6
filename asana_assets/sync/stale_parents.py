"""Which parents an extract fetches."""

import pyarrow as pa
import pyarrow.compute as pc

from asana_assets.asana.field_types import Array
from asana_assets.asana.model import Listing
from asana_assets.sync.change_detection import Sync
from asana_assets.sync.extract import ExtractContext
from asana_assets.sync.gids import NO_GIDS
from asana_assets.sync.parents import Parents
from asana_assets.sync.sync_state import SyncState


def stale_parents(parents: Parents, state: SyncState, sync: Sync, changed: Array | None = None) -> Parents:
    """Return the parents to fetch: all those of a listing without versions, and the stale ones of any other.

    Gids in `changed` are stale in any case.
    """

    def mask(listing: Listing, rows: pa.Table) -> Array:
        if listing.version_columns is None:
            return pa.repeat(pa.scalar(value=True), rows.num_rows)
        return state.stale(rows, sync=sync, changed=changed)

    return parents.filter(mask)


def parents_with_rows(context: ExtractContext) -> Array | None:
    """Return the parents of the stored rows, if a parent's row says whether a listing applies to it."""
    conditional = tuple(dict.fromkeys(listing.parent_ref for listing in context.endpoint.listings if listing.only_if))
    if not conditional:
        return None
    stored = context.previous.columns(conditional)
    return pc.unique(pa.concat_arrays([NO_GIDS, *(chunk for name in conditional for chunk in stored[name].chunks)]))
