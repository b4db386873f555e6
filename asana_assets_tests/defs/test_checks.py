"""Asset checks: each one fails for its own reason and no other."""

import datetime as dt
from collections import Counter
from dataclasses import replace
from typing import Any

import dagster as dg
import pyarrow as pa
import pytest

from asana_assets.asana.endpoints import (
    AUDIT_LOG_EVENTS,
    ENDPOINTS,
    PORTFOLIOS,
    PROJECTS,
    STANDARD_ENDPOINTS,
    STORIES,
    TASKS,
    WORKSPACES,
)
from asana_assets.defs.check_inputs import CheckInputs
from asana_assets.defs.checks import CHECKS, checks_of, evaluate_checks
from asana_assets.sync.empty_column_rows import EmptyColumn
from asana_assets.sync.extract_stats import ExtractStats
from asana_assets_tests.support.mutations import paid
from asana_assets_tests.support.sync_harness import NAMES, MakeWarehouse, failed_checks, failures

NOW = dt.datetime(2026, 5, 9, tzinfo=dt.UTC)
EMPTY_COLUMN = EmptyColumn(name="due_on", rows_emptied=1_200, rows_fetched=1_500, found_at=NOW - dt.timedelta(days=2))
PASSING = CheckInputs(
    stats=ExtractStats(),
    rows=1_000,
    rows_before=1_000,
    drop_accepted=False,
    duplicate_keys=0,
    orphaned_gids=[],
    new_columns=[],
    empty_columns=[],
    collected_at=NOW,
)


def evaluate(inputs: CheckInputs) -> list[dg.AssetCheckResult]:
    """Evaluate every check that can fail, each for one of two endpoints."""
    evaluated = {
        result.check_name: result
        for endpoint in (AUDIT_LOG_EVENTS, STORIES)
        for result in evaluate_checks(endpoint, NAMES.asset_key(endpoint.name), "1", inputs)
    }
    return list(evaluated.values())


def failing(inputs: CheckInputs) -> dict[str, str]:
    return {str(result.check_name): str(result.description) for result in evaluate(inputs) if not result.passed}


def numbers(result: dg.AssetCheckResult) -> dict[str, object]:
    """Return the metadata that the UI plots."""
    return {name: entry.value for name, entry in result.metadata.items() if isinstance(entry, dg.IntMetadataValue)}


def test_every_check_passes_without_findings_and_for_a_drop_that_is_small_or_accepted() -> None:
    assert failing(PASSING) == {}
    assert failing(replace(PASSING, rows=500)) == {}
    assert failing(replace(PASSING, rows=1, rows_before=99)) == {}
    assert failing(replace(PASSING, rows=1, drop_accepted=True)) == {}
    assert failing(replace(PASSING, empty_columns=[replace(EMPTY_COLUMN, accepted=True)])) == {}
    assert failing(replace(PASSING, empty_columns=[EMPTY_COLUMN], collected_at=NOW + dt.timedelta(days=5))) == {}


