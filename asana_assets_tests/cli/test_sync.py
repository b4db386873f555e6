"""The command: as a process of its own, as users run it; and within ours where only its words matter."""

import os
import re
import socket
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from asana_assets.cli.main import main
from asana_assets.sandbox import ENDPOINTS, Sandbox

COMMAND = [str(Path(sys.executable).with_name("asana-assets"))]


def run(directory: Path, *arguments: str, **settings: str) -> subprocess.CompletedProcess[str]:
    """Run the command with these settings and no others, in a directory of its own."""
    environment = {"PATH": os.environ["PATH"], "HOME": str(directory), **settings}
    return subprocess.run(  # noqa: S603 # our own command
        [*COMMAND, *arguments], cwd=directory, env=environment, capture_output=True, text=True, timeout=120, check=False
    )


def invoke(directory: Path, *arguments: str, **settings: str) -> Result:
    """The same within this process, which spares the seconds of starting one."""
    everything = (
        dict.fromkeys(os.environ) | {"HOME": str(directory), "ASANA_DATA_DIR": str(directory / "data")} | settings
    )
    return CliRunner().invoke(main, arguments, env=everything)


def settings(asana: Sandbox) -> dict[str, str]:
    return {"ASANA_BASE_URL": asana.url, "ASANA_ACCESS_TOKEN": asana.token, "ASANA_REQUESTS_PER_SECOND": "1000"}


@pytest.mark.slow
def test_sync_ends_with_a_table_of_what_was_materialized(tmp_path: Path) -> None:
    with Sandbox() as asana:
        small = [asana.organization.edge_cases[name] for name in ("free_organization", "personal_workspace")]
        result = run(tmp_path, "sync", **settings(asana), ASANA_WORKSPACES=",".join(small))
        truth = {
            (name, gid): len(asana.truth(name, gid)) for gid in small for name in ENDPOINTS if name != "workspaces"
        }
        asked = len(asana.log)
    assert result.returncode == 0, result.stderr
    assert result.stderr == ""
    cells = [[cell.strip() for cell in line.split("│")[1:-1]] for line in result.stdout.splitlines() if "│" in line]
    rows = {(asset, gid): int(rows.replace(",", "")) for asset, gid, rows, *_ in cells if gid}
    assert rows == truth
    total = next(cell for cell in cells if cell[0] == "total")
    assert int(total[3]) == asked
    assert (tmp_path / "asana_data" / "catalog.db").exists()


def test_workspace_and_select_narrow_it(tmp_path: Path) -> None:
    with Sandbox() as asana:
        gid = asana.organization.edge_cases["free_organization"]
        result = invoke(
            tmp_path, "sync", "--workspace", gid, "--select", "tags", "--select", "users", **settings(asana)
        )
        paths = [entry.path for entry in asana.log]
    assert result.exit_code == 0, result.stderr
    assert sorted(paths) == ["/tags", "/users", "/workspaces"]


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


WRONG = {
    "a bad token": (
        {"ASANA_ACCESS_TOKEN": "wrong"},
        r"workspaces: GET /workspaces answered 401: Not Authorized\. Check the token in ASANA_ACCESS_TOKEN, .*",
    ),
    "no token": ({"ASANA_ACCESS_TOKEN": ""}, r"workspaces: there is no access token: set ASANA_ACCESS_TOKEN .*"),
    "a token that cannot be one": ({"ASANA_ACCESS_TOKEN": "a b"}, r"workspaces: the access token .*"),
    "a wrong path": (
        {"ASANA_BASE_URL": "{host}/api/2.0"},
        r"workspaces: GET /workspaces answered 404: No matching route for request\. Check ASANA_BASE_URL, .*",
    ),
    "no address": (
        {"ASANA_BASE_URL": "asana"},
        r"workspaces: ASANA_BASE_URL is not an http or https address: 'asana'\.",
    ),
    "an unreachable host": (
        {"ASANA_BASE_URL": f"http://127.0.0.1:{free_port()}"},
        r"workspaces: GET /workspaces failed 3 times: no connection\. .*ASANA_BASE_URL.*",
    ),
    "an unwritable data directory": (
        {"ASANA_DATA_DIR": "/proc/nothing"},
        r"workspaces: The data directory .*ASANA_DATA_DIR.*",
    ),
    "no number": ({"ASANA_REQUESTS_PER_SECOND": "fast"}, r"ASANA_REQUESTS_PER_SECOND is 'fast', which is not a number"),
    "no rate": ({"ASANA_REQUESTS_PER_SECOND": "0"}, r"workspaces: ASANA_REQUESTS_PER_SECOND is 0.0, but must .*"),
    "too many in flight": ({"ASANA_MAX_IN_FLIGHT": "51"}, r"workspaces: ASANA_MAX_IN_FLIGHT is 51, but must .*"),
    "no pace": ({"ASANA_PACER_URL": "nonsense"}, r"workspaces: ASANA_PACER_URL is not a database URL.*"),
    "no such workspace": (
        {"ASANA_WORKSPACES": "5"},
        r"workspaces: ASANA_WORKSPACES names 5, which this token cannot see\.",
    ),
}


@pytest.mark.parametrize(("wrong", "sentence"), WRONG.values(), ids=WRONG)
def test_a_wrong_setting_ends_in_one_sentence(tmp_path: Path, wrong: dict[str, str], sentence: str) -> None:
    with Sandbox() as asana:
        host = asana.url.removesuffix("/api/1.0")
        changed = {name: value.format(host=host) for name, value in wrong.items()}
        result = invoke(tmp_path, "sync", **settings(asana) | changed)
        token = asana.token
    assert result.exit_code == 1
    assert result.stdout == ""
    [line] = result.stderr.splitlines()
    assert re.fullmatch(f"Error: {sentence}", line), line
    assert token not in line


def test_an_unknown_workspace_or_asset_is_named(tmp_path: Path) -> None:
    with Sandbox() as asana:
        result = invoke(tmp_path, "sync", "--workspace", "5", **settings(asana))
        assert (result.exit_code, result.stderr) == (1, "Error: --workspace names 5, which this token cannot see\n")
        result = invoke(tmp_path, "sync", "--select", "task", **settings(asana))
        assert result.exit_code == 2
        assert "'task' is not one of" in result.stderr
