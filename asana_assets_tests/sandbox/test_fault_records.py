"""What faults change in records and their fields."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from asana_assets.sandbox import FaultKind
    from asana_assets_tests.support.sandbox_client import Record, SandboxClient

_FIELDS = "name,memberships.section,custom_fields.type,num_subtasks"


def _tasks(client: SandboxClient) -> list[Record]:
    return client.records("/tasks", project=client.gid("main_project"), opt_fields=_FIELDS)


@pytest.mark.parametrize("value", [None, "a text", 5, [], {}])
def test_one_record_can_be_anything(client: SandboxClient, value: object) -> None:
    correct = _tasks(client)
    client.sandbox.add_fault("/tasks", "replaced_record", position=1, value=value)  # pyright: ignore[reportArgumentType]  # JSON
    assert _tasks(client) == [correct[0], value, *correct[2:]]


def test_the_damaged_record_can_be_selected_from_the_end_or_by_gid(client: SandboxClient) -> None:
    correct = _tasks(client)
    client.sandbox.add_fault("/tasks", "replaced_record", position=-1)
    client.sandbox.add_fault("/tasks", "replaced_record", gid=correct[2]["gid"])
    client.sandbox.add_fault("/tasks", "replaced_record", position=1000)
    assert [index for index, record in enumerate(_tasks(client)) if record is None] == [2, len(correct) - 1]


def test_a_record_can_lack_its_gid(client: SandboxClient) -> None:
    client.sandbox.add_fault("/tasks", "missing_field", field="gid", position=0)
    client.sandbox.add_fault("/tasks", "replaced_field", field="gid", position=1)
    client.sandbox.add_fault("/tasks", "replaced_field", field="gid", position=2, value=12)
    records = _tasks(client)
    assert "gid" not in records[0]
    assert [record["gid"] for record in records[1:3]] == [None, 12]


def test_a_record_can_be_there_twice(client: SandboxClient) -> None:
    correct = _tasks(client)
    client.sandbox.add_fault("/tasks", "duplicate_record", position=0)
    assert _tasks(client) == [correct[0], *correct]


@pytest.mark.parametrize("field", ["custom_fields", "num_subtasks", "memberships"])
def test_a_field_can_be_missing_or_null_in_all_records(client: SandboxClient, field: str) -> None:
    client.sandbox.add_fault("/tasks", "missing_field", field=field, times=1)
    client.sandbox.add_fault("/tasks", "replaced_field", field=field, skip=1, times=1)
    missing, null, correct = (_tasks(client) for _ in range(3))
    assert [record for record in missing if field in record] == []
    assert [record for record in null if record[field] is not None] == []
    assert all(record[field] is not None for record in correct)


def test_a_nested_field_can_be_missing(client: SandboxClient) -> None:
    correct = [membership for record in _tasks(client) for membership in record["memberships"]]
    client.sandbox.add_fault("/tasks", "missing_field", field="memberships.section")
    damaged = [membership for record in _tasks(client) for membership in record["memberships"]]
    assert len(damaged) == len(correct)
    assert ["section" in one for one in (correct[0], damaged[0])] == [True, False]


def test_a_single_object_is_a_record(client: SandboxClient) -> None:
    path = f"/tasks/{client.gid('my_task')}"
    client.sandbox.add_fault("/tasks/{gid}", "missing_field", field="name", times=1)
    client.sandbox.add_fault("/tasks/{gid}", "replaced_record", skip=1)
    assert "name" not in client.record(path)
    assert client.body(path) == {"data": None}


@pytest.mark.parametrize(("kind", "ending"), [("lone_surrogate", rb"\ud83d"), ("invalid_utf8", b"\xf0\x9f\xa5")])
def test_a_name_can_be_cut_inside_an_emoji(client: SandboxClient, kind: FaultKind, ending: bytes) -> None:
    gid = client.gid("my_task")
    client.sandbox.organization.rename_task(gid, 'Größe "1"')
    client.sandbox.add_fault("/tasks/{gid}", kind, field="name")
    body = client.get(f"/tasks/{gid}", opt_fields="name").content
    assert 'Größe \\"1\\"'.encode() + ending + b'"' in body
    assert client.sandbox.organization.get(gid, "task").text("name") == 'Größe "1"'


def test_a_field_can_be_bytes_that_are_not_json(client: SandboxClient) -> None:
    client.sandbox.add_fault("/tasks", "raw_field", field="num_subtasks", position=0, raw=b"1e999")
    client.sandbox.add_fault("/tasks", "lone_surrogate", position=1)
    body = client.get("/tasks", project=client.gid("main_project"), opt_fields=_FIELDS).content
    assert body.count(b'"num_subtasks":1e999') == 1
    assert body.count(rb'\ud83d"') == 1