@pytest.mark.parametrize(
    ("check", "changes", "message", "severity", "counts"),
    [
        (
            "unique_key",
            {"duplicate_keys": 2},
            "The gid is null or not unique in 2 of the workspace's 1,000 rows.",
            "ERROR",
            {"duplicate_keys": 2},
        ),
        ("no_orphaned_rows", {"orphaned_gids": ["7", "8"]}, "of the rows: 7, 8)", "WARN", {"orphans": 2}),
        (
            "available_on_plan",
            {"stats": ExtractStats(not_on_plan=True, carried_over=5)},
            "no longer available on the workspace's plan (402), so 1,000 rows",
            "WARN",
            {"rows_kept": 1_000},
        ),
        (
            "available_on_plan",
            {"stats": ExtractStats(not_on_plan=True, refused_to_users="GET /x returned 403")},
            "refused it to this token (GET /x returned 403), so 1,000 rows are those of an earlier sync.",
            "WARN",
            {"rows_kept": 1_000},
        ),
        (
            "no_missed_period",
            {"stats": ExtractStats(missed_period=(NOW - dt.timedelta(days=2), NOW))},
            f"Asana deleted the records from {NOW - dt.timedelta(days=2):%Y-%m-%d %H:%M} to {NOW:%Y-%m-%d %H:%M} (UTC)",
            "WARN",
            {"missed_periods": 1},
        ),
        (
            "all_parents_fetched",
            {"stats": ExtractStats(forbidden=["7"])},
            "has no access to 7",
            "WARN",
            {"unfetched_parents": 1},
        ),
        (
            "all_parents_fetched",
            {"stats": ExtractStats(failed={"7": "GET /x returned 500"})},
            "7 (GET /x",
            "ERROR",
            {"unfetched_parents": 1},
        ),
        (
            "all_parents_fetched",
            {"stats": ExtractStats(truncated=["7"])},
            "ended the listing of 7 early",
            "ERROR",
            {"unfetched_parents": 1},
        ),
        ("all_parents_fetched", {"stats": ExtractStats(missing_upstream=["users"])}, "listed by users", "WARN", {}),
        (
            "all_records_stored",
            {"stats": ExtractStats(records_skipped=2)},
            "2 records without a gid",
            "ERROR",
            {"records_skipped": 2},
        ),
        (
            "no_unmapped_values",
            {"stats": ExtractStats(texts_repaired=2)},
            "2 texts were not valid Unicode",
            "WARN",
            {"texts_repaired": 2},
        ),
        (
            "no_unmapped_values",
            {"stats": ExtractStats(unmapped=3, rows=9)},
            "in 3 of 9 fetched rows.",
            "WARN",
            {"rows_with_unmapped_values": 3},
        ),
        ("row_count_not_dropped", {"rows": 499}, "499 rows, down from 1,000.", "ERROR", {"rows_lost": 501}),
        (
            "all_parents_fetched",
            {"stats": ExtractStats(search_failure="GET /y returned 403")},
            "The search for changes failed (GET /y returned 403).",
            "WARN",
            {},
        ),
        (
            "columns_still_filled",
            {"empty_columns": [EMPTY_COLUMN], "stats": ExtractStats(rows=30, values=Counter({"due_on": 1}))},
            "due_on (1,200 rows had a value until 2026-05-07; values in the 30 rows fetched now: 1)",
            "WARN",
            {"empty_columns": 1},
        ),
        ("schema_unchanged", {"new_columns": ["mood"]}, "new columns: mood.", "WARN", {"new_columns": 1}),
    ],
)
def test_a_finding_fails_its_own_check_only_and_is_counted_there(
    check: str, changes: dict[str, Any], message: str, severity: str, counts: dict[str, int]
) -> None:
    results = evaluate(replace(PASSING, **changes))
    [failed] = [result for result in results if not result.passed]
    assert failed.check_name == check
    assert failed.severity.name == severity
    assert message in str(failed.description)
    expected = {str(one.check_name): numbers(one) for one in evaluate(PASSING)}
    expected[check] |= counts
    assert {str(one.check_name): numbers(one) for one in results} == expected


def test_every_check_has_a_number_to_plot_which_is_zero_without_findings() -> None:
    for result in evaluate(PASSING):
        assert set(numbers(result).values()) == {0}


def test_rows_that_were_lost_below_the_limit_are_counted_by_a_check_that_passes() -> None:
    [result] = [one for one in evaluate(replace(PASSING, rows=900)) if one.check_name == "row_count_not_dropped"]
    assert result.passed
    assert numbers(result) == {"rows_lost": 100}


def test_every_check_has_a_case_above() -> None:
    [parametrize] = test_a_finding_fails_its_own_check_only_and_is_counted_there.pytestmark  # type: ignore[attr-defined]
    assert {case[0] for case in parametrize.args[1]} == {check.name for check in CHECKS} - {"listing_limited"}


def test_what_asana_does_not_list_is_said_by_a_passing_check() -> None:
    inputs = replace(PASSING, limited_to=PORTFOLIOS.limited_to)
    results = {
        result.check_name: result for result in evaluate_checks(PORTFOLIOS, NAMES.asset_key("portfolios"), "1", inputs)
    }
    assert results["listing_limited"].passed
    assert str(results["listing_limited"].description).startswith(
        "Asana only lists the portfolios that the token's user owns; "
    )
    assert [
        endpoint.name for endpoint in ENDPOINTS if "listing_limited" in {one.name for one in checks_of(endpoint)}
    ] == ["portfolios"]


def test_the_first_20_gids_are_listed_and_the_rest_counted() -> None:
    gids = [str(gid) for gid in range(1025)]
    message = failing(replace(PASSING, orphaned_gids=gids))["no_orphaned_rows"]
    assert "17, 18, 19 and 1,005 more)" in message


def test_after_a_full_sync_every_check_of_every_asset_passes(make_warehouse: MakeWarehouse) -> None:
    warehouse = make_warehouse()
    assert warehouse.run("refresh_workspaces").success
    result = warehouse.run("sync_workspace", paid(warehouse))
    assert result.success
    assert failed_checks(result) == {}
    evaluated = {(check.asset_key.path[-1], check.check_name) for check in result.get_asset_check_evaluations()}
    endpoints = [endpoint for endpoint in STANDARD_ENDPOINTS if endpoint is not WORKSPACES]
    assert evaluated == {(endpoint.name, check.name) for endpoint in endpoints for check in checks_of(endpoint)}


