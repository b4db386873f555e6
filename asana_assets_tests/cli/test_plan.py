"""The preview of a sync's cost, by the command: its figures, beside what the next sync then asks for."""

import os
import re
import socket
from collections.abc import Callable
from dataclasses import dataclass, replace
from random import Random
from statistics import median
from typing import Any

import msgspec
import pyarrow as pa
import pytest
import requests
from click.testing import CliRunner, Result

from asana_assets.cli.main import main
from asana_assets.defs.resources import LakeResource
from asana_assets.sandbox import ENDPOINTS, SCALES, Sandbox
from asana_assets.sync.change_detection import Sync
from asana_assets.sync.estimate import REQUESTS
from asana_assets.sync.sync_state import SyncState
from asana_assets_tests.support.mutations import mutate, mutate_out_of_sight
from asana_assets_tests.support.sync_harness import MakeWarehouse, Warehouse, failures, metadata

pytestmark = pytest.mark.slow

NO_GIDS = pa.array([], pa.string())


@dataclass(frozen=True)
class Planned:
    """What the command said of one workspace, and what it sent for it."""

    requests: dict[str, int]
    certainty: str
    sent: list[str]

    @property
    def total(self) -> int:
        return sum(self.requests.values())


def invoke(warehouse: Warehouse, *arguments: str, **settings: str) -> Result:
    environment = {
        "HOME": str(warehouse.data_dir),
        "ASANA_DATA_DIR": str(warehouse.data_dir),
        "ASANA_BASE_URL": warehouse.asana.url,
        "ASANA_ACCESS_TOKEN": warehouse.asana.token,
        "ASANA_REQUESTS_PER_SECOND": "1000",
        **warehouse.settings,
        **settings,
    }
    return CliRunner().invoke(main, arguments, env=dict.fromkeys(os.environ) | environment)


def plan(warehouse: Warehouse, gid: str, *arguments: str) -> Planned:
    """Plan one workspace."""
    before = len(warehouse.asana.log)
    result = invoke(warehouse, "plan", "--workspace", gid, *arguments)
    assert (result.exit_code, result.stderr) == (0, ""), result.output
    sent = [entry.path for entry in warehouse.asana.log[before:]]
    cells = [[cell.strip() for cell in line.split("│")[1:-1]] for line in result.stdout.splitlines() if "│" in line]
    figures = {asset: int(figure.replace(",", "")) for asset, _, _, figure, _ in cells}
    total = figures.pop("total")
    assert total == sum(figures.values())
    said = " ".join(result.stdout.rpartition("┘")[2].split())
    certainty, _, rest = said.partition(" In all")
    assert f"{total + 1:,} requests" in rest
    assert rest.endswith(f"To tell this took {len(sent):,}.")
    return Planned(figures, certainty, sent)


def synced(warehouse: Warehouse, gid: str, **config: object) -> dict[str, int]:
    """Sync a workspace as the command does; give the requests that each asset took."""
    assert warehouse.run("refresh_workspaces").success
    names = [name for name in ENDPOINTS if name != "workspaces"]
    result = warehouse.run("sync_workspace", gid, names if config else (), **config)
    assert result.success, failures(result)
    return {name: metadata(result, name)["requests"] for name in names}


def paid(warehouse: Warehouse) -> str:
    return warehouse.asana.organization.traps["paid_organization"]


@pytest.mark.parametrize("trap", ["paid_organization", "free_organization", "personal_workspace"])
def test_when_nothing_changed_it_is_what_the_next_sync_asks_for(make_warehouse: MakeWarehouse, trap: str) -> None:
    warehouse = make_warehouse()
    gid = warehouse.asana.organization.traps[trap]
    first = synced(warehouse, gid)
    planned = plan(warehouse, gid)
    assert planned.requests == synced(warehouse, gid)
    assert planned.certainty.startswith("Exact" if trap == "paid_organization" else "At least: without search")
    assert plan(warehouse, gid, "--full-refresh").requests == first


def test_what_is_due_by_age_is_counted(make_warehouse: MakeWarehouse) -> None:
    warehouse = make_warehouse()
    gid = warehouse.asana.organization.traps["free_organization"]
    synced(warehouse, gid)
    planned = plan(warehouse, gid, "--refresh-after-days", "1e-9")
    assert planned.requests == synced(warehouse, gid, refresh_after_days=1e-9)


