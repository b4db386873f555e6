"""Reduction of rows to what the selection of parents needs of them: gids, counts and versions.

The columns of a version can be as large as the rest of the table, so they are read in batches and never kept.
"""

from collections.abc import Iterable, Mapping, Sequence

import pyarrow as pa
import pyarrow.compute as pc

from asana_assets.asana.field_types import Array, Chunked
from asana_assets.asana.model import GID, Endpoint, Listing
from asana_assets.sync.gids import values_by_gid
from asana_assets.sync.versions import VERSION_PREFIX, version_name, versions


def listings_of_parent(endpoint: Endpoint, parent_name: str) -> list[Listing]:
    """Return the listings of an endpoint whose parents are the rows of the endpoint of this name."""
    return [listing for listing in endpoint.listings if listing.parent and listing.parent.name == parent_name]


def needed_columns(listings: Iterable[Listing], keep: Sequence[str] = ()) -> tuple[str, ...]:
    """Return the stored columns that `reduce_rows` needs."""
    columns = [*keep]
    for listing in listings:
        columns += [*_kept(listing), *listing.version_column_names]
    return tuple(dict.fromkeys(columns))


def reduced_columns(listings: Iterable[Listing], keep: Sequence[str] = ()) -> tuple[str, ...]:
    """Return the columns of reduced rows."""
    columns = [*keep]
    for listing in listings:
        columns += _kept(listing)
        if listing.version_columns:
            columns.append(version_name(listing.version_columns))
    return tuple(dict.fromkeys(columns))


def reduce_rows(
    endpoint: Endpoint,
    batches: Iterable[pa.RecordBatch],
    listings: Sequence[Listing],
    keep: Sequence[str] = (),
) -> pa.Table:
    """Return the rows with only what the listings need to select their parents among them.

    Args:
        endpoint: The endpoint of the rows.
        batches: The rows, with `needed_columns` at least.
        listings: Listings whose parents are these rows.
        keep: Further columns to keep.
    """
    by_name = {version_name(one.version_columns): one.version_columns for one in listings if one.version_columns}
    names = reduced_columns(listings, keep)
    schema = pa.schema(
        [pa.field(name, pa.string() if name in by_name else endpoint.schema.field(name).type) for name in names]
    )

    def reduced(batch: pa.RecordBatch) -> pa.RecordBatch:
        columns = [versions(batch, by_name[name]) if name in by_name else batch[name] for name in names]
        return pa.RecordBatch.from_arrays(
            [column.cast(field.type) for column, field in zip(columns, schema, strict=True)], schema=schema
        )

    return pa.Table.from_batches(map(reduced, batches), schema)


def without_versions(rows: pa.Table, gids: Array) -> pa.Table:
    """Return reduced rows with null as the version of these gids, which equals no stored version."""
    outdated = pc.is_in(rows[GID.name], value_set=gids)
    for index, name in enumerate(rows.column_names):
        if name.startswith(VERSION_PREFIX):
            rows = rows.set_column(index, name, pc.if_else(outdated, pa.scalar(None, pa.string()), rows[name]))
    return rows


def reported_counts(listing: Listing, gids: Array | Chunked, upstream: Mapping[str, pa.Table], rows: pa.Table) -> Array:
    """Return the number of records that each parent's own row reports; 0 if it reports none."""
    counts: Array = pa.repeat(pa.scalar(0), len(gids))
    if listing.only_if is None or listing.parent is None:
        return counts
    own = [rows] if listing.recursive else []
    for parents in (upstream[listing.parent.name], *own):
        column = parents[listing.only_if]
        if pa.types.is_list(column.type):
            column = pc.list_value_length(column)
        if pa.types.is_integer(column.type):
            counts = pc.max_element_wise(counts, values_by_gid(gids, parents[listing.parent_column], column))
    return counts


def _kept(listing: Listing) -> list[str]:
    return [listing.parent_column, *([listing.only_if] if listing.only_if else [])]
