"""Custom fields, templates, briefs, members, roles and absences: complete, and with the fewest requests."""

from collections import Counter
from collections.abc import Sequence

import pytest

from asana_assets.sandbox import Organization
from asana_assets_tests.support.plan_command import plan
from asana_assets_tests.support.sync_harness import MakeWarehouse, Warehouse, failed_checks, failures

CUSTOM_FIELDS = ("custom_field_settings", "custom_fields", "custom_types", "task_templates")
DETAILS = ("project_briefs", "project_memberships", "project_portfolio_settings", "access_requests")
PEOPLE = ("user_task_lists", "ooo_entries", "roles", "agents")
ADDED = (*CUSTOM_FIELDS, *DETAILS, *PEOPLE)
UPSTREAM = ("workspaces", "users", "teams", "projects", "tasks")
ANY_AGE = 1e-9  # days

pytestmark = pytest.mark.slow


@pytest.fixture
def warehouse(make_warehouse: MakeWarehouse) -> Warehouse:
    """A warehouse of these endpoints and those upstream, of the paid organization."""
    warehouse = make_warehouse()
    warehouse.endpoints = (*UPSTREAM, *ADDED)
    warehouse.settings["ASANA_WORKSPACES"] = paid(warehouse)
    return warehouse


def paid(warehouse: Warehouse) -> str:
    return warehouse.asana.organization.edge_cases["paid_organization"]


def requests_since(warehouse: Warehouse, since: int) -> Counter[str]:
    """Return how many requests each route received, without those of the endpoints upstream."""
    paths = (entry.path for entry in warehouse.asana.log[since:])
    routes = ("/".join("*" if part.isdigit() else part for part in path.split("/")) for path in paths)
    standard = {"/workspaces", "/users", "/workspaces/*/teams", "/projects", "/tasks", "/workspaces/*/tasks/search"}
    return Counter(route for route in routes if route not in standard)


def sync(warehouse: Warehouse) -> Counter[str]:
    since = len(warehouse.asana.log)
    warehouse.sync()
    return requests_since(warehouse, since)


def sync_added(warehouse: Warehouse, assets: Sequence[str] = ADDED, **config: object) -> Counter[str]:
    """Sync only these assets, and return the requests."""
    since = len(warehouse.asana.log)
    result = warehouse.run("sync_workspace", paid(warehouse), assets, **config)
    assert result.success, failures(result)
    return requests_since(warehouse, since)


LISTED_BY_WORKSPACE = {"/workspaces/*/custom_fields": 1, "/roles": 1, "/workspaces/*/agents": 1}


def test_a_first_sync_is_complete_with_the_fewest_requests_and_a_second_one_sends_none_by_parent(
    warehouse: Warehouse,
) -> None:
    requests = sync(warehouse)
    warehouse.assert_matches_asana(paid(warehouse))
    minimum = warehouse.asana.minimal_requests(paid(warehouse), warehouse.endpoints)
    assert requests.total() == sum(minimum[name] for name in ADDED)
    assert requests["/custom_fields/*"] == 2  # all others are in the library
    log = [(entry.path, tuple(sorted(entry.query.items()))) for entry in warehouse.asana.log]
    assert len(set(log)) == len(log)

    locations = {name: warehouse.iceberg_table(name).metadata_location for name in ADDED}
    assert sync(warehouse) == LISTED_BY_WORKSPACE
    assert locations == {name: warehouse.iceberg_table(name).metadata_location for name in ADDED}


