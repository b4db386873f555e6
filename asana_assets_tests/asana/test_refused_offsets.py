"""Laws of refused offsets: the listing restarts, and ends early if Asana does not return the rest of it."""

from collections import Counter
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler

import pytest

from asana_assets.asana.client import ApiRequest, Page
from asana_assets.asana.errors import (
    AsanaError,
    ForbiddenError,
    NotFoundError,
    OffsetExpiredError,
    PermanentError,
    PlanLimitError,
    TruncatedListingError,
)
from asana_assets.sandbox import ReceivedRequest as SandboxRequest
from asana_assets.sandbox import Sandbox
from asana_assets_tests.support.client_harness import (
    WORKSPACES,
    LargeProject,
    client_at,
    client_of,
    error_body,
    gids,
    page_body,
    pages,
    query_of,
)
from asana_assets_tests.support.scripted_server import Respond, respond_with, serve

EXPIRED = "offset: Your pagination token has expired."
REFUSALS = [
    (400, EXPIRED),
    (400, "offset: Your pagination token is invalid."),
    (400, "Bad Request"),
    (400, ""),
    (404, "Not Found"),
    (410, "Gone"),
    (414, "URI Too Long"),
    (422, ""),
]


def pages_that_refuse(*refusals: tuple[str, int, str]) -> Respond:
    """Serve pages a to e, but refuse offsets with a status and a message: the first one, once, then the next one."""
    remaining = list(refusals)

    def respond(handler: BaseHTTPRequestHandler) -> None:
        offset = query_of(handler.path).get("offset", "a")
        if remaining and remaining[0][0] == offset:
            _, status, message = remaining.pop(0)
            respond_with(status, error_body(message))(handler)
        else:
            respond_with(200, page_body(offset, offset=chr(ord(offset) + 1) if offset < "e" else None))(handler)

    return respond


def fetch_until_error(fetched: Iterator[Page]) -> tuple[list[str], AsanaError]:
    """Return the gids of all pages before the error, and the error."""
    found: list[str] = []
    try:
        for page in fetched:
            found += gids(iter([page]))
    except AsanaError as error:
        return found, error
    pytest.fail("the listing ended without an error")


# --- restarts


@pytest.mark.parametrize(("status", "message"), REFUSALS)
def test_an_offset_refused_for_whatever_reason_restarts_the_listing(status: int, message: str) -> None:
    with serve(pages_that_refuse(("c", status, message))) as server, client_at(server.url) as client:
        assert gids(pages(client)) == ["a", "b", "a", "b", "c", "d", "e"]


def test_a_listing_that_gets_further_restarts_again() -> None:
    refused = [(offset, 400, "Bad Request") for offset in "bcde"]
    with serve(pages_that_refuse(*refused)) as server, client_at(server.url) as client:
        assert gids(pages(client)) == list("aababcabcdabcde")


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


def test_offsets_and_pages_repeated_after_a_restart_are_not_a_loop() -> None:
    refused = [("e", 400, EXPIRED)] * 3
    with serve(pages_that_refuse(*refused)) as server, client_at(server.url) as client:
        assert gids(pages(client)) == [*"abcd" * 3, *"abcde"]


# --- listings that end early


def test_a_listing_whose_offsets_always_expire_ends_early_after_5_restarts(
    sandbox: Sandbox, large_project: LargeProject
) -> None:
    sandbox.add_fault("/tasks", "expired_offset")
    with client_of(sandbox) as client:
        found, error = fetch_until_error(pages(client, large_project.request))
    assert found == large_project.task_gids[:100] * 6
    assert isinstance(error, TruncatedListingError)
    assert len(sandbox.log) == 12


@pytest.mark.parametrize(("status", "message"), REFUSALS[1:])
def test_a_listing_refused_twice_at_the_same_record_ends_early(status: int, message: str) -> None:
    refused = [("c", status, message)] * 2
    with serve(pages_that_refuse(*refused)) as server, client_at(server.url) as client:
        found, error = fetch_until_error(pages(client))
    assert found == ["a", "b", "a", "b"]
    assert isinstance(error, TruncatedListingError)
    assert (error.count, error.status, error.template, error.reason) == (2, status, "/workspaces", message)
    ending = f": {message}" if message else ""
    assert str(error) == f"GET /workspaces ended early, after 2 records: the next page returned {status}{ending}"


def test_a_listing_refused_earlier_the_second_time_ends_early_with_the_count_of_the_longer_walk() -> None:
    refused = [("d", 400, "No."), ("c", 400, "No.")]
    with serve(pages_that_refuse(*refused)) as server, client_at(server.url) as client:
        found, error = fetch_until_error(pages(client))
    assert found == ["a", "b", "c", "a", "b"]
    assert isinstance(error, TruncatedListingError)
    assert error.count == 3


@pytest.mark.parametrize("message", ["The result set was truncated.", "offset: Truncated", "The result is too large."])
def test_a_listing_that_asana_calls_truncated_is_not_requested_again(message: str) -> None:
    with serve(pages_that_refuse(("c", 400, message))) as server, client_at(server.url) as client:
        found, error = fetch_until_error(pages(client))
        assert len(server.requests) == 3
    assert found == ["a", "b"]
    assert isinstance(error, TruncatedListingError)
    assert error.count == 2


# --- errors that restart nothing


def test_an_expired_offset_error_without_an_offset_is_not_retried(sandbox: Sandbox) -> None:
    sandbox.add_fault("*", 400, message=EXPIRED)
    with client_of(sandbox) as client, pytest.raises(OffsetExpiredError):
        list(pages(client))
    assert len(sandbox.log) == 1


def test_an_object_deleted_between_two_pages_is_not_found(sandbox: Sandbox, large_project: LargeProject) -> None:
    sandbox.add_fault("/tasks", 404, skip=1)
    with client_of(sandbox) as client:
        found, error = fetch_until_error(pages(client, large_project.request))
    assert found == large_project.task_gids[:100]
    assert isinstance(error, NotFoundError)
    assert [entry.status for entry in sandbox.log] == [200, 404, 404]


@pytest.mark.parametrize(
    ("status", "error_class"),
    [(402, PlanLimitError), (403, ForbiddenError), (451, ForbiddenError), (302, PermanentError)],
)
def test_an_error_that_has_nothing_to_do_with_the_offset_restarts_nothing(
    sandbox: Sandbox, large_project: LargeProject, status: int, error_class: type[PermanentError]
) -> None:
    def has_offset(request: SandboxRequest) -> bool:
        return "offset" in request.query

    sandbox.add_fault(has_offset, status)
    with client_of(sandbox) as client, pytest.raises(error_class, match=f"returned {status}"):
        list(pages(client, large_project.request))
    assert [entry.status for entry in sandbox.log] == [200, status]


def test_a_damaged_listing_does_not_stop_another_one(sandbox: Sandbox, large_project: LargeProject) -> None:
    sandbox.add_fault("/tasks", 400, skip=1)
    with client_of(sandbox) as client:
        with pytest.raises(PermanentError):
            list(pages(client, large_project.request))
        assert gids(pages(client, ApiRequest(template="/workspaces")))