def test_what_a_search_finds_changed_is_counted(make_warehouse: MakeWarehouse) -> None:
    warehouse = make_warehouse()
    gid = paid(warehouse)
    quiet = sum(synced(warehouse, gid).values())
    tasks = [row["gid"] for row in warehouse.rows("tasks", gid) if row["project_gids"]][:7]
    for task in tasks:
        warehouse.asana.organization.add_comment(task, "A word")
    new = warehouse.asana.organization.add_project(gid, "New")
    warehouse.asana.organization.add_subtask(warehouse.asana.organization.add_task(new, "First"), "Its first")
    planned = plan(warehouse, gid)
    assert planned.requests == synced(warehouse, gid)
    assert planned.requests["stories"] == len(tasks) + 2
    assert planned.total < quiet


def test_after_every_kind_of_change_only_what_was_deleted_comes_on_top(make_warehouse: MakeWarehouse) -> None:
    warehouse = make_warehouse()
    gid = paid(warehouse)
    synced(warehouse, gid)
    mutate(warehouse)
    planned = plan(warehouse, gid)
    took = synced(warehouse, gid)
    assert took.pop("tasks") == planned.requests.pop("tasks") + 1  # a deleted task, asked for by its gid
    assert planned.requests == took
    assert planned.certainty.endswith("of tasks and subtasks, each that was deleted costs one more.")
    mutate_out_of_sight(warehouse)
    assert plan(warehouse, gid).requests == synced(warehouse, gid)


def test_without_search_it_is_the_least_that_the_next_sync_asks_for(make_warehouse: MakeWarehouse) -> None:
    warehouse = make_warehouse()
    gid = paid(warehouse)
    warehouse.asana.fault("/workspaces/{gid}/tasks/search", 402)
    synced(warehouse, gid)
    mutate(warehouse)
    planned = plan(warehouse, gid)
    took = synced(warehouse, gid)
    assert all(planned.requests[name] <= requests for name, requests in took.items())
    assert planned.total > 0.5 * sum(took.values())
    assert planned.certainty == (
        "At least: without search, which is for paid plans, nobody knows what changed since the last sync."
    )


def test_more_changes_than_may_be_looked_at_are_said_to_be_more(make_warehouse: MakeWarehouse) -> None:
    warehouse = make_warehouse(search_per_minute=None)
    gid = paid(warehouse)
    synced(warehouse, gid)
    organization = warehouse.asana.organization
    project = organization.add_project(gid, "Many")
    for number in range(450):
        organization.add_task(project, f"Task {number}")
    planned = plan(warehouse, gid)
    assert planned.certainty == "At least: more tasks changed since the last sync than were looked at."
    assert len(planned.sent) <= 1 + REQUESTS
    assert 390 <= planned.requests["stories"] <= 450


@pytest.mark.parametrize("scale", ["tiny", "demo", "reference"])
def test_a_first_sync_is_foreseen_but_for_deeper_levels(make_warehouse: MakeWarehouse, scale: str) -> None:
    warehouse = make_warehouse(scale=scale)
    gid = paid(warehouse)
    planned = plan(warehouse, gid)
    least = warehouse.asana.minimal_requests(gid)
    assert planned.requests.keys() == least.keys()
    assert 0.94 * sum(least.values()) < planned.total <= sum(least.values())
    assert planned.certainty == (
        "Estimated from first pages; of what was never read, deeper levels and lists of more than 100 come on top."
    )
    assert len(planned.sent) <= 1 + REQUESTS


def test_of_a_long_list_the_number_is_asked(make_warehouse: MakeWarehouse) -> None:
    warehouse = make_warehouse(scale=replace(SCALES["tiny"], bulk_tasks=5_000))
    gid = paid(warehouse)
    planned = plan(warehouse, gid)
    least = warehouse.asana.minimal_requests(gid)
    assert planned.requests["tasks"] == least["tasks"] > 50
    assert planned.total == pytest.approx(sum(least.values()), rel=0.05)
    assert sum(path.endswith("/task_counts") for path in planned.sent) == 1


