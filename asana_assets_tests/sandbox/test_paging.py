"""Pagination: pages by rank, and offsets that are signed and expire."""

from __future__ import annotations

import time
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from asana_assets.sandbox import SCALES, Sandbox
from asana_assets_tests.support.sandbox_client import SandboxClient

if TYPE_CHECKING:
    from collections.abc import Iterator

_EXPIRED = (400, "offset: Your pagination token has expired.")
_INVALID = (400, "offset: Your pagination token is invalid.")


@pytest.fixture(scope="module")
def many_tags() -> Iterator[SandboxClient]:
    with Sandbox(replace(SCALES["tiny"], tags=1000)) as sandbox:
        yield SandboxClient(sandbox=sandbox)


def _offset(client: SandboxClient, limit: int = 2) -> str:
    return client.body("/tasks", project=client.gid("main_project"), limit=limit)["next_page"]["offset"]


@pytest.mark.parametrize("limit", [1, 3, 7, 100])
def test_records_do_not_depend_on_the_page_size(shared_client: SandboxClient, limit: int) -> None:
    project = shared_client.gid("main_project")
    unpaged = shared_client.records("/tasks", project=project)
    assert shared_client.all_records("/tasks", project=project, limit=limit) == unpaged
    assert len(unpaged) > 14


def test_a_full_page_without_more_records_is_the_last(shared_client: SandboxClient) -> None:
    body = shared_client.body(f"/tasks/{shared_client.gid('task_with_a_full_page')}/stories", limit=100)
    assert len(body["data"]) == 100
    assert body["next_page"] is None


def test_more_than_a_page_of_records_takes_two_pages(shared_client: SandboxClient) -> None:
    pages = list(shared_client.pages(f"/tasks/{shared_client.gid('task_with_two_pages')}/stories", limit=100))
    assert [len(page) for page in pages] == [100, 30]


def test_the_uri_of_next_page_returns_the_next_page(shared_client: SandboxClient) -> None:
    following = shared_client.body("/tasks", project=shared_client.gid("main_project"), limit=2, opt_fields="name")[
        "next_page"
    ]
    assert following["uri"] == f"{shared_client.sandbox.url}{following['path']}"
    records = shared_client.records(following["path"])
    assert (
        records
        == shared_client.records("/tasks", project=shared_client.gid("main_project"), limit=4, opt_fields="name")[2:]
    )


def test_without_limit_there_is_no_next_page(shared_client: SandboxClient) -> None:
    assert set(shared_client.body("/workspaces")) == {"data"}
    assert shared_client.body("/workspaces", limit=100)["next_page"] is None


def test_without_limit_a_thousand_records_are_returned_and_more_are_400(many_tags: SandboxClient) -> None:
    paid = many_tags.gid("paid_organization")
    assert len(many_tags.records("/tags", workspace=paid)) == 1000
    organization = many_tags.sandbox.organization
    with organization.lock:
        organization.new_tag(organization.get(paid, "workspace"), "one more", organization.now())
        organization.mark_changed()
    assert many_tags.error("/tags", workspace=paid) == (
        400,
        "The result is too large. You should use pagination (may require specifying a workspace)!",
    )
    assert len(many_tags.all_records("/tags", workspace=paid, limit=100)) == 1001


@pytest.mark.parametrize("limit", ["0", "101", "-1", "ten", ""])
def test_an_invalid_limit_is_400(shared_client: SandboxClient, limit: str) -> None:
    assert shared_client.error("/workspaces", limit=limit)[0] == 400


def test_an_offset_expires() -> None:
    with Sandbox(offset_lifetime_seconds=0.8) as sandbox:
        client = SandboxClient(sandbox=sandbox)
        offset = _offset(client)
        assert client.records("/tasks", project=client.gid("main_project"), limit=2, offset=offset)
        time.sleep(0.85)
        assert client.error("/tasks", project=client.gid("main_project"), limit=2, offset=offset) == _EXPIRED


def test_offsets_can_be_expired_explicitly(client: SandboxClient) -> None:
    offset = _offset(client)
    client.sandbox.expire_offsets()
    assert client.error("/tasks", project=client.gid("main_project"), limit=2, offset=offset) == _EXPIRED
    fresh = _offset(client)
    assert client.records("/tasks", project=client.gid("main_project"), limit=2, offset=fresh)


