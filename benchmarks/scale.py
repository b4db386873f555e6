"""What writing costs when a table is large and little has changed: a million tasks, a million stories.

Only the lake is measured, without HTTP and without parsing: rows are built from the server's records (`pages`), and the
time for that is subtracted. Each write has a process of its own, so that its peak memory is known; the peak includes
the building of rows. Times are CPU times, which depend less on the machine's other load, and the shortest of several.
"""

import argparse
import multiprocessing
import resource
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Final

import pyarrow as pa
from rich.console import Console
from rich.progress import track

from asana_assets.asana.client import Page
from asana_assets.asana.endpoints import STORIES, TASKS
from asana_assets.asana.model import PARENT_GID, Endpoint
from asana_assets.lake.lake import Lake
from asana_assets.sync.rows import FetchedPage, RowBuilder
from benchmarks.pages import FIRST_PROJECT, PAGE_SIZE, STORIES_PER_TASK, WORKSPACE, Pages, Templates, fetch_templates
from benchmarks.report import Figure, report

TIME_RATIO: Final = 0.25
"""Highest ratio of the time of a write that changes 0.1 % of the rows to that of the first write."""
BYTES_RATIO: Final = 0.05
"""The same for the size of the data files written."""
STORIES_RATIO: Final = 1.5
"""Highest ratio of the time of adding stories to some tasks to that of writing the files which they touch."""
PEAK_MB: Final = 700.0
"""Highest peak memory of any write, in MiB."""

_PAGES_PER_BATCH = 20
_RENAMED = 1_000  # one task in this many
_PARENTS = 1_000  # tasks with new stories
_COPY = 10**9  # between the gids of a task's stories and those of their copies
_WORKSPACE = WORKSPACE.decode()


@dataclass(frozen=True, slots=True, kw_only=True)
class Write:
    """One write.

    Attributes:
        changes: Rows that were added, changed or removed.
        cpu_seconds: Of the write, without the building of rows.
        bytes_written: Size of the new data files.
        files_written: Number of new data files.
        peak_mb: Peak resident memory of the process, in MiB.
    """

    changes: int
    cpu_seconds: float
    bytes_written: int
    files_written: int
    peak_mb: float


