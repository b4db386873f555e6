"""Workspaces are named by users and identified by gids."""

import pytest

from asana_assets.asana.errors import ConfigurationError
from asana_assets.defs.workspace_names import find_workspaces, label_workspace, label_workspaces
from asana_assets_tests.support.sync_harness import MakeWarehouse

NAMES = {"1": "Cats", "2": "Dogs", "3": "Dogs", "4": ""}


def test_a_workspace_is_found_by_gid_or_by_its_name_in_any_case() -> None:
    assert find_workspaces(["cats", "3", "Birds", "9"], NAMES, "ASANA_WORKSPACES") == ["1", "3", "Birds", "9"]


def test_a_name_that_two_workspaces_have_is_refused_with_their_gids() -> None:
    with pytest.raises(ConfigurationError) as caught:
        find_workspaces(["Dogs"], NAMES, "--workspace")
    assert str(caught.value) == "--workspace names Dogs, but 2 workspaces have that name: use a gid (2, 3)"


def test_a_gid_takes_precedence_over_a_name() -> None:
    assert find_workspaces(["1"], {"1": "Cats", "2": "1"}, "--workspace") == ["1"]


def test_a_label_is_the_name_if_it_is_unique_and_known() -> None:
    assert label_workspace("1", NAMES) == "Cats"
    assert label_workspaces(["2", "4", "9"], NAMES) == "Dogs (2), 4, 9"


def test_a_name_means_the_listed_workspace_even_if_a_stored_one_had_it(make_warehouse: MakeWarehouse) -> None:
    warehouse = make_warehouse()
    organization = warehouse.asana.organization
    assert warehouse.run("refresh_workspaces").success
    gone = organization.edge_cases["personal_workspace"]
    organization.remove_workspace(gone)
    organization.get(organization.edge_cases["free_organization"], "workspace").fields["name"] = "Personal projects"
    organization.mark_changed()
    warehouse.settings["ASANA_WORKSPACES"] = "personal projects"
    assert warehouse.run("refresh_workspaces").success
    assert [row["gid"] for row in warehouse.rows("workspaces")] == [organization.edge_cases["free_organization"]]
