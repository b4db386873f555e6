"""What keeps the tables up to date: said at the end of `sync`, by `status` and by the sensor that is always on."""

import os
import subprocess
import sys
from pathlib import Path

import dagster as dg
import pytest

from asana_assets.defs.workspace_sensor import request_first_syncs
from asana_assets_tests.support.plan_command import command_environment, dagster_home, invoke
from asana_assets_tests.support.sensor_ticks import Sensor
from asana_assets_tests.support.sync_harness import MakeWarehouse, Warehouse

CRON = "To keep the tables up to date, run asana-assets sync every night by cron, or turn on Dagster's schedule "
DAGSTER = str(Path(sys.executable).with_name("dagster"))


def last_words(output: str) -> str:
    """Return the end of an output, as one line."""
    return " ".join(output.split())[-250:]


def switch_schedule(warehouse: Warehouse, home: str, action: str) -> None:
    subprocess.run(  # noqa: S603 - Dagster's own command
        [DAGSTER, "schedule", action, "asana_daily", "-m", "asana_assets.definitions"],
        env={"PATH": os.environ["PATH"], **command_environment(warehouse), "DAGSTER_HOME": home},
        cwd=home,
        capture_output=True,
        check=True,
    )


@pytest.mark.slow
def test_without_an_instance_the_user_learns_both_ways(make_warehouse: MakeWarehouse) -> None:
    warehouse = make_warehouse()
    synced = invoke(warehouse, "sync", "--workspace", "Cat lovers", "--select", "tags")
    for output in (synced.stdout, invoke(warehouse, "status").stdout):
        assert last_words(output).endswith(f"{CRON}asana_daily.")


@pytest.mark.slow
def test_the_instance_tells_whether_the_schedule_is_on(make_warehouse: MakeWarehouse, tmp_path: Path) -> None:
    warehouse, home = make_warehouse(), str(dagster_home(tmp_path))
    synced = invoke(warehouse, "sync", "--workspace", "Cat lovers", "--select", "tags", DAGSTER_HOME=home)
    assert last_words(synced.stdout).endswith(f"{CRON}asana_daily, which is off.")
    switch_schedule(warehouse, home, "start")
    on = "Dagster keeps the tables up to date while it runs: asana_daily is on."
    assert last_words(invoke(warehouse, "status", DAGSTER_HOME=home).stdout).endswith(on)
    switch_schedule(warehouse, home, "stop")
    assert last_words(invoke(warehouse, "status", DAGSTER_HOME=home).stdout).endswith("asana_daily, which is off.")


@pytest.mark.slow
def test_the_sensor_that_is_on_says_that_no_schedule_is(
    make_warehouse: MakeWarehouse, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    warehouse, home = make_warehouse(), str(dagster_home(tmp_path))
    monkeypatch.setenv("DAGSTER_HOME", home)
    with dg.DagsterInstance.get() as warehouse.instance:
        assert warehouse.run("refresh_workspaces").success
        message = "No workspace was added or removed; 3 are registered."
        sensor = Sensor(warehouse, request_first_syncs)
        off = f"{message} No schedule is on: turn on asana_daily to sync every night."
        assert sensor.tick().skip_message == off
        switch_schedule(warehouse, home, "start")
        assert sensor.tick().skip_message == message
