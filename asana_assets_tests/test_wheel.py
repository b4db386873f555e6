"""The wheel: what it contains, and how it installs and works where nothing else of this project is.

Installing needs the package index that pip or uv is configured with.
"""

import json
import os
import pickle
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any
from zipfile import ZipFile

import pytest

from asana_assets.sandbox import Sandbox
from asana_assets_tests.support.doc_pages import ROOT, blocks
from asana_assets_tests.support.doc_project import Project, copy_project, shell

API = "docs/api.md"
DOWNSTREAM = "docs/downstream.md"
UV = Path(sys.prefix) / "bin" / "uv"
NEIGHBORS = ["dbt-core<1.12", "dlt", "dagster-cloud"]  # newer releases of dbt-core download binaries while they build

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def user(tmp_path_factory: pytest.TempPathFactory) -> Project:
    """A clone, and an environment into which the wheel is installed as the page says."""
    root = tmp_path_factory.mktemp("user")
    project = copy_project(root / "clone", installed=False, DAGSTER_HOME=str(root / "dagster_home"))
    (root / "dagster_home").mkdir()
    subprocess.run([sys.executable, "-m", "venv", root / "environment"], check=True)  # noqa: S603 - our own Python
    project.settings["PATH"] = f"{root / 'environment' / 'bin'}{os.pathsep}{project.environment['PATH']}"
    project.run([*shell(API), *shell(DOWNSTREAM)])
    return project


@pytest.fixture(scope="module")
def wheel(user: Project) -> Path:
    [path] = (user.root / "dist").iterdir()
    return path


def install(environment: Path, *requirements: str) -> Path:
    """Create an environment with these requirements and return the directory of its programs."""
    for command in (
        ["venv", "--quiet", "--python", sys.executable, environment],
        ["pip", "install", "--quiet", "--python", environment / "bin" / "python", *requirements],
        ["pip", "check", "--quiet", "--python", environment / "bin" / "python"],
    ):
        subprocess.run([UV, *command], check=True, timeout=600)  # noqa: S603 - our own program
    return environment / "bin"


def run(command: Sequence[str | Path], **options: Any) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(command, capture_output=True, text=True, timeout=300, check=False, **options)  # noqa: S603 - our own programs


def test_the_wheel_contains_the_package_and_nothing_else(wheel: Path) -> None:
    names = ZipFile(wheel).namelist()
    packages = {Path(name).parts[0] for name in names}
    assert packages == {"asana_assets", wheel.name.removesuffix("-py3-none-any.whl") + ".dist-info"}
    package = ROOT / "asana_assets"
    files = {str(path.relative_to(ROOT)) for path in package.rglob("*") if path.suffix in {".py", ".typed"}}
    assert {name for name in names if name.startswith("asana_assets/")} == files
    assert "asana_assets/py.typed" in names


def test_without_extras_the_api_imports_and_what_is_missing_is_named(wheel: Path, tmp_path: Path) -> None:
    programs = install(tmp_path / "environment", str(wheel))
    imported = run([programs / "python", "-c", "from asana_assets import *; from asana_assets import __version__"])
    assert (imported.returncode, imported.stderr) == (0, "")
    command = run([programs / "asana-assets", "sync"])
    needed = "pydantic_settings, which is not installed: run pip install 'asana-assets[cli]'"
    assert (command.returncode, command.stderr) == (1, f"asana-assets needs {needed}\n")
    code_location = run([programs / "python", "-c", "import asana_assets.definitions"])
    assert code_location.stderr.endswith(f"asana_assets.definitions needs {needed}\n")
    sandbox = run([programs / "python", "-m", "asana_assets.sandbox"])
    assert sandbox.stderr.endswith("uvicorn, which is not installed: run pip install 'asana-assets[cli]'\n")


def test_it_installs_beside_dbt_dlt_and_dagster_cloud(wheel: Path, tmp_path: Path) -> None:
    programs = install(tmp_path / "environment", f"{wheel}[aws,cli,snowflake,webserver]", *NEIGHBORS)
    program = (
        "import dbt.version, dlt, dagster_cloud; from asana_assets.definitions import defs; print(len([*defs.assets]))"
    )
    loaded = run([programs / "python", "-c", program], cwd=tmp_path)
    assert loaded.stdout == "15\n", loaded.stderr


def test_the_installed_command_syncs_and_the_pages_assets_load_what_it_stored(user: Project) -> None:
    directory = user.root.with_name("host")
    directory.mkdir()
    host, other = blocks(DOWNSTREAM, "python")
    (directory / "host.py").write_text(host.text)
    (directory / "other.py").write_text(other.text)

    def call(command: str, **environment: str) -> str:
        completed = run(["/bin/bash", "-c", command], cwd=directory, env={**user.environment, **environment})
        assert completed.returncode == 0, completed.stdout + completed.stderr
        return completed.stdout

    def load(name: str) -> Any:
        return pickle.loads((Path(user.settings["DAGSTER_HOME"]) / "storage" / name).read_bytes())  # noqa: S301 - our own file

    with Sandbox() as asana:
        paid = asana.organization.edge_cases["paid_organization"]
        settings = {"ASANA_BASE_URL": asana.url, "ASANA_ACCESS_TOKEN": asana.token, "ASANA_REQUESTS_PER_SECOND": "500"}
        synced = json.loads(
            call("asana-assets sync --json --select tasks --select projects --select users", **settings)
        )
        assert synced
        tasks = [task for one in asana.truth("workspaces") for task in asana.truth("tasks", str(one["gid"]))]
    call("dagster asset materialize -f host.py --select task_counts")
    assert sum(load("task_counts")["count_all"].to_pylist()) == len(tasks)
    call(f"dagster asset materialize -f host.py --select open_projects --partition {paid}")
    assert load(f"open_projects/{paid}").columns == ["gid", "name", "owner_gid"]
    call("dagster asset materialize -f other.py --select task_names")  # by default, each step has its own process
    assert load("task_names").num_rows == len(tasks)
