"""The choice of projects: what is stored, what is requested, and what happens when it changes."""

from collections.abc import Callable, Collection

import pyarrow as pa
import pytest

from asana_assets.asana.field_types import Array
from asana_assets.defs.resources import LakeResource
from asana_assets.sync.sync_state import SyncState
from asana_assets_tests.support.chosen_projects import assert_only_projects
from asana_assets_tests.support.mutations import mutate, mutate_hidden, paid
from asana_assets_tests.support.sync_harness import MakeWarehouse, Row, Warehouse, failed_checks, failures

FILTERS = ("ASANA_PROJECTS", "ASANA_TEAMS", "ASANA_EXCLUDE_PROJECTS", "ASANA_ARCHIVED_PROJECTS")


def projects_of(warehouse: Warehouse) -> list[Row]:
    return warehouse.asana.truth("projects", paid(warehouse))


def sync(warehouse: Warehouse, **choice: str) -> list[str]:
    """Sync the paid organization with these settings and return what was requested; no check may fail."""
    for name in FILTERS:
        warehouse.settings.pop(name, None)
    warehouse.settings |= {"ASANA_WORKSPACES": paid(warehouse), **choice}
    since = len(warehouse.asana.log)
    assert warehouse.run("refresh_workspaces").success
    result = warehouse.run("sync_workspace", paid(warehouse))
    assert result.success, failures(result)
    assert failed_checks(result) == {}
    return [f"{entry.path}?{entry.query}" for entry in warehouse.asana.log[since:]]


def assert_not_requested(requests: Collection[str], gids: Collection[str]) -> None:
    assert not [one for one in requests if any(gid in one for gid in gids)]


def main_project(warehouse: Warehouse) -> Row:
    gid = warehouse.asana.organization.edge_cases["main_project"]
    return next(one for one in projects_of(warehouse) if one["gid"] == gid)


def other_project(warehouse: Warehouse) -> Row:
    """Return a project with tasks of its own that no mutation changes."""
    tasks: list[Row] = warehouse.asana.truth("tasks", paid(warehouse))
    alone = [one["projects"][0]["gid"] for one in tasks if len(one["projects"]) == 1 and one["num_subtasks"]]
    others = [one for one in projects_of(warehouse) if one != main_project(warehouse) and not one["archived"]]
    return max(others, key=lambda one: alone.count(one["gid"]))


CHOICES: dict[str, Callable[[Warehouse], tuple[dict[str, str], set[str]]]] = {
    "project by gid": lambda it: ({"ASANA_PROJECTS": main_project(it)["gid"]}, {main_project(it)["gid"]}),
    "project by name": lambda it: ({"ASANA_PROJECTS": main_project(it)["name"]}, {main_project(it)["gid"]}),
    "excluded by gid": lambda it: (
        {"ASANA_EXCLUDE_PROJECTS": other_project(it)["gid"]},
        {one["gid"] for one in projects_of(it)} - {other_project(it)["gid"]},
    ),
    "excluded by name": lambda it: (
        {"ASANA_EXCLUDE_PROJECTS": other_project(it)["name"]},
        {one["gid"] for one in projects_of(it)} - {other_project(it)["gid"]},
    ),
    "team by gid": lambda it: (
        {"ASANA_TEAMS": main_project(it)["team"]["gid"]},
        {one["gid"] for one in projects_of(it) if one["team"] == main_project(it)["team"]},
    ),
    "team by name": lambda it: (
        {"ASANA_TEAMS": team_name(it, main_project(it)["team"]["gid"])},
        {one["gid"] for one in projects_of(it) if one["team"] == main_project(it)["team"]},
    ),
    "no archived ones": lambda it: (
        {"ASANA_ARCHIVED_PROJECTS": "exclude"},
        {one["gid"] for one in projects_of(it) if not one["archived"]},
    ),
}


def team_name(warehouse: Warehouse, gid: str) -> str:
    teams = warehouse.asana.truth("teams", paid(warehouse))
    return next(str(one["name"]) for one in teams if one["gid"] == gid)


