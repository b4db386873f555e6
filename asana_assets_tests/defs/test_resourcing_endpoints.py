"""Time tracking categories, timesheets, allocations, budgets and rates, over real HTTP into real tables."""

import pytest

from asana_assets_tests.support.chosen_endpoints import make_chosen, minimal_requests
from asana_assets_tests.support.mutations import paid
from asana_assets_tests.support.sync_harness import MakeWarehouse, Warehouse, failed_checks, failures

pytestmark = pytest.mark.slow

RESOURCING = ("time_tracking_categories", "timesheet_approval_statuses", "allocations", "budgets", "rates")


def paths(warehouse: Warehouse, since: int = 0) -> list[str]:
    return [entry.path for entry in warehouse.asana.log[since:]]


def test_a_first_sync_is_complete_with_the_fewest_requests_and_a_second_one_fetches_no_children_and_writes_nothing(
    make_warehouse: MakeWarehouse,
) -> None:
    warehouse = make_chosen(make_warehouse, *RESOURCING)
    warehouse.sync()
    warehouse.assert_matches_asana(paid(warehouse))
    assert len(warehouse.asana.log) == minimal_requests(warehouse)
    assert {row["is_archived"] for row in warehouse.rows("time_tracking_categories")} == {False, True}
    tables = {name: warehouse.iceberg_table(name).metadata_location for name in warehouse.endpoints}
    since = len(warehouse.asana.log)
    warehouse.sync()
    assert not {"/budgets", "/rates"} & set(paths(warehouse, since))
    assert tables == {name: warehouse.iceberg_table(name).metadata_location for name in warehouse.endpoints}


def test_the_next_sync_finds_every_kind_of_change(make_warehouse: MakeWarehouse) -> None:
    """Changes of budgets and rates are found once their projects are modified, or by age."""
    warehouse = make_chosen(make_warehouse, *RESOURCING)
    warehouse.sync()
    organization, gids = warehouse.asana.organization, warehouse.asana.organization.edge_cases
    organization.add_category(paid(warehouse), "New")
    organization.archive_category(gids["category"])
    organization.decide_timesheet(gids["timesheet"], "SUBMITTED")
    organization.change_allocation(gids["allocation"], effort=None, end_date="2024-02-29")
    added = organization.add_allocation(gids["archived_project"], gids["me"], "2025-01-01", "2025-01-31")
    warehouse.sync()
    warehouse.assert_matches_asana(paid(warehouse))
    organization.delete_resource(added)
    organization.delete_resource(gids["budget"])
    organization.add_budget(gids["teamless_project"], 600)
    organization.change_rate(gids["rate"], 99.95)
    organization.add_rate(gids["archived_project"], gids["me"], 80)
    for name in ("main_project", "teamless_project"):
        organization.rename_project(gids[name], "Renamed")
    since = len(warehouse.asana.log)
    warehouse.sync()
    assert paths(warehouse, since).count("/rates") == 2
    assert not any(row["parent_gid"] == gids["archived_project"] for row in warehouse.rows("rates"))
    result = warehouse.run("sync_workspace", paid(warehouse), ["projects", "budgets", "rates"], refresh_after_days=1e-9)
    assert result.success, failures(result)
    warehouse.assert_matches_asana(paid(warehouse))


def test_a_plan_without_them_costs_one_request_for_each_listing(make_warehouse: MakeWarehouse) -> None:
    warehouse = make_chosen(make_warehouse, *RESOURCING)
    warehouse.settings["ASANA_MAX_IN_FLIGHT"] = "1"
    free = warehouse.asana.organization.edge_cases["free_organization"]
    warehouse.settings["ASANA_WORKSPACES"] = free
    for number in range(3):
        warehouse.asana.organization.add_project(free, f"Project {number}")
    assert warehouse.run("refresh_workspaces").success
    result = warehouse.run("sync_workspace", free)
    assert result.success, failures(result)
    assert failed_checks(result) == {}
    warehouse.assert_matches_asana(free)
    statuses = {name: [one.status for one in warehouse.asana.log if one.path == f"/{name}"] for name in RESOURCING}
    assert statuses.pop("time_tracking_categories") in ([402], [402, 402])
    assert all(len(found) <= 2 and set(found) == {402} for found in statuses.values()), statuses


@pytest.mark.parametrize("name", ["budgets", "rates"])
def test_what_belongs_to_a_project_without_access_is_kept_and_the_project_is_named(
    make_warehouse: MakeWarehouse, name: str
) -> None:
    warehouse = make_chosen(make_warehouse, name)
    warehouse.sync()
    main = warehouse.asana.organization.edge_cases["main_project"]
    warehouse.asana.organization.rename_project(main, "Renamed")
    before = warehouse.rows(name)
    warehouse.asana.add_fault(lambda one: one.path == f"/{name}" and one.query.get("parent") == main, 403)
    result = warehouse.run("sync_workspace", paid(warehouse))
    assert result.success, failures(result)
    assert main in failed_checks(result)[name, "all_parents_fetched"]
    assert warehouse.rows(name) == before
