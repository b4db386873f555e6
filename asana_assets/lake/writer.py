"""Rows into the sorted, deduplicated Parquet data files of one workspace, in bounded memory.

The files belong to no snapshot until `commit` puts them into one.
"""

from collections.abc import Iterator, Sequence
from functools import reduce
from pathlib import Path
from types import TracebackType
from typing import Self, cast

import pyarrow as pa
import pyarrow.compute as pc
from pyiceberg.manifest import DataFile
from pyiceberg.table import Table

from asana_assets.lake.error_translation import translate_errors
from asana_assets.lake.errors import SchemaError
from asana_assets.lake.external_sort import ExternalSorter
from asana_assets.lake.pyiceberg_internals import DataFileWriter, arrow_schema, delete_files, refresh_vended_credentials
from asana_assets.lake.table import SYNCED_AT, WORKSPACE_COLUMN

ROWS_PER_FILE = 100_000
RUN_ROWS = 50_000

_RUN_BYTES = 64 * 1024 * 1024  # wide rows make shorter runs
_ARRIVAL = "__arrival"  # the position at which a row was written: makes every order total, and names a row


class PartitionWriter:
    """A workspace's rows, written in any order, as data files sorted by `sort_by` over all of them.

    Of rows with one `key` the one with the newest `_synced_at` stays; among equals the one written last; a null key
    equals none. Columns are matched by name, nested ones too; those that a batch lacks become null. As a context
    manager it deletes, unless `finish` returned, whatever it wrote.

    Args:
        table: its schema and location are used as they are now.
        workspace: the gid that all rows belong to; the batches need not carry it.
        sort_by: columns; a unique tail such as `gid` makes files' ranges disjoint.
        key: columns that identify a row.
        rows_per_file: at most.
        run_rows: rows sorted in memory at once, and about the rows of a row group; fewer when rows are wide.
        spill_dir: a local directory for what does not fit one run; default the system's.
    """

    def __init__(
        self,
        table: Table,
        *,
        workspace: str,
        sort_by: Sequence[str],
        key: Sequence[str] = ("gid",),
        rows_per_file: int = ROWS_PER_FILE,
        run_rows: int = RUN_ROWS,
        spill_dir: Path | None = None,
    ) -> None:
        self._table = table
        self._workspace = workspace
        self._key = list(key)
        self._rows_per_file = rows_per_file
        self._run_rows = run_rows
        self._schema = arrow_schema(table.schema(), field_ids=True)
        self._accepted: pa.Schema | None = None
        self._buffer: list[pa.Table] = []
        self._buffered_rows = self._buffered_bytes = 0
        self._arrived = 0
        self._open: DataFileWriter | None = None
        self._files: list[DataFile] = []
        self._finished = False
        for column in (*sort_by, *key, SYNCED_AT):
            if column not in self._schema.names:
                raise SchemaError(f"Table {'.'.join(table.name())} has no column {column} to sort or identify rows by.")
        self._rows = ExternalSorter(
            [*((column, "ascending") for column in sort_by), (_ARRIVAL, "ascending")],
            chunk_rows=run_rows,
            spill_dir=spill_dir,
        )
        # The first of a key's rows is the one to keep. Nulls sort last in either direction, so no time loses to any.
        self._keys = ExternalSorter(
            [*((column, "ascending") for column in key), (SYNCED_AT, "descending"), (_ARRIVAL, "descending")],
            chunk_rows=run_rows,
            spill_dir=spill_dir,
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()

    def write(self, rows: pa.RecordBatch | pa.Table) -> None:
        """Take rows; small batches are gathered, large ones cut.

        Raises:
            SchemaError: a column that the table lacks (here), a value that does not fit its column (here or later).
        """
        self._accept(rows.schema)
        table = pa.table(rows) if isinstance(rows, pa.RecordBatch) else rows
        bytes_per_row = max(1, table.nbytes // max(1, table.num_rows))
        step = max(1, min(self._run_rows, _RUN_BYTES // bytes_per_row))
        for start in range(0, table.num_rows, step):
            piece = table.slice(start, step)
            if self._buffered_rows + piece.num_rows > self._run_rows or self._buffered_bytes >= _RUN_BYTES:
                self._flush()
            self._buffer.append(piece)
            self._buffered_rows += piece.num_rows
            self._buffered_bytes += piece.num_rows * bytes_per_row

    def finish(self) -> list[DataFile]:
        """Write the data files and return them, in the order of their rows; none when there were no rows."""
        with translate_errors(self._table):
            refresh_vended_credentials(self._table)
            return self._finish()

    def _finish(self) -> list[DataFile]:
        self._flush()
        duplicates = self._duplicates()
        self._keys.close()
        for rows in self._rows.merged():
            kept = rows
            if len(duplicates):
                kept = rows.filter(pc.invert(pc.is_in(rows.column(_ARRIVAL), value_set=duplicates)))
            self._write_files(kept.drop_columns([_ARRIVAL]))
        self._close_file()
        self._finished = True
        self.close()
        return self._files

    def close(self) -> None:
        """Free memory and disk; before `finish` has returned, also delete the data files written so far."""
        self._buffer.clear()
        self._rows.close()
        self._keys.close()
        if self._finished:
            return
        if self._open is not None:
            self._open.abort()
            self._open = None
        delete_files(self._table, self._files)
        self._files = []

    def _accept(self, schema: pa.Schema) -> None:
        if self._accepted is not None and schema.equals(self._accepted):
            return
        if extra := [name for name in schema.names if name not in self._schema.names]:
            raise SchemaError(f"Table {'.'.join(self._table.name())} has no column {', '.join(extra)}.")
        self._accepted = schema

    def _flush(self) -> None:
        if self._buffered_rows == 0:
            return
        try:
            raw = pa.concat_tables(self._buffer, promote_options="permissive").combine_chunks()
        except (pa.ArrowInvalid, pa.ArrowTypeError) as error:
            name = ".".join(self._table.name())
            raise SchemaError(f"Rows for table {name} come with types that do not go together: {error}") from error
        self._buffer.clear()
        self._buffered_rows = self._buffered_bytes = 0
        rows = self._conform(raw)
        ones = pa.repeat(pa.scalar(1, pa.int64()), rows.num_rows)
        arrival = pc.cumulative_sum(ones, start=pa.scalar(self._arrived - 1, pa.int64()))
        self._arrived += rows.num_rows
        rows = rows.append_column(_ARRIVAL, arrival)
        self._keys.add(rows.select([*dict.fromkeys([*self._key, SYNCED_AT, _ARRIVAL])]))
        self._rows.add(rows)

    def _conform(self, raw: pa.Table) -> pa.Table:
        """The table's columns, in its order and types, with field ids."""
        name = ".".join(self._table.name())
        self._check_workspace(raw)
        columns = {field.name: raw.column(field.name) for field in self._schema if field.name in raw.column_names}
        columns[WORKSPACE_COLUMN] = pa.chunked_array([pa.repeat(pa.scalar(self._workspace), raw.num_rows)])
        for field in self._schema:
            try:
                if field.name in columns:
                    columns[field.name] = columns[field.name].cast(field.type)
                else:
                    columns[field.name] = pa.chunked_array([pa.nulls(raw.num_rows, field.type)])
            except (pa.ArrowInvalid, pa.ArrowNotImplementedError, pa.ArrowTypeError) as error:
                raise SchemaError(f"Column {field.name} of table {name} cannot take a value: {error}") from error
            if not field.nullable and columns[field.name].null_count:
                raise SchemaError(f"Column {field.name} of table {name} is required, but a row has no value for it.")
        return pa.table(columns, schema=self._schema)

    def _check_workspace(self, raw: pa.Table) -> None:
        if WORKSPACE_COLUMN not in raw.column_names:
            return
        same = pc.all(pc.equal(raw.column(WORKSPACE_COLUMN), pa.scalar(self._workspace, pa.string()))).as_py()
        if not same:
            raise SchemaError(
                f"A row for table {'.'.join(self._table.name())} belongs to another workspace than {self._workspace}."
            )

    def _duplicates(self) -> pa.Int64Array:
        """The arrivals of the rows that give way to another of the same key."""
        found: list[pa.Int64Array] = [pa.array([], pa.int64())]
        previous: pa.Table | None = None
        for chunk in self._keys.merged():
            keys = chunk if previous is None else pa.concat_tables([previous, chunk])
            keys = keys.combine_chunks()
            before, after = keys.slice(0, keys.num_rows - 1), keys.slice(1)
            same = reduce(pc.and_, (pc.equal(before.column(name), after.column(name)) for name in self._key))
            again = after.column(_ARRIVAL).filter(same)  # where a null made it unknown, it is not the same
            found += cast("list[pa.Int64Array]", again.chunks)
            previous = keys.slice(keys.num_rows - 1)
        return pa.concat_arrays(found)

    def _write_files(self, rows: pa.Table) -> None:
        for piece in self._pieces(rows):
            if self._open is None:
                self._open = DataFileWriter(self._table, self._workspace)
            self._open.write(piece)
            if self._open.rows >= self._rows_per_file:
                self._close_file()

    def _pieces(self, rows: pa.Table) -> Iterator[pa.Table]:
        """`rows` cut where a file or a row group is full."""
        start = 0
        while start < rows.num_rows:
            room = self._rows_per_file - (self._open.rows if self._open is not None else 0)
            step = min(room, self._run_rows)
            yield rows.slice(start, step)
            start += step

    def _close_file(self) -> None:
        if self._open is not None:
            self._files.append(self._open.close())
            self._open = None
