"""Laws of pauses: a `Retry-After` of any response pauses the whole token, and costs seconds instead of attempts."""

import time
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from http.server import BaseHTTPRequestHandler

import pytest

from asana_assets.asana.client import Client
from asana_assets.asana.errors import AsanaError, PermanentError, TransientError
from asana_assets.asana.pacer import LocalPacer
from asana_assets.asana.retry_policy import RetryPolicy
from asana_assets.asana.throttle import MAX_PAUSE_SECONDS, Throttle
from asana_assets.asana.transport import Transport
from asana_assets.sandbox import Sandbox
from asana_assets_tests.support.client_harness import SOON_SECONDS, client_at, client_of, gids, page_body, pages
from asana_assets_tests.support.scripted_server import respond_with, serve


@pytest.mark.parametrize("status", [429, 503])
def test_a_retry_after_beyond_the_time_budget_fails_at_once(sandbox: Sandbox, status: int) -> None:
    sandbox.add_fault("*", status, retry_after=1000)
    started_at = time.monotonic()
    with (
        client_of(sandbox, retry=RetryPolicy(budget_seconds=100)) as client,
        pytest.raises(
            TransientError,
            match=rf"^GET /workspaces failed once: Asana returned {status} with a Retry-After of 1000 s$",
        ),
    ):
        list(pages(client))
    assert time.monotonic() - started_at < SOON_SECONDS
    assert len(sandbox.log) == 1


@pytest.mark.parametrize("status", [429, 503, 529, 408, 206])
def test_a_retry_after_costs_no_attempt(sandbox: Sandbox, status: int) -> None:
    sandbox.add_fault("*", status, times=1, retry_after=1)
    with client_of(sandbox, retry=RetryPolicy(max_attempts=1, attempts_before_first_response=1)) as client:
        assert gids(pages(client))
    assert [entry.status for entry in sandbox.log] == [status, 200]


def test_a_429_without_retry_after_costs_an_attempt_and_cuts_the_rate(sandbox: Sandbox) -> None:
    sandbox.add_fault("*", 429)
    with client_of(sandbox, retry=RetryPolicy(max_attempts=3, max_backoff_seconds=0.01)) as client:
        with pytest.raises(TransientError, match=r"failed 3 times: Asana returned 429$"):
            list(pages(client))
        assert client.rate < 1000
    assert len(sandbox.log) == 3


@pytest.mark.parametrize("status", [429, 503, 520])
def test_a_retry_after_pauses_every_thread_for_its_seconds(sandbox: Sandbox, status: int) -> None:
    """The second slot is half a second after the first: by then the pause has started."""
    sandbox.add_fault("*", status, times=1, retry_after=1)
    with client_of(sandbox, ceiling=2) as client, ThreadPoolExecutor(2) as pool:
        assert all(pool.map(lambda _: gids(pages(client)), range(2)))
    limited, *later = sandbox.log
    assert (limited.status, len(later)) == (status, 2)
    assert all(entry.received >= limited.received + 1 for entry in later)


@pytest.mark.slow
@pytest.mark.parametrize("status", [429, 503])
def test_a_pause_lasts_until_the_date_of_retry_after(sandbox: Sandbox, status: int) -> None:
    """A date has no fractions of a second, so a date two seconds ahead is a pause of more than one."""
    sandbox.add_fault("*", status, times=1, retry_after=timedelta(seconds=2))
    with client_of(sandbox) as client:
        list(pages(client))
    limited, later = sandbox.log
    assert later.received >= limited.received + 1


def test_the_date_of_retry_after_is_compared_with_the_servers_clock() -> None:
    """Its clock is an hour ahead, so by the local clock the pause would last an hour."""

    def respond(handler: BaseHTTPRequestHandler) -> None:
        now = datetime.now(UTC) + timedelta(hours=1)
        handler.send_response_only(429 if len(server.requests) == 1 else 200)
        handler.send_header("Date", format_datetime(now, usegmt=True))
        handler.send_header("Retry-After", format_datetime(now + timedelta(seconds=1), usegmt=True))
        handler.send_header("Content-Length", str(len(page_body("1"))))
        handler.end_headers()
        handler.wfile.write(page_body("1"))

    with serve(respond) as server, client_at(server.url) as client:
        assert gids(pages(client)) == ["1"]


def test_only_a_429_cuts_the_rate(sandbox: Sandbox) -> None:
    sandbox.add_fault("*", 503, times=1, retry_after=1)
    with client_of(sandbox) as client:
        assert gids(pages(client))
        assert client.rate == 1000


@pytest.mark.parametrize("status", [403, 404, 400])
def test_the_retry_after_of_a_final_status_pauses_the_token_and_the_error_stays_final(
    sandbox: Sandbox, status: int
) -> None:
    sandbox.add_fault("*", status, times=1, retry_after=1)
    with client_of(sandbox) as client:
        with pytest.raises(PermanentError, match=f"returned {status}"):
            list(pages(client))
        assert gids(pages(client))
    rejected, later = sandbox.log
    assert later.received >= rejected.received + 1


def test_the_retry_after_of_a_200_pauses_the_token_whether_it_is_asanas_or_not() -> None:
    received: list[float] = []
    bodies = [b"<html>Under maintenance</html>", page_body("1"), page_body("2")]

    def respond(handler: BaseHTTPRequestHandler) -> None:
        received.append(time.monotonic())
        respond_with(200, bodies[len(received) - 1], Retry_After="1")(handler)

    with serve(respond) as server, client_at(server.url, retry=RetryPolicy(max_attempts=1)) as client:
        assert gids(pages(client)) == ["1"]
        assert gids(pages(client)) == ["2"]
    assert received[1] >= received[0] + 1
    assert received[2] >= received[1] + 1


def test_a_pause_is_logged_once_although_each_request_in_flight_reports_it(caplog: pytest.LogCaptureFixture) -> None:
    throttle = Throttle(ceiling=1000)
    for seconds in [30, 30, 30, 90, 30, 90]:
        throttle.pause(seconds)
    assert [record.getMessage() for record in caplog.records] == [
        f"Asana requested a pause (Retry-After): no request is sent for {seconds} s" for seconds in (30, 90)
    ]


@pytest.mark.parametrize("status", [403, 429])
def test_an_absurd_retry_after_does_not_block_the_token_for_good(sandbox: Sandbox, status: int) -> None:
    sandbox.add_fault("*", status, times=1, retry_after=10**9)
    pacer = LocalPacer()
    transport = Transport(base_url=sandbox.url, token=sandbox.token)
    with Client(transport=transport, throttle=Throttle(ceiling=1000, pacer=pacer)) as client:
        with pytest.raises(AsanaError):
            list(pages(client))
        assert pacer.pause_remaining() <= MAX_PAUSE_SECONDS
