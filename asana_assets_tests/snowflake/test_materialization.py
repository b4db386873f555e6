"""Route `tables`: after each materialization Snowflake has the rows of the Iceberg table.

Over HTTP, with the real connector, against an emulator whose tables change when they are refreshed and only then.
"""

import dagster as dg
import pytest
from snowflake.connector.errors import ProgrammingError

from asana_assets.defs.snowflake import compare_row_counts
from asana_assets.sandbox import STANDARD
from asana_assets_tests.support.snowflake_emulator import (
    PASSWORD,
    SETTINGS,
    SnowflakeEmulator,
    ignore_fakesnow_warning,
)
from asana_assets_tests.support.sync_harness import MakeWarehouse, Warehouse, failed_checks, failures, metadata

pytestmark = [ignore_fakesnow_warning, pytest.mark.timeout(100)]


@pytest.fixture
def warehouse(
    empty_schema: None, make_warehouse: MakeWarehouse, emulator: SnowflakeEmulator, monkeypatch: pytest.MonkeyPatch
) -> Warehouse:
    del empty_schema
    monkeypatch.setenv("SNOWFLAKE_PASSWORD", PASSWORD)
    address = {f"SNOWFLAKE_{name.upper()}": str(value) for name, value in emulator.connection_args.items()}
    return make_warehouse(SETTINGS | address)


def sync(warehouse: Warehouse, *names: str) -> str:
    """Materialize the workspaces and these assets (default: all) of one workspace; return its gid."""
    gid = warehouse.asana.organization.edge_cases["free_organization"]
    warehouse.settings["ASANA_WORKSPACES"] = gid
    for result in (warehouse.run("refresh_workspaces"), warehouse.run("sync_workspace", gid, names)):
        assert result.success, failures(result)
        assert not [check for _, check in failed_checks(result) if check == "snowflake_row_count"]
    return gid


def snowflake_row_counts(emulator: SnowflakeEmulator, *names: str) -> dict[str, object]:
    statements = [f'SELECT COUNT(*) FROM ASANA.RAW."{name.upper()}"' for name in names]  # noqa: S608 - our own names
    return dict(zip(names, emulator.query(*statements), strict=True))


def iceberg_row_counts(warehouse: Warehouse, *names: str) -> dict[str, object]:
    return {name: len(warehouse.rows(name)) for name in names}


@pytest.mark.slow
def test_after_a_sync_snowflake_has_every_row_of_all_fifteen_tables(
    warehouse: Warehouse, emulator: SnowflakeEmulator
) -> None:
    sync(warehouse)
    refreshed = [statement.split(".")[2] for statement in emulator.statements if statement.endswith("REFRESH")]
    assert sorted(refreshed) == sorted(f'"{name.upper()}" REFRESH' for name in STANDARD), "once each"
    counted = [statement for statement in emulator.statements if statement.startswith("SELECT COUNT")]
    assert len(counted) == len(STANDARD), "by the checks"
    assert emulator.no_ops == []
    assert snowflake_row_counts(emulator, *STANDARD) == iceberg_row_counts(warehouse, *STANDARD)


@pytest.mark.slow
def test_the_history_of_changes_is_refreshed_with_the_table_that_changed_also_after_a_failed_refresh(
    warehouse: Warehouse, emulator: SnowflakeEmulator
) -> None:
    def changes() -> tuple[object, int]:
        refreshed = sum(statement.endswith('"CHANGES" REFRESH') for statement in emulator.statements)
        return snowflake_row_counts(emulator, "changes")["changes"], refreshed

    gid = sync(warehouse, "projects")
    assert not any("CHANGES" in statement for statement in emulator.statements)
    warehouse.asana.organization.add_project(gid, "One")
    sync(warehouse, "projects")
    sync(warehouse, "projects")
    assert changes() == (1, 1)
    warehouse.asana.organization.add_project(gid, "Two")
    emulator.failures.append(ProgrammingError("No right.", errno=3001, sqlstate="42501"))
    assert not warehouse.run("sync_workspace", gid, ["projects"]).success
    sync(warehouse, "projects")
    assert changes() == (2, 2)
    assert emulator.no_ops == []


@pytest.mark.slow
def test_the_row_count_check_detects_a_missed_refresh(warehouse: Warehouse, emulator: SnowflakeEmulator) -> None:
    gid = sync(warehouse, "projects")
    before = iceberg_row_counts(warehouse, "projects")
    warehouse.asana.organization.add_project(gid, "Not refreshed")
    warehouse.settings["SNOWFLAKE_ROUTE"] = "horizon"
    assert warehouse.run("sync_workspace", gid, ["projects"]).success
    assert snowflake_row_counts(emulator, "projects") == before == {"projects": 2}
    assert iceberg_row_counts(warehouse, "projects") == {"projects": 3}

    warehouse.settings["SNOWFLAKE_ROUTE"] = "tables"
    resources = warehouse.definitions.resources or {}
    with dg.build_resources({name: resources[f"asana_{name}"] for name in ("lake", "snowflake")}) as opened:
        result = compare_row_counts("projects", opened.lake, opened.snowflake)
    assert (result.passed, result.severity) == (False, dg.AssetCheckSeverity.WARN)
    assert result.description == "Snowflake sees 2 rows, the Iceberg table has 3."

    sync(warehouse, "projects")
    assert snowflake_row_counts(emulator, "projects") == {"projects": 3}


