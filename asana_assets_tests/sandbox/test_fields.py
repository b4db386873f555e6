"""`opt_fields`: exactly the requested fields are returned."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from asana_assets.sandbox import ALL_FIELDS, ENDPOINTS
from asana_assets.sandbox.api.fields import JOINED_FIELDS

if TYPE_CHECKING:
    from asana_assets_tests.support.sandbox_client import SandboxClient


def test_exactly_the_requested_fields_and_gid_are_returned(shared_client: SandboxClient) -> None:
    records = shared_client.records(
        "/tasks", project=shared_client.gid("main_project"), limit=10, opt_fields="name,completed"
    )
    assert {frozenset(record) for record in records} == {frozenset({"gid", "name", "completed"})}


def test_a_reference_without_subfields_has_gid_and_type(shared_client: SandboxClient) -> None:
    task = shared_client.record(f"/tasks/{shared_client.gid('my_task')}", opt_fields="assignee")
    assert task == {
        "gid": shared_client.gid("my_task"),
        "assignee": {"gid": shared_client.gid("me"), "resource_type": "user"},
    }


def test_a_nested_path_selects_a_field_of_the_reference(shared_client: SandboxClient) -> None:
    task = shared_client.record(f"/tasks/{shared_client.gid('my_task')}", opt_fields="assignee.name")
    assert task["assignee"] == {"gid": shared_client.gid("me"), "name": "Token Owner"}


def test_nested_paths_apply_to_list_items(shared_client: SandboxClient) -> None:
    path = f"/tasks/{shared_client.gid('task_in_two_projects')}"
    task = shared_client.record(path, opt_fields="memberships.project.name,memberships.section")
    projects = [membership["project"] for membership in task["memberships"]]
    assert projects == [
        {"gid": shared_client.gid("main_project"), "name": "Website 🌐"},
        {"gid": shared_client.gid("teamless_project"), "name": "Without a team"},
    ]
    assert {frozenset(membership["section"]) for membership in task["memberships"]} == {
        frozenset({"gid", "resource_type"})
    }


def test_unknown_fields_are_ignored(shared_client: SandboxClient) -> None:
    task = shared_client.record(f"/tasks/{shared_client.gid('my_task')}", opt_fields="nmae,assignee.nmae")
    assert task == {"gid": shared_client.gid("my_task"), "assignee": {"gid": shared_client.gid("me")}}


def test_a_listing_without_opt_fields_is_compact(shared_client: SandboxClient) -> None:
    task = shared_client.records("/tasks", project=shared_client.gid("main_project"), limit=1)[0]
    assert set(task) == {"gid", "name", "resource_type", "resource_subtype"}


def test_a_single_object_without_opt_fields_lacks_the_opt_in_fields(shared_client: SandboxClient) -> None:
    task = shared_client.record(f"/tasks/{shared_client.gid('task_with_external_data')}")
    assert {"notes", "modified_at", "custom_fields"} <= set(task)
    assert not {"html_notes", "num_subtasks", "dependencies", "external", "assigned_by"} & set(task)


def test_a_free_workspace_lacks_paid_fields_even_if_requested(shared_client: SandboxClient) -> None:
    requested = {"name", "custom_fields", "completed_by", "assigned_by", "custom_type"}
    task = shared_client.record(f"/tasks/{shared_client.gid('free_task')}", opt_fields=",".join(requested))
    assert set(task) == {"gid", "name"}
    paid = shared_client.record(f"/tasks/{shared_client.gid('my_task')}", opt_fields=",".join(requested))
    assert set(paid) == {"gid", *requested}


def test_only_the_assignee_sees_the_assignee_section(shared_client: SandboxClient) -> None:
    fields = "assignee,assignee_section.name"
    mine = shared_client.record(f"/tasks/{shared_client.gid('my_task')}", opt_fields=fields)
    other = shared_client.record(f"/tasks/{shared_client.gid('task_without_project')}", opt_fields=fields)
    assert mine["assignee_section"]["name"] == "Recently assigned"
    assert other["assignee"]
    assert "assignee_section" not in other


def test_urls_of_attachments_differ_in_every_response(shared_client: SandboxClient) -> None:
    parent = shared_client.gid("task_with_every_custom_field")
    first, second = (
        shared_client.records("/attachments", parent=parent, opt_fields=ALL_FIELDS["attachments"]) for _ in range(2)
    )
    assert first[0]["download_url"] != second[0]["download_url"]
    assert first[0]["permanent_url"] == second[0]["permanent_url"]


@pytest.mark.parametrize("endpoint", ENDPOINTS)
def test_every_documented_field_occurs_in_some_record(shared_client: SandboxClient, endpoint: str) -> None:
    workspaces = [workspace["gid"] for workspace in shared_client.records("/workspaces")]
    records = [record for gid in workspaces for record in shared_client.sandbox.truth(endpoint, gid, ENDPOINTS)]
    documented = {name.split(".", 1)[0] for name in ALL_FIELDS[endpoint].split(",")}
    volatile = {"download_url", "view_url"} if endpoint == "attachments" else set[str]()
    found = {name for record in records for name in record}
    assert found - set(JOINED_FIELDS.get(endpoint, ())) == {"gid", *documented} - volatile


def test_custom_fields_of_every_type_exist(shared_client: SandboxClient) -> None:
    path = f"/tasks/{shared_client.gid('task_with_every_custom_field')}"
    fields = shared_client.record(path, opt_fields="custom_fields")["custom_fields"]
    assert [field["representation_type"] for field in fields] == [
        *("text", "enum", "multi_enum", "number", "number", "date", "people", "reference", "formula", "custom_id"),
        *("enum", "text"),
    ]
    assert len({field["name"] for field in fields}) == len(fields) - 1  # two have the same name
    assert fields[-1]["enabled"] is False
