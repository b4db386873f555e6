"""What an operator reads, and what the tables hold, when Asana refuses: through real HTTP."""

import threading

import pytest

from asana_assets.sandbox import Request
from asana_assets_tests.support.sync_harness import MakeWarehouse, Warehouse, complaints, failures, metadata

LISTED_WITHIN_A_WORKSPACE = [
    "users",
    "teams",
    "workspace_memberships",
    "projects",
    "tags",
    "webhooks",
    "project_templates",
]


def paid(warehouse: Warehouse) -> str:
    return warehouse.asana.organization.traps["paid_organization"]


def start(warehouse: Warehouse, *assets: str) -> None:
    """Sync these assets of the paid organization, and the workspaces; all must succeed."""
    assert warehouse.run("refresh_workspaces").success
    result = warehouse.run("sync_workspace", paid(warehouse), assets)
    assert result.success, failures(result)


def gids(warehouse: Warehouse, name: str) -> set[str]:
    return {row["gid"] for row in warehouse.rows(name, paid(warehouse))}


def test_401_fails_the_run_at_once_and_says_what_to_check(make_warehouse: MakeWarehouse) -> None:
    warehouse = make_warehouse()
    warehouse.run("refresh_workspaces")
    warehouse.asana.revoke()
    asked = len(warehouse.asana.log)
    result = warehouse.run("sync_workspace", paid(warehouse))
    assert set(failures(result)) == set(LISTED_WITHIN_A_WORKSPACE)
    for sentence in failures(result).values():
        assert "answered 401: Not Authorized" in sentence
        assert "ASANA_ACCESS_TOKEN" in sentence
    assert len(warehouse.asana.log) == asked + 1


def test_400_fails_the_asset_with_method_path_and_asanas_message(make_warehouse: MakeWarehouse) -> None:
    warehouse = make_warehouse()
    warehouse.run("refresh_workspaces")
    warehouse.asana.fault("/projects/{project_gid}/sections", 400, message="project: Not a Long: x")
    result = warehouse.run("sync_workspace", paid(warehouse), ["projects", "sections"])
    assert failures(result) == {
        "sections": f"sections of workspace {paid(warehouse)}: "
        "GET /projects/{parent}/sections answered 400: project: Not a Long: x."
    }


def test_402_is_the_plan_and_makes_an_empty_partition_that_says_so(make_warehouse: MakeWarehouse) -> None:
    warehouse = make_warehouse()
    warehouse.run("refresh_workspaces")
    warehouse.asana.fault("/project_templates", 402)
    result = warehouse.run("sync_workspace", paid(warehouse), ["project_templates"])
    assert result.success
    assert warehouse.rows("project_templates") == []
    assert metadata(result, "project_templates")["plan_unavailable"] is True
    assert complaints(result) == {
        (
            "project_templates",
            "available_on_plan",
        ): "Not on this plan (402): the rows that Asana does not give are not here."
    }


@pytest.mark.parametrize(("status", "hint"), [(403, "Ask an admin"), (404, "ASANA_BASE_URL")])
def test_a_refused_workspace_listing_fails_its_asset_alone_and_leaves_its_rows(
    make_warehouse: MakeWarehouse, status: int, hint: str
) -> None:
    warehouse = make_warehouse()
    start(warehouse, "tags", "webhooks")
    before = warehouse.rows("tags")
    warehouse.asana.fault("/tags", status, message="No.")
    result = warehouse.run("sync_workspace", paid(warehouse), ["tags", "webhooks"])
    assert set(failures(result)) == {"tags"}
    assert f"GET /tags answered {status}: No." in failures(result)["tags"]
    assert hint in failures(result)["tags"]
    assert warehouse.rows("tags") == before


