"""`asana-assets plan` after a sync: its figures, compared with the requests of the next sync."""

import json
import re
import socket
from collections.abc import Callable

import pyarrow as pa
import pytest

from asana_assets.defs.resources import LakeResource
from asana_assets.sandbox import STANDARD
from asana_assets.sync.change_detection import Sync
from asana_assets.sync.row_prediction import MAX_REQUESTS
from asana_assets.sync.sync_state import SyncState
from asana_assets_tests.support.mutations import mutate, mutate_hidden
from asana_assets_tests.support.plan_command import invoke, paid, plan, synced
from asana_assets_tests.support.sync_harness import MakeWarehouse, Row, Warehouse

pytestmark = pytest.mark.slow

NO_GIDS = pa.array([], pa.string())


@pytest.mark.parametrize("workspace", ["paid_organization", "free_organization", "personal_workspace"])
def test_an_unchanged_workspace_is_estimated_exactly(make_warehouse: MakeWarehouse, workspace: str) -> None:
    warehouse = make_warehouse()
    gid = warehouse.asana.organization.edge_cases[workspace]
    first = synced(warehouse, gid)
    planned = plan(warehouse, gid)
    assert planned.requests == synced(warehouse, gid)
    expected = "Exact" if workspace == "paid_organization" else "At least this many requests: changes"
    assert planned.note.startswith(expected)
    assert plan(warehouse, gid, "--full-refresh").requests == first


def test_parents_that_are_stale_by_age_are_counted(make_warehouse: MakeWarehouse) -> None:
    warehouse = make_warehouse()
    gid = warehouse.asana.organization.edge_cases["free_organization"]
    synced(warehouse, gid)
    planned = plan(warehouse, gid, "--refresh-after-days", "1e-9")
    assert planned.requests == synced(warehouse, gid, refresh_after_days=1e-9)


def test_changes_that_search_finds_are_counted(make_warehouse: MakeWarehouse) -> None:
    warehouse = make_warehouse()
    gid = paid(warehouse)
    unchanged = sum(synced(warehouse, gid).values())
    tasks = [row["gid"] for row in warehouse.rows("tasks", gid) if row["project_gids"]][:7]
    for task in tasks:
        warehouse.asana.organization.add_comment(task, "A word")
    new = warehouse.asana.organization.add_project(gid, "New")
    warehouse.asana.organization.add_subtask(warehouse.asana.organization.add_task(new, "First"), "Its first")
    planned = plan(warehouse, gid)
    assert planned.requests == synced(warehouse, gid)
    assert planned.requests["stories"] == len(tasks) + 2
    assert planned.total < unchanged


def test_after_every_kind_of_change_only_deletions_take_more_requests(make_warehouse: MakeWarehouse) -> None:
    warehouse = make_warehouse()
    gid = paid(warehouse)
    synced(warehouse, gid)
    mutate(warehouse)
    planned = plan(warehouse, gid)
    taken = synced(warehouse, gid)
    assert taken.pop("tasks") == planned.requests.pop("tasks") + 1  # a deleted task is fetched by its gid
    assert taken.pop("users") == planned.requests.pop("users") + 1  # a listing that lacks a user is requested again
    assert planned.requests == taken
    assert planned.note.endswith("each deleted record of tasks and subtasks takes one more request.")
    mutate_hidden(warehouse)
    assert plan(warehouse, gid).requests == synced(warehouse, gid)


def test_without_search_the_estimate_is_a_lower_bound(make_warehouse: MakeWarehouse) -> None:
    warehouse = make_warehouse()
    gid = paid(warehouse)
    warehouse.asana.add_fault("/workspaces/{gid}/tasks/search", 402)
    synced(warehouse, gid)
    mutate(warehouse)
    planned = plan(warehouse, gid)
    taken = synced(warehouse, gid)
    assert all(planned.requests[name] <= requests for name, requests in taken.items())
    assert planned.total > 0.5 * sum(taken.values())
    assert planned.note == (
        "At least this many requests: changes since the last sync are unknown, because search, which is for paid "
        "plans, is unavailable."
    )


