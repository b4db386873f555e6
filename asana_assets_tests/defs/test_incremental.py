"""A sync after the first: it asks for what changed, and the tables are the truth again."""

import pytest

from asana_assets_tests.support.mutations import mutate, mutate_out_of_sight, paid
from asana_assets_tests.support.sync_harness import MakeWarehouse, Warehouse, failures, metadata

CHILDREN = ("subtasks", "stories", "attachments", "status_updates")


def asked(warehouse: Warehouse, since: int) -> list[str]:
    """Give the paths of the requests from the one with this number on."""
    return [entry.path for entry in warehouse.asana.log[since:]]


def test_after_every_kind_of_change_the_tables_are_the_truth_on_a_paid_plan(make_warehouse: MakeWarehouse) -> None:
    warehouse = make_warehouse()
    warehouse.settings["ASANA_WORKSPACES"] = paid(warehouse)
    warehouse.sync()
    mutate(warehouse)
    mutate_out_of_sight(warehouse)
    new = warehouse.asana.organization.add_workspace("New", organization=True, paid=True)
    warehouse.settings["ASANA_WORKSPACES"] += f",{new}"
    warehouse.sync()
    warehouse.assert_true(paid(warehouse), new)


@pytest.mark.slow
def test_on_a_free_plan_they_are_too_but_for_what_is_out_of_sight_which_comes_by_age(
    make_warehouse: MakeWarehouse,
) -> None:
    warehouse = make_warehouse()
    warehouse.asana.add_fault("/workspaces/{gid}/tasks/search", 402)
    warehouse.settings["ASANA_WORKSPACES"] = paid(warehouse)
    warehouse.sync()
    mutate(warehouse)
    warehouse.sync()
    warehouse.assert_true(paid(warehouse))
    mutate_out_of_sight(warehouse)
    everything = ["projects", "users", "tasks", *CHILDREN]
    result = warehouse.run("sync_workspace", paid(warehouse), everything, refresh_after_days=1e-9)
    assert result.success, failures(result)
    warehouse.assert_true(paid(warehouse))


@pytest.mark.slow
def test_changed_tasks_cost_their_own_requests_and_no_others(make_warehouse: MakeWarehouse) -> None:
    warehouse = make_warehouse()
    warehouse.settings["ASANA_WORKSPACES"] = paid(warehouse)
    warehouse.sync()
    since = len(warehouse.asana.log)
    warehouse.sync()
    nothing_changed = len(warehouse.asana.log) - since
    tasks = [row["gid"] for row in warehouse.rows("tasks", paid(warehouse)) if row["project_gids"]][:5]
    for gid in tasks:
        warehouse.asana.organization.add_comment(gid, "A word")
    since = len(warehouse.asana.log)
    warehouse.sync()
    paths = asked(warehouse, since)
    assert {path for path in paths if path.endswith("/stories")} == {f"/tasks/{gid}/stories" for gid in tasks}
    assert paths.count("/attachments") == 5
    with_subtasks = sum(path.endswith("/subtasks") for path in paths)
    assert len(paths) == nothing_changed + 10 + with_subtasks
    warehouse.assert_true(paid(warehouse))


@pytest.mark.slow
def test_full_refresh_repairs_a_row_deleted_by_hand(make_warehouse: MakeWarehouse) -> None:
    warehouse = make_warehouse()
    warehouse.settings["ASANA_WORKSPACES"] = paid(warehouse)
    warehouse.sync()
    table = warehouse.iceberg("stories")
    gid = warehouse.rows("stories")[0]["gid"]
    table.delete(f"gid == '{gid}'")
    warehouse.sync()
    assert gid not in {row["gid"] for row in warehouse.rows("stories")}
    result = warehouse.run("sync_workspace", paid(warehouse), ["stories"], full_refresh=True)
    assert result.success, failures(result)
    assert metadata(result, "stories")["requests_saved"] == 0
    warehouse.assert_true(paid(warehouse))


@pytest.mark.slow
def test_without_its_memory_a_sync_reads_everything_and_loses_nothing(make_warehouse: MakeWarehouse) -> None:
    warehouse = make_warehouse()
    warehouse.settings["ASANA_WORKSPACES"] = paid(warehouse)
    warehouse.sync()
    first = len(warehouse.asana.log)
    warehouse.drop("sync_state")
    warehouse.sync()
    assert len(warehouse.asana.log) == 2 * first
    warehouse.assert_true(paid(warehouse))


@pytest.mark.slow
def test_metadata_tell_what_was_saved(make_warehouse: MakeWarehouse) -> None:
    warehouse = make_warehouse()
    warehouse.settings["ASANA_WORKSPACES"] = paid(warehouse)
    warehouse.sync()
    result = warehouse.run("sync_workspace", paid(warehouse), ["stories"])
    figures = metadata(result, "stories")
    assert figures["parents"] == figures["parents_unchanged"] == figures["requests_saved"] > 0
    assert figures["parents_stale"] == figures["parents_fetched"] == figures["requests"] == 0
    assert figures["rows"] == len(warehouse.rows("stories"))


def test_an_asset_whose_upstream_was_never_synced_here_is_not_taken_for_childless(
    make_warehouse: MakeWarehouse,
) -> None:
    warehouse = make_warehouse()
    assert warehouse.run("refresh_workspaces").success
    other = warehouse.asana.organization.edge_cases["free_organization"]
    assert warehouse.run("sync_workspace", other, ["projects"]).success
    result = warehouse.run("sync_workspace", paid(warehouse), ["sections"])
    assert failures(result) == {
        "sections": f"projects of workspace {paid(warehouse)} was never synced: materialize projects first."
    }