class _Rows:
    """Builds batches of rows and measures the CPU time for that."""

    def __init__(self, pages: Pages) -> None:
        self._pages = pages
        self.cpu_seconds = 0.0

    def tasks(self, count: int, renamed: range) -> Iterator[pa.RecordBatch]:
        """Yield tasks; those with a number in `renamed` have another name than the others."""
        pages = (
            _fetched(self._pages.tasks(FIRST_PROJECT + number, 0), PAGE_SIZE) for number in range(count // PAGE_SIZE)
        )
        yield from self._timed(_rename(_build(TASKS, pages), renamed))

    def stories(self, tasks: range, *, copies: int) -> Iterator[pa.RecordBatch]:
        """Yield this multiple of each task's stories."""
        pages = (
            _fetched(
                b",".join(self._pages.stories(task + copy * _COPY) for copy in range(copies)),
                STORIES_PER_TASK * copies,
                parent=_parent(task),
            )
            for task in tasks
        )
        yield from self._timed(_build(STORIES, pages))

    def _timed(self, batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        while True:
            started_at = time.process_time()
            batch = next(batches, None)
            self.cpu_seconds += time.process_time() - started_at
            if batch is None:
                return
            yield batch


def _parent(task: int) -> str:
    return str(10**12 + task)


def _fetched(records: bytes, count: int, *, parent: str = "") -> FetchedPage:
    page = Page(body=b'{"data":[%b]}' % records, count=count, requested_at=datetime.now(UTC))
    return FetchedPage(page, parent)


def _build(endpoint: Endpoint, pages: Iterator[FetchedPage]) -> Iterator[pa.RecordBatch]:
    builder = RowBuilder(endpoint)
    while several := list(islice(pages, _PAGES_PER_BATCH)):
        yield builder.build(several, _WORKSPACE).batch


def _rename(batches: Iterator[pa.RecordBatch], renamed: range) -> Iterator[pa.RecordBatch]:
    first = 0
    for batch in batches:
        numbers = range(first, first + batch.num_rows)
        names = [
            f"{name}, renamed" if number in renamed else name
            for number, name in zip(numbers, batch["name"].to_pylist(), strict=True)
        ]
        first = numbers.stop
        index = batch.schema.get_field_index("name")
        yield batch.set_column(index, batch.schema.field(index), pa.array(names))


@dataclass(frozen=True, slots=True)
class Benchmark:
    """The writes of one warehouse.

    Attributes:
        data_dir: Where the warehouse is.
        pages: Builds the records.
        rows: Number of rows of each table.
    """

    data_dir: Path
    pages: Pages
    rows: int

    def write_tasks(self, renamed: range) -> Write:
        """Write all tasks, those in `renamed` with another name than before."""
        rows = _Rows(self.pages)
        return self._write(TASKS, rows, rows.tasks(self.rows, renamed), parents=None)

    def write_stories(self, tasks: range | None) -> Write:
        """Double the stories of these tasks; None writes all stories for the first time."""
        rows = _Rows(self.pages)
        if tasks is None:
            every_task = range(self.rows // STORIES_PER_TASK)
            return self._write(STORIES, rows, rows.stories(every_task, copies=1), parents=None)
        return self._write(STORIES, rows, rows.stories(tasks, copies=2), parents=tasks)

    def _write(
        self, endpoint: Endpoint, rows: _Rows, batches: Iterable[pa.RecordBatch], parents: range | None
    ) -> Write:
        lake = Lake(data_dir=self.data_dir, namespace="asana")
        table = lake.ensure_table(endpoint.name, endpoint.schema)
        before = set(self.data_dir.rglob("*.parquet"))
        started_at = time.process_time()
        if parents is None:
            result = lake.replace_partition(table, _WORKSPACE, batches, sort_by=endpoint.sort_by)
        else:
            gids = pa.array([_parent(task) for task in parents])
            result = lake.replace_parents(
                table, _WORKSPACE, parent_column=PARENT_GID.name, parents=gids, rows=batches, sort_by=endpoint.sort_by
            )
        cpu_seconds = time.process_time() - started_at - rows.cpu_seconds
        new = set(self.data_dir.rglob("*.parquet")) - before
        return Write(
            changes=result.added + result.changed + result.removed,
            cpu_seconds=cpu_seconds,
            bytes_written=sum(path.stat().st_size for path in new),
            files_written=len(new),
            peak_mb=resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
        )


def measure(rows: int, scale: str, repetitions: int) -> dict[str, Write]:
    """Return each write by its name, in the order in which they were made.

    The CPU time is the shortest of all repetitions, which the machine's other load disturbed least; the peak memory is
    the largest.
    """
    templates = fetch_templates(scale)
    console = Console(stderr=True)
    progress = track(range(repetitions), description="writing", console=console, transient=True)
    runs = [_measure_once(rows, templates) for _ in progress]
    return {
        name: replace(
            write,
            cpu_seconds=min(run[name].cpu_seconds for run in runs),
            peak_mb=max(run[name].peak_mb for run in runs),
        )
        for name, write in runs[0].items()
    }


def _measure_once(rows: int, templates: Templates) -> dict[str, Write]:
    with tempfile.TemporaryDirectory() as data_dir:
        benchmark = Benchmark(Path(data_dir), Pages(templates, projects=1, pages=1), rows)
        newest, spread = range(rows - rows // _RENAMED, rows), range(0, rows, _RENAMED)
        parents = rows // STORIES_PER_TASK
        writes = {
            "first": partial(benchmark.write_tasks, range(0)),
            "unchanged": partial(benchmark.write_tasks, range(0)),
            "newest 0.1 % changed": partial(benchmark.write_tasks, newest),
            "another 0.1 % changed, one in each 1,000": partial(benchmark.write_tasks, spread),
            "stories, first": partial(benchmark.write_stories, None),
            "stories of the newest 1,000 tasks": partial(benchmark.write_stories, range(parents - _PARENTS, parents)),
            "stories of 1,000 tasks, evenly spread": partial(
                benchmark.write_stories, range(0, parents, parents // _PARENTS)
            ),
        }
        return {name: _in_a_process(write) for name, write in writes.items()}


def _in_a_process(write: Callable[[], Write]) -> Write:
    with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as process:
        return process.submit(write).result()


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.scale", description=__doc__)
    parser.add_argument("--rows", type=int, default=1_000_000, help="Rows of each table. Default: %(default)s.")
    parser.add_argument("--repetitions", type=int, default=3, help="Runs of all writes. Default: %(default)s.")
    parser.add_argument(
        "--scale",
        default="reference",
        help="Scale of the sandbox whose records serve as templates. Default: %(default)s.",
    )
    return parser


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the benchmark and return the exit code: 1 if a target was missed, otherwise 0."""
    options = _parser().parse_args(arguments)
    writes = measure(options.rows, options.scale, options.repetitions)
    figures: list[Figure] = []
    for name, write in writes.items():
        first = writes["stories, first" if name.startswith("stories") else "first"]
        figures += [
            Figure(name=f"{name}: rows changed", value=write.changes, digits=0),
            Figure(name="  CPU time", value=write.cpu_seconds, unit="s", digits=1),
            Figure(name="  data files", value=write.files_written, digits=0),
            Figure(name="  size", value=write.bytes_written / 1e6, unit="MB", digits=1),
            Figure(name="  peak memory", value=write.peak_mb, at_most=PEAK_MB, unit="MB", digits=0),
        ]
        if name.startswith("newest"):
            figures += [
                Figure(name="  time / first write", value=write.cpu_seconds / first.cpu_seconds, at_most=TIME_RATIO),
                Figure(
                    name="  size / first write", value=write.bytes_written / first.bytes_written, at_most=BYTES_RATIO
                ),
            ]
        elif name.startswith("stories of"):
            files = first.cpu_seconds / first.files_written * write.files_written
            figures.append(
                Figure(name="  time / writing its files", value=write.cpu_seconds / files, at_most=STORIES_RATIO)
            )
    return report("Writing large tables of which little has changed", figures)


if __name__ == "__main__":
    sys.exit(main())
