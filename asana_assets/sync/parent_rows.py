"""Reduction of rows to what the selection of parents needs of them: gids, counts and versions.

The columns of a version can be as large as the rest of the table, so they are read in batches and never kept.
"""

from collections.abc import Iterable, Sequence

import pyarrow as pa

from asana_assets.asana.model import Endpoint, Listing
from asana_assets.sync.versions import version_name, versions


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


def _kept(listing: Listing) -> list[str]:
    return [listing.parent_column, *([listing.only_if] if listing.only_if else [])]
