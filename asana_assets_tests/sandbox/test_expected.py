"""The generated data, and the expectations derived from it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from asana_assets.sandbox import ENDPOINTS, SCALES, Scale, build_organization
from asana_assets.sandbox.data.tables import minimal_requests, table_objects
from asana_assets.sandbox.expected import truth
from asana_assets_tests.support.sandbox_client import SandboxClient

if TYPE_CHECKING:
    from asana_assets.sandbox import Organization


def _gids(client: SandboxClient, endpoint: str) -> set[str]:
    return {str(record["gid"]) for record in client.sandbox.truth(endpoint, client.gid("paid_organization"))}


def _all_tables(organization: Organization) -> dict[tuple[str, str], object]:
    return {
        (endpoint, workspace.gid): truth(organization, endpoint, workspace.gid, ENDPOINTS)
        for workspace in organization.workspaces()
        for endpoint in ENDPOINTS
    }


def test_the_same_seed_generates_the_same_data() -> None:
    assert _all_tables(build_organization(seed=3)) == _all_tables(build_organization(seed=3))


def test_different_seeds_generate_different_gids() -> None:
    one, other = build_organization(seed=1), build_organization(seed=2)
    assert not set(one.objects) & set(other.objects)


@pytest.mark.parametrize(("scale", "least", "most"), [("tiny", 150, 250), ("demo", 450, 560), ("reference", 950, 1100)])
def test_each_scale_has_its_order_of_magnitude(scale: str, least: int, most: int) -> None:
    organization = build_organization(scale=scale)
    costs = [sum(minimal_requests(organization, one.gid).values()) for one in organization.workspaces()]
    assert least <= 1 + sum(costs) <= most


def test_the_reference_scale_has_its_documented_counts() -> None:
    organization = build_organization(scale="reference")
    paid = organization.edge_cases["paid_organization"]
    counts = [len(table_objects(organization, endpoint, paid)) for endpoint in ("tasks", "subtasks", "stories")]
    assert counts == [246, 196, 1889]


def test_counts_of_a_custom_scale_are_exact() -> None:
    organization = build_organization(scale=Scale(users=20, projects=30, tasks_per_project=12, tags=40))
    paid = organization.edge_cases["paid_organization"]
    endpoints = ("users", "projects", "tasks", "tags")
    assert [len(table_objects(organization, endpoint, paid)) for endpoint in endpoints] == [20, 30, 360, 40]


def test_an_unknown_scale_is_rejected() -> None:
    with pytest.raises(ValueError, match="there is no scale 'huge'; choose one of tiny, demo, reference"):
        build_organization(scale="huge")


def test_tasks_are_those_in_visible_projects_or_of_listed_assignees(shared_client: SandboxClient) -> None:
    tasks = _gids(shared_client, "tasks")
    inside = ("task_without_project", "archived_task", "subtask_in_project", "assigned_subtask", "task_of_absent_user")
    outside = ("unlisted_task", "task_of_inactive_user", "task_in_unshared_project", "level_1")
    assert [name for name in inside if shared_client.gid(name) not in tasks] == []
    assert [name for name in outside if shared_client.gid(name) in tasks] == []


def test_subtasks_of_every_level_are_included(shared_client: SandboxClient) -> None:
    subtasks = _gids(shared_client, "subtasks")
    inside = [f"level_{level}" for level in range(1, 6)]
    inside += ["subtask_in_project", "assigned_subtask", "separator", "subtask_of_task_without_project"]
    assert [name for name in inside if shared_client.gid(name) not in subtasks] == []


def test_attachments_belong_to_tasks_subtasks_projects_and_briefs(shared_client: SandboxClient) -> None:
    attachments = shared_client.sandbox.truth("attachments", shared_client.gid("paid_organization"))
    organization = shared_client.sandbox.organization
    parents = {organization.get(str(one["gid"]), "attachment").ref("parent") for one in attachments}
    kinds = {(one.kind, one.ref("parent") is not None) for one in parents if one is not None}
    assert kinds == {("task", False), ("task", True), ("project", False), ("project_brief", False)}


def test_a_user_in_two_workspaces_is_expected_in_both(shared_client: SandboxClient) -> None:
    both = shared_client.gid("user_in_two_workspaces")
    for workspace in ("paid_organization", "free_organization"):
        assert both in [record["gid"] for record in shared_client.sandbox.truth("users", shared_client.gid(workspace))]
    for name in ("absent_user", "inactive_user"):
        assert shared_client.gid(name) not in _gids(shared_client, "users")


def test_changes_are_reflected_in_the_truth(client: SandboxClient) -> None:
    client.sandbox.organization.remove_user(client.gid("paid_organization"), client.gid("user_in_two_workspaces"))
    before = _gids(client, "tasks")
    assert client.gid("my_task") in before
    client.sandbox.organization.delete_task(client.gid("my_task"))
    client.sandbox.organization.make_project_private(client.gid("private_project"))
    deleted = {client.gid("my_task"), client.gid("task_in_private_project")}
    assert before - _gids(client, "tasks") == deleted


def test_teams_of_a_personal_workspace_cost_no_request(shared_client: SandboxClient) -> None:
    minimum = shared_client.sandbox.minimal_requests(shared_client.gid("personal_workspace"), ENDPOINTS)
    assert (minimum["teams"], minimum["team_memberships"]) == (0, 0)
    assert set(minimum) == set(ENDPOINTS) - {"workspaces"}


def test_every_scale_has_every_edge_case() -> None:
    edge_cases = [set(build_organization(scale=scale).edge_cases) for scale in ("tiny", "demo")]
    assert edge_cases[0] == edge_cases[1]
    assert set(build_organization(scale=SCALES["reference"]).edge_cases) <= edge_cases[0]
