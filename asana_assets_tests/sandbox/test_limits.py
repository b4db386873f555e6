"""The limits of a token: requests per rolling window, concurrent requests, searches."""

from __future__ import annotations

import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor

import requests
from hypothesis import given
from hypothesis import strategies as st

from asana_assets.sandbox import Sandbox
from asana_assets.sandbox.api.limits import Window, retry_after
from asana_assets_tests.support.sandbox_client import SandboxClient

_GAPS = st.lists(st.floats(min_value=0, max_value=20, allow_nan=False), min_size=1, max_size=60)


@given(gaps=_GAPS, limit=st.integers(min_value=1, max_value=8))
def test_no_window_holds_more_admitted_requests_than_the_limit(gaps: list[float], limit: int) -> None:
    window, now, admitted = Window(limit, seconds=10), 0.0, list[float]()
    for gap in gaps:
        now += gap
        if window.admit(now) == 0:
            admitted.append(now)
    assert all(sum(start < at <= start + 10 for at in admitted) <= limit for start in (at - 10 for at in admitted))


@given(gaps=_GAPS, limit=st.integers(min_value=1, max_value=8))
def test_waiting_for_retry_after_is_sufficient(gaps: list[float], limit: int) -> None:
    window, now = Window(limit, seconds=10), 0.0
    for gap in gaps:
        now += gap
        wait = window.admit(now)
        if wait > 0:
            now += retry_after(wait)
            assert window.admit(now) == 0


def test_rejected_requests_count_towards_the_limit() -> None:
    window = Window(2, seconds=10)
    assert [window.admit(at) > 0 for at in (0, 1, 9, 11)] == [False, False, True, False]
    window = Window(2, seconds=10)
    assert [window.admit(at) > 0 for at in (0, 8, 9, 10.5)] == [False, False, True, True]


def test_too_many_requests_are_429_with_a_sufficient_retry_after() -> None:
    with Sandbox(requests_per_minute=3, window_seconds=2) as sandbox:
        client = SandboxClient(sandbox=sandbox)
        assert [client.get("/users/me").status_code for _ in range(4)] == [200, 200, 200, 429]
        rejected = client.get("/users/me")
        assert rejected.json() == {
            "errors": [
                {
                    "message": "You've made too many requests and hit a rate limit. "
                    "Please retry after the given amount of time."
                }
            ]
        }
        time.sleep(int(rejected.headers["Retry-After"]))
        assert client.get("/users/me").status_code == 200
        assert sandbox.rejection_count == 2
        assert sandbox.max_requests_within(2) == 5


def test_every_token_has_its_own_window() -> None:
    with Sandbox(requests_per_minute=1, tokens=("one", "two")) as sandbox:

        def status(token: str) -> int:
            headers = {"Authorization": f"Bearer {token}"}
            return requests.get(f"{sandbox.url}/users/me", headers=headers, timeout=10).status_code

        assert [status(token) for token in ("one", "two", "one", "two", "three")] == [200, 200, 429, 429, 401]
        assert [entry.token for entry in sandbox.log] == ["token 1", "token 2", "token 1", "token 2", ""]


def test_the_limit_can_be_lowered_temporarily() -> None:
    with Sandbox(requests_per_minute=100, window_seconds=1) as sandbox:
        client = SandboxClient(sandbox=sandbox)
        sandbox.lower_limit(1, seconds=1)
        assert [client.get("/users/me").status_code for _ in range(2)] == [200, 429]
        time.sleep(1.05)
        assert [client.get("/users/me").status_code for _ in range(3)] == [200, 200, 200]


def test_too_many_concurrent_requests_are_429() -> None:
    with Sandbox(max_concurrent_requests=3, latency=0.5) as sandbox, ThreadPoolExecutor(6) as pool:
        client = SandboxClient(sandbox=sandbox)
        responses = list(pool.map(lambda _: client.get("/users/me"), range(6)))
        assert Counter(response.status_code for response in responses) == {200: 3, 429: 3}
        assert {response.headers.get("Retry-After") for response in responses if response.status_code == 429} == {"1"}
        assert sandbox.max_in_flight > 3
        assert client.get("/users/me").status_code == 200


def test_search_has_its_own_limit() -> None:
    with Sandbox(search_per_minute=2) as sandbox:
        client = SandboxClient(sandbox=sandbox)
        path = f"/workspaces/{client.gid('paid_organization')}/tasks/search"
        assert [client.get(path).status_code for _ in range(3)] == [200, 200, 429]
        assert client.get("/users/me").status_code == 200


def test_responses_take_the_latency_within_its_jitter() -> None:
    with Sandbox(latency=0.1, jitter=0.05) as sandbox:
        client = SandboxClient(sandbox=sandbox)
        for _ in range(3):
            client.get("/users/me")
        spent = [entry.finished - entry.received for entry in sandbox.log]
        assert all(0.05 <= seconds < 3 for seconds in spent)
        assert len({round(seconds, 3) for seconds in spent}) > 1
