"""Pages: a keyset on rank, offsets that are signed and expire."""

from __future__ import annotations

import time
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from asana_assets.sandbox import SCALES, Sandbox
from asana_assets_tests.support.sandbox_client import Client

if TYPE_CHECKING:
    from collections.abc import Iterator

_EXPIRED = (400, "offset: Your pagination token has expired.")
_INVALID = (400, "offset: Your pagination token is invalid.")


@pytest.fixture(scope="module")
def crowded() -> Iterator[Client]:
    with Sandbox(replace(SCALES["tiny"], tags=1000)) as sandbox:
        yield Client(sandbox=sandbox)


def _offset(asana: Client, limit: int = 2) -> str:
    return asana.body("/tasks", project=asana.trap("main_project"), limit=limit)["next_page"]["offset"]


@pytest.mark.parametrize("limit", [1, 3, 7, 100])
def test_rows_do_not_depend_on_the_page_size(calm: Client, limit: int) -> None:
    project = calm.trap("main_project")
    whole = calm.rows("/tasks", project=project)
    assert calm.every("/tasks", project=project, limit=limit) == whole
    assert len(whole) > 14


def test_a_page_that_is_just_full_is_the_last(calm: Client) -> None:
    body = calm.body(f"/tasks/{calm.trap('task_with_a_full_page')}/stories", limit=100)
    assert len(body["data"]) == 100
    assert body["next_page"] is None


def test_more_than_a_page_takes_two(calm: Client) -> None:
    pages = list(calm.pages(f"/tasks/{calm.trap('task_with_two_pages')}/stories", limit=100))
    assert [len(page) for page in pages] == [100, 30]


def test_next_page_leads_on_by_its_uri_too(calm: Client) -> None:
    following = calm.body("/tasks", project=calm.trap("main_project"), limit=2, opt_fields="name")["next_page"]
    assert following["uri"] == f"{calm.sandbox.url}{following['path']}"
    rows = calm.rows(following["path"])
    assert rows == calm.rows("/tasks", project=calm.trap("main_project"), limit=4, opt_fields="name")[2:]


def test_without_limit_there_is_no_next_page(calm: Client) -> None:
    assert set(calm.body("/workspaces")) == {"data"}
    assert calm.body("/workspaces", limit=100)["next_page"] is None


def test_a_thousand_rows_come_without_limit_and_one_more_do_not(crowded: Client) -> None:
    paid = crowded.trap("paid_organization")
    assert len(crowded.rows("/tags", workspace=paid)) == 1000
    organization = crowded.sandbox.organization
    with organization.lock:
        organization.new_tag(organization.get(paid, "workspace"), "one more", organization.now())
        organization.mark_changed()
    assert crowded.error("/tags", workspace=paid) == (
        400,
        "The result is too large. You should use pagination (may require specifying a workspace)!",
    )
    assert len(crowded.every("/tags", workspace=paid, limit=100)) == 1001


@pytest.mark.parametrize("limit", ["0", "101", "-1", "ten", ""])
def test_a_limit_out_of_bounds_is_refused(calm: Client, limit: str) -> None:
    assert calm.error("/workspaces", limit=limit)[0] == 400


def test_an_offset_expires() -> None:
    with Sandbox(offset_seconds=0.8) as sandbox:
        asana = Client(sandbox=sandbox)
        offset = _offset(asana)
        assert asana.rows("/tasks", project=asana.trap("main_project"), limit=2, offset=offset)
        time.sleep(0.85)
        assert asana.error("/tasks", project=asana.trap("main_project"), limit=2, offset=offset) == _EXPIRED


def test_offsets_can_be_expired_on_order(asana: Client) -> None:
    offset = _offset(asana)
    asana.sandbox.expire_offsets()
    assert asana.error("/tasks", project=asana.trap("main_project"), limit=2, offset=offset) == _EXPIRED
    fresh = _offset(asana)
    assert asana.rows("/tasks", project=asana.trap("main_project"), limit=2, offset=fresh)


