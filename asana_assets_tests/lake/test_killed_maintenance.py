"""Maintenance that is killed at any moment: one plain run later no row is wrong and no file is left over."""

import random
import subprocess
import sys
import time
from pathlib import Path

import pytest

from asana_assets.lake.lake import Lake
from asana_assets.lake.table import scan
from asana_assets_tests.support.lake_tables import tasks
from asana_assets_tests.support.maintenance_process import final_rows, run_round
from asana_assets_tests.support.unreferenced import assert_maintenance_leaves_nothing, unreferenced_files

MODULE = "asana_assets_tests.support.maintenance_process"
KILLS = 20


def kill_at_random(data_dir: Path, generator: random.Random) -> bool:
    """Start the process and kill it within its first rounds; return whether it still ran."""
    command = [sys.executable, "-m", MODULE, str(data_dir), "100", str(generator.randint(1, 100))]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:  # noqa: S603 - our own script
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        time.sleep(generator.uniform(0.0, 2.5))
        is_running = process.poll() is None
        process.kill()
    return is_running


@pytest.mark.slow
def test_nothing_is_lost_or_left_over_after_maintenance_was_killed_at_random_moments(data_dir: Path) -> None:
    generator = random.Random(13)  # noqa: S311 - a seeded test
    killed, left_over = 0, 0
    for _ in range(KILLS):
        killed += kill_at_random(data_dir, generator)
        left_over += bool(unreferenced_files(data_dir))
    assert killed == KILLS
    assert left_over > 0, "no kill has left a file: the test tests nothing"
    lake = Lake(data_dir=data_dir, namespace="asana")
    run_round(lake, 7)
    expected = sorted((str(row["gid"]), str(row["name"])) for row in final_rows(7))
    stored = scan(tasks(lake.catalog), columns=["gid", "name"]).to_pylist()
    assert sorted((str(row["gid"]), str(row["name"])) for row in stored) == expected
    lake.close()
    assert_maintenance_leaves_nothing(data_dir)
