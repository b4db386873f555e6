"""Portfolios, goals and what belongs to them, over real HTTP into real tables."""

from collections import Counter

import pytest

from asana_assets.asana.selection import select_endpoints
from asana_assets_tests.support.mutations import paid
from asana_assets_tests.support.sync_harness import MakeWarehouse, Warehouse, failed_checks, failures

REPORTING = ("portfolios", "time_periods", "goals")


def make_reporting(make_warehouse: MakeWarehouse, *names: str, **options: object) -> Warehouse:
    """Return a warehouse of these endpoints, and those that list them, in the paid organization."""
    warehouse = make_warehouse(**options)
    warehouse.endpoints = tuple(endpoint.name for endpoint in select_endpoints(names))
    warehouse.settings["ASANA_WORKSPACES"] = paid(warehouse)
    return warehouse


def requests(warehouse: Warehouse, since: int = 0) -> Counter[str]:
    """Return how often each path was requested, with the gid of the parent."""
    return Counter(f"{entry.path}?{entry.query.get('parent', '')}" for entry in warehouse.asana.log[since:])


def minimal_requests(warehouse: Warehouse) -> int:
    minimal = warehouse.asana.minimal_requests(paid(warehouse), warehouse.endpoints)
    return 1 + sum(count for name, count in minimal.items() if name in warehouse.endpoints)


def test_a_first_sync_is_complete_with_the_fewest_requests_and_a_second_one_writes_nothing(
    make_warehouse: MakeWarehouse,
) -> None:
    warehouse = make_reporting(make_warehouse, *REPORTING, "status_updates")
    warehouse.sync()
    warehouse.assert_matches_asana(paid(warehouse))
    assert len(warehouse.asana.log) == minimal_requests(warehouse)
    assert set(requests(warehouse).values()) == {1}
    tables = {name: warehouse.iceberg_table(name).metadata_location for name in warehouse.endpoints}
    since = len(warehouse.asana.log)
    warehouse.sync()
    assert not any(path.startswith("/status_updates") for path in requests(warehouse, since))
    assert tables == {name: warehouse.iceberg_table(name).metadata_location for name in warehouse.endpoints}


def test_the_next_sync_finds_every_kind_of_change(make_warehouse: MakeWarehouse) -> None:
    warehouse = make_reporting(make_warehouse, *REPORTING, "status_updates")
    warehouse.sync()
    organization, gids = warehouse.asana.organization, warehouse.asana.organization.edge_cases
    new = organization.add_portfolio(paid(warehouse), "New")
    organization.change_portfolio(gids["nested_portfolio"], name="Renamed", due_on="2026-01-01")
    organization.delete_portfolio(gids["empty_portfolio"])
    organization.add_goal(paid(warehouse), "New")
    organization.update_metric(gids["goal"], 40)
    organization.change_goal(gids["goal"], status="red", time_period=None)
    organization.delete_goal(gids["closed_goal"])
    for parent in (new, gids["portfolio"], gids["subgoal"]):
        organization.post_status(parent, "News")
    since = len(warehouse.asana.log)
    warehouse.sync()
    warehouse.assert_matches_asana(paid(warehouse))
    parents = {path for path in requests(warehouse, since) if path.startswith("/status_updates")}
    assert parents >= {f"/status_updates?{gid}" for gid in (new, gids["portfolio"], gids["subgoal"])}
    assert f"/status_updates?{gids['goal']}" not in parents


def test_without_portfolios_and_goals_only_status_updates_of_projects_are_synced(make_warehouse: MakeWarehouse) -> None:
    warehouse = make_reporting(make_warehouse, "status_updates")
    assert warehouse.endpoints == ("workspaces", "projects", "status_updates")
    warehouse.sync()
    warehouse.assert_matches_asana(paid(warehouse))
    assert {row["resource_subtype"] for row in warehouse.rows("status_updates")} == {"project_status_update"}


def test_a_plan_without_them_costs_one_request_each_and_passes_with_a_note(make_warehouse: MakeWarehouse) -> None:
    warehouse = make_reporting(make_warehouse, *REPORTING)
    free = warehouse.asana.organization.edge_cases["free_organization"]
    warehouse.settings["ASANA_WORKSPACES"] = free
    assert warehouse.run("refresh_workspaces").success
    result = warehouse.run("sync_workspace", free)
    assert result.success, failures(result)
    assert failed_checks(result) == {}
    assert [entry.status for entry in warehouse.asana.log] == [200, 402, 402, 402]
    evaluations = result.get_asset_check_evaluations()
    notes = {(one.asset_key.path[-1], one.check_name) for one in evaluations if one.description}
    assert notes == {(name, "available_on_plan") for name in REPORTING}


@pytest.mark.parametrize("is_service_account", [False, True])
def test_a_personal_token_lists_its_own_portfolios_and_a_service_account_lists_all(
    make_warehouse: MakeWarehouse, *, is_service_account: bool
) -> None:
    warehouse = make_reporting(make_warehouse, "portfolios")
    warehouse.asana.organization.is_service_account = is_service_account
    warehouse.sync()
    warehouse.assert_matches_asana(paid(warehouse))
    foreign = warehouse.asana.organization.edge_cases["foreign_portfolio"]
    assert (foreign in {row["gid"] for row in warehouse.rows("portfolios")}) is is_service_account
