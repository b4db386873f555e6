"""From the pages of a search to the parents whose children changed. Shared by extraction and estimate."""

from collections.abc import Iterable
from dataclasses import replace
from typing import cast

import pyarrow as pa
import pyarrow.compute as pc

from asana_assets.asana.client import Page
from asana_assets.asana.field_types import Array
from asana_assets.asana.model import GID, PARENT_GID, SYNCED_AT, Listing
from asana_assets.sync.gids import values_by_gid
from asana_assets.sync.parents import eligible_parents
from asana_assets.sync.search_records import CREATED_AT, MODIFIED_AT, PARENT, decode_records

SEARCH_FIELDS = (CREATED_AT, MODIFIED_AT, PARENT)
"""The fields to request from a search for children; the first two are what `ChangeSearch` sorts by."""


def decode_hits(pages: Iterable[Page]) -> pa.Table:
    """Return `gid`, `parent_gid` and `modified_at` of every child on the pages of a search; gids may repeat."""
    hits = [hit for page in pages for hit in decode_records(page)]
    return pa.table(
        {
            GID.name: pa.array([hit.gid for hit in hits], pa.string()),
            PARENT_GID.name: pa.array([hit.parent and hit.parent.gid for hit in hits], pa.string()),
            MODIFIED_AT: pa.array([hit.time(MODIFIED_AT) for hit in hits], SYNCED_AT.type.arrow_type),
        }
    )


def changed_hits(hits: pa.Table, stored: pa.Table) -> pa.Table:
    """Return the hits whose `modified_at` differs from that of the stored row, or that are not stored."""
    matching = stored.filter(pc.is_in(stored[GID.name], value_set=hits[GID.name].combine_chunks()))
    stored_at = values_by_gid(hits[GID.name], matching[GID.name], matching[MODIFIED_AT])
    differs = pc.not_equal(hits[MODIFIED_AT].combine_chunks(), stored_at)
    return hits.filter(cast("Array", pc.fill_null(differs, pa.scalar(value=True))))


def changed_parents(listing: Listing, changed: pa.Table, stored: pa.Table) -> Array:
    """Return the gids of the parents to fetch again because of changed children.

    Args:
        listing: A recursive listing.
        changed: The changed hits.
        stored: The stored rows of the listing's endpoint, with `parent_gid` and what selects parents but versions.
    """
    parents = changed[PARENT_GID.name].combine_chunks().drop_null()
    # A new child does not modify its parent. If the parent is a row of this endpoint, it is fetched again with its
    # siblings: only then does its row show how many children it has, and after the first one, it is fetched as a
    # parent, too.
    rows = stored.filter(pc.is_in(stored[GID.name], value_set=parents))
    known_parents = eligible_parents(replace(listing, version_columns=None), rows)["gid"].combine_chunks()
    childless = pc.invert(pc.is_in(rows[GID.name], value_set=known_parents))
    is_new = pc.invert(pc.is_in(changed[GID.name], value_set=stored[GID.name].combine_chunks()))
    has_new_child = pc.is_in(rows[GID.name], value_set=changed[PARENT_GID.name].filter(is_new).combine_chunks())
    outdated = rows.filter(cast("Array", pc.or_(childless, has_new_child)))
    return pa.concat_arrays([parents, outdated[PARENT_GID.name].combine_chunks()])
