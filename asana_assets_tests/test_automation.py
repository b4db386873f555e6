"""What runs by itself: when a schedule or a sensor asks for a run, and when it says why it does not."""

from functools import partial

import dagster as dg
import pytest

from asana_assets.automation import (
    build_failure_sensor,
    condition,
    daily,
    decide_partitions,
    declarative,
    frequent,
    sync_changes,
    sync_essentials,
    watch_changes,
)
from asana_assets.definitions import defs
from warehouse import MakeWarehouse, Warehouse


def test_partitions_follow_what_is_seen_and_wanted() -> None:
    assert decide_partitions(registered=["1", "2"], seen=["2", "3"], wanted=[]) == (["3"], ["1"])
    assert decide_partitions(registered=["1", "2"], seen=["1", "2", "3"], wanted=["2"]) == ([], ["1"])
    assert decide_partitions(registered=[], seen=[], wanted=[]) == ([], [])


@pytest.mark.parametrize("schedule", [daily, frequent])
def test_a_workspace_whose_run_has_not_ended_gets_no_second_one(schedule: dg.ScheduleDefinition) -> None:
    with dg.instance_for_test() as instance:
        instance.add_dynamic_partitions("asana_workspaces", ["1", "2"])
        unfinished = instance.create_run_for_job(
            defs.resolve_job_def("sync_workspace"),
            status=dg.DagsterRunStatus.STARTED,
            tags={"dagster/partition": "1"},
        )
        requests = schedule(dg.build_schedule_context(instance=instance))
        assert isinstance(requests, list)
        assert [request.partition_key for request in requests] == ["2"]
        instance.create_run_for_job(
            defs.resolve_job_def("sync_changes"),
            status=dg.DagsterRunStatus.NOT_STARTED,
            tags={"dagster/partition": "2"},
        )
        nothing = schedule(dg.build_schedule_context(instance=instance))
        assert isinstance(nothing, dg.SkipReason)
        instance.report_run_canceled(unfinished)
        requests = schedule(dg.build_schedule_context(instance=instance))
        assert isinstance(requests, list)
        assert [request.partition_key for request in requests] == ["1"]


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
    traps = warehouse.asana.organization.traps
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
    warehouse.asana.revoke()
    result = warehouse.run("refresh_workspaces")
    told: list[str] = []
    sensor = build_failure_sensor(told.append)
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
    assert declarative.default_status is dg.DefaultSensorStatus.STOPPED
    sensors = defs.get_repository_def().sensor_defs
    assert {sensor.name for sensor in sensors} == {"watch_workspaces", "watch_changes", "declarative"}
    for spec in defs.resolve_all_asset_specs():
        assert spec.automation_condition == condition


def test_declaratively_a_new_partition_is_synced_at_once_and_all_of_it(make_warehouse: MakeWarehouse) -> None:
    warehouse = make_warehouse()
    gid = warehouse.asana.organization.traps["personal_workspace"]
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
