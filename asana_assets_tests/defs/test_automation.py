"""What runs by itself: when a schedule or a sensor asks for a run, and when it says why it does not."""

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


def test_partitions_follow_what_is_seen_and_wanted() -> None:
    assert decide_partitions(registered=["1", "2"], seen=["2", "3"], wanted=[]) == (["3"], ["1"])
    assert decide_partitions(registered=["1", "2"], seen=["1", "2", "3"], wanted=["2"]) == ([], ["1"])
    assert decide_partitions(registered=[], seen=[], wanted=[]) == ([], [])


def tick(definitions: dg.Definitions, instance: dg.DagsterInstance) -> dg.SensorResult | dg.SkipReason:
    resources = {"asana": (definitions.resources or {})["asana"]}
    with dg.build_sensor_context(instance=instance, definitions=definitions, resources=resources) as context:
        result = watch_workspaces(context)
    assert isinstance(result, dg.SensorResult | dg.SkipReason)
    return result


def test_the_sensor_registers_new_workspaces_and_asks_for_their_first_sync(make_warehouse: MakeWarehouse) -> None:
    warehouse = make_warehouse()
    seen = [str(record["gid"]) for record in warehouse.asana.truth("workspaces")]
    result = tick(warehouse.definitions, warehouse.instance)
    assert isinstance(result, dg.SensorResult)
    requests = result.run_requests or []
    assert [request.partition_key for request in requests] == seen
    assert {request.job_name for request in requests} == {"sync_new_workspace"}
    [registration] = result.dynamic_partitions_requests or []
    assert list(registration.partition_keys) == seen
    warehouse.instance.add_dynamic_partitions("asana_workspaces", seen)
    assert warehouse.run("sync_new_workspace", seen[-1]).success
    assert isinstance(tick(warehouse.definitions, warehouse.instance), dg.SkipReason)


def test_the_sensor_removes_a_workspace_that_went(make_warehouse: MakeWarehouse) -> None:
    warehouse = make_warehouse()
    seen = [str(record["gid"]) for record in warehouse.asana.truth("workspaces")]
    warehouse.instance.add_dynamic_partitions("asana_workspaces", [*seen, "5"])
    result = tick(warehouse.definitions, warehouse.instance)
    assert isinstance(result, dg.SensorResult)
    assert [request.job_name for request in result.run_requests or []] == ["refresh_workspaces"]
    [removal] = result.dynamic_partitions_requests or []
    assert isinstance(removal, dg.DeleteDynamicPartitionsRequest)
    assert list(removal.partition_keys) == ["5"]


def test_without_a_token_the_sensor_says_why_it_does_nothing(make_warehouse: MakeWarehouse) -> None:
    warehouse = make_warehouse({"ASANA_ACCESS_TOKEN": ""})
    result = tick(warehouse.definitions, warehouse.instance)
    assert isinstance(result, dg.SkipReason)
    assert "there is no access token: set ASANA_ACCESS_TOKEN" in (result.skip_message or "")
    assert len(warehouse.asana.log) == 0


def asked(schedule: dg.ScheduleDefinition, instance: dg.DagsterInstance) -> list[str | None]:
    """Give the partitions that a schedule asks for now, as Dagster takes its answer."""
    now = datetime(2026, 1, 2, 3, tzinfo=UTC)
    with dg.build_schedule_context(
        instance=instance, scheduled_execution_time=now, repository_def=defs.get_repository_def()
    ) as context:
        answer = schedule.evaluate_tick(context)
    requests = answer.run_requests or []
    assert len({request.run_key for request in requests}) == len(requests)
    assert requests or answer.skip_message
    return [request.partition_key for request in requests]


@pytest.mark.parametrize("schedule", [daily, frequent])
def test_a_schedule_asks_for_one_run_for_each_registered_workspace(schedule: dg.ScheduleDefinition) -> None:
    with dg.instance_for_test() as instance:
        assert asked(schedule, instance) == []
        instance.add_dynamic_partitions("asana_workspaces", ["1", "2"])
        assert asked(schedule, instance) == ["1", "2"]


@pytest.mark.parametrize("schedule", [daily, frequent])
def test_a_workspace_whose_run_has_not_ended_gets_no_second_one(schedule: dg.ScheduleDefinition) -> None:
    with dg.instance_for_test() as instance:
        instance.add_dynamic_partitions("asana_workspaces", ["1", "2"])
        unfinished = instance.create_run_for_job(
            defs.resolve_job_def("sync_workspace"),
            status=dg.DagsterRunStatus.STARTED,
            tags={"dagster/partition": "1"},
        )
        assert asked(schedule, instance) == ["2"]
        instance.create_run_for_job(
            defs.resolve_job_def("sync_changes"),
            status=dg.DagsterRunStatus.NOT_STARTED,
            tags={"dagster/partition": "2"},
        )
        assert asked(schedule, instance) == []
        instance.report_run_canceled(unfinished)
        assert asked(schedule, instance) == ["1"]


