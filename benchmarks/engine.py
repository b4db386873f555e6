"""The engine's own cost: `asana-assets sync` of a million tasks, without rate limit and latency.

The engine and the server (`pages`) each have their own CPU core, if there are two. The whole path is measured: the
command, Dagster, HTTP requests to the same machine, parsing JSON into rows, sorted Parquet files, commits. Throughput
is per second of an asset's step, which excludes the start of Python and Dagster. Rows are those of `tasks`, with 100
full records per request. Requests are those of `stories`, with a few records of one task each, like most requests of a
sync.
"""

import argparse
import re
import socket
import subprocess
import sys
import time
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from typing import Final

from rich.console import Console
from rich.progress import track

from benchmarks.command import Run, Step, pinned, sync
from benchmarks.pages import FIRST_PROJECT, PAGE_SIZE, STORIES_PER_TASK, WORKSPACE
from benchmarks.report import Figure, report

REQUESTS_PER_SECOND: Final = 400.0
"""Lowest throughput of listings with a few records."""
ROWS_PER_SECOND: Final = 25_000.0
"""Lowest throughput of full pages."""
PEAK_MB: Final = 700.0
"""Highest peak memory of the command, in MiB."""
PEAK_GROWTH: Final = 1.10
"""Highest ratio of the larger sync's peak memory to that of the smaller."""
SERVER_PAGES_PER_SECOND: Final = 1_000.0
"""Lowest throughput of the server alone, below which it would limit the engine."""

_ENGINE_CORE, _SERVER_CORE = 0, 1
_PAGES_PER_PROJECT = 40
_SERVER_PAGES = 2_000
_ASSETS = ("projects", "users", "tasks")
_LISTING_TASKS = 20_000


@contextmanager
def serving(projects: int, scale: str) -> Generator[str]:
    """Run the server in another process and yield its base URL."""
    command = [sys.executable, "-m", "benchmarks.pages", "--scale", scale]
    command += ["--projects", str(projects), "--pages", str(_PAGES_PER_PROJECT)]
    with pinned(_SERVER_CORE):
        server = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)  # noqa: S603 - our own module
    with server:
        assert server.stdin is not None  # noqa: S101 - PIPE
        assert server.stdout is not None  # noqa: S101 - PIPE
        try:
            yield server.stdout.readline().strip()
        finally:
            server.stdin.close()


def measure_server(url: str) -> float:
    """Return the pages per second that the server sends to a client that discards them."""
    host, _, port = url.removeprefix("http://").partition("/")[0].partition(":")
    path = f"/api/1.0/tasks?project={FIRST_PROJECT}&limit=100"
    request = f"GET {path} HTTP/1.1\r\nHost: {host}\r\n\r\n".encode()
    with pinned(_ENGINE_CORE), socket.create_connection((host, int(port))) as connection:
        buffer = memoryview(bytearray(1 << 20))
        connection.sendall(request)
        head, _, body = connection.recv(1 << 16).partition(b"\r\n\r\n")
        found = re.search(rb"content-length: (\d+)", head)
        if found is None:
            raise RuntimeError(f"the server sent no content-length: {head!r}")
        length = int(found[1])
        _receive(connection, buffer, length - len(body))
        started_at = time.monotonic()
        connection.sendall(request * 2)  # one more than is read, so that the server never waits
        for _ in range(_SERVER_PAGES):
            _receive(connection, buffer, len(head) + 4 + length)
            connection.sendall(request)
        return _SERVER_PAGES / (time.monotonic() - started_at)


def _receive(connection: socket.socket, buffer: memoryview, size: int) -> None:
    while size > 0:
        size -= connection.recv_into(buffer, min(size, len(buffer)))


def measure(rows: int, scale: str, *, sampled: bool = False) -> tuple[Run, Step, float]:
    """Sync at least this many tasks; return the run, its step `tasks`, and the pages per second of the server alone.

    Raises:
        RuntimeError: Not all rows were committed.
    """
    projects = _projects_for(rows)
    with serving(projects, scale) as url:
        server_pages_per_second = measure_server(url)
        run = sync(url, "benchmark", rate=1e6, select=_ASSETS, sampled=sampled, core=_ENGINE_CORE)
    return run, _complete_step(run, "tasks", projects * _PAGES_PER_PROJECT * PAGE_SIZE), server_pages_per_second


