"""Each check of a materialization, made to fail."""

from dataclasses import replace
from typing import Any

import dagster as dg
import pyarrow as pa
import pytest

from asana_assets.asana.endpoints import ENDPOINTS, PROJECTS, STORIES
from asana_assets.defs.checks import CHECKS, CheckInputs, evaluate_checks
from asana_assets.sync.extract import ExtractStats
from asana_assets_tests.support.sync_harness import MakeWarehouse, Warehouse, complaints, failures

FINE = CheckInputs(
    stats=ExtractStats(), rows=1_000, rows_before=1_000, accepted=False, duplicate_keys=0, orphans=[], new_columns=[]
)


def paid(warehouse: Warehouse) -> str:
    return warehouse.asana.organization.traps["paid_organization"]


def failed(facts: CheckInputs) -> dict[str, tuple[dg.AssetCheckSeverity, str]]:
    return {
        str(result.check_name): (result.severity, str(result.description))
        for result in evaluate_checks(STORIES, "1", facts)
        if not result.passed
    }


def test_when_all_is_well_every_check_passes() -> None:
    assert failed(FINE) == {}
    assert failed(replace(FINE, rows=500)) == {}
    assert failed(replace(FINE, rows=1, rows_before=99)) == {}
    assert failed(replace(FINE, rows=1, accepted=True)) == {}


@pytest.mark.parametrize(
    ("check", "changes", "words", "severity"),
    [
        ("unique_key", {"duplicate_keys": 2}, "2 rows have a gid that is missing or not theirs alone.", "ERROR"),
        ("no_orphaned_rows", {"orphans": ["7", "8"]}, "Not in the tables above: 7, 8.", "WARN"),
        ("available_on_plan", {"stats": ExtractStats(not_on_plan=True)}, "Not on this plan (402)", "WARN"),
        ("all_parents_fetched", {"stats": ExtractStats(forbidden=["7"])}, "No access any more to 7", "WARN"),
        ("no_unmapped_values", {"stats": ExtractStats(unmapped=3)}, "3 rows have values that did not fit", "WARN"),
        ("row_count_not_dropped", {"rows": 499}, "499 rows, and 1,000 before.", "ERROR"),
        ("schema_unchanged", {"new_columns": ["mood"]}, "New: mood.", "WARN"),
    ],
)
def test_every_check_can_fail_and_no_other_with_it(
    check: str, changes: dict[str, Any], words: str, severity: str
) -> None:
    [(name, (how_bad, description))] = failed(replace(FINE, **changes)).items()
    assert name == check
    assert how_bad.name == severity
    assert words in description


def test_every_check_is_tried_here() -> None:
    [parametrize] = test_every_check_can_fail_and_no_other_with_it.pytestmark  # type: ignore[attr-defined]
    assert {case[0] for case in parametrize.args[1]} == {check.name for check in CHECKS}


def test_many_gids_are_counted_and_some_named() -> None:
    _, words = failed(replace(FINE, orphans=[str(gid) for gid in range(25)]))["no_orphaned_rows"]
    assert words.endswith("18, 19 and 5 more.")


def test_after_a_whole_sync_every_check_of_every_asset_passes_or_is_known_to_warn(
    make_warehouse: MakeWarehouse,
) -> None:
    warehouse = make_warehouse()
    assert warehouse.run("refresh_workspaces").success
    result = warehouse.run("sync_workspace", paid(warehouse))
    assert result.success
    assert complaints(result) == {}
    evaluated = {(one.asset_key.path[-1], one.check_name) for one in result.get_asset_check_evaluations()}
    names = {endpoint.name for endpoint in ENDPOINTS} - {"workspaces"}
    assert evaluated == {(name, check.name) for name in names for check in CHECKS}


@pytest.mark.slow
def test_a_row_twice_under_two_parents_is_found(make_warehouse: MakeWarehouse) -> None:
    """As a subtask is that moved, when only its new parent was asked."""
    warehouse = make_warehouse()
    assert warehouse.run("refresh_workspaces").success
    assert warehouse.run("sync_workspace", paid(warehouse)).success
    row = warehouse.rows("stories", paid(warehouse))[0]
    task = str(warehouse.rows("tasks", paid(warehouse))[-1]["gid"])
    table = warehouse.iceberg("stories")
    table.append(pa.Table.from_pylist([{**row, "parent_gid": task}], schema=warehouse.table("stories").schema))
    result = warehouse.run("sync_workspace", paid(warehouse), ["stories"])
    assert complaints(result) == {("stories", "unique_key"): "1 rows have a gid that is missing or not theirs alone."}


def test_a_row_of_an_unknown_project_is_found(make_warehouse: MakeWarehouse) -> None:
    warehouse = make_warehouse()
    assert warehouse.run("refresh_workspaces").success
    assert warehouse.run("sync_workspace", paid(warehouse), ["projects"]).success
    body = {"data": [{"gid": "77", "name": "Odd", "project": {"gid": "999"}}], "next_page": None}
    warehouse.asana.fault("/projects/{project_gid}/sections", 200, times=1, body=body)
    result = warehouse.run("sync_workspace", paid(warehouse), ["sections"])
    assert complaints(result) == {("sections", "no_orphaned_rows"): "Not in the tables above: 77."}


@pytest.mark.slow
def test_a_collapse_leaves_what_is_below_until_somebody_accepts_it(make_warehouse: MakeWarehouse) -> None:
    warehouse = make_warehouse(scale="demo")
    assert warehouse.run("refresh_workspaces").success
    chain = ["projects", "users", "tasks", "stories", "subtasks"]
    assert warehouse.run("sync_workspace", paid(warehouse), chain).success
    tasks, stories = len(warehouse.rows("tasks", paid(warehouse))), len(warehouse.rows("stories", paid(warehouse)))
    assert tasks >= 100
    nothing = {"data": [], "next_page": None}
    warehouse.asana.fault("/tasks", 200, body=nothing)
    warehouse.asana.fault("/tasks/{task_gid}", 404)
    for _ in range(2):  # the next sync is as doubtful as the first
        result = warehouse.run("sync_workspace", paid(warehouse), chain)
        assert f" rows, and {tasks:,} before." in complaints(result)["tasks", "row_count_not_dropped"]
        assert "row_count_not_dropped" in failures(result)["tasks"]
        assert len(warehouse.rows("stories", paid(warehouse))) == stories
    result = warehouse.run("sync_workspace", paid(warehouse), chain, accept_row_count_drop=True)
    assert result.success, failures(result)
    assert len(warehouse.rows("stories", paid(warehouse))) < stories / 2
    assert warehouse.run("sync_workspace", paid(warehouse), chain).success


def test_a_column_that_is_new_is_named(make_warehouse: MakeWarehouse) -> None:
    warehouse = make_warehouse()
    assert warehouse.run("refresh_workspaces").success
    assert warehouse.run("sync_workspace", paid(warehouse), ["projects"]).success
    with warehouse.iceberg("projects").update_schema() as update:
        update.delete_column("notes")
    result = warehouse.run("sync_workspace", paid(warehouse), ["projects"])
    assert complaints(result)["projects", "schema_unchanged"].startswith("New: notes.")
    assert (
        PROJECTS.schema.names == warehouse.table("projects").column_names
        or "notes" in warehouse.table("projects").column_names
    )
