"""Laws of `Retry-After` parsing: the wait is sufficient, and never much too long."""

import datetime as dt
from email.utils import format_datetime
from math import ceil

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from asana_assets.asana.response import parse_retry_after

NO_DEADLINE = settings(deadline=None)  # the machine may be busy
NOW = dt.datetime(2026, 3, 1, 12, 0, 0, 250_000, tzinfo=dt.UTC)


@pytest.mark.parametrize(
    ("header", "seconds"),
    [("0", 0), ("7", 7), (" 7 ", 7), ("007", 7), ("1.0", 1), ("1.", 1), ("1.2", 2), ("0.001", 1), ("86400", 86400)],
)
def test_seconds_are_rounded_up(header: str, seconds: float) -> None:
    assert parse_retry_after(header, now=NOW) == seconds


@pytest.mark.parametrize(
    ("header", "seconds"),
    [
        ("Sun, 01 Mar 2026 12:00:10 GMT", 10),
        ("Sun, 01 Mar 2026 12:00:01 GMT", 1),
        ("Sun, 01 Mar 2026 13:00:10 +0100", 10),
        ("Sun, 01 Mar 2026 12:00:10 -0000", 10),
        ("Sunday, 01-Mar-26 12:00:10 GMT", 10),
        ("Sun, 01 Mar 2026 12:00:00 GMT", 0),
        ("Sat, 28 Feb 2026 12:00:00 GMT", 0),
        ("Thu, 01 Jan 1970 00:00:00 GMT", 0),
    ],
)
def test_a_date_is_the_seconds_until_then_and_0_if_it_is_past(header: str, seconds: float) -> None:
    assert parse_retry_after(header, now=NOW) == seconds


@pytest.mark.parametrize(
    "header",
    [
        None,
        "",
        " ",
        "soon",
        "-5",
        "-0.5",
        "+5",
        "1e3",
        "1,5",
        "5 s",
        "0x10",
        "inf",
        "nan",
        "9" * 400,
        "Sun, 99 Foo 2026 12:00:10 GMT",
        "Sun, 01 Mar 99999 12:00:10 GMT",
        "2026-03-01T12:00:10Z",
    ],
)
def test_an_invalid_value_is_no_wait(header: str | None) -> None:
    assert parse_retry_after(header, now=NOW) == 0


@NO_DEADLINE
@given(st.text(max_size=30) | st.text("0123456789 ,:.+-()GMTSunMar", max_size=30))
def test_no_value_makes_the_wait_negative_or_infinite(header: str) -> None:
    assert 0 <= parse_retry_after(header, now=NOW) < float("inf")


@NO_DEADLINE
@given(st.floats(0, 1e6).map("{:.6f}".format))
def test_waiting_for_seconds_is_sufficient_and_less_than_a_second_too_long(header: str) -> None:
    seconds = float(header)
    assert seconds <= parse_retry_after(header, now=NOW) < seconds + 1


@NO_DEADLINE
@given(
    now=st.datetimes(dt.datetime(2020, 1, 1), dt.datetime(2090, 1, 1), timezones=st.just(dt.UTC)),  # noqa: DTZ001 - hypothesis adds the time zone
    ahead=st.timedeltas(dt.timedelta(milliseconds=1), dt.timedelta(days=1)),
)
def test_waiting_for_a_date_is_sufficient_and_less_than_a_second_too_long(
    now: dt.datetime, ahead: dt.timedelta
) -> None:
    until = (now + ahead).replace(microsecond=0)
    waited = parse_retry_after(format_datetime(until, usegmt=True), now=now)
    assert waited == max(0, ceil((until - now).total_seconds()))
    assert now + dt.timedelta(seconds=waited) >= until