def grow(asana: Sandbox, gid: str, *, projects: int, users: int, seed: int) -> None:
    """Add projects of very different sizes: one of a hundred tasks beside many of ten."""
    random = Random(seed)  # noqa: S311 # the same every time
    organization = asana.organization
    members = [organization.add_user(gid, f"User {number}") for number in range(users)]
    for number in range(projects):
        project = organization.add_project(gid, f"Project {number}")
        for _ in range(int(random.lognormvariate(2.5, 1.0))):
            task = organization.add_task(project, "Task")
            organization.assign_task(task, random.choice(members))
            if random.random() < 0.1:
                organization.add_subtask(task, "Subtask")


def test_many_projects_are_estimated_from_some_and_how_well_is_said(make_warehouse: MakeWarehouse) -> None:
    """Two standard errors are said; of sizes as uneven as these, four times in five they hold the truth."""
    held: list[bool] = []
    errors: list[float] = []
    for seed in range(8):
        warehouse = make_warehouse()
        gid = paid(warehouse)
        grow(warehouse.asana, gid, projects=60, users=15, seed=seed)
        planned = plan(warehouse, gid)
        said = re.match(
            r"Estimated from \d+ of 65 projects and \d+ of 21 users: ([\d,]+) tasks, likely within (\d+)%;",
            planned.certainty,
        )
        assert said, planned.certainty
        tasks, percent = (int(group.replace(",", "")) for group in said.groups())
        held.append(abs(len(warehouse.asana.truth("tasks", gid)) - tasks) <= tasks * percent / 100)
        errors.append(abs(planned.total / sum(warehouse.asana.minimal_requests(gid).values()) - 1))
        assert len(planned.sent) <= 1 + REQUESTS
    assert sum(held) >= 6
    assert median(errors) < 0.3


def test_however_large_a_workspace_is_it_asks_little(make_warehouse: MakeWarehouse) -> None:
    warehouse = make_warehouse()
    gid = paid(warehouse)
    for number in range(1_200):
        warehouse.asana.organization.add_project(gid, f"Project {number}")
        warehouse.asana.organization.add_user(gid, f"User {number}")
    planned = plan(warehouse, gid)
    assert len(planned.sent) <= 1 + REQUESTS
    assert "there are more than 800 users and 700 projects" in planned.certainty
    assert planned.requests["sections"] == 700


def stored(warehouse: Warehouse) -> dict[str, object]:
    lake = LakeResource(data_dir=str(warehouse.data_dir))
    tables = {name: lake.table(name) for name in (*ENDPOINTS, "sync_state")}
    return {name: table and table.metadata_location for name, table in tables.items()}


def test_it_writes_nothing(make_warehouse: MakeWarehouse) -> None:
    warehouse = make_warehouse()
    assert invoke(warehouse, "plan").exit_code == 0
    assert set(stored(warehouse).values()) == {None}
    warehouse.settings["ASANA_WORKSPACES"] = paid(warehouse)
    warehouse.sync()
    before = stored(warehouse)
    assert None not in before.values()
    warehouse.settings.clear()
    mutate(warehouse)
    for option in ("--full-refresh", "--refresh-after-days=1"):
        assert invoke(warehouse, "plan", option, DAGSTER_HOME=str(warehouse.data_dir / "home")).exit_code == 0
    assert stored(warehouse) == before
    assert not (warehouse.data_dir / "home").exists()


def test_what_an_interrupted_sync_has_read_is_not_counted_again(make_warehouse: MakeWarehouse) -> None:
    warehouse = make_warehouse()
    gid = paid(warehouse)
    assert invoke(warehouse, "sync", "--workspace", gid).exit_code == 0
    lake = LakeResource(data_dir=str(warehouse.data_dir))
    state = lake.load_state("stories", gid)
    began = state.last_sync_started_at
    assert began is not None
    earlier = SyncState.completed_marker(Sync(id="earlier", started_at=began))
    lake.save_state("stories", gid, earlier, state.untracked_by(NO_GIDS)[:10])
    lake.set_interrupted_sync(gid, Sync(id=began.isoformat(), started_at=began))
    planned = plan(warehouse, gid)
    assert planned.requests.keys() == {"stories"}
    assert 10 <= planned.total <= 11
    assert f"It goes on with the sync that began at {began:%Y-%m-%d %H:%M} UTC" in planned.certainty
    assert planned.sent == ["/workspaces"]
    before = len(warehouse.asana.log)
    assert invoke(warehouse, "sync", "--workspace", gid).exit_code == 0
    assert len(warehouse.asana.log) - before == 1 + planned.total


