"""Syncs that are killed, terminated or run concurrently: nothing is lost, duplicated or fetched again."""

import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import dagster as dg
import pytest

from asana_assets.definitions import build_definitions
from asana_assets.defs.resources import LakeResource
from asana_assets.sandbox import Sandbox
from asana_assets.sync.change_detection import Sync
from asana_assets_tests.support.change_history import assert_history_leads_to, contents
from asana_assets_tests.support.chosen_endpoints import make_chosen
from asana_assets_tests.support.mutations import mutate, name_of, paid
from asana_assets_tests.support.random_changes import change_at_random
from asana_assets_tests.support.sync_harness import MakeWarehouse, Warehouse, failures
from asana_assets_tests.support.unreferenced import assert_maintenance_leaves_nothing

SYNC_COMMAND = [str(Path(sys.executable).with_name("asana-assets")), "sync"]
CHECKPOINT_ROWS = 25
IN_FLIGHT = 4


def start(warehouse: Warehouse, *arguments: str) -> subprocess.Popen[str]:
    environment = {
        "PATH": os.environ["PATH"],
        "HOME": str(warehouse.data_dir),
        "ASANA_BASE_URL": warehouse.asana.url,
        "ASANA_ACCESS_TOKEN": warehouse.asana.token,
        "ASANA_REQUESTS_PER_SECOND": "1000",
        "ASANA_MAX_IN_FLIGHT": str(IN_FLIGHT),
        "ASANA_DATA_DIR": str(warehouse.data_dir),
        **warehouse.settings,
    }
    return subprocess.Popen(  # noqa: S603 - our own command
        [*SYNC_COMMAND, *arguments], env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )


def finish(running: subprocess.Popen[str]) -> None:
    """Wait for a sync that must succeed."""
    _, errors = running.communicate(timeout=120)
    assert running.returncode == 0, errors


def stopped(name: str, workspace: str) -> str:
    """Return the line that says which asset was interrupted."""
    resume = "Run asana-assets sync again within 12 hours to resume it."
    return f"Interrupted: {name} of workspace {workspace} was stopped. {resume}\n"


def wait_for(asana: Sandbox, requests: int, running: subprocess.Popen[str]) -> None:
    """Wait until the sandbox has received this many requests, or the process has ended."""
    while len(asana.log) < requests and running.poll() is None:
        time.sleep(0.005)


def kill_at_random(warehouse: Warehouse, kills: int, seed: int) -> int:
    """Start a sync and kill it, `kills` times; then let one finish. Return how many were killed before their end."""
    generator = random.Random(seed)  # noqa: S311 - a seeded test
    killed = 0
    for _ in range(kills):
        running = start(warehouse, "--checkpoint-rows", str(CHECKPOINT_ROWS))
        wait_for(warehouse.asana, len(warehouse.asana.log) + generator.randint(1, 40), running)
        time.sleep(generator.random() / 10)
        running.send_signal(signal.SIGKILL)
        killed += running.wait() == -signal.SIGKILL
        running.communicate()
    finish(start(warehouse, "--checkpoint-rows", str(CHECKPOINT_ROWS)))
    return killed


@pytest.mark.slow
def test_a_sync_of_all_endpoints_that_is_killed_repeatedly_completes(make_warehouse: MakeWarehouse) -> None:
    warehouse = make_chosen(make_warehouse, "all", latency=0.02)
    warehouse.settings["ASANA_ENDPOINTS"] = "all"
    assert kill_at_random(warehouse, 6, seed=3) > 0
    warehouse.assert_matches_asana(paid(warehouse))