def measure_listings(scale: str) -> Step:
    """Sync tasks and their stories; return the step `stories`.

    Raises:
        RuntimeError: Not all rows were committed.
    """
    projects = _projects_for(_LISTING_TASKS)
    with serving(projects, scale) as url:
        run = sync(url, "benchmark", rate=1e6, select=(*_ASSETS, "subtasks", "stories"), core=_ENGINE_CORE)
    return _complete_step(run, "stories", projects * _PAGES_PER_PROJECT * PAGE_SIZE * STORIES_PER_TASK)


def _projects_for(rows: int) -> int:
    return max(1, -(-rows // (_PAGES_PER_PROJECT * PAGE_SIZE)))


def _complete_step(run: Run, asset: str, rows: int) -> Step:
    step = run.steps[asset, WORKSPACE.decode()]
    if step.rows != rows:
        raise RuntimeError(f"{step.rows} of {rows} rows of {asset} were committed")
    return step


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.engine", description=__doc__)
    parser.add_argument("--rows", type=int, default=1_000_000, help="Number of tasks to sync. Default: %(default)s.")
    parser.add_argument(
        "--larger",
        type=int,
        default=3,
        help="Then sync this multiple of the tasks, to measure how memory grows; 0 skips that. Default: %(default)s.",
    )
    parser.add_argument(
        "--scale",
        default="reference",
        help="Scale of the sandbox whose records serve as templates. Default: %(default)s.",
    )
    parser.add_argument(
        "--sampled",
        action="store_true",
        help="Profile the sync and print where CPU time is spent. Slows down the measured sync.",
    )
    return parser


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the benchmark and return the exit code: 1 if a target was missed, otherwise 0."""
    options = _parser().parse_args(arguments)
    sizes = [options.rows] + [options.rows * options.larger] * (options.larger > 0)
    progress = track(sizes, description="syncing", console=Console(stderr=True), transient=True)
    measured = [measure(size, options.scale, sampled=options.sampled) for size in progress]
    run, step, server_pages_per_second = measured[0]
    listings = measure_listings(options.scale)
    requests = listings.requests / listings.seconds
    pages, rows = step.requests / step.seconds, step.rows / step.seconds
    figures = [
        Figure(
            name="server alone",
            value=server_pages_per_second,
            at_least=SERVER_PAGES_PER_SECOND,
            unit="pages/s",
            digits=0,
        ),
        Figure(name="requests", value=requests, at_least=REQUESTS_PER_SECOND, unit="/s", digits=0),
        Figure(name="rows committed", value=rows, at_least=ROWS_PER_SECOND, unit="/s", digits=0),
        Figure(name="requests of 100 rows", value=pages, unit="/s", digits=0),
        Figure(name="rows", value=step.rows, digits=0),
        Figure(name="wall time of the step", value=step.seconds, unit="s", digits=1),
        Figure(name="wall time of the command", value=run.wall_seconds, unit="s", digits=1),
        Figure(name="CPU time of the command", value=run.cpu_seconds, unit="s", digits=1),
        # Unlike wall time, this does not depend on the machine's other load.
        Figure(name="rows per CPU second", value=step.rows / run.cpu_seconds, digits=0),
        Figure(name="peak memory", value=run.peak_mb, at_most=PEAK_MB, unit="MB", digits=0),
    ]
    for larger_run, larger_step, _ in measured[1:]:
        rate, growth = larger_step.rows / larger_step.seconds, larger_run.peak_mb / run.peak_mb
        size = f"{larger_step.rows:,} rows"
        figures += [
            Figure(name=f"rows committed, {size}", value=rate, unit="/s", digits=0),
            Figure(name=f"peak memory, {size}", value=larger_run.peak_mb, unit="MB", digits=0),
            Figure(name="peak memory, growth", value=growth, at_most=PEAK_GROWTH),
        ]
    return report("The engine on one core, without rate limit and latency", figures)


if __name__ == "__main__":
    sys.exit(main())
