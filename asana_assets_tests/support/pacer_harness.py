"""Shared by the tests of the database pacer: processes that use one, and assertions about its slots."""

import json
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Generator, Sequence
from contextlib import ExitStack, contextmanager
from itertools import pairwise

import pytest
import sqlalchemy as sa

from asana_assets.asana.database_pacer import DatabasePacer
from asana_assets_tests.support.client_harness import SOON_SECONDS

OpenPacer = Callable[..., DatabasePacer]
CreateDatabase = Callable[[], str]

_MODULE = "asana_assets_tests.support.pacer_process"


@contextmanager
def pacer_processes(url: str, count: int, *arguments: float | str) -> Generator[list[subprocess.Popen[str]]]:
    """Start processes at the same time and kill them at the end; `arguments` are those of `pacer_process`."""
    with ExitStack() as stack:
        processes: list[subprocess.Popen[str]] = []
        for _ in range(count):
            command = [sys.executable, "-m", _MODULE, url, *map(str, arguments)]
            process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)  # noqa: S603 - our own script
            stack.enter_context(process)
            stack.callback(process.kill)
            processes.append(process)
        for process in processes:
            assert process.stdout
            assert process.stdout.readline() == "ready\n"
        for process in processes:
            assert process.stdin
            process.stdin.write("\n")
            process.stdin.flush()
        yield processes


def slots_of(process: subprocess.Popen[str]) -> list[float]:
    """Return the times that the process printed."""
    output, _ = process.communicate(timeout=60)
    assert process.returncode == 0
    return json.loads(output)


def reserve_slot(pacer: DatabasePacer, interval_seconds: float) -> float:
    """Reserve a slot and return the time when it starts."""
    seconds = pacer.reserve(interval_seconds)
    return time.time() + seconds


def assert_evenly_spaced(slots: Sequence[float], interval_seconds: float) -> None:
    """Assert that no slot was handed out twice and none was lost."""
    assert [later - slot for slot, later in pairwise(sorted(slots))] == pytest.approx(
        [interval_seconds] * (len(slots) - 1), abs=interval_seconds / 2
    )


@contextmanager
def connected(url: str) -> Generator[sa.Connection]:
    engine = sa.create_engine(url, isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        yield connection
    engine.dispose()


def wait_for(condition: Callable[[], bool]) -> None:
    give_up_at = time.monotonic() + SOON_SECONDS
    while not condition():
        assert time.monotonic() < give_up_at
        time.sleep(0.01)


def join_pacer_threads() -> None:
    """Wait for abandoned threads that still wait for a database server."""
    for thread in threading.enumerate():
        if thread.name == "asana pacer":
            thread.join(SOON_SECONDS)
