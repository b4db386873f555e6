"""Statuses that a retry does not change: of a workspace's listing, of one parent, and of all parents."""

import re

import dagster as dg
import pytest

from asana_assets_tests.robustness.test_absence import CHILD_LISTINGS, FULL, LISTINGS, gids, synced
from asana_assets_tests.support.mutations import paid
from asana_assets_tests.support.sync_harness import MakeWarehouse, Warehouse, failed_checks, failures

pytestmark = pytest.mark.slow

PARENT_COLUMNS = {"sections": "project_gid", "team_memberships": "team_gid", "tasks": "project_gids"}
"""The columns of the rows that reference the parent of a listing; `parent_gid` for all others."""


def sync(warehouse: Warehouse, *assets: str, **config: object) -> dg.ExecuteInProcessResult:
    return warehouse.run("sync_workspace", paid(warehouse), assets, **config)


def check_severity(result: dg.ExecuteInProcessResult, name: str, check: str) -> dg.AssetCheckSeverity:
    [severity] = [
        one.severity
        for one in result.get_asset_check_evaluations()
        if (one.asset_key.path[-1], one.check_name, one.passed) == (name, check, False)
    ]
    return severity


def parent_of_some_row(warehouse: Warehouse, name: str) -> str:
    """Return a parent whose listing has stored rows."""
    column = PARENT_COLUMNS.get(name, "parent_gid")
    values = [row[column] for row in warehouse.rows(name, paid(warehouse)) if row[column]]
    return str(values[0][0] if isinstance(values[0], list) else values[0])


def rows_of(warehouse: Warehouse, name: str, parent: str) -> set[str]:
    """Return the gids of a parent's stored rows."""
    column = PARENT_COLUMNS.get(name, "parent_gid")
    return {
        row["gid"] for row in warehouse.rows(name) if parent in (row[column] if column.endswith("s") else [row[column]])
    }


def upstream_of(name: str) -> list[str]:
    return {"sections": ["projects"], "team_memberships": ["teams"]}.get(name, [*FULL, "subtasks"])


# --- a listing of the workspace


@pytest.mark.parametrize(
    ("name", "status"),
    [("projects", 400), ("tags", 422), ("teams", 409), ("workspace_memberships", 451), ("users", 400), ("tags", 410)],
)
def test_a_final_status_of_a_workspaces_listing_fails_its_asset_only_and_keeps_its_rows(
    make_warehouse: MakeWarehouse, name: str, status: int
) -> None:
    warehouse = synced(make_warehouse, name, "webhooks")
    before = gids(warehouse, name)
    warehouse.asana.add_fault(LISTINGS[name], status, message="No.")
    result = sync(warehouse, name, "webhooks")
    assert set(failures(result)) == {name}
    assert re.match(rf"{name} of workspace .+: GET /[a-z_/{{}}]+ returned {status}: No\.", failures(result)[name])
    assert gids(warehouse, name) == before


@pytest.mark.parametrize(
    ("name", "status", "scope"),
    [("projects", 403, "projects:read"), ("teams", 404, ""), ("teams", 403, "teams:read"), ("tags", 404, "")],
)
def test_a_refused_listing_of_a_workspace_leaves_other_assets_and_workspaces_alone(
    make_warehouse: MakeWarehouse, name: str, status: int, scope: str
) -> None:
    warehouse = synced(make_warehouse, name, "webhooks")
    before = gids(warehouse, name)
    warehouse.asana.add_fault(LISTINGS[name].format(gid=paid(warehouse)), status)
    result = sync(warehouse, name, "webhooks")
    assert set(failures(result)) == {name}
    assert scope in failures(result)[name]
    assert gids(warehouse, name) == before
    other = warehouse.asana.organization.edge_cases["free_organization"]
    assert warehouse.run("sync_workspace", other, [name]).success
    assert {row["gid"] for row in warehouse.rows(name, other)} == {
        str(record["gid"]) for record in warehouse.asana.truth(name, other)
    }


@pytest.mark.parametrize("status", [403, 404, 451])
def test_users_who_may_no_longer_be_listed_keep_their_rows_and_their_tasks(
    make_warehouse: MakeWarehouse, status: int
) -> None:
    warehouse = synced(make_warehouse, *FULL)
    before = {name: gids(warehouse, name) for name in FULL}
    warehouse.asana.add_fault(LISTINGS["users"], status)
    result = sync(warehouse, *FULL)
    assert result.success, failures(result)
    assert {name: gids(warehouse, name) for name in FULL} == before
    assert check_severity(result, "users", "all_parents_fetched") is dg.AssetCheckSeverity.ERROR
    assert paid(warehouse) in failed_checks(result)["users", "all_parents_fetched"]


@pytest.mark.parametrize(
    ("match", "name"), [("/projects", "projects"), ("/tasks/{gid}/stories", "stories"), ("*", "tags")]
)
@pytest.mark.parametrize("status", [301, 307])
def test_a_redirect_fails_the_asset_with_its_host_and_keeps_the_rows(
    make_warehouse: MakeWarehouse, match: str, name: str, status: int
) -> None:
    warehouse = synced(make_warehouse, *FULL, "subtasks", name)
    before = gids(warehouse, name)
    headers = {"Location": "https://login.example.com/?token=secret"}
    warehouse.asana.add_fault(match, status, headers=headers)
    message = failures(sync(warehouse, name, full_refresh=True))[name]
    assert "login.example.com" in message
    assert "ASANA_BASE_URL" in message
    assert "secret" not in message
    assert gids(warehouse, name) == before


