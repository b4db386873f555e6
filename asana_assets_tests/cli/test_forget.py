"""`asana-assets forget`: what it deletes, what it leaves, and what keeps a workspace from returning."""

from pathlib import Path

import dagster as dg
import pyarrow as pa
import pytest

from asana_assets.asana.model import GID, SYNCED_AT, WORKSPACE_GID
from asana_assets.lake.lake import Lake
from asana_assets_tests.support.plan_command import invoke
from asana_assets_tests.support.sync_harness import MakeWarehouse, Warehouse

NAME = "Cat lovers"
OTHER = "Personal projects"


def gid_of(warehouse: Warehouse, name: str) -> str:
    [gid] = [str(record["gid"]) for record in warehouse.asana.truth("workspaces") if record["name"] == name]
    return gid


def sync_users(warehouse: Warehouse) -> None:
    assert warehouse.run("refresh_workspaces").success
    for name in (NAME, OTHER):
        assert warehouse.run("sync_workspace", gid_of(warehouse, name), ["users"]).success


def stored(warehouse: Warehouse) -> dict[str, set[str | None]]:
    """Return the workspaces that have rows, by table, whatever the table is."""
    lake = Lake(data_dir=warehouse.data_dir, namespace="asana")
    found = {table.name()[-1]: set(lake.scan(table)["workspace_gid"].to_pylist()) for table in lake.list_tables()}
    lake.close()
    return found


def add_table(warehouse: Warehouse, gid: str) -> None:
    """Add a table that no endpoint has."""
    schema = pa.schema([column.arrow_field for column in (GID, WORKSPACE_GID, SYNCED_AT)])
    lake = Lake(data_dir=warehouse.data_dir, namespace="asana")
    rows = pa.RecordBatch.from_pylist([{"gid": "1", "workspace_gid": gid}], schema=schema)
    lake.replace_partition(lake.ensure_table("later", schema), gid, [rows], sort_by=("gid",))
    lake.close()


def test_everything_of_the_workspace_is_deleted_and_nothing_of_the_others(make_warehouse: MakeWarehouse) -> None:
    warehouse = make_warehouse()
    sync_users(warehouse)
    gid = gid_of(warehouse, NAME)
    add_table(warehouse, gid)
    before, requests = stored(warehouse), len(warehouse.asana.log)
    assert {name for name, gids in before.items() if gid in gids} == {"workspaces", "users", "sync_state", "later"}
    dry = invoke(warehouse, "forget", "--workspace", NAME.upper(), "--dry-run")
    assert dry.stdout.splitlines() == [
        f"Stored of {NAME} ({gid}):",
        "  later                               1 row",
        "  sync_state                          1 row",
        "  users                              3 rows",
        "  workspaces                          1 row",
        "All earlier snapshots of these tables, of all workspaces, are deleted as well: they contain the rows.",
        "Nothing was deleted: this is a dry run.",
    ]
    assert invoke(warehouse, "forget", "--workspace", NAME).exit_code == 1  # nothing on stdin confirms
    assert stored(warehouse) == before
    result = invoke(warehouse, "forget", "--workspace", NAME, "--yes")
    assert (result.exit_code, result.stderr) == (0, "")
    assert stored(warehouse) == {name: gids - {gid} for name, gids in before.items()}
    assert "the next sync fetches it again: set ASANA_WORKSPACES to those that you keep (" in result.stdout
    assert not [file for file in warehouse.data_dir.rglob("*.parquet") if f"workspace_gid={gid}" in str(file)]
    assert len(warehouse.asana.log) == requests


@pytest.mark.slow
def test_a_workspace_that_the_setting_excludes_does_not_return(make_warehouse: MakeWarehouse) -> None:
    warehouse = make_warehouse()
    sync_users(warehouse)
    warehouse.settings["ASANA_WORKSPACES"] = f"{NAME},{OTHER}"
    assert "ASANA_WORKSPACES still names it" in invoke(warehouse, "forget", "--workspace", NAME, "--yes").stdout
    warehouse.settings["ASANA_WORKSPACES"] = OTHER
    sync = invoke(warehouse, "sync", "--select", "users")
    assert sync.exit_code == 0, sync.output
    assert gid_of(warehouse, NAME) not in stored(warehouse)["users"]
    assert gid_of(warehouse, OTHER) in stored(warehouse)["users"]


def test_an_unknown_workspace_is_one_sentence_that_names_those_that_are_stored(make_warehouse: MakeWarehouse) -> None:
    result = invoke(make_warehouse(), "forget", "--workspace", "Nowhere", "--yes")
    assert result.exit_code == 1
    assert result.stderr == "Error: --workspace names Nowhere, of which nothing is stored. Stored are: none.\n"


@pytest.mark.slow
def test_the_partition_is_removed_unless_a_run_uses_it(make_warehouse: MakeWarehouse, tmp_path: Path) -> None:
    warehouse, home = make_warehouse(), tmp_path / "dagster"
    home.mkdir()
    (home / "dagster.yaml").write_text("telemetry: {enabled: false}\n")
    sync_users(warehouse)
    gid, before = gid_of(warehouse, NAME), stored(warehouse)
    with dg.DagsterInstance.from_config(str(home)) as instance:
        instance.add_dynamic_partitions("asana_workspaces", [gid, "1"])
        job = warehouse.definitions.resolve_job_def("asana_sync_workspace")
        tags = {"dagster/partition": gid}
        run = instance.create_run_for_job(job, status=dg.DagsterRunStatus.STARTED, tags=tags)
        refused = invoke(warehouse, "forget", "--workspace", NAME, "--yes", DAGSTER_HOME=str(home))
        assert refused.exit_code == 1
        assert "is queued or in progress. Cancel it" in refused.stderr
        assert stored(warehouse) == before
        instance.delete_run(run.run_id)
        assert invoke(warehouse, "forget", "--workspace", NAME, "--yes", DAGSTER_HOME=str(home)).exit_code == 0
        assert list(instance.get_dynamic_partitions("asana_workspaces")) == ["1"]
    assert gid not in stored(warehouse)["users"]
