"""An endpoint that the workspace's plan does not include: one request per sync, and everything after an upgrade."""

from collections.abc import Mapping
from dataclasses import dataclass, replace

import pytest

from asana_assets.asana.endpoints import ENDPOINTS, SECTIONS, STORIES
from asana_assets.asana.model import Endpoint
from asana_assets.asana.selection import select_endpoints
from asana_assets.sandbox import Scale
from asana_assets.sandbox.api.faults import Fault
from asana_assets_tests.support.mutations import paid
from asana_assets_tests.support.plan_command import plan
from asana_assets_tests.support.sync_harness import MakeWarehouse, Warehouse, failed_checks, failures

VERSIONED = replace(SECTIONS.listings[0], version_columns=("modified_at",))
KINDS = {
    "listed by parents": SECTIONS,
    "listed by stale parents": replace(SECTIONS, listings=(VERSIONED,), refresh_after_days=30),
    "children": STORIES,
}
"""An endpoint for each way in which the engine fetches parents; here, all of them need a plan."""

PARENTS = 60
"""Projects, more than there are requests in flight at once; tasks are twice as many."""

NOT_ON_PLAN = "available_on_plan"

pytestmark = pytest.mark.slow


@dataclass(frozen=True)
class Case:
    """A warehouse that syncs the endpoint and those that it is listed by."""

    endpoint: Endpoint
    warehouse: Warehouse

    def downgrade(self) -> Fault:
        return self.warehouse.asana.add_fault(self.endpoint.listings[0].path.replace("{parent}", "{gid}"), 402)

    def sync(self, *, full_refresh: bool = False, accept_row_count_drop: bool = False) -> tuple[int, Mapping[str, str]]:
        """Sync; return the number of requests that the plan rejected, and the endpoint's failed checks."""
        before = len(self.warehouse.asana.log)
        config = {"full_refresh": full_refresh, "accept_row_count_drop": accept_row_count_drop}
        names = [name for name in self.warehouse.endpoints if name != "workspaces"]
        result = self.warehouse.run("sync_workspace", paid(self.warehouse), names, **config)
        assert result.success, failures(result)
        rejected = [entry for entry in self.warehouse.asana.log[before:] if entry.status == 402]
        return len(rejected), {check: text for (_, check), text in failed_checks(result).items()}

    @property
    def gids(self) -> set[str]:
        return {row["gid"] for row in self.warehouse.rows(self.endpoint.name)}


@pytest.fixture(params=KINDS)
def case(make_warehouse: MakeWarehouse, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest) -> Case:
    endpoint = replace(KINDS[request.param], plan="Advanced")
    registry = tuple(endpoint if one.name == endpoint.name else one for one in ENDPOINTS)
    monkeypatch.setattr("asana_assets.asana.selection.ENDPOINTS", registry)
    scale = Scale(projects=PARENTS, tasks_per_project=2, stories_per_task=1, small_workspaces=False)
    warehouse = make_warehouse(scale=scale)
    warehouse.endpoints = [one.name for one in select_endpoints([endpoint.name])]
    assert warehouse.run("refresh_workspaces").success
    return Case(endpoint, warehouse)


def test_it_costs_one_request_per_sync_until_the_plan_includes_it(case: Case) -> None:
    fault = case.downgrade()
    assert case.sync() == (1, {})
    assert case.sync() == (1, {})
    assert case.sync(full_refresh=True) == (1, {})
    assert case.gids == set()
    fault.cancel()
    assert case.sync() == (0, {})
    case.warehouse.assert_matches_asana()


@pytest.mark.parametrize("case", ["listed by parents"], indirect=True)
def test_plan_estimates_the_one_request(case: Case) -> None:
    warehouse = case.warehouse
    warehouse.settings["ASANA_ENDPOINTS"] = ",".join(warehouse.endpoints)
    assert plan(warehouse, paid(warehouse)).requests[case.endpoint.name] == PARENTS
    case.downgrade()
    assert plan(warehouse, paid(warehouse)).requests[case.endpoint.name] == 1
    case.sync()
    assert plan(warehouse, paid(warehouse)).requests[case.endpoint.name] == 1


def test_a_downgrade_keeps_the_rows_and_costs_one_request_from_the_second_sync_on(case: Case) -> None:
    case.sync()
    before = case.gids
    case.downgrade()
    rejected, failed = case.sync(full_refresh=True)
    assert 1 < rejected < 2 * PARENTS  # a single rejection proves nothing
    assert set(failed) == {NOT_ON_PLAN}
    for _ in range(2):
        rejected, failed = case.sync(full_refresh=True)
        assert (rejected, set(failed)) == (1, {NOT_ON_PLAN})
        assert case.gids == before
    assert case.sync(full_refresh=True, accept_row_count_drop=True) == (1, {})
    assert case.gids == set()


def test_an_upgrade_after_a_downgrade_brings_everything_up_to_date(case: Case) -> None:
    case.sync()
    fault = case.downgrade()
    for _ in range(2):
        case.sync(full_refresh=True)
    fault.cancel()
    assert case.sync(full_refresh=True) == (0, {})
    case.warehouse.assert_matches_asana()
