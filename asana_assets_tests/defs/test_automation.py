"""Schedules and sensors: when they request runs, and the reason they give when they do not."""

from datetime import UTC, datetime
from functools import partial

import dagster as dg
import pytest

from asana_assets.definitions import defs
from asana_assets.defs.automation import (
    automation_condition,
    automation_condition_sensor,
    build_run_failure_sensor,
    daily,
    decide_partitions,
    frequent,
    sync_changes,
    sync_essentials,
    watch_changes,
    watch_workspaces,
)
from asana_assets_tests.support.sync_harness import MakeWarehouse, Warehouse


def test_partitions_are_the_visible_workspaces_that_are_wanted() -> None:
    assert decide_partitions(registered=["1", "2"], visible=["2", "3"], wanted=[]) == (["3"], ["1"])
    assert decide_partitions(registered=["1", "2"], visible=["1", "2", "3"], wanted=["2"]) == ([], ["1"])
    assert decide_partitions(registered=[], visible=[], wanted=[]) == ([], [])


def poll_workspaces(definitions: dg.Definitions, instance: dg.DagsterInstance) -> dg.SensorResult | dg.SkipReason:
    resources = {"asana": (definitions.resources or {})["asana"]}
    with dg.build_sensor_context(instance=instance, definitions=definitions, resources=resources) as context:
        result = watch_workspaces(context)
    assert isinstance(result, dg.SensorResult | dg.SkipReason)
    return result


def test_watch_workspaces_registers_new_workspaces_and_requests_their_first_sync(make_warehouse: MakeWarehouse) -> None:
    warehouse = make_warehouse()
    seen = [str(record["gid"]) for record in warehouse.asana.truth("workspaces")]
    result = poll_workspaces(warehouse.definitions, warehouse.instance)
    assert isinstance(result, dg.SensorResult)
    requests = result.run_requests or []
    assert [request.partition_key for request in requests] == seen
    assert {request.job_name for request in requests} == {"sync_new_workspace"}
    [registration] = result.dynamic_partitions_requests or []
    assert list(registration.partition_keys) == seen
    warehouse.instance.add_dynamic_partitions("asana_workspaces", seen)
    assert warehouse.run("sync_new_workspace", seen[-1]).success
    assert isinstance(poll_workspaces(warehouse.definitions, warehouse.instance), dg.SkipReason)


def test_watch_workspaces_removes_a_workspace_that_is_no_longer_visible(make_warehouse: MakeWarehouse) -> None:
    warehouse = make_warehouse()
    seen = [str(record["gid"]) for record in warehouse.asana.truth("workspaces")]
    warehouse.instance.add_dynamic_partitions("asana_workspaces", [*seen, "5"])
    result = poll_workspaces(warehouse.definitions, warehouse.instance)
    assert isinstance(result, dg.SensorResult)
    assert [request.job_name for request in result.run_requests or []] == ["refresh_workspaces"]
    [removal] = result.dynamic_partitions_requests or []
    assert isinstance(removal, dg.DeleteDynamicPartitionsRequest)
    assert list(removal.partition_keys) == ["5"]


def test_watch_workspaces_skips_without_a_token_and_names_the_setting(make_warehouse: MakeWarehouse) -> None:
    warehouse = make_warehouse({"ASANA_ACCESS_TOKEN": ""})
    result = poll_workspaces(warehouse.definitions, warehouse.instance)
    assert isinstance(result, dg.SkipReason)
    assert "there is no access token: set ASANA_ACCESS_TOKEN" in (result.skip_message or "")
    assert len(warehouse.asana.log) == 0


def requested_partitions(schedule: dg.ScheduleDefinition, instance: dg.DagsterInstance) -> list[str | None]:
    """Return the partitions for which a tick of the schedule requests runs; if there are none, it gives a reason."""
    now = datetime(2026, 1, 2, 3, tzinfo=UTC)
    with dg.build_schedule_context(
        instance=instance, scheduled_execution_time=now, repository_def=defs.get_repository_def()
    ) as context:
        result = schedule.evaluate_tick(context)
    requests = result.run_requests or []
    assert len({request.run_key for request in requests}) == len(requests)
    assert requests or result.skip_message
    return [request.partition_key for request in requests]


@pytest.mark.parametrize("schedule", [daily, frequent])
def test_a_schedule_requests_one_run_per_registered_workspace(schedule: dg.ScheduleDefinition) -> None:
    with dg.instance_for_test() as instance:
        assert requested_partitions(schedule, instance) == []
        instance.add_dynamic_partitions("asana_workspaces", ["1", "2"])
        assert requested_partitions(schedule, instance) == ["1", "2"]


@pytest.mark.parametrize("schedule", [daily, frequent])
def test_a_schedule_skips_a_workspace_with_an_active_run(schedule: dg.ScheduleDefinition) -> None:
    with dg.instance_for_test() as instance:
        instance.add_dynamic_partitions("asana_workspaces", ["1", "2"])
        active = instance.create_run_for_job(
            defs.resolve_job_def("sync_workspace"),
            status=dg.DagsterRunStatus.STARTED,
            tags={"dagster/partition": "1"},
        )
        assert requested_partitions(schedule, instance) == ["2"]
        instance.create_run_for_job(
            defs.resolve_job_def("sync_changes"),
            status=dg.DagsterRunStatus.NOT_STARTED,
            tags={"dagster/partition": "2"},
        )
        assert requested_partitions(schedule, instance) == []
        instance.report_run_canceled(active)
        assert requested_partitions(schedule, instance) == ["1"]


