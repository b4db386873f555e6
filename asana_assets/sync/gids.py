"""Arrow operations on columns of gids and on rows keyed by gid. Pure functions."""

from collections.abc import Sequence
from typing import cast

import pyarrow as pa
import pyarrow.compute as pc

from asana_assets.asana.field_types import Array, Chunked
from asana_assets.asana.model import GID

NO_GIDS: Array = pa.array([], pa.string())
"""An empty array of gids."""


def to_gid_list(gids: Array | Chunked) -> list[str]:
    """Return gids, none of which is null, as Python strings."""
    return [str(gid) for gid in gids.to_pylist()]


def mask_references(column: Array | Chunked, gids: Array) -> Array:
    """Return a boolean mask of the values, each a gid or a list of gids, that equal or contain any of `gids`."""
    values = _combined(column)
    if not pa.types.is_list(values.type):
        return pc.is_in(values, value_set=gids)
    hits = pc.list_parent_indices(values).filter(pc.is_in(pc.list_flatten(values), value_set=gids))
    indices = pc.cumulative_sum(pa.repeat(pa.scalar(1, pa.int64()), len(values)), start=pa.scalar(-1, pa.int64()))
    return pc.is_in(indices, value_set=hits.cast(pa.int64()))


def unknown_references(column: Array | Chunked, gids: Array) -> Array:
    """Return what the values, each a gid or a list of gids, reference other than `gids`."""
    values = _combined(column)
    references = pc.unique(pc.list_flatten(values) if pa.types.is_list(values.type) else values).drop_null()
    return references.filter(pc.invert(pc.is_in(references, value_set=gids)))


def count_references(gids: Array | Chunked, column: Chunked) -> Array:
    """Return, for each of `gids`, how many values of `column`, each a gid or a list of gids, reference it."""
    references = pc.list_flatten(column) if pa.types.is_list(column.type) else column
    counts = pc.value_counts(references)
    return values_by_gid(gids, counts.field("values"), counts.field("counts"), 0)


def values_by_gid(
    gids: Array | Chunked, keys: Array | Chunked, values: Array | Chunked, default: float | None = None
) -> Array:
    """Return, for each of `gids`, the value at its position in `keys`; `default` where it is missing or null."""
    found = _combined(values.take(pc.index_in(gids, value_set=_combined(keys))))
    return found if default is None else pc.fill_null(found, pa.scalar(default, found.type))


def drop_duplicates(rows: pa.Table) -> pa.Table:
    """Return the first row of each gid."""
    gids = _combined(rows[GID.name])
    return rows.take(pc.index_in(pc.unique(gids), value_set=gids))


def upsert(rows: pa.Table, new: pa.Table) -> pa.Table:
    """Return `rows` with those of `new` added, replacing rows with the same gid."""
    kept = pc.invert(pc.is_in(rows[GID.name], value_set=_combined(new[GID.name])))
    return pa.concat_tables([rows.filter(kept), new])


def compact_gids(gids: Array) -> Array:
    """Return gids as int64 if all are numeric, as they nearly always are; this takes a third of the memory."""
    try:
        return gids.cast(pa.int64())
    except pa.ArrowInvalid:
        return gids


def count_duplicates(parts: Sequence[Array]) -> int:
    """Return how many gids are null or repeat an earlier one, over all parts; each part is compacted or not."""
    gid_type = pa.int64() if all(pa.types.is_integer(part.type) for part in parts) else pa.string()
    gids = cast("Array", pa.chunked_array([part.cast(gid_type) for part in parts], gid_type).combine_chunks())
    ordered = gids.drop_null().sort()
    repeated = pc.equal(ordered.slice(1), ordered.slice(0, max(0, len(ordered) - 1)))
    return gids.null_count + repeated.true_count


def _combined(values: Array | Chunked) -> Array:
    return values.combine_chunks() if isinstance(values, pa.ChunkedArray) else values
