"""Syncs over a table `sync_state` that the previous version wrote."""

import datetime as dt
import os

import pyarrow as pa
import pytest
from click.testing import CliRunner

from asana_assets.cli.main import main
from asana_assets.defs.resources import LakeResource
from asana_assets_tests.support.first_layout import FIRST_LAYOUT
from asana_assets_tests.support.mutations import paid
from asana_assets_tests.support.sync_harness import MakeWarehouse, Row, Warehouse, failed_checks, failures

CHILDREN = ["subtasks", "stories", "attachments", "status_updates"]


def rewrite_in_first_layout(warehouse: Warehouse, gid: str, sync_id: str, *more: Row) -> None:
    """Replace `sync_state` by the table that the previous version would have written in a sync with this id."""
    rows: list[Row] = []
    for row in warehouse.rows("sync_state", gid):
        is_parent = row["kind"] == "parent_version"
        parent, version = (row["parent_gid"], row["version"]) if is_parent else (gid, sync_id)
        key = f"{row['endpoint']}/{parent}"
        rows.append({**row, "gid": key, "parent_gid": parent, "version": version})
    warehouse.drop_table("sync_state")
    lake = LakeResource(data_dir=str(warehouse.data_dir)).iceberg
    table = lake.ensure_table("sync_state", FIRST_LAYOUT)
    batches = pa.Table.from_pylist([*rows, *more], schema=FIRST_LAYOUT).drop_columns(["workspace_gid"]).to_batches()
    lake.replace_partition(table, gid, batches, sort_by=("gid",))
    lake.close()


def kinds(warehouse: Warehouse, gid: str) -> set[str | None]:
    return {row["kind"] for row in warehouse.rows("sync_state", gid)}


@pytest.mark.slow
def test_a_sync_over_the_first_layout_refetches_nothing_and_remembers_a_drop(make_warehouse: MakeWarehouse) -> None:
    warehouse = make_warehouse()
    gid = paid(warehouse)
    warehouse.settings["ASANA_WORKSPACES"] = gid
    warehouse.sync()
    now = dt.datetime.now(dt.UTC)
    drop = {"gid": "doubt/stories", "endpoint": "doubt", "parent_gid": "stories", "version": "9999", "_synced_at": now}
    rewrite_in_first_layout(warehouse, gid, "run-1", drop)
    uuid = warehouse.iceberg_table("sync_state").metadata.table_uuid
    before = len(warehouse.asana.log)
    result = warehouse.run("sync_workspace", gid, CHILDREN)
    paths = {entry.path for entry in warehouse.asana.log[before:]}
    assert paths <= {f"/workspaces/{gid}/tasks/search"}
    assert "down from 9,999" in failed_checks(result)["stories", "row_count_not_dropped"]
    assert kinds(warehouse, gid) == {"parent_version", "completed_sync", "row_count_drop"}
    assert warehouse.iceberg_table("sync_state").metadata.table_uuid == uuid
    result = warehouse.run("sync_workspace", gid, CHILDREN, accept_row_count_drop=True)
    assert result.success, failures(result)
    assert kinds(warehouse, gid) == {"parent_version", "completed_sync"}
    assert {entry.path for entry in warehouse.asana.log[before:]} <= {f"/workspaces/{gid}/tasks/search"}


@pytest.mark.slow
def test_a_sync_that_was_interrupted_under_the_first_layout_is_resumed(make_warehouse: MakeWarehouse) -> None:
    warehouse = make_warehouse()
    gid = paid(warehouse)
    warehouse.settings["ASANA_WORKSPACES"] = gid
    warehouse.sync()
    started_at = dt.datetime.now(dt.UTC)
    sync_id = started_at.isoformat()
    marker = {
        "gid": f"sync/{gid}",
        "endpoint": "sync",
        "parent_gid": gid,
        "version": sync_id,
        "_synced_at": started_at,
    }
    rewrite_in_first_layout(warehouse, gid, sync_id, marker)
    before = len(warehouse.asana.log)
    environment = {**warehouse.environment, "HOME": str(warehouse.data_dir)}
    result = CliRunner().invoke(main, ["sync", "--workspace", gid], env=dict.fromkeys(os.environ) | environment)
    assert result.exit_code == 0, result.output
    assert [entry.path for entry in warehouse.asana.log[before:]] == ["/workspaces"]
    assert kinds(warehouse, gid) == {"parent_version", "completed_sync"}