@pytest.mark.slow
@pytest.mark.parametrize("seed", [1, 2])
def test_a_sync_that_is_killed_repeatedly_completes_and_repeats_at_most_a_checkpoint_per_kill(
    make_warehouse: MakeWarehouse, seed: int
) -> None:
    warehouse = make_warehouse(latency=0.02)
    gid = paid(warehouse)
    warehouse.settings["ASANA_WORKSPACES"] = gid
    killed = kill_at_random(warehouse, 20, seed)
    warehouse.assert_matches_asana(gid)
    assert_maintenance_leaves_nothing(warehouse.data_dir)
    warehouse.assert_matches_asana(gid)
    assert killed > 10
    uninterrupted = 1 + sum(warehouse.asana.minimal_requests(gid).values())
    # Each start fetches the workspace list. A kill can lose the parents of a checkpoint and those that are in flight or
    # buffered, or one listing that was not stored yet.
    listing = max(
        count for name, count in warehouse.asana.minimal_requests(gid).items() if name not in {"stories", "attachments"}
    )
    checkpoint = max(CHECKPOINT_ROWS + 4 * IN_FLIGHT, listing)
    assert len(warehouse.asana.log) <= uninterrupted + killed * (1 + checkpoint)


@pytest.mark.slow
def test_a_sync_of_changes_that_is_killed_repeatedly_loses_nothing_and_leaves_no_file(
    make_warehouse: MakeWarehouse,
) -> None:
    warehouse = make_warehouse(latency=0.01)
    gid = paid(warehouse)
    warehouse.settings["ASANA_WORKSPACES"] = gid
    warehouse.sync()
    before = contents(warehouse)
    mutate(warehouse)
    assert kill_at_random(warehouse, 20, seed=3) > 10
    warehouse.assert_matches_asana(gid)
    assert_history_leads_to(warehouse, before)
    assert_maintenance_leaves_nothing(warehouse.data_dir)
    warehouse.assert_matches_asana(gid)


@pytest.mark.slow
def test_a_killed_sync_is_resumed(make_warehouse: MakeWarehouse) -> None:
    warehouse = make_warehouse(latency=0.02)
    gid = paid(warehouse)
    warehouse.settings["ASANA_WORKSPACES"] = gid
    running = start(warehouse, "--checkpoint-rows", str(CHECKPOINT_ROWS))
    wait_for(warehouse.asana, 90, running)
    running.kill()
    running.communicate()
    before = len(warehouse.asana.log)
    running = start(warehouse)
    output, _ = running.communicate(timeout=120)
    assert running.returncode == 0
    assert "Resuming the sync of Catnip & Co. that started at " in output
    paths = [entry.path for entry in warehouse.asana.log[before:]]
    assert "/projects" not in paths
    assert "/users" not in paths
    warehouse.assert_matches_asana(gid)
    uninterrupted = 1 + sum(warehouse.asana.minimal_requests(gid).values())
    assert len(warehouse.asana.log) <= uninterrupted + 1 + CHECKPOINT_ROWS + 4 * IN_FLIGHT


@pytest.mark.slow
def test_a_sync_that_is_killed_after_its_last_asset_has_nothing_left_to_fetch(make_warehouse: MakeWarehouse) -> None:
    warehouse = make_warehouse()
    gid = warehouse.asana.organization.edge_cases["personal_workspace"]
    warehouse.settings["ASANA_WORKSPACES"] = gid
    finish(start(warehouse))
    lake = LakeResource(data_dir=str(warehouse.data_dir))
    started_at = lake.load_state("stories", gid).last_sync_started_at
    assert started_at is not None
    lake.set_interrupted_sync(gid, Sync(id=started_at.isoformat(), started_at=started_at))
    before = len(warehouse.asana.log)
    finish(start(warehouse))
    assert [entry.path for entry in warehouse.asana.log[before:]] == ["/workspaces"]
    assert lake.interrupted_sync(gid) is None


@pytest.mark.slow
def test_a_terminated_sync_stores_what_it_has_fetched(make_warehouse: MakeWarehouse) -> None:
    """As when a run is terminated in the UI. No checkpoint is reached, so the rows were stored at the end."""
    warehouse = make_warehouse(latency=0.05)
    gid = paid(warehouse)
    warehouse.settings |= {"ASANA_WORKSPACES": gid}
    assert warehouse.run("refresh_workspaces").success
    assert warehouse.run("sync_workspace", gid, ["projects", "users", "tasks", "subtasks"]).success
    before = len(warehouse.asana.log)
    running = start(warehouse, "--select", "stories")
    wait_for(warehouse.asana, before + 1 + 36, running)
    running.send_signal(signal.SIGINT)
    _, errors = running.communicate(timeout=60)
    assert (running.returncode, errors) == (130, stopped("stories", name_of(warehouse)))
    stored = {row["parent_gid"] for row in warehouse.rows("stories")}
    assert stored
    before = len(warehouse.asana.log)
    assert warehouse.run("sync_workspace", gid, ["stories"]).success
    fetched = {entry.path.split("/")[2] for entry in warehouse.asana.log[before:]}
    assert not fetched & stored
    assert 0 < len(fetched) < 20


