"""Prefetching in whole runs: the token does not idle, and only what the run materializes is fetched."""

import logging
import threading

import pytest

from asana_assets.asana.endpoints import ENDPOINTS, STANDARD_ENDPOINTS
from asana_assets.defs.prefetch import endpoints_of_run
from asana_assets.defs.step_order import step_order
from asana_assets_tests.support.mutations import paid
from asana_assets_tests.support.sync_harness import NAMES, MakeWarehouse, Warehouse, failures

SINGLE_REQUEST_ASSETS = [
    "users",
    "tags",
    "webhooks",
    "project_templates",
    "workspace_memberships",
    "teams",
    "projects",
]
"""Assets that take one request and depend on `workspaces` only."""


def sync(warehouse: Warehouse, *assets: str, **config: object) -> dict[str, str]:
    """Run these assets of the paid organization, or all if none is named; return the failures by asset."""
    return failures(warehouse.run("sync_workspace", paid(warehouse), assets, **config))


def fetching_threads() -> list[str]:
    return [thread.name for thread in threading.enumerate() if thread.name.startswith("asana")]


@pytest.mark.slow
@pytest.mark.parametrize("prefetching", [True, False])
def test_independent_assets_are_fetched_concurrently_only_when_prefetching(
    make_warehouse: MakeWarehouse, *, prefetching: bool
) -> None:
    warehouse = make_warehouse(latency=0.3)
    assert warehouse.run("refresh_workspaces").success
    warehouse.prefetch = prefetching
    assert sync(warehouse, *SINGLE_REQUEST_ASSETS) == {}
    assert (warehouse.asana.max_in_flight > len(SINGLE_REQUEST_ASSETS) / 2) is prefetching
    for name in SINGLE_REQUEST_ASSETS:
        assert len(warehouse.rows(name, paid(warehouse))) == len(warehouse.asana.truth(name, paid(warehouse)))


def test_nothing_downstream_of_a_failed_asset_is_fetched(make_warehouse: MakeWarehouse) -> None:
    warehouse = make_warehouse()
    assert warehouse.run("refresh_workspaces").success
    warehouse.asana.add_fault("/projects", 403)
    assert set(sync(warehouse)) == {"projects"}
    collections = {entry.path.rsplit("/", 1)[-1] for entry in warehouse.asana.log}
    assert "users" in collections
    assert not collections & {"tasks", "sections", "stories", "subtasks", "attachments"}
    assert fetching_threads() == []


def test_only_what_the_run_materializes_is_fetched(make_warehouse: MakeWarehouse) -> None:
    warehouse = make_warehouse()
    assert warehouse.run("refresh_workspaces").success
    before = len(warehouse.asana.log)
    assert sync(warehouse, "projects", "sections") == {}
    minimal = warehouse.asana.minimal_requests(paid(warehouse))
    assert len(warehouse.asana.log) - before == minimal["projects"] + minimal["sections"]


@pytest.mark.slow
def test_a_prefetched_asset_is_fetched_with_its_own_run_config(make_warehouse: MakeWarehouse) -> None:
    warehouse = make_warehouse()
    warehouse.sync()
    before = len(warehouse.asana.log)
    assert sync(warehouse, "subtasks", "stories", "attachments", full_refresh=True) == {}
    minimal = warehouse.asana.minimal_requests(paid(warehouse))
    requests = len(warehouse.asana.log) - before
    assert requests == minimal["subtasks"] + minimal["stories"] + minimal["attachments"]


def test_prefetched_extracts_whose_step_never_runs_are_stopped(make_warehouse: MakeWarehouse) -> None:
    """Steps run in a fixed order; when one ends the run, the extracts of those after it are closed."""
    warehouse = make_warehouse(latency=0.05)
    assert warehouse.run("refresh_workspaces").success
    warehouse.asana.add_fault("/users", 401)
    assert "users" in sync(warehouse, *SINGLE_REQUEST_ASSETS)
    assert fetching_threads() == []


def test_a_prefetch_that_fails_is_logged_and_its_step_fails_in_its_own_turn(
    make_warehouse: MakeWarehouse, caplog: pytest.LogCaptureFixture
) -> None:
    warehouse = make_warehouse()
    assert warehouse.run("refresh_workspaces").success
    reason = "There is no table projects yet: materialize projects first."
    assert sync(warehouse, "users", "sections") == {"sections": reason}
    warnings = [record.getMessage() for record in caplog.records if record.levelno == logging.WARNING]
    assert warnings == [f"sections could not be prefetched, so its own step will start it (Failure: {reason})"]
    assert len(warehouse.rows("users", paid(warehouse))) == len(warehouse.asana.truth("users", paid(warehouse)))


def test_a_long_extract_has_nearly_sent_all_requests_before_the_next_is_started(make_warehouse: MakeWarehouse) -> None:
    """Otherwise the next one would have filled its buffer and sent nothing while the first one stores its rows."""
    warehouse = make_warehouse(latency=0.01)
    warehouse.settings["ASANA_MAX_IN_FLIGHT"] = "4"
    assert warehouse.run("refresh_workspaces").success
    assert sync(warehouse) == {}
    collections = [entry.path.rsplit("/", 1)[-1] for entry in warehouse.asana.log]
    first, following = (endpoint.name for endpoint in step_order(STANDARD_ENDPOINTS)[-2:])
    assert collections.count(first) > 40
    assert collections[: collections.index(following)].count(first) >= collections.count(first) - 4
    warehouse.assert_matches_asana(paid(warehouse))


def test_steps_with_the_most_downstream_run_first_and_the_deepest_last() -> None:
    order = [endpoint.name for endpoint in step_order(ENDPOINTS)]
    assert set(order[:3]) == {"workspaces", "users", "projects"}
    assert order.index("projects") < order.index("tags") < order.index("stories")
    assert set(order[-2:]) == {"stories", "attachments"}
    for endpoint in ENDPOINTS:
        assert all(order.index(name) < order.index(endpoint.name) for name in endpoint.upstream)


def test_a_run_without_step_keys_materializes_all_of_its_job() -> None:
    """Dagster sets none for runs of schedules, sensors and backfills."""
    job = ["asana__tasks", "asana__projects", "asana__users", "an_op_of_the_host"]
    for steps, expected in ((None, ["projects", "users", "tasks"]), (["asana__tasks"], ["tasks"])):
        assert [one.name for one in endpoints_of_run(NAMES, STANDARD_ENDPOINTS, steps, job)] == expected
