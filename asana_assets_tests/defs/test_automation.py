"""Schedules and sensors: when they request runs, and the reason they give when they do not."""

from datetime import UTC, datetime
from functools import partial

import dagster as dg
import pytest

from asana_assets.asana.endpoints import STANDARD_ENDPOINTS
from asana_assets.definitions import defs
from asana_assets.defs.automation import Automation, build_run_failure_sensor
from asana_assets.defs.failures import NOT_STARTED_KEY, failure_causes
from asana_assets_tests.support.mutations import paid
from asana_assets_tests.support.sync_harness import NAMES, MakeWarehouse, Warehouse, failures


def requested_partitions(schedule: str, instance: dg.DagsterInstance) -> list[str | None]:
    """Return the partitions for which a tick of the schedule requests runs, besides that of the workspace list."""
    now = datetime(2026, 1, 2, 3, tzinfo=UTC)
    with dg.build_schedule_context(
        instance=instance, scheduled_execution_time=now, repository_def=defs.get_repository_def()
    ) as context:
        result = defs.resolve_schedule_def(schedule).evaluate_tick(context)
    requests = result.run_requests or []
    assert len({request.run_key for request in requests}) == len(requests)
    [refresh, *syncs] = [{key.path[-1] for key in request.asset_selection or ()} for request in requests]
    assert refresh == {"workspaces"}
    assert all(selected == {endpoint.name for endpoint in STANDARD_ENDPOINTS} - {"workspaces"} for selected in syncs)
    return [request.partition_key for request in requests[1:]]


@pytest.mark.parametrize("schedule", ["asana_daily", "asana_frequent"])
def test_a_schedule_requests_the_workspace_list_and_one_run_per_registered_workspace(schedule: str) -> None:
    with dg.instance_for_test() as instance:
        assert requested_partitions(schedule, instance) == []
        instance.add_dynamic_partitions("asana_workspaces", ["1", "2"])
        assert requested_partitions(schedule, instance) == ["1", "2"]


