"""Syncs after the first one: they fetch what has changed, and leave the tables complete."""

import pytest

from asana_assets_tests.support.mutations import mutate, mutate_hidden, paid
from asana_assets_tests.support.sync_harness import MakeWarehouse, Warehouse, failures, metadata

CHILDREN = ("subtasks", "stories", "attachments", "status_updates")


def requested_paths(warehouse: Warehouse, since: int) -> list[str]:
    """Return the paths of all requests but the first `since`."""
    return [entry.path for entry in warehouse.asana.log[since:]]


def test_on_a_paid_plan_the_next_sync_finds_every_kind_of_change(make_warehouse: MakeWarehouse) -> None:
    warehouse = make_warehouse()
    warehouse.settings["ASANA_WORKSPACES"] = paid(warehouse)
    warehouse.sync()
    mutate(warehouse)
    mutate_hidden(warehouse)
    new = warehouse.asana.organization.add_workspace("New", organization=True, paid=True)
    warehouse.settings["ASANA_WORKSPACES"] += f",{new}"
    warehouse.sync()
    warehouse.assert_matches_asana(paid(warehouse), new)


@pytest.mark.slow
def test_without_search_hidden_changes_are_found_by_age(
    make_warehouse: MakeWarehouse,
) -> None:
    warehouse = make_warehouse()
    warehouse.asana.add_fault("/workspaces/{gid}/tasks/search", 402)
    warehouse.settings["ASANA_WORKSPACES"] = paid(warehouse)
    warehouse.sync()
    mutate(warehouse)
    warehouse.sync()
    warehouse.assert_matches_asana(paid(warehouse))
    mutate_hidden(warehouse)
    everything = ["projects", "users", "tasks", *CHILDREN]
    result = warehouse.run("sync_workspace", paid(warehouse), everything, refresh_after_days=1e-9)
    assert result.success, failures(result)
    warehouse.assert_matches_asana(paid(warehouse))


@pytest.mark.slow
def test_only_the_children_of_changed_tasks_are_fetched_again(make_warehouse: MakeWarehouse) -> None:
    warehouse = make_warehouse()
    warehouse.settings["ASANA_WORKSPACES"] = paid(warehouse)
    warehouse.sync()
    since = len(warehouse.asana.log)
    warehouse.sync()
    nothing_changed = len(warehouse.asana.log) - since
    tasks = [row["gid"] for row in warehouse.rows("tasks", paid(warehouse)) if row["project_gids"]][:5]
    for gid in tasks:
        warehouse.asana.organization.add_comment(gid, "A comment")
    since = len(warehouse.asana.log)
    warehouse.sync()
    paths = requested_paths(warehouse, since)
    assert {path for path in paths if path.endswith("/stories")} == {f"/tasks/{gid}/stories" for gid in tasks}
    assert paths.count("/attachments") == 5
    with_subtasks = sum(path.endswith("/subtasks") for path in paths)
    assert len(paths) == nothing_changed + 10 + with_subtasks
    warehouse.assert_matches_asana(paid(warehouse))


@pytest.mark.slow
def test_a_full_refresh_restores_a_row_that_was_deleted_by_hand(make_warehouse: MakeWarehouse) -> None:
    warehouse = make_warehouse()
    warehouse.settings["ASANA_WORKSPACES"] = paid(warehouse)
    warehouse.sync()
    table = warehouse.iceberg_table("stories")
    gid = warehouse.rows("stories")[0]["gid"]
    table.delete(f"gid == '{gid}'")
    warehouse.sync()
    assert gid not in {row["gid"] for row in warehouse.rows("stories")}
    result = warehouse.run("sync_workspace", paid(warehouse), ["stories"], full_refresh=True)
    assert result.success, failures(result)
    assert metadata(result, "stories")["requests_saved"] == 0
    warehouse.assert_matches_asana(paid(warehouse))


@pytest.mark.slow
def test_without_sync_state_a_sync_fetches_everything_again_and_loses_nothing(make_warehouse: MakeWarehouse) -> None:
    warehouse = make_warehouse()
    warehouse.settings["ASANA_WORKSPACES"] = paid(warehouse)
    warehouse.sync()
    first = len(warehouse.asana.log)
    warehouse.drop_table("sync_state")
    warehouse.sync()
    assert len(warehouse.asana.log) == 2 * first
    warehouse.assert_matches_asana(paid(warehouse))


@pytest.mark.slow
def test_metadata_count_the_requests_saved(make_warehouse: MakeWarehouse) -> None:
    warehouse = make_warehouse()
    warehouse.settings["ASANA_WORKSPACES"] = paid(warehouse)
    warehouse.sync()
    result = warehouse.run("sync_workspace", paid(warehouse), ["stories"])
    figures = metadata(result, "stories")
    assert figures["parents"] == figures["parents_unchanged"] == figures["requests_saved"] > 0
    assert figures["parents_stale"] == figures["parents_fetched"] == figures["requests"] == 0
    assert figures["rows"] == len(warehouse.rows("stories"))


def test_upstream_that_was_never_synced_in_this_workspace_is_an_error_and_not_empty(
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
