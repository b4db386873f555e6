"""Laws of text repair: bad text costs neither its record nor its page, and nothing else is changed."""

import io
import json
import threading
from typing import cast

import msgspec
import pyarrow as pa
import pyarrow.json as pj
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from asana_assets.asana.client import ApiRequest, RequestStats
from asana_assets.asana.errors import TransientError
from asana_assets.asana.response import (
    LIST_DECODER,
    ListEnvelope,
    MalformedResponseError,
    ParsedResponse,
    parse_response,
)
from asana_assets.asana.retry_policy import RetryPolicy
from asana_assets.asana.text_repair import repair_text
from asana_assets_tests.support.client_harness import client_at, pages
from asana_assets_tests.support.scripted_server import respond_with, serve

NO_DEADLINE = settings(deadline=None)  # the machine may be busy
R = "�"

DAMAGED = {
    "a high surrogate": (rb"Great \ud83d", f"Great {R}", 1),
    "a low surrogate": (rb"\ude00 Great", f"{R} Great", 1),
    "a reversed pair": (rb"\ude00\ud83d", R + R, 1),
    "two high surrogates": (rb"\ud83d\ud83d", R + R, 1),
    "a high surrogate before a pair": (rb"\ud83d\ud83d\ude00", f"{R}😀", 1),
    "a high surrogate before another escape": (rb"\ud83d\n\uD83D\u0041", f"{R}\n{R}A", 1),
    "a high surrogate before an escaped backslash": (rb"\ud83d\\ude00", f"{R}\\ude00", 1),
    "a surrogate in capitals": (rb"\uD83D\uDE00 \uDBFF", f"😀 {R}", 1),
    "a byte that is not UTF-8": (b"Gr\xfc\xdfe", f"Gr{R}{R}e", 1),
    "a truncated UTF-8 sequence": (b"Great \xf0\x9f\x98", f"Great {R}", 1),
    "a surrogate as UTF-8": (b"\xed\xa0\xbd", R * 3, 1),
    "an overlong NUL": (b"\xc0\x80", R + R, 1),
    "a cut escape": (rb"Great \ud8", f"Great {R}", 1),
    "an escape without digits": (rb"Great \u", f"Great {R}", 1),
    "an unknown escape": (rb"\x41", f"{R}41", 1),
    "an unknown escape of a character that is not ASCII": ("\\é".encode(), R, 1),
    "a backslash before a byte that is not UTF-8": (b"\\\xff", R, 1),
    "control characters": (b"a\x00b\tc\nd", "a\0b\tc\nd", 1),
    "a replacement character": (R.encode(), R, 0),
    "an escaped replacement character": (rb"\ufffd", R, 0),
    "a surrogate that is only text": (rb"\\ud83d \\\\ud83d", "\\ud83d \\\\ud83d", 0),
    "a pair": (rb"\ud83d\ude00", "😀", 0),
    "an escaped NUL": (rb"\u0000", "\0", 0),
}


def page_of(*names: bytes) -> bytes:
    records = b",".join(b'{"gid":"%d","name":"%b"}' % (at, name) for at, name in enumerate(names))
    return b'{"data":[%b],"next_page":null}' % records


def parse(body: bytes) -> ParsedResponse[ListEnvelope]:
    return parse_response(status=200, headers={}, body=body, template="/tasks", decoder=LIST_DECODER)


def names_by_msgspec(body: bytes) -> list[str]:
    return [record["name"] for record in msgspec.json.decode(body)["data"]]


def names_by_arrow(body: bytes) -> list[str]:
    """Return the names as Arrow reads them, which is how pages become rows."""
    records = pa.list_(pa.struct([pa.field("gid", pa.string()), pa.field("name", pa.string())]))
    options = pj.ParseOptions(explicit_schema=pa.schema([pa.field("data", records)]), newlines_in_values=True)
    table = pj.read_json(io.BytesIO(body), parse_options=options)
    table.validate(full=True)
    return [record["name"] for record in cast("list[dict[str, str]]", table["data"].to_pylist()[0])]


# --- through HTTP


@pytest.mark.parametrize(("name", "expected", "repairs"), DAMAGED.values(), ids=list(DAMAGED))
def test_a_damaged_name_costs_no_record_and_no_retry(name: bytes, expected: str, repairs: int) -> None:
    with serve(respond_with(200, page_of(b"first", name, b"last"))) as server, client_at(server.url) as client:
        [page] = pages(client)
        assert len(server.requests) == 1
    assert (page.count, page.repairs) == (3, repairs)
    assert names_by_msgspec(page.body) == names_by_arrow(page.body) == ["first", expected, "last"]