# --- one parent


@pytest.mark.parametrize(
    ("name", "status"),
    [
        ("sections", 400),
        ("sections", 503),
        ("team_memberships", 422),
        ("tasks", 500),
        ("tasks", 400),
        ("subtasks", 503),
        ("subtasks", 400),
        ("attachments", 422),
        ("status_updates", 598),
    ],
)
def test_a_parent_that_always_fails_keeps_its_rows_is_named_and_is_fetched_first_by_the_next_sync(
    make_warehouse: MakeWarehouse, name: str, status: int
) -> None:
    warehouse = synced(make_warehouse, *dict.fromkeys([*upstream_of(name), name]))
    warehouse.asana_fields |= {"max_attempts": 2, "max_in_flight": 1}
    broken = parent_of_some_row(warehouse, name)
    before, of_broken = set(gids(warehouse, name)), rows_of(warehouse, name, broken)
    path = (LISTINGS | CHILD_LISTINGS)[name].format(gid=broken)
    fault = warehouse.asana.add_fault(path, status, message="It is broken.")
    result = sync(warehouse, name, full_refresh=True)
    assert result.success, failures(result)
    assert set(gids(warehouse, name)) == before
    assert check_severity(result, name, "all_parents_fetched") is dg.AssetCheckSeverity.ERROR
    message = failed_checks(result)[name, "all_parents_fetched"]
    assert broken in message
    assert str(status) in message
    fault.cancel()
    start = len(warehouse.asana.log)
    result = sync(warehouse, name)
    assert failed_checks(result) == {}
    first = next(entry for entry in warehouse.asana.log[start:] if not entry.path.endswith("/search"))
    assert broken in {*first.path.split("/"), *first.query.values()}
    assert rows_of(warehouse, name, broken) == of_broken


@pytest.mark.parametrize("status", [403, 451])
@pytest.mark.parametrize("name", ["sections", "team_memberships", "tasks", "subtasks", "attachments", "status_updates"])
def test_a_parent_without_access_keeps_its_rows_and_is_a_warning(
    make_warehouse: MakeWarehouse, name: str, status: int
) -> None:
    warehouse = synced(make_warehouse, *dict.fromkeys([*upstream_of(name), name]))
    private = parent_of_some_row(warehouse, name)
    before = gids(warehouse, name)
    warehouse.asana.add_fault((LISTINGS | CHILD_LISTINGS)[name].format(gid=private), status)
    result = sync(warehouse, name, full_refresh=True)
    assert result.success, failures(result)
    assert gids(warehouse, name) == before
    assert check_severity(result, name, "all_parents_fetched") is dg.AssetCheckSeverity.WARN
    assert private in failed_checks(result)[name, "all_parents_fetched"]


# --- most parents


@pytest.mark.parametrize(
    ("name", "status"), [("sections", 500), ("status_updates", 400), ("subtasks", 422), ("attachments", 500)]
)
def test_an_asset_most_of_whose_parents_fail_fails_and_keeps_its_rows(
    make_warehouse: MakeWarehouse, name: str, status: int
) -> None:
    warehouse = synced(make_warehouse, *dict.fromkeys([*upstream_of(name), name]))
    warehouse.asana_fields["max_attempts"] = 1
    before = gids(warehouse, name)
    warehouse.asana.add_fault((LISTINGS | CHILD_LISTINGS)[name], status, skip=1)
    result = sync(warehouse, name, full_refresh=True)
    assert str(status) in failures(result)[name]
    assert "parents that were tried were refused or failed" in failures(result)[name]
    assert gids(warehouse, name) == before


def many_parents(make_warehouse: MakeWarehouse) -> Warehouse:
    """Return a warehouse with 60 further projects, each of which has a task with a subtask."""
    warehouse = make_warehouse()
    organization = warehouse.asana.organization
    for number in range(60):
        project = organization.add_project(paid(warehouse), f"Project {number}")
        organization.add_subtask(organization.add_task(project, "A task"), "A subtask")
    assert warehouse.run("refresh_workspaces").success
    assert sync(warehouse, *FULL, "sections", "subtasks").success
    return warehouse


@pytest.mark.parametrize("status", [403, 404])
@pytest.mark.parametrize("name", ["sections", "tasks", "subtasks", "stories"])
def test_a_listing_that_refuses_its_first_24_parents_is_not_requested_for_all_others(
    make_warehouse: MakeWarehouse, name: str, status: int
) -> None:
    warehouse = many_parents(make_warehouse)
    assert sync(warehouse, name).success
    before = gids(warehouse, name)
    warehouse.asana_fields["max_in_flight"] = 1
    fault = warehouse.asana.add_fault((LISTINGS | CHILD_LISTINGS)[name], status, message="Missing scope")
    result = sync(warehouse, name, full_refresh=True)
    assert f"returned {status}: Missing scope" in failures(result)[name]
    assert "0 of" not in failures(result)[name]
    assert 24 <= fault.hits <= 24 + 2 * 2 + 1
    assert gids(warehouse, name) == before
