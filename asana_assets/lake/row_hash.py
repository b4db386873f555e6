"""Hashes of rows' contents: whether two versions of a row are equal, without loading either. Pure functions.

A row's content is the set of its values by column name. A null adds nothing, so that a new column changes the hash of
those rows only that have a value in it. What is hashed is one text per row: first a sum over the values of fixed width,
with a factor per column, and over which columns have a value; then the other values, separated by bytes that UTF-8 does
not use. Different contents have the same sum as rarely as the same hash.
"""

from collections.abc import Mapping, Sequence
from functools import cache
from typing import TYPE_CHECKING, Any, cast

import mmh3
import pyarrow as pa
import pyarrow.compute as pc

from asana_assets.lake.table import SYNCED_AT, WORKSPACE_COLUMN

if TYPE_CHECKING:
    from asana_assets.lake.pyiceberg_internals import AnyArray

ROW_HASH = "_row_hash"
"""The column that holds the hash of a row's content; tables may lack it, and null means that it is not known."""

NOT_CONTENT = frozenset({WORKSPACE_COLUMN, SYNCED_AT, ROW_HASH})
"""The columns that are not content; the workspace is the same for all rows of a write."""

_SLICE_ROWS = 10_000  # rows whose texts are in memory at once
_FIRST_SEPARATOR = 0xFF
_ZERO = pa.scalar(0, pa.uint64())


def row_hashes(rows: pa.RecordBatch | pa.Table) -> pa.Int64Array:
    """Return the hash of each row's content: of all columns but the workspace's, `_synced_at` and the hash itself."""
    columns = [name for name in rows.schema.names if name not in NOT_CONTENT]
    hashes = [pa.array([], pa.int64())]
    for batch in [rows] if isinstance(rows, pa.RecordBatch) else rows.to_batches():
        for start in range(0, batch.num_rows, _SLICE_ROWS):
            part = batch.slice(start, _SLICE_ROWS)
            hashes.append(_digests(_texts({name: part[name] for name in columns}, part.num_rows)))
    return pa.concat_arrays(hashes)


def with_row_hashes(rows: pa.Table) -> pa.Table:
    """Return the rows with their hashes in the column `_row_hash`."""
    hashes, index = row_hashes(rows), rows.schema.get_field_index(ROW_HASH)
    return rows.append_column(ROW_HASH, hashes) if index < 0 else rows.set_column(index, ROW_HASH, hashes)


def content_hash(hashes: "AnyArray | pa.ChunkedArray[Any]") -> str:
    """Return a hash of a set of rows from their hashes, whatever their order."""
    total = pc.sum(hashes.cast(pa.uint64(), safe=False)).as_py() or 0  # the sum wraps around
    return f"{total:016x}-{len(hashes)}"


def content_texts(values: "AnyArray") -> "AnyArray":
    """Return a text for each value, equal for equal values only."""
    return _texts({"": values}, len(values))


def _digests(texts: "AnyArray") -> pa.Int64Array:
    digests = b"".join(map(mmh3.hash_bytes, cast("Sequence[bytes]", texts.to_pylist())))
    halves = pa.Array.from_buffers(pa.int64(), 2 * len(texts), [None, pa.py_buffer(digests)])
    return cast("pa.Int64Array", pc.list_element(pa.FixedSizeListArray.from_arrays(halves, 2), 0))


def _texts(values: Mapping[str, "AnyArray"], rows: int, separator: int = _FIRST_SEPARATOR) -> "AnyArray":
    """Return one text per row of these values by name."""
    content = _Content(rows, separator)
    for name in sorted(values):
        content.add(name, values[name])
    return content.texts()


