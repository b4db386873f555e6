"""Laws of cancellation: setting `stop` ends every wait, and no further request is sent."""

import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from asana_assets.asana.client import Client
from asana_assets.asana.errors import CancelledError
from asana_assets.asana.request_stats import RequestStats
from asana_assets.sandbox import ReceivedRequest as SandboxRequest
from asana_assets.sandbox import Sandbox
from asana_assets_tests.support.client_harness import SOON_SECONDS, client_of, pages


def test_nothing_is_sent_if_stop_was_set_before(sandbox: Sandbox) -> None:
    stop = threading.Event()
    stop.set()
    stats = RequestStats()
    with client_of(sandbox) as client, pytest.raises(CancelledError):
        list(pages(client, stats=stats, stop=stop))
    assert (sandbox.log, stats.requests) == ([], 0)


def assert_stop_ends_the_wait(client: Client) -> None:
    """Fetch in a thread, set `stop` while it waits, and assert that it raises long before its slot."""
    stop = threading.Event()
    with ThreadPoolExecutor(1) as pool:
        result = pool.submit(lambda: list(pages(client, stop=stop)))
        time.sleep(0.3)
        assert not result.done()
        stop.set()
        started_at = time.monotonic()
        with pytest.raises(CancelledError, match=r"^GET /workspaces was not sent: cancelled$"):
            result.result()
        assert time.monotonic() - started_at < SOON_SECONDS


def test_stop_ends_the_wait_for_a_slot(sandbox: Sandbox) -> None:
    with client_of(sandbox, ceiling=0.01) as client:
        list(pages(client))
        assert_stop_ends_the_wait(client)
    assert len(sandbox.log) == 1


def test_stop_ends_the_wait_for_the_end_of_a_pause(sandbox: Sandbox) -> None:
    sandbox.add_fault("*", 429, retry_after=100)
    with client_of(sandbox) as client:
        assert_stop_ends_the_wait(client)
    assert len(sandbox.log) <= 1


def test_stop_ends_the_backoff(sandbox: Sandbox) -> None:
    stop = threading.Event()

    def matches(_: SandboxRequest) -> bool:
        stop.set()
        return True

    sandbox.add_fault(matches, 503)
    with (
        client_of(sandbox) as client,
        pytest.raises(CancelledError, match=r"^GET /workspaces was not retried: cancelled"),
    ):
        list(pages(client, stop=stop))
    assert len(sandbox.log) == 1
