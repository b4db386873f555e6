"""Hashes of rows' contents: whether two versions of a row are equal, without loading either. Pure functions.

A row's content is the set of its values by column name. A null adds nothing, so that a new column changes the hash of
those rows only that have a value in it. Different contents never have the same text to hash: names and values are
separated by bytes that UTF-8 does not use.
"""

from collections.abc import Mapping, Sequence
from functools import cache
from typing import TYPE_CHECKING, Any, TypeAlias, cast

import mmh3
import pyarrow as pa
import pyarrow.compute as pc

from asana_assets.lake.table import SYNCED_AT, WORKSPACE_COLUMN

if TYPE_CHECKING:
    from asana_assets.lake.pyiceberg_internals import AnyArray

    Text: TypeAlias = AnyArray | pa.Scalar[Any]

ROW_HASH = "_row_hash"
"""The column that holds the hash of a row's content; tables may lack it, and null means that it is not known."""

NOT_CONTENT = frozenset({WORKSPACE_COLUMN, SYNCED_AT, ROW_HASH})
"""The columns that are not content; the workspace is the same for all rows of a write."""

_SLICE_ROWS = 10_000  # rows whose texts are in memory at once
_NONE, _VALUE, _ITEM, _ITEMS, _STRUCT, _NULL = b"", b"\xff", b"\xfe", b"\xfd", b"\xfc", b"\xfb"


def row_hashes(rows: pa.RecordBatch | pa.Table) -> pa.Int64Array:
    """Return the hash of each row's content: of all columns but the workspace's, `_synced_at` and the hash itself."""
    columns = [name for name in rows.schema.names if name not in NOT_CONTENT]
    hashes = [pa.array([], pa.int64())]
    for batch in [rows] if isinstance(rows, pa.RecordBatch) else rows.to_batches():
        for start in range(0, batch.num_rows, _SLICE_ROWS):
            part = batch.slice(start, _SLICE_ROWS)
            hashes.append(_digests(_join_values({name: part[name] for name in columns}, part.num_rows)))
    return pa.concat_arrays(hashes)


def with_row_hashes(rows: pa.Table) -> pa.Table:
    """Return the rows with their hashes in the column `_row_hash`."""
    hashes, index = row_hashes(rows), rows.schema.get_field_index(ROW_HASH)
    return rows.append_column(ROW_HASH, hashes) if index < 0 else rows.set_column(index, ROW_HASH, hashes)


def content_hash(hashes: "AnyArray | pa.ChunkedArray[Any]") -> str:
    """Return a hash of a set of rows from their hashes, whatever their order."""
    total = pc.sum(hashes.cast(pa.uint64(), safe=False)).as_py() or 0  # the sum wraps around
    return f"{total:016x}-{len(hashes)}"


def _digests(texts: "AnyArray") -> pa.Int64Array:
    return pa.array([mmh3.hash64(text)[0] for text in cast("Sequence[bytes]", texts.to_pylist())], pa.int64())


def _join_values(values: Mapping[str, "AnyArray"], rows: int) -> "AnyArray":
    """Return one text per row of the names and values that are not null, in the order of the names."""
    texts: list[Text] = [pa.array([_NONE] * rows, pa.binary())]
    for name in sorted(values):
        column, label = values[name], _scalar(name.encode())
        if not column.null_count:
            texts += [label, content_texts(column)]
        elif column.null_count < rows:
            texts.append(_join([label, content_texts(column)], _VALUE))
    return _join(texts, _VALUE, nulls="skip")


def content_texts(values: "AnyArray") -> "AnyArray":
    """Return each value as text, equal for equal values only; null as null."""
    kind = values.type
    if isinstance(kind, pa.ListType):
        return _with_nulls(_join_items(values), values)
    if isinstance(kind, pa.StructType):
        fields = dict(zip((field.name for field in kind), cast("pa.StructArray", values).flatten(), strict=True))
        first, *others = (fields[name] for name in sorted(fields))
        texts = [content_texts(first), *map(_field_texts, others)]
        return _with_nulls(_join([*texts, _scalar(_STRUCT)], _VALUE, nulls="replace"), values)
    if pa.types.is_timestamp(kind):
        values = values.cast(pa.int64())
    elif pa.types.is_date32(kind):
        values = values.cast(pa.int32())
    text = values if pa.types.is_string(kind) else values.cast(pa.string())
    return text.cast(pa.binary())


def _field_texts(values: "AnyArray") -> "Text":
    """Return each value as text, or one null for all: most fields of a custom field value are null."""
    return _scalar(None) if values.null_count == len(values) else content_texts(values)


def _join_items(lists: "AnyArray") -> "AnyArray":
    """Return the texts of each list's items as one text; of a null list, that of an empty one."""
    items = content_texts(pc.list_flatten(lists))
    if items.null_count:
        items = cast("AnyArray", pc.fill_null(items, _scalar(_NULL)))
    lengths = cast("AnyArray", pc.fill_null(pc.list_value_length(lists), pa.scalar(0, pa.int32())))
    starts = pa.concat_arrays([pa.array([0], pa.int32()), pc.cumulative_sum(lengths).cast(pa.int32())])
    texts = pc.binary_join(pa.ListArray.from_arrays(cast("pa.Int32Array", starts), items), _scalar(_ITEM))
    has_items = pc.greater(lengths, pa.scalar(0, pa.int32()))
    ends = pc.if_else(has_items, _scalar(_ITEM + _ITEMS), _scalar(_ITEMS))
    return _join([cast("AnyArray", texts), cast("AnyArray", ends)], _NONE)


def _with_nulls(texts: "AnyArray", values: "AnyArray") -> "AnyArray":
    return cast("AnyArray", pc.if_else(values.is_valid(), texts, _scalar(None))) if values.null_count else texts


def _join(texts: "Sequence[Text]", separator: bytes, *, nulls: str = "emit_null") -> "AnyArray":
    joined = pc.binary_join_element_wise(  # pyright: ignore[reportCallIssue] - the stubs miss scalars
        *texts,  # pyright: ignore[reportArgumentType]
        _scalar(separator),  # pyright: ignore[reportArgumentType]
        null_handling=nulls,  # pyright: ignore[reportArgumentType]
        null_replacement=_NULL,  # pyright: ignore[reportArgumentType] - bytes, as the values are
    )
    return cast("AnyArray", joined)


@cache
def _scalar(value: bytes | None) -> "pa.Scalar[Any]":
    return pa.scalar(value, pa.binary())
