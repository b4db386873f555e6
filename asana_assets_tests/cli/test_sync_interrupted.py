"""`asana-assets sync`, interrupted by a signal: its exit code, what it says, and that the next one resumes."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from asana_assets_tests.support.plan_command import command_environment
from asana_assets_tests.support.sync_harness import MakeWarehouse, Warehouse

pytestmark = pytest.mark.slow

HOW_TO_RESUME = "Run asana-assets sync again within 12 hours to resume it"
COMMAND = str(Path(sys.executable).with_name("asana-assets"))


def start(warehouse: Warehouse, *arguments: str) -> subprocess.Popen[str]:
    return subprocess.Popen(  # noqa: S603 - our own command
        [COMMAND, "sync", *arguments],
        env={"PATH": os.environ["PATH"], **command_environment(warehouse)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def wait_for(warehouse: Warehouse, path: str) -> None:
    """Wait until the path was requested."""
    deadline = time.monotonic() + 60
    while not any(entry.path == path for entry in list(warehouse.asana.log)):
        assert time.monotonic() < deadline
        time.sleep(0.01)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupted_sync_says_what_was_not_started_and_the_next_one_resumes_it(
    make_warehouse: MakeWarehouse, number: signal.Signals
) -> None:
    warehouse = make_warehouse()
    workspaces = [str(record["gid"]) for record in warehouse.asana.truth("workspaces")]
    names = [str(record["name"]) for record in warehouse.asana.truth("workspaces")]
    hang = warehouse.asana.add_fault("/tags", "hang", hang_seconds=5)
    arguments = ["--select", "users", "--select", "tags", "--select", "webhooks"]
    running = start(warehouse, *arguments)
    wait_for(warehouse, "/tags")
    time.sleep(1)  # until the step of tags runs, which was prefetched
    running.send_signal(number)
    output, errors = running.communicate(timeout=60)
    assert running.returncode == 130, errors
    assert errors.splitlines() == [
        f"Interrupted: tags of workspace {names[0]} was stopped. {HOW_TO_RESUME}.",
        f"Not started: webhooks of workspace {names[0]}, because the sync was interrupted.",
        f"Not started: workspaces {', '.join(names[1:])}, because the sync was interrupted.",
    ]
    assert "users" in output
    hang.cancel()
    before = len(warehouse.asana.log)
    resumed = start(warehouse, *arguments)
    output, errors = resumed.communicate(timeout=60)
    assert (resumed.returncode, errors) == (0, "")
    assert any(
        line[20:].startswith(f"Resuming the sync of {names[0]} that started at ") for line in output.splitlines()
    )
    users = [entry.query["workspace"] for entry in warehouse.asana.log[before:] if entry.path == "/users"]
    assert users == workspaces[1:]