def change_what_versions_show(organization: Organization) -> None:
    """Apply every kind of change that the next sync must find without fetching every parent."""
    gids = organization.edge_cases
    workspace, main, team = gids["paid_organization"], gids["main_project"], gids["team"]
    teamless, empty_team = gids["teamless_project"], gids["empty_team"]
    # custom fields
    organization.change_custom_field(gids["unused_field"], name="Used now", description="changed")
    organization.add_enum_option(organization.add_custom_field(workspace, "Size", "S", "M"), "L")
    organization.add_local_field(teamless, "Local", "one", "two")
    organization.use_custom_field(empty_team, gids["unused_field"])
    important, dropped = organization.get(main, "project").refs("custom_field_settings")[:2]
    organization.emphasize_custom_field(important.gid)
    organization.drop_custom_field(dropped.gid)
    organization.delete_custom_field(gids["field_of_a_team"])
    organization.drop_custom_field(organization.get(team, "team").refs("custom_field_settings")[0].gid)
    # projects
    organization.add_task_template(main, "New template")
    organization.add_brief(teamless, "New brief", "Text")
    organization.add_project_member(teamless, gids["user_in_two_workspaces"])
    member = next(one for one in organization.belongings["membership", main] if one.ref("member") is organization.me)
    organization.remove_project_member(member.gid)
    added = organization.add_project(workspace, "New project")
    organization.request_access(added, gids["nameless_user"], "Please")
    organization.delete_project(gids["archived_project"])
    # people
    organization.change_role(gids["role"], name="Reviewer", description="changed")
    organization.add_agent(workspace, "New agent")
    organization.add_absence(workspace, organization.add_user(workspace, "New user"), "2025-01-01", "2025-01-02")


def test_changes_that_versions_show_are_found_by_the_next_sync(warehouse: Warehouse) -> None:
    warehouse.sync()
    change_what_versions_show(warehouse.asana.organization)
    requests = sync(warehouse)
    warehouse.assert_matches_asana(paid(warehouse))
    assert requests == {
        **LISTED_BY_WORKSPACE,
        "/workspaces/*/custom_fields": 2,  # again, before what is missing is deleted
        "/projects/*/custom_field_settings": 3,  # main and teamless; main again, as a setting is missing
        "/teams/*/custom_field_settings": 2,
        "/custom_fields/*": 1,
        "/task_templates": 2,
        "/memberships": 4,
        "/access_requests": 2,
        "/projects/*/project_portfolio_settings": 2,
        "/project_briefs/*": 2,
        "/users/*/user_task_list": 1,
        "/ooo_entries": 1,
    }


def change_what_no_version_shows(organization: Organization) -> dict[str, str]:
    """Apply every kind of change that is found by age; return a changed object by endpoint."""
    gids = organization.edge_cases
    main = gids["main_project"]
    organization.add_project_member(main, gids["empty_team"])
    member = next(one for one in organization.belongings["membership", main] if one.ref("member") is organization.me)
    [setting] = organization.belongings["project_portfolio_setting", main]
    return {
        "custom_fields": organization.add_enum_option(
            organization.change_custom_field(gids["local_field"], name="Renamed", description="changed"), "new"
        ),
        "custom_types": organization.change_custom_type(gids["custom_type"], name="Incident"),
        "task_templates": organization.rename_task_template(gids["task_template"], "Renamed"),
        "project_briefs": organization.edit_brief(gids["project_brief"], "Edited"),
        "project_memberships": organization.change_project_access(member.gid, "viewer"),
        "project_portfolio_settings": organization.change_portfolio_setting(setting.gid, inherited=False),
        "access_requests": organization.answer_access_request(gids["access_request"]),
        "ooo_entries": organization.delete_absence(gids["absence"]),
    }


def test_changes_that_no_version_shows_are_found_by_age(warehouse: Warehouse) -> None:
    warehouse.sync()
    before = {name: warehouse.rows(name) for name in ADDED}
    changed = change_what_no_version_shows(warehouse.asana.organization)
    assert sync(warehouse) == LISTED_BY_WORKSPACE
    assert before == {name: warehouse.rows(name) for name in ADDED}
    sync_added(warehouse, tuple(changed), refresh_after_days=ANY_AGE)
    warehouse.assert_matches_asana(paid(warehouse))
    for name in changed:
        assert warehouse.rows(name) != before[name], name


def test_a_free_plan_has_none_of_what_it_does_not_include(make_warehouse: MakeWarehouse) -> None:
    warehouse = make_warehouse()
    warehouse.endpoints = (*UPSTREAM, *ADDED)
    free = warehouse.asana.organization.edge_cases["free_organization"]
    warehouse.settings["ASANA_WORKSPACES"] = free
    requests = sync(warehouse)
    warehouse.assert_matches_asana(free)
    assert requests["/workspaces/*/custom_fields"] == 1
    assert not requests["/projects/*/custom_field_settings"] + requests["/teams/*/custom_field_settings"]


