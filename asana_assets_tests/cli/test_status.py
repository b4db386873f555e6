"""`asana-assets status`: what it shows, from what, and that it sends nothing."""

import datetime as dt
import json
from pathlib import Path

import pytest

from asana_assets.cli.status import format_age
from asana_assets_tests.support.plan_command import dagster_home, invoke
from asana_assets_tests.support.sync_harness import MakeWarehouse

NAME = "Cat lovers"


@pytest.mark.parametrize(
    ("age", "text"),
    [
        (dt.timedelta(minutes=119), "119 min"),
        (dt.timedelta(hours=2), "2 h"),
        (dt.timedelta(hours=47), "47 h"),
        (dt.timedelta(days=9), "9 days"),
    ],
)
def test_ages_are_short(age: dt.timedelta, text: str) -> None:
    assert format_age(age) == text


def test_before_the_first_sync_status_says_what_to_do(make_warehouse: MakeWarehouse) -> None:
    warehouse = make_warehouse()
    result = invoke(warehouse, "status")
    assert (result.exit_code, result.stderr) == (0, "")
    assert result.stdout == "Nothing was synced yet: the namespace asana has no workspace. Run asana-assets sync.\n"
    assert len(warehouse.asana.log) == 0


def test_status_shows_rows_last_syncs_and_open_warnings_without_a_request(
    make_warehouse: MakeWarehouse, tmp_path: Path
) -> None:
    warehouse = make_warehouse()
    home = dagster_home(tmp_path)
    gid = warehouse.asana.organization.edge_cases["free_organization"]
    tag = str(warehouse.asana.truth("tags", gid)[0]["gid"])
    warehouse.asana.organization.get(tag, "tag").fields["created_at"] = "soon"
    selection = ["--select", "tags", "--select", "project_templates"]
    synced = invoke(warehouse, "sync", "--workspace", NAME, *selection, DAGSTER_HOME=str(home))
    assert synced.exit_code == 0
    before = len(warehouse.asana.log)
    document = json.loads(invoke(warehouse, "status", "--json", DAGSTER_HOME=str(home)).stdout)
    shown = invoke(warehouse, "status", DAGSTER_HOME=str(home)).stdout
    without_instance = invoke(warehouse, "status").stdout
    assert len(warehouse.asana.log) == before
    [workspace] = [one for one in document["workspaces"] if one["name"] == NAME]
    tables = {table["asset"]: table for table in workspace["tables"]}
    assert (tables["tags"]["rows"], tables["tags"]["problems"]) == (1, ["no_unmapped_values"])
    assert tables["tags"]["synced_at"]
    assert (tables["users"]["rows"], tables["users"]["synced_at"]) == (0, None)
    assert {(check["asset"], check["severity"]) for check in workspace["failed_checks"]} == {
        ("tags", "warn"),
    }
    assert "\nCatnip & Co." in shown
    assert ": never synced\n" in shown
    assert "Warning: tags (no_unmapped_values): " in shown
    assert f"Dagster instance in {home}" in shown.replace("\n", " ")
    assert "no_unmapped_values" not in without_instance
    assert "DAGSTER_HOME is not set" in without_instance
