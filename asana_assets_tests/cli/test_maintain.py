"""`asana-assets maintain` and the job that does the same, on a table with something to maintain."""

import json
import os
from pathlib import Path

import dagster as dg
import pytest

from asana_assets import AsanaResource, LakeResource, build_asana_defs
from asana_assets.lake.catalog import open_catalog
from asana_assets.lake.table import live_files
from asana_assets.sandbox import Sandbox
from asana_assets_tests.support.command import run
from asana_assets_tests.support.lake_tables import append, gids, tasks

FOUR_DAYS = 4 * 24 * 3600


@pytest.fixture
def data_dir(tmp_path: Path) -> Path:
    """A data directory with a table of 8 small files and an unreferenced file of 5 bytes."""
    directory = tmp_path / "asana_data"
    catalog = open_catalog(data_dir=directory)
    for number in range(8):
        append(catalog, "w", number)
    lost = directory / "warehouse" / "asana" / "tasks" / "data" / "lost.parquet"
    lost.write_text("12345")
    then = lost.stat().st_mtime - FOUR_DAYS
    os.utime(lost, (then, then))
    catalog.close()
    return directory


def files_of_table(data_dir: Path) -> int:
    catalog = open_catalog(data_dir=data_dir)
    assert gids(tasks(catalog), "w") == [str(number) for number in range(8)]
    return len(live_files(tasks(catalog), "w"))


def parquet_files(data_dir: Path) -> int:
    return len(list(data_dir.rglob("*.parquet")))


@pytest.mark.slow
def test_maintain_shows_what_it_would_do_does_it_and_then_has_nothing_to_do(data_dir: Path) -> None:
    with Sandbox() as asana:
        would = run(data_dir.parent, asana, "maintain", "--dry-run")
        assert (would.returncode, would.stderr) == (0, "")
        assert "This is what would be done: nothing was changed." in would.stdout
        assert (files_of_table(data_dir), parquet_files(data_dir)) == (8, 9)
        done = run(data_dir.parent, asana, "maintain")
        assert done.stdout.splitlines() == would.stdout.splitlines()[:-1]
        [line] = [line for line in done.stdout.splitlines() if "tasks" in line]
        row = [word.strip() for word in line.strip("│").split("│")]
        assert row == ["tasks", "8", "0", "0", "1", "5 B"]
        assert (files_of_table(data_dir), parquet_files(data_dir)) == (1, 9)  # the merged files are kept for a day
        again = run(data_dir.parent, asana, "maintain", "--json")
        assert asana.log == []
    [table] = json.loads(again.stdout)["tables"]
    assert table["table"] == "tasks"
    assert [table[key]["files"] for key in ("merged", "expired", "removed")] == [0, 0, 0]


@pytest.mark.slow
def test_maintain_leaves_snapshots_and_files_to_a_catalog_that_forbids_it(data_dir: Path) -> None:
    with Sandbox() as asana:
        done = run(data_dir.parent, asana, "maintain", ICEBERG_EXPIRE_SNAPSHOTS="false")
    note = "Snapshots and files of table tasks are left to the catalog (ICEBERG_EXPIRE_SNAPSHOTS).\n"
    assert (done.returncode, done.stderr) == (0, note)
    assert (files_of_table(data_dir), parquet_files(data_dir)) == (1, 10)


@pytest.mark.slow
def test_maintain_says_that_nothing_was_synced(tmp_path: Path) -> None:
    with Sandbox() as asana:
        done = run(tmp_path, asana, "maintain")
    assert done.stdout == ("There is nothing to maintain: the namespace asana has no table. Run asana-assets sync.\n")


def test_the_job_does_the_same_and_its_schedule_is_stopped(data_dir: Path) -> None:
    lake = LakeResource(data_dir=str(data_dir))
    definitions = build_asana_defs(name="acme", asana=AsanaResource(), lake=lake)
    schedule = definitions.resolve_schedule_def("acme_weekly_maintenance")
    assert (schedule.job_name, schedule.default_status) == ("acme_maintain_tables", dg.DefaultScheduleStatus.STOPPED)
    result = definitions.resolve_job_def("acme_maintain_tables").execute_in_process()
    assert result.success
    assert (files_of_table(data_dir), parquet_files(data_dir)) == (1, 9)