@pytest.mark.slow
@pytest.mark.parametrize("schedule", ["asana_daily", "asana_frequent"])
def test_a_schedule_skips_a_workspace_with_an_active_run(schedule: str) -> None:
    with dg.instance_for_test() as instance:
        instance.add_dynamic_partitions("asana_workspaces", ["1", "2"])
        active = instance.create_run_for_job(
            defs.resolve_job_def("asana_sync_workspace"),
            status=dg.DagsterRunStatus.STARTED,
            tags={"dagster/partition": "1"},
        )
        assert requested_partitions(schedule, instance) == ["2"]
        instance.create_run_for_job(
            defs.resolve_job_def("asana_sync_changes"),
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
        assert requested_partitions("asana_daily", instance) == ["1"]


def asset_names(job: str) -> set[str]:
    return {NAMES.endpoint(node.name) for node in defs.resolve_job_def(NAMES.of(job)).nodes}


def test_the_jobs_select_the_assets_that_their_descriptions_name() -> None:
    assert asset_names("sync_essentials") == {"workspaces", "users", "projects", "tasks"}
    assert asset_names("sync_changes") == {"tasks", "subtasks", "stories", "attachments"}
    assert asset_names("refresh_workspaces") == {"workspaces"}
    assert len(asset_names("sync_workspace")) == 15


@pytest.mark.slow
def test_the_sensors_request_runs_as_of_the_current_time(make_warehouse: MakeWarehouse) -> None:
    warehouse = make_warehouse()
    definitions = warehouse.definitions
    resources = {"asana_api": (definitions.resources or {})["asana_api"]}
    paid = warehouse.asana.organization.edge_cases["paid_organization"]
    warehouse.asana.organization.add_comment(str(warehouse.asana.truth("tasks", paid)[0]["gid"]), "A comment")
    with dg.instance_for_test() as instance:
        for sensor, requested in (("asana_watch_workspaces", 3), ("asana_watch_changes", 1)):
            with dg.SensorEvaluationContext(
                instance_ref=instance.get_ref(),
                last_tick_completion_time=None,
                last_run_key=None,
                cursor=None,
                repository_name=None,
                repository_def=definitions.get_repository_def(),
                sensor_name=sensor,
                resources=resources,
            ) as context:
                result = definitions.resolve_sensor_def(sensor).evaluate_tick(context)
            assert len(result.run_requests or []) == requested
            instance.add_dynamic_partitions("asana_workspaces", [paid])


# --- failure notifications and declarative automation


def notification_of(warehouse: Warehouse, result: dg.ExecuteInProcessResult) -> str:
    """Return what the failure sensor sends for a failed run."""
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
    return notification


def test_the_failure_sensor_notifies_of_a_failed_run_with_asanas_message(make_warehouse: MakeWarehouse) -> None:
    warehouse = make_warehouse()
    warehouse.asana.revoke_token()
    result = warehouse.run("refresh_workspaces")
    notification = notification_of(warehouse, result)
    assert f"Run {result.run_id} (asana_refresh_workspaces) failed. Asana rejected the token " in notification
    assert "returned 401: Not Authorized" in notification


@pytest.mark.slow
@pytest.mark.parametrize("rejected", ["/projects", "/users"])
def test_the_failure_sensor_names_the_cause_and_not_what_was_not_started_because_of_it(
    make_warehouse: MakeWarehouse, rejected: str
) -> None:
    """The rejected request is that of the step that runs first, or one that was prefetched meanwhile."""
    warehouse = make_warehouse()
    assert warehouse.run("refresh_workspaces").success
    warehouse.settings["ASANA_REQUESTS_PER_SECOND"] = "2"  # the response arrives before the next request slot
    warehouse.asana.add_fault(rejected, 401)
    result = warehouse.run("sync_workspace", paid(warehouse), ["users", "projects", "tags"])
    assert len(failures(result)) > 1
    notification = notification_of(warehouse, result)
    assert notification.count("returned 401") == 1
    assert f"Asana rejected the token (GET {rejected} returned 401" in notification
    assert "not started" not in notification


def test_the_failure_sensor_names_one_asset_that_was_not_started_if_no_step_reported_the_cause() -> None:
    reasons = ["users of workspace 1 was not started: a", "tags of workspace 1 was not started: a"]
    steps = [step_failure(dg.Failure(reason, metadata={NOT_STARTED_KEY: "a"})) for reason in reasons]
    assert failure_causes(steps) == reasons[:1]


def test_the_failure_sensor_names_unexpected_errors_beside_known_ones() -> None:
    errors = (dg.Failure("tags: no."), ValueError("Unexpected"), dg.Failure("tags: no."), OSError("Two\nlines"))
    assert failure_causes(list(map(step_failure, errors))) == ["tags: no.", "ValueError: Unexpected", "OSError: lines"]


def step_failure(error: Exception) -> dg.DagsterEvent:
    """Return the event of a step that raised the error."""

    @dg.op
    def fail() -> None:
        raise error

    @dg.job
    def failing() -> None:
        fail()

    quiet = {"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}}
    result = failing.execute_in_process(quiet, raise_on_error=False)
    [event] = result.filter_events(lambda event: event.is_step_failure)
    return event


def test_declarative_automation_is_off_by_default() -> None:
    sensors = {sensor.name: sensor.default_status for sensor in defs.get_repository_def().sensor_defs}
    assert sensors == {
        "asana_watch_workspaces": dg.DefaultSensorStatus.RUNNING,
        "asana_watch_changes": dg.DefaultSensorStatus.STOPPED,
        "asana_watch_freshness": dg.DefaultSensorStatus.RUNNING,
        "asana_automation_condition_sensor": dg.DefaultSensorStatus.STOPPED,
    }
    for spec in defs.resolve_all_asset_specs():
        assert spec.automation_condition == Automation().condition


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