@pytest.mark.slow
def test_a_transient_refresh_failure_is_retried_without_fetching_from_asana_again(
    warehouse: Warehouse, emulator: SnowflakeEmulator
) -> None:
    gid = sync(warehouse, "projects")
    requests = len(warehouse.asana.log)
    warehouse.asana.organization.add_project(gid, "Refreshed")
    emulator.failures.append(ProgrammingError("Glue is busy.", errno=93660, sqlstate="XX000"))
    sync(warehouse, "projects")
    assert emulator.failures == []
    assert len(warehouse.asana.log) == 2 * requests
    assert snowflake_row_counts(emulator, "projects") == iceberg_row_counts(warehouse, "projects")


@pytest.mark.slow
def test_a_table_is_refreshed_only_after_a_change_or_a_failed_refresh(
    warehouse: Warehouse, emulator: SnowflakeEmulator
) -> None:
    def refreshes() -> int:
        return sum(statement.endswith('"PROJECTS" REFRESH') for statement in emulator.statements)

    gid = sync(warehouse, "projects")
    assert refreshes() == 1
    sync(warehouse, "projects")
    sync(warehouse, "projects")
    assert refreshes() == 1
    warehouse.asana.organization.add_project(gid, "Not refreshed")
    emulator.failures.append(ProgrammingError("No right.", errno=3001, sqlstate="42501"))
    assert not warehouse.run("sync_workspace", gid, ["projects"]).success
    before = refreshes()
    sync(warehouse, "projects")
    sync(warehouse, "projects")
    assert refreshes() == before + 1
    assert snowflake_row_counts(emulator, "projects") == iceberg_row_counts(warehouse, "projects")


@pytest.mark.slow
def test_a_permanent_refresh_failure_fails_the_step_and_the_next_run_repairs_it(
    warehouse: Warehouse, emulator: SnowflakeEmulator
) -> None:
    gid = sync(warehouse, "projects")
    warehouse.asana.organization.add_project(gid, "Not refreshed")
    emulator.failures.append(ProgrammingError(f"No right:\nnot for {PASSWORD}.", errno=3001, sqlstate="42501"))
    result = warehouse.run("sync_workspace", gid, ["projects"])
    message = "003001 (42501): No right: not for ***."
    assert failures(result) == {
        "projects": 'projects: the rows are stored, but the Snowflake table "ASANA"."RAW"."PROJECTS" could not be '
        f"refreshed: {message} The next materialization refreshes it."
    }
    [event] = result.filter_events(lambda event: event.is_step_failure)
    failure = event.step_failure_data.user_failure_data
    assert failure is not None
    failure_metadata = {name: entry.value for name, entry in failure.metadata.items()}
    assert failure_metadata == {"snowflake_table": '"ASANA"."RAW"."PROJECTS"', "snowflake_error": message}
    assert not [entry for entry in warehouse.instance.all_logs(result.run_id) if PASSWORD in str(entry)]
    assert iceberg_row_counts(warehouse, "projects") == {"projects": 3}
    assert snowflake_row_counts(emulator, "projects") == {"projects": 2}

    sync(warehouse, "projects")
    assert snowflake_row_counts(emulator, "projects") == {"projects": 3}


def test_snowflake_is_not_refreshed_after_a_failed_materialization(
    warehouse: Warehouse, emulator: SnowflakeEmulator
) -> None:
    gid = sync(warehouse, "projects")
    for row in warehouse.rows("projects", gid):  # all of them: either may be fetched first
        warehouse.asana.organization.post_status(str(row["gid"]), "News")
    sync(warehouse, "projects")
    warehouse.settings["ASANA_MAX_IN_FLIGHT"] = "1"  # the first project is stored before the second one fails
    warehouse.asana.add_fault("/status_updates", 401, skip=1)
    result = warehouse.run("sync_workspace", gid, ["status_updates"], checkpoint_rows=1)
    assert not result.success
    assert warehouse.rows("status_updates")
    assert not [statement for statement in emulator.statements if "STATUS_UPDATES" in statement]


def test_a_materialization_reports_its_snowflake_table_and_row_counts(warehouse: Warehouse) -> None:
    warehouse.settings["ASANA_WORKSPACES"] = warehouse.asana.organization.edge_cases["free_organization"]
    result = warehouse.run("refresh_workspaces")
    assert metadata(result, "workspaces")["snowflake_table"] == '"ASANA"."RAW"."WORKSPACES"'
    assert metadata(result, "workspaces")["snowflake_refresh_seconds"] > 0
    [check] = [one for one in result.get_asset_check_evaluations() if one.check_name == "snowflake_row_count"]
    assert {name: entry.value for name, entry in check.metadata.items()} == {
        "iceberg_row_count": 1,
        "snowflake_row_count": 1,
    }
