"""What a write changes, row by row: which rows are added, changed and removed, and their old values. Arrow only.

Rows are spilled to disk and paired by a merge, so that memory is bounded, however many rows a write changes.
"""

import datetime as dt
import json
from collections.abc import Collection, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import pyarrow as pa
import pyarrow.compute as pc

from asana_assets.lake.external_sort import ExternalSorter
from asana_assets.lake.pyiceberg_internals import AnyArray, cast_to_schema, field_id
from asana_assets.lake.row_hash import NOT_CONTENT, content_texts

if TYPE_CHECKING:
    from asana_assets.lake.pyiceberg_internals import AnyField

GID = "gid"
_IS_NEW, _FILE_FIELDS = "__is_new", "__file_fields"  # columns that are added to spilled rows
_FALSE, _TRUE = pa.scalar(value=False), pa.scalar(value=True)

ENTRY_SCHEMA = pa.schema(
    [
        pa.field(GID, pa.string()),
        pa.field("kind", pa.string()),
        pa.field("changed_columns", pa.list_(pa.string())),
        pa.field("old_values", pa.string()),
    ]
)
"""What `RowChanges.entries` yields."""


class RowChanges:
    """The rows that a write replaces and those that it writes, compared by `gid`.

    Only content counts, as in `row_hash`. What the file of an old row did not have yet, a column or a nested field, is
    not compared: an upgrade that adds it changes no row by itself.

    Args:
        schema: The table's schema with field ids, in which all rows are given.
        written: The keys of the rows to write.
        changed: The keys of the stored rows that they replace.
        run_rows: The number of rows that are sorted in memory at once.
        run_bytes: The size at which a run of wide rows ends instead.
        spill_dir: As for `ExternalSorter`.
    """

    def __init__(
        self,
        schema: pa.Schema,
        *,
        written: AnyArray,
        changed: AnyArray,
        run_rows: int,
        run_bytes: int,
        spill_dir: Path | None = None,
    ) -> None:
        self._fields = [field for field in schema if field.name == GID or field.name not in NOT_CONTENT]
        self._schema = (
            pa.schema(self._fields).append(pa.field(_IS_NEW, pa.bool_())).append(pa.field(_FILE_FIELDS, pa.int32()))
        )
        self._leaf_ids = {leaf for field in self._fields for leaf in _leaf_ids(field)}
        self._absent: list[frozenset[int]] = [frozenset()]  # ids of the fields that a kind of file lacks
        self._written, self._changed = written.drop_null(), changed.drop_null()
        self._run_rows, self._run_bytes = run_rows, run_bytes
        self._run: list[pa.Table] = []
        self._sorter = ExternalSorter(
            [(GID, "ascending"), (_IS_NEW, "ascending")], chunk_rows=run_rows, spill_dir=spill_dir
        )

    def add_old(self, rows: pa.RecordBatch | pa.Table, file_fields: Collection[int]) -> None:
        """Add rows that are replaced; `file_fields` are the ids of the fields that their file has, if known."""
        absent = frozenset(self._leaf_ids.difference(file_fields) if file_fields else ())
        if absent not in self._absent:
            self._absent.append(absent)
        self._add({name: rows[name] for name in self._names}, rows.num_rows, _FALSE, self._absent.index(absent))

    def add_new(self, rows: pa.Table) -> None:
        """Add rows in the table's new files; those that were only moved from one file to another are ignored."""
        is_written = pc.is_in(rows[GID], value_set=self._written)
        is_changed = pc.is_in(rows[GID], value_set=self._changed)
        changed = rows.filter(pc.and_(is_written, is_changed))
        self._add({name: changed[name] for name in self._names}, changed.num_rows, _TRUE, 0)
        added = rows[GID].filter(pc.and_(is_written, pc.invert(is_changed)))
        nothing = {field.name: pa.nulls(len(added), field.type) for field in self._fields}
        self._add(nothing | {GID: added}, len(added), _TRUE, 0)

    def entries(self) -> Iterator[pa.Table]:
        """Yield the changes in the order of their gids, as in `ENTRY_SCHEMA`; may be called once."""
        self._flush()
        held: list[pa.Table] = []  # an old row whose new version may be the next
        for chunk in self._sorter.merged():
            rows = pa.concat_tables([*held, chunk]).combine_chunks()
            ends_old = not rows[_IS_NEW][-1].as_py()
            held = [rows.slice(rows.num_rows - 1)] if ends_old else []
            yield from self._entries(rows.slice(0, rows.num_rows - 1) if ends_old else rows)
        for rows in held:
            yield from self._entries(rows)
        self.close()

    def close(self) -> None:
        """Release memory and the spill file."""
        self._run.clear()
        self._sorter.close()

    @property
    def _names(self) -> list[str]:
        return [field.name for field in self._fields]

    def _add(self, columns: dict[str, Any], count: int, is_new: "pa.BooleanScalar", file_fields: int) -> None:
        if not count:
            return
        marks = [pa.repeat(is_new, count), pa.repeat(pa.scalar(file_fields, pa.int32()), count)]
        arrays = [columns[field.name].cast(field.type) for field in self._fields]
        self._run.append(pa.table([*arrays, *marks], schema=self._schema))
        if (
            sum(table.num_rows for table in self._run) >= self._run_rows
            or sum(table.nbytes for table in self._run) >= self._run_bytes
        ):
            self._flush()

    def _flush(self) -> None:
        if self._run:
            self._sorter.add(pa.concat_tables(self._run).combine_chunks())
            self._run.clear()

    def _entries(self, rows: pa.Table) -> Iterator[pa.Table]:
        """Yield the changes among sorted rows that contain both versions of a row or one."""
        if not rows.num_rows:
            return
        gids, is_new = (rows[name].combine_chunks() for name in (GID, _IS_NEW))
        is_next = pc.equal(gids.slice(0, len(gids) - 1), gids.slice(1))
        same_as_next = pa.concat_arrays([is_next, pa.array([False])])
        same_as_last = pa.concat_arrays([pa.array([False]), is_next])
        is_old = pc.invert(is_new)
        # Of several old rows with one key, which only another program can have written, the last one counts.
        old_of_pair = pc.and_(is_old, pc.and_(same_as_next, pa.concat_arrays([is_new.slice(1), pa.array([False])])))
        new_of_pair = pc.and_(is_new, same_as_last)
        added = gids.filter(pc.and_not(is_new, new_of_pair))
        removed = rows.filter(pc.and_not(is_old, same_as_next))
        parts = [
            _entry_table(added, "added"),
            _entry_table(removed[GID].combine_chunks(), "removed", old_values=self._whole_rows(removed)),
            self._changed_entries(rows.filter(old_of_pair), rows.filter(new_of_pair)),
        ]
        entries = pa.concat_tables(parts)
        if entries.num_rows:
            yield entries.sort_by(GID)

    def _whole_rows(self, rows: pa.Table) -> list[str]:
        return [_to_json(row) for row in rows.select(self._names).to_pylist()]

    def _changed_entries(self, old: pa.Table, new: pa.Table) -> pa.Table:
        """Return the entries of rows of which both versions are given, in the same order."""
        parts = [ENTRY_SCHEMA.empty_table()]
        for number, absent in enumerate(self._absent):
            is_of_kind = pc.equal(old[_FILE_FIELDS], pa.scalar(number, pa.int32()))
            parts.append(self._compare(old.filter(is_of_kind), new.filter(is_of_kind), absent))
        return pa.concat_tables(parts)

    def _compare(self, old: pa.Table, new: pa.Table, absent: frozenset[int]) -> pa.Table:
        old_values: list[dict[str, object]] = [{} for _ in range(old.num_rows)]
        for field in self._fields if old.num_rows else ():
            known = _without(field, absent)
            if known is None:
                continue
            before, after = (cast_to_schema(rows[field.name].combine_chunks(), field, known) for rows in (old, new))
            differs = pc.not_equal(content_texts(before), content_texts(after))
            rows = pc.indices_nonzero(differs).to_pylist()
            for row, value in zip(cast("list[int]", rows), before.filter(differs).to_pylist(), strict=True):
                old_values[row][field.name] = value
        is_changed = pa.array([bool(values) for values in old_values], pa.bool_())
        changed = [values for values in old_values if values]
        return _entry_table(
            old[GID].combine_chunks().filter(is_changed),
            "changed",
            changed_columns=[list(values) for values in changed],
            old_values=[_to_json(values) for values in changed],
        )