def test_with_more_changes_than_are_fetched_the_estimate_is_a_lower_bound(make_warehouse: MakeWarehouse) -> None:
    warehouse = make_warehouse(search_per_minute=None)
    gid = paid(warehouse)
    synced(warehouse, gid)
    organization = warehouse.asana.organization
    project = organization.add_project(gid, "Many")
    for number in range(450):
        organization.add_task(project, f"Task {number}")
    planned = plan(warehouse, gid)
    assert planned.note == (
        "At least this many requests: more tasks changed since the last sync than this estimate fetched."
    )
    assert len(planned.sent) <= 1 + MAX_REQUESTS
    assert 390 <= planned.requests["stories"] <= 450


def metadata_locations(warehouse: Warehouse) -> dict[str, object]:
    lake = LakeResource(data_dir=str(warehouse.data_dir))
    tables = {name: lake.table(name) for name in (*STANDARD, "sync_state")}
    return {name: table and table.metadata_location for name, table in tables.items()}


def test_nothing_is_written(make_warehouse: MakeWarehouse) -> None:
    warehouse = make_warehouse()
    assert invoke(warehouse, "plan").exit_code == 0
    assert set(metadata_locations(warehouse).values()) == {None}
    warehouse.settings["ASANA_WORKSPACES"] = paid(warehouse)
    warehouse.sync()
    before = metadata_locations(warehouse)
    assert None not in before.values()
    warehouse.settings.clear()
    mutate(warehouse)
    for option in ("--full-refresh", "--refresh-after-days=1"):
        assert invoke(warehouse, "plan", option, DAGSTER_HOME=str(warehouse.data_dir / "home")).exit_code == 0
    assert metadata_locations(warehouse) == before
    assert not (warehouse.data_dir / "home").exists()


def test_what_an_interrupted_sync_fetched_is_not_counted_again(make_warehouse: MakeWarehouse) -> None:
    warehouse = make_warehouse()
    gid = paid(warehouse)
    assert invoke(warehouse, "sync", "--workspace", gid).exit_code == 0
    lake = LakeResource(data_dir=str(warehouse.data_dir))
    state = lake.load_state("stories", gid)
    started_at = state.last_sync_started_at
    assert started_at is not None
    earlier = SyncState.completed_marker(Sync(id="earlier", started_at=started_at))
    lake.save_state("stories", gid, earlier, state.untracked_by(NO_GIDS)[:10])
    lake.set_interrupted_sync(gid, Sync(id=started_at.isoformat(), started_at=started_at))
    planned = plan(warehouse, gid)
    assert planned.requests.keys() == {"stories"}
    assert 10 <= planned.total <= 11
    assert f"Resumes the sync that was started at {started_at:%Y-%m-%d %H:%M} UTC and completed users" in planned.note
    assert planned.sent == ["/workspaces"]
    before = len(warehouse.asana.log)
    assert invoke(warehouse, "sync", "--workspace", gid).exit_code == 0
    assert len(warehouse.asana.log) - before == 1 + planned.total


def test_only_the_selection_is_estimated_from_the_tables_as_they_are(make_warehouse: MakeWarehouse) -> None:
    warehouse = make_warehouse()
    gid = paid(warehouse)
    synced(warehouse, gid)
    warehouse.asana.organization.add_comment(warehouse.asana.organization.edge_cases["my_task"], "A word")
    planned = plan(warehouse, gid, "--select", "stories", "--select", "tags")
    assert planned.requests == {"tags": 1, "stories": 0}
    assert planned.sent == ["/workspaces"]
    planned = plan(warehouse, gid, "--select", "stories", "--select", "tasks")
    assert planned.requests["stories"] == 1


def test_the_duration_is_that_of_the_configured_rate(make_warehouse: MakeWarehouse) -> None:
    warehouse = make_warehouse()
    gid = warehouse.asana.organization.edge_cases["personal_workspace"]
    result = invoke(warehouse, "plan", "--workspace", gid, ASANA_REQUESTS_PER_SECOND="5")
    output = " ".join(result.stdout.split())
    assert (
        "Total, including the list of workspaces: 16 requests, 3.2 s at 5 requests/s; 0.7 s with "
        "ASANA_REQUESTS_PER_SECOND=24, which paid plans allow. This estimate took "
    ) in output


