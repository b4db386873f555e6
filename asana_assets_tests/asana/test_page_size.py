"""Laws of the page size: smaller where the server cannot produce large pages, and back; 100 where nothing fails."""

import time
from http.server import BaseHTTPRequestHandler

import pytest
from hypothesis import given
from hypothesis import strategies as st

from asana_assets.asana.client import Client
from asana_assets.asana.errors import TransientError
from asana_assets.asana.paging import MIN_PAGE_SIZE, PAGE_SIZE, PageOutcome, PageSize, decide_page_size
from asana_assets.asana.retry_policy import RetryPolicy
from asana_assets.asana.throttle import Throttle
from asana_assets.asana.transport import Transport
from asana_assets.sandbox import FaultKind, Sandbox
from asana_assets.sandbox import ReceivedRequest as SandboxRequest
from asana_assets_tests.support.client_harness import (
    TOKEN,
    LargeProject,
    client_at,
    client_of,
    error_body,
    gids,
    page_body,
    pages,
    query_of,
)
from asana_assets_tests.support.scripted_server import respond_with, serve

SUCCESS, OVERLOAD, COST_LIMIT = PageOutcome.SUCCESS, PageOutcome.OVERLOAD, PageOutcome.COST_LIMIT


def fault_above(sandbox: Sandbox, limit: int, kind: FaultKind, *, times: int | None = None) -> None:
    """Fail the pages of tasks that are larger than the limit."""

    def is_too_large(request: SandboxRequest) -> bool:
        return request.path == "/tasks" and int(request.query["limit"]) > limit

    sandbox.add_fault(is_too_large, kind, times=times, hang_seconds=2)


def limits_of(sandbox: Sandbox) -> list[int]:
    return [int(entry.query["limit"]) for entry in sandbox.log]


# --- through HTTP


@pytest.mark.parametrize("kind", [500, 504, 524, 408])
def test_a_listing_whose_large_pages_fail_is_fetched_in_smaller_ones(
    sandbox: Sandbox, large_project: LargeProject, kind: FaultKind
) -> None:
    fault_above(sandbox, 25, kind)
    with client_of(sandbox) as client:
        fetched = list(pages(client, large_project.request))
    assert gids(iter(fetched)) == large_project.task_gids
    assert limits_of(sandbox)[:5] == [100, 100, 50, 25, 25]
    assert {page.limit for page in fetched} == {25}
    assert len(fetched) == 10


def test_a_listing_whose_large_pages_time_out_is_fetched_in_smaller_ones(
    sandbox: Sandbox, large_project: LargeProject
) -> None:
    """Even if it is the client's first request, as in a run of one asset."""
    fault_above(sandbox, 25, "hang", times=3)
    with client_of(sandbox, read_timeout_seconds=0.5) as client:
        assert gids(pages(client, large_project.request)) == large_project.task_gids
    assert limits_of(sandbox)[:4] == [100, 100, 50, 25]


def test_pages_grow_back_after_3_successes(sandbox: Sandbox, large_project: LargeProject) -> None:
    fault_above(sandbox, 25, 503, times=3)
    with client_of(sandbox) as client:
        fetched = list(pages(client, large_project.request))
    assert gids(iter(fetched)) == large_project.task_gids
    assert limits_of(sandbox) == [100, 100, 50, 25, 25, 25, 50, 50, 50, 100]
    assert [page.count for page in fetched] == [25, 25, 25, 50, 50, 50, 25]


def test_the_size_belongs_to_its_listing(sandbox: Sandbox, large_project: LargeProject) -> None:
    fault_above(sandbox, 25, 503, times=3)
    with client_of(sandbox) as client:
        small, other = pages(client, large_project.request), pages(client, large_project.request)
        assert next(small).limit == 25
        assert next(other).limit == 100


def test_a_single_failure_does_not_reduce_the_size(sandbox: Sandbox, large_project: LargeProject) -> None:
    for page in range(3):
        sandbox.add_fault("/tasks", 503, skip=page, times=1)
    with client_of(sandbox) as client:
        assert gids(pages(client, large_project.request)) == large_project.task_gids
    assert set(limits_of(sandbox)) == {100}
    assert len(sandbox.log) == 6


@pytest.mark.parametrize("kind", ["disconnect", "reset", "truncated", "empty", "garbage", 429])
def test_failures_that_a_smaller_page_would_not_avoid_do_not_reduce_the_size(
    sandbox: Sandbox, large_project: LargeProject, kind: FaultKind
) -> None:
    sandbox.add_fault("/tasks", kind, skip=1, times=4)
    with client_of(sandbox) as client:
        assert gids(pages(client, large_project.request)) == large_project.task_gids
    assert set(limits_of(sandbox)) == {100}


def test_a_server_that_always_fails_is_given_up_at_the_smallest_size(
    sandbox: Sandbox, large_project: LargeProject
) -> None:
    sandbox.add_fault("/tasks", 504)
    with (
        client_of(sandbox) as client,
        pytest.raises(TransientError, match=r"^GET /tasks failed 8 times: Asana returned 504$"),
    ):
        list(pages(client, large_project.request))
    assert limits_of(sandbox) == [100, 100, 50, 25, 12, 10, 10, 10]


