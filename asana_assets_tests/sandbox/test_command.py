"""`python -m asana_assets.sandbox`."""

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
_ASK = """
import os, sys, urllib.request
address = os.environ["ASANA_BASE_URL"] + "/users/me"
asked = urllib.request.Request(address, headers={"Authorization": "Bearer " + os.environ["ASANA_ACCESS_TOKEN"]})
with urllib.request.urlopen(asked) as answer:
    print(answer.status, os.environ.get("ASANA_REQUESTS_PER_SECOND"))
sys.exit(7)
"""


def _run(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    clean = {name: value for name, value in os.environ.items() if not name.startswith("ASANA_")}
    return subprocess.run(  # noqa: S603 - our own interpreter
        [*_MODULE, *arguments], capture_output=True, text=True, timeout=60, check=False, env={**clean, **environment}
    )


def test_a_command_runs_against_it_and_its_exit_code_counts() -> None:
    done = _run("--", sys.executable, "-c", _ASK)
    assert (done.returncode, done.stdout, done.stderr) == (7, "200 24.75\n", "")


def test_a_pace_that_is_set_stays() -> None:
    done = _run("--requests-per-minute", "600", "--", sys.executable, "-c", _ASK, ASANA_REQUESTS_PER_SECOND="3")
    assert done.stdout == "200 3\n"


def test_the_truth_is_a_table(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--scale", "reference", "--truth", "--", "true"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split() for line in lines if line.startswith("tasks")] == [["tasks", "246"]]
    assert lines[-1].startswith("Fewest requests in all")


def test_a_command_that_is_not_there_is_a_sentence(capsys: pytest.CaptureFixture[str]) -> None:
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


def test_an_interrupt_reaches_the_command_which_decides_the_exit_code() -> None:
    command = [*_MODULE, "--", sys.executable, "-c", _WAIT]
    pipe = subprocess.PIPE
    with subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=pipe, stderr=pipe, text=True) as running:  # noqa: S603 - our own interpreter
        assert running.stdout is not None
        assert running.stdout.readline() == "waiting\n"
        running.send_signal(signal.SIGINT)
        assert running.wait(timeout=20) == 9


def test_alone_it_serves_until_interrupted() -> None:
    with subprocess.Popen(_MODULE, stdout=subprocess.PIPE, text=True) as running:  # noqa: S603 - our own interpreter
        assert running.stdout is not None
        url, token = (running.stdout.readline().split(": ")[1].strip() for _ in range(2))
        answer = requests.get(f"{url}/users/me", headers={"Authorization": f"Bearer {token}"}, timeout=10)
        assert answer.status_code == 200
        running.send_signal(signal.SIGINT)
        assert running.wait(timeout=10) == 0
