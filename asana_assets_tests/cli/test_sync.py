"""`asana-assets sync`, as a process of its own and, where only its output matters, in this process."""

import json
import os
import re
import socket
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path

import click
import pytest
from click.testing import CliRunner, Result

from asana_assets.cli.main import main
from asana_assets.sandbox import STANDARD, Sandbox
from asana_assets.settings import Settings

COMMAND = [str(Path(sys.executable).with_name("asana-assets"))]


def run(directory: Path, *arguments: str, **settings: str) -> subprocess.CompletedProcess[str]:
    """Run the command in this directory, with these settings and no others."""
    environment = {"PATH": os.environ["PATH"], "HOME": str(directory), **settings}
    return subprocess.run(  # noqa: S603 - our own command
        [*COMMAND, *arguments], cwd=directory, env=environment, capture_output=True, text=True, timeout=120, check=False
    )


def invoke(directory: Path, *arguments: str, **settings: str) -> Result:
    """Run the command in this process, which saves the seconds that starting one takes."""
    environment = (
        dict.fromkeys(os.environ) | {"HOME": str(directory), "ASANA_DATA_DIR": str(directory / "data")} | settings
    )
    return CliRunner().invoke(main, arguments, env=environment)


def settings(asana: Sandbox) -> dict[str, str]:
    return {"ASANA_BASE_URL": asana.url, "ASANA_ACCESS_TOKEN": asana.token, "ASANA_REQUESTS_PER_SECOND": "1000"}


@pytest.mark.slow
def test_sync_prints_a_summary_of_what_was_materialized(tmp_path: Path) -> None:
    with Sandbox() as asana:
        small = [asana.organization.edge_cases[name] for name in ("free_organization", "personal_workspace")]
        result = run(tmp_path, "sync", **settings(asana), ASANA_WORKSPACES=",".join(small))
        truth = {(name, gid): len(asana.truth(name, gid)) for gid in small for name in STANDARD if name != "workspaces"}
        received = len(asana.log)
    assert result.returncode == 0, result.stderr
    assert result.stderr == ""
    assert read_rows(result.stdout) == truth
    rows = sum(truth.values()) + 2  # the workspaces
    assert f"\nTotal: {rows} rows (+{rows}), {received} requests, " in result.stdout
    tables = f"Tables: namespace asana of the Iceberg catalog asana; files in {tmp_path}/asana_data/warehouse/asana"
    assert tables in result.stdout.splitlines()
    assert (tmp_path / "asana_data" / "catalog.db").exists()


def read_rows(output: str) -> dict[tuple[str, str], int]:
    """Return the rows in the summary, by asset and workspace gid."""
    rows: dict[tuple[str, str], int] = {}
    gid = ""
    for line in output.splitlines():
        if title := re.fullmatch(r".* \((\d+)\)\s*", line):
            gid = title[1]
        cells = [cell.strip() for cell in line.split("│")[1:-1]]
        if cells and cells[0] != "total":
            rows[cells[0], gid] = int(cells[1].replace(",", ""))
    return rows


def test_workspace_and_select_restrict_what_is_synced(tmp_path: Path) -> None:
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


INVALID = {
    "a bad token": (
        {"ASANA_ACCESS_TOKEN": "wrong"},
        r"Asana rejected the token \(GET /workspaces returned 401: Not Authorized\)\. Check .* ASANA_ACCESS_TOKEN, .*",
    ),
    "no token": ({"ASANA_ACCESS_TOKEN": ""}, r"There is no access token: set ASANA_ACCESS_TOKEN .*"),
    "an invalid token": ({"ASANA_ACCESS_TOKEN": "a b"}, r"The access token .*"),
    "a wrong path": (
        {"ASANA_BASE_URL": "{host}/api/2.0"},
        r"workspaces: GET /workspaces returned 404: No matching route for request\. Check ASANA_BASE_URL, .*",
    ),
    "an invalid URL": ({"ASANA_BASE_URL": "asana"}, r"ASANA_BASE_URL is 'asana', but must be an http or https URL"),
    "an unreachable host": (
        {"ASANA_BASE_URL": f"http://127.0.0.1:{free_port()}"},
        r"workspaces: GET /workspaces failed 3 times: no connection\. .*ASANA_BASE_URL.*",
    ),
    "an unwritable data directory": (
        {"ASANA_DATA_DIR": "/proc/nothing"},
        r"The data directory .*ASANA_DATA_DIR.*",
    ),
    "not a number": (
        {"ASANA_REQUESTS_PER_SECOND": "fast"},
        r"ASANA_REQUESTS_PER_SECOND is 'fast', but must be a number greater than 0",
    ),
    "a rate of 0": (
        {"ASANA_REQUESTS_PER_SECOND": "0"},
        r"ASANA_REQUESTS_PER_SECOND is '0', but must be a number greater than 0",
    ),
    "too many in flight": (
        {"ASANA_MAX_IN_FLIGHT": "51"},
        r"ASANA_MAX_IN_FLIGHT is '51', but must be an integer from 1 to 50",
    ),
    "an invalid pacer URL": ({"ASANA_PACER_URL": "nonsense"}, r"ASANA_PACER_URL is not a database URL.*"),
    "an unknown workspace": (
        {"ASANA_WORKSPACES": "5"},
        r"ASANA_WORKSPACES names 5, which this token cannot see\. It can see: Catnip & Co\. \(\d+\), .*",
    ),
}


