"""Laws of the clock skew: Asana's time against the local one, whatever single responses say."""

import datetime as dt
import threading
from email.utils import format_datetime
from http.server import BaseHTTPRequestHandler

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from asana_assets.asana.client import ApiRequest
from asana_assets.asana.request_stats import RequestStats
from asana_assets.asana.server_clock import ServerClock
from asana_assets.sandbox import Sandbox
from asana_assets_tests.support.client_harness import client_at, client_of, page_body, pages
from asana_assets_tests.support.scripted_server import Respond, serve

NO_DEADLINE = settings(deadline=None)  # the machine may be busy
NOW = dt.datetime(2026, 3, 1, 12, 0, 0, 250_000, tzinfo=dt.UTC)
SECOND = dt.timedelta(seconds=1)
ABSURD = ["Thu, 01 Jan 1970 00:00:00 GMT", "Fri, 31 Dec 9999 23:59:59 GMT", "Sun, 01 Mar 2026 12:00:00 +2359"]
INVALID = [None, "", "yesterday", "Sun, 99 Foo 2026 12:00:10 GMT"]


def ahead(skew: dt.timedelta, status: int = 200) -> Respond:
    """Respond with an empty page, by a clock that is ahead."""

    def respond(handler: BaseHTTPRequestHandler) -> None:
        body = page_body()
        handler.send_response_only(status)
        handler.send_header("Date", format_datetime(dt.datetime.now(dt.UTC) + skew, usegmt=True))
        handler.send_header("Content-Length", str(len(body)))
        handler.end_headers()
        handler.wfile.write(body)

    return respond


def record(clock: ServerClock, date: str | None) -> None:
    clock.record(date, sent_at=NOW, received_at=NOW)


def date_with(skew: dt.timedelta) -> str:
    return format_datetime(NOW + skew, usegmt=True)


@pytest.mark.parametrize("hours", [-3, 0, 2])
def test_the_skew_is_the_servers_time_minus_the_local_time(hours: int) -> None:
    skew = dt.timedelta(hours=hours)
    with serve(ahead(skew)) as server, client_at(server.url) as client:
        list(pages(client))
        assert abs(client.clock_skew - skew) < 5 * SECOND  # less on a machine that is not busy


@pytest.mark.parametrize("status", [403, 503])
def test_responses_of_any_status_show_the_skew(status: int) -> None:
    with serve(ahead(dt.timedelta(hours=1), status)) as server, client_at(server.url) as client:
        with pytest.raises(Exception, match=str(status)):
            client.get_record(
                ApiRequest(template="/x"), opt_fields="name", stats=RequestStats(), stop=threading.Event()
            )
        assert abs(client.clock_skew - dt.timedelta(hours=1)) < 5 * SECOND


def test_the_skew_is_zero_until_it_is_known(sandbox: Sandbox) -> None:
    with client_of(sandbox) as client:
        assert client.clock_skew == dt.timedelta()


@pytest.mark.parametrize("date", INVALID)
def test_a_missing_or_invalid_date_is_ignored(date: str | None) -> None:
    clock = ServerClock()
    record(clock, date)
    assert clock.skew == dt.timedelta()


@pytest.mark.parametrize("date", ABSURD[:2])
def test_an_absurd_first_date_is_ignored(date: str) -> None:
    clock = ServerClock()
    record(clock, date)
    assert clock.skew == dt.timedelta()
    record(clock, date_with(dt.timedelta(hours=2)))
    assert abs(clock.skew - dt.timedelta(hours=2)) <= SECOND


@NO_DEADLINE
@given(st.integers(2, 100), st.data(), st.sampled_from([*ABSURD, *INVALID]))
def test_a_single_absurd_date_has_no_effect(count: int, data: st.DataObject, date: str | None) -> None:
    skew = dt.timedelta(seconds=data.draw(st.integers(-40_000, 40_000)))
    clock, absurd_at = ServerClock(), data.draw(st.integers(0, count))
    for at in range(count + 1):
        record(clock, date if at == absurd_at else date_with(skew))
    assert abs(clock.skew - skew) <= SECOND


def test_a_skew_of_days_is_believed_once_responses_agree() -> None:
    clock = ServerClock()
    for _ in range(3):
        record(clock, date_with(dt.timedelta(days=-3)))
    assert abs(clock.skew + dt.timedelta(days=3)) <= SECOND


def test_the_skew_follows_a_clock_that_is_corrected() -> None:
    clock = ServerClock()
    for hours in (5, 0):
        for _ in range(40):
            record(clock, date_with(dt.timedelta(hours=hours)))
    assert abs(clock.skew) <= SECOND


def test_a_slow_response_is_compared_with_the_middle_of_its_time() -> None:
    clock = ServerClock()
    clock.record(date_with(dt.timedelta()), sent_at=NOW - 10 * SECOND, received_at=NOW + 10 * SECOND)
    assert abs(clock.skew) <= SECOND
