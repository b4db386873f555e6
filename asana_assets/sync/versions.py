"""Versions of parents: short texts that differ if what a parent's own row shows has changed. Pure functions.

A version is the text of each plain column and a digest of all list and struct columns, joined by "|", such as
`2026-03-01 12:00:00.000000Z|3|5f0c1d2e3b4a5968`. Lists are compared as sets, since Asana does not promise their order.
A missing list equals an empty one: workspaces without a feature leave its fields out.
"""

from collections.abc import Iterator, Sequence
from hashlib import blake2b
from typing import TypeAlias, cast

import pyarrow as pa
import pyarrow.compute as pc

from asana_assets.asana.field_types import Array, Chunked
from asana_assets.asana.model import ItemValues

VersionColumns: TypeAlias = tuple[str | ItemValues, ...]
"""As in `Listing.version_columns`."""

_SLICE_ROWS = 10_000  # rows whose texts are in memory at once
_DIGEST_BYTES = 8
_SEPARATOR = "|"
_BETWEEN_COLUMNS, _BETWEEN_ITEMS, _BETWEEN_FIELDS = "\x1d", "\x1e", "\x1f"


def version_name(columns: VersionColumns) -> str:
    """Return the name of the column that holds the versions of rows that were reduced to what is needed of them."""
    return f"version of {', '.join(map(str, columns))}"


def versions(rows: pa.Table | pa.RecordBatch, columns: VersionColumns) -> Array:
    """Return each row's version; without columns, "".

    Rows that already have their versions in the column `version_name(columns)` need none of `columns`.
    """
    if not columns:
        return pa.repeat(pa.scalar(""), rows.num_rows)
    if version_name(columns) in rows.schema.names:
        return _combined(rows[version_name(columns)])
    parts = [_versions_of_slice(part, columns) for part in _slices(rows)]
    return pa.concat_arrays([pa.array([], pa.string()), *parts])


def accepts(current: Array, stored: Array) -> Array:
    """Return a boolean mask of the stored versions that stand for the same parent as the current one does.

    They are equal, or the stored one is the start of the current one up to a "|": an earlier release saved it, when
    versions had fewer columns. Null is returned where either is null.
    """
    accepted = cast("Array", pc.equal(current, stored))
    rest = current
    while pc.any(pc.match_substring(rest, _SEPARATOR)).as_py():
        rest = pc.replace_substring_regex(rest, r"\|[^|]*$", "")
        accepted = pc.or_(accepted, pc.equal(rest, stored))
    return accepted


def _slices(rows: pa.Table | pa.RecordBatch) -> Iterator[pa.RecordBatch]:
    for batch in [rows] if isinstance(rows, pa.RecordBatch) else rows.to_batches():
        for start in range(0, batch.num_rows, _SLICE_ROWS):
            yield batch.slice(start, _SLICE_ROWS)


def _versions_of_slice(rows: pa.RecordBatch, columns: VersionColumns) -> Array:
    plain: list[Array] = []
    nested: list[Array] = []
    for part in columns:
        if isinstance(part, ItemValues):
            nested.append(_texts_of_items(rows[part.column], part))
        else:
            column = rows[part]
            (nested if pa.types.is_nested(column.type) else plain).append(_texts(column))
    return _join([*plain, *([_digests(_join(nested, _BETWEEN_COLUMNS))] if nested else [])], _SEPARATOR)


def _texts(values: Array) -> Array:
    """Return each value as text; null as ""."""
    if pa.types.is_list(values.type):
        return _texts_of_sets(values, _texts(pc.list_flatten(values)))
    if pa.types.is_struct(values.type):
        joined = _join([_texts(field) for field in cast("pa.StructArray", values).flatten()], _BETWEEN_FIELDS)
        return cast("Array", pc.if_else(values.is_valid(), joined, pa.scalar("")))
    return cast("Array", pc.fill_null(values.cast(pa.string()), pa.scalar("")))


def _texts_of_sets(lists: Array, items: Array, included: Array | None = None) -> Array:
    """Return each list as the sorted texts of its items.

    Args:
        lists: The lists.
        items: The texts of all items.
        included: A boolean mask of the items to include; None for all.
    """
    parents = pc.list_parent_indices(lists)
    starts = _starts(lists)
    if included is not None:
        parents, items = parents.filter(included), items.filter(included)
        starts = _prefix_sums(included.cast(pa.int32())).take(starts)
    order = pc.sort_indices(
        pa.table({"list": parents, "text": items}), sort_keys=[("list", "ascending"), ("text", "ascending")]
    )
    return cast("Array", pc.binary_join(_to_lists(starts, items.take(order)), _BETWEEN_ITEMS))


def _texts_of_items(lists: Array, part: ItemValues) -> Array:
    items = pc.list_flatten(lists)
    values = _join([_texts(_field(items, path)) for path in part.values], _BETWEEN_FIELDS)
    has_value = pc.match_substring_regex(values, f"[^{_BETWEEN_ITEMS}{_BETWEEN_FIELDS}]")
    is_computed = cast("Array", pc.fill_null(_field(items, part.computed).cast(pa.bool_()), pa.scalar(value=False)))
    texts = _join([_texts(_field(items, part.key)), values], _BETWEEN_FIELDS)
    return _texts_of_sets(lists, texts, pc.and_(has_value, pc.invert(is_computed)))


def _field(values: Array, path: str) -> Array:
    """Return the field at a path with dots, of structs or of lists of structs; nulls if they have no such field."""
    name, _, rest = path.partition(".")
    if pa.types.is_list(values.type):
        return _to_lists(_starts(values), _field(pc.list_flatten(values), path))
    kind = cast("pa.StructType", values.type)
    index = kind.get_field_index(name)
    field = pa.nulls(len(values)) if index < 0 else cast("pa.StructArray", values).flatten()[index]
    return _field(field, rest) if rest and index >= 0 else field


def _starts(lists: Array) -> Array:
    """Return the index of each list's first item among all items, and their number; a null list has none."""
    lengths = cast("Array", pc.list_value_length(lists))
    return _prefix_sums(cast("Array", pc.fill_null(lengths, pa.scalar(0, pa.int32()))))


def _prefix_sums(counts: Array) -> Array:
    """Return the sum of the values before each position, and of all."""
    return pa.concat_arrays([pa.array([0], pa.int32()), pc.cumulative_sum(counts).cast(pa.int32())])


def _to_lists(starts: Array, items: Array) -> Array:
    return pa.ListArray.from_arrays(cast("pa.Int32Array", starts), items)


def _digests(texts: Array) -> Array:
    encoded = cast("Sequence[bytes]", texts.cast(pa.binary()).to_pylist())
    return pa.array([blake2b(text, digest_size=_DIGEST_BYTES).hexdigest() for text in encoded], pa.string())


def _join(texts: Sequence[Array], separator: str) -> Array:
    return cast("Array", pc.binary_join_element_wise(*texts, pa.scalar(separator)))  # pyright: ignore[reportCallIssue, reportArgumentType] - the stubs miss scalars


def _combined(values: Array | Chunked) -> Array:
    return values.combine_chunks() if isinstance(values, pa.ChunkedArray) else values
