"""Which of the rows to write differ from the stored ones, and which stored rows they replace. Arrow only, no Iceberg.

Of several rows with one key, the newest `_synced_at` wins, then the one that was written last, whether they equal the
stored row or not.
"""

from typing import TYPE_CHECKING, Any, NamedTuple, cast

import pyarrow as pa
import pyarrow.compute as pc

from asana_assets.lake.row_hash import ROW_HASH
from asana_assets.lake.table import SYNCED_AT

if TYPE_CHECKING:
    from asana_assets.lake.pyiceberg_internals import AnyArray

KEY = "key"
"""The column of an index that identifies a row: one string, unlike the key of a table."""

INDEX_SCHEMA = pa.schema(
    [
        pa.field(KEY, pa.string()),
        pa.field(ROW_HASH, pa.int64()),
        pa.field("file", pa.int32()),
        pa.field("position", pa.int32()),
        pa.field("is_replaced", pa.bool_()),
    ]
)
"""A stored row: its key and hash, its file and position there, and whether it is deleted unless written again."""

_NO_KEYS = pa.array([], pa.string())
_INSTANT = pa.timestamp("us", "UTC")
_SEEN_SCHEMA = pa.schema([pa.field("row", pa.int64()), pa.field(SYNCED_AT, _INSTANT)])


class _Bounds(NamedTuple):
    """The range of consecutive rows and the lowest and the highest of their keys."""

    start: int
    stop: int
    low: str
    high: str


class RowIndex:
    """The stored rows that a write may replace, compared with the rows to write. Takes about 40 bytes per stored row.

    Args:
        stored: The stored rows, as in `INDEX_SCHEMA`. Those without a hash, or whose key is null or not unique, equal
            no row.
    """

    def __init__(self, stored: pa.Table) -> None:
        self._bounds = _bounds(stored[KEY])
        self._stored = stored.combine_chunks()
        self._keys = _combined(self._stored[KEY])
        self._hashes = _without_repeated(self._keys, _combined(self._stored[ROW_HASH]))
        self._unchanged = [_SEEN_SCHEMA.empty_table()]  # rows of `stored` that were seen again, and when
        self._written: list[AnyArray] = [_NO_KEYS]

    def __len__(self) -> int:
        """Return the number of stored rows."""
        return len(self._keys)

    @property
    def written(self) -> "AnyArray":
        """The keys of the rows to write, some of them repeatedly."""
        return pa.concat_arrays(self._written)

    def add_written(self, keys: "AnyArray") -> None:
        """Record the keys of rows that are written whether or not they differ."""
        self._written.append(keys)

    def select(self, rows: pa.Table) -> "AnyArray":
        """Return a boolean mask of the rows to write; the others equal the stored rows, which are left as they are.

        Args:
            rows: The key, hash and `_synced_at` of rows, in the order in which they were written.
        """
        keys, seen_at = _combined(rows[KEY]), _combined(rows[SYNCED_AT])
        stored = self._find(keys)
        differs = self._differs(stored, _combined(rows[ROW_HASH]))
        written = self.written
        if differs.true_count or len(written):
            # An unchanged row that came before may be newer.
            differs = pc.and_(differs, pc.invert(self._is_outdated(stored, seen_at)))
            # Once a changed row of a key is written, the unchanged ones must be written to compete with it.
            written = pa.concat_arrays([written, keys.filter(differs)])
            differs = pc.or_(differs, pc.is_in(keys, value_set=written))
        unchanged = pc.invert(differs)
        self._unchanged.append(pa.table([stored.filter(unchanged), seen_at.filter(unchanged)], schema=_SEEN_SCHEMA))
        self._written.append(keys.filter(differs))
        return differs

    def rebase(self, stored: pa.Table) -> "RowIndex | None":
        """Return the index of the rows that are stored by now; None if one that was unchanged no longer is."""
        unchanged = pc.indices_nonzero(self._is_unchanged())
        index = RowIndex(stored)
        rows = index._find(self._keys.take(unchanged))
        if index._differs(rows, self._hashes.take(unchanged)).true_count:
            return None
        index._unchanged.append(pa.table([rows, pa.nulls(len(rows), _INSTANT)], schema=_SEEN_SCHEMA))
        index._written = self._written
        return index

    def changed(self) -> pa.Table:
        """Return the stored rows with the key of a row to write."""
        return self._stored.filter(pc.is_in(self._keys, value_set=self.written))

    def removed(self) -> pa.Table:
        """Return the stored rows that are deleted because no row with their key was written or unchanged."""
        kept = pc.or_(pc.is_in(self._keys, value_set=self.written), self._is_unchanged())
        return self._stored.filter(pc.and_(_combined(self._stored["is_replaced"]), pc.invert(kept)))

    def _is_unchanged(self) -> "AnyArray":
        """Return a boolean mask of the stored rows that were seen again."""
        seen = _combined(pa.concat_tables(self._unchanged)["row"])
        return _positions(seen, len(self._keys)).is_valid()

    def _find(self, keys: "AnyArray") -> "AnyArray":
        """Return the row of `stored` for each key; null where there is none."""
        start, stop = self._range_of(keys)
        # The stored rows are looked up among the keys: building a lookup table of all of them takes much longer.
        key_of = pc.index_in(self._keys.slice(start, stop - start), value_set=keys)
        rows = pc.add(_positions(key_of.cast(pa.int64()), len(keys)), pa.scalar(start, pa.int64()))
        # A repeated key is found where it is first.
        return rows if _is_increasing(keys) else rows.take(pc.index_in(keys, value_set=keys))

    def _range_of(self, keys: "AnyArray") -> tuple[int, int]:
        """Return the first row of `stored` that may have one of the keys, and the one after the last."""
        low, high = _range(keys)
        if low is None or high is None:
            return 0, 0
        ranges = [bounds for bounds in self._bounds if bounds.low <= high and bounds.high >= low]
        return (ranges[0].start, ranges[-1].stop) if ranges else (0, 0)

    def _differs(self, stored: "AnyArray", hashes: "AnyArray") -> pa.BooleanArray:
        equal = pc.equal(hashes, self._hashes.take(stored))
        return cast("pa.BooleanArray", pc.invert(pc.fill_null(equal, pa.scalar(value=False))))

    def _is_outdated(self, stored: "AnyArray", seen_at: "AnyArray") -> "AnyArray":
        """Return a boolean mask of the rows that are older than an unchanged row with the same key."""
        seen = pa.concat_tables(self._unchanged)
        newest = (
            seen.filter(pc.is_in(seen["row"], value_set=stored.drop_null()))
            .group_by("row")
            .aggregate([(SYNCED_AT, "max")])
        )
        newest_at = newest[f"{SYNCED_AT}_max"].take(pc.index_in(stored, value_set=_combined(newest["row"])))
        return cast("AnyArray", pc.fill_null(pc.greater(_combined(newest_at), seen_at), pa.scalar(value=False)))


