"""Every command of the pages, run in a copy of the project as a new user would run it: in order, starting empty."""

import json
import os
import signal
import subprocess
import time
import urllib.request
from collections.abc import Generator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import duckdb
import pytest

from asana_assets.asana.endpoints import STANDARD_ENDPOINTS
from asana_assets.sandbox import Sandbox, build_organization
from asana_assets_tests.support.doc_answers import answers, assert_same
from asana_assets_tests.support.doc_pages import GUIDE, PAGES, blocks, questions, views
from asana_assets_tests.support.doc_project import (
    ADDING,
    SERVER_COMMAND,
    STATUSES_RESPONSE,
    Project,
    add_endpoint,
    commands,
    copy_project,
    free_port,
    resembles,
    shell,
)

START = "docs/getting-started.md"
OPERATIONS = "docs/operations.md"
RUNBOOK = "docs/runbook.md"
CHOOSING = "docs/choosing.md"
MAX_SECONDS = 5 * 60
"""Seconds within which a new user sees a green graph and a first result, on an idle machine."""


def shown_outputs(page: str) -> list[tuple[int, str]]:
    """Return each output that a page shows, with the index of the command block that prints it."""
    number, found = -1, list[tuple[int, str]]()
    for block in blocks(page):
        number += block.kind == "sh" and block.not_run is None
        if block.kind == "text":
            found.append((number, block.text))
    return found


def run_page(page: str, project: Project, *, typed: str = "") -> None:
    outputs = project.run(shell(page), typed=typed)
    for number, text in shown_outputs(page):
        assert resembles(text, outputs[number]), f"{page} shows\n{text}\nbut the output is\n{outputs[number]}"


def settings(asana: Sandbox, *workspaces: str) -> dict[str, str]:
    """Return settings that make the sandbox stand in for the user's own account."""
    return {
        "ASANA_BASE_URL": asana.url,
        "ASANA_ACCESS_TOKEN": asana.token,
        "ASANA_REQUESTS_PER_SECOND": "500",
        "ASANA_WORKSPACES": ",".join(asana.organization.edge_cases[name] for name in workspaces),
    }


def test_every_page_with_commands_is_run() -> None:
    installations = {"docs/api.md", "docs/downstream.md"}  # run by test_wheel
    commands = {START, OPERATIONS, RUNBOOK, ADDING, CHOOSING, "README.md"}
    assert {page for page in PAGES if shell(page)} == commands | installations


# --- a new user


def run_graphql(port: int, query: str) -> Any:
    request = urllib.request.Request(
        f"http://127.0.0.1:{port}/graphql",
        data=json.dumps({"query": query}).encode(),
        headers={"Content-Type": "application/json"},
    )
    with urllib.request.urlopen(request, timeout=30) as response:  # noqa: S310 - our own server
        return json.load(response)["data"]


GRAPH = """{
  runsOrError(limit: 20) { ... on Runs { results { jobName status } } }
  assetNodes {
    assetKey { path }
    assetMaterializations(limit: 1) { runId }
    partitionStats { numPartitions numMaterialized numFailed }
  }
}"""


