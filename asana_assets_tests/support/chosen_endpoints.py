"""Warehouses of chosen endpoints, and what their first sync must cost."""

from typing import Any

from asana_assets.asana.selection import select_endpoints
from asana_assets_tests.support.mutations import paid
from asana_assets_tests.support.sync_harness import MakeWarehouse, Warehouse


def make_chosen(make_warehouse: MakeWarehouse, *names: str, **options: Any) -> Warehouse:
    """Return a warehouse of these endpoints, and those that list them, in the paid organization."""
    warehouse = make_warehouse(**options)
    warehouse.endpoints = tuple(endpoint.name for endpoint in select_endpoints(names))
    warehouse.settings["ASANA_WORKSPACES"] = paid(warehouse)
    return warehouse


def minimal_requests(warehouse: Warehouse, workspace_gid: str = "") -> int:
    """Return the number of requests that a perfect client needs for a first sync of one workspace."""
    minimal = warehouse.asana.minimal_requests(workspace_gid or paid(warehouse), warehouse.endpoints)
    return 1 + sum(count for name, count in minimal.items() if name in warehouse.endpoints)
