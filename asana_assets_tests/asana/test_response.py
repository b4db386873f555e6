"""What an answer of Asana means: laws of the pure functions, without a network."""

import datetime as dt
import json
from contextlib import suppress
from email.utils import format_datetime
from math import ceil

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from asana_assets.asana.errors import (
    BadRequestError,
    ForbiddenError,
    NotFoundError,
    OffsetExpiredError,
    PermanentError,
    PlanLimitError,
    UnauthorizedError,
)
from asana_assets.asana.response import (
    LIST_DECODER,
    RECORD_DECODER,
    ListEnvelope,
    MalformedResponseError,
    RetryableError,
    deprecation_notices,
    parse_response,
    parse_retry_after,
)

UNHURRIED = settings(deadline=None)  # the machine may be busy
NOW = dt.datetime(2026, 3, 1, 12, 0, 0, 250_000, tzinfo=dt.UTC)
RECORDS = '[{"gid":"1","name":"Grüße 💶"},{"gid":"2","notes":"a \\"b\\" \\u00e9","likes":[{"gid":"3"}]}]'
PAGE = f'{{"data":{RECORDS},"next_page":{{"offset":"eyJ0","path":"/tasks?offset=eyJ0","uri":"x"}}}}'


def verdict(status: int, body: bytes, headers: dict[str, str] | None = None) -> ListEnvelope:
    return parse_response(
        status=status, headers=headers or {}, body=body, template="/tasks/{parent}/stories", decoder=LIST_DECODER
    )


def complaint(*messages: str) -> bytes:
    return json.dumps({"errors": [{"message": message, "help": "Read the docs."} for message in messages]}).encode()


# --- 200


def test_a_page_is_its_records_as_they_were_sent_and_where_the_listing_goes_on() -> None:
    page = verdict(200, PAGE.encode())
    assert b"[%b]" % b",".join(bytes(record) for record in page.data) == RECORDS.encode()
    assert page.next_page is not None
    assert page.next_page.offset == "eyJ0"


@pytest.mark.parametrize("body", [b'{"data":[],"next_page":null}', b'{"data":[]}'])
def test_an_empty_page_is_the_last_one(body: bytes) -> None:
    page = verdict(200, body)
    assert (page.data, page.next_page) == ([], None)


def test_one_object_is_given_as_it_was_sent() -> None:
    record = parse_response(
        status=200, headers={}, body=b'{"data": {"gid": "1"}}', template="/tasks/{gid}", decoder=RECORD_DECODER
    )
    assert bytes(record.data) == b'{"gid": "1"}'


NOT_ASANAS = {
    "empty": b"",
    "blank": b" \n",
    "a page of HTML": b"<!DOCTYPE html><html><body>We are having trouble.</body></html>",
    "text": b"OK",
    "null": b"null",
    "a list": b'[{"gid":"1"}]',
    "no data": b'{"next_page":null}',
    "errors under a 200": b'{"errors":[{"message":"Server Error"}]}',
    "data that is no list": b'{"data":{"gid":"1"}}',
    "data that is null": b'{"data":null}',
    "a next page without an offset": b'{"data":[],"next_page":{}}',
    "an offset that is no text": b'{"data":[],"next_page":{"offset":7}}',
    "something after the page": b'{"data":[]}{"data":[]}',
    "UTF-16": '{"data":[]}'.encode("utf-16"),
    "a byte that is no UTF-8, inside a record": b'{"data":[{"gid":"1","name":"\xff"}]}',
    "half a surrogate pair, inside a record": b'{"data":[{"gid":"1","name":"\xed\xa0\x80"}]}',
}


@pytest.mark.parametrize("body", NOT_ASANAS.values(), ids=list(NOT_ASANAS))
def test_a_200_that_is_not_asanas_may_be_asked_for_again(body: bytes) -> None:
    with pytest.raises(MalformedResponseError) as caught:
        verdict(200, body)
    assert (caught.value.limited, caught.value.retry_after) == (False, 0)
    assert str(caught.value) == "the answer was cut short, empty, or not Asana's"


@UNHURRIED
@given(st.integers(0, len(PAGE.encode()) - 1))
def test_a_page_cut_short_anywhere_is_never_taken_for_a_page(length: int) -> None:
    with pytest.raises(MalformedResponseError):
        verdict(200, PAGE.encode()[:length])


