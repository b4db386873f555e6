"""A search for changes that fails does not fail its assets, but a check says so."""

from typing import Any

import pytest

from asana_assets_tests.support.mutations import paid
from asana_assets_tests.support.sync_harness import MakeWarehouse, failed_checks

ASSETS = ["projects", "users", "tasks", "subtasks"]
SEARCH = "/workspaces/{gid}/tasks/search"
CHECK = "all_parents_fetched"


@pytest.mark.slow
@pytest.mark.parametrize(
    ("kind", "options", "reason"),
    [
        pytest.param(503, {}, "503", id="server error"),
        pytest.param(403, {}, "403", id="forbidden"),
        pytest.param(400, {}, "400", id="bad request"),
        pytest.param("garbage", {}, "tasks/search", id="not JSON"),
        pytest.param(
            "replaced_data",
            {"value": [{"gid": str(gid)} for gid in range(100)]},
            "ignored the bounds of modified_at",
            id="an order that cannot be verified",
        ),
    ],
)
def test_a_failed_search_is_a_warning_of_each_asset_that_it_concerns_until_it_succeeds(
    make_warehouse: MakeWarehouse, kind: Any, options: dict[str, Any], reason: str
) -> None:
    warehouse = make_warehouse()
    warehouse.asana_fields = {"max_attempts": 1}
    assert warehouse.run("refresh_workspaces").success
    assert failed_checks(warehouse.run("sync_workspace", paid(warehouse), ASSETS)) == {}
    fault = warehouse.asana.add_fault(SEARCH, kind, **options)
    for _ in range(2):
        result = warehouse.run("sync_workspace", paid(warehouse), ASSETS)
        assert result.success
        checks = [check for check in result.get_asset_check_evaluations() if not check.passed]
        assert {(check.asset_key.path[-1], check.check_name, check.severity.name) for check in checks} == {
            ("tasks", CHECK, "WARN"),
            ("subtasks", CHECK, "WARN"),
        }
        for check in checks:
            assert "The search for changes failed (" in str(check.description)
            assert reason in str(check.description)
    fault.cancel()
    assert failed_checks(warehouse.run("sync_workspace", paid(warehouse), ASSETS)) == {}


@pytest.mark.slow
def test_a_plan_without_search_is_no_warning(make_warehouse: MakeWarehouse) -> None:
    warehouse = make_warehouse()
    gid = warehouse.asana.organization.edge_cases["free_organization"]
    assert warehouse.run("refresh_workspaces").success
    for _ in range(2):
        assert failed_checks(warehouse.run("sync_workspace", gid, ASSETS)) == {}
    assert sum(entry.status == 402 for entry in warehouse.asana.log) == 1
