"""One broken object stops nothing: its rows are kept, everything else is stored, and a check names it."""

from typing import Any

import dagster as dg
import pytest

from asana_assets_tests.robustness.test_absence import FULL, gids, synced
from asana_assets_tests.support.mutations import paid
from asana_assets_tests.support.sync_harness import MakeWarehouse, failed_checks, failures, metadata

pytestmark = pytest.mark.slow


@pytest.mark.parametrize("status", [400, 410, 422, 451, 500, 520])
def test_a_parent_that_always_fails_keeps_its_rows_and_the_others_are_stored(
    make_warehouse: MakeWarehouse, status: int
) -> None:
    warehouse = make_warehouse()
    warehouse.asana_fields["max_attempts"] = 2
    assert warehouse.run("refresh_workspaces").success
    assert warehouse.run("sync_workspace", paid(warehouse), [*FULL, "subtasks", "stories"]).success
    broken = warehouse.rows("stories", paid(warehouse))[0]["parent_gid"]
    before = gids(warehouse, "stories")
    other = next(row["gid"] for row in warehouse.rows("tasks", paid(warehouse)) if row["gid"] != broken)
    warehouse.asana.organization.add_comment(other, "A comment")
    fault = warehouse.asana.add_fault(f"/tasks/{broken}/stories", status)
    result = warehouse.run("sync_workspace", paid(warehouse), ["tasks", "stories"], full_refresh=True)
    assert result.success, failures(result)
    stories = gids(warehouse, "stories")
    if status == 410:  # means deleted, and says so twice
        assert not [row for row in warehouse.rows("stories") if row["parent_gid"] == broken]
        return
    assert set(before) < set(stories)
    assert broken in failed_checks(result)["stories", "all_parents_fetched"]
    if status == 451:  # means no access: fetched again when it changes
        return
    fault.cancel()
    start = len(warehouse.asana.log)
    result = warehouse.run("sync_workspace", paid(warehouse), ["stories"])
    assert warehouse.asana.log[start].path == f"/tasks/{broken}/stories"
    assert failed_checks(result) == {}
    assert gids(warehouse, "stories") == sorted(
        str(one["gid"]) for one in warehouse.asana.truth("stories", paid(warehouse))
    )


def test_a_project_whose_tasks_cannot_be_listed_stops_no_other_project(make_warehouse: MakeWarehouse) -> None:
    warehouse = make_warehouse()
    warehouse.asana_fields["max_attempts"] = 2
    project = warehouse.asana.organization.edge_cases["main_project"]
    warehouse.asana.add_fault(f"/tasks?project={project}", 500)
    assert warehouse.run("refresh_workspaces").success
    result = warehouse.run("sync_workspace", paid(warehouse), [*FULL, "subtasks", "stories"])
    assert result.success, failures(result)
    [check] = [
        one
        for one in result.get_asset_check_evaluations()
        if not one.passed and (one.asset_key.path[-1], one.check_name) == ("tasks", "all_parents_fetched")
    ]
    assert check.severity is dg.AssetCheckSeverity.ERROR
    assert project in str(check.description)
    listed = {row["gid"] for row in warehouse.rows("tasks", paid(warehouse))}
    records: list[dict[str, Any]] = warehouse.asana.truth("tasks", paid(warehouse))
    others = {str(one["gid"]) for one in records if project not in {item["gid"] for item in one["projects"]}}
    assert others
    assert others <= listed
    assert metadata(result, "stories")["parents_fetched"] >= len(others)


@pytest.mark.parametrize(
    ("kind", "options"),
    [
        ("replaced_record", {"position": 0}),
        ("replaced_record", {"position": 0, "value": "text"}),
        ("missing_field", {"field": "gid", "position": 0}),
        ("replaced_field", {"field": "gid", "position": 0, "value": 12}),
        ("raw_field", {"field": "gid", "position": 0, "raw": b"1e999"}),
    ],
    ids=["null", "a string", "no gid", "a number as gid", "a number that no double holds"],
)
@pytest.mark.parametrize("name", ["tags", "stories"])
def test_a_record_that_cannot_be_identified_is_counted_and_the_others_are_stored(
    make_warehouse: MakeWarehouse, name: str, kind: Any, options: dict[str, Any]
) -> None:
    warehouse = synced(make_warehouse, *FULL, "subtasks")
    stories: list[dict[str, Any]] = warehouse.asana.truth("stories", paid(warehouse))
    path = {"tags": "/tags", "stories": f"/tasks/{stories[0]['target']['gid']}/stories"}[name]
    warehouse.asana.add_fault(path, kind, times=1, **options)
    result = warehouse.run("sync_workspace", paid(warehouse), [name])
    assert result.success, failures(result)
    assert metadata(result, name)["records_skipped"] == 1
    assert "1 records without a gid" in failed_checks(result)[name, "all_records_stored"]
    assert len(gids(warehouse, name)) == len(warehouse.asana.truth(name, paid(warehouse))) - 1


