"""Laws of response parsing: which responses are a result, may be retried, or are final."""

import datetime as dt
import json
from contextlib import suppress
from email.utils import format_datetime

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
    parse_response,
)

NO_DEADLINE = settings(deadline=None)  # the machine may be busy
RECORDS = '[{"gid":"1","name":"Grüße 💶"},{"gid":"2","notes":"a \\"b\\" \\u00e9","likes":[{"gid":"3"}]}]'
PAGE = f'{{"data":{RECORDS},"next_page":{{"offset":"eyJ0","path":"/tasks?offset=eyJ0","uri":"x"}}}}'


def parse(status: int, body: bytes, headers: dict[str, str] | None = None) -> ListEnvelope:
    return parse_response(
        status=status, headers=headers or {}, body=body, template="/tasks/{parent}/stories", decoder=LIST_DECODER
    )


def error_body(*messages: str) -> bytes:
    return json.dumps({"errors": [{"message": message, "help": "Read the docs."} for message in messages]}).encode()


# --- 200


def test_a_page_is_its_records_as_sent_and_the_next_offset() -> None:
    page = parse(200, PAGE.encode())
    assert b"[%b]" % b",".join(bytes(record) for record in page.data) == RECORDS.encode()
    assert page.next_page is not None
    assert page.next_page.offset == "eyJ0"


@pytest.mark.parametrize("body", [b'{"data":[],"next_page":null}', b'{"data":[]}'])
def test_a_page_without_a_next_page_is_the_last_one(body: bytes) -> None:
    page = parse(200, body)
    assert (page.data, page.next_page) == ([], None)


def test_a_single_record_is_returned_as_sent() -> None:
    record = parse_response(
        status=200, headers={}, body=b'{"data": {"gid": "1"}}', template="/tasks/{gid}", decoder=RECORD_DECODER
    )
    assert bytes(record.data) == b'{"gid": "1"}'


NOT_ASANA = {
    "empty": b"",
    "blank": b" \n",
    "a page of HTML": b"<!DOCTYPE html><html><body>We are having trouble.</body></html>",
    "text": b"OK",
    "null": b"null",
    "a list": b'[{"gid":"1"}]',
    "no data": b'{"next_page":null}',
    "errors under a 200": b'{"errors":[{"message":"Server Error"}]}',
    "data that is not a list": b'{"data":{"gid":"1"}}',
    "data that is null": b'{"data":null}',
    "a next page without an offset": b'{"data":[],"next_page":{}}',
    "an offset that is not text": b'{"data":[],"next_page":{"offset":7}}',
    "something after the page": b'{"data":[]}{"data":[]}',
    "UTF-16": '{"data":[]}'.encode("utf-16"),
    "a byte that is not UTF-8, inside a record": b'{"data":[{"gid":"1","name":"\xff"}]}',
    "half a surrogate pair, inside a record": b'{"data":[{"gid":"1","name":"\xed\xa0\x80"}]}',
}


@pytest.mark.parametrize("body", NOT_ASANA.values(), ids=list(NOT_ASANA))
def test_a_200_that_is_not_asanas_is_retryable(body: bytes) -> None:
    with pytest.raises(MalformedResponseError) as caught:
        parse(200, body)
    assert (caught.value.rate_limited, caught.value.retry_after) == (False, 0)
    assert str(caught.value) == "the response body is truncated, empty or not Asana's"


@NO_DEADLINE
@given(st.integers(0, len(PAGE.encode()) - 1))
def test_a_truncated_page_is_never_parsed_as_a_page(length: int) -> None:
    with pytest.raises(MalformedResponseError):
        parse(200, PAGE.encode()[:length])


@NO_DEADLINE
@given(st.integers(0, len(PAGE.encode())), st.sampled_from([b"\xff", b"\xc0", b"\xf5"]))
def test_a_page_with_invalid_utf8_is_never_parsed_as_a_page(at: int, byte: bytes) -> None:
    body = PAGE.encode()
    with pytest.raises(MalformedResponseError):
        parse(200, body[:at] + byte + body[at:])


