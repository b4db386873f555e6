"""Runs `asana-assets sync` in a child process and measures its cost.

`ASANA_*`, `PYICEBERG_*` and `DAGSTER_HOME` of the caller's environment are not passed on.
"""

import json
import os
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
    """The materialization of one asset in one workspace."""

    rows: int
    requests: int
    seconds: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """One sync.

    Attributes:
        steps: By asset and workspace.
        wall_seconds: Of the whole process, as are the following.
        cpu_seconds: User and system time.
        peak_mb: Peak resident memory, in MiB.
    """

    steps: Mapping[tuple[str, str], Step]
    wall_seconds: float
    cpu_seconds: float
    peak_mb: float


def sync(
    url: str,
    token: str,
    *,
    rate: float,
    select: Sequence[str] = (),
    sampled: bool = False,
    core: int | None = None,
    data_dir: Path | None = None,
) -> Run:
    """Run one sync.

    Args:
        url: Asana's base URL.
        token: Access token.
        rate: Maximum requests per second.
        select: Assets to sync; empty for all.
        sampled: Whether to profile the command and print the profile to standard error.
        core: CPU core to run on; see `pinned`.
        data_dir: Where the tables and the pacer database are; by default, in a temporary directory.

    Raises:
        RuntimeError: The command failed.
    """
    command = [sys.executable, "-m", "benchmarks.sampling"] if sampled else [str(_BIN / "asana-assets")]
    command += ["sync", "--quiet", "--json", *(word for asset in select for word in ("--select", asset))]
    with tempfile.TemporaryDirectory(prefix="benchmark-") as temporary:
        scratch = data_dir or temporary
        environment = {
            **{name: value for name, value in os.environ.items() if not name.startswith(("ASANA_", "PYICEBERG_"))},
            "ASANA_BASE_URL": url,
            "ASANA_ACCESS_TOKEN": token,
            "ASANA_REQUESTS_PER_SECOND": str(rate),
            "ASANA_DATA_DIR": str(scratch),
            "ASANA_PACER_URL": f"sqlite:///{scratch}/pacer.db",
        }
        environment.pop("DAGSTER_HOME", None)
        started_at = time.monotonic()
        with pinned(core):
            child = subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True)  # noqa: S603 - our own command
        assert child.stdout is not None  # noqa: S101 - PIPE
        with child.stdout:
            output = child.stdout.read()
        _, status, usage = os.wait4(child.pid, 0)
        wall_seconds = time.monotonic() - started_at
        child.returncode = os.waitstatus_to_exitcode(status)
    if child.returncode:
        raise RuntimeError(f"the sync failed with exit code {child.returncode}:\n{output}")
    return Run(
        steps=_parse_steps(output),
        wall_seconds=wall_seconds,
        cpu_seconds=usage.ru_utime + usage.ru_stime,
        peak_mb=usage.ru_maxrss / (2**20 if sys.platform == "darwin" else 2**10),
    )


@contextmanager
def pinned(core: int | None) -> Generator[None]:
    """Run processes that are started in this block on one core, counted from 0.

    Has no effect if `core` is None, on a single core, and on systems other than Linux.
    """
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


def _parse_steps(output: str) -> dict[tuple[str, str], Step]:
    return {
        (step["asset"], workspace["gid"] or ""): Step(
            rows=step["rows"], requests=step["requests"], seconds=step["seconds"]
        )
        for workspace in json.loads(output)["workspaces"]
        for step in workspace["assets"]
    }