def test_repairs_are_counted_per_text() -> None:
    with (
        serve(respond_with(200, page_of(rb"\ud83d \ud83d", b"\xff", b"valid"))) as server,
        client_at(server.url) as client,
    ):
        assert [page.repairs for page in pages(client)] == [2]


def test_a_damaged_single_record_is_repaired() -> None:
    request = ApiRequest(template="/tasks/{gid}", values={"gid": "1"})
    body = rb'{"data":{"gid":"1","name":"Great \ud83d"}}'
    with serve(respond_with(200, body)) as server, client_at(server.url) as client:
        page = client.get_record(request, opt_fields="name", stats=RequestStats(), stop=threading.Event())
    assert page.repairs == 1
    assert json.loads(page.body) == {"data": [{"gid": "1", "name": f"Great {R}"}]}


def test_a_truncated_page_with_a_damaged_name_is_retried_until_the_budget_is_spent() -> None:
    retry = RetryPolicy(max_attempts=2, max_backoff_seconds=0.01)
    with (
        serve(respond_with(200, page_of(rb"Great \ud83d")[:-20])) as server,
        client_at(server.url, retry=retry) as client,
        pytest.raises(TransientError, match=r"failed 2 times: Asana returned 200 with truncated JSON$"),
    ):
        list(pages(client))


# --- pure laws

PIECES = st.sampled_from(
    [piece for piece, _, _ in DAMAGED.values()]
    + [b"a", b'\\"', rb"\\", b"{", b"]", b",", b" ", b"\x7f", "é😀".encode()]
)


@NO_DEADLINE
@given(st.lists(st.lists(PIECES, max_size=6).map(b"".join), min_size=1, max_size=4))
def test_repaired_pages_are_read_alike_by_msgspec_and_arrow(names: list[bytes]) -> None:
    parsed = parse(page_of(*names))
    assert names_by_msgspec(parsed.body) == names_by_arrow(parsed.body)
    assert (parsed.repairs == 0) == (parsed.body == page_of(*names))


@NO_DEADLINE
@given(st.binary(max_size=30))
def test_any_bytes_without_a_quote_are_valid_text_after_the_repair(name: bytes) -> None:
    """A quote ends the string; a backslash at the end would escape the closing one."""
    name = name.replace(b'"', b"").rstrip(b"\\")
    body = parse(page_of(name)).body
    assert names_by_msgspec(body) == names_by_arrow(body)


@NO_DEADLINE
@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.text(),
        lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    )
)
def test_valid_json_is_not_changed(value: object) -> None:
    for body in (msgspec.json.encode(value), json.dumps(value).encode()):
        assert repair_text(body) == (body, 0)


@NO_DEADLINE
@given(st.binary(max_size=60))
def test_a_repaired_body_needs_no_further_repair(body: bytes) -> None:
    repaired, _ = repair_text(body)
    assert repair_text(repaired) == (repaired, 0)


@NO_DEADLINE
@given(st.data())
def test_a_truncated_page_is_never_repaired_to_a_page(data: st.DataObject) -> None:
    body = page_of(b"first", *data.draw(st.lists(PIECES, max_size=3)), b"last")
    with pytest.raises(MalformedResponseError):
        parse(body[: data.draw(st.integers(0, len(body) - 1))])


@pytest.mark.parametrize("body", [b'{"data":[\xff]}', b'{"data":[{"gid":"1"}]}\xff', rb'{"data":[\ud83d]}', b"\xff"])
def test_nothing_outside_strings_is_repaired(body: bytes) -> None:
    assert repair_text(body) == (body, 0)
    with pytest.raises(MalformedResponseError):
        parse(body)


def test_a_byte_order_mark_is_removed() -> None:
    parsed = parse(b"\xef\xbb\xbf" + page_of(b"name"))
    assert (parsed.body, parsed.repairs) == (page_of(b"name"), 0)


def test_an_unclosed_string_of_many_quotes_takes_linear_time() -> None:
    body = b'{"data":["' + rb"\"" * 1_000_000
    assert repair_text(body) == (body, 0)
