"""The sensor `watch_changes`, over real HTTP: which workspaces it polls, and when it requests their sync."""

import datetime as dt

import msgspec
import pytest

from asana_assets.definitions import defs
from asana_assets.defs.change_sensor import WatchState, decode_cursor, polling_order, request_changed
from asana_assets_tests.support.mutations import paid
from asana_assets_tests.support.sensor_ticks import Sensor
from asana_assets_tests.support.sync_harness import MakeWarehouse, Warehouse

MINUTE = dt.timedelta(minutes=1)


def watched(make_warehouse: MakeWarehouse, *more: str) -> tuple[Warehouse, Sensor, str]:
    """Return a warehouse whose paid workspace is registered and has a change, its sensor, and the workspace's gid."""
    warehouse = make_warehouse()
    gid = paid(warehouse)
    warehouse.instance.add_dynamic_partitions("asana_workspaces", [gid, *more])
    comment(warehouse)
    return warehouse, Sensor(warehouse, request_changed), gid


def comment(warehouse: Warehouse) -> None:
    task = str(warehouse.asana.truth("tasks", paid(warehouse))[0]["gid"])
    warehouse.asana.organization.add_comment(task, "A comment")


def searched(warehouse: Warehouse) -> list[str]:
    """Return the workspaces that were polled, in order."""
    return [entry.path.split("/")[2] for entry in warehouse.asana.log if entry.path.endswith("/tasks/search")]


def test_a_failed_sync_is_requested_again_later_although_nothing_else_changes(make_warehouse: MakeWarehouse) -> None:
    warehouse, sensor, gid = watched(make_warehouse)
    [first] = sensor.tick().requests
    assert not warehouse.run("sync_changes", gid).success  # projects were never synced
    assert f"The sync of {gid} failed once; it is requested again after " in sensor.tick().skip_message
    [second] = sensor.tick(after=6 * MINUTE).requests
    assert second.partition_key == gid
    assert second.run_key != first.run_key
    assert not warehouse.run("sync_changes", gid).success
    assert sensor.tick(after=7 * MINUTE).requests == []


@pytest.mark.slow
def test_a_sync_that_succeeds_is_not_requested_again(make_warehouse: MakeWarehouse) -> None:
    warehouse, sensor, gid = watched(make_warehouse)
    assert warehouse.run("refresh_workspaces").success
    assert len(sensor.tick().requests) == 1
    assert not warehouse.run("sync_changes", gid).success
    assert warehouse.run("sync_workspace", gid).success  # e.g. of the schedule
    assert sensor.tick(after=dt.timedelta(days=3)).requests == []
    comment(warehouse)
    assert len(sensor.tick().requests) == 1


def test_the_cursor_of_earlier_versions_is_understood(make_warehouse: MakeWarehouse) -> None:
    warehouse, sensor, gid = watched(make_warehouse)
    latest = max(str(task["modified_at"]) for task in warehouse.asana.truth("tasks", gid))
    sensor.cursor = msgspec.json.encode({gid: latest, "a workspace that is gone": latest}).decode()
    assert sensor.tick().requests == []
    assert set(decode_cursor(sensor.cursor)) == {gid}
    comment(warehouse)
    assert len(sensor.tick().requests) == 1


def test_an_unreadable_cursor_counts_as_none_instead_of_failing_every_tick(make_warehouse: MakeWarehouse) -> None:
    _, sensor, _ = watched(make_warehouse)
    sensor.cursor = "set by hand"
    assert len(sensor.tick().requests) == 1


@pytest.mark.parametrize("status", [400, 402, 403, 404, 451, 500])
def test_an_error_of_one_workspace_skips_that_one_only_and_is_named(make_warehouse: MakeWarehouse, status: int) -> None:
    warehouse, sensor, gid = watched(make_warehouse, "5", "6")
    warehouse.asana.add_fault("/workspaces/5/tasks/search", status, message="No.")
    warehouse.asana.add_fault("/workspaces/6/tasks/search", 200, body={"data": [None], "next_page": None})
    assert sensor.tick().requested == [(None, gid)]
    message = sensor.tick().skip_message
    assert message.startswith("No task has changed since the last poll.")
    assert f"({status})" in message or f"returned {status}" in message
    assert "5" in message
    assert "Polling 6 failed: GET /workspaces/{workspace}/tasks/search returned a task without" in message


def test_401_skips_the_tick_with_the_setting_to_check(make_warehouse: MakeWarehouse) -> None:
    warehouse, sensor, _ = watched(make_warehouse, "5", "6")
    warehouse.asana.revoke_token()
    message = sensor.tick().skip_message
    assert message.startswith(
        "Polling Asana failed. Asana rejected the token (GET /workspaces/{workspace}/tasks/search returned 401"
    )
    assert message.endswith("Check the token in ASANA_ACCESS_TOKEN, or in the secret that ASANA_TOKEN_SECRET_ID names.")
    assert len(searched(warehouse)) == 1


def test_the_least_recently_polled_workspace_is_polled_first() -> None:
    at = dt.datetime(2026, 1, 2, tzinfo=dt.UTC)
    states = {
        "1": WatchState(polled_at=at + MINUTE),
        "2": WatchState(polled_at=at),
        "3": WatchState(modified_at="2026-01-01T00:00:00.000Z"),
    }
    assert polling_order(states) == ["3", "2", "1"]


def test_sixty_workspaces_are_all_polled_within_a_few_ticks_each_in_its_turn(
    make_warehouse: MakeWarehouse, monkeypatch: pytest.MonkeyPatch
) -> None:
    gids = [str(number) for number in range(100, 160)]
    warehouse = make_warehouse(latency=0.02)
    warehouse.instance.add_dynamic_partitions("asana_workspaces", gids)
    sensor = Sensor(warehouse, request_changed)
    monkeypatch.setattr("asana_assets.defs.change_sensor.MAX_POLL_SECONDS", 0.5)  # at 20 ms each, 25 of them
    assert "The next tick polls " in sensor.tick().skip_message
    ticks = 1
    while len(searched(warehouse)) <= len(gids):
        sensor.tick()
        ticks += 1
        assert ticks < 30
    polled = searched(warehouse)
    assert sorted(polled[: len(gids)]) == gids
    assert polled[len(gids) :] == polled[: len(polled) - len(gids)]


def test_a_workspace_that_is_being_synced_is_not_polled_and_keeps_its_turn(make_warehouse: MakeWarehouse) -> None:
    warehouse, sensor, gid = watched(make_warehouse, "5")
    warehouse.instance.create_run_for_job(defs.resolve_job_def("asana_sync_workspace"), tags={"dagster/partition": gid})
    assert sensor.tick().requests == []
    assert searched(warehouse) == ["5"]
    assert decode_cursor(sensor.cursor)[gid].polled_at is None
