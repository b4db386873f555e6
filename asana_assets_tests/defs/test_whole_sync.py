"""Syncs of everything, over real HTTP into real tables."""

from collections import Counter
from pathlib import Path

import pytest

from asana_assets.asana.endpoints import STANDARD_ENDPOINTS
from asana_assets.sandbox import FaultPlan, Sandbox
from asana_assets_tests.support.sync_harness import MakeWarehouse, Warehouse


def sync_paid_organization(warehouse: Warehouse) -> str:
    """Sync the paid organization only and return its gid."""
    gid = warehouse.asana.organization.edge_cases["paid_organization"]
    warehouse.settings["ASANA_WORKSPACES"] = gid
    warehouse.sync()
    return gid


def endpoint_files(warehouse: Warehouse) -> set[Path]:
    """Return all files of the endpoints' tables, data and metadata."""
    return {path for endpoint in STANDARD_ENDPOINTS for path in warehouse.data_dir.rglob(f"{endpoint.name}/**/*.*")}


def minimal_requests(asana: Sandbox) -> int:
    """Return the number of requests that a perfect client needs for a first sync."""
    workspaces = [str(record["gid"]) for record in asana.truth("workspaces")]
    return 1 + sum(
        count
        for gid in workspaces
        for endpoint, count in asana.minimal_requests(gid).items()
        if endpoint != "workspaces"
    )


def test_a_first_sync_is_complete_with_the_fewest_requests_and_a_second_one_fetches_no_children_and_writes_nothing(
    make_warehouse: MakeWarehouse,
) -> None:
    warehouse = make_warehouse()
    warehouse.sync()
    warehouse.assert_matches_asana()
    requests = Counter((entry.path, tuple(sorted(entry.query.items()))) for entry in warehouse.asana.log)
    assert max(requests.values()) == 1
    assert len(warehouse.asana.log) == minimal_requests(warehouse.asana)

    first = {endpoint.name: warehouse.iceberg_table(endpoint.name).metadata_location for endpoint in STANDARD_ENDPOINTS}
    files = endpoint_files(warehouse)
    since = len(warehouse.asana.log)
    warehouse.sync()
    paths = [entry.path for entry in warehouse.asana.log[since:]]
    assert not [path for path in paths if path.endswith(("/stories", "/subtasks")) or path == "/attachments"]
    searches = Counter(path.split("/")[2] for path in paths if path.endswith("/search"))
    assert sorted(searches.values()) == [1, 1, 2]  # one request each is rejected where the plan has no search
    assert searches[warehouse.asana.organization.edge_cases["paid_organization"]] == 2
    for name, metadata_location in first.items():
        assert warehouse.iceberg_table(name).metadata_location == metadata_location, name
    assert endpoint_files(warehouse) == files != set()


@pytest.mark.slow
def test_tables_are_complete_when_a_fifth_of_first_attempts_fail(make_warehouse: MakeWarehouse) -> None:
    warehouse = make_warehouse(faults=FaultPlan(fraction=0.2, hang_seconds=2))
    warehouse.asana_fields["read_timeout_seconds"] = 1.0
    warehouse.assert_matches_asana(sync_paid_organization(warehouse))
    assert len({entry.status for entry in warehouse.asana.log} & {429, 500, 502, 503, 504}) == 5


@pytest.mark.slow
def test_the_configured_rate_stays_below_the_limit_of_the_free_plan(make_warehouse: MakeWarehouse) -> None:
    """150 requests a minute with 1.25/s configured, 50 times as fast."""
    warehouse = make_warehouse({"ASANA_REQUESTS_PER_SECOND": "62.5"}, requests_per_minute=150, window_seconds=1.2)
    warehouse.assert_matches_asana(sync_paid_organization(warehouse))
    assert warehouse.asana.rejection_count == 0


@pytest.mark.slow
def test_the_rate_adapts_to_a_limit_below_the_configured_rate(make_warehouse: MakeWarehouse) -> None:
    warehouse = make_warehouse({"ASANA_REQUESTS_PER_SECOND": "100"}, requests_per_minute=60, window_seconds=3)
    warehouse.assert_matches_asana(sync_paid_organization(warehouse))
    assert 0 < warehouse.asana.rejection_count < len(warehouse.asana.log) / 5


def test_paging_neither_loses_nor_duplicates_rows(make_warehouse: MakeWarehouse) -> None:
    warehouse = make_warehouse()
    gid = warehouse.asana.organization.edge_cases["paid_organization"]
    organization = warehouse.asana.organization
    project = organization.add_project(gid, "Many")
    for at in range(250):
        organization.add_task(project, f"Task {at}")
    assert warehouse.run("refresh_workspaces").success
    assert warehouse.run("sync_workspace", gid, ["projects", "users", "tasks"]).success
    rows = [row for row in warehouse.rows("tasks", gid) if project in row["project_gids"]]
    assert len(rows) == len({row["gid"] for row in rows}) == 250
