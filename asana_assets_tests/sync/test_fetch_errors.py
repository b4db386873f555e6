"""Errors while fetching: which one is the outcome of a single parent, and which one is raised and stops the others."""

import itertools
import time
from collections.abc import Iterator
from dataclasses import replace
from typing import Literal

import pytest

from asana_assets.asana.client import ApiRequest, Client
from asana_assets.asana.endpoints import PROJECT_TEMPLATES, TAGS, TASKS, TEAMS, WORKSPACES
from asana_assets.asana.errors import (
    AsanaError,
    BadRequestError,
    CancelledError,
    ConfigurationError,
    ContractError,
    ForbiddenError,
    NotFoundError,
    PermanentError,
    PlanLimitError,
    TransientError,
    TruncatedListingError,
    UnauthorizedError,
)
from asana_assets.sandbox import Sandbox
from asana_assets.sync.fetcher import Outcome, decide_outcome
from asana_assets.sync.parents import FetchRequest, listing_request, record_request
from asana_assets_tests.support.fetching import (
    SECTIONS_OF_PROJECT,
    STORIES_OF_TASK,
    FetchTargets,
    fetch,
    open_client,
    wait_until_idle,
    worker_threads,
)

SOON = 5.0
"""Seconds: short compared with the wait if the test failed, and long enough for a busy machine."""


def test_an_error_of_one_request_cancels_the_others(asana: Sandbox, targets: FetchTargets) -> None:
    """At one request in ten seconds, the others would wait long for their slots."""
    asana.add_fault("/tasks/{gid}/stories", 401, message="No.")
    started_at = time.monotonic()
    with open_client(asana, ceiling=0.1) as client:
        with pytest.raises(UnauthorizedError, match=r"^GET /tasks/\{parent\}/stories returned 401: No\.$"):
            list(fetch(client, targets.endless_story_requests()))
        assert worker_threads() == []
    assert time.monotonic() - started_at < SOON
    assert len(asana.log) == 1


def test_an_error_is_raised_while_workers_wait_for_room_in_the_queue(asana: Sandbox, targets: FetchTargets) -> None:
    asana.add_fault("/tasks", 401, skip=10)
    with open_client(asana, max_in_flight=4) as client:
        events = fetch(client, itertools.repeat(targets.endless_task_request()))
        next(events)
        wait_until_idle(asana)
        with pytest.raises(UnauthorizedError):
            list(events)
    assert len(asana.log) < 40


@pytest.mark.parametrize(("fault", "error"), [(503, TransientError), ("repeated_offset", ContractError)])
def test_any_other_error_of_a_parent_is_a_failure_of_this_parent(
    asana: Sandbox, targets: FetchTargets, fault: int | Literal["repeated_offset"], error: type[AsanaError]
) -> None:
    asana.add_fault("/tasks", fault)
    with open_client(asana) as client:
        *_, event = fetch(client, targets.task_requests())
    assert event.outcome is Outcome.FAILED
    assert isinstance(event.error, error)


def test_a_defect_in_a_request_is_raised(asana: Sandbox, targets: FetchTargets) -> None:
    broken = FetchRequest(STORIES_OF_TASK, "1", ApiRequest(template="/tasks/{missing}/stories"))
    with open_client(asana) as client, pytest.raises(KeyError, match="missing"):
        list(fetch(client, itertools.chain(targets.story_requests(5), [broken], targets.endless_story_requests())))


def test_an_error_while_requests_are_generated_is_raised(asana: Sandbox, targets: FetchTargets) -> None:
    def requests() -> Iterator[FetchRequest]:
        yield from targets.story_requests(50)
        raise LookupError("no more")

    with open_client(asana) as client, pytest.raises(LookupError, match="no more"):
        list(fetch(client, requests()))


def test_an_error_of_the_consumer_stops_the_threads(asana: Sandbox, targets: FetchTargets) -> None:
    def consume(client: Client) -> None:
        for _ in fetch(client, targets.endless_story_requests()):
            raise LookupError("of the consumer")

    with open_client(asana) as client:
        with pytest.raises(LookupError):
            consume(client)
        assert worker_threads() == []


@pytest.mark.parametrize(
    ("status", "outcome"),
    [
        (400, Outcome.FAILED),
        (402, Outcome.NOT_ON_PLAN),
        (403, Outcome.FORBIDDEN),
        (404, Outcome.DELETED),
        (410, Outcome.DELETED),
        (422, Outcome.FAILED),
        (451, Outcome.FORBIDDEN),
        (500, Outcome.FAILED),
    ],
)
def test_a_rejected_parent_has_an_outcome_and_the_others_are_fetched(
    asana: Sandbox, targets: FetchTargets, status: int, outcome: Outcome
) -> None:
    rejected = targets.tasks[1]
    asana.add_fault(f"/tasks/{rejected}/stories", status)
    with open_client(asana) as client:
        events = list(fetch(client, targets.story_requests(3)))
    outcomes = {event.request.parent_gid: event.outcome for event in events if event.outcome}
    assert outcomes == {targets.tasks[0]: Outcome.FETCHED, rejected: outcome, targets.tasks[2]: Outcome.FETCHED}
    assert [event for event in events if event.request.parent_gid == rejected and event.page] == []


