"""Reading the stored rows that a write may replace, reduced to what `RowIndex` needs of them."""

from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import cast

import pyarrow as pa
import pyarrow.compute as pc
from pyiceberg.conversions import from_bytes
from pyiceberg.manifest import DataFile
from pyiceberg.schema import Schema
from pyiceberg.table import FileScanTask, Table
from pyiceberg.types import StringType

from asana_assets.lake.pyiceberg_internals import AnyArray, read_file
from asana_assets.lake.row_hash import ROW_HASH, row_hashes
from asana_assets.lake.row_index import INDEX_SCHEMA, row_numbers

_THREADS = 4  # files read concurrently; each thread keeps 20 MB


@dataclass(frozen=True, slots=True)
class Parents:
    """The parents whose rows a write replaces.

    Attributes:
        column: A string column, by whose bounds files are pruned.
        gids: The parents' gids as strings, including those without rows.
    """

    column: str
    gids: AnyArray


@dataclass(frozen=True, slots=True, kw_only=True)
class IndexReader:
    """Reads the stored rows of one workspace for a write.

    Attributes:
        table: The table, as last refreshed.
        key: The columns that identify a row.
        parents: The parents whose rows are replaced; None if all rows are.
        compare_contents: Whether the hash of a row whose content does not have it is null.
    """

    table: Table
    key: Sequence[str]
    parents: Parents | None = None
    compare_contents: bool = False

    @property
    def has_hashes(self) -> bool:
        """Whether the table has the column of hashes."""
        return ROW_HASH in _names(self.table.schema())

    def read(self, tasks: Iterable[FileScanTask], new_keys: AnyArray) -> pa.Table:
        """Return the rows of these files as in `INDEX_SCHEMA`, a file being its position among `tasks`.

        If only the rows of some parents are replaced, those of others are left out, unless their key is in `new_keys`.
        """
        files = [(number, task) for number, task in enumerate(tasks) if self._may_contain(task.file, new_keys)]
        # Whole rows are read one file at a time, so that memory stays bounded.
        with ThreadPoolExecutor(1 if self.compare_contents else _THREADS) as pool:
            parts = pool.map(lambda file: pa.concat_tables(self._read_file(file[0], file[1], new_keys)), files)
            return pa.concat_tables([INDEX_SCHEMA.empty_table(), *parts])

    def _read_file(self, number: int, task: FileScanTask, new_keys: AnyArray) -> Iterator[pa.Table]:
        yield INDEX_SCHEMA.empty_table()
        start = 0
        for batch in read_file(self.table, task, self._projection()):
            positions = row_numbers(batch.num_rows, start).cast(pa.int32())
            start += batch.num_rows
            rows, is_replaced = batch, pa.repeat(pa.scalar(value=True), batch.num_rows)
            if self.parents is not None:
                is_replaced = pc.is_in(batch[self.parents.column], value_set=self.parents.gids)
                included = pc.or_(is_replaced, pc.is_in(row_keys(batch, self.key), value_set=new_keys))
                rows = batch.filter(included)
                positions, is_replaced = positions.filter(included), is_replaced.filter(included)
            files = pa.repeat(pa.scalar(number, pa.int32()), rows.num_rows)
            columns = [row_keys(rows, self.key), self._hashes(rows), files, positions, is_replaced]
            yield pa.table(columns, schema=INDEX_SCHEMA)

    def _projection(self) -> Schema:
        if self.compare_contents and self.has_hashes:
            return self.table.schema()
        columns = [*self.key]
        if self.parents is not None:
            columns.append(self.parents.column)
        if self.has_hashes:
            columns.append(ROW_HASH)
        return self.table.scan(selected_fields=tuple(dict.fromkeys(columns)), case_sensitive=False).projection()

    def _hashes(self, batch: pa.RecordBatch) -> AnyArray:
        if not self.has_hashes:
            return pa.nulls(batch.num_rows, pa.int64())
        stored = batch[ROW_HASH]
        if not self.compare_contents:
            return stored
        is_right = pc.equal(stored, row_hashes(batch))
        return cast("AnyArray", pc.if_else(is_right, stored, pa.scalar(None, pa.int64())))

    def _may_contain(self, file: DataFile, new_keys: AnyArray) -> bool:
        """Return whether a file may contain rows to return, judged by its column bounds."""
        if self.parents is None or self._is_within_bounds(file, self.parents.column, self.parents.gids):
            return True
        # Bounds exist per column, so with a key of several columns any file may contain any new row's key.
        return len(new_keys) > 0 if len(self.key) > 1 else self._is_within_bounds(file, self.key[0], new_keys)

    def _is_within_bounds(self, file: DataFile, column: str, values: AnyArray) -> bool:
        """Return whether any of `values` is within the file's bounds of a string column; without bounds, any is."""
        field_id = self.table.schema().find_field(column, case_sensitive=False).field_id
        low, high = (file.lower_bounds or {}).get(field_id), (file.upper_bounds or {}).get(field_id)
        if low is None or high is None:
            return len(values) > 0
        above = pc.greater_equal(values, pa.scalar(cast("str", from_bytes(StringType(), low)), pa.string()))
        below = pc.less_equal(values, pa.scalar(cast("str", from_bytes(StringType(), high)), pa.string()))
        return bool(pc.any(pc.and_(above, below)).as_py())


def row_keys(rows: pa.RecordBatch | pa.Table, key: Sequence[str]) -> AnyArray:
    """Return each row's key as one string; null if any part is null."""
    table = pa.Table.from_batches([rows]) if isinstance(rows, pa.RecordBatch) else rows
    columns = [table.column(name).cast(pa.string()) for name in key]
    if len(columns) > 1:
        columns = [pc.binary_join_element_wise(*columns, "\x1f")]  # pyright: ignore[reportCallIssue,reportArgumentType] - the stubs miss scalars
    return pa.concat_arrays([pa.array([], pa.string()), *columns[0].chunks])


def _names(schema: Schema) -> set[str]:
    return {field.name.lower() for field in schema.fields}
