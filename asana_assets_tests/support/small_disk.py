"""A file system of limited size, mounted over a directory for some commands only: a tmpfs in a namespace of its own."""

import shlex
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Self

_UNSHARE = ("unshare", "--map-root-user", "--mount", "sh")
_MARKER = "exit code "


def can_mount() -> bool | None:
    """Return None if this user may not mount a file system, not even in a namespace."""
    if shutil.which(_UNSHARE[0]) is None:
        return None
    command = [*_UNSHARE, "-c", "mount -t tmpfs tmpfs /mnt"]
    return subprocess.run(command, capture_output=True, check=False).returncode == 0 or None  # noqa: S603 - constant


class SmallDisk:
    """A context manager that copies a directory to a small file system, and the result back to the directory.

    Commands see the small file system at the directory's path; everything else sees the original.
    """

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._copy = directory.with_name(f"{directory.name}-copy")
        self._shell = subprocess.Popen(_UNSHARE, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)  # noqa: S603 - constant

    def __enter__(self) -> Self:
        source, copy = shlex.quote(str(self._directory)), shlex.quote(str(self._copy))
        self._check(
            f"cp -a {source} {copy} && mount -t tmpfs tmpfs {source} && cp -a {copy}/. {source} && rm -r {copy}"
        )
        return self

    def __exit__(self, *_: object) -> None:
        self._check(f"cp -a {shlex.quote(str(self._directory))} {shlex.quote(str(self._copy))}")
        self._shell.communicate(timeout=60)
        shutil.rmtree(self._directory)
        self._copy.rename(self._directory)

    def leave_free(self, kilobytes: int) -> None:
        """Change the size such that this much is free."""
        used = f"$(df -k --output=used {shlex.quote(str(self._directory))} | tail -n 1)"
        self._check(f"mount -o remount,size=$(({used} + {kilobytes}))k {shlex.quote(str(self._directory))}")

    def run(self, command: Sequence[str], environment: Mapping[str, str]) -> tuple[int, str]:
        """Run a command with this environment only; return its exit code and what it printed."""
        variables = [f"{name}={value}" for name, value in environment.items()]
        return self._run(shlex.join(["env", "-i", *variables, *command]))

    def _check(self, commands: str) -> None:
        code, output = self._run(commands)
        assert code == 0, output

    def _run(self, commands: str) -> tuple[int, str]:
        assert self._shell.stdin is not None
        assert self._shell.stdout is not None
        self._shell.stdin.write(f"{{ {commands}; }} 2>&1 </dev/null; code=$?; echo; echo {_MARKER}$code\n")
        self._shell.stdin.flush()
        lines = list[str]()
        for line in self._shell.stdout:
            if line.startswith(_MARKER):
                return int(line.removeprefix(_MARKER)), "".join(lines)
            lines.append(line)
        raise RuntimeError("".join(lines))