def test_a_check_that_cannot_fail_for_an_endpoint_is_not_declared() -> None:
    stories, tasks, projects, log = (
        {check.name for check in checks_of(one)} for one in (STORIES, TASKS, PROJECTS, AUDIT_LOG_EVENTS)
    )
    assert stories == {check.name for check in CHECKS} - {"listing_limited", "no_missed_period"}
    assert log == projects | {"no_missed_period"}
    assert tasks == stories - {"unique_key"}
    assert projects == tasks - {"no_orphaned_rows"}


@pytest.mark.slow
def test_a_row_stored_under_two_parents_fails_unique_key(make_warehouse: MakeWarehouse) -> None:
    """It happens to a subtask that has moved, if only its new parent is fetched."""
    warehouse = make_warehouse()
    assert warehouse.run("refresh_workspaces").success
    assert warehouse.run("sync_workspace", paid(warehouse)).success
    row = warehouse.rows("stories", paid(warehouse))[0]
    task = str(warehouse.rows("tasks", paid(warehouse))[-1]["gid"])
    table = warehouse.iceberg_table("stories")
    table.append(pa.Table.from_pylist([{**row, "parent_gid": task}], schema=warehouse.table("stories").schema))
    result = warehouse.run("sync_workspace", paid(warehouse), ["stories"])
    rows = len(warehouse.rows("stories", paid(warehouse)))
    assert failed_checks(result) == {
        ("stories", "unique_key"): f"The gid is null or not unique in 1 of the workspace's {rows:,} rows. Run a full "
        "refresh (asana-assets sync --full-refresh); if this check still fails, report a bug."
    }


def test_a_row_of_an_unknown_project_fails_no_orphaned_rows(make_warehouse: MakeWarehouse) -> None:
    warehouse = make_warehouse()
    assert warehouse.run("refresh_workspaces").success
    assert warehouse.run("sync_workspace", paid(warehouse), ["projects"]).success
    body = {"data": [{"gid": "77", "name": "Odd", "project": {"gid": "999"}}], "next_page": None}
    warehouse.asana.add_fault("/projects/{project_gid}/sections", 200, times=1, body=body)
    result = warehouse.run("sync_workspace", paid(warehouse), ["sections"])
    assert failed_checks(result) == {
        ("sections", "no_orphaned_rows"): "Some rows have parents that are missing from the upstream tables (gids of "
        "these parents, or of the rows: 77). Materialize the upstream assets, then this one."
    }


@pytest.mark.slow
def test_a_row_count_drop_blocks_downstream_assets_until_it_is_accepted(make_warehouse: MakeWarehouse) -> None:
    warehouse = make_warehouse(scale="demo")
    assert warehouse.run("refresh_workspaces").success
    chain = ["projects", "users", "tasks", "stories", "subtasks"]
    assert warehouse.run("sync_workspace", paid(warehouse), chain).success
    tasks, stories = len(warehouse.rows("tasks", paid(warehouse))), len(warehouse.rows("stories", paid(warehouse)))
    assert tasks >= 100
    nothing = {"data": [], "next_page": None}
    warehouse.asana.add_fault("/tasks", 200, body=nothing)
    warehouse.asana.add_fault("/tasks/{task_gid}", 404)
    for _ in range(2):  # the next sync does not take the dropped count for granted
        result = warehouse.run("sync_workspace", paid(warehouse), chain)
        assert f" rows, down from {tasks:,}." in failed_checks(result)["tasks", "row_count_not_dropped"]
        assert "row_count_not_dropped" in failures(result)["tasks"]
        assert len(warehouse.rows("stories", paid(warehouse))) == stories
    result = warehouse.run("sync_workspace", paid(warehouse), chain, accept_row_count_drop=True)
    assert result.success, failures(result)
    assert len(warehouse.rows("stories", paid(warehouse))) < stories / 2
    assert warehouse.run("sync_workspace", paid(warehouse), chain).success


def test_a_new_column_fails_schema_unchanged_and_is_named(make_warehouse: MakeWarehouse) -> None:
    warehouse = make_warehouse()
    assert warehouse.run("refresh_workspaces").success
    assert warehouse.run("sync_workspace", paid(warehouse), ["projects"]).success
    with warehouse.iceberg_table("projects").update_schema() as update:
        update.delete_column("notes")
    result = warehouse.run("sync_workspace", paid(warehouse), ["projects"])
    assert failed_checks(result)["projects", "schema_unchanged"].startswith("The table has new columns: notes.")
    assert (
        PROJECTS.schema.names == warehouse.table("projects").column_names
        or "notes" in warehouse.table("projects").column_names
    )
