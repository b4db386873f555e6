"""`opt_fields`, to the letter."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from asana_assets.sandbox import ALL_FIELDS, ENDPOINTS

if TYPE_CHECKING:
    from asana_assets_tests.support.sandbox_client import Client

# On no record of the sandbox: they need an app, or are set by nobody here.
_ABSENT: dict[str, set[str]] = {}


def test_exactly_the_named_fields_and_gid_come(calm: Client) -> None:
    rows = calm.rows("/tasks", project=calm.trap("main_project"), limit=10, opt_fields="name,completed")
    assert {frozenset(row) for row in rows} == {frozenset({"gid", "name", "completed"})}


def test_a_bare_reference_is_its_gid_and_type(calm: Client) -> None:
    task = calm.record(f"/tasks/{calm.trap('my_task')}", opt_fields="assignee")
    assert task == {
        "gid": calm.trap("my_task"),
        "assignee": {"gid": calm.trap("me"), "resource_type": "user"},
    }


def test_a_nested_path_names_one_field_of_the_reference(calm: Client) -> None:
    task = calm.record(f"/tasks/{calm.trap('my_task')}", opt_fields="assignee.name")
    assert task["assignee"] == {"gid": calm.trap("me"), "name": "Token Owner"}


def test_nested_paths_go_through_lists(calm: Client) -> None:
    path = f"/tasks/{calm.trap('task_in_two_projects')}"
    task = calm.record(path, opt_fields="memberships.project.name,memberships.section")
    projects = [membership["project"] for membership in task["memberships"]]
    assert projects == [
        {"gid": calm.trap("main_project"), "name": "Website 🌐"},
        {"gid": calm.trap("teamless_project"), "name": "Of no team"},
    ]
    assert {frozenset(membership["section"]) for membership in task["memberships"]} == {
        frozenset({"gid", "resource_type"})
    }


def test_unknown_names_find_nothing(calm: Client) -> None:
    task = calm.record(f"/tasks/{calm.trap('my_task')}", opt_fields="nmae,assignee.nmae")
    assert task == {"gid": calm.trap("my_task"), "assignee": {"gid": calm.trap("me")}}


def test_a_listing_without_opt_fields_is_compact(calm: Client) -> None:
    task = calm.rows("/tasks", project=calm.trap("main_project"), limit=1)[0]
    assert set(task) == {"gid", "name", "resource_type", "resource_subtype"}


def test_a_single_object_without_opt_fields_lacks_what_is_opt_in(calm: Client) -> None:
    task = calm.record(f"/tasks/{calm.trap('task_with_external_data')}")
    assert {"notes", "modified_at", "custom_fields"} <= set(task)
    assert not {"html_notes", "num_subtasks", "dependencies", "external", "assigned_by"} & set(task)


def test_a_free_workspace_leaves_keys_out_even_if_asked(calm: Client) -> None:
    asked = {"name", "custom_fields", "completed_by", "assigned_by", "custom_type"}
    task = calm.record(f"/tasks/{calm.trap('free_task')}", opt_fields=",".join(asked))
    assert set(task) == {"gid", "name"}
    paid = calm.record(f"/tasks/{calm.trap('my_task')}", opt_fields=",".join(asked))
    assert set(paid) == {"gid", *asked}


def test_assignee_section_is_shown_to_the_assignee_alone(calm: Client) -> None:
    fields = "assignee,assignee_section.name"
    mine = calm.record(f"/tasks/{calm.trap('my_task')}", opt_fields=fields)
    other = calm.record(f"/tasks/{calm.trap('task_without_project')}", opt_fields=fields)
    assert mine["assignee_section"]["name"] == "Recently assigned"
    assert other["assignee"]
    assert "assignee_section" not in other


def test_urls_of_attachments_differ_in_every_answer(calm: Client) -> None:
    parent = calm.trap("task_with_every_custom_field")
    first, second = (calm.rows("/attachments", parent=parent, opt_fields=ALL_FIELDS["attachments"]) for _ in range(2))
    assert first[0]["download_url"] != second[0]["download_url"]
    assert first[0]["permanent_url"] == second[0]["permanent_url"]


@pytest.mark.parametrize("endpoint", ENDPOINTS)
def test_every_documented_field_is_filled_somewhere(calm: Client, endpoint: str) -> None:
    workspaces = [workspace["gid"] for workspace in calm.rows("/workspaces")]
    records = [record for gid in workspaces for record in calm.sandbox.truth(endpoint, gid)]
    documented = {name.split(".", 1)[0] for name in ALL_FIELDS[endpoint].split(",")}
    volatile = {"download_url", "view_url"} if endpoint == "attachments" else set[str]()
    found = {name for record in records for name in record}
    assert found == {"gid", *documented} - volatile - _ABSENT.get(endpoint, set())


def test_custom_fields_of_every_type_are_there(calm: Client) -> None:
    path = f"/tasks/{calm.trap('task_with_every_custom_field')}"
    fields = calm.record(path, opt_fields="custom_fields")["custom_fields"]
    assert [field["representation_type"] for field in fields] == [
        *("text", "enum", "multi_enum", "number", "number", "date", "people", "reference", "formula", "custom_id"),
        *("enum", "text"),
    ]
    assert len({field["name"] for field in fields}) == len(fields) - 1  # two of one name
    assert fields[-1]["enabled"] is False
