"""The command `python -m asana_assets.sandbox`."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from typing import TYPE_CHECKING

import requests

from asana_assets.sandbox.__main__ import main

if TYPE_CHECKING:
    import pytest

_MODULE = [sys.executable, "-m", "asana_assets.sandbox", "--scale", "tiny", "--latency", "0"]
_FETCH = """
import os, sys, urllib.request
url = os.environ["ASANA_BASE_URL"] + "/users/me"
request = urllib.request.Request(url, headers={"Authorization": "Bearer " + os.environ["ASANA_ACCESS_TOKEN"]})
with urllib.request.urlopen(request) as response:
    print(response.status, os.environ.get("ASANA_REQUESTS_PER_SECOND"))
sys.exit(7)
"""


def _run(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    clean = {name: value for name, value in os.environ.items() if not name.startswith("ASANA_")}
    return subprocess.run(  # noqa: S603 - our own interpreter
        [*_MODULE, *arguments], capture_output=True, text=True, timeout=60, check=False, env={**clean, **environment}
    )


def test_a_command_runs_against_the_sandbox_and_determines_the_exit_code() -> None:
    result = _run("--", sys.executable, "-c", _FETCH)
    assert (result.returncode, result.stdout, result.stderr) == (7, "200 24.75\n", "")


def test_a_rate_that_is_already_set_is_kept() -> None:
    result = _run("--requests-per-minute", "600", "--", sys.executable, "-c", _FETCH, ASANA_REQUESTS_PER_SECOND="3")
    assert result.stdout == "200 3\n"


def test_the_truth_is_printed_as_a_table(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--scale", "reference", "--truth", "--", "true"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split() for line in lines if line.startswith("tasks")] == [["tasks", "246"]]
    assert lines[-1].startswith("A complete sync takes at least ")


def test_a_missing_command_is_reported_without_a_traceback(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--scale", "tiny", "--", "/no/such/command"]) == 127
    assert capsys.readouterr().err == "Cannot run /no/such/command: No such file or directory.\n"


_WAIT = """
import time
try:
    print("waiting", flush=True)
    time.sleep(60)
except KeyboardInterrupt:
    raise SystemExit(9)
"""


def test_an_interrupt_is_forwarded_to_the_command_which_determines_the_exit_code() -> None:
    command = [*_MODULE, "--", sys.executable, "-c", _WAIT]
    pipe = subprocess.PIPE
    with subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=pipe, stderr=pipe, text=True) as process:  # noqa: S603 - our own interpreter
        assert process.stdout is not None
        assert process.stdout.readline() == "waiting\n"
        process.send_signal(signal.SIGINT)
        assert process.wait(timeout=20) == 9


def test_without_a_command_it_serves_until_interrupted() -> None:
    with subprocess.Popen(_MODULE, stdout=subprocess.PIPE, text=True) as process:  # noqa: S603 - our own interpreter
        assert process.stdout is not None
        url, token = (process.stdout.readline().split(": ")[1].strip() for _ in range(2))
        response = requests.get(f"{url}/users/me", headers={"Authorization": f"Bearer {token}"}, timeout=10)
        assert response.status_code == 200
        process.send_signal(signal.SIGINT)
        assert process.wait(timeout=10) == 0
