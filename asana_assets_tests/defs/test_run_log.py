"""What the log of a run says about each asset, in Dagster's UI."""

import logging
import re

import dagster as dg
import pytest

from asana_assets_tests.support.mutations import name_of
from asana_assets_tests.support.plan_command import paid
from asana_assets_tests.support.sync_harness import MakeWarehouse, Warehouse


def log_lines(warehouse: Warehouse, result: dg.ExecuteInProcessResult, level: int = logging.INFO) -> list[str]:
    """Return the lines of the assets, without Dagster's own events, and without durations."""
    entries = warehouse.instance.all_logs(result.run_id)
    return [
        re.sub(r"\d+\.\d s$", "… s", entry.user_message)
        for entry in entries
        if not entry.is_dagster_event and entry.level == level
    ]


@pytest.mark.slow
def test_each_asset_logs_what_it_fetches_and_what_it_stored_with_the_name_of_the_workspace(
    make_warehouse: MakeWarehouse,
) -> None:
    warehouse = make_warehouse()
    gid = paid(warehouse)
    assets = ["projects", "users", "sections"]
    assert warehouse.run("refresh_workspaces").success
    assert warehouse.run("sync_workspace", gid, assets).success
    projects = warehouse.rows("projects", gid)
    warehouse.asana.organization.get(str(projects[0]["gid"]), "project").fields["name"] = "Renamed"
    warehouse.asana.organization.mark_changed()
    result = warehouse.run("sync_workspace", gid, assets)
    name, sections = name_of(warehouse), len(warehouse.rows("sections", gid))
    assert log_lines(warehouse, result) == [
        f"projects of {name}: fetching all rows",
        f"projects of {name}: {len(projects)} rows, 1 changed, 1 request, … s",
        f"users of {name}: fetching all rows",
        f"users of {name}: {len(warehouse.rows('users', gid))} rows, unchanged, 1 request, … s",
        f"sections of {name}: fetching {len(projects)} of {len(projects)} projects",
        f"sections of {name}: {sections} rows, unchanged, {len(projects)} requests, … s",
    ]
