"""Laws of paging: a listing is fetched to its end, once. What happens when it goes wrong is in other modules."""

import datetime as dt
import json
import threading

import pytest

from asana_assets.asana.client import ApiRequest
from asana_assets.asana.request_stats import RequestStats
from asana_assets.sandbox import ReceivedRequest as SandboxRequest
from asana_assets.sandbox import Sandbox
from asana_assets_tests.support.client_harness import LargeProject, client_at, client_of, gids, page_body, pages
from asana_assets_tests.support.scripted_server import respond_in_turn, respond_with, serve


def test_a_listing_is_fetched_to_its_end_in_pages_of_100(sandbox: Sandbox, large_project: LargeProject) -> None:
    with client_of(sandbox) as client:
        fetched = list(pages(client, large_project.request))
    assert [page.count for page in fetched] == [100, 100, 50]
    assert gids(iter(fetched)) == large_project.task_gids
    assert [sorted(entry.query) for entry in sandbox.log] == [
        ["limit", "opt_fields", "project"],
        ["limit", "offset", "opt_fields", "project"],
        ["limit", "offset", "opt_fields", "project"],
    ]
    assert {(entry.method, entry.query["limit"], entry.query["opt_fields"]) for entry in sandbox.log} == {
        ("GET", "100", "name")
    }


@pytest.mark.parametrize("count", [0, 1, 100])
def test_a_listing_of_one_page_is_one_request(count: int) -> None:
    with Sandbox() as sandbox, client_of(sandbox) as client:
        organization = sandbox.organization
        project = organization.add_project(organization.edge_cases["paid_organization"], "Few")
        tasks = [organization.add_task(project, f"Task {at}") for at in range(count)]
        fetched = list(pages(client, ApiRequest(template="/tasks", params={"project": project})))
        assert [page.count for page in fetched] == [count]
        assert gids(iter(fetched)) == tasks
        assert len(sandbox.log) == 1


def test_pages_are_fetched_when_they_are_consumed(sandbox: Sandbox, large_project: LargeProject) -> None:
    with client_of(sandbox) as client:
        fetched = pages(client, large_project.request)
        assert sandbox.log == []
        next(fetched)
        assert len(sandbox.log) == 1


def test_requested_at_is_the_time_of_the_successful_attempt(sandbox: Sandbox) -> None:
    failed_at: list[dt.datetime] = []

    def matches(_: SandboxRequest) -> bool:
        failed_at.append(dt.datetime.now(dt.UTC))
        return True

    sandbox.add_fault(matches, 503, times=1)
    with client_of(sandbox) as client:
        [page] = pages(client)
    assert failed_at[0] < page.requested_at <= dt.datetime.now(dt.UTC)


def test_a_listing_of_a_single_record_is_one_request_without_a_limit(
    sandbox: Sandbox, large_project: LargeProject
) -> None:
    gid = large_project.task_gids[0]
    with client_of(sandbox) as client:
        [page] = pages(client, ApiRequest(template="/tasks/{gid}", values={"gid": gid}, single=True))
    assert (gids(iter([page])), page.count) == ([gid], 1)
    assert [sorted(entry.query) for entry in sandbox.log] == [["opt_fields"]]


@pytest.mark.parametrize("count", [0, 100, 250])
def test_a_listing_without_pages_is_one_request_without_a_limit(count: int) -> None:
    body = json.dumps({"data": [{"gid": str(gid)} for gid in range(count)]}).encode()
    with serve(respond_with(200, body)) as server, client_at(server.url) as client:
        [page] = pages(client, ApiRequest(template="/teams/1/custom_field_settings", paged=False))
    assert gids(iter([page])) == [str(gid) for gid in range(count)]
    assert page.count == count < page.limit
    assert ["limit" in path for path, _ in server.requests] == [False]


def test_a_single_record_is_a_page_of_one(sandbox: Sandbox, large_project: LargeProject) -> None:
    request = ApiRequest(template="/tasks/{gid}", values={"gid": large_project.task_gids[0]})
    with client_of(sandbox) as client:
        page = client.get_record(request, opt_fields="name,completed", stats=RequestStats(), stop=threading.Event())
    assert page.count == 1
    assert json.loads(page.body) == {
        "data": [{"gid": large_project.task_gids[0], "name": "Task 0", "completed": False}]
    }
    assert sandbox.log[0].query == {"opt_fields": "name,completed"}


@pytest.mark.parametrize("count", [1, 2])
def test_a_listing_continues_after_empty_pages_that_have_a_next_page(count: int) -> None:
    empty = [respond_with(200, page_body(offset=f"empty {at}")) for at in range(count)]
    respond = respond_in_turn(
        respond_with(200, page_body("1", offset="a")),
        *empty,
        respond_with(200, page_body("2", offset="b")),
        *[respond_with(200, page_body(offset=f"more {at}")) for at in range(count)],
        respond_with(200, page_body("3")),
    )
    with serve(respond) as server, client_at(server.url) as client:
        assert gids(pages(client)) == ["1", "2", "3"]


def test_a_limit_of_the_request_is_kept(sandbox: Sandbox, large_project: LargeProject) -> None:
    request = ApiRequest(template="/tasks", params={**large_project.request.params, "limit": "7"})
    sandbox.add_fault("/tasks", 503, times=3)
    with client_of(sandbox) as client:
        page = next(pages(client, request))
    assert (page.count, page.limit) == (7, 7)
    assert [entry.query["limit"] for entry in sandbox.log] == ["7"] * 4