@pytest.mark.parametrize(("invalid", "message"), INVALID.values(), ids=INVALID)
def test_an_invalid_setting_is_reported_in_one_line(tmp_path: Path, invalid: dict[str, str], message: str) -> None:
    with Sandbox() as asana:
        host = asana.url.removesuffix("/api/1.0")
        changed = {name: value.format(host=host) for name, value in invalid.items()}
        result = invoke(tmp_path, "sync", **settings(asana) | changed)
        token = asana.token
    assert result.exit_code == 1
    assert result.stdout == ""
    [line] = result.stderr.splitlines()
    assert re.fullmatch(f"Error: {message}", line), line
    assert token not in line


def test_an_unknown_workspace_or_asset_is_named(tmp_path: Path) -> None:
    with Sandbox() as asana:
        result = invoke(tmp_path, "sync", "--workspace", "5", **settings(asana))
        visible = ", ".join(f"{record['name']} ({record['gid']})" for record in asana.truth("workspaces"))
        message = f"Error: --workspace names 5, which this token cannot see. It can see: {visible}\n"
        assert (result.exit_code, result.stderr) == (1, message)
        result = invoke(tmp_path, "sync", "--select", "task", **settings(asana))
        assert result.exit_code == 2
        assert "'task' is not one of" in result.stderr


def test_a_dagster_home_that_cannot_be_used_is_named(tmp_path: Path) -> None:
    with Sandbox() as asana:
        result = invoke(tmp_path, "sync", **settings(asana), DAGSTER_HOME=str(tmp_path / "missing"))
    assert (result.exit_code, result.stdout) == (1, "")
    [line] = result.stderr.splitlines()
    assert line.startswith(f"Error: DAGSTER_HOME is '{tmp_path / 'missing'}': ")


def test_every_command_and_option_has_a_help_text_that_is_a_full_sentence() -> None:
    help_texts = {name: str(command.help) for name, command in main.commands.items()}
    help_texts |= {
        f"{name} {option.name}": str(option.help)
        for name, command in main.commands.items()
        for option in command.params
        if isinstance(option, click.Option)
    }
    assert sorted(main.commands) == [
        "connect",
        "dbt-sources",
        "doctor",
        "forget",
        "maintain",
        "plan",
        "snowflake-setup",
        "status",
        "sync",
    ]
    for name, text in help_texts.items():
        assert re.match(r"[A-Z].+?\.(\s|$)", text, flags=re.DOTALL), name


def test_help_has_examples_every_setting_and_every_asset() -> None:
    shown = CliRunner().invoke(main, ["--help"]).stdout
    settings_without_snowflake = {name.upper() for name in Settings.model_fields if not name.startswith("snowflake")}
    for word in (*settings_without_snowflake - {"XDG_STATE_HOME"}, *STANDARD, "PYICEBERG_CATALOG__ASANA__"):
        assert re.search(rf"\b{word}", shown), word
    assert "  0 3 * * * cd" in shown
    assert "workspace_memberships" in CliRunner().invoke(main, ["sync", "--help"]).stdout


def test_the_version_is_that_of_the_package() -> None:
    assert CliRunner().invoke(main, ["--version"]).stdout == f"asana-assets {version('asana-assets')}\n"


def test_a_negative_age_is_wrong_usage_and_a_misspelled_setting_a_warning(tmp_path: Path) -> None:
    with Sandbox() as asana:
        result = invoke(tmp_path, "sync", "--refresh-after-days", "-1", **settings(asana))
        assert (result.exit_code, len(asana.log)) == (2, 0)
        assert "-1.0 is not in the range x>=0" in result.stderr
        selection = ["--select", "tags", "--workspace", "cat lovers", "--quiet"]
        result = invoke(tmp_path, "sync", *selection, **settings(asana), ASANA_WORKSPACE="x")
    assert (result.exit_code, result.stderr) == (
        0,
        "Warning: ASANA_WORKSPACE is set, but there is no such setting: did you mean ASANA_WORKSPACES?\n",
    )


def test_asana_workspaces_accepts_names_and_gids(tmp_path: Path) -> None:
    with Sandbox() as asana:
        gid = asana.organization.edge_cases["personal_workspace"]
        environment = settings(asana) | {"ASANA_WORKSPACES": f"cat lovers, {gid}"}
        result = invoke(tmp_path, "sync", "--select", "tags", "--json", **environment)
    assert result.exit_code == 0, result.stderr
    found = [workspace["name"] for workspace in json.loads(result.stdout)["workspaces"][1:]]
    assert sorted(found) == ["Cat lovers", "Personal projects"]
