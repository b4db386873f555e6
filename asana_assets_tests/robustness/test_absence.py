"""What one response claims to be gone is confirmed by a second one before its rows are deleted."""

from typing import Any

import pytest

from asana_assets.asana.endpoints import STANDARD_ENDPOINTS
from asana_assets_tests.support.mutations import paid
from asana_assets_tests.support.sync_harness import MakeWarehouse, Warehouse, failed_checks, failures, metadata

pytestmark = pytest.mark.slow

LISTINGS = {
    "users": "/users?workspace={gid}",
    "teams": "/workspaces/{gid}/teams",
    "workspace_memberships": "/workspaces/{gid}/workspace_memberships",
    "projects": "/projects?workspace={gid}",
    "tags": "/tags?workspace={gid}",
    "sections": "/projects/{gid}/sections",
    "team_memberships": "/teams/{gid}/team_memberships",
    "tasks": "/tasks?project={gid}",
}
CHILD_LISTINGS = {
    "subtasks": "/tasks/{gid}/subtasks",
    "stories": "/tasks/{gid}/stories",
    "attachments": "/attachments?parent={gid}",
    "status_updates": "/status_updates?parent={gid}",
}
ASSETS = [endpoint.name for endpoint in STANDARD_ENDPOINTS if endpoint.upstream]
FULL = ["users", "projects", "tasks"]


def synced(make_warehouse: MakeWarehouse, *assets: str, scale: str = "tiny") -> Warehouse:
    """Return a warehouse whose paid organization is synced."""
    warehouse = make_warehouse(scale=scale)
    assert warehouse.run("refresh_workspaces").success
    result = warehouse.run("sync_workspace", paid(warehouse), assets)
    assert result.success, failures(result)
    return warehouse


def gids(warehouse: Warehouse, name: str) -> list[str]:
    return sorted(row["gid"] for row in warehouse.rows(name, paid(warehouse)))


@pytest.mark.parametrize(
    ("kind", "options"),
    [("empty_listing", {}), ("missing_some", {"lost": 0.9, "whole_listing": True}), ("early_end", {})],
    ids=["empty", "most records missing", "ended early"],
)
def test_a_listing_that_loses_records_once_deletes_nothing(
    make_warehouse: MakeWarehouse, kind: Any, options: dict[str, Any]
) -> None:
    assets = [*LISTINGS, "subtasks"]
    warehouse = synced(make_warehouse, *assets)
    before = {name: gids(warehouse, name) for name in assets}
    for path in LISTINGS.values():
        warehouse.asana.add_fault(path, kind, times=1, counted_per="listing", **options)
    result = warehouse.run("sync_workspace", paid(warehouse), assets)
    assert result.success, failures(result)
    assert {name: gids(warehouse, name) for name in assets} == before
    warehouse.asana.faults.clear()
    warehouse.run("sync_workspace", paid(warehouse), assets)
    assert {name: gids(warehouse, name) for name in assets} == before


@pytest.mark.parametrize("kind", ["empty_listing", 404, 410])
@pytest.mark.parametrize("name", CHILD_LISTINGS)
def test_a_parents_listing_that_is_empty_or_not_found_once_deletes_nothing(
    make_warehouse: MakeWarehouse, name: str, kind: Any
) -> None:
    assets = [*FULL, "subtasks", name]
    warehouse = synced(make_warehouse, *dict.fromkeys(assets))
    before = gids(warehouse, name)
    assert before
    warehouse.asana.add_fault(CHILD_LISTINGS[name], kind, times=1, counted_per="listing")
    result = warehouse.run("sync_workspace", paid(warehouse), [name], full_refresh=True)
    assert result.success, failures(result)
    assert gids(warehouse, name) == before


def test_a_nested_parent_that_turns_out_to_be_stale_loses_no_children_by_one_response(
    make_warehouse: MakeWarehouse,
) -> None:
    warehouse = synced(make_warehouse, *FULL, "subtasks")
    organization = warehouse.asana.organization
    before = gids(warehouse, "subtasks")
    level_2, level_3 = organization.edge_cases["level_2"], organization.edge_cases["level_3"]
    organization.rename_task(level_2, "Renamed")  # its listing is fetched once its own row is
    warehouse.asana.add_fault(f"/tasks/{level_2}/subtasks", "empty_listing", times=1)
    result = warehouse.run("sync_workspace", paid(warehouse), [*FULL, "subtasks"])
    assert result.success, failures(result)
    assert gids(warehouse, "subtasks") == before
    assert level_3 in before