@pytest.mark.slow
@pytest.mark.parametrize("choice", CHOICES)
def test_only_chosen_projects_are_stored_and_requested(make_warehouse: MakeWarehouse, choice: str) -> None:
    warehouse = make_warehouse()
    settings, chosen = CHOICES[choice](warehouse)
    excluded = {one["gid"] for one in projects_of(warehouse)} - chosen
    assert excluded
    requests = sync(warehouse, **settings)
    assert_only_projects(warehouse, paid(warehouse), chosen)
    assert_not_requested(requests, excluded)
    listings_of_teams = sum(one.startswith(f"/workspaces/{paid(warehouse)}/teams?") for one in requests)
    assert listings_of_teams == 1 + (choice == "team by name")
    quiet = sync(warehouse, **settings)
    assert_not_requested(quiet, excluded)
    mutate(warehouse)
    mutate_hidden(warehouse)
    settings, chosen = CHOICES[choice](warehouse)  # a mutation archives one of the projects
    sync(warehouse, **settings)
    assert_only_projects(warehouse, paid(warehouse), chosen)
    sync(warehouse)
    warehouse.assert_matches_asana(paid(warehouse))


@pytest.mark.slow
@pytest.mark.parametrize("setting", ["ASANA_PROJECTS", "ASANA_EXCLUDE_PROJECTS"])
def test_a_project_excluded_later_leaves_without_confirmation_and_returns_completely(
    make_warehouse: MakeWarehouse, setting: str
) -> None:
    """Most stories are of the main project, but no check takes what a filter removed for a wrong response."""
    warehouse = make_warehouse()
    everything = sync(warehouse)
    gids = {one["gid"] for one in projects_of(warehouse)}
    main, other = main_project(warehouse), other_project(warehouse)
    chosen = {other["gid"]} if setting == "ASANA_PROJECTS" else gids - {main["gid"]}
    stored = {name: {row["gid"] for row in warehouse.rows(name)} for name in ("projects", "tasks", "stories")}
    requests = sync(warehouse, **{setting: other["gid"] if setting == "ASANA_PROJECTS" else main["name"]})
    assert_only_projects(warehouse, paid(warehouse), chosen)
    assert_not_requested(requests, gids - chosen)
    assert not [one for one in requests if one.startswith("/tasks/") and "/" not in one.removeprefix("/tasks/")]
    removed = {(row["endpoint"], row["gid"]) for row in warehouse.rows("changes") if row["kind"] == "removed"}
    for name, before in stored.items():
        left = before - {row["gid"] for row in warehouse.rows(name)}
        assert left, name
        assert {(name, gid) for gid in left} <= removed
    assert len(warehouse.rows("stories")) < len(stored["stories"]) / 2
    back = sync(warehouse)
    warehouse.assert_matches_asana(paid(warehouse))
    assert len(back) < len(everything)


def sync_projects(warehouse: Warehouse, workspace_gid: str, **choice: str) -> str:
    """Sync only `projects` of a workspace and return the error message; "" without any."""
    warehouse.settings = choice
    assert warehouse.run("refresh_workspaces").success
    result = warehouse.run("sync_workspace", workspace_gid, ["projects"])
    return failures(result).get("projects", "")


def test_a_name_that_is_unknown_or_not_unique_is_one_sentence(make_warehouse: MakeWarehouse) -> None:
    """Nothing is stored: a mistyped name must neither empty the tables nor sync a project that was to be excluded."""
    warehouse = make_warehouse()
    name, gid = main_project(warehouse)["name"], main_project(warehouse)["gid"]
    for setting in ("ASANA_PROJECTS", "ASANA_EXCLUDE_PROJECTS"):
        message = sync_projects(warehouse, paid(warehouse), **{setting: "Webseite"})
        assert message.startswith(f"{setting} names Webseite, but there are no such projects among those")
        assert f"{name} ({gid})" in message
        assert message.count(". ") == 0
    assert sync_projects(warehouse, paid(warehouse), ASANA_PROJECTS="12345").startswith("ASANA_PROJECTS names 12345, ")
    message = sync_projects(warehouse, paid(warehouse), ASANA_TEAMS="Tema")
    assert message.startswith("ASANA_TEAMS names Tema, but there are no such teams")
    assert team_name(warehouse, main_project(warehouse)["team"]["gid"]) in message
    twin = warehouse.asana.organization.add_project(paid(warehouse), name)
    message = sync_projects(warehouse, paid(warehouse), ASANA_EXCLUDE_PROJECTS=name)
    assert message.startswith(f"ASANA_EXCLUDE_PROJECTS names {name}, but 2 projects of the workspace have that name")
    assert gid in message
    assert twin in message
    assert warehouse.rows("projects") == []


