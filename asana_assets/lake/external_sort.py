"""External merge sort of Arrow tables: sorted runs, spilled to one local file and merged by range.

Independent of Iceberg. Memory is bounded by one chunk of the merge plus one block per run.
"""

import tempfile
from collections.abc import Iterator, Sequence
from io import IOBase
from pathlib import Path
from types import TracebackType
from typing import IO, Literal, Self, cast

import pyarrow as pa
import pyarrow.compute as pc

Order = Sequence[tuple[str, Literal["ascending", "descending"]]]

_BLOCK_BYTES = 512 * 1024  # memory per run during the merge
_BLOCK_ROWS = 2048
_CHUNK_BYTES = 32 * 1024 * 1024  # loaded by the merge before it emits rows


class ExternalSorter:
    """Sorts any number of tables into one sequence of tables.

    `order` must be total (end it with a unique column); nulls sort last. A single table is never written to disk. The
    spill file is unnamed, so that even a killed process leaves nothing behind.
    """

    def __init__(self, order: Order, *, chunk_rows: int, spill_dir: Path | None = None) -> None:
        self._order = list(order)
        self._keys = [name for name, _ in self._order]
        self._chunk_rows = chunk_rows
        self._spill_dir = spill_dir
        self._only: pa.Table | None = None
        self._file: IO[bytes] | None = None
        self._writer: pa.RecordBatchFileWriter | None = None
        self._first_keys: list[pa.Table] = []  # sort keys of each block's first row, in file order
        self._sizes: list[tuple[int, int]] = []  # rows and bytes of each block

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()

    def add(self, table: pa.Table) -> None:
        """Sort one run of rows that fit in memory; all runs must have the same schema."""
        if table.num_rows == 0:
            return
        ordered = table.take(self._indices(table))
        if self._writer is None and self._only is None:
            self._only = ordered
            return
        if self._only is not None:
            first, self._only = self._only, None
            self._spill(first)
        self._spill(ordered)

    def merged(self) -> Iterator[pa.Table]:
        """Yield all rows in order, in tables of about `chunk_rows` (fewer when rows are wide); may be called once."""
        if self._only is not None:
            only, self._only = self._only, None
            yield only
        if self._writer is None or self._file is None:
            return
        self._writer.close()
        self._writer = None
        with pa.ipc.open_file(cast("IOBase", self._file)) as reader:
            yield from self._merge(reader)

    def close(self) -> None:
        """Release memory and the spill file."""
        self._only = None
        if self._writer is not None:
            self._writer.close()
            self._writer = None
        if self._file is not None:
            self._file.close()
            self._file = None

    def _indices(self, table: pa.Table) -> pa.UInt64Array:
        return pc.sort_indices(table.select(self._keys), sort_keys=self._order)

    def _spill(self, table: pa.Table) -> None:
        if self._writer is None:
            self._file = tempfile.TemporaryFile(prefix="asana-lake-", dir=self._spill_dir)  # noqa: SIM115 - closed by `close`
            options = pa.ipc.IpcWriteOptions(compression="lz4")
            self._writer = pa.ipc.new_file(self._file, table.schema, options=options)
        rows = max(1, min(_BLOCK_ROWS, self._chunk_rows, _BLOCK_BYTES * table.num_rows // max(1, table.nbytes)))
        for batch in table.combine_chunks().to_batches(max_chunksize=rows):
            self._writer.write_batch(batch)
            first = batch.select(self._keys).take(pa.array([0]))  # a slice would keep the whole run in memory
            self._first_keys.append(pa.Table.from_batches([first]))
            self._sizes.append((batch.num_rows, batch.nbytes))

    def _merge(self, reader: pa.RecordBatchFileReader) -> Iterator[pa.Table]:
        """Load blocks in the order of their first rows and yield rows that sort before the next block's first row.

        Unlike in a merge that compares the heads of all runs, the cost per step does not depend on the number of runs.
        """
        first_keys = pa.concat_tables(self._first_keys).combine_chunks()
        blocks = self._indices(first_keys)
        pool: list[pa.Table] = []
        rows = size = 0
        for position, block in enumerate(cast("list[int]", blocks.to_pylist())):
            pool.append(pa.table(reader.get_batch(block)))
            rows += self._sizes[block][0]
            size += self._sizes[block][1]
            last = position + 1 == len(blocks)
            if not last and rows < self._chunk_rows and size < _CHUNK_BYTES:
                continue
            bound = None if last else first_keys.slice(blocks[position + 1].as_py() or 0, 1)
            ready, rest = self._split(pool, bound)
            pool, rows, size = [rest], 0, 0  # the rest counts toward the memory per run, not toward the next chunk
            yield ready

    def _split(self, pool: list[pa.Table], bound: pa.Table | None) -> tuple[pa.Table, pa.Table]:
        """Empty the pool; return its rows before `bound` (one row's sort keys; None: all), sorted, and the rest."""
        loaded = pa.concat_tables(pool).combine_chunks()
        pool.clear()
        if bound is None:
            return loaded.take(self._indices(loaded)), loaded.slice(0, 0)
        # Sorting the bound together with the rows applies the same order to it, nulls included.
        indices = self._indices(pa.concat_tables([loaded.select(self._keys), bound]))
        at = pc.index(indices, pa.scalar(loaded.num_rows, indices.type)).as_py()
        return loaded.take(indices.slice(0, at)), loaded.take(indices.slice(at + 1))
