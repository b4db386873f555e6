"""Runs `asana-assets` in a terminal of its own, 80 columns wide and without colors."""

import fcntl
import os
import pty
import struct
import subprocess
import sys
import termios
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path

COLUMNS = 80
_COMMAND = str(Path(sys.executable).with_name("asana-assets"))


def run_in_terminal(arguments: Sequence[str], environment: Mapping[str, str]) -> tuple[int, list[str]]:
    """Run the command with these environment variables only; return its exit code and the lines that it printed."""
    master, slave = pty.openpty()
    fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", 24, COLUMNS, 0, 0))
    process = subprocess.Popen(  # noqa: S603 - our own command
        [_COMMAND, *arguments],
        env={"PATH": os.environ["PATH"], "TERM": "dumb", **environment},
        stdin=slave,
        stdout=slave,
        stderr=slave,
    )
    os.close(slave)
    output = b""
    with suppress(OSError):  # raised when the process has closed its end
        while chunk := os.read(master, 1 << 16):
            output += chunk
    os.close(master)
    return process.wait(timeout=60), [line.rstrip() for line in output.decode().splitlines()]
