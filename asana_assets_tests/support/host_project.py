"""A project of someone else, scaffolded with Dagster's own tools, and the commands of `dg` in it."""

import os
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

_SUPPRESS = '\n[tool.dg.cli]\nsuppress_warnings = ["project_and_activated_venv_mismatch"]\n'


@dataclass(frozen=True, slots=True, kw_only=True)
class HostProject:
    """The project in a directory.

    Attributes:
        root: The directory.
        environment: The variables of its commands.
    """

    root: Path
    environment: Mapping[str, str]

    @property
    def defs(self) -> Path:
        return self.root / "src" / "host" / "defs"

    def run(self, *command: str) -> str:
        """Run a command of the environment's in the project and return what it prints."""
        return _run(self.root, self.environment, *command)


def scaffold_project(directory: Path, **variables: str) -> HostProject:
    """Scaffold a project with `create-dagster`, with an instance of its own."""
    home = directory / "dagster_home"
    home.mkdir()
    (home / "dagster.yaml").write_text("telemetry: {enabled: false}\n")
    environment = {
        "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
        "HOME": str(directory),
        "DAGSTER_HOME": str(home),
        "PYTHONPATH": str(directory / "host" / "src"),  # instead of installing the project
        **variables,
    }
    _run(directory, environment, "create-dagster", "project", "host", "--no-uv-sync")
    project = HostProject(root=directory / "host", environment=environment)
    with (project.root / "pyproject.toml").open("a") as file:
        file.write(_SUPPRESS)
    return project


def _run(directory: Path, environment: Mapping[str, str], *command: str) -> str:
    completed = subprocess.run(  # noqa: S603 - development dependencies
        command, cwd=directory, env=environment, capture_output=True, text=True, timeout=300, check=False
    )
    assert completed.returncode == 0, f"{command}: {completed.stdout}\n{completed.stderr}"
    return completed.stdout