def test_a_refused_parent_keeps_its_rows_and_is_named(warehouse: Warehouse) -> None:
    warehouse.sync()
    before = {name: warehouse.rows(name) for name in ADDED}
    gids = warehouse.asana.organization.edge_cases
    main, member = gids["main_project"], gids["user_in_two_workspaces"]
    refused = {
        "custom_field_settings": (f"/projects/{main}/custom_field_settings", main),
        "custom_fields": (f"/custom_fields/{gids['local_field']}", gids["local_field"]),
        "custom_types": (f"/custom_types/{gids['custom_type']}", gids["custom_type"]),
        "project_briefs": (f"/project_briefs/{gids['project_brief']}", gids["project_brief"]),
        "project_portfolio_settings": (f"/projects/{main}/project_portfolio_settings", main),
        "user_task_lists": (f"/users/{member}/user_task_list", member),
    }
    for path, _ in refused.values():
        warehouse.asana.add_fault(path, 403, message="You do not have access to this.")
    result = warehouse.run("sync_workspace", paid(warehouse), tuple(refused), full_refresh=True)
    assert result.success, failures(result)
    assert before == {name: warehouse.rows(name) for name in ADDED}
    descriptions = {asset: text for (asset, _), text in failed_checks(result).items()}
    for name, (_, gid) in refused.items():
        assert gid in descriptions[name], (name, descriptions)


def test_an_interrupted_sync_goes_on_with_what_is_missing(warehouse: Warehouse) -> None:
    fault = warehouse.asana.add_fault("/ooo_entries", 400)
    assert warehouse.run("refresh_workspaces").success
    assert not warehouse.run("sync_workspace", paid(warehouse), warehouse.endpoints[1:]).success
    fault.cancel()
    since = len(warehouse.asana.log)
    warehouse.sync()
    warehouse.assert_matches_asana(paid(warehouse))
    resumed = requests_since(warehouse, since)
    assert resumed["/memberships"] == resumed["/projects/*/custom_field_settings"] == 0


def test_plan_knows_the_requests_of_the_next_sync(warehouse: Warehouse) -> None:
    warehouse.endpoints = (*UPSTREAM, "portfolios", "goals", *ADDED)
    warehouse.settings["ASANA_ENDPOINTS"] = ",".join(warehouse.endpoints)
    minimum = warehouse.asana.minimal_requests(paid(warehouse), warehouse.endpoints)
    selected = [option for name in warehouse.endpoints[1:] for option in ("--select", name)]
    first = plan(warehouse, paid(warehouse), *selected).requests
    minimum["custom_fields"] -= 2  # those that are not in the library are unknown until the settings are fetched
    assert {name: first[name] for name in ADDED} == {name: minimum[name] for name in ADDED}

    warehouse.sync()
    requests = dict.fromkeys(ADDED, 0) | {"custom_fields": 1, "roles": 1, "agents": 1}
    quiet = plan(warehouse, paid(warehouse), *selected).requests
    assert {name: quiet[name] for name in ADDED} == requests


def test_settings_of_portfolios_and_goals_are_included_if_these_are_synced(warehouse: Warehouse) -> None:
    warehouse.endpoints = (*UPSTREAM, "portfolios", "goals", "custom_field_settings", "custom_fields")
    organization = warehouse.asana.organization
    goal, portfolio = organization.edge_cases["goal"], organization.edge_cases["portfolio"]
    warehouse.sync()
    warehouse.assert_matches_asana(paid(warehouse))
    added = [organization.add_local_field(parent, "Local") for parent in (goal, portfolio)]
    requests = sync(warehouse)
    warehouse.assert_matches_asana(paid(warehouse))
    assert {row["gid"] for row in warehouse.rows("custom_fields")} >= {*added}
    settings = [requests[f"/{kind}/*/custom_field_settings"] for kind in ("goals", "portfolios", "projects", "teams")]
    assert settings == [1, 1, 0, 0]
