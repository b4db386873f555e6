"""A year of hourly syncs into three tables, with an accelerated clock: tables must not grow but for their rows.

Each hour changes a listing (three rows changed, one added, one deleted), children (those of one parent) and a history
to which rows are only appended. The tables are written as syncs write them, without requests and Dagster. Every week
the tables are maintained as by `asana-assets maintain`.
"""

import argparse
import statistics
import sys
import tempfile
import time
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final
from unittest import mock

import pyarrow as pa
from pyiceberg.table import Table
from rich.progress import track

from asana_assets.lake.commit import swap_files
from asana_assets.lake.lake import Lake
from asana_assets.lake.table import live_files, scan
from asana_assets.lake.writer import PartitionWriter
from benchmarks.report import Figure, report

COMMIT_TIME_RATIO: Final = 1.5
"""Highest ratio of the time of the last commits to that of the tenth and those after it."""
SNAPSHOTS: Final = 101
"""Most snapshots that a table may have."""
FILES: Final = 700
"""Most files that a table may have on disk, data and metadata together."""
METADATA_KB: Final = 120
"""Largest metadata file."""

_HOUR = 3600  # seconds
_WEEK = 7 * 24  # hours
_WINDOW = 50  # commits over which the median of their time is taken
_WORKSPACE = "1200000000000001"
_SCHEMA = pa.schema(
    [
        pa.field("workspace_gid", pa.string(), nullable=False),
        pa.field("gid", pa.string(), nullable=False),
        pa.field("parent_gid", pa.string()),
        pa.field("name", pa.string()),
        pa.field("notes", pa.string()),
        pa.field("_synced_at", pa.timestamp("us", "UTC")),
        pa.field("_row_hash", pa.int64()),
    ]
)
_NAMES = ["gid", "parent_gid", "name", "notes"]
_Row = tuple[str, str, str, str]


@dataclass
class _Clock:
    """Replaces the clock by which snapshots are dated; a year ends now."""

    now: float

    def read(self) -> float:
        return self.now

    @contextmanager
    def installed(self) -> Generator[None]:
        with mock.patch("time.time", new=self.read):
            yield


@dataclass
class _Written:
    """A table, the rows that it must have, and the seconds of each write with the expiry that follows it."""

    table: Table
    rows: dict[str, _Row] = field(default_factory=dict[str, _Row])
    seconds: list[float] = field(default_factory=list[float])

    def batch(self, gids: Iterator[str] | list[str]) -> pa.Table:
        columns = list(zip(*(self.rows[gid] for gid in gids), strict=True)) or [()] * len(_NAMES)
        fields = [_SCHEMA.field(name) for name in _NAMES]
        values = [pa.array(column, pa.string()) for column in columns]
        stamp = pa.array([None] * len(values[0]), pa.timestamp("us", "UTC"))
        return pa.table([*values, stamp], schema=pa.schema([*fields, _SCHEMA.field("_synced_at")]))


def _row(gid: int, hour: int, parents: int) -> _Row:
    return (f"{gid:016}", f"{gid % parents:016}", f"row {gid} at {hour}", f"text of {gid} " * 20)


def _write_listing(lake: Lake, one: _Written, hour: int, size: int) -> None:
    """Replace all rows, three of which changed, one of which is new, and the oldest of which is gone."""
    if hour:
        del one.rows[_row(hour - 1, 0, size)[0]]
    changed = [*(hour + (hour * 37 + step * 101) % size for step in range(3)), size + hour] if hour else range(size + 1)
    one.rows |= {row[0]: row for row in (_row(gid, hour, size) for gid in changed)}
    lake.replace_partition(
        one.table, _WORKSPACE, one.batch(list(one.rows)).to_batches(max_chunksize=5000), sort_by=["gid"]
    )


def _write_children(lake: Lake, one: _Written, hour: int, size: int) -> None:
    """Replace the children of one parent; one child is new, and the oldest is gone."""
    parents = size // 10
    new = range(size) if hour == 0 else [size + hour * parents + hour * 7 % parents]
    one.rows |= {row[0]: row for row in (_row(gid, hour, parents) for gid in new)}
    if hour:
        [parent] = {one.rows[f"{gid:016}"][1] for gid in new}
        del one.rows[min(gid for gid, row in one.rows.items() if row[1] == parent)]
    fetched = {one.rows[f"{gid:016}"][1] for gid in new}
    children = [gid for gid, row in one.rows.items() if row[1] in fetched]
    lake.replace_parents(
        one.table,
        _WORKSPACE,
        parent_column="parent_gid",
        parents=pa.array(sorted(fetched)),
        rows=[one.batch(children)],
        sort_by=["parent_gid", "gid"],
    )