def test_a_parent_made_private_keeps_the_rows_of_its_last_sync_and_is_named(make_warehouse: MakeWarehouse) -> None:
    warehouse = make_warehouse()
    assets = ["projects", "users", "sections", "tasks", "subtasks"]
    start(warehouse, *assets)
    before = {name: gids(warehouse, name) for name in assets}
    task = next(row for row in warehouse.rows("tasks", paid(warehouse)) if row["num_subtasks"] and row["project_gids"])
    project = task["project_gids"][0]
    for path in (f"/projects/{project}/sections", f"/tasks?project={project}", f"/tasks/{task['gid']}/subtasks"):
        warehouse.asana.fault(path, 403, message="You do not have access to this.")
    result = warehouse.run("sync_workspace", paid(warehouse), assets, full_refresh=True)
    assert result.success
    assert {name: gids(warehouse, name) for name in before} == before
    assert project in complaints(result)["sections", "all_parents_fetched"]
    assert project in complaints(result)["tasks", "all_parents_fetched"]
    assert task["gid"] in complaints(result)["subtasks", "all_parents_fetched"]
    assert metadata(result, "tasks")["skipped_parents"] == 1
    assert metadata(result, "sections")["rows_carried_over"] > 0


def test_rows_of_a_deleted_parent_go(make_warehouse: MakeWarehouse) -> None:
    warehouse = make_warehouse()
    start(warehouse, "projects", "sections")
    project = warehouse.rows("sections", paid(warehouse))[0]["project_gid"]
    warehouse.asana.fault(f"/projects/{project}/sections", 404)
    result = warehouse.run("sync_workspace", paid(warehouse), ["sections"])
    assert result.success
    assert project not in {row["project_gid"] for row in warehouse.rows("sections")}
    assert warehouse.rows("sections", paid(warehouse))
    assert metadata(result, "sections")["deleted_parents"] == 1


def test_a_spent_budget_fails_the_asset_keeps_its_rows_and_the_next_run_goes_on(make_warehouse: MakeWarehouse) -> None:
    warehouse = make_warehouse()
    start(warehouse, "webhooks")
    before = warehouse.rows("webhooks")
    fault = warehouse.asana.fault("/webhooks", 503)
    warehouse.asana_fields["max_attempts"] = 2
    result = warehouse.run("sync_workspace", paid(warehouse), ["webhooks"])
    assert set(failures(result)) == {"webhooks"}
    assert "GET /webhooks failed 2 times: Asana answered 503." in failures(result)["webhooks"]
    assert warehouse.rows("webhooks") == before
    fault.cancel()
    assert warehouse.run("sync_workspace", paid(warehouse), ["webhooks"]).success


def test_a_value_that_does_not_fit_is_counted_by_a_check(make_warehouse: MakeWarehouse) -> None:
    warehouse = make_warehouse()
    warehouse.run("refresh_workspaces")
    organization = warehouse.asana.organization
    tag = str(warehouse.asana.truth("tags", paid(warehouse))[0]["gid"])
    organization.get(tag, "tag").fields["created_at"] = "soon"
    organization.touch()
    result = warehouse.run("sync_workspace", paid(warehouse), ["tags"])
    assert complaints(result)["tags", "no_unmapped_values"].startswith("1 rows ")
    [row] = [row for row in warehouse.rows("tags") if row["gid"] == tag]
    assert (row["created_at"], row["_unmapped"]) == (None, '{"created_at":"soon"}')


def test_a_task_that_a_listing_passed_over_is_asked_for_and_stays(make_warehouse: MakeWarehouse) -> None:
    warehouse = make_warehouse()
    organization = warehouse.asana.organization
    project = organization.add_project(paid(warehouse), "Long")
    tasks = [organization.add_task(project, f"Task {at}") for at in range(150)]
    start(warehouse, "projects", "users", "tasks")
    section = organization.sections[project][0].gid

    def move(request: Request) -> bool:
        """The last task goes to the top, just before the second page is asked for."""
        if request.query.get("project") == project and "offset" in request.query:
            organization.move_task(tasks[-1], section, first=True)
        return False

    warehouse.asana.fault(move, 500)
    asked = len(warehouse.asana.log)
    assert warehouse.run("sync_workspace", paid(warehouse), ["tasks"], full_refresh=True).success
    assert [entry.path for entry in warehouse.asana.log[asked:] if entry.path.startswith("/tasks/")] == [
        f"/tasks/{tasks[-1]}"
    ]
    assert set(tasks) <= gids(warehouse, "tasks")


@pytest.mark.slow
def test_a_deleted_task_goes_with_all_below_it(make_warehouse: MakeWarehouse) -> None:
    warehouse = make_warehouse()
    warehouse.settings["ASANA_WORKSPACES"] = paid(warehouse)
    warehouse.sync()
    task = next(row for row in warehouse.rows("tasks", paid(warehouse)) if row["num_subtasks"] and row["project_gids"])
    warehouse.asana.organization.delete_task(task["gid"])
    warehouse.sync()
    assert task["gid"] not in gids(warehouse, "tasks")
    warehouse.assert_true(paid(warehouse))


