"""A copy of the project in a directory of its own, and a shell there that knows nothing of this one."""

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

from asana_assets_tests.support.doc_pages import ROOT, Block, blocks

ADDING = "docs/adding-an-endpoint.md"

STAYS = "make dev"
"""The command that does not end by itself."""

_MARK = "-- the end of a block --"
_KEPT = re.compile(r"(PATH|LANG|LC_\w+|(PIP|UV|SSL|HTTPS?|ALL|NO|https?|all|no)_\w+|\w*CERT\w*)")
"""Of our environment: what finds programs and the package index."""


@dataclass(frozen=True, slots=True)
class Project:
    """A copy.

    Attributes:
        root: Where it is.
        settings: The environment of its shell, beside what every shell has.
    """

    root: Path
    settings: dict[str, str] = field(default_factory=dict[str, str])

    @property
    def environment(self) -> dict[str, str]:
        kept = {name: value for name, value in os.environ.items() if _KEPT.fullmatch(name)}
        own = os.pathsep.join(path for path in kept["PATH"].split(os.pathsep) if not path.startswith(str(ROOT)))
        state = str(self.root.with_name("state"))  # the pace is the user's: this one's must not be waited for
        return {**kept, "PATH": own, "HOME": os.environ["HOME"], "XDG_STATE_HOME": state, **self.settings}

    def run(self, blocks: Sequence[Block], *, typed: str = "") -> list[str]:
        """Run the blocks in one shell, in their order; give what each printed. `typed` is there for who asks."""
        script = ["set -eu"]
        for block in blocks:
            script += [*commands(block), f"printf '\\n%s\\n' '{_MARK}'"]
        done = subprocess.run(  # noqa: S603 # our own pages
            ["/bin/bash", "-c", "\n".join(script)],
            cwd=self.root,
            env=self.environment,
            input=typed,
            start_new_session=True,  # without a terminal, at which a password would be asked for
            capture_output=True,
            text=True,
            timeout=540,
            check=False,
        )
        outputs = done.stdout.split(f"\n{_MARK}\n")
        assert done.returncode == 0, f"{blocks[len(outputs) - 1]}: {outputs[-1]}\n{done.stderr}"
        return outputs[:-1]


def commands(block: Block) -> Iterator[str]:
    """Give the lines to run: all but those that do not end, or that want a value of yours."""
    for line in block.text.splitlines():
        if not line.startswith(STAYS) and "…" not in line:
            yield line


def shell(page: str) -> list[Block]:
    """Give the blocks of commands that are to be run."""
    return [block for block in blocks(page, "sh") if block.not_run is None]


def copy_project(target: Path, *, installed: bool, **settings: str) -> Project:
    """Copy what a clone would have; `installed`: with our `.venv`, which its Makefile takes for its own."""
    ignored = [line.strip("/") for line in (ROOT / ".gitignore").read_text().split()]
    shutil.copytree(ROOT, target, ignore=shutil.ignore_patterns(".git", *ignored))
    if installed:
        (target / ".venv").mkdir()
        for entry in Path(sys.prefix).iterdir():
            (target / ".venv" / entry.name).symlink_to(entry)
        (target / ".venv" / "installed").unlink(missing_ok=True)
        (target / ".venv" / "installed").touch()  # newer than the files it is made of
    # What is installed there is the project from its first directory, and not the copy.
    return Project(target, {"PYTHONPATH": str(target), **settings} if installed else settings)


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


def resembles(shown: str, output: str) -> bool:
    """Whether the lines that a page shows are in the output, in their order; … stands for what may differ."""
    lines = iter(_squeezed(line) for line in output.splitlines())
    for line in shown.splitlines():
        if line.strip() == "…":
            continue
        pattern = ".*".join(re.escape(part) for part in _squeezed(line).split("…"))
        if not any(re.fullmatch(pattern, candidate) for candidate in lines):
            return False
    return True


def _squeezed(line: str) -> str:
    return " ".join(line.split())


# --- the example of a new endpoint

ANSWER: dict[str, Any] = {
    "data": [
        {
            "gid": "1200000000000101",
            "resource_type": "custom_field",
            "name": "Priority",
            "resource_subtype": "enum",
            "description": "How soon",
            "precision": None,
            "currency_code": None,
            "enum_options": [{"gid": "1200000000000102", "name": "High", "color": "red", "enabled": True}],
            "created_by": {"gid": "1200000000000103"},
        }
    ],
    "next_page": None,
}
"""As Asana would answer."""


def example() -> str:
    [block] = blocks(ADDING, "python")
    return block.text


def add_endpoint(root: Path) -> None:
    """Do in a copy of the project what the page says."""
    file = root / "asana_assets" / "asana" / "endpoints.py"
    catalogue, names = file.read_text().split("\nENDPOINTS = (\n")
    file.write_text(f"{catalogue}\n{example()}\n\nENDPOINTS = (\n    CUSTOM_FIELDS,\n{names}")
