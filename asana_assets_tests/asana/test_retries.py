"""Laws of retries: transient failures are retried within a budget; pauses are in `test_pauses`."""

import pytest

from asana_assets.asana.errors import TransientError
from asana_assets.asana.request_stats import RequestStats
from asana_assets.asana.retry_policy import RetryPolicy
from asana_assets.sandbox import FIRST_ATTEMPT_KINDS, FaultKind, Sandbox
from asana_assets_tests.support.client_harness import LargeProject, client_at, client_of, gids, page_body, pages
from asana_assets_tests.support.scripted_server import closed_port_url, respond_in_turn, respond_with, serve


@pytest.mark.parametrize("kind", [*FIRST_ATTEMPT_KINDS, "disconnect"])
def test_a_transient_failure_within_a_listing_is_retried_and_loses_no_record(
    sandbox: Sandbox, large_project: LargeProject, kind: FaultKind
) -> None:
    sandbox.add_fault("/tasks", kind, skip=1, times=2, hang_seconds=20)
    stats = RequestStats()
    with client_of(sandbox, read_timeout_seconds=0.5 if kind == "hang" else 30) as client:
        fetched = list(pages(client, large_project.request, stats=stats))
    assert gids(iter(fetched)) == large_project.task_gids
    assert sum(entry.fault == str(kind) for entry in sandbox.log) == 2
    assert len({entry.query.get("offset") for entry in sandbox.log}) == len(fetched)
    if kind != "hang":  # on a busy machine, a good response may be late as well
        is_overload = isinstance(kind, int) and kind >= 500
        assert [page.count for page in fetched] == ([100, 50, 50, 50] if is_overload else [100, 100, 50])
        assert (stats.requests, stats.retries) == (len(fetched) + 2, 2)


@pytest.mark.parametrize("kind", [*FIRST_ATTEMPT_KINDS, "disconnect"])
def test_a_transient_failure_of_the_first_request_is_retried(sandbox: Sandbox, kind: FaultKind) -> None:
    sandbox.add_fault("*", kind, times=1, hang_seconds=20)
    with client_of(sandbox, read_timeout_seconds=0.5 if kind == "hang" else 30) as client:
        assert len(gids(pages(client))) == len(sandbox.truth("workspaces"))


@pytest.mark.parametrize("status", [408, 501, 505, 520, 524, 529, 530, 598, 599, 600, 999, 204, 206])
def test_any_status_that_is_not_final_is_retried(status: int) -> None:
    failure = respond_with(status)
    respond = respond_in_turn(failure, failure, respond_with(200, page_body("1")))
    with serve(respond) as server, client_at(server.url) as client:
        assert gids(pages(client)) == ["1"]
        assert len(server.requests) == 3


@pytest.mark.parametrize(
    ("body", "description"),
    [
        (b"", "an empty body"),
        (b"<html>Log in to this network</html>", "an HTML page"),
        (b'{"gid":"1"}', "JSON that has no `data` list"),
        (b'{"data":[{"gid":"1"}', "truncated JSON"),
        (b"{'data': []}", "invalid JSON"),
        (b'{"errors":[{"message":"Server Error"}]}', "an error instead of data: Server Error"),
    ],
)
def test_a_200_that_is_never_asanas_is_named_for_what_it_is(body: bytes, description: str) -> None:
    with serve(respond_with(200, body)) as server, client_at(server.url) as client:
        with pytest.raises(TransientError) as caught:
            list(pages(client))
        assert len(server.requests) == 3
    assert str(caught.value) == f"GET /workspaces failed 3 times: Asana returned 200 with {description}"


@pytest.mark.parametrize(("attempts", "times"), [(1, "once"), (4, "4 times")])
def test_max_attempts_limits_the_attempts(sandbox: Sandbox, attempts: int, times: str) -> None:
    sandbox.add_fault("*", 503)
    with (
        client_of(sandbox, retry=RetryPolicy(max_attempts=attempts, max_backoff_seconds=0.01)) as client,
        pytest.raises(TransientError, match=rf"^GET /workspaces failed {times}: Asana returned 503$"),
    ):
        list(pages(client))
    assert len(sandbox.log) == attempts


def test_each_page_has_its_own_retry_budget(sandbox: Sandbox, large_project: LargeProject) -> None:
    for page in range(3):
        sandbox.add_fault("/tasks", 503, skip=page, times=2)
    with client_of(sandbox, retry=RetryPolicy(max_attempts=3, max_backoff_seconds=0.01)) as client:
        assert gids(pages(client, large_project.request)) == large_project.task_gids


def test_the_time_budget_limits_the_attempts(sandbox: Sandbox) -> None:
    sandbox.add_fault("*", 503)
    retry = RetryPolicy(max_attempts=1_000_000, budget_seconds=0.3, max_backoff_seconds=0.02)
    with client_of(sandbox, retry=retry) as client, pytest.raises(TransientError, match="Asana returned 503"):
        list(pages(client))
    assert len(sandbox.log) > 1


# --- before and after the first response


@pytest.mark.parametrize(("attempts", "times"), [(8, "3 times"), (2, "2 times"), (1, "once")])
def test_fewer_attempts_are_made_before_the_first_response(attempts: int, times: str) -> None:
    stats = RequestStats()
    with (
        client_at(closed_port_url(), retry=RetryPolicy(max_attempts=attempts, max_backoff_seconds=0.01)) as client,
        pytest.raises(TransientError, match=rf"^GET /workspaces failed {times}: no connection$"),
    ):
        list(pages(client, stats=stats))
    assert stats.requests == min(attempts, 3)


def test_a_200_that_is_not_asanas_does_not_count_as_a_first_response() -> None:
    with serve(respond_with(200, b"<html>Log in to this network</html>")) as server:
        with (
            client_at(server.url, retry=RetryPolicy(max_backoff_seconds=0.01)) as client,
            pytest.raises(TransientError),
        ):
            list(pages(client))
        assert len(server.requests) == 3


def test_all_attempts_are_made_after_the_first_response(sandbox: Sandbox) -> None:
    sandbox.add_fault("*", "disconnect", skip=1)
    with client_of(sandbox, retry=RetryPolicy(max_attempts=5, max_backoff_seconds=0.01)) as client:
        list(pages(client))
        with pytest.raises(TransientError, match="failed 5 times"):
            list(pages(client))


def test_an_error_status_counts_as_a_first_response(sandbox: Sandbox) -> None:
    sandbox.add_fault("*", 500, times=1)
    sandbox.add_fault("*", "disconnect")
    with (
        client_of(sandbox, retry=RetryPolicy(max_attempts=5, max_backoff_seconds=0.01)) as client,
        pytest.raises(TransientError, match="failed 5 times"),
    ):
        list(pages(client))
