"""Whole assets while Asana is overloaded, down for maintenance, or breaks its protocol."""

import re
from collections import Counter
from typing import Any

import pytest

from asana_assets_tests.robustness.test_absence import FULL, gids, synced
from asana_assets_tests.robustness.test_final_statuses import sync
from asana_assets_tests.support.mutations import paid
from asana_assets_tests.support.sync_harness import MakeWarehouse, Warehouse, failed_checks, failures, metadata

pytestmark = pytest.mark.slow


def assert_complete(warehouse: Warehouse, *names: str) -> None:
    for name in names:
        assert gids(warehouse, name) == sorted(str(one["gid"]) for one in warehouse.asana.truth(name, paid(warehouse)))


# --- what passes


@pytest.mark.parametrize("behavior", ["unusual_statuses", "broken_responses"])
def test_a_sync_is_complete_if_one_request_in_five_fails_at_first(make_warehouse: MakeWarehouse, behavior: str) -> None:
    warehouse = make_warehouse(misbehavior=[behavior])
    warehouse.settings["ASANA_WORKSPACES"] = paid(warehouse)
    warehouse.sync()
    warehouse.assert_matches_asana(paid(warehouse))
    assert len({entry.fault for entry in warehouse.asana.log}) >= 4


@pytest.mark.parametrize(("match", "name"), [("/tags", "tags"), ("/projects", "projects"), ("*", "webhooks")])
@pytest.mark.parametrize("status", [503, 429, 500])
def test_a_pause_that_asana_demands_costs_no_attempt(
    make_warehouse: MakeWarehouse, match: str, name: str, status: int
) -> None:
    """Maintenance lasts longer than the attempts without the pauses would."""
    warehouse = make_warehouse()
    warehouse.asana_fields["max_attempts"] = 2
    assert warehouse.run("refresh_workspaces").success
    warehouse.asana.add_fault(match, status, times=3, retry_after=1)
    result = sync(warehouse, name)
    assert result.success, failures(result)
    assert metadata(result, name)["retries"] == 3
    assert_complete(warehouse, name)


def large_warehouse(make_warehouse: MakeWarehouse) -> tuple[Warehouse, str, str]:
    """Return a warehouse with listings of three pages: tags, the tasks of a project, and the stories of a task."""
    warehouse = make_warehouse()
    organization = warehouse.asana.organization
    project = organization.add_project(paid(warehouse), "Large")
    tasks = [organization.add_task(project, f"Task {number}") for number in range(230)]
    for number in range(230):
        organization.add_comment(tasks[0], f"Comment {number}")
        organization.new_tag(organization.get(paid(warehouse), "workspace"), f"Tag {number}", organization.now())
    organization.mark_changed()
    assert warehouse.run("refresh_workspaces").success
    return warehouse, project, tasks[0]


@pytest.mark.parametrize(("kind", "options"), [(504, {}), (500, {}), ("hang", {"hang_seconds": 3})])
def test_an_asset_whose_large_pages_fail_is_complete_with_smaller_ones(
    make_warehouse: MakeWarehouse, kind: Any, options: dict[str, Any]
) -> None:
    warehouse, _, task = large_warehouse(make_warehouse)
    warehouse.asana_fields["read_timeout_seconds"] = 1.0
    assert sync(warehouse, *FULL).success
    faults = [warehouse.asana.add_fault(f"/tasks/{task}/stories", kind, limit_above=25, **options)]
    faults += [warehouse.asana.add_fault(path, kind, limit_above=25, **options) for path in ("/tags", "/tasks")]
    result = sync(warehouse, "tags", "tasks", "subtasks", "stories")
    assert result.success, failures(result)
    assert_complete(warehouse, "tags", "tasks", "stories")
    assert failed_checks(result) == {}
    assert all(fault.hits for fault in faults)


# --- what does not


@pytest.mark.parametrize(("name", "path"), [("projects", "/projects"), ("tags", "/tags"), ("users", "/users")])
@pytest.mark.parametrize("kind", [504, "hang"])
def test_a_listing_of_a_large_workspace_that_always_times_out_fails_its_asset_with_what_to_do(
    make_warehouse: MakeWarehouse, name: str, path: str, kind: Any
) -> None:
    warehouse = synced(make_warehouse, name, "webhooks")
    before = gids(warehouse, name)
    warehouse.asana_fields |= {"read_timeout_seconds": 1.0, "max_attempts": 2}
    warehouse.asana.add_fault(path, kind, hang_seconds=2)
    result = sync(warehouse, name, "webhooks")
    assert set(failures(result)) == {name}
    message = failures(result)[name]
    assert f"GET {path} failed 2 times" in message
    assert "leave the workspace out of ASANA_WORKSPACES" in message
    assert gids(warehouse, name) == before


BROKEN = ["reset", "disconnect", "truncated", "empty", "garbage", "no_data", 204, 408]