def test_as_json_the_estimate_is_one_document_and_a_free_plan_is_known_after_the_first_sync(
    make_warehouse: MakeWarehouse,
) -> None:
    warehouse = make_warehouse()
    gid = warehouse.asana.organization.edge_cases["personal_workspace"]
    synced(warehouse, gid)
    arguments = ["plan", "--workspace", "personal projects", "--json"]
    document = json.loads(invoke(warehouse, *arguments, ASANA_REQUESTS_PER_SECOND="1").stdout)
    [workspace] = document["workspaces"]
    assert workspace["name"] == "Personal projects"
    assert document["requests"] == 1 + sum(asset["requests"] for asset in workspace["assets"])
    assert document["allowed_requests_per_second"] == 2.4


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


MISTAKES: dict[str, tuple[Callable[[], dict[str, str]], list[str], str]] = {
    "no token": (lambda: {"ASANA_ACCESS_TOKEN": ""}, [], r"There is no access token: .*"),
    "a bad token": (
        lambda: {"ASANA_ACCESS_TOKEN": "wrong"},
        [],
        r"Asana rejected the token \(GET /workspaces returned 401: .*",
    ),
    "an unreachable host": (
        lambda: {"ASANA_BASE_URL": f"http://127.0.0.1:{free_port()}"},
        [],
        r"workspaces: GET /workspaces failed 3 times: no connection\. .*",
    ),
    "an unreachable catalog": (
        lambda: {"PYICEBERG_CATALOG__ASANA__URI": f"http://127.0.0.1:{free_port()}"},
        [],
        r"The catalog did not respond; check PYICEBERG_CATALOG__ASANA__URI .*",
    ),
    "no number": (lambda: {"ASANA_REQUESTS_PER_SECOND": "fast"}, [], r"ASANA_REQUESTS_PER_SECOND is 'fast', .*"),
    "an unknown workspace": (dict, ["--workspace", "5"], r"--workspace names 5, which .*It can see: Catnip.*"),
    "an upstream that was never synced": (
        dict,
        ["--select", "sections"],
        r"plan of workspace \d+: projects of workspace \d+ was never synced: select projects as well\.",
    ),
}


@pytest.mark.parametrize(("settings", "arguments", "message"), MISTAKES.values(), ids=MISTAKES)
def test_a_mistake_is_reported_in_one_line(
    make_warehouse: MakeWarehouse, settings: Callable[[], dict[str, str]], arguments: list[str], message: str
) -> None:
    warehouse = make_warehouse()
    result = invoke(warehouse, "plan", *arguments, **settings())
    assert (result.exit_code, result.stdout) == (1, "")
    [line] = result.stderr.splitlines()
    assert re.fullmatch(f"Error: {message}", line), line


def test_the_plan_shows_what_a_choice_of_projects_saves(make_warehouse: MakeWarehouse) -> None:
    warehouse = make_warehouse()
    gid = paid(warehouse)
    everything = plan(warehouse, gid)
    projects: list[Row] = warehouse.asana.truth("projects", gid)
    project = next(one for one in projects if one["team"])
    warehouse.settings["ASANA_PROJECTS"] = str(project["name"])
    chosen = plan(warehouse, gid)
    assert f" With all projects instead of the chosen ones: {everything.total:,} requests, " in chosen.note
    assert chosen.total < everything.total
    synced(warehouse, gid)
    again = plan(warehouse, gid)
    assert again.requests == synced(warehouse, gid)
    assert not [path for path in again.sent if path.startswith("/projects/")]
    names = {one["gid"]: one["name"] for one in warehouse.asana.truth("teams", gid)}
    warehouse.settings = {"ASANA_TEAMS": str(names[project["team"]["gid"]])}
    synced(warehouse, gid)
    assert plan(warehouse, gid).requests == synced(warehouse, gid)