def _append_history(lake: Lake, one: _Written, hour: int, size: int) -> None:
    """Append five rows without reading any, then merge small files if that pays."""
    new = [_row(hour * 5 + number, hour, size) for number in range(5)]
    one.rows |= {row[0]: row for row in new}
    one.table.refresh()
    with PartitionWriter(one.table, workspace=_WORKSPACE, sort_by=["gid"], key=()) as writer:
        writer.write(one.batch([row[0] for row in new]))
        swap_files(one.table, _WORKSPACE, live_files(one.table, _WORKSPACE), removed=(), added=writer.finish())
    lake.merge_small_files(one.table, _WORKSPACE)


_WRITES = {"listing": _write_listing, "children": _write_children, "history": _append_history}


def _files(one: _Written) -> list[Path]:
    return [path for path in Path(one.table.location().removeprefix("file://")).rglob("*") if path.is_file()]


def _measure(one: _Written) -> dict[str, float]:
    one.table.refresh()
    paths = _files(one)
    return {
        "files": len(paths),
        "data files": len(live_files(one.table, None)),
        "snapshots": len(one.table.snapshots()),
        "metadata kB": max(path.stat().st_size for path in paths if path.name.endswith(".json")) / 1000,
        "MB on disk": sum(path.stat().st_size for path in paths) / 1e6,
    }


def _is_equal(one: _Written) -> bool:
    stored = scan(one.table, columns=_NAMES).to_pylist()
    return sorted(tuple(map(str, row.values())) for row in stored) == sorted(one.rows.values())


def _run(directory: Path, hours: int, size: int, kinds: list[str]) -> list[Figure]:
    lake = Lake(data_dir=directory, namespace="asana")
    clock = _Clock(time.time() - hours * _HOUR)
    tables = {kind: _Written(lake.ensure_table(kind, _SCHEMA)) for kind in kinds}
    peaks: dict[str, dict[str, float]] = {kind: {} for kind in kinds}
    for hour in track(range(hours), "Syncing"):
        clock.now += _HOUR
        for kind, one in tables.items():
            with clock.installed():
                start = time.perf_counter()
                _WRITES[kind](lake, one, hour, size)
                lake.expire_old_snapshots(one.table)
                one.seconds.append(time.perf_counter() - start)
        if (hour + 1) % _WEEK == 0:
            for kind, one in tables.items():
                measured = _measure(one)
                peaks[kind] = {name: max(value, peaks[kind].get(name, 0)) for name, value in measured.items()}
                print(hour + 1, kind, {name: round(value, 2) for name, value in measured.items()}, flush=True)  # noqa: T201 - progress in a log
            with clock.installed():
                list(lake.maintain())
    figures = [figure for kind, one in tables.items() for figure in _figures(kind, one, peaks[kind])]
    lake.close()
    return figures


def _figures(kind: str, one: _Written, peaks: dict[str, float]) -> Iterator[Figure]:
    first = statistics.median(one.seconds[10 : 10 + _WINDOW])
    last = statistics.median(one.seconds[-_WINDOW:])
    yield Figure(name=f"{kind}: rows equal the truth", value=_is_equal(one), at_least=1, digits=0)
    yield Figure(name=f"{kind}: first commits", value=first * 1000, unit="ms", digits=0)
    yield Figure(name=f"{kind}: last commits", value=last * 1000, unit="ms", digits=0)
    yield Figure(name=f"{kind}: last ÷ first", value=last / first, at_most=COMMIT_TIME_RATIO)
    yield Figure(name=f"{kind}: snapshots", value=peaks["snapshots"], at_most=SNAPSHOTS, digits=0)
    yield Figure(name=f"{kind}: files on disk", value=peaks["files"], at_most=FILES, digits=0)
    yield Figure(name=f"{kind}: data files", value=peaks["data files"], digits=0)
    yield Figure(name=f"{kind}: metadata file", value=peaks["metadata kB"], at_most=METADATA_KB, unit="kB", digits=0)
    yield Figure(name=f"{kind}: on disk", value=peaks["MB on disk"], unit="MB", digits=1)


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.year", description=__doc__)
    parser.add_argument("--hours", type=int, default=365 * 24)
    parser.add_argument("--rows", type=int, default=2000, help="Rows of the listing and of the children at the start.")
    parser.add_argument("--table", action="append", choices=_WRITES, help="Only this table; may be repeated.")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as directory:
        figures = _run(Path(directory), options.hours, options.rows, options.table or list(_WRITES))
    return report(f"{options.hours} hourly syncs", figures)


if __name__ == "__main__":
    sys.exit(main())