@NO_DEADLINE
@given(st.integers(0, len(PAGE)), st.integers(0, 20), st.binary(max_size=5) | st.sampled_from([b"null", b"{}", b"[]"]))
def test_any_200_body_is_parsed_or_retryable(at: int, length: int, replacement: bytes) -> None:
    body = PAGE.encode()
    with suppress(MalformedResponseError):
        assert isinstance(parse(200, body[:at] + replacement + body[at + length :]), ListEnvelope)


# --- retryable statuses


@pytest.mark.parametrize("status", [429, 500, 502, 503, 504])
@pytest.mark.parametrize("body", [error_body("No."), b"", b"<html>", PAGE.encode()], ids=["errors", "", "html", "page"])
def test_a_transient_status_is_retryable_whatever_its_body(status: int, body: bytes) -> None:
    with pytest.raises(RetryableError, match=f"^Asana returned {status}$") as caught:
        parse(status, body)
    assert not isinstance(caught.value, MalformedResponseError)
    assert caught.value.rate_limited is (status == 429)
    assert caught.value.retry_after == 0


def test_retry_after_of_a_429_may_be_seconds() -> None:
    with pytest.raises(RetryableError) as caught:
        parse(429, error_body("Slow down."), {"Retry-After": "17"})
    assert caught.value.retry_after == 17


def test_retry_after_of_a_429_may_be_a_date() -> None:
    until = dt.datetime.now(dt.UTC) + dt.timedelta(hours=1)
    with pytest.raises(RetryableError) as caught:
        parse(429, b"", {"Retry-After": format_datetime(until, usegmt=True)})
    assert 3500 < caught.value.retry_after <= 3600


# --- permanent errors


@pytest.mark.parametrize(
    ("status", "error_class"),
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
def test_any_other_status_is_permanent_and_its_error_describes_request_and_response(
    status: int, error_class: type[PermanentError]
) -> None:
    with pytest.raises(PermanentError) as caught:
        parse(status, error_body("You may not."))
    error = caught.value
    assert type(error) is error_class
    assert (error.status, error.method, error.template) == (status, "GET", "/tasks/{parent}/stories")
    assert error.reason == "You may not."
    assert str(error) == f"GET /tasks/{{parent}}/stories returned {status}: You may not."


def test_an_expired_offset_is_an_error_class_of_its_own() -> None:
    with pytest.raises(OffsetExpiredError):
        parse(400, error_body("offset: Your pagination token has expired."))


@pytest.mark.parametrize(
    ("status", "message"),
    [
        (400, "offset: Your pagination token is invalid."),
        (400, "workspace: The trial has expired."),
        (403, "offset: Your pagination token has expired."),
    ],
)
def test_no_other_message_is_mistaken_for_an_expired_offset(status: int, message: str) -> None:
    with pytest.raises(PermanentError) as caught:
        parse(status, error_body(message))
    assert not isinstance(caught.value, OffsetExpiredError)


def test_all_messages_of_a_response_are_quoted() -> None:
    with pytest.raises(BadRequestError, match=r"returned 400: project: Not a Long; limit: Too much$"):
        parse(400, error_body("project: Not a Long", "", "limit: Too much"))


WITHOUT_MESSAGE = {
    "empty": b"",
    "a page of HTML": b"<html><body>secret</body></html>",
    "no errors": b'{"data":"secret"}',
    "an empty list of errors": b'{"errors":[]}',
    "errors that are null": b'{"errors":null,"secret":1}',
    "an error without a message": b'{"errors":[{"help":"secret"}]}',
    "a message that is null": b'{"errors":[{"message":null}],"secret":1}',
    "a message that is not text": b'{"errors":[{"message":{"secret":1}}]}',
    "a list": b'["secret"]',
    "a message that is not UTF-8": b'{"errors":[{"message":"secret\xff"}]}',
    "cut short": error_body("secret")[:-2],
}


@pytest.mark.parametrize("body", WITHOUT_MESSAGE.values(), ids=list(WITHOUT_MESSAGE))
def test_a_permanent_error_without_asanas_message_quotes_no_body(body: bytes) -> None:
    with pytest.raises(ForbiddenError) as caught:
        parse(403, body)
    assert caught.value.reason == ""
    assert str(caught.value) == "GET /tasks/{parent}/stories returned 403"