@pytest.mark.parametrize("field", ["num_subtasks", "memberships", "custom_fields"])
@pytest.mark.parametrize("kind", ["missing_field", "replaced_field"])
def test_a_field_that_is_missing_once_deletes_no_children(make_warehouse: MakeWarehouse, kind: Any, field: str) -> None:
    warehouse = synced(make_warehouse, *FULL, "subtasks", "stories")
    before = {name: gids(warehouse, name) for name in ("tasks", "subtasks", "stories")}
    faults = [warehouse.asana.add_fault(f"/tasks?{one}={{gid}}", kind, field=field) for one in ("project", "assignee")]
    result = warehouse.run("sync_workspace", paid(warehouse), [*FULL, "subtasks", "stories"])
    assert result.success, failures(result)
    assert {name: gids(warehouse, name) for name in before} == before
    for fault in faults:
        fault.cancel()
    warehouse.run("sync_workspace", paid(warehouse), [*FULL, "subtasks", "stories"])
    assert {name: gids(warehouse, name) for name in before} == before


def test_rows_of_a_former_plan_are_kept_until_the_operator_accepts_their_deletion(
    make_warehouse: MakeWarehouse,
) -> None:
    warehouse = synced(make_warehouse, "project_templates")
    before = gids(warehouse, "project_templates")
    assert before
    warehouse.asana.add_fault("/project_templates", 402)
    for _ in range(2):
        result = warehouse.run("sync_workspace", paid(warehouse), ["project_templates"])
        assert result.success
        assert gids(warehouse, "project_templates") == before
        message = failed_checks(result)["project_templates", "available_on_plan"]
        assert f"{len(before)} rows are those of an earlier sync" in message
    result = warehouse.run("sync_workspace", paid(warehouse), ["project_templates"], accept_row_count_drop=True)
    assert result.success
    assert gids(warehouse, "project_templates") == []


def test_a_402_once_is_not_believed(make_warehouse: MakeWarehouse) -> None:
    warehouse = synced(make_warehouse, "tags")
    warehouse.asana.add_fault("/tags", 402, times=1)
    result = warehouse.run("sync_workspace", paid(warehouse), ["tags"])
    assert failed_checks(result) == {}
    assert "plan_unavailable" not in metadata(result, "tags")


def test_the_children_of_a_parent_that_is_402_once_are_fetched_by_the_next_sync(make_warehouse: MakeWarehouse) -> None:
    warehouse = synced(make_warehouse, *FULL, "subtasks", "attachments")
    parents = {row["parent_gid"] for row in warehouse.rows("attachments")}
    task = next(row["gid"] for row in warehouse.rows("tasks", paid(warehouse)) if row["gid"] not in parents)
    attachment = warehouse.asana.organization.add_attachment(task, "plan.pdf")
    warehouse.asana.add_fault(f"/attachments?parent={task}", 402, times=1)
    result = warehouse.run("sync_workspace", paid(warehouse), ["tasks", "attachments"])
    assert ("attachments", "available_on_plan") in failed_checks(result)
    result = warehouse.run("sync_workspace", paid(warehouse), ["attachments"])
    assert failed_checks(result) == {}
    assert attachment in gids(warehouse, "attachments")


def requests_of(warehouse: Warehouse, *assets: str) -> int:
    before = len(warehouse.asana.log)
    result = warehouse.run("sync_workspace", paid(warehouse), assets)
    assert result.success, failures(result)
    return len(warehouse.asana.log) - before


