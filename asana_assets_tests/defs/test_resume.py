"""A sync that is killed, stopped, or has a rival: nothing is lost, doubled or asked for again."""

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
from asana_assets_tests.support.sync_harness import MakeWarehouse, Warehouse, failures

COMMAND = [str(Path(sys.executable).with_name("asana-assets")), "sync"]
ROWS = 25
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
    return subprocess.Popen(  # noqa: S603 # our own command
        [*COMMAND, *arguments], env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )


def finish(running: subprocess.Popen[str]) -> None:
    """Let a sync end, well."""
    _, errors = running.communicate(timeout=120)
    assert running.returncode == 0, errors


def wait_for(asana: Sandbox, requests: int, running: subprocess.Popen[str]) -> None:
    """Wait until so many requests were received in all, or the process has ended."""
    while len(asana.log) < requests and running.poll() is None:
        time.sleep(0.005)


def kill_at_random(warehouse: Warehouse, kills: int, seed: int) -> int:
    """Start a sync and kill it, so many times; then let one end. Give how many were really killed."""
    chance = random.Random(seed)  # noqa: S311 # a seeded test
    killed = 0
    for _ in range(kills):
        running = start(warehouse, "--checkpoint-rows", str(ROWS))
        wait_for(warehouse.asana, len(warehouse.asana.log) + chance.randint(1, 40), running)
        time.sleep(chance.random() / 10)
        running.send_signal(signal.SIGKILL)
        killed += running.wait() == -signal.SIGKILL
        running.communicate()
    finish(start(warehouse, "--checkpoint-rows", str(ROWS)))
    return killed


@pytest.mark.slow
@pytest.mark.parametrize("seed", [1, 2])
def test_a_sync_killed_twenty_times_ends_with_the_truth_and_repeats_no_more_than_a_checkpoint_each_time(
    make_warehouse: MakeWarehouse, seed: int
) -> None:
    warehouse = make_warehouse(latency=0.02)
    paid = warehouse.asana.organization.traps["paid_organization"]
    warehouse.settings["ASANA_WORKSPACES"] = paid
    killed = kill_at_random(warehouse, 20, seed)
    warehouse.assert_true(paid)
    assert killed > 10
    undisturbed = 1 + sum(warehouse.asana.minimal_requests(paid).values())
    # Each start asks for the list of workspaces. What a kill can lose is a checkpoint's parents, those on their way and
    # those that wait, or one listing that was not stored yet.
    listing = max(
        count
        for name, count in warehouse.asana.minimal_requests(paid).items()
        if name not in {"stories", "attachments"}
    )
    checkpoint = max(ROWS + 4 * IN_FLIGHT, listing)
    assert len(warehouse.asana.log) <= undisturbed + killed * (1 + checkpoint)


@pytest.mark.slow
def test_a_killed_sync_is_gone_on_with(make_warehouse: MakeWarehouse) -> None:
    warehouse = make_warehouse(latency=0.02)
    paid = warehouse.asana.organization.traps["paid_organization"]
    warehouse.settings["ASANA_WORKSPACES"] = paid
    running = start(warehouse, "--checkpoint-rows", str(ROWS))
    wait_for(warehouse.asana, 90, running)
    running.kill()
    running.communicate()
    before = len(warehouse.asana.log)
    running = start(warehouse)
    _, errors = running.communicate(timeout=120)
    assert running.returncode == 0
    assert errors.startswith(f"Going on with the sync of {paid} that began at ")
    paths = [entry.path for entry in warehouse.asana.log[before:]]
    assert "/projects" not in paths
    assert "/users" not in paths
    warehouse.assert_true(paid)
    undisturbed = 1 + sum(warehouse.asana.minimal_requests(paid).values())
    assert len(warehouse.asana.log) <= undisturbed + 1 + ROWS + 4 * IN_FLIGHT


@pytest.mark.slow
def test_a_sync_killed_after_its_last_asset_has_nothing_left_to_read(make_warehouse: MakeWarehouse) -> None:
    warehouse = make_warehouse()
    gid = warehouse.asana.organization.traps["personal_workspace"]
    warehouse.settings["ASANA_WORKSPACES"] = gid
    finish(start(warehouse))
    lake = LakeResource(data_dir=str(warehouse.data_dir))
    began = lake.load_state("stories", gid).last_sync_started_at
    assert began is not None
    lake.set_interrupted_sync(gid, Sync(id=began.isoformat(), started_at=began))
    before = len(warehouse.asana.log)
    finish(start(warehouse))
    assert [entry.path for entry in warehouse.asana.log[before:]] == ["/workspaces"]
    assert lake.interrupted_sync(gid) is None


@pytest.mark.slow
def test_a_terminated_sync_keeps_what_it_read(make_warehouse: MakeWarehouse) -> None:
    """As when a run is terminated in the UI: with checkpoints far away, nothing but the end can have stored it."""
    warehouse = make_warehouse(latency=0.05)
    paid = warehouse.asana.organization.traps["paid_organization"]
    warehouse.settings |= {"ASANA_WORKSPACES": paid}
    assert warehouse.run("refresh_workspaces").success
    assert warehouse.run("sync_workspace", paid, ["projects", "users", "tasks", "subtasks"]).success
    before = len(warehouse.asana.log)
    running = start(warehouse, "--select", "stories")
    wait_for(warehouse.asana, before + 1 + 36, running)
    running.send_signal(signal.SIGINT)
    _, errors = running.communicate(timeout=60)
    assert (running.returncode, errors) == (1, "Error: stories: stopped\n")
    stored = {row["parent_gid"] for row in warehouse.rows("stories")}
    assert stored
    before = len(warehouse.asana.log)
    assert warehouse.run("sync_workspace", paid, ["stories"]).success
    asked = {entry.path.split("/")[2] for entry in warehouse.asana.log[before:]}
    assert not asked & stored
    assert 0 < len(asked) < 20


