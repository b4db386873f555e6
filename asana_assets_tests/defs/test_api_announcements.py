"""The API changes that Asana announces: in one place, and once a day."""

import datetime as dt
import logging

import dagster as dg
import pytest

from asana_assets.defs.api_announcements import is_first_of_day
from asana_assets_tests.support.plan_command import paid
from asana_assets_tests.support.sync_harness import MakeWarehouse, Warehouse, metadata

MIDNIGHT = dt.datetime(2026, 11, 26, tzinfo=dt.UTC)
MINUTE = dt.timedelta(minutes=1)


@pytest.mark.parametrize(
    ("previous", "first"), [(MIDNIGHT - MINUTE, True), (MIDNIGHT, False), (MIDNIGHT + 23 * 60 * MINUTE, False)]
)
def test_a_day_starts_at_midnight_utc(previous: dt.datetime, *, first: bool) -> None:
    assert is_first_of_day((MIDNIGHT + 23 * 60 * MINUTE).timestamp(), previous.timestamp()) is first


def warnings(warehouse: Warehouse, result: dg.ExecuteInProcessResult) -> list[str]:
    return [
        entry.user_message for entry in warehouse.instance.all_logs(result.run_id) if entry.level == logging.WARNING
    ]


def test_only_workspaces_reports_them_as_links_and_only_the_first_time_on_a_day(make_warehouse: MakeWarehouse) -> None:
    warehouse = make_warehouse()
    first = warehouse.run("refresh_workspaces")
    again = warehouse.run("refresh_workspaces")
    tags = warehouse.run("sync_workspace", paid(warehouse), ["tags"])
    announcements = metadata(first, "workspaces")["api_announcements"]
    lines = announcements.splitlines()
    assert len(lines) == len(set(lines)) == 5
    assert (
        "- [new_goal_memberships](https://forum.asana.com/t/378601), which affects the requests of this integration"
    ) in lines
    assert warnings(warehouse, first) == [f"Asana announced changes of its API:\n{announcements}"]
    for result, name in ((again, "workspaces"), (tags, "tags")):
        assert warnings(warehouse, result) == []
        assert not [value for value in metadata(result, name).values() if "forum.asana.com" in str(value)]
