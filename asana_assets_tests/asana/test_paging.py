"""Laws of paging: a listing is fetched to its end, once, whatever happens to its offsets."""

import datetime as dt
import json
import threading
from collections import Counter
from http.server import BaseHTTPRequestHandler

import pytest

from asana_assets.asana.client import ApiRequest, RequestStats
from asana_assets.asana.errors import ContractError, OffsetExpiredError
from asana_assets.sandbox import ReceivedRequest as SandboxRequest
from asana_assets.sandbox import Sandbox
from asana_assets_tests.support.client_harness import WORKSPACES, LargeProject, client_at, client_of, gids, pages
from asana_assets_tests.support.scripted_server import respond_with, serve


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


def test_a_single_record_is_a_page_of_one(sandbox: Sandbox, large_project: LargeProject) -> None:
    request = ApiRequest(template="/tasks/{gid}", values={"gid": large_project.task_gids[0]})
    with client_of(sandbox) as client:
        page = client.get_record(request, opt_fields="name,completed", stats=RequestStats(), stop=threading.Event())
    assert page.count == 1
    assert json.loads(page.body) == {
        "data": [{"gid": large_project.task_gids[0], "name": "Task 0", "completed": False}]
    }
    assert sandbox.log[0].query == {"opt_fields": "name,completed"}


def test_a_repeated_offset_is_a_contract_error(sandbox: Sandbox, large_project: LargeProject) -> None:
    sandbox.add_fault("/tasks", "repeated_offset")
    with (
        client_of(sandbox) as client,
        pytest.raises(ContractError, match=r"^GET /tasks returned the same offset twice"),
    ):
        list(pages(client, large_project.request))
    assert len(sandbox.log) == 2


def test_offsets_that_form_a_loop_are_a_contract_error() -> None:
    def respond(handler: BaseHTTPRequestHandler) -> None:
        offset = "a" if "offset=b" in handler.path else "b"
        respond_with(200, json.dumps({"data": [], "next_page": {"offset": offset}}).encode())(handler)

    with serve(respond) as server, client_at(server.url) as client:
        with pytest.raises(ContractError):
            list(pages(client))
        assert len(server.requests) == 3


def test_an_expired_offset_restarts_only_its_listing_and_loses_no_record(
    sandbox: Sandbox, large_project: LargeProject
) -> None:
    with client_of(sandbox) as client:
        tasks, workspaces = pages(client, large_project.request), pages(client, WORKSPACES)
        fetched = gids(iter([next(tasks)]))
        gids(workspaces)
        sandbox.expire_offsets()
        fetched += gids(tasks)
    assert Counter(fetched) == Counter(large_project.task_gids) + Counter(large_project.task_gids[:100])
    requests = Counter((entry.path, entry.status) for entry in sandbox.log)
    assert requests == {("/tasks", 200): 4, ("/tasks", 400): 1, ("/workspaces", 200): 1}


def test_an_offset_may_expire_on_any_page_and_repeatedly(sandbox: Sandbox, large_project: LargeProject) -> None:
    sandbox.add_fault("/tasks", "expired_offset", skip=1, times=1)
    sandbox.add_fault("/tasks", "expired_offset", skip=2, times=1)
    with client_of(sandbox) as client:
        assert set(gids(pages(client, large_project.request))) == set(large_project.task_gids)
    assert [entry.status for entry in sandbox.log].count(400) == 2


def test_offsets_repeated_after_a_restart_are_not_a_loop() -> None:
    expired = json.dumps({"errors": [{"message": "offset: Your pagination token has expired."}]}).encode()

    def respond(handler: BaseHTTPRequestHandler) -> None:
        """Serve pages a, b and c; the offset of c has expired when it is first requested."""
        page = handler.path.partition("offset=")[2][:1]
        if page == "c" and len(server.requests) == 3:
            respond_with(400, expired)(handler)
            return
        next_page = {"": {"offset": "b"}, "b": {"offset": "c"}}.get(page)
        respond_with(200, json.dumps({"data": [{"gid": page}], "next_page": next_page}).encode())(handler)

    with serve(respond) as server, client_at(server.url) as client:
        assert gids(pages(client)) == ["", "b", "", "b", "c"]


def test_a_listing_whose_offsets_always_expire_fails(sandbox: Sandbox, large_project: LargeProject) -> None:
    sandbox.add_fault("/tasks", "expired_offset")
    with client_of(sandbox) as client, pytest.raises(OffsetExpiredError):
        list(pages(client, large_project.request))
    assert len(sandbox.log) < 20


def test_an_expired_offset_error_without_an_offset_is_not_retried(sandbox: Sandbox) -> None:
    sandbox.add_fault("*", 400, message="offset: Your pagination token has expired.")
    with client_of(sandbox) as client, pytest.raises(OffsetExpiredError):
        list(pages(client))
    assert len(sandbox.log) == 1
