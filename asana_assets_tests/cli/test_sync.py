"""`asana-assets sync`, as a process of its own and, where only its output matters, in this process."""

import json
import os
import re
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


def test_asana_workspaces_accepts_names_and_gids(tmp_path: Path) -> None:
    with Sandbox() as asana:
        gid = asana.organization.edge_cases["personal_workspace"]
        environment = settings(asana) | {"ASANA_WORKSPACES": f"cat lovers, {gid}"}
        result = invoke(tmp_path, "sync", "--select", "tags", "--json", **environment)
    assert result.exit_code == 0, result.stderr
    found = [workspace["name"] for workspace in json.loads(result.stdout)["workspaces"][1:]]
    assert sorted(found) == ["Cat lovers", "Personal projects"]