def test_only_what_is_selected_is_planned_over_the_tables_as_they_are(make_warehouse: MakeWarehouse) -> None:
    warehouse = make_warehouse()
    gid = paid(warehouse)
    synced(warehouse, gid)
    warehouse.asana.organization.add_comment(warehouse.asana.organization.traps["my_task"], "A word")
    planned = plan(warehouse, gid, "--select", "stories", "--select", "tags")
    assert planned.requests == {"tags": 1, "stories": 0}
    assert planned.sent == ["/workspaces"]
    planned = plan(warehouse, gid, "--select", "stories", "--select", "tasks")
    assert planned.requests["stories"] == 1


def test_the_time_is_that_of_the_configured_rate(make_warehouse: MakeWarehouse) -> None:
    warehouse = make_warehouse()
    gid = warehouse.asana.organization.traps["personal_workspace"]
    result = invoke(warehouse, "plan", "--workspace", gid, ASANA_REQUESTS_PER_SECOND="5")
    assert "In all, with the list of workspaces: 16 requests, 3 s at 5 requests/s." in " ".join(result.stdout.split())


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


WRONG: dict[str, tuple[Callable[[], dict[str, str]], list[str], str]] = {
    "no token": (lambda: {"ASANA_ACCESS_TOKEN": ""}, [], r"workspaces: there is no access token: .*"),
    "a bad token": (lambda: {"ASANA_ACCESS_TOKEN": "wrong"}, [], r"workspaces: GET /workspaces answered 401: .*"),
    "an unreachable host": (
        lambda: {"ASANA_BASE_URL": f"http://127.0.0.1:{free_port()}"},
        [],
        r"workspaces: GET /workspaces failed 3 times: no connection\. .*",
    ),
    "an unreachable catalog": (
        lambda: {"PYICEBERG_CATALOG__ASANA__URI": f"http://127.0.0.1:{free_port()}"},
        [],
        r"plan of workspace \d+: The catalog did not respond; check PYICEBERG_CATALOG__ASANA__URI .*",
    ),
    "no number": (lambda: {"ASANA_REQUESTS_PER_SECOND": "fast"}, [], r"ASANA_REQUESTS_PER_SECOND is 'fast', .*"),
    "an unknown workspace": (dict, ["--workspace", "5"], r"--workspace names 5, which this token cannot see"),
    "an upstream that was never synced": (
        dict,
        ["--select", "sections"],
        r"plan of workspace \d+: projects of workspace \d+ was never synced: select projects, too\.",
    ),
}


@pytest.mark.parametrize(("wrong", "arguments", "sentence"), WRONG.values(), ids=WRONG)
def test_a_mistake_ends_in_one_sentence(
    make_warehouse: MakeWarehouse, wrong: Callable[[], dict[str, str]], arguments: list[str], sentence: str
) -> None:
    warehouse = make_warehouse()
    result = invoke(warehouse, "plan", *arguments, **wrong())
    assert (result.exit_code, result.stdout) == (1, "")
    [line] = result.stderr.splitlines()
    assert re.fullmatch(f"Error: {sentence}", line), line


def counts(asana: Sandbox, gid: str, **query: str) -> Any:
    answer = requests.get(
        f"{asana.url}/projects/{gid}/task_counts",
        params=query,
        headers={"Authorization": f"Bearer {asana.token}"},
        timeout=10,
    )
    return msgspec.json.decode(answer.content)


def test_the_sandbox_tells_the_numbers_that_are_named_and_no_others() -> None:
    with Sandbox() as asana:
        project = asana.organization.traps["main_project"]
        tasks = asana.organization.tasks_of_project(project).objects
        assert counts(asana, project) == {"data": {}}
        assert counts(asana, project, opt_fields="num_tasks") == {"data": {"num_tasks": len(tasks)}}
        named = "num_tasks,num_completed_tasks,num_incomplete_tasks,num_milestones,num_completed_milestones"
        data = counts(asana, project, opt_fields=named)["data"]
        assert data["num_completed_tasks"] + data["num_incomplete_tasks"] == data["num_tasks"]
        assert data["num_milestones"] == sum(task.text("resource_subtype") == "milestone" for task in tasks) > 0
        assert "errors" in counts(asana, "5", opt_fields="num_tasks")