@UNHURRIED
@given(st.integers(0, len(PAGE.encode())), st.sampled_from([b"\xff", b"\xc0", b"\xf5"]))
def test_a_page_with_a_byte_that_no_text_has_is_never_taken_for_a_page(at: int, byte: bytes) -> None:
    body = PAGE.encode()
    with pytest.raises(MalformedResponseError):
        verdict(200, body[:at] + byte + body[at:])


@UNHURRIED
@given(st.integers(0, len(PAGE)), st.integers(0, 20), st.binary(max_size=5) | st.sampled_from([b"null", b"{}", b"[]"]))
def test_whatever_a_200_brings_it_is_a_page_or_may_be_asked_for_again(at: int, length: int, instead: bytes) -> None:
    body = PAGE.encode()
    with suppress(MalformedResponseError):
        assert isinstance(verdict(200, body[:at] + instead + body[at + length :]), ListEnvelope)


# --- what may be sent again


@pytest.mark.parametrize("status", [429, 500, 502, 503, 504])
@pytest.mark.parametrize("body", [complaint("No."), b"", b"<html>", PAGE.encode()], ids=["errors", "", "html", "page"])
def test_a_transient_status_may_be_sent_again_whatever_its_body(status: int, body: bytes) -> None:
    with pytest.raises(RetryableError, match=f"^Asana answered {status}$") as caught:
        verdict(status, body)
    assert not isinstance(caught.value, MalformedResponseError)
    assert caught.value.limited is (status == 429)
    assert caught.value.retry_after == 0


def test_a_429_says_how_long_to_wait() -> None:
    with pytest.raises(RetryableError) as caught:
        verdict(429, complaint("Slow down."), {"Retry-After": "17"})
    assert caught.value.retry_after == 17


def test_a_429_may_say_until_when_to_wait() -> None:
    until = dt.datetime.now(dt.UTC) + dt.timedelta(hours=1)
    with pytest.raises(RetryableError) as caught:
        verdict(429, b"", {"Retry-After": format_datetime(until, usegmt=True)})
    assert 3500 < caught.value.retry_after <= 3600


# --- what is final


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (400, BadRequestError),
        (401, UnauthorizedError),
        (402, PlanLimitError),
        (403, ForbiddenError),
        (404, NotFoundError),
        (412, PermanentError),
        (418, PermanentError),
        (451, PermanentError),
        (501, PermanentError),
        (302, PermanentError),
        (204, PermanentError),
    ],
)
def test_every_other_status_is_final_and_the_error_tells_what_was_asked_and_answered(
    status: int, kind: type[PermanentError]
) -> None:
    with pytest.raises(PermanentError) as caught:
        verdict(status, complaint("You may not."))
    error = caught.value
    assert type(error) is kind
    assert (error.status, error.method, error.template) == (status, "GET", "/tasks/{parent}/stories")
    assert error.reason == "You may not."
    assert str(error) == f"GET /tasks/{{parent}}/stories answered {status}: You may not."


def test_a_page_token_past_its_age_is_an_error_of_its_own() -> None:
    with pytest.raises(OffsetExpiredError):
        verdict(400, complaint("offset: Your pagination token has expired."))


@pytest.mark.parametrize(
    ("status", "message"),
    [
        (400, "offset: Your pagination token is invalid."),
        (400, "workspace: The trial has expired."),
        (403, "offset: Your pagination token has expired."),
    ],
)
def test_no_other_complaint_is_taken_for_an_expired_page_token(status: int, message: str) -> None:
    with pytest.raises(PermanentError) as caught:
        verdict(status, complaint(message))
    assert not isinstance(caught.value, OffsetExpiredError)


def test_several_complaints_are_all_quoted() -> None:
    with pytest.raises(BadRequestError, match=r"answered 400: project: Not a Long; limit: Too much$"):
        verdict(400, complaint("project: Not a Long", "", "limit: Too much"))


WORDLESS = {
    "empty": b"",
    "a page of HTML": b"<html><body>secret</body></html>",
    "no errors": b'{"data":"secret"}',
    "errors that are none": b'{"errors":[]}',
    "errors that are null": b'{"errors":null,"secret":1}',
    "an error without a message": b'{"errors":[{"help":"secret"}]}',
    "a message that is null": b'{"errors":[{"message":null}],"secret":1}',
    "a message that is no text": b'{"errors":[{"message":{"secret":1}}]}',
    "a list": b'["secret"]',
    "a message that is no UTF-8": b'{"errors":[{"message":"secret\xff"}]}',
    "cut short": complaint("secret")[:-2],
}


