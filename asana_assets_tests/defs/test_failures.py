"""What is reported and what is stored when Asana rejects or breaks requests, over real HTTP."""

import threading

import pytest

from asana_assets.sandbox import ReceivedRequest
from asana_assets_tests.support.mutations import paid
from asana_assets_tests.support.sync_harness import MakeWarehouse, Warehouse, failed_checks, failures, metadata

WORKSPACE_LISTINGS = [
    "users",
    "teams",
    "workspace_memberships",
    "projects",
    "tags",
    "webhooks",
    "project_templates",
]
"""The assets that are listed within a workspace."""


def sync(warehouse: Warehouse, *assets: str) -> None:
    """Sync the workspaces and these assets of the paid organization; all must succeed."""
    assert warehouse.run("refresh_workspaces").success
    result = warehouse.run("sync_workspace", paid(warehouse), assets)
    assert result.success, failures(result)


def gids(warehouse: Warehouse, name: str) -> set[str]:
    return {row["gid"] for row in warehouse.rows(name, paid(warehouse))}


def test_after_a_401_every_asset_gives_the_same_reason_and_one_request_is_sent(make_warehouse: MakeWarehouse) -> None:
    warehouse = make_warehouse()
    warehouse.run("refresh_workspaces")
    warehouse.settings["ASANA_REQUESTS_PER_SECOND"] = "4"  # the response arrives before the next request slot
    warehouse.asana.revoke_token()
    before = len(warehouse.asana.log)
    result = warehouse.run("sync_workspace", paid(warehouse))  # in process, where the run goes on
    assert set(failures(result)) == set(WORKSPACE_LISTINGS)
    [message] = set(failures(result).values())
    assert message == (
        "Asana rejected the token (GET /projects returned 401: Not Authorized). Check the token in ASANA_ACCESS_TOKEN, "
        "or in the secret that ASANA_TOKEN_SECRET_ID names."
    )
    assert len(warehouse.asana.log) == before + 1


def test_400_fails_the_asset_with_method_path_and_asanas_message(make_warehouse: MakeWarehouse) -> None:
    warehouse = make_warehouse()
    warehouse.run("refresh_workspaces")
    warehouse.asana.add_fault("/projects/{project_gid}/sections", 400, message="project: Not a Long: x")
    result = warehouse.run("sync_workspace", paid(warehouse), ["projects", "sections"])
    assert failures(result) == {
        "sections": "sections of workspace Catnip & Co.: "
        "GET /projects/{parent}/sections returned 400: project: Not a Long: x; 5 of 5 parents that were tried were "
        "refused or failed."
    }


def test_402_stores_an_empty_partition_and_passes_available_on_plan_with_a_note(make_warehouse: MakeWarehouse) -> None:
    warehouse = make_warehouse()
    warehouse.run("refresh_workspaces")
    warehouse.asana.add_fault("/project_templates", 402)
    result = warehouse.run("sync_workspace", paid(warehouse), ["project_templates"])
    assert result.success
    assert warehouse.rows("project_templates") == []
    assert metadata(result, "project_templates")["plan_unavailable"] is True
    assert failed_checks(result) == {}
    [note] = [check.description for check in result.get_asset_check_evaluations() if check.description]
    assert note == (
        "This endpoint is not available on the workspace's plan (402), so the table has no rows for it. There is "
        "nothing to do, unless you upgrade the plan."
    )


@pytest.mark.parametrize(("status", "hint"), [(403, "Ask an admin"), (404, "ASANA_BASE_URL")])
def test_a_rejected_workspace_listing_fails_its_own_asset_only_and_keeps_its_rows(
    make_warehouse: MakeWarehouse, status: int, hint: str
) -> None:
    warehouse = make_warehouse()
    sync(warehouse, "tags", "webhooks")
    before = warehouse.rows("tags")
    warehouse.asana.add_fault("/tags", status, message="No.")
    result = warehouse.run("sync_workspace", paid(warehouse), ["tags", "webhooks"])
    assert set(failures(result)) == {"tags"}
    assert f"GET /tags returned {status}: No." in failures(result)["tags"]
    assert hint in failures(result)["tags"]
    assert warehouse.rows("tags") == before


