"""What later syncs cost: the requests of a perfect client, and one more per listing that lost rows."""

from collections import Counter
from collections.abc import Callable, Mapping

import pytest

from asana_assets.sandbox import Organization, Sandbox
from asana_assets.sandbox.data.model import Object
from asana_assets_tests.support.mutations import paid
from asana_assets_tests.support.sync_harness import MakeWarehouse, Warehouse

pytestmark = pytest.mark.slow

SEARCHES = {"paid_organization": 2, "free_organization": 1, "personal_workspace": 1}
"""One search for tasks and one for subtasks; without search on the plan, the first one is refused."""


def pages(count: int) -> int:
    return max(1, -(-count // 100))


def perfect_requests(asana: Sandbox, workspace: str, searches: int) -> Counter[str]:
    """Return the requests of a perfect client if nothing has changed: the listings, and search."""
    organization = asana.organization
    minimal = asana.minimal_requests(workspace)
    requests = Counter({"/workspaces": 1, f"/workspaces/{workspace}/tasks/search": searches})
    requests[f"/workspaces/{workspace}/teams"] = minimal["teams"]
    requests[f"/workspaces/{workspace}/workspace_memberships"] = minimal["workspace_memberships"]
    for name in ("users", "projects", "project_templates", "tags", "webhooks"):
        requests[f"/{name} {workspace}"] = minimal[name]
    for team in asana.truth("teams", workspace):
        requests[f"/teams/{team['gid']}/team_memberships"] = pages(len(organization.team_memberships[str(team["gid"])]))
    for project in organization.projects(workspace):
        requests[f"/projects/{project.gid}/sections"] = pages(len(organization.sections[project.gid]))
        requests[f"/tasks {project.gid}"] = pages(len(organization.tasks_of_project(project.gid).objects))
    return +requests


def sent(warehouse: Warehouse) -> Counter[str]:
    """Sync and return the requests."""
    start = len(warehouse.asana.log)
    warehouse.sync()
    return Counter(
        " ".join(
            [entry.path, *(entry.query[name] for name in ("workspace", "project", "parent") if name in entry.query)]
        )
        for entry in warehouse.asana.log[start:]
    )


def synced(make_warehouse: MakeWarehouse, workspace: str = "paid_organization") -> tuple[Warehouse, Counter[str]]:
    """Return a warehouse one of whose workspaces is synced, and the requests of a perfect client."""
    warehouse = make_warehouse()
    gid = warehouse.asana.organization.edge_cases[workspace]
    warehouse.settings["ASANA_WORKSPACES"] = gid
    warehouse.sync()
    return warehouse, perfect_requests(warehouse.asana, gid, SEARCHES[workspace])


@pytest.mark.parametrize("workspace", SEARCHES)
def test_a_sync_in_which_nothing_changed_sends_the_requests_of_a_perfect_client(
    make_warehouse: MakeWarehouse, workspace: str
) -> None:
    warehouse, perfect = synced(make_warehouse, workspace)
    assert sent(warehouse) == perfect
    assert sent(warehouse) == perfect


def test_long_listings_cost_a_request_for_each_100_records_and_nothing_else(make_warehouse: MakeWarehouse) -> None:
    warehouse = make_warehouse()
    organization = warehouse.asana.organization
    warehouse.settings["ASANA_WORKSPACES"] = paid(warehouse)
    project = organization.add_project(paid(warehouse), "Large")
    for number in range(230):
        organization.add_task(project, f"Task {number}")
    warehouse.sync()
    perfect = perfect_requests(warehouse.asana, paid(warehouse), 2)
    assert perfect[f"/tasks {project}"] == 3
    search = f"/workspaces/{paid(warehouse)}/tasks/search"
    requests = sent(warehouse)
    assert requests - Counter({search: requests[search]}) == perfect - Counter({search: 2})
    assert requests[search] <= 2 + 3  # the tasks were modified shortly before the first sync, which is searched again


# --- deletions


def project_tasks(organization: Organization, workspace: str, *, assigned: bool = False) -> list[str]:
    """Return tasks of one project that nothing else refers to."""
    return [
        task.gid
        for project in organization.projects(workspace)
        for task in organization.tasks_of_project(project.gid).objects
        if len(organization.task_projects[task.gid]) == 1
        and not (task.ref("parent") or task.refs("dependents") or task.refs("dependencies"))
        and not organization.subtasks.get(task.gid)
        and bool(task.ref("assignee")) is assigned
    ]


def with_children(children: Mapping[str, list[Object]]) -> str:
    """Return a parent with at least two children."""
    return next(gid for gid, found in children.items() if len(found) > 1)


def delete_task(organization: Organization, workspace: str) -> int:
    organization.delete_task(project_tasks(organization, workspace)[0])
    return 1  # its record


def delete_assigned_task(organization: Organization, workspace: str) -> int:
    organization.delete_task(project_tasks(organization, workspace, assigned=True)[0])
    return 1  # its record


def delete_subtask(organization: Organization, workspace: str) -> int:
    parent = organization.get(with_children(organization.subtasks), "task")
    assert parent.workspace_gid == workspace
    subtasks = [one.gid for one in organization.subtasks[parent.gid] if not one.ref("assignee")]
    organization.delete_task(next(one for one in subtasks if not organization.task_projects.get(one)))
    return 3 + 1  # its parent's subtasks, stories and attachments, as for any change; its parent's subtasks


def delete_story(organization: Organization, workspace: str) -> int:
    task = next(one for one in project_tasks(organization, workspace) if len(organization.stories[one]) > 1)
    organization.delete_story(organization.stories[task][0].gid)
    return 2 + 1  # its task's stories and attachments, as for any change; its task's stories


def delete_section(organization: Organization, workspace: str) -> int:
    [project, *_] = [one.gid for one in organization.projects(workspace)]
    used = {one.section.gid for one in organization.placements[project].values()}
    empty = next(one for one in organization.sections[project] if one.gid not in used)
    organization.sections[project].remove(empty)
    organization.mark_changed()
    return 1


def delete_tag(organization: Organization, workspace: str) -> int:
    organization.workspace_objects(workspace, "tag").pop(organization.edge_cases["new_tag"])
    organization.mark_changed()
    return 1


def delete_team_membership(organization: Organization, _workspace: str) -> int:
    organization.team_memberships[with_children(organization.team_memberships)].pop()
    organization.mark_changed()
    return 1


def delete_user(organization: Organization, workspace: str) -> int:
    organization.remove_user(workspace, organization.edge_cases["new_user"])
    return 1  # the list of users


def delete_project(organization: Organization, _workspace: str) -> int:
    organization.delete_project(organization.edge_cases["new_project"])
    return 1 + 1  # the list of projects; the tasks of the only assignee


def hide_project(organization: Organization, _workspace: str) -> int:
    organization.make_project_private(organization.edge_cases["new_project"])
    return 1 + 1  # as if it was deleted


DELETIONS: list[Callable[[Organization, str], int]] = [
    delete_task,
    delete_assigned_task,
    delete_subtask,
    delete_story,
    delete_section,
    delete_tag,
    delete_team_membership,
    delete_user,
    delete_project,
    hide_project,
]
"""Each deletes something and returns the requests that this may add to those of a perfect client."""


def add_deletable(organization: Organization, workspace: str) -> None:
    """Add a user, a tag that no task has, an empty section, and a project with tasks of one assignee."""
    project = organization.add_project(workspace, "Soon gone")
    user = next(one.gid for one in organization.users(workspace) if one is not organization.me)
    for number in range(4):
        organization.assign_task(organization.add_task(project, f"Task {number}"), user)
    tag = organization.new_tag(organization.get(workspace, "workspace"), "Unused", organization.now())
    [first, *_] = organization.projects(workspace)
    organization.new_section(first, "Empty", organization.now())
    organization.edge_cases |= {
        "new_project": project,
        "new_tag": tag.gid,
        "new_user": organization.add_user(workspace, "Leaving"),
    }
    organization.mark_changed()


@pytest.mark.parametrize("delete", DELETIONS)
def test_what_was_deleted_leaves_the_tables_for_one_request_per_listing_that_lost_rows(
    make_warehouse: MakeWarehouse, delete: Callable[[Organization, str], int]
) -> None:
    warehouse = make_warehouse()
    organization, workspace = warehouse.asana.organization, paid(warehouse)
    add_deletable(organization, workspace)
    warehouse.settings["ASANA_WORKSPACES"] = workspace
    warehouse.sync()
    added = delete(organization, workspace)
    perfect = perfect_requests(warehouse.asana, workspace, SEARCHES["paid_organization"])
    requests = sent(warehouse)
    assert not perfect - requests
    assert (requests - perfect).total() == added, requests - perfect
    warehouse.assert_matches_asana(workspace)
    assert sent(warehouse) == perfect
