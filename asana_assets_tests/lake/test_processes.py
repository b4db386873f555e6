"""Several processes that write one table of one SQLite catalog."""

import subprocess
import sys
from pathlib import Path

import pytest

from asana_assets.lake.catalog import open_catalog
from asana_assets.lake.table import count
from asana_assets_tests.support.lake_tables import gids, numbers, tasks

_MODULE = "asana_assets_tests.support.lake_process"


def _start(data_dir: Path, workspace: str, commits: int, rows: int) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", _MODULE, str(data_dir), workspace, str(commits), str(rows)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True)  # noqa: S603 - our own script


def _commits_of(process: subprocess.Popen[str]) -> int:
    output, _ = process.communicate(timeout=120)
    assert process.returncode == 0
    return int(output)


@pytest.mark.slow
def test_processes_that_start_together_all_commit_their_own_workspace(data_dir: Path) -> None:
    """They race for the directory, the catalog's tables, the namespace, the table, its first snapshot and its head."""
    processes = [_start(data_dir, f"w{number}", commits=10, rows=number + 1) for number in range(4)]
    assert [_commits_of(process) for process in processes] == [10, 10, 10, 10]
    catalog = open_catalog(data_dir=data_dir)
    table = tasks(catalog)
    assert [count(table, workspace=f"w{number}") for number in range(4)] == [1, 2, 3, 4]
    assert len(table.snapshots()) == 40
    catalog.close()


@pytest.mark.slow
def test_processes_that_write_one_workspace_lose_and_duplicate_nothing(data_dir: Path) -> None:
    """Each replacement is committed completely or raises a conflict, and a failed one leaves no data file."""
    processes = [_start(data_dir, "w", commits=4, rows=50) for _ in range(3)]
    commits = [_commits_of(process) for process in processes]
    assert max(commits) > 0
    catalog = open_catalog(data_dir=data_dir)
    table = tasks(catalog)
    assert gids(table, "w") == numbers(range(50))
    assert len(table.snapshots()) == sum(commits)
    assert len(list(data_dir.rglob("*.parquet"))) == sum(commits)
    catalog.close()
