"""Laws of response parsing: which responses are a result, may be retried, or are final."""

import json
from contextlib import suppress

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from asana_assets.asana.errors import (
    BadRequestError,
    ForbiddenError,
    OffsetExpiredError,
    PermanentError,
    RedirectError,
)
from asana_assets.asana.response import (
    LIST_DECODER,
    RECORD_DECODER,
    ListEnvelope,
    MalformedResponseError,
    ParsedResponse,
    RetryableError,
    is_final,
    parse_response,
)
from asana_assets_tests.support.client_harness import PERMANENT_STATUSES

NO_DEADLINE = settings(deadline=None)  # the machine may be busy
RECORDS = '[{"gid":"1","name":"Grüße 💶"},{"gid":"2","notes":"a \\"b\\" \\u00e9","likes":[{"gid":"3"}]}]'
PAGE = f'{{"data":{RECORDS},"next_page":{{"offset":"eyJ0","path":"/tasks?offset=eyJ0","uri":"x"}}}}'


def parse(
    status: int, body: bytes, headers: dict[str, str] | None = None, *, retry_after: float = 0.0
) -> ParsedResponse[ListEnvelope]:
    return parse_response(
        status=status,
        headers=headers or {},
        body=body,
        template="/tasks/{parent}/stories",
        decoder=LIST_DECODER,
        retry_after=retry_after,
    )


def error_body(*messages: str) -> bytes:
    return json.dumps({"errors": [{"message": message, "help": "Read the docs."} for message in messages]}).encode()


# --- 200


def test_a_page_is_its_records_as_sent_and_the_next_offset() -> None:
    parsed = parse(200, PAGE.encode())
    page = parsed.envelope
    assert (parsed.body, parsed.repairs) == (PAGE.encode(), 0)
    assert b"[%b]" % b",".join(bytes(record) for record in page.data) == RECORDS.encode()
    assert page.next_page is not None
    assert page.next_page.offset == "eyJ0"


@pytest.mark.parametrize("body", [b'{"data":[],"next_page":null}', b'{"data":[]}'])
def test_a_page_without_a_next_page_is_the_last_one(body: bytes) -> None:
    page = parse(200, body).envelope
    assert (page.data, page.next_page) == ([], None)


def test_a_single_record_is_returned_as_sent() -> None:
    parsed = parse_response(
        status=200, headers={}, body=b'{"data": {"gid": "1"}}', template="/tasks/{gid}", decoder=RECORD_DECODER
    )
    assert bytes(parsed.envelope.data) == b'{"gid": "1"}'


@pytest.mark.parametrize("body", [b'{"data":null}', b'{"data":[]}', b'{"data":"1"}', b"{}"])
def test_a_single_record_that_is_not_an_object_is_retryable(body: bytes) -> None:
    with pytest.raises(MalformedResponseError, match=r"^Asana returned 200 with JSON that has no `data` object$"):
        parse_response(status=200, headers={}, body=body, template="/tasks/{gid}", decoder=RECORD_DECODER)


NOT_ASANA = {
    "empty": (b"", "an empty body"),
    "blank": (b" \n", "an empty body"),
    "a page of HTML": (b"<!DOCTYPE html><html><body>We are having trouble.</body></html>", "an HTML page"),
    "HTML without a doctype": (b"\n<HTML><body>Log in</body></HTML>", "an HTML page"),
    "XML": (b'<?xml version="1.0"?><Error/>', "an XML document"),
    "text": (b"OK", "text that is not JSON"),
    "null": (b"null", "JSON that has no `data` list"),
    "a list": (b'[{"gid":"1"}]', "JSON that has no `data` list"),
    "no data": (b'{"next_page":null}', "JSON that has no `data` list"),
    "errors under a 200": (b'{"errors":[{"message":"Server Error"}]}', "an error instead of data: Server Error"),
    "errors without a message": (b'{"errors":[{"help":"secret"}]}', "JSON that has no `data` list"),
    "data that is not a list": (b'{"data":{"gid":"1"}}', "JSON that has no `data` list"),
    "data that is null": (b'{"data":null}', "JSON that has no `data` list"),
    "a next page without an offset": (b'{"data":[],"next_page":{}}', "a `next_page` that has no `offset`"),
    "an empty offset": (b'{"data":[],"next_page":{"offset":""}}', "a `next_page` that has no `offset`"),
    "an offset that is not text": (b'{"data":[],"next_page":{"offset":7}}', "a `next_page` that has no `offset`"),
    "something after the page": (b'{"data":[]}{"data":[]}', "invalid JSON"),
    "a page that is cut off": (b'{"data":[{"gid":"1"},', "truncated JSON"),
    "UTF-16": ('{"data":[]}'.encode("utf-16"), "text that is not JSON"),
    "a byte that is not UTF-8, outside a string": (b'{"data":[{"gid":"1"}\xff]}', "invalid JSON"),
}


