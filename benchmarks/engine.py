"""What the engine itself costs: `asana-assets sync` of a million tasks, with no limit and no latency in its way.

The engine has one core and the server (`pages`) another, where there are two. The figures are of the whole path: the
command, Dagster, requests over HTTP to the host itself, JSON to rows, sorted Parquet files, commits. Counted is per
second of a step; the time to start Python and Dagster is not. Rows are those of `tasks`, whose requests bring 100 full
records each; requests are those of `stories`, as most of a sync are: one for each task, with a few records.
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
from benchmarks.pages import FIRST_PROJECT, PAGE, STORIES_OF_TASK, WORKSPACE
from benchmarks.report import Figure, report

REQUESTS_PER_SECOND: Final = 400.0
ROWS_PER_SECOND: Final = 25_000.0
PEAK_MB: Final = 700.0
PEAK_GROWTH: Final = 1.10
"""Peak memory of the larger sync to that of the smaller."""
SERVER_PAGES_PER_SECOND: Final = 1_000.0

_ENGINE, _SERVER = 0, 1
_PAGES_PER_PROJECT = 40
_ALONE_PAGES = 2_000
_ASSETS = ("projects", "users", "tasks")
_LISTINGS = 20_000


@contextmanager
def serving(projects: int, scale: str) -> Generator[str]:
    """Serve so many projects from another process; give the base URL."""
    command = [sys.executable, "-m", "benchmarks.pages", "--scale", scale]
    command += ["--projects", str(projects), "--pages", str(_PAGES_PER_PROJECT)]
    with pinned(_SERVER):
        server = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)  # noqa: S603 # ours
    with server:
        assert server.stdin is not None  # noqa: S101 # PIPE
        assert server.stdout is not None  # noqa: S101 # PIPE
        try:
            yield server.stdout.readline().strip()
        finally:
            server.stdin.close()


def measure_server(url: str) -> float:
    """Give the pages per second that the server sends when nobody does anything with them."""
    host, _, port = url.removeprefix("http://").partition("/")[0].partition(":")
    path = f"/api/1.0/tasks?project={FIRST_PROJECT}&limit=100"
    request = f"GET {path} HTTP/1.1\r\nHost: {host}\r\n\r\n".encode()
    with pinned(_ENGINE), socket.create_connection((host, int(port))) as connection:
        buffer = memoryview(bytearray(1 << 20))
        connection.sendall(request)
        head, _, body = connection.recv(1 << 16).partition(b"\r\n\r\n")
        found = re.search(rb"content-length: (\d+)", head)
        if found is None:
            raise RuntimeError(f"the server answers something else: {head!r}")
        length = int(found[1])
        _receive(connection, buffer, length - len(body))
        began = time.monotonic()
        connection.sendall(request * 2)  # always one more asked for than read, so that the server never waits
        for _ in range(_ALONE_PAGES):
            _receive(connection, buffer, len(head) + 4 + length)
            connection.sendall(request)
        return _ALONE_PAGES / (time.monotonic() - began)


def _receive(connection: socket.socket, buffer: memoryview, size: int) -> None:
    while size > 0:
        size -= connection.recv_into(buffer, min(size, len(buffer)))


def measure(rows: int, scale: str, *, sampled: bool = False) -> tuple[Run, Step, float]:
    """Sync at least so many rows; give what it cost, the step itself, and what the server does alone.

    Raises:
        RuntimeError: not all rows were committed.
    """
    projects = _projects(rows)
    with serving(projects, scale) as url:
        alone = measure_server(url)
        run = sync(url, "benchmark", rate=1e6, select=_ASSETS, sampled=sampled, core=_ENGINE)
    return run, _step(run, "tasks", projects * _PAGES_PER_PROJECT * PAGE), alone


def measure_listings(scale: str) -> Step:
    """Sync tasks and their stories; give the step that reads these.

    Raises:
        RuntimeError: as `measure`.
    """
    projects = _projects(_LISTINGS)
    with serving(projects, scale) as url:
        run = sync(url, "benchmark", rate=1e6, select=(*_ASSETS, "subtasks", "stories"), core=_ENGINE)
    return _step(run, "stories", projects * _PAGES_PER_PROJECT * PAGE * STORIES_OF_TASK)


def _projects(rows: int) -> int:
    return max(1, -(-rows // (_PAGES_PER_PROJECT * PAGE)))


def _step(run: Run, asset: str, rows: int) -> Step:
    step = run.steps[asset, WORKSPACE.decode()]
    if step.rows != rows:
        raise RuntimeError(f"{step.rows} rows of {asset} were committed of {rows}")
    return step


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.engine", description=__doc__)
    parser.add_argument("--rows", type=int, default=1_000_000, help="tasks (default: a million)")
    parser.add_argument("--larger", type=int, default=3, help="and that many times as many, for memory; 0: not")
    parser.add_argument("--scale", default="reference", help="of the sandbox that the records are learnt from")
    parser.add_argument("--sampled", action="store_true", help="tell where the time goes; the figures suffer")
    given = parser.parse_args(arguments)
    sizes = [given.rows] + [given.rows * given.larger] * (given.larger > 0)
    looked = track(sizes, description="syncing", console=Console(stderr=True), transient=True)
    measured = [measure(size, given.scale, sampled=given.sampled) for size in looked]
    run, step, alone = measured[0]
    listings = measure_listings(given.scale)
    requests = listings.requests / listings.seconds
    pages, rows = step.requests / step.seconds, step.rows / step.seconds
    figures = [
        Figure(name="server alone", value=alone, at_least=SERVER_PAGES_PER_SECOND, unit="pages/s", digits=0),
        Figure(name="requests", value=requests, at_least=REQUESTS_PER_SECOND, unit="/s", digits=0),
        Figure(name="rows committed", value=rows, at_least=ROWS_PER_SECOND, unit="/s", digits=0),
        Figure(name="requests of 100 rows", value=pages, unit="/s", digits=0),
        Figure(name="rows", value=step.rows, digits=0),
        Figure(name="step", value=step.seconds, unit="s", digits=1),
        Figure(name="whole command", value=run.wall_seconds, unit="s", digits=1),
        Figure(name="CPU of the command", value=run.cpu_seconds, unit="s", digits=1),
        # Does not depend on what else the machine does.
        Figure(name="rows to a CPU second", value=step.rows / run.cpu_seconds, digits=0),
        Figure(name="peak memory", value=run.peak_mb, at_most=PEAK_MB, unit="MB", digits=0),
    ]
    for more, larger, _ in measured[1:]:
        rate, growth = larger.rows / larger.seconds, more.peak_mb / run.peak_mb
        figures += [
            Figure(name=f"rows committed, of {larger.rows:,}", value=rate, unit="/s", digits=0),
            Figure(name=f"peak memory, with {larger.rows:,}", value=more.peak_mb, unit="MB", digits=0),
            Figure(name="peak memory, growth", value=growth, at_most=PEAK_GROWTH),
        ]
    return report("The engine on one core, no limit, no latency", figures)


if __name__ == "__main__":
    sys.exit(main())