def _entry_table(
    gids: AnyArray,
    kind: str,
    *,
    changed_columns: Sequence[Sequence[str]] | None = None,
    old_values: Sequence[str] | None = None,
) -> pa.Table:
    count = len(gids)
    columns = [gids, pa.repeat(pa.scalar(kind), count), changed_columns, old_values]
    arrays = [
        pa.nulls(count, field.type) if values is None else pa.array(values, field.type)
        for field, values in zip(ENTRY_SCHEMA, columns, strict=True)
    ]
    return pa.table(arrays, schema=ENTRY_SCHEMA)


def _to_json(values: object) -> str:
    return json.dumps(values, ensure_ascii=False, default=_instant_or_day)


def _instant_or_day(value: dt.date) -> str:
    return value.isoformat().replace("+00:00", "Z")


def _leaf_ids(field: "AnyField") -> Iterator[int]:
    if isinstance(field.type, pa.ListType):
        yield from _leaf_ids(field.type.value_field)
    elif isinstance(field.type, pa.StructType):
        for child in field.type:
            yield from _leaf_ids(child)
    else:
        yield int(field_id(field))


def _without(field: "AnyField", absent: frozenset[int]) -> "AnyField | None":
    """Return the field without the nested fields whose ids are `absent`; None if nothing is left."""
    if not absent:
        return field
    if isinstance(field.type, pa.ListType):
        items = _without(field.type.value_field, absent)
        return None if items is None else field.with_type(pa.list_(items))
    if isinstance(field.type, pa.StructType):
        children = [child for child in (_without(child, absent) for child in field.type) if child is not None]
        return field.with_type(pa.struct(children)) if children else None
    return None if int(field_id(field)) in absent else field
