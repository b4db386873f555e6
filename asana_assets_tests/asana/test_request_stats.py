"""Laws of `RequestStats`: the threads of a piece of work share one set of counters."""

from concurrent.futures import ThreadPoolExecutor

import pytest

from asana_assets.asana.errors import NotFoundError
from asana_assets.asana.request_stats import RequestStats
from asana_assets.sandbox import Sandbox
from asana_assets_tests.support.client_harness import LargeProject, client_of, gids, pages


def test_requests_and_retries_are_counted_over_all_threads(sandbox: Sandbox, large_project: LargeProject) -> None:
    sandbox.add_fault("*", "reset", times=5)  # unlike a 503, it never makes a page smaller
    stats = RequestStats()
    with client_of(sandbox, ceiling=200) as client, ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda _: gids(pages(client, large_project.request, stats=stats)), range(8)))
    assert (stats.requests, stats.retries) == (len(sandbox.log), 5) == (29, 5)
    assert stats.throttle_wait_seconds > 0


def test_a_request_that_fails_permanently_is_counted(sandbox: Sandbox) -> None:
    sandbox.add_fault("*", 404)
    stats = RequestStats()
    with client_of(sandbox) as client, pytest.raises(NotFoundError):
        list(pages(client, stats=stats))
    assert (stats.requests, stats.retries) == (1, 0)


def test_each_deprecation_notice_is_kept_once(sandbox: Sandbox, large_project: LargeProject) -> None:
    stats = RequestStats()
    with client_of(sandbox) as client:
        list(pages(client, large_project.request, stats=stats))
    assert len(stats.deprecation_notices) == 5
    assert all(notice.startswith("name=") and notice.count("name=") == 1 for notice in stats.deprecation_notices)
    assert [notice for notice in stats.deprecation_notices if notice.endswith(";affected=true")] == [
        "name=new_goal_memberships;info=https://forum.asana.com/t/378601;affected=true"
    ]
