"""Writing rows as sorted, deduplicated Parquet data files of one workspace, in bounded memory.

The files belong to no snapshot until `commit` adds them to one.
"""

from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
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
from asana_assets.lake.pyiceberg_internals import DataFileWriter, arrow_schema, refresh_vended_credentials
from asana_assets.lake.table import SYNCED_AT, WORKSPACE_COLUMN

ROWS_PER_FILE = 40_000
"""Default maximum of rows per data file: the fewest rows that a changed row causes to be rewritten."""

RUN_ROWS = 50_000
"""Default number of rows that are sorted in memory at once."""

RUN_BYTES = 64 * 1024 * 1024
"""Default size at which a run of wide rows ends instead of at its number of rows."""

_ARRIVAL = "__arrival"  # a row's position among those written: identifies the row and makes every sort order total


class PartitionWriter:
    """Writes one workspace's rows, given in any order, as data files sorted by `sort_by` across all files.

    Rows are deduplicated by `key`: the newest `_synced_at` wins, then the row written last. Null keys are never equal.
    Without a key, all rows are kept.
    Columns and nested fields are matched by name; missing ones become null. On leaving the context the written files
    are deleted unless `finish` returned.

    Args:
        table: The table whose current schema and location are used.
        workspace: The gid of the workspace that all rows belong to; the batches may omit it.
        sort_by: Columns to sort by; a unique last one such as `gid` makes the files' ranges disjoint.
        key: Columns that identify a row; may be empty.
        rows_per_file: Maximum of rows per data file.
        run_rows: Rows sorted in memory at once, and approximate size of a row group; fewer when rows are wide.
        spill_dir: A local directory for rows beyond one run; defaults to the system's temporary directory.
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
        self._checked_schema: pa.Schema | None = None
        self._buffer: list[pa.Table] = []
        self._buffered_rows = self._buffered_bytes = 0
        self._rows_written = 0
        self._open: DataFileWriter | None = None
        self._files: list[DataFile] = []
        self._finished = False
        for column in (*sort_by, *key, *((SYNCED_AT,) if key else ())):
            if column not in self._schema.names:
                raise SchemaError(f"Table {'.'.join(table.name())} has no column {column} to sort or identify rows by.")
        self._rows = ExternalSorter(
            [*((column, "ascending") for column in sort_by), (_ARRIVAL, "ascending")],
            chunk_rows=run_rows,
            spill_dir=spill_dir,
        )
        # The first row of each key is kept. Nulls sort last in either direction, so a null `_synced_at` never wins
        # against a value.
        self._keys = ExternalSorter(
            [*((column, "ascending") for column in key), (SYNCED_AT, "descending"), (_ARRIVAL, "descending")],
            chunk_rows=run_rows,
            spill_dir=spill_dir,
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()

    @property
    def is_empty(self) -> bool:
        """Whether no row was written."""
        return self._buffered_rows == self._rows_written == 0

    def write(self, rows: pa.RecordBatch | pa.Table) -> None:
        """Buffer rows; small batches are combined, large ones split.

        Raises:
            SchemaError: The table lacks a column (raised here), or a value does not fit its column (here or later).
        """
        self._check_columns(rows.schema)
        table = pa.table(rows) if isinstance(rows, pa.RecordBatch) else rows
        bytes_per_row = max(1, table.nbytes // max(1, table.num_rows))
        step = max(1, min(self._run_rows, RUN_BYTES // bytes_per_row))
        for start in range(0, table.num_rows, step):
            piece = table.slice(start, step)
            if self._buffered_rows + piece.num_rows > self._run_rows or self._buffered_bytes >= RUN_BYTES:
                self._flush()
            self._buffer.append(piece)
            self._buffered_rows += piece.num_rows
            self._buffered_bytes += piece.num_rows * bytes_per_row

    def finish(self, on_rows: Callable[[pa.Table], None] | None = None) -> list[DataFile]:
        """Write the data files and return them in row order; without rows, return none.

        `on_rows` is called with the rows, in order and without duplicates.
        """
        with translate_errors(self._table):
            refresh_vended_credentials(self._table)
            return self._finish(on_rows)

    def _finish(self, on_rows: Callable[[pa.Table], None] | None) -> list[DataFile]:
        self._flush()
        duplicates = self._duplicates()
        self._keys.close()
        for rows in self._rows.merged():
            kept = rows
            if len(duplicates):
                kept = rows.filter(pc.invert(pc.is_in(rows.column(_ARRIVAL), value_set=duplicates)))
            kept = kept.drop_columns([_ARRIVAL])
            self._write_files(kept)
            if on_rows is not None:
                on_rows(kept)
        self._close_file()
        self._finished = True
        self.close()
        return self._files

    def close(self) -> None:
        """Release memory and the spill files; unless `finish` returned, also delete the written data files."""
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

    def _check_columns(self, schema: pa.Schema) -> None:
        if self._checked_schema is not None and schema.equals(self._checked_schema):
            return
        if extra := [name for name in schema.names if name not in self._schema.names]:
            raise SchemaError(f"Table {'.'.join(self._table.name())} has no column {', '.join(extra)}.")
        self._checked_schema = schema

    def _flush(self) -> None:
        if self._buffered_rows == 0:
            return
        try:
            raw = pa.concat_tables(self._buffer, promote_options="permissive").combine_chunks()
        except (pa.ArrowInvalid, pa.ArrowTypeError) as error:
            name = ".".join(self._table.name())
            raise SchemaError(f"Batches of rows for table {name} have incompatible types: {error}") from error
        self._buffer.clear()
        self._buffered_rows = self._buffered_bytes = 0
        rows = self._conform(raw)
        ones = pa.repeat(pa.scalar(1, pa.int64()), rows.num_rows)
        arrival = pc.cumulative_sum(ones, start=pa.scalar(self._rows_written - 1, pa.int64()))
        self._rows_written += rows.num_rows
        rows = rows.append_column(_ARRIVAL, arrival)
        if self._key:
            self._keys.add(rows.select([*dict.fromkeys([*self._key, SYNCED_AT, _ARRIVAL])]))
        self._rows.add(rows)

    def _conform(self, raw: pa.Table) -> pa.Table:
        """Return the rows with the table's columns, in its order and types, with field ids."""
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
                raise SchemaError(f"A value does not fit column {field.name} of table {name}: {error}") from error
            if not field.nullable and columns[field.name].null_count:
                raise SchemaError(f"Column {field.name} of table {name} is required, but a row has no value for it.")
        return pa.table(columns, schema=self._schema)

    def _check_workspace(self, raw: pa.Table) -> None:
        if WORKSPACE_COLUMN not in raw.column_names:
            return
        same = pc.all(pc.equal(raw.column(WORKSPACE_COLUMN), pa.scalar(self._workspace, pa.string()))).as_py()
        if not same:
            raise SchemaError(
                f"A row for table {'.'.join(self._table.name())} belongs to a workspace other than {self._workspace}."
            )

    def _duplicates(self) -> pa.Int64Array:
        """Return the arrival numbers of rows superseded by another row with the same key."""
        found: list[pa.Int64Array] = [pa.array([], pa.int64())]
        previous: pa.Table | None = None
        for chunk in self._keys.merged():
            keys = chunk if previous is None else pa.concat_tables([previous, chunk])
            keys = keys.combine_chunks()
            before, after = keys.slice(0, keys.num_rows - 1), keys.slice(1)
            same = reduce(pc.and_, (pc.equal(before.column(name), after.column(name)) for name in self._key))
            superseded = after.column(_ARRIVAL).filter(same)  # drops nulls too: null keys are never equal
            found += cast("list[pa.Int64Array]", superseded.chunks)
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
        """Yield `rows` in pieces that end where a file or a row group is full."""
        start = 0
        while start < rows.num_rows:
            remaining = self._rows_per_file - (self._open.rows if self._open is not None else 0)
            step = min(remaining, self._run_rows)
            yield rows.slice(start, step)
            start += step

    def _close_file(self) -> None:
        if self._open is not None:
            self._files.append(self._open.close())
            self._open = None


def delete_files(table: Table, files: Iterable[DataFile]) -> None:
    """Delete uncommitted files, best effort: never raises, so that an error being handled is not masked."""
    for file in files:
        with suppress(Exception):
            table.io.delete(file.file_path)


@contextmanager
def deleted_on_error(table: Table, files: Iterable[DataFile]) -> Generator[None]:
    """Delete uncommitted files if the block raises."""
    try:
        yield
    except BaseException:
        delete_files(table, files)
        raise
