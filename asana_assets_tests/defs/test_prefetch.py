"""A run asks ahead: the token is not idle while there is something to ask, and nothing is asked for nobody."""

import threading

import pytest

from asana_assets.asana.endpoints import ENDPOINTS
from asana_assets.defs.prefetch import STEP_ORDER
from asana_assets_tests.support.sync_harness import MakeWarehouse, Warehouse, failures

ALONE = ["users", "tags", "webhooks", "project_templates", "workspace_memberships", "teams", "projects"]
"""Each a single request, and below `workspaces` only."""


def paid(warehouse: Warehouse) -> str:
    return warehouse.asana.organization.edge_cases["paid_organization"]


def run(warehouse: Warehouse, *assets: str, **config: object) -> dict[str, str]:
    return failures(warehouse.run("sync_workspace", paid(warehouse), assets, **config))


def asking() -> list[str]:
    return [thread.name for thread in threading.enumerate() if thread.name.startswith("asana")]


@pytest.mark.parametrize("ahead", [True, False])
def test_what_does_not_depend_on_one_another_is_asked_for_side_by_side(
    make_warehouse: MakeWarehouse, *, ahead: bool
) -> None:
    warehouse = make_warehouse(latency=0.3)
    assert warehouse.run("refresh_workspaces").success
    warehouse.read_ahead = ahead
    assert run(warehouse, *ALONE) == {}
    assert (warehouse.asana.max_in_flight > len(ALONE) / 2) is ahead
    for name in ALONE:
        assert len(warehouse.rows(name, paid(warehouse))) == len(warehouse.asana.truth(name, paid(warehouse)))


def test_nothing_below_an_asset_that_failed_is_asked_for(make_warehouse: MakeWarehouse) -> None:
    warehouse = make_warehouse()
    assert warehouse.run("refresh_workspaces").success
    warehouse.asana.add_fault("/projects", 403)
    assert set(run(warehouse)) == {"projects"}
    paths = {entry.path.rsplit("/", 1)[-1] for entry in warehouse.asana.log}
    assert "users" in paths
    assert not paths & {"tasks", "sections", "stories", "subtasks", "attachments"}
    assert asking() == []


def test_only_what_the_run_materializes_is_asked_for(make_warehouse: MakeWarehouse) -> None:
    warehouse = make_warehouse()
    assert warehouse.run("refresh_workspaces").success
    before = len(warehouse.asana.log)
    assert run(warehouse, "projects", "sections") == {}
    minimal = warehouse.asana.minimal_requests(paid(warehouse))
    assert len(warehouse.asana.log) - before == minimal["projects"] + minimal["sections"]


@pytest.mark.slow
def test_each_assets_own_configuration_counts_when_it_is_begun_before_its_turn(make_warehouse: MakeWarehouse) -> None:
    warehouse = make_warehouse()
    warehouse.sync()
    before = len(warehouse.asana.log)
    assert run(warehouse, "subtasks", "stories", "attachments", full_refresh=True) == {}
    minimal = warehouse.asana.minimal_requests(paid(warehouse))
    asked = len(warehouse.asana.log) - before
    assert asked == minimal["subtasks"] + minimal["stories"] + minimal["attachments"]


def test_what_was_begun_and_never_had_its_turn_is_stopped(make_warehouse: MakeWarehouse) -> None:
    """Steps have their turn in a fixed order; when one ends the run, those begun behind it are given up."""
    warehouse = make_warehouse(latency=0.05)
    assert warehouse.run("refresh_workspaces").success
    warehouse.asana.add_fault("/users", 401)
    errors = run(warehouse, *ALONE)
    assert "users" in errors
    assert asking() == []


def test_a_long_reading_is_nearly_done_before_the_next_one_begins(make_warehouse: MakeWarehouse) -> None:
    """Else the next one waits, as far ahead as it may be, just when the first one stores its rows and asks nothing."""
    warehouse = make_warehouse(latency=0.01)
    warehouse.settings["ASANA_MAX_IN_FLIGHT"] = "4"
    assert warehouse.run("refresh_workspaces").success
    assert run(warehouse) == {}
    kinds = [entry.path.rsplit("/", 1)[-1] for entry in warehouse.asana.log]
    first, following = (endpoint.name for endpoint in STEP_ORDER[-2:])
    assert kinds.count(first) > 40
    assert kinds[: kinds.index(following)].count(first) >= kinds.count(first) - 4
    warehouse.assert_true(paid(warehouse))


def test_what_most_depends_on_comes_first_and_the_deepest_last() -> None:
    order = [endpoint.name for endpoint in STEP_ORDER]
    assert set(order[:3]) == {"workspaces", "users", "projects"}
    assert order.index("projects") < order.index("tags") < order.index("stories")
    assert set(order[-2:]) == {"stories", "attachments"}
    for endpoint in ENDPOINTS:
        assert all(order.index(name) < order.index(endpoint.name) for name in endpoint.upstream)
