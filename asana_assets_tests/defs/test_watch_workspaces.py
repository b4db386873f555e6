"""The sensor `watch_workspaces`, over real HTTP: new workspaces, missing ones, and first syncs."""

import datetime as dt

import dagster as dg
import pytest

from asana_assets.definitions import defs
from asana_assets.defs.partitions import decide_partitions
from asana_assets.defs.workspace_sensor import request_first_syncs
from asana_assets_tests.support.sensor_ticks import Sensor
from asana_assets_tests.support.sync_harness import MakeWarehouse, Warehouse

MINUTE = dt.timedelta(minutes=1)
EMPTY = {"data": [], "next_page": None}


def visible(warehouse: Warehouse) -> list[str]:
    return [str(record["gid"]) for record in warehouse.asana.truth("workspaces")]


def watched(make_warehouse: MakeWarehouse) -> tuple[Warehouse, Sensor, list[str]]:
    """Return a warehouse whose workspaces are synced, its sensor after a first tick, and the workspaces' gids."""
    warehouse = make_warehouse()
    assert warehouse.run("refresh_workspaces").success
    sensor = Sensor(warehouse, request_first_syncs)
    assert sensor.tick().skip_message == "No workspace was added or removed; 3 are registered."
    return warehouse, sensor, visible(warehouse)


def registered(warehouse: Warehouse) -> list[str]:
    return list(warehouse.instance.get_dynamic_partitions("asana_workspaces"))


def record_run(warehouse: Warehouse, request: dg.RunRequest, status: dg.DagsterRunStatus) -> dg.DagsterRun:
    """Record a run for a request, with the tags that Dagster's daemon gives it."""
    return warehouse.instance.create_run_for_job(
        defs.resolve_job_def(str(request.job_name)),
        tags={"dagster/partition": str(request.partition_key), "dagster/run_key": str(request.run_key)},
        status=status,
    )


def test_partitions_are_the_visible_workspaces_that_are_wanted() -> None:
    assert decide_partitions(registered=["1", "2"], visible=["2", "3"], wanted=[]) == (["3"], ["1"])
    assert decide_partitions(registered=["1", "2"], visible=["1", "2", "3"], wanted=["2"]) == ([], ["1"])
    assert decide_partitions(registered=[], visible=[], wanted=[]) == ([], [])


def test_an_empty_list_removes_nothing_and_starts_no_first_sync_when_the_workspaces_return(
    make_warehouse: MakeWarehouse,
) -> None:
    warehouse, sensor, gids = watched(make_warehouse)
    warehouse.asana.add_fault("/workspaces", 200, times=1, body=EMPTY)
    tick = sensor.tick()
    assert tick.requested == [("asana_refresh_workspaces", None)]
    assert not tick.removes_partitions
    assert warehouse.run("refresh_workspaces").success
    assert registered(warehouse) == gids
    assert {row["gid"] for row in warehouse.rows("workspaces")} == set(gids)
    assert sensor.tick(after=dt.timedelta(days=2)).requests == []


def test_a_workspace_that_is_gone_is_removed_by_the_run_that_the_sensor_requests(
    make_warehouse: MakeWarehouse,
) -> None:
    warehouse, sensor, gids = watched(make_warehouse)
    warehouse.instance.add_dynamic_partitions("asana_workspaces", ["5"])
    tick = sensor.tick()
    assert tick.requested == [("asana_refresh_workspaces", None)]
    assert not tick.removes_partitions
    assert warehouse.run("refresh_workspaces").success
    assert registered(warehouse) == gids
    assert sensor.tick().requests == []


def test_a_refresh_that_fails_is_requested_again_with_growing_delays(make_warehouse: MakeWarehouse) -> None:
    warehouse, sensor, _ = watched(make_warehouse)
    warehouse.settings["ASANA_WORKSPACES"] = "5"
    sensor = Sensor(warehouse, request_first_syncs)
    warehouse.instance.add_dynamic_partitions("asana_workspaces", ["5"])
    assert sensor.tick().requested == [("asana_refresh_workspaces", None)]
    assert not warehouse.run("refresh_workspaces").success  # ASANA_WORKSPACES names it
    assert "The run of asana_refresh_workspaces failed once" in sensor.tick().skip_message
    assert sensor.tick(after=6 * MINUTE).requested == [("asana_refresh_workspaces", None)]