def _bounds(keys: "pa.ChunkedArray[Any]") -> list[_Bounds]:
    """Return the bounds of each chunk that has keys."""
    bounds: list[_Bounds] = []
    start = 0
    for chunk in keys.chunks:
        low, high = _range(chunk)
        if low is not None and high is not None:
            bounds.append(_Bounds(start, start + len(chunk), low, high))
        start += len(chunk)
    return bounds


def _range(keys: "AnyArray") -> tuple[str | None, str | None]:
    """Return the lowest and the highest key; None without any."""
    bounds = pc.min_max(keys)
    return cast("str | None", bounds["min"].as_py()), cast("str | None", bounds["max"].as_py())


def _without_repeated(keys: "AnyArray", hashes: "AnyArray") -> "AnyArray":
    """Return the hashes, with null where the key is null or not unique."""
    if not keys.null_count and (_is_increasing(keys) or len(pc.unique(keys)) == len(keys)):
        return hashes
    counts = pc.value_counts(keys)
    unique = counts.field("values").filter(pc.equal(counts.field("counts"), pa.scalar(1, pa.int64()))).drop_null()
    return cast("AnyArray", pc.if_else(pc.is_in(keys, value_set=unique), hashes, pa.scalar(None, pa.int64())))


def _positions(numbers: "AnyArray", count: int) -> "AnyArray":
    """Return the position in `numbers` of each number below `count`; null where it is missing."""
    padding = pa.nulls(max(0, count - len(numbers)), numbers.type)
    positions = pc.inverse_permutation(pa.concat_arrays([numbers, padding]))  # pyright: ignore[reportAttributeAccessIssue] - the stubs miss it
    return cast("AnyArray", positions).slice(0, count)


def _is_increasing(keys: "AnyArray") -> bool:
    """Return whether each key is greater than the one before it, which files that are sorted by key often show."""
    return pc.less(keys.slice(0, max(0, len(keys) - 1)), keys.slice(1)).false_count == 0


def row_numbers(count: int, start: int = 0) -> "AnyArray":
    """Return the numbers of consecutive rows: `start`, `start` + 1, and so on."""
    return pc.cumulative_sum(pa.repeat(pa.scalar(1, pa.int64()), count), start=pa.scalar(start - 1, pa.int64()))


def _combined(values: "pa.ChunkedArray[Any]") -> "AnyArray":
    return values.combine_chunks()