@pytest.mark.parametrize("kind", BROKEN)
def test_a_response_that_is_never_asanas_fails_one_parent_or_the_listing_of_the_workspace(
    make_warehouse: MakeWarehouse, kind: Any
) -> None:
    warehouse = synced(make_warehouse, *FULL, "subtasks", "stories", "tags")
    warehouse.asana_fields["max_attempts"] = 2
    broken = str(warehouse.rows("stories", paid(warehouse))[0]["parent_gid"])
    before = {name: gids(warehouse, name) for name in ("tags", "stories")}
    warehouse.asana.add_fault(f"/tasks/{broken}/stories", kind)
    warehouse.asana.add_fault("/tags", kind)
    result = sync(warehouse, "stories", "tags", full_refresh=True)
    assert set(failures(result)) == {"tags"}
    assert "GET /tags failed 2 times" in failures(result)["tags"]
    assert broken in failed_checks(result)["stories", "all_parents_fetched"]
    assert {name: gids(warehouse, name) for name in before} == before


@pytest.mark.parametrize("kind", ["repeated_offset", "endless_pages", "endless_cycle", "endless_empty_pages"])
def test_a_listing_that_never_ends_fails_one_parent_or_the_listing_of_the_workspace(
    make_warehouse: MakeWarehouse, kind: Any
) -> None:
    warehouse, project, task = large_warehouse(make_warehouse)
    assert sync(warehouse, *FULL, "subtasks", "stories", "tags").success
    before = {name: gids(warehouse, name) for name in ("tags", "tasks", "stories")}
    for path in ("/tags", f"/tasks?project={project}", f"/tasks/{task}/stories"):
        warehouse.asana.add_fault(path, kind)
    result = sync(warehouse, "tags", "tasks", "stories", full_refresh=True)
    assert set(failures(result)) == {"tags"}
    assert project in failed_checks(result)["tasks", "all_parents_fetched"]
    assert task in failed_checks(result)["stories", "all_parents_fetched"]
    assert {name: gids(warehouse, name) for name in before} == before
    assert max(Counter(entry.path for entry in warehouse.asana.log).values()) < 100


@pytest.mark.parametrize("kind", ["too_large", "expired_offset", "invalid_offset"])
def test_a_listing_whose_later_pages_are_refused_stores_what_it_listed_and_deletes_nothing(
    make_warehouse: MakeWarehouse, kind: Any
) -> None:
    warehouse, project, task = large_warehouse(make_warehouse)
    names = ("tags", "tasks", "stories")
    assert sync(warehouse, *FULL, "subtasks", *names).success
    before = {name: set(gids(warehouse, name)) for name in names}
    organization = warehouse.asana.organization
    organization.rename_task(task, "Renamed")
    organization.delete_story(organization.stories[task][50].gid)
    for path in ("/tags", f"/tasks?project={project}", f"/tasks/{task}/stories"):
        warehouse.asana.add_fault(path, kind, after_records=100)
    result = sync(warehouse, *names)
    assert result.success, failures(result)
    assert {name: before[name] - set(gids(warehouse, name)) for name in names} == {name: set() for name in names}
    assert [row["name"] for row in warehouse.rows("tasks") if row["gid"] == task] == ["Renamed"]
    for name, parent in zip(names, (paid(warehouse), project, task), strict=True):
        message = failed_checks(result)[name, "all_parents_fetched"]
        assert re.search(rf"ended the listing of .*\b{parent}\)? early", message), message
    warehouse.asana.faults.clear()
    assert failed_checks(sync(warehouse, *names)) == {}
    assert_complete(warehouse, *names)


# --- records


@pytest.mark.parametrize("kind", ["lone_surrogate", "invalid_utf8"])
@pytest.mark.parametrize(
    ("name", "path", "field"),
    [("tasks", "/tasks", "name"), ("stories", "/tasks/{gid}/stories", "text"), ("users", "/users", "name")],
)
def test_invalid_text_of_any_endpoint_is_stored_with_a_replacement(
    make_warehouse: MakeWarehouse, name: str, path: str, field: str, kind: Any
) -> None:
    warehouse = synced(make_warehouse, *FULL, "subtasks")
    warehouse.asana.add_fault(path, kind, field=field, position=0)
    result = sync(warehouse, *dict.fromkeys([*FULL, name]))
    assert result.success, failures(result)
    assert_complete(warehouse, name)
    assert any("\ufffd" in (row[field] or "") for row in warehouse.rows(name, paid(warehouse)))
    assert "not valid Unicode" in failed_checks(result)[name, "no_unmapped_values"]


@pytest.mark.parametrize(
    ("name", "path", "field", "value"),
    [
        ("tasks", "/tasks", "modified_at", "soon"),
        ("stories", "/tasks/{gid}/stories", "created_at", 12),
        ("projects", "/projects", "archived", "perhaps"),
        ("users", "/users", "name", {"first": "A"}),
    ],
)
def test_a_value_that_does_not_fit_its_column_is_kept_for_any_endpoint(
    make_warehouse: MakeWarehouse, name: str, path: str, field: str, value: Any
) -> None:
    warehouse = synced(make_warehouse, *FULL, "subtasks")
    warehouse.asana.add_fault(path, "replaced_field", field=field, value=value, position=0)
    result = sync(warehouse, *dict.fromkeys([*FULL, name]))
    assert result.success, failures(result)
    assert_complete(warehouse, name)
    [row, *_] = [row for row in warehouse.rows(name, paid(warehouse)) if row["_unmapped"]]
    assert row[field] is None
    assert f'"{field}":' in row["_unmapped"]
    assert "did not fit" in failed_checks(result)[name, "no_unmapped_values"]
