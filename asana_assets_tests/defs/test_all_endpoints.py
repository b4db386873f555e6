"""Everything that Asana has, in every workspace: exact tables with the fewest requests, whatever the plan."""

from collections import Counter

import pytest

from asana_assets.asana.endpoints import ENDPOINTS, STANDARD_ENDPOINTS
from asana_assets_tests.support.chosen_endpoints import make_chosen, minimal_requests
from asana_assets_tests.support.mutations import paid
from asana_assets_tests.support.sync_harness import MakeWarehouse, Warehouse, failed_checks, failures

pytestmark = pytest.mark.slow

ALL = tuple(endpoint.name for endpoint in ENDPOINTS)
STANDARD = {endpoint.name for endpoint in STANDARD_ENDPOINTS}


def check_notes(warehouse: Warehouse, workspace_gid: str) -> dict[str, str]:
    """Sync a workspace, assert that nothing is wrong, and return the notes on plan limits by endpoint."""
    result = warehouse.run("sync_workspace", workspace_gid)
    assert result.success, failures(result)
    assert failed_checks(result) == {}
    return {
        one.asset_key.path[-1]: str(one.description)
        for one in result.get_asset_check_evaluations()
        if one.check_name == "available_on_plan" and one.description
    }


def test_a_first_sync_of_everything_is_exact_with_the_fewest_requests(make_warehouse: MakeWarehouse) -> None:
    warehouse = make_chosen(make_warehouse, *ALL)
    assert warehouse.run("refresh_workspaces").success
    assert check_notes(warehouse, paid(warehouse)) == {}
    warehouse.assert_matches_asana(paid(warehouse))
    requested = Counter((entry.path, *sorted(entry.query.items())) for entry in warehouse.asana.log)
    assert [request for request, count in requested.items() if count > 1] == []
    assert len(warehouse.asana.log) == minimal_requests(warehouse)


def test_a_second_sync_of_everything_writes_nothing(make_warehouse: MakeWarehouse) -> None:
    warehouse = make_chosen(make_warehouse, *ALL)
    warehouse.sync()
    tables = {name: warehouse.iceberg_table(name).metadata_location for name in ALL}
    warehouse.sync()
    assert tables == {name: warehouse.iceberg_table(name).metadata_location for name in ALL}


@pytest.mark.parametrize("workspace", ["free_organization", "personal_workspace"])
def test_each_endpoint_that_a_free_plan_lacks_costs_one_request(make_warehouse: MakeWarehouse, workspace: str) -> None:
    warehouse = make_chosen(make_warehouse, *ALL)
    gid = warehouse.asana.organization.edge_cases[workspace]
    warehouse.settings["ASANA_WORKSPACES"] = gid
    assert warehouse.run("refresh_workspaces").success
    for _ in ("first", "second"):
        since = len(warehouse.asana.log)
        notes = check_notes(warehouse, gid)
        rejected = [entry.path for entry in warehouse.asana.log[since:] if entry.status in {402, 403}]
        rejected = [path for path in rejected if not path.endswith("/search")]  # the standard endpoints try it
        assert len(set(rejected)) == len(rejected) == len(notes)
        assert set(notes) - STANDARD <= {endpoint.name for endpoint in ENDPOINTS if endpoint.plan}
        warehouse.assert_matches_asana(gid)