@pytest.mark.slow
def test_a_terminated_sync_starts_no_further_extract(make_warehouse: MakeWarehouse) -> None:
    warehouse = make_warehouse(latency=0.05)
    gid = paid(warehouse)
    warehouse.settings["ASANA_WORKSPACES"] = gid
    assert warehouse.run("refresh_workspaces").success
    assert warehouse.run("sync_workspace", gid, ["projects", "users", "tasks", "subtasks"]).success
    before = len(warehouse.asana.log)
    running = start(warehouse, "--select", "attachments", "--select", "stories")
    wait_for(warehouse.asana, before + 1 + 20, running)
    running.send_signal(signal.SIGINT)
    _, errors = running.communicate(timeout=60)
    not_started = f"Not started: stories of workspace {name_of(warehouse)}, because the sync was interrupted.\n"
    assert (running.returncode, errors) == (130, stopped("attachments", name_of(warehouse)) + not_started)
    assert {entry.path for entry in warehouse.asana.log[before:]} == {"/workspaces", "/attachments"}


def test_rows_fetched_before_the_retry_budget_is_spent_are_stored(make_warehouse: MakeWarehouse) -> None:
    warehouse = make_warehouse()
    gid = paid(warehouse)
    assert warehouse.run("refresh_workspaces").success
    assert warehouse.run("sync_workspace", gid, ["projects", "users", "tasks", "subtasks"]).success
    fault = warehouse.asana.add_fault("/tasks/{gid}/stories", 503, skip=20)
    warehouse.asana_fields["max_attempts"] = 1
    result = warehouse.run("sync_workspace", gid, ["stories"])
    assert "failed once: Asana returned 503" in failures(result)["stories"]
    fault.cancel()
    before = len(warehouse.asana.log)
    assert warehouse.run("sync_workspace", gid, ["stories"]).success
    parents = len(warehouse.rows("tasks", gid)) + len(warehouse.rows("subtasks", gid))
    assert len(warehouse.asana.log) - before <= parents - 15
    stories = {row["gid"] for row in warehouse.rows("stories", gid)}
    assert stories == {str(record["gid"]) for record in warehouse.asana.truth("stories", gid)}


def sync_workspace_from_environment() -> dg.JobDefinition:
    """Return the job for `reconstructable`, which takes functions without arguments only."""
    return build_definitions().resolve_job_def("asana_sync_workspace")


@pytest.mark.slow
def test_a_retried_full_refresh_resumes(make_warehouse: MakeWarehouse, monkeypatch: pytest.MonkeyPatch) -> None:
    warehouse = make_warehouse()
    gid = paid(warehouse)
    warehouse.settings["ASANA_WORKSPACES"] = gid
    warehouse.sync()
    fault = warehouse.asana.add_fault("/tasks/{gid}/stories", 503, skip=20)
    warehouse.asana_fields["max_attempts"] = 1
    first = warehouse.run("sync_workspace", gid, ["stories"], full_refresh=True)
    assert set(failures(first)) == {"stories"}
    fault.cancel()
    before = len(warehouse.asana.log)
    for name, value in warehouse.environment.items():
        monkeypatch.setenv(name, value)
    again = dg.execute_job(
        dg.reconstructable(sync_workspace_from_environment),
        warehouse.instance,
        run_config=first.dagster_run.run_config,
        tags=first.dagster_run.tags,
        reexecution_options=dg.ReexecutionOptions(parent_run_id=first.run_id, step_selection=["asana__stories"]),
    )
    assert again.success, failures(again)
    parents = len(warehouse.rows("tasks", gid)) + len(warehouse.rows("subtasks", gid))
    assert 0 < len(warehouse.asana.log) - before <= parents - 15
    warehouse.assert_matches_asana(gid)


