"""Portfolios, goals and what belongs to them, over real HTTP into real tables."""

from collections import Counter

import pytest

from asana_assets_tests.support.chosen_endpoints import make_chosen, minimal_requests
from asana_assets_tests.support.mutations import paid
from asana_assets_tests.support.sync_harness import MakeWarehouse, Warehouse, failed_checks, failures

pytestmark = pytest.mark.slow

REPORTING = ("portfolios", "time_periods", "goals")
BELONGINGS = ("portfolio_items", "portfolio_memberships", "goal_relationships", "status_updates", "stories")


def requested(warehouse: Warehouse, since: int = 0) -> Counter[tuple[object, ...]]:
    """Return how often each path and query was requested."""
    return Counter((entry.path, *sorted(entry.query.items())) for entry in warehouse.asana.log[since:])


def parents_of(warehouse: Warehouse, path: str, since: int) -> set[str]:
    """Return the parents whose listing with this path was requested."""
    return {entry.query["parent"] for entry in warehouse.asana.log[since:] if entry.path == path}


def test_a_first_sync_is_complete_with_the_fewest_requests_and_a_second_one_writes_nothing(
    make_warehouse: MakeWarehouse,
) -> None:
    warehouse = make_chosen(make_warehouse, *REPORTING, *BELONGINGS)
    warehouse.sync()
    warehouse.assert_matches_asana(paid(warehouse))
    assert len(warehouse.asana.log) == minimal_requests(warehouse)
    assert set(requested(warehouse).values()) == {1}
    tables = {name: warehouse.iceberg_table(name).metadata_location for name in warehouse.endpoints}
    since = len(warehouse.asana.log)
    warehouse.sync()
    assert not parents_of(warehouse, "/status_updates", since)
    assert tables == {name: warehouse.iceberg_table(name).metadata_location for name in warehouse.endpoints}


def test_the_next_sync_finds_every_kind_of_change(make_warehouse: MakeWarehouse) -> None:
    warehouse = make_chosen(make_warehouse, *REPORTING, *BELONGINGS)
    warehouse.sync()
    organization, gids = warehouse.asana.organization, warehouse.asana.organization.edge_cases
    new = organization.add_portfolio(paid(warehouse), "New")
    organization.change_portfolio(gids["nested_portfolio"], name="Renamed", due_on="2026-01-01")
    organization.delete_portfolio(gids["empty_portfolio"])
    organization.add_goal(paid(warehouse), "New")
    organization.update_metric(gids["goal"], 40)
    organization.change_goal(gids["goal"], status="red", time_period=None)
    organization.delete_goal(gids["closed_goal"])
    organization.add_to_portfolio(new, gids["archived_project"])
    organization.add_to_portfolio(new, gids["portfolio"])
    organization.remove_from_portfolio(gids["nested_portfolio"], gids["main_project"])
    memberships = organization.belongings["membership", gids["portfolio"]]
    organization.change_portfolio_access(memberships[0].gid, "viewer")
    organization.remove_portfolio_member(memberships[1].gid)
    organization.add_portfolio_member(new, gids["empty_team"], "admin")
    relationships = organization.goal_relationships[gids["goal"]]
    organization.change_contribution(relationships[0].gid, 0.75)
    organization.support_goal(gids["subgoal"], new)
    organization.comment_on_goal(gids["subgoal"], "Really?")
    for parent in (new, gids["portfolio"], gids["subgoal"]):
        organization.post_status(parent, "News")
    since = len(warehouse.asana.log)
    warehouse.sync()
    warehouse.assert_matches_asana(paid(warehouse))
    parents = parents_of(warehouse, "/status_updates", since)
    assert parents >= {new, gids["portfolio"], gids["subgoal"]}
    assert gids["goal"] not in parents


def test_without_portfolios_and_goals_only_status_updates_of_projects_are_synced(make_warehouse: MakeWarehouse) -> None:
    warehouse = make_chosen(make_warehouse, "status_updates")
    assert warehouse.endpoints == ("workspaces", "projects", "status_updates")
    warehouse.sync()
    warehouse.assert_matches_asana(paid(warehouse))
    assert {row["resource_subtype"] for row in warehouse.rows("status_updates")} == {"project_status_update"}


def test_a_plan_without_them_costs_one_request_each_and_passes_with_a_note(make_warehouse: MakeWarehouse) -> None:
    warehouse = make_chosen(make_warehouse, *REPORTING)
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


def test_a_project_of_two_portfolios_is_an_item_of_each(make_warehouse: MakeWarehouse) -> None:
    warehouse = make_chosen(make_warehouse, "portfolio_items")
    warehouse.sync()
    gids = warehouse.asana.organization.edge_cases
    parents = {
        row["parent_gid"] for row in warehouse.rows("portfolio_items") if row["item_gid"] == gids["main_project"]
    }
    assert parents == {gids["portfolio"], gids["nested_portfolio"]}
    warehouse.asana.organization.remove_from_portfolio(gids["portfolio"], gids["main_project"])
    warehouse.sync()
    warehouse.assert_matches_asana(paid(warehouse))
    changes = [row for row in warehouse.rows("changes") if row["endpoint"] == "portfolio_items"]
    removed = f"{gids['portfolio']}-{gids['main_project']}"
    assert [(row["gid"], row["kind"]) for row in changes] == [(removed, "removed")]


@pytest.mark.parametrize(
    ("name", "path"),
    [
        ("portfolio_items", "/portfolios/{gid}/items"),
        ("portfolio_memberships", "/memberships"),
        ("goal_relationships", "/goal_relationships"),
        ("stories", "/goals/{gid}/stories"),
    ],
)
def test_what_belongs_to_a_parent_without_access_is_kept_and_the_parent_is_named(
    make_warehouse: MakeWarehouse, name: str, path: str
) -> None:
    warehouse = make_chosen(make_warehouse, "goals", name)
    warehouse.sync()
    gids = warehouse.asana.organization.edge_cases
    parent = gids["goal" if "goal" in path else "portfolio"]
    before = warehouse.rows(name)
    start = path.partition("{")[0]
    warehouse.asana.add_fault(lambda one: one.path.startswith(start) and parent in one.listing, 403)
    result = warehouse.run("sync_workspace", paid(warehouse))
    assert result.success, failures(result)
    assert parent in failed_checks(result)[name, "all_parents_fetched"]
    assert warehouse.rows(name) == before


@pytest.mark.parametrize("is_service_account", [False, True])
def test_a_personal_token_lists_its_own_portfolios_and_a_service_account_lists_all(
    make_warehouse: MakeWarehouse, *, is_service_account: bool
) -> None:
    warehouse = make_chosen(make_warehouse, "portfolios")
    warehouse.asana.organization.is_service_account = is_service_account
    warehouse.sync()
    warehouse.assert_matches_asana(paid(warehouse))
    foreign = warehouse.asana.organization.edge_cases["foreign_portfolio"]
    assert (foreign in {row["gid"] for row in warehouse.rows("portfolios")}) is is_service_account