def test_no_refresh_is_requested_while_the_missing_workspace_is_being_synced(make_warehouse: MakeWarehouse) -> None:
    warehouse, sensor, _ = watched(make_warehouse)
    warehouse.instance.add_dynamic_partitions("asana_workspaces", ["5"])
    warehouse.instance.create_run_for_job(defs.resolve_job_def("asana_sync_workspace"), tags={"dagster/partition": "5"})
    assert sensor.tick().skip_message == "Asana did not list 5."


@pytest.mark.slow
def test_a_failed_first_sync_is_requested_again_later(make_warehouse: MakeWarehouse) -> None:
    warehouse = make_warehouse()
    sensor = Sensor(warehouse, request_first_syncs)
    gids = visible(warehouse)
    first = sensor.tick()
    assert first.requested == [("asana_sync_workspace", gid) for gid in gids]
    fault = warehouse.asana.add_fault("/workspaces/{workspace}/workspace_memberships", 400)
    assert not warehouse.run("sync_workspace", gids[-1]).success
    fault.cancel()
    assert "The first sync of Personal projects failed once" in sensor.tick().skip_message
    again = sensor.tick(after=6 * MINUTE)
    assert ("asana_sync_workspace", gids[-1]) in again.requested
    assert not {request.run_key for request in first.requests} & {request.run_key for request in again.requests}
    record_run(warehouse, again.requests[-1], dg.DagsterRunStatus.SUCCESS)
    assert again.requests[-1].partition_key == gids[-1]
    assert ("asana_sync_workspace", gids[-1]) not in sensor.tick(after=dt.timedelta(days=2)).requested


@pytest.mark.slow
def test_sixty_first_syncs_are_requested_a_few_at_a_time(make_warehouse: MakeWarehouse) -> None:
    warehouse = make_warehouse()
    gids = [str(number) for number in range(100, 160)]
    body = {"data": [{"gid": gid, "resource_type": "workspace"} for gid in gids], "next_page": None}
    warehouse.asana.add_fault("/workspaces", 200, body=body)
    sensor = Sensor(warehouse, request_first_syncs)
    tick = sensor.tick()
    assert registered(warehouse) == gids
    runs = [record_run(warehouse, request, dg.DagsterRunStatus.STARTED) for request in tick.requests]
    assert sensor.tick().requests == []
    warehouse.instance.report_run_failed(runs[0])
    requested = list(tick.requests)
    while tick.requests:
        assert len(tick.requests) <= 3
        for request in tick.requests[requested[0] in tick.requests :]:
            record_run(warehouse, request, dg.DagsterRunStatus.SUCCESS)
        tick = sensor.tick()
        requested += tick.requests
    assert [request.partition_key for request in requested] == gids  # the failed one holds none of the others up


@pytest.mark.parametrize(
    ("status", "hint"), [(401, "ASANA_ACCESS_TOKEN"), (403, "lacks the permission"), (503, "Stored rows")]
)
def test_a_poll_that_fails_skips_the_tick_and_says_what_to_do(
    make_warehouse: MakeWarehouse, status: int, hint: str
) -> None:
    warehouse, sensor, gids = watched(make_warehouse)
    warehouse.asana.add_fault("/workspaces", status)
    message = sensor.tick().skip_message
    assert message.startswith("Polling Asana failed. ")
    assert "GET /workspaces " in message
    assert str(status) in message
    assert hint in message
    assert registered(warehouse) == gids


def test_a_record_without_a_gid_is_ignored(make_warehouse: MakeWarehouse) -> None:
    warehouse, sensor, gids = watched(make_warehouse)
    body = {"data": [None, {"name": "no gid"}, *({"gid": gid} for gid in gids)], "next_page": None}
    warehouse.asana.add_fault("/workspaces", 200, body=body)
    assert sensor.tick().requests == []