@pytest.mark.slow
def test_concurrent_syncs_of_one_workspace_neither_lose_nor_duplicate_rows(make_warehouse: MakeWarehouse) -> None:
    warehouse = make_warehouse(latency=0.01)
    gid = paid(warehouse)
    warehouse.settings["ASANA_WORKSPACES"] = gid
    both = [start(warehouse, "--checkpoint-rows", "40") for _ in range(2)]
    outcomes = [(running.communicate(timeout=120)[1], running.returncode) for running in both]
    for errors, code in outcomes:
        assert code in {0, 1}
        assert "Traceback" not in errors
    assert warehouse.run("refresh_workspaces").success
    result = warehouse.run("sync_workspace", gid)
    assert result.success, failures(result)
    assert_maintenance_leaves_nothing(warehouse.data_dir)
    warehouse.assert_matches_asana(gid)


@pytest.mark.slow
def test_concurrent_syncs_of_changes_record_each_change_once(make_warehouse: MakeWarehouse) -> None:
    warehouse = make_warehouse(latency=0.01)
    gid = paid(warehouse)
    warehouse.settings["ASANA_WORKSPACES"] = gid
    warehouse.sync()
    before = contents(warehouse)
    generator = random.Random(4)  # noqa: S311 - a seeded test
    for _ in range(4):
        change_at_random(warehouse.asana, generator)
        both = [start(warehouse, "--checkpoint-rows", "5") for _ in range(2)]
        wait_for(warehouse.asana, len(warehouse.asana.log) + generator.randint(5, 60), both[0])
        change_at_random(warehouse.asana, generator)
        for running in both:
            assert "Traceback" not in running.communicate(timeout=120)[1]
            assert running.returncode in {0, 1}
    warehouse.sync()
    warehouse.assert_matches_asana(gid)
    assert_history_leads_to(warehouse, before)
    assert_maintenance_leaves_nothing(warehouse.data_dir)
    warehouse.assert_matches_asana(gid)
    assert_history_leads_to(warehouse, before)


@pytest.mark.slow
def test_what_another_sync_stored_meanwhile_of_a_new_task_is_kept(make_warehouse: MakeWarehouse) -> None:
    warehouse = make_warehouse()
    gid, organization = paid(warehouse), warehouse.asana.organization
    warehouse.settings["ASANA_WORKSPACES"] = gid
    warehouse.sync()
    organization.add_comment(str(warehouse.asana.truth("tasks", gid)[0]["gid"]), "Listed by the first sync")
    slow = warehouse.asana.add_fault("/tasks/{task_gid}/stories", "slow", hang_seconds=25, times=1)
    first = start(warehouse)
    while not slow.hits:
        time.sleep(0.05)
    new = organization.add_task(organization.edge_cases["main_project"], "Only listed by the second sync")
    organization.add_comment(new, "A comment")
    assert warehouse.run("sync_workspace", gid).success
    stories = {row["gid"] for row in warehouse.rows("stories") if row["parent_gid"] == new}
    assert stories
    assert "Traceback" not in first.communicate(timeout=120)[1]
    assert warehouse.run("sync_workspace", gid).success
    warehouse.assert_matches_asana(gid)


@pytest.mark.slow
def test_concurrent_syncs_of_different_workspaces_all_succeed(make_warehouse: MakeWarehouse) -> None:
    warehouse = make_warehouse()
    gids = [warehouse.asana.organization.edge_cases[name] for name in ("free_organization", "personal_workspace")]
    select = [word for name in ("users", "projects", "tasks", "status_updates") for word in ("--select", name)]
    for _ in range(20):
        both = [start(warehouse, "--workspace", gid, *select) for gid in gids]
        for running in both:
            finish(running)
    assert warehouse.run("refresh_workspaces").success
    for gid in gids:
        assert warehouse.run("sync_workspace", gid).success
    warehouse.assert_matches_asana(*gids)