@pytest.mark.slow
def test_names_and_gids_may_be_those_of_another_workspace(make_warehouse: MakeWarehouse) -> None:
    warehouse = make_warehouse()
    project = main_project(warehouse)
    other = next(one["gid"] for one in warehouse.asana.truth("workspaces") if one["gid"] != paid(warehouse))
    for text in (project["name"], project["gid"]):
        assert sync_projects(warehouse, str(other), ASANA_PROJECTS=text) == ""
        assert warehouse.rows("projects", str(other)) == []
    assert sync_projects(warehouse, str(other), ASANA_TEAMS=project["team"]["gid"]) == ""
    assert sync_projects(warehouse, str(other), ASANA_EXCLUDE_PROJECTS=project["name"]) == ""
    assert warehouse.rows("projects", str(other))


@pytest.mark.slow
def test_a_task_whose_project_was_deleted_is_kept_if_a_user_lists_it(make_warehouse: MakeWarehouse) -> None:
    """Unlike one of an excluded project: only the filter's own removals need no confirmation."""
    warehouse = make_warehouse()
    gids = {one["gid"] for one in projects_of(warehouse)}
    tasks: list[Row] = warehouse.asana.truth("tasks", paid(warehouse))
    main = main_project(warehouse)["gid"]
    listed = [one for one in tasks if len(one["projects"]) == 1 and one["assignee"] and not one["parent"]]
    project = next(one["projects"][0] for one in listed if one["projects"][0]["gid"] != main)
    excluded = next(iter(gids - {project["gid"], main}))
    sync(warehouse, ASANA_EXCLUDE_PROJECTS=excluded)
    organization = warehouse.asana.organization
    for one in listed:
        if project in one["projects"]:
            organization.remove_from_project(one["gid"], project["gid"], touch=False)
    organization.delete_project(project["gid"])
    sync(warehouse, ASANA_EXCLUDE_PROJECTS=excluded)
    assert_only_projects(warehouse, paid(warehouse), gids - {excluded, project["gid"]})


@pytest.mark.slow
def test_children_removed_by_a_killed_sync_return_with_their_project(
    make_warehouse: MakeWarehouse, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The sync state of their parents must not outlive them: with it, they would be taken for stored."""
    warehouse = make_warehouse()
    sync(warehouse)
    save = LakeResource.save_state

    def save_or_die(
        lake: LakeResource,
        endpoint: str,
        workspace_gid: str,
        rows: pa.Table,
        deleted: Array,
        *,
        loaded: SyncState | None = None,
    ) -> None:
        if endpoint == "status_updates" and rows.num_rows:
            raise RuntimeError("killed")
        save(lake, endpoint, workspace_gid, rows, deleted, loaded=loaded)

    assert warehouse.rows("status_updates")
    with monkeypatch.context() as patch:
        patch.setattr(LakeResource, "save_state", save_or_die)
        warehouse.settings["ASANA_EXCLUDE_PROJECTS"] = ",".join(str(one["gid"]) for one in projects_of(warehouse))
        assert "killed" in failures(warehouse.run("sync_workspace", paid(warehouse)))["status_updates"]
    assert not warehouse.rows("status_updates")
    sync(warehouse)
    warehouse.assert_matches_asana(paid(warehouse))
