"""The check that each registered workspace was synced recently: from the sync state, without a run or a request."""

import datetime as dt
from dataclasses import replace

import dagster as dg
import pytest

from asana_assets import Automation, build_asana_defs
from asana_assets.defs.freshness import WorkspaceAge, describe_overdue
from asana_assets_tests.support.mutations import name_of
from asana_assets_tests.support.sync_harness import MakeWarehouse, Warehouse

NOW = dt.datetime(2026, 1, 10, tzinfo=dt.UTC)
LIMIT = dt.timedelta(hours=49)
OLD = NOW - LIMIT - dt.timedelta(seconds=1)
FRESH = WorkspaceAge(label="Acme", known_since=OLD, synced_at={"tasks": NOW, "tags": NOW - LIMIT})


def overdue(*ages: WorkspaceAge) -> str:
    return describe_overdue(ages, max_age=LIMIT, now=NOW)


def test_a_workspace_whose_assets_were_all_synced_in_time_is_not_overdue() -> None:
    assert overdue() == overdue(FRESH) == ""


def test_one_overdue_asset_of_one_workspace_is_named_with_its_workspace() -> None:
    message = overdue(FRESH, replace(FRESH, label="Beta", synced_at={"tasks": NOW, "tags": OLD}))
    assert message.startswith(
        "Not synced within 49 hours: Beta (1 of 2 assets; tags was last synced at 2026-01-07 22:59 UTC). "
    )


@pytest.mark.parametrize(("known_since", "is_overdue"), [(OLD, True), (NOW, False), (None, False)])
def test_an_asset_that_was_never_synced_counts_from_when_its_workspace_became_known(
    known_since: dt.datetime | None, *, is_overdue: bool
) -> None:
    message = overdue(replace(FRESH, known_since=known_since, synced_at={"tasks": None}))
    assert ("tasks was never synced" in message) is is_overdue


def tick(warehouse: Warehouse, definitions: dg.Definitions | None = None) -> dg.AssetCheckEvaluation:
    """Return what a tick of the sensor reports."""
    definitions = definitions or warehouse.definitions
    resources = {"asana_lake": (definitions.resources or {})["asana_lake"]}
    with dg.build_sensor_context(instance=warehouse.instance, definitions=definitions, resources=resources) as context:
        result = definitions.resolve_sensor_def("asana_watch_freshness").evaluate_tick(context)
    assert not result.run_requests
    [evaluation] = result.asset_events
    assert isinstance(evaluation, dg.AssetCheckEvaluation)
    return evaluation


@pytest.mark.slow
def test_a_workspace_that_is_no_longer_synced_fails_the_check(make_warehouse: MakeWarehouse) -> None:
    warehouse = make_warehouse()
    warehouse.sync()
    sent = len(warehouse.asana.log)
    assert tick(warehouse).passed
    resources = warehouse.definitions.resources or {}
    asana, lake = resources["asana_api"], resources["asana_lake"]
    stopped = tick(warehouse, build_asana_defs(asana=asana, lake=lake, automation=Automation(max_age_hours=0)))
    assert not stopped.passed
    assert stopped.asset_key == dg.AssetKey(["asana", "workspaces"])
    assert f"{name_of(warehouse)} (14 of 14 assets; " in str(stopped.description)
    assert stopped.metadata.keys() == {"oldest_sync_age_hours"}
    assert 0 <= float(str(stopped.metadata["oldest_sync_age_hours"].value)) < 1
    assert len(warehouse.asana.log) == sent
    job = warehouse.definitions.resolve_implicit_global_asset_job_def()
    assert "asana__workspaces_synced" in {node.name for node in job.nodes}


def test_a_sync_does_not_evaluate_the_check(make_warehouse: MakeWarehouse) -> None:
    warehouse = make_warehouse()
    result = warehouse.run("refresh_workspaces")
    assert "workspaces_synced" not in {one.check_name for one in result.get_asset_check_evaluations()}


def test_tables_that_cannot_be_read_are_not_known_to_be_fresh(make_warehouse: MakeWarehouse) -> None:
    warehouse = make_warehouse()
    (warehouse.data_dir / "catalog.db").mkdir()
    assert str(tick(warehouse).description).startswith("When the workspaces were synced is not known. ")