def test_an_offset_of_another_listing_is_invalid(calm: Client) -> None:
    assert calm.error("/tasks", project=calm.trap("teamless_project"), limit=2, offset=_offset(calm)) == _INVALID


@pytest.mark.parametrize("offset", ["1", "a.b.c", "é"])
def test_an_offset_that_was_never_issued_is_invalid(calm: Client, offset: str) -> None:
    assert calm.error("/tasks", project=calm.trap("main_project"), limit=2, offset=offset) == _INVALID


def test_a_task_that_moves_behind_the_border_comes_twice(asana: Client) -> None:
    project = asana.trap("main_project")
    pages = asana.pages("/tasks", project=project, limit=5)
    first = next(pages)
    last_section = asana.rows(f"/projects/{project}/sections")[-1]["gid"]
    asana.sandbox.organization.move_task(first[0]["gid"], last_section)
    rest = [task["gid"] for page in pages for task in page]
    assert first[0]["gid"] in rest


def test_a_task_that_moves_before_the_border_is_skipped(asana: Client) -> None:
    project = asana.trap("main_project")
    pages = asana.pages("/tasks", project=project, limit=5)
    first = [task["gid"] for task in next(pages)]
    unseen = [task["gid"] for task in asana.rows("/tasks", project=project) if task["gid"] not in first]
    sections = asana.rows(f"/projects/{project}/sections")
    asana.sandbox.organization.move_task(unseen[0], sections[0]["gid"], first=True)
    rest = [task["gid"] for page in pages for task in page]
    assert rest == unseen[1:]
    assert unseen[0] in [task["gid"] for task in asana.rows("/tasks", project=project)]


def test_a_deletion_before_the_border_shifts_nothing(asana: Client) -> None:
    project = asana.trap("teamless_project")
    for number in range(6):
        asana.sandbox.organization.add_task(project, f"task {number}")
    pages = asana.pages("/tasks", project=project, limit=3)
    first = next(pages)
    asana.sandbox.organization.delete_task(first[1]["gid"])
    rest = [task["name"] for page in pages for task in page]
    assert [task["name"] for task in first] + rest == ["In two projects", *(f"task {number}" for number in range(6))]


def test_the_unpaged_listing_of_users_ends_at_2000() -> None:
    with Sandbox(replace(SCALES["tiny"], users=2001)) as sandbox:
        asana = Client(sandbox=sandbox)
        paid = asana.trap("paid_organization")
        assert len(asana.rows(f"/workspaces/{paid}/users")) == 2000
        assert len(asana.every("/users", workspace=paid, limit=100)) == 2001


def test_a_million_tasks_are_listed_without_being_there() -> None:
    with Sandbox(replace(SCALES["tiny"], bulk_tasks=1_000_000)) as sandbox:
        asana, organization = Client(sandbox=sandbox), sandbox.organization
        assert len(organization.objects) < 10_000
        (project,) = organization.generated_tasks
        pages = asana.pages("/tasks", project=project, limit=100, opt_fields="name,projects")
        rows = [*next(pages), *next(pages)]
        assert [row["name"] for row in rows] == [f"Task {number}" for number in range(200)]
        assert {row["projects"][0]["gid"] for row in rows} == {project}
        assert organization.rename_task(rows[150]["gid"], "renamed") == rows[150]["gid"]
        assert asana.record(f"/tasks/{rows[150]['gid']}")["name"] == "renamed"
        assert asana.every(f"/tasks/{rows[150]['gid']}/stories", limit=100)[0]["resource_subtype"] == "name_changed"
        assert asana.rows("/tasks", project=project, limit=100, opt_fields="name,projects") == rows[:100]


def test_users_come_by_gid_and_by_name_without_pages(calm: Client) -> None:
    paid = calm.trap("paid_organization")
    gids = [int(user["gid"]) for user in calm.every("/users", workspace=paid, limit=2)]
    assert gids == sorted(gids)
    unpaged = calm.body(f"/workspaces/{paid}/users", limit=2)
    names = [user["name"] for user in unpaged["data"]]
    assert names == sorted(names)
    assert len(names) == len(gids)
    assert "next_page" not in unpaged
