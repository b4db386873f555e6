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
    frequent,
    sync_changes,
    sync_essentials,
    watch_changes,
    watch_workspaces,
)
from asana_assets_tests.support.sync_harness import MakeWarehouse


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


@pytest.mark.slow
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


def test_a_run_of_another_job_does_not_make_a_schedule_skip_the_workspace() -> None:
    @dg.op
    def report() -> None: ...

    @dg.job
    def report_of_the_host() -> None:
        report()

    with dg.instance_for_test() as instance:
        instance.add_dynamic_partitions("asana_workspaces", ["1"])
        instance.create_run_for_job(
            report_of_the_host, status=dg.DagsterRunStatus.STARTED, tags={"dagster/partition": "1"}
        )
        assert requested_partitions(daily, instance) == ["1"]


def asset_names(job: str) -> set[str]:
    return {node.name for node in defs.resolve_job_def(job).nodes}


def test_the_jobs_select_the_assets_that_their_descriptions_name() -> None:
    assert asset_names(sync_essentials.name) == {"workspaces", "users", "projects", "tasks"}
    assert asset_names(sync_changes.name) == {"tasks", "subtasks", "stories", "attachments"}
    assert len(asset_names("sync_workspace")) == 14
    assert len(asset_names("sync_new_workspace")) == 15


def test_the_sensors_request_runs_as_of_the_current_time(make_warehouse: MakeWarehouse) -> None:
    warehouse = make_warehouse()
    resources = {"asana": (warehouse.definitions.resources or {})["asana"]}
    paid = warehouse.asana.organization.edge_cases["paid_organization"]
    warehouse.asana.organization.add_comment(str(warehouse.asana.truth("tasks", paid)[0]["gid"]), "A comment")
    for sensor, requested in ((watch_workspaces, 3), (watch_changes, 1)):
        with dg.build_sensor_context(
            instance=warehouse.instance, definitions=warehouse.definitions, resources=resources
        ) as context:
            result = sensor(context)
        assert isinstance(result, dg.SensorResult)
        assert len(result.run_requests or []) == requested
        warehouse.instance.add_dynamic_partitions("asana_workspaces", [paid])


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
