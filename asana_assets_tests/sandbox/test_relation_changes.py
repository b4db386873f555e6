"""Changes of what a task refers to, with and without a new `modified_at`."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, TypeAlias

import pytest

if TYPE_CHECKING:
    from asana_assets.sandbox import Organization
    from asana_assets_tests.support.sandbox_client import Record, SandboxClient

_Change: TypeAlias = "Callable[[Organization, str, bool], str]"
_FIELDS = "modified_at,memberships.section,tags,followers,dependencies,custom_fields.display_value"


def _first_tag(organization: Organization) -> str:
    return next(iter(organization.workspace_objects(organization.edge_cases["paid_organization"], "tag")))


def _last_section(organization: Organization) -> str:
    return organization.sections[organization.edge_cases["main_project"]][-1].gid


def _text_field(organization: Organization) -> str:
    task = organization.get(organization.edge_cases["task_with_every_custom_field"], "task")
    fields = task.fields["custom_fields"]
    assert isinstance(fields, tuple)
    return next(str(one["gid"]) for one in fields if isinstance(one, dict) and one["type"] == "text")


_CHANGES: dict[str, tuple[str, _Change]] = {
    "move": ("memberships", lambda o, gid, touch: o.move_task(gid, _last_section(o), touch=touch)),
    "second project": (
        "memberships",
        lambda o, gid, touch: o.add_to_project(gid, o.edge_cases["teamless_project"], touch=touch),
    ),
    "no project": (
        "memberships",
        lambda o, gid, touch: o.remove_from_project(gid, o.edge_cases["main_project"], touch=touch),
    ),
    "tag": ("tags", lambda o, gid, touch: o.tag_task(gid, _first_tag(o), touch=touch)),
    "follow": (
        "followers",
        lambda o, gid, touch: o.follow_task(gid, o.edge_cases["user_in_two_workspaces"], touch=touch),
    ),
    "depend": ("dependencies", lambda o, gid, touch: o.add_dependency(gid, o.edge_cases["my_task"], touch=touch)),
    "custom field": (
        "custom_fields",
        lambda o, gid, touch: o.set_custom_field(gid, _text_field(o), "new value", touch=touch),
    ),
}


def _task(client: SandboxClient) -> Record:
    return client.record(f"/tasks/{client.gid('task_with_every_custom_field')}", opt_fields=_FIELDS)


@pytest.mark.parametrize("touch", [True, False])
@pytest.mark.parametrize(("field", "change"), _CHANGES.values(), ids=_CHANGES.keys())
def test_a_relation_changes_with_or_without_modified_at(
    client: SandboxClient,
    field: str,
    change: _Change,
    touch: bool,  # noqa: FBT001 - a parameter of the test
) -> None:
    gid = client.gid("task_with_every_custom_field")
    before, stories = _task(client), client.all_records(f"/tasks/{gid}/stories", limit=100)
    change(client.sandbox.organization, gid, touch)
    after = _task(client)
    assert {name for name in after if after[name] != before[name]} == {field} | ({"modified_at"} if touch else set())
    assert len(client.all_records(f"/tasks/{gid}/stories", limit=100)) == len(stories) + 1


def test_relations_can_be_removed_again(client: SandboxClient) -> None:
    organization, gid = client.sandbox.organization, client.gid("movable_task")
    tag, user, other = _first_tag(organization), client.gid("user_in_two_workspaces"), client.gid("my_task")
    path = f"/tasks/{gid}"
    before = client.record(path, opt_fields=_FIELDS)
    organization.tag_task(gid, tag, touch=False)
    organization.follow_task(gid, user, touch=False)
    organization.add_dependency(gid, other, touch=False)
    assert client.record(path, opt_fields=_FIELDS) != before
    organization.untag_task(gid, tag, touch=False)
    organization.unfollow_task(gid, user, touch=False)
    organization.remove_dependency(gid, other, touch=False)
    assert client.record(path, opt_fields=_FIELDS) == before
    organization.unfollow_task(gid, user)
    assert client.record(path, opt_fields=_FIELDS) != before


def test_an_unknown_custom_field_is_a_lookup_error(client: SandboxClient) -> None:
    with pytest.raises(LookupError, match="has no custom field 1"):
        client.sandbox.organization.set_custom_field(client.gid("my_task"), "1", "text")


def test_more_than_a_hundred_tasks_can_have_one_modified_at(client: SandboxClient) -> None:
    organization = client.sandbox.organization
    gids = [organization.add_task(client.gid("main_project"), f"task {number}") for number in range(110)]
    instant = organization.touch_together(gids)
    path = f"/workspaces/{client.gid('paid_organization')}/tasks/search"
    found = client.records(path, opt_fields="modified_at")
    assert {task["modified_at"] for task in found} == {instant}
    assert len(found) == 100