def test_a_deletion_costs_at_most_one_request_per_listing_and_a_quiet_sync_none(
    make_warehouse: MakeWarehouse,
) -> None:
    assets = [*FULL, "sections", "subtasks", "stories", "tags"]
    warehouse = synced(make_warehouse, *assets)
    quiet = requests_of(warehouse, *assets)
    assert requests_of(warehouse, *assets) == quiet
    organization = warehouse.asana.organization
    task = next(
        row
        for row in warehouse.rows("tasks", paid(warehouse))
        if not row["num_subtasks"] and not row["parent_gid"] and len(row["project_gids"]) == 1
    )
    organization.delete_task(task["gid"])
    assert requests_of(warehouse, *assets) == quiet + 1
    assert task["gid"] not in gids(warehouse, "tasks")
    assert task["gid"] not in {row["parent_gid"] for row in warehouse.rows("stories")}
    assert requests_of(warehouse, *assets) == quiet


def assigned_tasks(warehouse: Warehouse, count: int) -> list[dict[str, Any]]:
    """Return tasks of one project that have a listed assignee and neither subtasks nor another project."""
    users = gids(warehouse, "users")
    by_project: dict[str, list[dict[str, Any]]] = {}
    for row in warehouse.rows("tasks", paid(warehouse)):
        if row["assignee_gid"] in users and len(row["project_gids"]) == 1 and not row["num_subtasks"]:
            by_project.setdefault(row["project_gids"][0], []).append(row)
    return next(rows[:count] for rows in by_project.values() if len(rows) >= count)


@pytest.mark.parametrize("count", [1, 5])
def test_deleted_tasks_are_deleted_though_their_assignees_are_listed_another_day(
    make_warehouse: MakeWarehouse, count: int
) -> None:
    warehouse = synced(make_warehouse, *FULL, scale="demo")
    deleted = assigned_tasks(warehouse, count)
    quiet = requests_of(warehouse, *FULL)
    for row in deleted:
        warehouse.asana.organization.delete_task(row["gid"])
    listings = {row["assignee_gid"] for row in deleted} | {"the project"}
    assert requests_of(warehouse, *FULL) <= quiet + min(count, len(listings))
    assert not {row["gid"] for row in deleted}.intersection(gids(warehouse, "tasks"))


@pytest.mark.parametrize("gone", ["deleted", "private"])
def test_the_tasks_of_a_project_that_is_gone_are_deleted_though_their_assignees_are_listed_another_day(
    make_warehouse: MakeWarehouse, gone: str
) -> None:
    warehouse = synced(make_warehouse, *FULL, scale="demo")
    [task] = assigned_tasks(warehouse, 1)
    organization = warehouse.asana.organization
    organization.assign_task(task["gid"], next(gid for gid in gids(warehouse, "users") if gid != organization.me.gid))
    requests_of(warehouse, *FULL)
    [project] = task["project_gids"]
    (organization.delete_project if gone == "deleted" else organization.make_project_private)(project)
    requests_of(warehouse, *FULL)
    expected = {str(one["gid"]) for one in warehouse.asana.truth("tasks", paid(warehouse))}
    assert set(gids(warehouse, "tasks")) == expected
    assert task["gid"] not in expected


def test_a_task_that_one_search_shows_without_its_assignee_is_kept(make_warehouse: MakeWarehouse) -> None:
    warehouse = synced(make_warehouse, *FULL)
    task = warehouse.asana.organization.edge_cases["task_without_project"]
    warehouse.asana.organization.rename_task(task, "Renamed")
    warehouse.asana.add_fault("/workspaces/{gid}/tasks/search", "replaced_field", field="assignee", times=1)
    requests_of(warehouse, *FULL)
    assert {row["gid"]: row["name"] for row in warehouse.rows("tasks")}.get(task) == "Renamed"
    warehouse.asana.organization.assign_task(task, None)
    requests_of(warehouse, *FULL)
    assert task not in gids(warehouse, "tasks")


@pytest.mark.parametrize("count", [1, 5])
def test_a_task_that_left_its_project_is_kept_for_its_assignee(make_warehouse: MakeWarehouse, count: int) -> None:
    warehouse = synced(make_warehouse, *FULL, scale="demo")
    moved = assigned_tasks(warehouse, count)
    for row in moved:
        warehouse.asana.organization.remove_from_project(row["gid"], row["project_gids"][0])
    requests_of(warehouse, *FULL)
    stored = {row["gid"]: row["project_gids"] for row in warehouse.rows("tasks", paid(warehouse))}
    assert {gid: stored.get(gid) for gid in (row["gid"] for row in moved)} == {row["gid"]: [] for row in moved}