@contextmanager
def run_server(project: Project) -> Generator[int]:
    """Run `make dev` on a free port, yield the port, and stop it like Ctrl-C."""
    port = free_port()
    log = project.root / "dev.log"
    with log.open("w") as output:
        server = subprocess.Popen(  # noqa: S603 - our own Makefile
            SERVER_COMMAND.split(),
            cwd=project.root,
            env={**project.environment, "DAGSTER_DG_DEV_PORT": str(port)},
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        try:
            yield port
        finally:
            os.killpg(server.pid, signal.SIGINT)
            try:
                server.wait(60)
            finally:
                with suppress(ProcessLookupError):
                    os.killpg(server.pid, signal.SIGKILL)


def wait_for_green(port: int, seconds: float) -> None:
    """Wait until the graph shows every partition of every asset as materialized."""
    deadline = time.monotonic() + seconds
    graph: Any = "no response"
    while time.monotonic() < deadline:
        time.sleep(1)
        try:
            graph = run_graphql(port, GRAPH)
        except OSError:  # not up yet
            continue
        runs = graph["runsOrError"]["results"]
        assert all(run["jobName"] == "asana_sync_workspace" and run["status"] != "FAILURE" for run in runs), runs
        if len(runs) == 3 and all(run["status"] == "SUCCESS" for run in runs):
            assert {node["assetKey"]["path"][-1] for node in graph["assetNodes"]} == {
                endpoint.name for endpoint in STANDARD_ENDPOINTS
            }
            for node in graph["assetNodes"]:
                assert node["assetMaterializations"], node
                green = {"numPartitions": 3, "numMaterialized": 3, "numFailed": 0}
                assert node["partitionStats"] in (None, green), node
            return
    pytest.fail(f"not green after {seconds:.0f} s: {graph}")


@pytest.mark.slow
def test_a_new_user_gets_a_green_graph_and_a_query_result_within_five_minutes(tmp_path: Path) -> None:
    """Starts with nothing installed, and without an account."""
    project = copy_project(tmp_path / "clone", installed=False)
    started_at = time.monotonic()
    *first, own = [block for block in shell(START) if list(commands(block))][:3]
    assert first[0].text == "make demo"
    assert own.text.startswith(".venv/bin/asana-assets connect")
    outputs = project.run(first)
    assert all(resembles(text, output) for (_, text), output in zip(shown_outputs(START), outputs, strict=True))
    with run_server(project) as port:
        wait_for_green(port, 2 * MAX_SECONDS)
        seconds = time.monotonic() - started_at
    load = os.getloadavg()[1] / (2 * (os.cpu_count() or 1))  # above 1 if other processes compete for the machine
    assert seconds < MAX_SECONDS * max(1.0, load)


@pytest.mark.slow
def test_getting_started_continues_with_the_users_own_account(tmp_path: Path) -> None:
    with Sandbox("demo") as asana:
        without_token = {name: value for name, value in settings(asana).items() if name != "ASANA_ACCESS_TOKEN"}
        project = copy_project(tmp_path / "clone", installed=True, **without_token)
        run_page(START, project, typed=f"{asana.token}\n")
        assert asana.token in (project.root / ".env").read_text()


# --- the other pages


@pytest.mark.slow
def test_the_commands_of_the_readme_run(tmp_path: Path) -> None:
    with Sandbox("demo") as asana:  # only its small workspaces, because the README sets the rate of a free plan
        small = settings(asana, "free_organization", "personal_workspace")
        project = copy_project(tmp_path / "clone", installed=True, **small)
        run_page("README.md", project, typed=f"{asana.token}\n")
    assert (project.root / "asana_data" / "catalog.db").exists()


@pytest.mark.slow
def test_the_commands_of_operations_run(tmp_path: Path) -> None:
    with Sandbox() as asana:
        project = copy_project(tmp_path / "clone", installed=True, **settings(asana))
        sync = [".venv/bin/asana-assets", "sync"]
        subprocess.run(sync, cwd=project.root, env=project.environment, check=True, capture_output=True)  # noqa: S603 - a fixed command
        outputs = project.run(shell(OPERATIONS))
    [schedules] = [output for output in outputs if "asana_daily [" in output]
    assert "asana_daily [RUNNING]" in schedules
    assert "frequent [STOPPED]" in schedules


@pytest.mark.slow
def test_the_commands_of_the_runbook_and_those_that_remove_former_values_run(tmp_path: Path) -> None:
    with Sandbox() as asana:
        project = copy_project(tmp_path / "clone", installed=True, **settings(asana))
        sync = [".venv/bin/asana-assets", "sync", "--select", "tags"]
        subprocess.run(sync, cwd=project.root, env=project.environment, check=True, capture_output=True)  # noqa: S603 - a fixed command
        [forgotten_and_synced] = project.run(shell(CHOOSING))
        *_, forgotten, status = project.run(shell(RUNBOOK))
    assert "of Cat lovers" in forgotten
    assert {one["name"] for one in json.loads(status)["workspaces"]} == {"Catnip & Co.", "Personal projects"}
    assert "of Cat lovers" in forgotten_and_synced


@pytest.mark.slow
def test_the_commands_for_a_new_endpoint_run(tmp_path: Path) -> None:
    with Sandbox() as asana:
        main = asana.organization.edge_cases["main_project"]
        asana.add_fault("/projects/{project_gid}/project_statuses", 200, body={"data": [], "next_page": None})
        asana.add_fault(f"/projects/{main}/project_statuses", 200, body=STATUSES_RESPONSE)
        project = copy_project(tmp_path / "clone", installed=True, **settings(asana, "paid_organization"))
        add_endpoint(project.root)
        run_page(ADDING, project)
        paths = [entry.path for entry in asana.log]
        assert paths[-1].endswith("/project_statuses")
    assert (project.root / "asana_data" / "warehouse" / "asana" / "project_statuses").is_dir()


@pytest.mark.slow
def test_the_guides_queries_return_the_expected_rows_from_the_demos_tables(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    project = copy_project(tmp_path / "clone", installed=True)
    [demo] = [block for block in shell(START) if block.text == "make demo"]
    project.run([demo])
    monkeypatch.chdir(project.root)
    scope: dict[str, Any] = {}
    [open_tables, describe_columns] = blocks(GUIDE, "python")
    exec(open_tables.text, scope)  # noqa: S102 - readers run this code, too
    assert "Catnip & Co." in capfd.readouterr().out
    exec(describe_columns.text, scope)  # noqa: S102 - readers run this code, too
    assert "num_subtasks long Number of direct subtasks." in capfd.readouterr().out
    database = scope["db"]
    assert isinstance(database, duckdb.DuckDBPyConnection)
    for view in views():
        database.execute(view)
    expected = answers(Sandbox(organization=build_organization(scale="demo")))
    for sql, rows in zip(questions(), expected, strict=True):
        assert_same(database.execute(sql).fetchall(), rows)
    [query] = blocks("docs/concepts.md", "sql")
    tracked = {row[0] for row in database.execute(query.text).fetchall()}
    assert tracked == {"tasks", *(endpoint.name for endpoint in STANDARD_ENDPOINTS if endpoint.is_child)}