def names(job: str) -> set[str]:
    return {node.name for node in defs.resolve_job_def(job).nodes}


def test_the_jobs_have_the_assets_that_their_descriptions_say() -> None:
    assert names(sync_essentials.name) == {"workspaces", "users", "projects", "tasks"}
    assert names(sync_changes.name) == {"tasks", "subtasks", "stories", "attachments"}
    assert len(names("sync_workspace")) == 14
    assert len(names("sync_new_workspace")) == 15


# --- changes


def registered(make_warehouse: MakeWarehouse) -> tuple[Warehouse, str, str]:
    """Give a warehouse that was synced just now, and a paid and a free workspace of it."""
    warehouse = make_warehouse()
    traps = warehouse.asana.organization.edge_cases
    paid, free = traps["paid_organization"], traps["free_organization"]
    warehouse.instance.add_dynamic_partitions("asana_workspaces", [paid, free])
    return warehouse, paid, free


def look(warehouse: Warehouse, cursor: str | None = None) -> dg.SensorResult | dg.SkipReason:
    definitions = warehouse.definitions
    resources = {"asana": (definitions.resources or {})["asana"]}
    with dg.build_sensor_context(
        instance=warehouse.instance, definitions=definitions, resources=resources, cursor=cursor
    ) as context:
        result = watch_changes(context)
    assert isinstance(result, dg.SensorResult | dg.SkipReason)
    return result


def test_a_change_asks_for_a_sync_of_its_workspace_once_and_costs_a_request_each(make_warehouse: MakeWarehouse) -> None:
    warehouse, paid, free = registered(make_warehouse)
    warehouse.asana.organization.add_comment(str(warehouse.asana.truth("tasks", paid)[0]["gid"]), "A word")
    asked = len(warehouse.asana.log)
    first = look(warehouse)
    assert isinstance(first, dg.SensorResult)
    assert [request.partition_key for request in first.run_requests or []] == [paid]
    assert len(warehouse.asana.log) - asked == 2
    again = look(warehouse, first.cursor)
    assert isinstance(again, dg.SkipReason)
    assert again.skip_message == f"Nothing changed. Not on the plan of {free}: there, searching is refused (402)."


def test_without_a_workspace_or_a_token_it_says_why_it_does_nothing(make_warehouse: MakeWarehouse) -> None:
    warehouse = make_warehouse({"ASANA_ACCESS_TOKEN": ""})
    nothing = look(warehouse)
    assert isinstance(nothing, dg.SkipReason)
    assert "materialize workspaces first" in (nothing.skip_message or "")
    warehouse.instance.add_dynamic_partitions("asana_workspaces", ["1"])
    nothing = look(warehouse)
    assert isinstance(nothing, dg.SkipReason)
    assert "set ASANA_ACCESS_TOKEN" in (nothing.skip_message or "")


# --- failures, and the declarative alternative


def test_whoever_wants_is_told_of_a_failed_run_in_asanas_words(make_warehouse: MakeWarehouse) -> None:
    warehouse = make_warehouse()
    warehouse.asana.revoke_token()
    result = warehouse.run("refresh_workspaces")
    told: list[str] = []
    sensor = build_run_failure_sensor(told.append)
    context = dg.build_run_status_sensor_context(
        sensor_name=sensor.name,
        dagster_instance=warehouse.instance,
        dagster_run=result.dagster_run,
        dagster_event=next(event for event in result.all_events if event.is_run_failure),
    ).for_run_failure()
    sensor(context)
    [words] = told
    assert f"Run {result.run_id} (refresh_workspaces) failed. workspaces: " in words
    assert "answered 401: Not Authorized" in words


def test_nothing_runs_declaratively_unless_it_is_switched_on() -> None:
    assert automation_condition_sensor.default_status is dg.DefaultSensorStatus.STOPPED
    sensors = defs.get_repository_def().sensor_defs
    assert {sensor.name for sensor in sensors} == {"watch_workspaces", "watch_changes", "automation_condition_sensor"}
    for spec in defs.resolve_all_asset_specs():
        assert spec.automation_condition == automation_condition


@pytest.mark.slow
def test_declaratively_a_new_partition_is_synced_at_once_and_all_of_it(make_warehouse: MakeWarehouse) -> None:
    warehouse = make_warehouse()
    gid = warehouse.asana.organization.edge_cases["personal_workspace"]
    warehouse.settings["ASANA_WORKSPACES"] = gid
    evaluate = partial(
        dg.evaluate_automation_conditions, defs, warehouse.instance, asset_selection=dg.AssetSelection.all()
    )
    switched_on = evaluate()
    assert warehouse.run("refresh_workspaces").success
    registered = evaluate(cursor=switched_on.cursor)
    assert registered.total_requested == 14
    assert warehouse.run("sync_workspace", gid).success
    assert evaluate(cursor=registered.cursor).total_requested == 0
