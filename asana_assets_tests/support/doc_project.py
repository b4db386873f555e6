"""A copy of the project in its own directory, and a shell there with a clean environment."""

import os
import re
import shutil
import socket
import subprocess
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from asana_assets.asana import endpoints, field_types, model, shared_columns
from asana_assets_tests.support.doc_pages import ROOT, Block, blocks

ADDING = "docs/adding-an-endpoint.md"

SERVER_COMMAND = "make dev"
"""The command that runs until it is interrupted."""

_END_OF_BLOCK = "-- end of block --"
_INHERITED = re.compile(
    r"(PATH|LANG|LC_\w+|(PIP|UV|SSL|HTTPS?|ALL|NO|https?|all|no)_\w+|\w*CERT\w*)"
)  # for programs and the index


@dataclass(frozen=True, slots=True)
class Project:
    """A copy of the project.

    Attributes:
        root: The directory of the copy.
        settings: Variables in the environment of its shell, besides the inherited ones.
    """

    root: Path
    settings: dict[str, str] = field(default_factory=dict[str, str])

    @property
    def environment(self) -> dict[str, str]:
        """The environment of the shell, in which this project's own programs are not on the PATH."""
        inherited = {name: value for name, value in os.environ.items() if _INHERITED.fullmatch(name)}
        path = os.pathsep.join(
            entry for entry in inherited["PATH"].split(os.pathsep) if not entry.startswith(str(ROOT))
        )
        state = str(self.root.with_name("state"))  # the rate limit is per user: do not wait for other tests' requests
        return {**inherited, "PATH": path, "HOME": os.environ["HOME"], "XDG_STATE_HOME": state, **self.settings}

    def run(self, blocks: Sequence[Block], *, typed: str = "") -> list[str]:
        """Run the blocks in one shell, in order, and return the output of each. `typed` is the shell's stdin."""
        script = ["set -eu"]
        for block in blocks:
            script += [*commands(block), f"printf '\\n%s\\n' '{_END_OF_BLOCK}'"]
        completed = subprocess.run(  # noqa: S603 - the commands are from our own pages
            ["/bin/bash", "-c", "\n".join(script)],
            cwd=self.root,
            env=self.environment,
            input=typed,
            start_new_session=True,  # without a terminal, from which a prompt for a password would read
            capture_output=True,
            text=True,
            timeout=540,
            check=False,
        )
        outputs = completed.stdout.split(f"\n{_END_OF_BLOCK}\n")
        assert completed.returncode == 0, f"{blocks[len(outputs) - 1]}: {outputs[-1]}\n{completed.stderr}"
        return outputs[:-1]


def commands(block: Block) -> Iterator[str]:
    """Yield the lines to run: all except the server command, and lines with a placeholder (…)."""
    for line in block.text.splitlines():
        if not line.startswith(SERVER_COMMAND) and "…" not in line:
            yield line


def shell(page: str) -> list[Block]:
    """Return the blocks of shell commands that the tests run."""
    return [block for block in blocks(page, "sh") if block.not_run is None]


def copy_project(target: Path, *, installed: bool, **settings: str) -> Project:
    """Copy the files that a clone would contain.

    Args:
        target: The directory to create.
        installed: Link this project's `.venv` into the copy, whose Makefile then considers it installed.
        settings: Variables in the environment of the copy's shell.
    """
    ignored = [line.strip("/") for line in (ROOT / ".gitignore").read_text().split()]
    shutil.copytree(ROOT, target, ignore=shutil.ignore_patterns(".git", *ignored))
    if installed:
        (target / ".venv").mkdir()
        for entry in Path(sys.prefix).iterdir():
            (target / ".venv" / entry.name).symlink_to(entry)
        (target / ".venv" / "installed").unlink(missing_ok=True)
        (target / ".venv" / "installed").touch()  # newer than the files that make compares it with
    # The linked .venv imports this project: PYTHONPATH puts the copy first.
    return Project(target, {"PYTHONPATH": str(target), **settings} if installed else settings)


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


def resembles(shown: str, output: str) -> bool:
    """Return whether the output contains the lines that a page shows, in order; … matches any text."""
    lines = iter(_squeeze(line) for line in output.splitlines())
    for line in shown.splitlines():
        if line.strip() == "…":
            continue
        pattern = ".*".join(re.escape(part) for part in _squeeze(line).split("…"))
        if not any(re.fullmatch(pattern, candidate) for candidate in lines):
            return False
    return True


def _squeeze(line: str) -> str:
    return " ".join(line.split())


# --- the example of a new endpoint

STATUSES_RESPONSE: dict[str, Any] = {
    "data": [
        {
            "gid": "1200000000000101",
            "resource_type": "project_status",
            "title": "Week 1",
            "text": "All is well.",
            "html_text": "<body>All is well.</body>",
            "color": "green",
            "author": {"gid": "1200000000000103"},
            "created_at": "2024-01-02T09:00:00.000Z",
            "created_by": {"gid": "1200000000000103"},
            "modified_at": "2024-01-02T09:00:00.000Z",
        }
    ],
    "next_page": None,
}
"""Asana's response for the endpoint of the example."""


def endpoint_scope() -> dict[str, Any]:
    """Return the names that the modules of the endpoint registry use."""
    return {**vars(field_types), **vars(model), **vars(shared_columns), **vars(endpoints)}


def example() -> str:
    """Return the code of the new endpoint, which is the page's last block of Python."""
    *_, block = blocks(ADDING, "python")
    return block.text


def add_endpoint(root: Path) -> None:
    """Add the endpoint of the example to a copy of the project, as the page describes."""
    package = root / "asana_assets" / "asana" / "endpoints"
    (package / "project_statuses.py").write_text(example())
    registry = package / "__init__.py"
    text = registry.read_text().replace(
        "\n__all__", "from asana_assets.asana.endpoints.project_statuses import PROJECT_STATUSES\n\n__all__"
    )
    end = ')\n"""All endpoints'
    assert text.count(end) == 1
    registry.write_text(text.replace(end, f"    PROJECT_STATUSES,\n{end}"))
