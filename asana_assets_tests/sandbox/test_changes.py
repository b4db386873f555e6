"""Changes of the organization, and how they appear in the API."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TYPE_CHECKING, TypeAlias

import pytest

from asana_assets.sandbox import Organization, Sandbox
from asana_assets_tests.support.sandbox_client import SandboxClient

if TYPE_CHECKING:
    from asana_assets_tests.support.sandbox_client import Record

Change: TypeAlias = Callable[[Organization, str], str]

_MODIFYING: dict[str, Change] = {
    "rename": lambda organization, gid: organization.rename_task(gid, "renamed"),
    "complete": lambda organization, gid: organization.complete_task(gid),
    "assign": lambda organization, gid: organization.assign_task(
        gid, organization.edge_cases["user_in_two_workspaces"]
    ),
    "unassign": lambda organization, gid: organization.assign_task(gid, None),
    "comment": lambda organization, gid: organization.add_comment(gid, "hello"),
    "attach": lambda organization, gid: organization.add_attachment(gid, "file.txt"),
    "detach": lambda organization, gid: organization.delete_attachment(organization.attachments[gid][0].gid),
    "delete a story": lambda organization, gid: organization.delete_story(organization.stories[gid][0].gid),
    "second project": lambda organization, gid: organization.add_to_project(
        gid, organization.edge_cases["teamless_project"]
    ),
}
_NOT_MODIFYING: dict[str, Change] = {
    "like": lambda organization, gid: organization.like_task(gid),
    "edit a comment": lambda organization, _: organization.edit_comment(organization.edge_cases["comment"], "edited"),
    "like a comment": lambda organization, _: organization.like_comment(organization.edge_cases["comment"]),
    "add a subtask": lambda organization, gid: organization.add_subtask(gid, "subtask"),
    "share a project": lambda organization, _: organization.share_project(organization.edge_cases["unshared_project"]),
}


def _task(client: SandboxClient, gid: str) -> Record:
    return client.record(f"/tasks/{gid}", opt_fields="name,modified_at,num_subtasks,num_likes,completed,assignee")


@pytest.mark.parametrize("change", _MODIFYING.values(), ids=_MODIFYING.keys())
def test_these_changes_modify_a_task(client: SandboxClient, change: Change) -> None:
    gid = client.gid("task_with_every_custom_field")
    before = _task(client, gid)
    change(client.sandbox.organization, gid)
    after = _task(client, gid)
    assert after["modified_at"] > before["modified_at"]
    since = client.records("/tasks", project=client.gid("main_project"), modified_since=after["modified_at"])
    assert [task["gid"] for task in since] == [gid]


@pytest.mark.parametrize("change", _NOT_MODIFYING.values(), ids=_NOT_MODIFYING.keys())
def test_these_changes_do_not_modify_a_task(client: SandboxClient, change: Change) -> None:
    gid = client.gid("task_with_every_custom_field")
    before = _task(client, gid)
    change(client.sandbox.organization, gid)
    assert _task(client, gid)["modified_at"] == before["modified_at"]


def test_every_change_has_a_later_modified_at(client: SandboxClient) -> None:
    gid = client.gid("movable_task")
    seen: list[str] = []
    for number in range(50):
        client.sandbox.organization.rename_task(gid, f"name {number}")
        seen.append(client.sandbox.organization.get(gid, "task").text("modified_at"))
    assert seen == sorted(set(seen))


def test_a_new_subtask_changes_only_the_count_of_its_parent(client: SandboxClient) -> None:
    parent = client.gid("level_5")
    before = _task(client, parent)
    gid = client.sandbox.organization.add_subtask(parent, "sixth")
    assert _task(client, parent) == {**before, "num_subtasks": 1}
    assert [task["gid"] for task in client.records(f"/tasks/{parent}/subtasks")] == [gid]


def test_renaming_a_subtask_does_not_modify_its_parent(client: SandboxClient) -> None:
    before = _task(client, client.gid("level_1"))
    client.sandbox.organization.rename_task(client.gid("level_2"), "renamed")
    assert _task(client, client.gid("level_1")) == before
    assert _task(client, client.gid("level_2"))["name"] == "renamed"


def test_an_attachment_and_a_move_create_stories(client: SandboxClient) -> None:
    gid = client.gid("movable_task")
    sections = client.records(f"/projects/{client.gid('main_project')}/sections")
    client.sandbox.organization.add_attachment(gid, "new.png")
    client.sandbox.organization.move_task(gid, sections[2]["gid"])
    stories = client.records(f"/tasks/{gid}/stories", opt_fields="resource_subtype,new_section.name")
    assert [story["resource_subtype"] for story in stories[-2:]] == ["attachment_added", "section_changed"]
    assert stories[-1]["new_section"]["name"] == "Done"
    assert client.records("/attachments", parent=gid)[0]["name"] == "new.png"
    assert gid in [task["gid"] for task in client.records(f"/sections/{sections[2]['gid']}/tasks")]


def test_deleting_a_task_deletes_everything_below_it(client: SandboxClient) -> None:
    organization = client.sandbox.organization
    gid = client.gid("deep_parent")
    story = organization.add_comment(client.gid("level_4"), "deleted soon")
    organization.delete_task(gid)
    for path in (f"/tasks/{gid}", f"/tasks/{client.gid('level_5')}", f"/stories/{story}", f"/tasks/{gid}/subtasks"):
        assert client.get(path).status_code == 404
    assert gid not in [task["gid"] for task in client.records("/tasks", project=client.gid("main_project"))]


def test_deleting_a_subtask_decreases_the_count_of_its_parent(client: SandboxClient) -> None:
    client.sandbox.organization.delete_task(client.gid("level_5"))
    assert _task(client, client.gid("level_4"))["num_subtasks"] == 0


def test_archived_projects_and_their_tasks_are_listed(client: SandboxClient) -> None:
    paid, main = client.gid("paid_organization"), client.gid("main_project")
    client.sandbox.organization.archive_project(main)
    listed = {project["gid"] for project in client.records("/projects", workspace=paid)}
    archived = {project["gid"] for project in client.records("/projects", workspace=paid, archived="true")}
    active = {project["gid"] for project in client.records("/projects", workspace=paid, archived="false")}
    assert {main, client.gid("archived_project")} == archived
    assert archived | active == listed
    assert client.records("/tasks", project=main)


def test_a_private_project_is_unlisted_and_403(client: SandboxClient) -> None:
    paid, private = client.gid("paid_organization"), client.gid("private_project")
    task, shared = client.gid("task_in_private_project"), client.gid("task_in_two_projects")
    client.sandbox.organization.add_to_project(shared, private)
    assert client.get(f"/tasks/{task}").status_code == 200
    client.sandbox.organization.make_project_private(private)
    assert client.error(f"/projects/{private}/sections") == (403, "You do not have access to this project.")
    assert client.error(f"/tasks/{task}") == (403, "You do not have access to this task.")
    assert private not in [project["gid"] for project in client.records("/projects", workspace=paid)]
    projects = client.record(f"/tasks/{shared}", opt_fields="projects")["projects"]
    assert private not in [project["gid"] for project in projects]


def test_a_project_shared_late_contains_old_tasks(client: SandboxClient) -> None:
    before = max(str(task["modified_at"]) for task in client.sandbox.truth("tasks", client.gid("paid_organization")))
    client.sandbox.organization.share_project(client.gid("unshared_project"))
    tasks = client.records("/tasks", project=client.gid("unshared_project"), opt_fields="modified_at,projects")
    assert [task["gid"] for task in tasks] == [client.gid("task_in_unshared_project")]
    assert tasks[0]["modified_at"] < before
    assert tasks[0]["projects"][0]["gid"] == client.gid("unshared_project")


def test_deleting_a_project_keeps_tasks_that_are_in_another_one(client: SandboxClient) -> None:
    client.sandbox.organization.delete_project(client.gid("main_project"))
    assert client.get(f"/projects/{client.gid('main_project')}").status_code == 404
    assert client.get(f"/tasks/{client.gid('movable_task')}").status_code == 404
    assert client.get(f"/attachments?parent={client.gid('project_brief')}").status_code == 404
    kept = client.record(f"/tasks/{client.gid('task_in_two_projects')}", opt_fields="memberships.project")
    assert [one["project"]["gid"] for one in kept["memberships"]] == [client.gid("teamless_project")]


def test_a_status_update_changes_only_the_current_status_of_its_project(client: SandboxClient) -> None:
    path, fields = f"/projects/{client.gid('main_project')}", "modified_at,current_status_update"
    before = client.record(path, opt_fields=fields)
    gid = client.sandbox.organization.post_status(client.gid("main_project"), "Week 4", "off_track")
    after = client.record(path, opt_fields=fields)
    assert after["current_status_update"]["gid"] == gid
    assert after["modified_at"] == before["modified_at"]
    assert gid in [status["gid"] for status in client.records("/status_updates", parent=client.gid("main_project"))]


def test_users_can_be_added_and_removed(client: SandboxClient) -> None:
    organization, paid = client.sandbox.organization, client.gid("paid_organization")
    both = client.gid("user_in_two_workspaces")
    new = organization.add_user(paid, "Newcomer")
    organization.remove_user(paid, both)
    listed = [user["gid"] for user in client.records("/users", workspace=paid)]
    assert new in listed
    assert both not in listed
    assert both in [user["gid"] for user in client.records("/users", workspace=client.gid("free_organization"))]
    path = f"/workspaces/{paid}/workspace_memberships"
    memberships = client.records(path, user=both, opt_fields="is_active")
    assert [one["is_active"] for one in memberships] == [False]
    assert both not in [user["gid"] for user in client.records(f"/teams/{client.gid('team')}/users")]


def test_workspaces_can_be_added_and_removed(client: SandboxClient) -> None:
    organization = client.sandbox.organization
    new = organization.add_workspace("Side project")
    free_task = client.gid("free_task")
    organization.remove_workspace(client.gid("free_organization"))
    names = [workspace["name"] for workspace in client.records("/workspaces")]
    assert names == ["Catnip & Co.", "Personal projects", "Side project"]
    assert client.get(f"/tasks/{free_task}").status_code == 404
    assert len(client.records("/projects", workspace=new)) == 1


def test_a_task_without_project_is_found_by_its_assignee(client: SandboxClient) -> None:
    paid, me = client.gid("paid_organization"), client.gid("me")
    gid = client.sandbox.organization.add_task(None, "Alone", workspace_gid=paid, assignee_gid=me)
    for assignee in (me, "me"):
        assert gid in [task["gid"] for task in client.records("/tasks", assignee=assignee, workspace=paid)]
    assert gid in [task["gid"] for task in client.records(f"/user_task_lists/{client.gid('my_tasks')}/tasks")]


def test_a_renamed_user_has_the_new_name_in_references(client: SandboxClient) -> None:
    path = f"/tasks/{client.gid('my_task')}"
    client.record(path, opt_fields="assignee.name")
    client.sandbox.organization.rename_user(client.gid("me"), "New Name")
    assert client.record(path, opt_fields="assignee.name")["assignee"]["name"] == "New Name"


def test_search_finds_what_changed_since(client: SandboxClient) -> None:
    path = f"/workspaces/{client.gid('paid_organization')}/tasks/search"
    newest = client.records(path, opt_fields="modified_at", limit=1)[0]["modified_at"]
    client.sandbox.organization.rename_task(client.gid("level_3"), "renamed")
    client.sandbox.organization.rename_task(client.gid("my_task"), "renamed")
    changed = [task["gid"] for task in client.records(path, modified_at__after=newest)]
    assert changed == [client.gid("my_task"), client.gid("level_3")]
    subtasks = client.records(path, modified_at__after=newest, is_subtask="true")
    assert [task["gid"] for task in subtasks] == [client.gid("level_3")]
    mine = client.records(path, assignee__any="me", modified_at__after=newest)
    assert [task["gid"] for task in mine] == [client.gid("my_task")]
    unassigned = client.records(path, assignee__any="null")
    assert client.gid("unlisted_task") in [task["gid"] for task in unassigned]


def test_search_returns_a_hundred_tasks_and_no_next_page(client: SandboxClient) -> None:
    for number in range(101):
        client.sandbox.organization.add_task(client.gid("main_project"), f"task {number}")
    body = client.body(f"/workspaces/{client.gid('paid_organization')}/tasks/search", sort_by="created_at")
    assert len(body["data"]) == 100
    assert set(body) == {"data"}
    assert body["data"][0]["name"] == "task 100"


def test_the_search_index_lags_behind_changes() -> None:
    with Sandbox(search_lag=0.6) as sandbox:
        client = SandboxClient(sandbox=sandbox)
        path = f"/workspaces/{client.gid('paid_organization')}/tasks/search"
        newest = client.records(path, opt_fields="modified_at", limit=1)[0]["modified_at"]
        sandbox.organization.rename_task(client.gid("my_task"), "renamed")
        assert client.records(path, modified_at__after=newest) == []
        time.sleep(0.65)
        assert len(client.records(path, modified_at__after=newest)) == 1


def test_a_my_tasks_list_is_accepted_as_a_project(shared_client: SandboxClient) -> None:
    sections = shared_client.records(f"/projects/{shared_client.gid('my_tasks')}/sections")
    assert [section["name"] for section in sections] == ["Recently assigned", "Do today", "Do later"]
    mine = shared_client.records(f"/user_task_lists/{shared_client.gid('my_tasks')}/tasks")
    assert shared_client.records("/tasks", project=shared_client.gid("my_tasks")) == mine
    found = shared_client.record("/users/me/user_task_list", workspace=shared_client.gid("paid_organization"))
    assert found["gid"] == shared_client.gid("my_tasks")