def test_the_offset_of_another_listing_is_invalid(shared_client: SandboxClient) -> None:
    assert (
        shared_client.error(
            "/tasks", project=shared_client.gid("teamless_project"), limit=2, offset=_offset(shared_client)
        )
        == _INVALID
    )


@pytest.mark.parametrize("offset", ["1", "a.b.c", "é"])
def test_an_offset_that_was_never_issued_is_invalid(shared_client: SandboxClient, offset: str) -> None:
    assert shared_client.error("/tasks", project=shared_client.gid("main_project"), limit=2, offset=offset) == _INVALID


def test_a_task_that_moves_behind_the_offset_is_repeated(client: SandboxClient) -> None:
    project = client.gid("main_project")
    pages = client.pages("/tasks", project=project, limit=5)
    first = next(pages)
    last_section = client.records(f"/projects/{project}/sections")[-1]["gid"]
    client.sandbox.organization.move_task(first[0]["gid"], last_section)
    rest = [task["gid"] for page in pages for task in page]
    assert first[0]["gid"] in rest


def test_a_task_that_moves_before_the_offset_is_skipped(client: SandboxClient) -> None:
    project = client.gid("main_project")
    pages = client.pages("/tasks", project=project, limit=5)
    first = [task["gid"] for task in next(pages)]
    unseen = [task["gid"] for task in client.records("/tasks", project=project) if task["gid"] not in first]
    sections = client.records(f"/projects/{project}/sections")
    client.sandbox.organization.move_task(unseen[0], sections[0]["gid"], first=True)
    rest = [task["gid"] for page in pages for task in page]
    assert rest == unseen[1:]
    assert unseen[0] in [task["gid"] for task in client.records("/tasks", project=project)]


def test_a_deletion_before_the_offset_does_not_shift_pages(client: SandboxClient) -> None:
    project = client.gid("teamless_project")
    for number in range(6):
        client.sandbox.organization.add_task(project, f"task {number}")
    pages = client.pages("/tasks", project=project, limit=3)
    first = next(pages)
    client.sandbox.organization.delete_task(first[1]["gid"])
    rest = [task["name"] for page in pages for task in page]
    assert [task["name"] for task in first] + rest == ["In two projects", *(f"task {number}" for number in range(6))]


def test_the_unpaged_listing_of_users_is_truncated_at_2000() -> None:
    with Sandbox(replace(SCALES["tiny"], users=2001)) as sandbox:
        client = SandboxClient(sandbox=sandbox)
        paid = client.gid("paid_organization")
        assert len(client.records(f"/workspaces/{paid}/users")) == 2000
        assert len(client.all_records("/users", workspace=paid, limit=100)) == 2001


def test_a_million_generated_tasks_are_listed_but_not_stored() -> None:
    with Sandbox(replace(SCALES["tiny"], generated_tasks=1_000_000)) as sandbox:
        client, organization = SandboxClient(sandbox=sandbox), sandbox.organization
        assert len(organization.objects) < 10_000
        (project,) = organization.generated_tasks
        pages = client.pages("/tasks", project=project, limit=100, opt_fields="name,projects")
        records = [*next(pages), *next(pages)]
        assert [record["name"] for record in records] == [f"Task {number}" for number in range(200)]
        assert {record["projects"][0]["gid"] for record in records} == {project}
        assert organization.rename_task(records[150]["gid"], "renamed") == records[150]["gid"]
        assert client.record(f"/tasks/{records[150]['gid']}")["name"] == "renamed"
        assert (
            client.all_records(f"/tasks/{records[150]['gid']}/stories", limit=100)[0]["resource_subtype"]
            == "name_changed"
        )
        assert client.records("/tasks", project=project, limit=100, opt_fields="name,projects") == records[:100]


def test_users_are_sorted_by_gid_in_pages_and_by_name_without(shared_client: SandboxClient) -> None:
    paid = shared_client.gid("paid_organization")
    gids = [int(user["gid"]) for user in shared_client.all_records("/users", workspace=paid, limit=2)]
    assert gids == sorted(gids)
    unpaged = shared_client.body(f"/workspaces/{paid}/users", limit=2)
    names = [user["name"] for user in unpaged["data"]]
    assert names == sorted(names)
    assert len(names) == len(gids)
    assert "next_page" not in unpaged