def test_an_asset_without_its_upstream_says_what_to_materialize(make_warehouse: MakeWarehouse) -> None:
    warehouse = make_warehouse()
    warehouse.run("refresh_workspaces")
    result = warehouse.run("sync_workspace", paid(warehouse), ["sections"])
    assert failures(result) == {"sections": "There is no table projects yet: materialize projects first."}


def test_a_partition_that_is_no_workspace_is_not_taken_for_an_empty_one(make_warehouse: MakeWarehouse) -> None:
    warehouse = make_warehouse()
    start(warehouse, "projects")
    before = warehouse.rows("projects")
    warehouse.instance.add_dynamic_partitions("asana_workspaces", ["12345"])
    result = warehouse.run("sync_workspace", "12345", ["projects"])
    assert "12345 is not a workspace of this token" in failures(result)["projects"]
    assert warehouse.rows("projects") == before


def test_only_the_workspaces_that_are_named_are_synced(make_warehouse: MakeWarehouse) -> None:
    warehouse = make_warehouse()
    warehouse.settings["ASANA_WORKSPACES"] = paid(warehouse)
    assert warehouse.run("refresh_workspaces").success
    assert [row["gid"] for row in warehouse.rows("workspaces")] == [paid(warehouse)]
    assert warehouse.instance.get_dynamic_partitions("asana_workspaces") == [paid(warehouse)]


def test_a_named_workspace_that_the_token_cannot_see_is_an_error(make_warehouse: MakeWarehouse) -> None:
    warehouse = make_warehouse({"ASANA_WORKSPACES": "12345"})
    result = warehouse.run("refresh_workspaces")
    assert "ASANA_WORKSPACES names 12345, which this token cannot see" in failures(result)["workspaces"]


def test_a_workspace_that_went_leaves_its_list_and_its_partition(make_warehouse: MakeWarehouse) -> None:
    warehouse = make_warehouse()
    warehouse.run("refresh_workspaces")
    gone = str(warehouse.asana.truth("workspaces")[-1]["gid"])
    warehouse.asana.organization.remove_workspace(gone)
    assert warehouse.run("refresh_workspaces").success
    assert gone not in {row["gid"] for row in warehouse.rows("workspaces")}
    assert gone not in warehouse.instance.get_dynamic_partitions("asana_workspaces")


def test_announced_changes_are_in_the_metadata_once_each(make_warehouse: MakeWarehouse) -> None:
    warehouse = make_warehouse()
    changes = metadata(warehouse.run("refresh_workspaces"), "workspaces")["deprecation_notices"]
    assert isinstance(changes, list)
    assert len(changes) == len(set(changes)) > 1
    assert all(change.startswith("name=") for change in changes)


def test_a_sync_that_fails_in_the_middle_leaves_nobody_asking(make_warehouse: MakeWarehouse) -> None:
    warehouse = make_warehouse(latency=0.02)
    start(warehouse, "projects", "users", "tasks")
    for path, name in (("/projects/{gid}/sections", "sections"), ("/tasks/{gid}/stories", "stories")):
        warehouse.asana.fault(path, 200, times=1, body={"data": [{"name": "no gid"}]})
        if name == "stories":
            assert warehouse.run("sync_workspace", paid(warehouse), ["subtasks"]).success
        result = warehouse.run("sync_workspace", paid(warehouse), [name])
        assert f"Asana sent {name} without a gid" in failures(result)[name]
        assert not [thread.name for thread in threading.enumerate() if thread.name.startswith("asana")]


def test_without_a_token_a_run_fails_with_one_clear_sentence(make_warehouse: MakeWarehouse) -> None:
    warehouse = make_warehouse({"ASANA_ACCESS_TOKEN": ""})
    assert failures(warehouse.run("refresh_workspaces"))["workspaces"] == (
        "workspaces: there is no access token: set ASANA_ACCESS_TOKEN to a personal access token of Asana, or "
        "ASANA_TOKEN_SECRET_ID to a secret in AWS Secrets Manager that contains one."
    )
