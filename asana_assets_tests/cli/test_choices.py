"""`ASANA_ENDPOINTS` on the command line: every command follows the choice."""

import json

import pytest
import yaml

from asana_assets.asana.endpoints import STANDARD_ENDPOINTS
from asana_assets_tests.support.plan_command import invoke
from asana_assets_tests.support.sync_harness import MakeWarehouse, Warehouse

CHOSEN = ["workspaces", "projects", "sections", "tags"]
NAME = "Cat lovers"


@pytest.fixture
def warehouse(make_warehouse: MakeWarehouse) -> Warehouse:
    warehouse = make_warehouse()
    warehouse.settings |= {"ASANA_ENDPOINTS": "sections,tags", "ASANA_WORKSPACES": NAME}
    return warehouse


@pytest.mark.slow
def test_plan_sync_and_status_have_the_chosen_assets_only(warehouse: Warehouse) -> None:
    planned = json.loads(invoke(warehouse, "plan", "--json").stdout)
    assert [one["asset"] for one in planned["workspaces"][0]["assets"]] == CHOSEN[1:]
    synced = json.loads(invoke(warehouse, "sync", "--json").stdout)
    assets = [one["asset"] for workspace in synced["workspaces"] for one in workspace["assets"]]
    assert sorted(assets) == sorted(CHOSEN)
    shown = json.loads(invoke(warehouse, "status", "--json").stdout)
    assert [one["asset"] for one in shown["workspaces"][0]["tables"]] == CHOSEN[1:]


def test_doctor_requests_the_chosen_endpoints_only(warehouse: Warehouse) -> None:
    assert invoke(warehouse, "doctor").exit_code == 0
    paths = {entry.path.rsplit("/", 1)[-1] for entry in warehouse.asana.log}
    assert paths == {"me", "workspaces", "search", "projects", "sections", "tags"}


@pytest.mark.parametrize("command", ["sync", "plan"])
def test_an_asset_that_is_not_chosen_cannot_be_selected(warehouse: Warehouse, command: str) -> None:
    result = invoke(warehouse, command, "--select", "sections", "--select", "users", "--select", "stories")
    assert (result.exit_code, len(warehouse.asana.log)) == (2, 0)
    assert result.stderr.splitlines()[-1] == (
        f"Error: --select names stories, users, which ASANA_ENDPOINTS does not choose. It chooses {', '.join(CHOSEN)}."
    )


@pytest.mark.parametrize("command", ["sync", "plan", "status", "doctor", "dbt-sources"])
def test_an_unknown_endpoint_names_the_setting(warehouse: Warehouse, command: str) -> None:
    result = invoke(warehouse, command, ASANA_ENDPOINTS="standard,sektions")
    assert result.exit_code == 1
    assert "Error: ASANA_ENDPOINTS names sektions; there are standard (attachments, " in result.stderr


def test_dbt_and_snowflake_get_the_chosen_tables(warehouse: Warehouse) -> None:
    [source] = yaml.safe_load(invoke(warehouse, "dbt-sources").stdout)["sources"]
    assert [table["name"] for table in source["tables"]] == CHOSEN
    sql = invoke(warehouse, "snowflake-setup", "--route", "tables", "--create-tables").stdout
    assert sql.count("CREATE ICEBERG TABLE") == len(CHOSEN) + 1  # and `changes`


def test_the_help_lists_the_standard_assets(warehouse: Warehouse) -> None:
    for command in ((), ("sync",), ("plan",)):
        shown = " ".join(invoke(warehouse, *command, "--help").stdout.split())
        assert f"Standard assets: {', '.join(endpoint.name for endpoint in STANDARD_ENDPOINTS)}" in shown
