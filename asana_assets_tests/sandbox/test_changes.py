"""What happens in Asana meanwhile, and what shows of it."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TYPE_CHECKING, TypeAlias

import pytest

from asana_assets.sandbox import Organization, Sandbox
from asana_assets_tests.support.sandbox_client import Client

if TYPE_CHECKING:
    from asana_assets_tests.support.sandbox_client import Record

Change: TypeAlias = Callable[[Organization, str], str]

_BUMPING: dict[str, Change] = {
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
_SILENT: dict[str, Change] = {
    "like": lambda organization, gid: organization.like_task(gid),
    "edit a comment": lambda organization, _: organization.edit_comment(organization.edge_cases["comment"], "edited"),
    "like a comment": lambda organization, _: organization.like_comment(organization.edge_cases["comment"]),
    "add a subtask": lambda organization, gid: organization.add_subtask(gid, "below"),
    "share a project": lambda organization, _: organization.share_project(organization.edge_cases["unshared_project"]),
}


def _task(asana: Client, gid: str) -> Record:
    return asana.record(f"/tasks/{gid}", opt_fields="name,modified_at,num_subtasks,num_likes,completed,assignee")


@pytest.mark.parametrize("change", _BUMPING.values(), ids=_BUMPING.keys())
def test_what_modifies_a_task(asana: Client, change: Change) -> None:
    gid = asana.trap("task_with_every_custom_field")
    before = _task(asana, gid)
    change(asana.sandbox.organization, gid)
    after = _task(asana, gid)
    assert after["modified_at"] > before["modified_at"]
    since = asana.rows("/tasks", project=asana.trap("main_project"), modified_since=after["modified_at"])
    assert [task["gid"] for task in since] == [gid]


@pytest.mark.parametrize("change", _SILENT.values(), ids=_SILENT.keys())
def test_what_does_not_modify_a_task(asana: Client, change: Change) -> None:
    gid = asana.trap("task_with_every_custom_field")
    before = _task(asana, gid)
    change(asana.sandbox.organization, gid)
    assert _task(asana, gid)["modified_at"] == before["modified_at"]


def test_changes_bump_strictly(asana: Client) -> None:
    gid = asana.trap("movable_task")
    seen: list[str] = []
    for number in range(50):
        asana.sandbox.organization.rename_task(gid, f"name {number}")
        seen.append(asana.sandbox.organization.get(gid, "task").text("modified_at"))
    assert seen == sorted(set(seen))


def test_a_new_subtask_changes_the_number_alone(asana: Client) -> None:
    parent = asana.trap("level_5")
    before = _task(asana, parent)
    gid = asana.sandbox.organization.add_subtask(parent, "sixth")
    assert _task(asana, parent) == {**before, "num_subtasks": 1}
    assert [task["gid"] for task in asana.rows(f"/tasks/{parent}/subtasks")] == [gid]


def test_a_renamed_subtask_leaves_its_parent_alone(asana: Client) -> None:
    before = _task(asana, asana.trap("level_1"))
    asana.sandbox.organization.rename_task(asana.trap("level_2"), "renamed")
    assert _task(asana, asana.trap("level_1")) == before
    assert _task(asana, asana.trap("level_2"))["name"] == "renamed"


def test_an_attachment_and_a_move_leave_stories(asana: Client) -> None:
    gid = asana.trap("movable_task")
    sections = asana.rows(f"/projects/{asana.trap('main_project')}/sections")
    asana.sandbox.organization.add_attachment(gid, "new.png")
    asana.sandbox.organization.move_task(gid, sections[2]["gid"])
    stories = asana.rows(f"/tasks/{gid}/stories", opt_fields="resource_subtype,new_section.name")
    assert [story["resource_subtype"] for story in stories[-2:]] == ["attachment_added", "section_changed"]
    assert stories[-1]["new_section"]["name"] == "Done"
    assert asana.rows("/attachments", parent=gid)[0]["name"] == "new.png"
    assert gid in [task["gid"] for task in asana.rows(f"/sections/{sections[2]['gid']}/tasks")]


def test_a_deleted_task_takes_everything_below_it(asana: Client) -> None:
    organization = asana.sandbox.organization
    gid = asana.trap("deep_parent")
    story = organization.add_comment(asana.trap("level_4"), "gone soon")
    organization.delete_task(gid)
    for path in (f"/tasks/{gid}", f"/tasks/{asana.trap('level_5')}", f"/stories/{story}", f"/tasks/{gid}/subtasks"):
        assert asana.get(path).status_code == 404
    assert gid not in [task["gid"] for task in asana.rows("/tasks", project=asana.trap("main_project"))]


def test_a_deleted_subtask_lowers_the_number(asana: Client) -> None:
    asana.sandbox.organization.delete_task(asana.trap("level_5"))
    assert _task(asana, asana.trap("level_4"))["num_subtasks"] == 0


def test_archived_projects_are_listed_and_list_their_tasks(asana: Client) -> None:
    paid, main = asana.trap("paid_organization"), asana.trap("main_project")
    asana.sandbox.organization.archive_project(main)
    listed = {project["gid"] for project in asana.rows("/projects", workspace=paid)}
    archived = {project["gid"] for project in asana.rows("/projects", workspace=paid, archived="true")}
    active = {project["gid"] for project in asana.rows("/projects", workspace=paid, archived="false")}
    assert {main, asana.trap("archived_project")} == archived
    assert archived | active == listed
    assert asana.rows("/tasks", project=main)


def test_a_private_project_is_gone_and_403(asana: Client) -> None:
    paid, private = asana.trap("paid_organization"), asana.trap("private_project")
    task, shared = asana.trap("task_in_private_project"), asana.trap("task_in_two_projects")
    asana.sandbox.organization.add_to_project(shared, private)
    assert asana.get(f"/tasks/{task}").status_code == 200
    asana.sandbox.organization.make_project_private(private)
    assert asana.error(f"/projects/{private}/sections") == (403, "You do not have access to this project.")
    assert asana.error(f"/tasks/{task}") == (403, "You do not have access to this task.")
    assert private not in [project["gid"] for project in asana.rows("/projects", workspace=paid)]
    projects = asana.record(f"/tasks/{shared}", opt_fields="projects")["projects"]
    assert private not in [project["gid"] for project in projects]


def test_a_project_shared_late_brings_old_tasks(asana: Client) -> None:
    before = max(str(task["modified_at"]) for task in asana.sandbox.truth("tasks", asana.trap("paid_organization")))
    asana.sandbox.organization.share_project(asana.trap("unshared_project"))
    tasks = asana.rows("/tasks", project=asana.trap("unshared_project"), opt_fields="modified_at,projects")
    assert [task["gid"] for task in tasks] == [asana.trap("task_in_unshared_project")]
    assert tasks[0]["modified_at"] < before
    assert tasks[0]["projects"][0]["gid"] == asana.trap("unshared_project")


def test_a_deleted_project_keeps_tasks_that_have_another_home(asana: Client) -> None:
    asana.sandbox.organization.delete_project(asana.trap("main_project"))
    assert asana.get(f"/projects/{asana.trap('main_project')}").status_code == 404
    assert asana.get(f"/tasks/{asana.trap('movable_task')}").status_code == 404
    assert asana.get(f"/attachments?parent={asana.trap('project_brief')}").status_code == 404
    kept = asana.record(f"/tasks/{asana.trap('task_in_two_projects')}", opt_fields="memberships.project")
    assert [one["project"]["gid"] for one in kept["memberships"]] == [asana.trap("teamless_project")]


def test_a_status_update_shows_in_the_project_alone(asana: Client) -> None:
    path, fields = f"/projects/{asana.trap('main_project')}", "modified_at,current_status_update"
    before = asana.record(path, opt_fields=fields)
    gid = asana.sandbox.organization.post_status(asana.trap("main_project"), "Week 4", "off_track")
    after = asana.record(path, opt_fields=fields)
    assert after["current_status_update"]["gid"] == gid
    assert after["modified_at"] == before["modified_at"]
    assert gid in [status["gid"] for status in asana.rows("/status_updates", parent=asana.trap("main_project"))]


def test_people_come_and_go(asana: Client) -> None:
    organization, paid = asana.sandbox.organization, asana.trap("paid_organization")
    both = asana.trap("user_in_two_workspaces")
    new = organization.add_user(paid, "Newcomer")
    organization.remove_user(paid, both)
    listed = [user["gid"] for user in asana.rows("/users", workspace=paid)]
    assert new in listed
    assert both not in listed
    assert both in [user["gid"] for user in asana.rows("/users", workspace=asana.trap("free_organization"))]
    path = f"/workspaces/{paid}/workspace_memberships"
    memberships = asana.rows(path, user=both, opt_fields="is_active")
    assert [one["is_active"] for one in memberships] == [False]
    assert both not in [user["gid"] for user in asana.rows(f"/teams/{asana.trap('team')}/users")]


def test_workspaces_come_and_go(asana: Client) -> None:
    organization = asana.sandbox.organization
    new = organization.add_workspace("Side project")
    free_task = asana.trap("free_task")
    organization.remove_workspace(asana.trap("free_organization"))
    names = [workspace["name"] for workspace in asana.rows("/workspaces")]
    assert names == ["Catnip & Co.", "Personal projects", "Side project"]
    assert asana.get(f"/tasks/{free_task}").status_code == 404
    assert len(asana.rows("/projects", workspace=new)) == 1


def test_a_task_without_project_is_found_by_its_assignee(asana: Client) -> None:
    paid, me = asana.trap("paid_organization"), asana.trap("me")
    gid = asana.sandbox.organization.add_task(None, "Alone", workspace_gid=paid, assignee_gid=me)
    for assignee in (me, "me"):
        assert gid in [task["gid"] for task in asana.rows("/tasks", assignee=assignee, workspace=paid)]
    assert gid in [task["gid"] for task in asana.rows(f"/user_task_lists/{asana.trap('my_tasks')}/tasks")]


def test_a_rename_shows_wherever_it_is_nested(asana: Client) -> None:
    path = f"/tasks/{asana.trap('my_task')}"
    asana.record(path, opt_fields="assignee.name")
    asana.sandbox.organization.rename_user(asana.trap("me"), "New Name")
    assert asana.record(path, opt_fields="assignee.name")["assignee"]["name"] == "New Name"


def test_search_finds_what_changed_since(asana: Client) -> None:
    path = f"/workspaces/{asana.trap('paid_organization')}/tasks/search"
    newest = asana.rows(path, opt_fields="modified_at", limit=1)[0]["modified_at"]
    asana.sandbox.organization.rename_task(asana.trap("level_3"), "renamed")
    asana.sandbox.organization.rename_task(asana.trap("my_task"), "renamed")
    changed = [task["gid"] for task in asana.rows(path, modified_at__after=newest)]
    assert changed == [asana.trap("my_task"), asana.trap("level_3")]
    subtasks = asana.rows(path, modified_at__after=newest, is_subtask="true")
    assert [task["gid"] for task in subtasks] == [asana.trap("level_3")]
    mine = asana.rows(path, assignee__any="me", modified_at__after=newest)
    assert [task["gid"] for task in mine] == [asana.trap("my_task")]
    nobody = asana.rows(path, assignee__any="null")
    assert asana.trap("task_nobody_lists") in [task["gid"] for task in nobody]


def test_search_answers_a_hundred_and_no_page(asana: Client) -> None:
    for number in range(101):
        asana.sandbox.organization.add_task(asana.trap("main_project"), f"task {number}")
    body = asana.body(f"/workspaces/{asana.trap('paid_organization')}/tasks/search", sort_by="created_at")
    assert len(body["data"]) == 100
    assert set(body) == {"data"}
    assert body["data"][0]["name"] == "task 100"


def test_the_search_index_lags() -> None:
    with Sandbox(search_lag=0.6) as sandbox:
        asana = Client(sandbox=sandbox)
        path = f"/workspaces/{asana.trap('paid_organization')}/tasks/search"
        newest = asana.rows(path, opt_fields="modified_at", limit=1)[0]["modified_at"]
        sandbox.organization.rename_task(asana.trap("my_task"), "renamed")
        assert asana.rows(path, modified_at__after=newest) == []
        time.sleep(0.65)
        assert len(asana.rows(path, modified_at__after=newest)) == 1


def test_a_my_tasks_list_answers_as_a_project(calm: Client) -> None:
    sections = calm.rows(f"/projects/{calm.trap('my_tasks')}/sections")
    assert [section["name"] for section in sections] == ["Recently assigned", "Do today", "Do later"]
    mine = calm.rows(f"/user_task_lists/{calm.trap('my_tasks')}/tasks")
    assert calm.rows("/tasks", project=calm.trap("my_tasks")) == mine
    found = calm.record("/users/me/user_task_list", workspace=calm.trap("paid_organization"))
    assert found["gid"] == calm.trap("my_tasks")
