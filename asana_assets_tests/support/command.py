"""Runs `asana-assets` as a process of its own."""

import os
import subprocess
import sys
from pathlib import Path

from asana_assets.sandbox import Sandbox

_COMMAND = str(Path(sys.executable).with_name("asana-assets"))


def run(
    directory: Path, asana: Sandbox, *arguments: str, typed: str = "", **settings: str
) -> subprocess.CompletedProcess[str]:
    """Run the command in this directory, with these settings and no others."""
    environment = {
        "PATH": os.environ["PATH"],
        "HOME": str(directory),
        "ASANA_BASE_URL": asana.url,
        "ASANA_REQUESTS_PER_SECOND": "1000",
        **settings,
    }
    return subprocess.run(  # noqa: S603 - our own command
        [_COMMAND, *arguments],
        cwd=directory,
        env=environment,
        input=typed,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