@pytest.mark.slow
def test_rows_of_a_parent_that_became_private_are_kept_and_the_parent_is_named(make_warehouse: MakeWarehouse) -> None:
    warehouse = make_warehouse()
    assets = ["projects", "users", "sections", "tasks", "subtasks"]
    sync(warehouse, *assets)
    before = {name: gids(warehouse, name) for name in assets}
    task = next(row for row in warehouse.rows("tasks", paid(warehouse)) if row["num_subtasks"] and row["project_gids"])
    project = task["project_gids"][0]
    for path in (f"/projects/{project}/sections", f"/tasks?project={project}", f"/tasks/{task['gid']}/subtasks"):
        warehouse.asana.add_fault(path, 403, message="You do not have access to this.")
    result = warehouse.run("sync_workspace", paid(warehouse), assets, full_refresh=True)
    assert result.success
    assert {name: gids(warehouse, name) for name in before} == before
    assert project in failed_checks(result)["sections", "all_parents_fetched"]
    assert project in failed_checks(result)["tasks", "all_parents_fetched"]
    assert task["gid"] in failed_checks(result)["subtasks", "all_parents_fetched"]
    assert metadata(result, "tasks")["skipped_parents"] == 1
    assert metadata(result, "sections")["rows_carried_over"] > 0


def test_rows_of_a_deleted_parent_are_deleted(make_warehouse: MakeWarehouse) -> None:
    warehouse = make_warehouse()
    sync(warehouse, "projects", "sections")
    project = warehouse.rows("sections", paid(warehouse))[0]["project_gid"]
    warehouse.asana.add_fault(f"/projects/{project}/sections", 404)
    result = warehouse.run("sync_workspace", paid(warehouse), ["sections"])
    assert result.success
    assert project not in {row["project_gid"] for row in warehouse.rows("sections")}
    assert warehouse.rows("sections", paid(warehouse))
    assert metadata(result, "sections")["deleted_parents"] == 1


def test_a_spent_retry_budget_fails_the_asset_and_keeps_its_rows_until_the_next_run(
    make_warehouse: MakeWarehouse,
) -> None:
    warehouse = make_warehouse()
    sync(warehouse, "webhooks")
    before = warehouse.rows("webhooks")
    fault = warehouse.asana.add_fault("/webhooks", 503)
    warehouse.asana_fields["max_attempts"] = 2
    result = warehouse.run("sync_workspace", paid(warehouse), ["webhooks"])
    assert set(failures(result)) == {"webhooks"}
    assert "GET /webhooks failed 2 times: Asana returned 503." in failures(result)["webhooks"]
    assert warehouse.rows("webhooks") == before
    fault.cancel()
    assert warehouse.run("sync_workspace", paid(warehouse), ["webhooks"]).success


def test_a_value_that_does_not_fit_its_column_is_kept_in_unmapped_and_counted(make_warehouse: MakeWarehouse) -> None:
    warehouse = make_warehouse()
    warehouse.run("refresh_workspaces")
    organization = warehouse.asana.organization
    tag = str(warehouse.asana.truth("tags", paid(warehouse))[0]["gid"])
    organization.get(tag, "tag").fields["created_at"] = "soon"
    organization.mark_changed()
    result = warehouse.run("sync_workspace", paid(warehouse), ["tags"])
    assert failed_checks(result)["tags", "no_unmapped_values"].startswith("Values did not fit their columns in 1 of ")
    [row] = [row for row in warehouse.rows("tags") if row["gid"] == tag]
    assert (row["created_at"], row["_unmapped"]) == (None, '{"created_at":"soon"}')
    unchanged = warehouse.run("sync_workspace", paid(warehouse), ["tags"])
    assert metadata(unchanged, "tags")["rows_changed"] == 0
    assert ("tags", "no_unmapped_values") in failed_checks(unchanged)