@pytest.mark.parametrize(("body", "description"), NOT_ASANA.values(), ids=list(NOT_ASANA))
def test_a_200_that_is_not_asanas_is_retryable_and_described(body: bytes, description: str) -> None:
    with pytest.raises(MalformedResponseError) as caught:
        parse(200, body)
    assert (caught.value.rate_limited, caught.value.overloaded, caught.value.retry_after) == (False, False, 0)
    assert str(caught.value) == f"Asana returned 200 with {description}"


@pytest.mark.parametrize(
    ("status", "body", "description"),
    [
        (204, b"", ", with an empty body"),
        (202, b"<html></html>", ", with an HTML page"),
        (206, PAGE.encode()[:50], ", with truncated JSON"),
        (206, PAGE.encode(), ""),
        (203, PAGE.encode(), ""),
    ],
)
def test_another_2xx_is_not_a_complete_response_and_retryable(status: int, body: bytes, description: str) -> None:
    with pytest.raises(MalformedResponseError) as caught:
        parse(status, body)
    assert str(caught.value) == f"Asana returned {status} instead of 200{description}"


@NO_DEADLINE
@given(st.integers(0, len(PAGE.encode()) - 1))
def test_a_truncated_page_is_never_parsed_as_a_page(length: int) -> None:
    with pytest.raises(MalformedResponseError):
        parse(200, PAGE.encode()[:length])


@NO_DEADLINE
@given(st.integers(0, len(PAGE)), st.integers(0, 20), st.binary(max_size=5) | st.sampled_from([b"null", b"{}", b"[]"]))
def test_any_200_body_is_parsed_or_retryable(at: int, length: int, replacement: bytes) -> None:
    body = PAGE.encode()
    with suppress(MalformedResponseError):
        parsed = parse(200, body[:at] + replacement + body[at + length :])
        assert isinstance(parsed.envelope, ListEnvelope)
        assert msgspec.json.decode(parsed.body)["data"] == [msgspec.json.decode(one) for one in parsed.envelope.data]


# --- retryable statuses


TRANSIENT = [408, 429, *range(500, 512), *range(520, 531), 598, 599, 600, 999]


@pytest.mark.parametrize("status", TRANSIENT)
@pytest.mark.parametrize("body", [error_body("No."), b"", b"<html>", PAGE.encode()], ids=["errors", "", "html", "page"])
def test_a_transient_status_is_retryable_whatever_its_body(status: int, body: bytes) -> None:
    with pytest.raises(RetryableError, match=f"^Asana returned {status}$") as caught:
        parse(status, body)
    assert not isinstance(caught.value, MalformedResponseError)
    assert caught.value.rate_limited is (status == 429)
    assert caught.value.overloaded is (status != 429)
    assert caught.value.retry_after == 0


@pytest.mark.parametrize("status", range(300, 500))
def test_redirects_and_client_errors_are_final_except_408_and_429(status: int) -> None:
    assert is_final(status) is (status not in {408, 429})


@pytest.mark.parametrize("status", [200, 204, 206, *TRANSIENT])
def test_the_pause_of_a_retry_after_belongs_to_any_retryable_status(status: int) -> None:
    with pytest.raises(RetryableError) as caught:
        parse(status, b"", retry_after=17)
    assert caught.value.retry_after == 17


# --- permanent errors


@pytest.mark.parametrize(("status", "error_class"), PERMANENT_STATUSES)
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


@pytest.mark.parametrize(
    ("location", "target"),
    [
        ("https://login.example.com/sso?token=secret", "login.example.com"),
        ("https://user:secret@proxy.example.com:8443/secret", "proxy.example.com:8443"),
        ("//login.example.com/secret", "login.example.com"),
        ("/secret", "another path"),
        ("", "an unknown host"),
        (None, "an unknown host"),
        ("https://exa mple.com\\secret/", "an unknown host"),
        ("https://[::1/secret", "an unknown host"),
        ("https://example.com:port/secret", "an unknown host"),
    ],
)
def test_a_redirect_names_its_target_host_and_the_setting_but_no_url(location: str | None, target: str) -> None:
    with pytest.raises(RedirectError) as caught:
        parse(302, b"<html>secret</html>", {"Location": location} if location is not None else None)
    assert str(caught.value) == (
        f"GET /tasks/{{parent}}/stories returned 302: a redirect to {target}; check ASANA_BASE_URL"
    )


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
