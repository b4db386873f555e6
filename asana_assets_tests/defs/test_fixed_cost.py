"""What a sync costs when nothing has changed: no file, one commit of sync state, and no new data version."""

import dagster as dg
import pytest

from asana_assets.asana.endpoints import STANDARD_ENDPOINTS, WORKSPACES
from asana_assets_tests.support.sync_harness import MakeWarehouse, Warehouse, failures

LISTED = ("projects", "tags", "users")


def synced(make_warehouse: MakeWarehouse, workspace: str = "personal_workspace") -> tuple[Warehouse, str]:
    warehouse = make_warehouse()
    gid = warehouse.asana.organization.edge_cases[workspace]
    warehouse.settings["ASANA_WORKSPACES"] = gid
    warehouse.sync()
    return warehouse, gid


def run(warehouse: Warehouse, gid: str) -> dg.ExecuteInProcessResult:
    result = warehouse.run("sync_workspace", gid)
    assert result.success, failures(result)
    return result


def files(warehouse: Warehouse) -> set[str]:
    paths = (path.relative_to(warehouse.data_dir) for path in warehouse.data_dir.rglob("warehouse/**/*"))
    return {str(path) for path in paths if "sync_state" not in path.parts}


def version_tags(result: dg.ExecuteInProcessResult) -> dict[str, dict[str, str]]:
    """Return the tags of each asset's materialization by which Dagster decides whether the asset is stale."""
    events = {one.materialization.asset_key.path[-1]: one for one in result.get_asset_materialization_events()}
    return {
        name: {key: value for key, value in (event.materialization.tags or {}).items() if "data_version" in key}
        for name, event in events.items()
    }


def test_an_unchanged_sync_writes_no_file_and_commits_its_state_once(make_warehouse: MakeWarehouse) -> None:
    warehouse, gid = synced(make_warehouse)
    before, commits = files(warehouse), len(warehouse.iceberg_table("sync_state").snapshots())
    assert commits == 1
    run(warehouse, gid)
    assert files(warehouse) == before
    assert len(warehouse.iceberg_table("sync_state").snapshots()) == commits + 1


@pytest.mark.slow
def test_data_versions_follow_the_content_so_that_dagster_marks_only_what_is_downstream_of_a_change(
    make_warehouse: MakeWarehouse,
) -> None:
    warehouse, gid = synced(make_warehouse, "paid_organization")
    first, again = version_tags(run(warehouse, gid)), version_tags(run(warehouse, gid))
    assert set(first) == {endpoint.name for endpoint in STANDARD_ENDPOINTS if endpoint is not WORKSPACES}
    assert first == again
    task = next(row["gid"] for row in warehouse.rows("tasks", gid) if row["project_gids"])
    warehouse.asana.organization.rename_task(task, "Renamed")
    changed = version_tags(run(warehouse, gid))
    assert changed["tasks"]["dagster/data_version"] != first["tasks"]["dagster/data_version"]
    for name in ("projects", "users", "tags", "sections", "team_memberships"):
        assert changed[name] == first[name]
    upstream = "dagster/input_data_version/asana/tasks"  # a hash of the version of the partition
    assert changed["stories"][upstream] != first["stories"][upstream]
