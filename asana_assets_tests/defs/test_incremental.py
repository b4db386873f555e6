"""Syncs after the first one: they fetch what has changed, and leave the tables complete."""

import datetime as dt
from collections.abc import Mapping

import pyarrow as pa
import pytest

from asana_assets.defs.resources import LakeResource
from asana_assets.sync.sync_state import SyncState
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
def test_a_change_during_a_failing_search_is_found_by_the_next_sync(make_warehouse: MakeWarehouse) -> None:
    """The overlap of searches covers a change of a minute ago, so the start of the next search is compared as well."""
    warehouse = make_warehouse()
    warehouse.settings["ASANA_WORKSPACES"] = paid(warehouse)
    warehouse.sync()
    mutate_hidden(warehouse)
    fault = warehouse.asana.add_fault("/workspaces/{gid}/tasks/search", 400)
    lake = LakeResource(data_dir=str(warehouse.data_dir))
    before = {
        name: lake.load_state(name, paid(warehouse)).search_from(dt.timedelta()) for name in ("tasks", "subtasks")
    }
    warehouse.sync()
    for name, search_from in before.items():
        assert lake.load_state(name, paid(warehouse)).search_from(dt.timedelta()) == search_from
    fault.cancel()
    warehouse.sync()
    warehouse.assert_matches_asana(paid(warehouse))
    for name, search_from in before.items():
        now = lake.load_state(name, paid(warehouse)).search_from(dt.timedelta())
        assert now is not None
        assert search_from is not None
        assert now > search_from


@pytest.mark.slow
@pytest.mark.parametrize("hours", [-2, 2])
def test_the_clocks_of_asana_and_this_host_may_differ(make_warehouse: MakeWarehouse, hours: int) -> None:
    warehouse = make_warehouse(clock_skew=hours * 3600)
    warehouse.settings["ASANA_WORKSPACES"] = paid(warehouse)
    warehouse.sync()
    mutate_hidden(warehouse)
    warehouse.sync()
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


def silent_changes(warehouse: Warehouse) -> dict[str, str]:
    """Change tasks of one project in every way that `modified_at` may not show; return the new stories by task."""
    organization = warehouse.asana.organization
    project = organization.edge_cases["main_project"]
    section = organization.sections[project][-1].gid
    tasks = [task for task in organization.tasks_of_project(project).objects if not task.ref("parent")]
    moved = next(task for task in tasks if organization.placements[project][task.gid].section.gid != section)
    valued = next(task for task in tasks if task.fields.get("custom_fields") and task is not moved)
    others = [task for task in tasks if task is not moved and task is not valued]
    tag = str(warehouse.asana.truth("tags", paid(warehouse))[0]["gid"])
    followers = {user.gid for user in others[1].refs("followers")}
    users = [str(user["gid"]) for user in warehouse.asana.truth("users", paid(warehouse))]
    projects = [one.gid for one in organization.projects(paid(warehouse))]
    another = next(gid for gid in projects if gid not in organization.task_projects[others[4].gid])
    field = next(one for one in valued.fields["custom_fields"] if one["type"] == "text")  # pyright: ignore[reportGeneralTypeIssues, reportOptionalIterable, reportIndexIssue, reportArgumentType, reportCallIssue] - any JSON
    changed = [
        organization.move_task(moved.gid, section, touch=False),
        organization.set_custom_field(valued.gid, str(field["gid"]), "Changed", touch=False),
        organization.tag_task(others[0].gid, tag, touch=False),
        organization.follow_task(others[1].gid, next(gid for gid in users if gid not in followers), touch=False),
        organization.add_dependency(others[2].gid, others[3].gid, touch=False),
        organization.add_to_project(others[4].gid, another, touch=False),
    ]
    return {gid: organization.stories[gid][-1].gid for gid in changed}


def requests_for(warehouse: Warehouse, task_gids: Mapping[str, str]) -> int:
    """Return the number of requests that the children of these tasks take."""
    rows = {row["gid"]: row for row in warehouse.rows("tasks", paid(warehouse))}
    return sum(3 if rows[gid]["num_subtasks"] else 2 for gid in task_gids)


@pytest.mark.slow
def test_a_change_that_modified_at_does_not_show_is_found_by_the_next_sync(make_warehouse: MakeWarehouse) -> None:
    warehouse = make_warehouse()
    warehouse.settings["ASANA_WORKSPACES"] = paid(warehouse)
    warehouse.sync()
    since = len(warehouse.asana.log)
    warehouse.sync()
    quiet = len(warehouse.asana.log) - since
    stories = silent_changes(warehouse)
    since = len(warehouse.asana.log)
    warehouse.sync()
    paths = requested_paths(warehouse, since)
    assert {path for path in paths if path.endswith("/stories")} == {f"/tasks/{gid}/stories" for gid in stories}
    assert len(paths) == quiet + requests_for(warehouse, stories)
    assert set(stories.values()) <= {row["gid"] for row in warehouse.rows("stories")}
    warehouse.assert_matches_asana(paid(warehouse))
    since = len(warehouse.asana.log)
    warehouse.sync()
    assert len(warehouse.asana.log) - since == quiet


def store_versions_of_an_earlier_release(warehouse: Warehouse) -> LakeResource:
    """Replace the versions in `sync_state` by those that were stored before versions contained lists."""
    lake = LakeResource(data_dir=str(warehouse.data_dir))
    for endpoint, columns in (("subtasks", 2), ("stories", 1), ("attachments", 1)):
        parents = lake.load_state(endpoint, paid(warehouse)).parents
        versions = ["|".join(str(one).split("|")[:columns]) for one in parents["version"].to_pylist()]
        gids, fetched_at = (parents[name].combine_chunks() for name in ("parent_gid", "_synced_at"))
        rows = SyncState.rows(gids, pa.array(versions, pa.string()), fetched_at)
        lake.save_state(endpoint, paid(warehouse), rows, pa.array([], pa.string()))
    return lake


@pytest.mark.slow
def test_versions_of_an_earlier_release_are_replaced_without_a_request_and_show_later_changes(
    make_warehouse: MakeWarehouse,
) -> None:
    warehouse = make_warehouse()
    warehouse.settings["ASANA_WORKSPACES"] = paid(warehouse)
    warehouse.sync()
    since = len(warehouse.asana.log)
    warehouse.sync()
    quiet = len(warehouse.asana.log) - since
    lake = LakeResource(data_dir=str(warehouse.data_dir))
    before = {name: lake.load_state(name, paid(warehouse)).parents for name in CHILDREN}
    lake = store_versions_of_an_earlier_release(warehouse)
    assert not lake.load_state("stories", paid(warehouse)).parents.sort_by("parent_gid").equals(before["stories"])
    since = len(warehouse.asana.log)
    warehouse.sync()
    assert len(warehouse.asana.log) - since == quiet
    for name, parents in before.items():
        now = lake.load_state(name, paid(warehouse)).parents
        assert now.sort_by("parent_gid").equals(parents.sort_by("parent_gid")), name
    stories = silent_changes(warehouse)
    since = len(warehouse.asana.log)
    warehouse.sync()
    assert len(warehouse.asana.log) - since == quiet + requests_for(warehouse, stories)
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
    assert figures["parents"] == figures["requests_saved"] > 0
    assert figures["parents_fetched"] == figures["requests"] == 0
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
        "sections": "projects of workspace Catnip & Co. was never synced: materialize projects first."
    }