@pytest.mark.parametrize("body", WORDLESS.values(), ids=list(WORDLESS))
def test_a_final_answer_without_asanas_words_is_an_error_without_them_and_quotes_no_body(body: bytes) -> None:
    with pytest.raises(ForbiddenError) as caught:
        verdict(403, body)
    assert caught.value.reason == ""
    assert str(caught.value) == "GET /tasks/{parent}/stories answered 403"


# --- Retry-After


@pytest.mark.parametrize(
    ("header", "seconds"),
    [("0", 0), ("7", 7), (" 7 ", 7), ("007", 7), ("1.0", 1), ("1.", 1), ("1.2", 2), ("0.001", 1), ("86400", 86400)],
)
def test_seconds_are_waited_rounded_up(header: str, seconds: float) -> None:
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
def test_a_date_is_waited_for_and_one_in_the_past_is_not(header: str, seconds: float) -> None:
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
def test_what_is_neither_seconds_nor_a_date_asks_for_no_wait(header: str | None) -> None:
    assert parse_retry_after(header, now=NOW) == 0


@UNHURRIED
@given(st.text(max_size=30) | st.text("0123456789 ,:.+-()GMTSunMar", max_size=30))
def test_no_header_whatever_makes_the_wait_negative_or_endless(header: str) -> None:
    assert 0 <= parse_retry_after(header, now=NOW) < float("inf")


@UNHURRIED
@given(st.floats(0, 1e6).map("{:.6f}".format))
def test_waiting_as_told_in_seconds_is_never_too_short_nor_a_second_too_long(header: str) -> None:
    told = float(header)
    assert told <= parse_retry_after(header, now=NOW) < told + 1


@UNHURRIED
@given(
    now=st.datetimes(dt.datetime(2020, 1, 1), dt.datetime(2090, 1, 1), timezones=st.just(dt.UTC)),  # noqa: DTZ001 # as hypothesis wants it
    ahead=st.timedeltas(dt.timedelta(milliseconds=1), dt.timedelta(days=1)),
)
def test_waiting_as_told_by_a_date_is_never_too_short_nor_a_second_too_long(
    now: dt.datetime, ahead: dt.timedelta
) -> None:
    until = (now + ahead).replace(microsecond=0)
    waited = parse_retry_after(format_datetime(until, usegmt=True), now=now)
    assert waited == max(0, ceil((until - now).total_seconds()))
    assert now + dt.timedelta(seconds=waited) >= until


# --- Asana-Change

ANNOUNCED = (
    "name=new_user_task_lists;info=https://forum.asana.com/t/103828",
    "name=new_goal_memberships;info=https://forum.asana.com/t/378601?a=b,c;affected=true",
    "name=teamless_projects;info=https://forum.asana.com/t/929205#name",
)


def test_nothing_is_announced_without_the_header() -> None:
    assert deprecation_notices({"Content-Type": "application/json"}) == []
    assert deprecation_notices({"Asana-Change": ""}) == []


@pytest.mark.parametrize("comma", [",", ", ", ",  "])
def test_headers_that_were_joined_are_told_apart_and_their_addresses_stay_whole(comma: str) -> None:
    assert deprecation_notices({"Asana-Change": comma.join(ANNOUNCED)}) == list(ANNOUNCED)


def test_a_change_that_is_announced_twice_is_one_change() -> None:
    assert set(deprecation_notices({"Asana-Change": ", ".join([*ANNOUNCED, *ANNOUNCED])})) == set(ANNOUNCED)


def test_a_change_that_concerns_this_request_differs_from_one_that_does_not() -> None:
    plain = "name=a;info=https://forum.asana.com/t/1"
    assert deprecation_notices({"Asana-Change": f"{plain}, {plain};affected=true"}) == [plain, f"{plain};affected=true"]


@UNHURRIED
@given(st.lists(st.text("abc_;:/.?=&%, -", max_size=12).map(lambda rest: f"name={rest.rstrip(', ')}")))
def test_any_announcements_are_read_as_they_were_joined(announced: list[str]) -> None:
    assert deprecation_notices({"Asana-Change": ", ".join(announced)}) == announced
