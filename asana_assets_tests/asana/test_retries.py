"""Laws of retries: transient failures are retried within a budget, and `Retry-After` is respected."""

import time
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest

from asana_assets.asana.client import RequestStats, RetryPolicy
from asana_assets.asana.errors import TransientError
from asana_assets.sandbox import FIRST_ATTEMPT_KINDS, FaultKind, Sandbox
from asana_assets_tests.support.client_harness import SOON_SECONDS, LargeProject, client_at, client_of, gids, pages
from asana_assets_tests.support.scripted_server import closed_port_url, respond_with, serve


@pytest.mark.parametrize("kind", [*FIRST_ATTEMPT_KINDS, "disconnect"])
def test_a_transient_failure_within_a_listing_is_retried_and_loses_no_record(
    sandbox: Sandbox, large_project: LargeProject, kind: FaultKind
) -> None:
    sandbox.add_fault("/tasks", kind, skip=1, times=2, hang_seconds=20)
    stats = RequestStats()
    with client_of(sandbox, read_timeout_seconds=0.5 if kind == "hang" else 30) as client:
        assert gids(pages(client, large_project.request, stats=stats)) == large_project.task_gids
    assert sum(entry.fault == str(kind) for entry in sandbox.log) == 2
    assert len({entry.query.get("offset") for entry in sandbox.log}) == 3
    if kind != "hang":  # on a busy machine, a good response may be late as well
        assert (stats.requests, stats.retries) == (5, 2)


@pytest.mark.parametrize("kind", [*FIRST_ATTEMPT_KINDS, "disconnect"])
def test_a_transient_failure_of_the_first_request_is_retried(sandbox: Sandbox, kind: FaultKind) -> None:
    sandbox.add_fault("*", kind, times=1, hang_seconds=20)
    with client_of(sandbox, read_timeout_seconds=0.5 if kind == "hang" else 30) as client:
        assert len(gids(pages(client))) == len(sandbox.truth("workspaces"))


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


def test_a_retry_after_beyond_the_time_budget_fails_at_once(sandbox: Sandbox) -> None:
    sandbox.add_fault("*", 429, retry_after=1000)
    started_at = time.monotonic()
    with (
        client_of(sandbox, retry=RetryPolicy(budget_seconds=100)) as client,
        pytest.raises(
            TransientError, match=r"^GET /workspaces failed once: Asana returned 429 with a Retry-After of 1000 s$"
        ),
    ):
        list(pages(client))
    assert time.monotonic() - started_at < SOON_SECONDS
    assert len(sandbox.log) == 1


def test_a_retry_after_costs_no_attempt(sandbox: Sandbox) -> None:
    sandbox.add_fault("*", 429, times=1, retry_after=1)
    with client_of(sandbox, retry=RetryPolicy(max_attempts=1, attempts_before_first_response=1)) as client:
        assert gids(pages(client))
    assert [entry.status for entry in sandbox.log] == [429, 200]


def test_a_429_without_retry_after_costs_an_attempt_and_cuts_the_rate(sandbox: Sandbox) -> None:
    sandbox.add_fault("*", 429)
    with client_of(sandbox, retry=RetryPolicy(max_attempts=3, max_backoff_seconds=0.01)) as client:
        with pytest.raises(TransientError, match=r"failed 3 times: Asana returned 429$"):
            list(pages(client))
        assert client.rate < 1000
    assert len(sandbox.log) == 3


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


# --- Retry-After


def test_a_429_pauses_every_thread_for_the_seconds_of_retry_after(sandbox: Sandbox) -> None:
    """The second slot is half a second after the first: by then the pause has started."""
    sandbox.add_fault("*", 429, times=1, retry_after=1)
    with client_of(sandbox, ceiling=2) as client, ThreadPoolExecutor(2) as pool:
        assert all(pool.map(lambda _: gids(pages(client)), range(2)))
    limited, *later = sandbox.log
    assert (limited.status, len(later)) == (429, 2)
    assert all(entry.received >= limited.received + 1 for entry in later)


def test_a_429_pauses_until_the_date_of_retry_after(sandbox: Sandbox) -> None:
    """A date has no fractions of a second, so a date two seconds ahead is a pause of more than one."""
    sandbox.add_fault("*", 429, times=1, retry_after=timedelta(seconds=2))
    with client_of(sandbox) as client:
        list(pages(client))
    limited, later = sandbox.log
    assert later.received >= limited.received + 1