def test_a_server_that_refuses_an_offset_under_another_limit_is_read_to_the_end() -> None:
    """Such a server encodes the limit in the offset; the restarted listing keeps the smaller limit."""
    gids_of_all = [str(at) for at in range(300)]
    failures = [504, 504]

    def respond(handler: BaseHTTPRequestHandler) -> None:
        query = query_of(handler.path)
        limit, offset = int(query["limit"]), query.get("offset", f"{query['limit']} 0")
        start = int(offset.split()[1])
        if start == 100 and failures:
            respond_with(failures.pop())(handler)
        elif offset.split()[0] != query["limit"]:
            respond_with(400, error_body("offset: Your pagination token is invalid."))(handler)
        else:
            end = start + limit
            following = f"{limit} {end}" if end < len(gids_of_all) else None
            respond_with(200, page_body(*gids_of_all[start:end], offset=following))(handler)

    with serve(respond) as server, client_at(server.url) as client:
        assert gids(pages(client)) == [*gids_of_all[:100], *gids_of_all]
        assert len(server.requests) == 1 + 2 + 1 + 6


def test_a_long_pause_at_a_low_rate_halves_the_size_at_once() -> None:
    """The responses are large rather than many: Asana's cost limit. Pauses are skipped by the clock of the test."""
    clock = SkippingClock()

    def respond(handler: BaseHTTPRequestHandler) -> None:
        if int(query_of(handler.path)["limit"]) > 25:
            respond_with(429, Retry_After="40")(handler)
        else:
            respond_with(200, page_body("1"))(handler)

    with serve(respond) as server:
        transport = Transport(base_url=server.url, token=TOKEN)
        throttle = Throttle(ceiling=1.25, pacer=clock, clock=clock.now)
        with Client(transport=transport, throttle=throttle, retry=RetryPolicy()) as client:
            [page] = pages(client)
        assert page.limit == 25
        assert [query_of(path)["limit"] for path, _ in server.requests] == ["100", "50", "25"]


def test_a_long_pause_at_a_high_rate_says_nothing_about_the_size() -> None:
    clock = SkippingClock()

    def respond(handler: BaseHTTPRequestHandler) -> None:
        respond_with(429, Retry_After="40")(handler) if len(server.requests) == 1 else respond_with(
            200, page_body("1")
        )(handler)

    with serve(respond) as server:
        transport = Transport(base_url=server.url, token=TOKEN)
        throttle = Throttle(ceiling=20, pacer=clock, clock=clock.now)
        with Client(transport=transport, throttle=throttle, retry=RetryPolicy()) as client:
            [page] = pages(client)
        assert page.limit == 100


class SkippingClock:
    """A pacer and its clock: a pause is over as soon as it is requested."""

    def __init__(self) -> None:
        self._skipped = 0.0

    def now(self) -> float:
        return time.monotonic() + self._skipped

    def reserve(self, interval_seconds: float) -> float:
        self._skipped += interval_seconds
        return 0.0

    def pause(self, seconds: float) -> None:
        self._skipped += seconds

    def pause_remaining(self) -> float:
        return 0.0

    def close(self) -> None:
        """Hold nothing."""


# --- the decision


def decide(*outcomes: PageOutcome, size: PageSize | None = None) -> PageSize:
    size = size or PageSize()
    for outcome in outcomes:
        size = decide_page_size(size, outcome)
    return size


def test_the_second_overload_of_a_page_and_each_further_one_halve_the_size() -> None:
    assert [decide(*[OVERLOAD] * count).limit for count in range(7)] == [100, 100, 50, 25, 12, 10, 10]


def test_overloads_of_different_pages_do_not_add_up() -> None:
    assert decide(*[OVERLOAD, SUCCESS] * 10).limit == 100


def test_a_cost_limit_halves_the_size_at_once() -> None:
    assert [decide(*[COST_LIMIT] * count).limit for count in range(3)] == [100, 50, 25]


def test_the_size_doubles_after_each_3_successes() -> None:
    smallest = decide(*[OVERLOAD] * 6)
    limits = [decide(*[SUCCESS] * count, size=smallest).limit for count in range(13)]
    assert limits == [10, 10, 10, 20, 20, 20, 40, 40, 40, 80, 80, 80, 100]


def test_each_attempt_to_grow_that_fails_doubles_the_successes_before_the_next() -> None:
    size = decide(OVERLOAD, OVERLOAD)
    for successes in (3, 6, 12, 24):
        assert decide(*[SUCCESS] * (successes - 1), size=size).limit == 50
        size = decide(*[SUCCESS] * successes, size=size)
        assert size.limit == 100
        size = decide(OVERLOAD, size=size)
        assert size.limit == 50


@given(st.lists(st.sampled_from(PageOutcome), max_size=200))
def test_the_size_stays_in_its_bounds_and_always_recovers(outcomes: list[PageOutcome]) -> None:
    size = decide(*outcomes)
    assert MIN_PAGE_SIZE <= size.limit <= PAGE_SIZE
    assert decide(*[SUCCESS] * (5 * max(3, size.grow_after)), size=size).limit == PAGE_SIZE


@given(st.lists(st.just(SUCCESS), max_size=50))
def test_without_failures_the_size_is_always_100(outcomes: list[PageOutcome]) -> None:
    assert decide(*outcomes).limit == 100
