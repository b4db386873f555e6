"""The truth, and the data it is read off."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from asana_assets.sandbox import ENDPOINTS, SCALES, Scale, build_organization
from asana_assets.sandbox.expected import minimal_requests, truth, truth_objects
from asana_assets_tests.support.sandbox_client import Client

if TYPE_CHECKING:
    from asana_assets.sandbox import Organization


def _gids(asana: Client, endpoint: str) -> set[str]:
    return {str(record["gid"]) for record in asana.sandbox.truth(endpoint, asana.trap("paid_organization"))}


def _everything(organization: Organization) -> dict[tuple[str, str], object]:
    return {
        (endpoint, workspace.gid): truth(organization, endpoint, workspace.gid)
        for workspace in organization.workspaces()
        for endpoint in ENDPOINTS
    }


def test_the_same_seed_gives_the_same_data() -> None:
    assert _everything(build_organization(seed=3)) == _everything(build_organization(seed=3))


def test_another_seed_gives_other_gids() -> None:
    one, other = build_organization(seed=1), build_organization(seed=2)
    assert not set(one.objects) & set(other.objects)


@pytest.mark.parametrize(("scale", "least", "most"), [("tiny", 150, 250), ("demo", 450, 560), ("reference", 950, 1100)])
def test_a_scale_costs_about_what_it_says(scale: str, least: int, most: int) -> None:
    organization = build_organization(scale=scale)
    costs = [sum(minimal_requests(organization, one.gid).values()) for one in organization.workspaces()]
    assert least <= 1 + sum(costs) <= most


def test_the_reference_has_its_numbers() -> None:
    organization = build_organization(scale="reference")
    paid = organization.edge_cases["paid_organization"]
    counts = [len(truth_objects(organization, endpoint, paid)) for endpoint in ("tasks", "subtasks", "stories")]
    assert counts == [246, 196, 1889]


def test_numbers_can_be_given() -> None:
    organization = build_organization(scale=Scale(users=20, projects=30, tasks_per_project=12, tags=40))
    paid = organization.edge_cases["paid_organization"]
    endpoints = ("users", "projects", "tasks", "tags")
    assert [len(truth_objects(organization, endpoint, paid)) for endpoint in endpoints] == [20, 30, 360, 40]


def test_an_unknown_scale_is_refused() -> None:
    with pytest.raises(ValueError, match="no scale 'huge': one of tiny, demo, reference"):
        build_organization(scale="huge")


def test_tasks_are_those_of_projects_and_of_listed_assignees(calm: Client) -> None:
    tasks = _gids(calm, "tasks")
    inside = ("task_without_project", "archived_task", "subtask_in_project", "assigned_subtask", "task_of_absent_user")
    outside = ("task_nobody_lists", "task_of_inactive_user", "task_in_unshared_project", "level_1")
    assert [name for name in inside if calm.trap(name) not in tasks] == []
    assert [name for name in outside if calm.trap(name) in tasks] == []


def test_subtasks_are_those_of_every_level(calm: Client) -> None:
    subtasks = _gids(calm, "subtasks")
    inside = [f"level_{level}" for level in range(1, 6)]
    inside += ["subtask_in_project", "assigned_subtask", "separator", "subtask_of_task_without_project"]
    assert [name for name in inside if calm.trap(name) not in subtasks] == []


def test_attachments_hang_on_tasks_subtasks_projects_and_briefs(calm: Client) -> None:
    attachments = calm.sandbox.truth("attachments", calm.trap("paid_organization"))
    organization = calm.sandbox.organization
    parents = {organization.get(str(one["gid"]), "attachment").ref("parent") for one in attachments}
    kinds = {(one.kind, one.ref("parent") is not None) for one in parents if one is not None}
    assert kinds == {("task", False), ("task", True), ("project", False), ("project_brief", False)}


def test_a_user_in_two_workspaces_is_true_in_both(calm: Client) -> None:
    both = calm.trap("user_in_two_workspaces")
    for workspace in ("paid_organization", "free_organization"):
        assert both in [record["gid"] for record in calm.sandbox.truth("users", calm.trap(workspace))]
    for name in ("absent_user", "inactive_user"):
        assert calm.trap(name) not in _gids(calm, "users")


def test_a_change_changes_the_truth(asana: Client) -> None:
    asana.sandbox.organization.remove_user(asana.trap("paid_organization"), asana.trap("user_in_two_workspaces"))
    before = _gids(asana, "tasks")
    assert asana.trap("my_task") in before
    asana.sandbox.organization.delete_task(asana.trap("my_task"))
    asana.sandbox.organization.make_project_private(asana.trap("private_project"))
    gone = {asana.trap("my_task"), asana.trap("task_in_private_project")}
    assert before - _gids(asana, "tasks") == gone


def test_a_personal_workspace_is_not_asked_for_teams(calm: Client) -> None:
    fewest = calm.sandbox.minimal_requests(calm.trap("personal_workspace"))
    assert (fewest["teams"], fewest["team_memberships"]) == (0, 0)
    assert set(fewest) == set(ENDPOINTS) - {"workspaces"}


def test_every_scale_has_every_trap() -> None:
    traps = [set(build_organization(scale=scale).edge_cases) for scale in ("tiny", "demo")]
    assert traps[0] == traps[1]
    assert set(build_organization(scale=SCALES["reference"]).edge_cases) <= traps[0]