@pytest.mark.parametrize("name", ["tags", "sections", "stories"])
def test_a_stored_row_whose_record_cannot_be_identified_is_kept_and_fetched_by_the_next_sync(
    make_warehouse: MakeWarehouse, name: str
) -> None:
    warehouse = synced(make_warehouse, *FULL, "sections", "tags", "subtasks", "stories")
    organization = warehouse.asana.organization
    paths = {"tags": "/tags", "sections": "/projects/{gid}/sections", "stories": "/tasks/{gid}/stories"}
    before = set(gids(warehouse, name))
    organization.add_comment(warehouse.rows("stories", paid(warehouse))[0]["parent_gid"], "A comment")
    faults = [warehouse.asana.add_fault(paths[name], "replaced_record", position=position) for position in (0, -1)]
    result = warehouse.run("sync_workspace", paid(warehouse), ["tasks", name])
    assert (name, "all_records_stored") in failed_checks(result)
    assert before <= set(gids(warehouse, name))
    for fault in faults:
        fault.cancel()
    result = warehouse.run("sync_workspace", paid(warehouse), [name])
    assert failed_checks(result) == {}
    assert gids(warehouse, name) == sorted(str(one["gid"]) for one in warehouse.asana.truth(name, paid(warehouse)))


@pytest.mark.parametrize("kind", ["lone_surrogate", "invalid_utf8"])
def test_text_that_is_not_valid_unicode_is_repaired_and_counted(make_warehouse: MakeWarehouse, kind: Any) -> None:
    warehouse = synced(make_warehouse, "projects")
    warehouse.asana.add_fault("/tags", kind, field="name", position=0)
    result = warehouse.run("sync_workspace", paid(warehouse), ["tags"])
    assert result.success, failures(result)
    assert len(gids(warehouse, "tags")) == len(warehouse.asana.truth("tags", paid(warehouse)))
    assert any("\ufffd" in row["name"] for row in warehouse.rows("tags", paid(warehouse)))
    assert "not valid Unicode" in failed_checks(result)["tags", "no_unmapped_values"]


def test_a_listing_that_ends_early_adds_rows_and_deletes_none(make_warehouse: MakeWarehouse) -> None:
    warehouse = make_warehouse()
    organization = warehouse.asana.organization
    project = organization.add_project(paid(warehouse), "Large")
    for index in range(230):
        organization.add_task(project, f"Task {index}")
    assert warehouse.run("refresh_workspaces").success
    assert warehouse.run("sync_workspace", paid(warehouse), FULL).success
    before = set(gids(warehouse, "tasks"))
    new = organization.add_task(project, "New")
    organization.move_task(new, organization.sections[project][0].gid, first=True)
    warehouse.asana.add_fault(f"/tasks?project={project}", "too_large", after_records=100)
    result = warehouse.run("sync_workspace", paid(warehouse), FULL)
    assert result.success, failures(result)
    assert set(gids(warehouse, "tasks")) >= before
    message = failed_checks(result)["tasks", "all_parents_fetched"]
    assert f'ended the listing of project "Large" ({project}) early' in message


def test_a_guest_gets_the_tasks_of_projects_and_is_told_what_is_missing(make_warehouse: MakeWarehouse) -> None:
    warehouse = make_warehouse()
    warehouse.asana.add_fault("/users?workspace={gid}", 403)
    assert warehouse.run("refresh_workspaces").success
    result = warehouse.run("sync_workspace", paid(warehouse), [*FULL, "subtasks"])
    assert result.success, failures(result)
    records: list[dict[str, Any]] = warehouse.asana.truth("tasks", paid(warehouse))
    in_projects = {str(one["gid"]) for one in records if one["projects"]}
    assert in_projects <= set(gids(warehouse, "tasks"))
    assert paid(warehouse) in failed_checks(result)["users", "all_parents_fetched"]
    assert "listed by users" in failed_checks(result)["tasks", "all_parents_fetched"]


def test_a_missing_permission_stops_the_listing_early_and_fails_the_asset(make_warehouse: MakeWarehouse) -> None:
    warehouse = synced(make_warehouse, *FULL, "subtasks")
    warehouse.asana.add_fault("/tasks/{gid}/stories", 403, message="Missing scope: stories:read")
    start = len(warehouse.asana.log)
    result = warehouse.run("sync_workspace", paid(warehouse), ["stories"])
    assert "stories:read" in failures(result)["stories"]
    assert len(warehouse.asana.log) - start < 24 + 2 * 40 + 1