def asset_names(job: str) -> set[str]:
    return {node.name for node in defs.resolve_job_def(job).nodes}


def test_the_jobs_select_the_assets_that_their_descriptions_name() -> None:
    assert asset_names(sync_essentials.name) == {"workspaces", "users", "projects", "tasks"}
    assert asset_names(sync_changes.name) == {"tasks", "subtasks", "stories", "attachments"}
    assert len(asset_names("sync_workspace")) == 14
    assert len(asset_names("sync_new_workspace")) == 15


# --- watch_changes


def warehouse_with_two_workspaces(make_warehouse: MakeWarehouse) -> tuple[Warehouse, str, str]:
    """Return a warehouse with two registered workspaces, and the gids of these: one on a paid, one on a free plan."""
    warehouse = make_warehouse()
    traps = warehouse.asana.organization.edge_cases
    paid, free = traps["paid_organization"], traps["free_organization"]
    warehouse.instance.add_dynamic_partitions("asana_workspaces", [paid, free])
    return warehouse, paid, free


def poll_changes(warehouse: Warehouse, cursor: str | None = None) -> dg.SensorResult | dg.SkipReason:
    definitions = warehouse.definitions
    resources = {"asana": (definitions.resources or {})["asana"]}
    with dg.build_sensor_context(
        instance=warehouse.instance, definitions=definitions, resources=resources, cursor=cursor
    ) as context:
        result = watch_changes(context)
    assert isinstance(result, dg.SensorResult | dg.SkipReason)
    return result


def test_a_change_requests_one_sync_of_its_workspace_and_a_poll_is_one_request_each(
    make_warehouse: MakeWarehouse,
) -> None:
    warehouse, paid, free = warehouse_with_two_workspaces(make_warehouse)
    warehouse.asana.organization.add_comment(str(warehouse.asana.truth("tasks", paid)[0]["gid"]), "A comment")
    before = len(warehouse.asana.log)
    first = poll_changes(warehouse)
    assert isinstance(first, dg.SensorResult)
    assert [request.partition_key for request in first.run_requests or []] == [paid]
    assert len(warehouse.asana.log) - before == 2
    again = poll_changes(warehouse, first.cursor)
    assert isinstance(again, dg.SkipReason)
    assert again.skip_message == (
        f"No task has changed since the last poll. Task search is not available on the plan of {free} (402)."
    )


def test_watch_changes_skips_without_a_workspace_or_a_token_and_says_why(make_warehouse: MakeWarehouse) -> None:
    warehouse = make_warehouse({"ASANA_ACCESS_TOKEN": ""})
    skipped = poll_changes(warehouse)
    assert isinstance(skipped, dg.SkipReason)
    assert "materialize workspaces first" in (skipped.skip_message or "")
    warehouse.instance.add_dynamic_partitions("asana_workspaces", ["1"])
    skipped = poll_changes(warehouse)
    assert isinstance(skipped, dg.SkipReason)
    assert "set ASANA_ACCESS_TOKEN" in (skipped.skip_message or "")


# --- failure notifications and declarative automation


def test_the_failure_sensor_notifies_of_a_failed_run_with_asanas_message(make_warehouse: MakeWarehouse) -> None:
    warehouse = make_warehouse()
    warehouse.asana.revoke_token()
    result = warehouse.run("refresh_workspaces")
    notifications: list[str] = []
    sensor = build_run_failure_sensor(notifications.append)
    context = dg.build_run_status_sensor_context(
        sensor_name=sensor.name,
        dagster_instance=warehouse.instance,
        dagster_run=result.dagster_run,
        dagster_event=next(event for event in result.all_events if event.is_run_failure),
    ).for_run_failure()
    sensor(context)
    [notification] = notifications
    assert f"Run {result.run_id} (refresh_workspaces) failed. workspaces: " in notification
    assert "returned 401: Not Authorized" in notification


def test_declarative_automation_is_off_by_default() -> None:
    assert automation_condition_sensor.default_status is dg.DefaultSensorStatus.STOPPED
    sensors = defs.get_repository_def().sensor_defs
    assert {sensor.name for sensor in sensors} == {"watch_workspaces", "watch_changes", "automation_condition_sensor"}
    for spec in defs.resolve_all_asset_specs():
        assert spec.automation_condition == automation_condition


@pytest.mark.slow
def test_declarative_automation_requests_all_assets_of_a_new_partition_once(make_warehouse: MakeWarehouse) -> None:
    warehouse = make_warehouse()
    gid = warehouse.asana.organization.edge_cases["personal_workspace"]
    warehouse.settings["ASANA_WORKSPACES"] = gid
    evaluate = partial(
        dg.evaluate_automation_conditions, defs, warehouse.instance, asset_selection=dg.AssetSelection.all()
    )
    before_registration = evaluate()
    assert warehouse.run("refresh_workspaces").success
    after_registration = evaluate(cursor=before_registration.cursor)
    assert after_registration.total_requested == 14
    assert warehouse.run("sync_workspace", gid).success
    assert evaluate(cursor=after_registration.cursor).total_requested == 0