class _Content:
    """The contents of some rows, or of the items of lists, as one text each.

    Args:
        rows: The number of rows.
        separator: The byte between two values; lists in the values use the ones below.
    """

    def __init__(self, rows: int, separator: int) -> None:
        self._separator = separator
        self._rows = rows
        self._constant = 0
        self._sum: AnyArray | pa.Scalar[Any] = _ZERO
        self._texts: list[AnyArray] = []

    def add(self, name: str, values: "AnyArray") -> None:
        """Add a value per row; a null adds nothing."""
        kind = values.type
        if values.null_count == len(values):
            return
        if values.null_count:
            self._add(pc.if_else(values.is_valid(), _factor(name), _ZERO))
        else:
            self._constant += _factor(name).as_py()
        if isinstance(kind, pa.StructType):
            fields = dict(zip((field.name for field in kind), cast("pa.StructArray", values).flatten(), strict=True))
            for field in sorted(fields):
                self.add(f"{name}.{field}", fields[field])
        elif isinstance(kind, pa.ListType):
            self._add_lists(name, values)
        elif pa.types.is_boolean(kind) or pa.types.is_integer(kind):
            self._add_numbers(f"{name}=", values)
        elif pa.types.is_timestamp(kind):
            self._add_numbers(f"{name}=", values.cast(pa.int64()))
        elif pa.types.is_date32(kind):
            self._add_numbers(f"{name}=", values.cast(pa.int32()))
        elif pa.types.is_float64(kind):
            bits = values.view(pa.uint64())
            # The low bits of most numbers are zero. Those of the products would be, too, and their sums would collide.
            self._add_numbers(f"{name}=", pc.bit_wise_xor(bits, pc.shift_right(bits, pa.scalar(32, pa.uint64()))))
        else:
            text = values if pa.types.is_string(kind) else values.cast(pa.string())
            self._texts.append(text.cast(pa.binary()))

    def texts(self) -> "AnyArray":
        """Return one text per row."""
        total = pc.add(self._sum, pa.repeat(pa.scalar(self._constant % 2**64, pa.uint64()), self._rows))
        sums = pa.Array.from_buffers(pa.binary(8), len(total), total.buffers(), offset=total.offset)
        joined = pc.binary_join_element_wise(  # pyright: ignore[reportCallIssue] - the stubs miss scalars
            sums.cast(pa.binary()),
            *self._texts,
            _byte(self._separator),  # pyright: ignore[reportArgumentType]
            null_handling="skip",  # pyright: ignore[reportArgumentType]
        )
        return cast("AnyArray", joined)

    def _add_lists(self, name: str, lists: "AnyArray") -> None:
        """Add the lengths of the lists, and the texts of those that have items."""
        lengths = cast("AnyArray", pc.fill_null(pc.list_value_length(lists), pa.scalar(0, pa.int32())))
        self._add_numbers(f"{name}#", lengths)
        items = pc.list_flatten(lists)
        if not len(items):
            return
        texts = _texts({"": items}, len(items), self._separator - 2)
        starts = pa.concat_arrays([pa.array([0], pa.int32()), pc.cumulative_sum(lengths).cast(pa.int32())])
        lists_of_texts = pa.ListArray.from_arrays(cast("pa.Int32Array", starts), texts)
        joined = cast("AnyArray", pc.binary_join(lists_of_texts, _byte(self._separator - 1)))
        has_items = pc.greater(lengths, pa.scalar(0, pa.int32()))
        self._texts.append(cast("AnyArray", pc.if_else(has_items, joined, pa.scalar(None, pa.binary()))))

    def _add_numbers(self, name: str, values: "AnyArray") -> None:
        numbers = values.cast(pa.uint64(), safe=False)
        self._add(pc.multiply(pc.fill_null(numbers, _ZERO) if numbers.null_count else numbers, _factor(name)))

    def _add(self, numbers: "AnyArray | pa.Scalar[Any]") -> None:
        self._sum = pc.add(self._sum, numbers)  # wraps around, as `multiply` does


@cache
def _byte(value: int) -> "pa.Scalar[Any]":
    return pa.scalar(bytes([value]), pa.binary())


@cache
def _factor(name: str) -> "pa.Scalar[Any]":
    """Return an odd number of 64 bits: its products with different numbers differ."""
    return pa.scalar(mmh3.hash64(name.encode(), signed=False)[0] | 1, pa.uint64())
