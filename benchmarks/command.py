"""The command `asana-assets sync` as a child process, with what it cost and what it said it did.

Its tables, and the pace that it shares, are in a directory that is thrown away; no setting of the caller's reaches it.
"""

import os
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Generator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

_BIN = Path(sys.executable).parent


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """A line of the table that the command ends with."""

    rows: int
    requests: int
    seconds: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """One sync: its steps by asset and workspace, and what the whole process took."""

    steps: Mapping[tuple[str, str], Step]
    wall_seconds: float
    cpu_seconds: float
    peak_mb: float


def sync(
    url: str, token: str, *, rate: float, select: Sequence[str] = (), sampled: bool = False, core: int | None = None
) -> Run:
    """Sync.

    Args:
        url: Where Asana is.
        token: What it lets in.
        rate: The most requests per second.
        select: The assets, all if none is named.
        sampled: Whether to look where the time goes; that is written to standard error.
        core: Run on this core alone; see `pinned`.

    Raises:
        RuntimeError: the command failed.
    """
    command = [sys.executable, "-m", "benchmarks.sampling"] if sampled else [str(_BIN / "asana-assets")]
    command += ["sync", *(word for asset in select for word in ("--select", asset))]
    with tempfile.TemporaryDirectory(prefix="benchmark-") as scratch:
        environment = {
            **{name: value for name, value in os.environ.items() if not name.startswith(("ASANA_", "PYICEBERG_"))},
            "ASANA_BASE_URL": url,
            "ASANA_ACCESS_TOKEN": token,
            "ASANA_REQUESTS_PER_SECOND": str(rate),
            "ASANA_DATA_DIR": scratch,
            "ASANA_PACER_URL": f"sqlite:///{scratch}/pace.db",
            "COLUMNS": "200",
        }
        environment.pop("DAGSTER_HOME", None)
        began = time.monotonic()
        with pinned(core):
            child = subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True)  # noqa: S603 # ours
        assert child.stdout is not None  # noqa: S101 # PIPE
        with child.stdout:
            said = child.stdout.read()
        _, status, usage = os.wait4(child.pid, 0)
        wall_seconds = time.monotonic() - began
        child.returncode = os.waitstatus_to_exitcode(status)
    if child.returncode:
        raise RuntimeError(f"the sync failed:\n{said}")
    return Run(
        steps=_steps(said),
        wall_seconds=wall_seconds,
        cpu_seconds=usage.ru_utime + usage.ru_stime,
        peak_mb=usage.ru_maxrss / (2**20 if sys.platform == "darwin" else 2**10),
    )


@contextmanager
def pinned(core: int | None) -> Generator[None]:
    """Have what is started in this block run on one core, counted from 0, where the system can and there are two."""
    if core is None or sys.platform != "linux":
        yield
        return
    cores = sorted(os.sched_getaffinity(0))
    if len(cores) > 1:
        os.sched_setaffinity(0, {cores[core]})
    try:
        yield
    finally:
        os.sched_setaffinity(0, cores)


def _steps(table: str) -> dict[tuple[str, str], Step]:
    steps: dict[tuple[str, str], Step] = {}
    for line in table.splitlines():
        cells = [cell.strip().replace(",", "") for cell in re.split("[│|]", line.strip("│| "))]
        match cells:
            case [asset, workspace, rows, requests, _, seconds] if rows.isdigit() and asset != "total":
                steps[asset, workspace] = Step(rows=int(rows), requests=int(requests), seconds=float(seconds))
            case _:
                continue
    if not steps:
        raise RuntimeError(f"the command did not end with a table of its steps:\n{table}")
    return steps