def test_a_task_that_its_listing_skipped_is_fetched_by_gid_and_kept(make_warehouse: MakeWarehouse) -> None:
    warehouse = make_warehouse()
    organization = warehouse.asana.organization
    project = organization.add_project(paid(warehouse), "Long")
    tasks = [organization.add_task(project, f"Task {at}") for at in range(150)]
    sync(warehouse, "projects", "users", "tasks")
    section = organization.sections[project][0].gid

    def move(request: ReceivedRequest) -> bool:
        """Move the last task to the top just before the second page is requested."""
        if request.query.get("project") == project and "offset" in request.query:
            organization.move_task(tasks[-1], section, first=True)
        return False

    warehouse.asana.add_fault(move, 500)
    before = len(warehouse.asana.log)
    assert warehouse.run("sync_workspace", paid(warehouse), ["tasks"], full_refresh=True).success
    assert [entry.path for entry in warehouse.asana.log[before:] if entry.path.startswith("/tasks/")] == [
        f"/tasks/{tasks[-1]}"
    ]
    assert set(tasks) <= gids(warehouse, "tasks")


@pytest.mark.slow
def test_a_deleted_task_is_deleted_with_its_descendants(make_warehouse: MakeWarehouse) -> None:
    warehouse = make_warehouse()
    warehouse.settings["ASANA_WORKSPACES"] = paid(warehouse)
    warehouse.sync()
    task = next(row for row in warehouse.rows("tasks", paid(warehouse)) if row["num_subtasks"] and row["project_gids"])
    warehouse.asana.organization.delete_task(task["gid"])
    warehouse.sync()
    assert task["gid"] not in gids(warehouse, "tasks")
    warehouse.assert_matches_asana(paid(warehouse))


def test_an_asset_whose_upstream_is_missing_names_what_to_materialize(make_warehouse: MakeWarehouse) -> None:
    warehouse = make_warehouse()
    warehouse.run("refresh_workspaces")
    result = warehouse.run("sync_workspace", paid(warehouse), ["sections"])
    assert failures(result) == {"sections": "There is no table projects yet: materialize projects first."}


def test_only_the_workspaces_that_the_setting_names_are_synced(make_warehouse: MakeWarehouse) -> None:
    warehouse = make_warehouse()
    warehouse.settings["ASANA_WORKSPACES"] = paid(warehouse)
    assert warehouse.run("refresh_workspaces").success
    assert [row["gid"] for row in warehouse.rows("workspaces")] == [paid(warehouse)]
    assert warehouse.instance.get_dynamic_partitions("asana_workspaces") == [paid(warehouse)]


def test_naming_a_workspace_that_the_token_cannot_see_is_an_error(make_warehouse: MakeWarehouse) -> None:
    warehouse = make_warehouse({"ASANA_WORKSPACES": "12345"})
    result = warehouse.run("refresh_workspaces")
    assert "ASANA_WORKSPACES names 12345, which this token cannot see" in failures(result)["workspaces"]


def test_a_removed_workspace_loses_its_row_and_its_partition(make_warehouse: MakeWarehouse) -> None:
    warehouse = make_warehouse()
    warehouse.run("refresh_workspaces")
    gone = str(warehouse.asana.truth("workspaces")[-1]["gid"])
    warehouse.asana.organization.remove_workspace(gone)
    assert warehouse.run("refresh_workspaces").success
    assert gone not in {row["gid"] for row in warehouse.rows("workspaces")}
    assert gone not in warehouse.instance.get_dynamic_partitions("asana_workspaces")


def test_an_extract_that_fails_halfway_leaves_no_fetching_threads(make_warehouse: MakeWarehouse) -> None:
    warehouse = make_warehouse(latency=0.02)
    sync(warehouse, "projects", "users", "tasks")
    for path, name in (("/projects/{gid}/sections", "sections"), ("/tasks/{gid}/stories", "stories")):
        if name == "stories":
            assert warehouse.run("sync_workspace", paid(warehouse), ["subtasks"]).success
        fault = warehouse.asana.add_fault(path, 401, skip=2)
        result = warehouse.run("sync_workspace", paid(warehouse), [name])
        assert "returned 401" in failures(result)[name]
        assert not [thread.name for thread in threading.enumerate() if thread.name.startswith("asana")]
        fault.cancel()


def test_without_a_token_a_run_fails_and_names_the_settings(make_warehouse: MakeWarehouse) -> None:
    warehouse = make_warehouse({"ASANA_ACCESS_TOKEN": ""})
    assert failures(warehouse.run("refresh_workspaces"))["workspaces"] == (
        "There is no access token: set ASANA_ACCESS_TOKEN to a personal access token of Asana, or "
        "ASANA_TOKEN_SECRET_ID to a secret in AWS Secrets Manager that contains one."
    )