@pytest.mark.slow
def test_for_a_terminated_sync_nothing_more_is_begun(make_warehouse: MakeWarehouse) -> None:
    warehouse = make_warehouse(latency=0.05)
    paid = warehouse.asana.organization.traps["paid_organization"]
    warehouse.settings["ASANA_WORKSPACES"] = paid
    assert warehouse.run("refresh_workspaces").success
    assert warehouse.run("sync_workspace", paid, ["projects", "users", "tasks", "subtasks"]).success
    before = len(warehouse.asana.log)
    running = start(warehouse, "--select", "attachments", "--select", "stories")
    wait_for(warehouse.asana, before + 1 + 20, running)
    running.send_signal(signal.SIGINT)
    _, errors = running.communicate(timeout=60)
    assert (running.returncode, errors) == (1, "Error: attachments: stopped\n")
    assert {entry.path for entry in warehouse.asana.log[before:]} == {"/workspaces", "/attachments"}


def test_a_spent_budget_keeps_what_was_read_before(make_warehouse: MakeWarehouse) -> None:
    warehouse = make_warehouse()
    paid = warehouse.asana.organization.traps["paid_organization"]
    assert warehouse.run("refresh_workspaces").success
    assert warehouse.run("sync_workspace", paid, ["projects", "users", "tasks", "subtasks"]).success
    fault = warehouse.asana.fault("/tasks/{gid}/stories", 503, skip=20)
    warehouse.asana_fields["max_attempts"] = 1
    result = warehouse.run("sync_workspace", paid, ["stories"])
    assert "failed once: Asana answered 503" in failures(result)["stories"]
    fault.cancel()
    before = len(warehouse.asana.log)
    assert warehouse.run("sync_workspace", paid, ["stories"]).success
    parents = len(warehouse.rows("tasks", paid)) + len(warehouse.rows("subtasks", paid))
    assert len(warehouse.asana.log) - before <= parents - 15
    stories = {row["gid"] for row in warehouse.rows("stories", paid)}
    assert stories == {str(record["gid"]) for record in warehouse.asana.truth("stories", paid)}


def sync_of_the_environment() -> dg.JobDefinition:
    return build_definitions(os.environ).resolve_job_def("sync_workspace")


@pytest.mark.slow
def test_a_full_refresh_that_dagster_retries_goes_on_and_does_not_begin_anew(
    make_warehouse: MakeWarehouse, monkeypatch: pytest.MonkeyPatch
) -> None:
    warehouse = make_warehouse()
    paid = warehouse.asana.organization.traps["paid_organization"]
    warehouse.settings["ASANA_WORKSPACES"] = paid
    warehouse.sync()
    fault = warehouse.asana.fault("/tasks/{gid}/stories", 503, skip=20)
    warehouse.asana_fields["max_attempts"] = 1
    first = warehouse.run("sync_workspace", paid, ["stories"], full_refresh=True)
    assert set(failures(first)) == {"stories"}
    fault.cancel()
    before = len(warehouse.asana.log)
    for name, value in warehouse.environment.items():
        monkeypatch.setenv(name, value)
    again = dg.execute_job(
        dg.reconstructable(sync_of_the_environment),
        warehouse.instance,
        run_config=first.dagster_run.run_config,
        tags=first.dagster_run.tags,
        reexecution_options=dg.ReexecutionOptions(parent_run_id=first.run_id, step_selection=["stories"]),
    )
    assert again.success, failures(again)
    parents = len(warehouse.rows("tasks", paid)) + len(warehouse.rows("subtasks", paid))
    assert 0 < len(warehouse.asana.log) - before <= parents - 15
    warehouse.assert_true(paid)


@pytest.mark.slow
def test_two_syncs_of_one_workspace_at_once_lose_and_double_nothing(make_warehouse: MakeWarehouse) -> None:
    warehouse = make_warehouse(latency=0.01)
    paid = warehouse.asana.organization.traps["paid_organization"]
    warehouse.settings["ASANA_WORKSPACES"] = paid
    both = [start(warehouse, "--checkpoint-rows", "40") for _ in range(2)]
    outcomes = [(running.communicate(timeout=120)[1], running.returncode) for running in both]
    for errors, code in outcomes:
        assert code in {0, 1}
        assert "Traceback" not in errors
    assert warehouse.run("refresh_workspaces").success
    result = warehouse.run("sync_workspace", paid)
    assert result.success, failures(result)
    warehouse.assert_true(paid)


@pytest.mark.slow
def test_syncs_of_different_workspaces_at_once_both_succeed_always(make_warehouse: MakeWarehouse) -> None:
    warehouse = make_warehouse()
    small = [warehouse.asana.organization.traps[name] for name in ("free_organization", "personal_workspace")]
    select = [word for name in ("users", "projects", "tasks", "status_updates") for word in ("--select", name)]
    for _ in range(20):
        both = [start(warehouse, "--workspace", gid, *select) for gid in small]
        for running in both:
            finish(running)
    assert warehouse.run("refresh_workspaces").success
    for gid in small:
        assert warehouse.run("sync_workspace", gid).success
    warehouse.assert_true(*small)