def test_a_parent_can_be_rejected_after_its_first_page(asana: Sandbox, targets: FetchTargets) -> None:
    asana.add_fault("/tasks", 403, skip=1)
    with open_client(asana) as client:
        events = list(fetch(client, targets.task_requests()))
    assert [(event.page and event.page.count, event.outcome) for event in events] == [
        (100, None),
        (None, Outcome.FORBIDDEN),
    ]


def test_a_private_project_and_a_deleted_one_have_different_outcomes() -> None:
    with Sandbox() as asana, open_client(asana) as client:
        organization = asana.organization
        workspace = organization.edge_cases["paid_organization"]
        projects = [organization.add_project(workspace, name) for name in ("private", "deleted", "there")]
        organization.make_project_private(projects[0])
        organization.delete_project(projects[1])
        requests = [listing_request(SECTIONS_OF_PROJECT, gid, workspace) for gid in projects]
        outcomes = {event.request.parent_gid: event.outcome for event in fetch(client, iter(requests))}
    assert [outcomes[gid] for gid in projects] == [Outcome.FORBIDDEN, Outcome.DELETED, Outcome.FETCHED]


def rejection(error_class: type[PermanentError], status: int) -> PermanentError:
    return error_class(status=status, template="/x", reason="")


PLAN_LIMIT, FORBIDDEN, NOT_FOUND = (
    rejection(PlanLimitError, 402),
    rejection(ForbiddenError, 403),
    rejection(NotFoundError, 404),
)
OF_WORKSPACE = [listing_request(endpoint.listings[0], "7", "7") for endpoint in (TAGS, TEAMS, PROJECT_TEMPLATES)]
OF_PARENT = [listing_request(listing, "5", "7") for listing in (SECTIONS_OF_PROJECT, STORIES_OF_TASK, *TASKS.listings)]


@pytest.mark.parametrize("fetch_request", OF_PARENT)
def test_a_rejected_parent_does_not_fail_the_others(fetch_request: FetchRequest) -> None:
    assert decide_outcome(FORBIDDEN, fetch_request) is Outcome.FORBIDDEN
    assert decide_outcome(NOT_FOUND, fetch_request) is Outcome.DELETED


@pytest.mark.parametrize("fetch_request", OF_WORKSPACE)
def test_a_rejected_workspace_is_never_an_empty_table(fetch_request: FetchRequest) -> None:
    assert decide_outcome(FORBIDDEN, fetch_request) is None
    assert decide_outcome(NOT_FOUND, fetch_request) is None


@pytest.mark.parametrize("fetch_request", [*OF_WORKSPACE, *OF_PARENT])
def test_a_plan_limit_is_an_outcome_of_every_listing(fetch_request: FetchRequest) -> None:
    assert decide_outcome(PLAN_LIMIT, fetch_request) is Outcome.NOT_ON_PLAN


def test_a_rejected_list_of_workspaces_has_no_outcome() -> None:
    for error in (PLAN_LIMIT, FORBIDDEN, NOT_FOUND):
        assert decide_outcome(error, listing_request(WORKSPACES.listings[0], "", "")) is None


def test_a_rejected_record_does_not_fail_the_others() -> None:
    tag = FetchRequest(TAGS.listings[0], "5", ApiRequest(template="/tags/{gid}", values={"gid": "5"}), is_record=True)
    for fetch_request in (record_request(TASKS, "5"), tag):
        assert decide_outcome(FORBIDDEN, fetch_request) is Outcome.FORBIDDEN
        assert decide_outcome(NOT_FOUND, fetch_request) is Outcome.DELETED


CONCERNS_ALL = [rejection(UnauthorizedError, 401), ConfigurationError("no token"), CancelledError("stopped")]
CONCERNS_ONE = [
    rejection(BadRequestError, 400),
    rejection(PermanentError, 422),
    TransientError("spent"),
    ContractError("broken"),
]


@pytest.mark.parametrize("error", CONCERNS_ALL, ids=lambda error: type(error).__name__)
def test_an_error_that_concerns_all_requests_has_no_outcome(error: AsanaError) -> None:
    for fetch_request in (*OF_WORKSPACE, *OF_PARENT, record_request(TASKS, "5")):
        assert decide_outcome(error, fetch_request) is None


@pytest.mark.parametrize("error", CONCERNS_ONE, ids=lambda error: type(error).__name__)
def test_any_other_error_fails_one_parent_but_the_whole_listing_of_a_workspace(error: AsanaError) -> None:
    assert {decide_outcome(error, one) for one in (*OF_PARENT, record_request(TASKS, "5"))} == {Outcome.FAILED}
    assert {decide_outcome(error, one) for one in OF_WORKSPACE} == {None}


@pytest.mark.parametrize("fetch_request", [*OF_WORKSPACE, *OF_PARENT])
def test_a_truncated_listing_is_an_outcome_of_every_listing(fetch_request: FetchRequest) -> None:
    error = TruncatedListingError(count=100, status=400, template="/x", reason="truncated")
    assert decide_outcome(error, fetch_request) is Outcome.TRUNCATED


@pytest.mark.parametrize("fetch_request", OF_WORKSPACE)
def test_a_refused_optional_listing_of_a_workspace_is_forbidden(fetch_request: FetchRequest) -> None:
    for error in (FORBIDDEN, NOT_FOUND):
        assert decide_outcome(error, replace(fetch_request, is_optional=True)) is Outcome.FORBIDDEN
