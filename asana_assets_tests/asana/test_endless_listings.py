"""Laws of listings that never end: they are a contract error, after few requests."""

import itertools
from http.server import BaseHTTPRequestHandler

import msgspec
import pytest

from asana_assets.asana.errors import ContractError
from asana_assets.asana.paging import MAX_PAGES, ListingProgress
from asana_assets.asana.request import ApiRequest
from asana_assets.asana.response import ListEnvelope, NextPage
from asana_assets.sandbox import Sandbox
from asana_assets_tests.support.client_harness import LargeProject, client_at, client_of, gids, page_body, pages
from asana_assets_tests.support.scripted_server import respond_in_turn, respond_with, serve


def test_a_repeated_offset_is_a_contract_error(sandbox: Sandbox, large_project: LargeProject) -> None:
    sandbox.add_fault("/tasks", "repeated_offset")
    with (
        client_of(sandbox) as client,
        pytest.raises(ContractError, match=r"^GET /tasks returned the same offset twice; the listing never ends$"),
    ):
        list(pages(client, large_project.request))
    assert len(sandbox.log) == 2


def test_offsets_that_form_a_loop_are_a_contract_error() -> None:
    def respond(handler: BaseHTTPRequestHandler) -> None:
        offset = "a" if "offset=b" in handler.path else "b"
        respond_with(200, page_body(offset=offset))(handler)

    with serve(respond) as server, client_at(server.url) as client:
        with pytest.raises(ContractError):
            list(pages(client))
        assert len(server.requests) == 3


def test_an_empty_page_ends_a_log_that_always_names_a_next_page() -> None:
    bodies = [page_body("1", offset="a"), page_body("2", offset="b"), page_body(offset="b")]
    with (
        serve(respond_in_turn(*[respond_with(200, body) for body in bodies])) as server,
        client_at(server.url) as client,
    ):
        assert gids(pages(client, ApiRequest(template="/log", ends_empty=True))) == ["1", "2"]
        assert len(server.requests) == 3


def test_a_log_may_have_any_number_of_pages_but_repeats_none() -> None:
    progress = ListingProgress("/log", ends_empty=True)
    for number in range(MAX_PAGES + 10):
        record = msgspec.Raw(msgspec.json.encode({"gid": str(number)}))
        page = ListEnvelope(data=[record], next_page=NextPage(offset=str(number)))
        assert progress.next_offset(page) == str(number)
    with pytest.raises(ContractError, match="the same offset twice"):
        progress.next_offset(ListEnvelope(data=[msgspec.Raw(b'{"gid":"x"}')], next_page=NextPage(offset="1")))


@pytest.mark.parametrize("period", [1, 2, 5])
def test_pages_repeated_under_fresh_offsets_are_a_contract_error(period: int) -> None:
    offsets = itertools.count(1)

    def respond(handler: BaseHTTPRequestHandler) -> None:
        at = next(offsets)
        respond_with(200, page_body(f"gid {at % period}", f"other {at}", offset=str(at)))(handler)

    with serve(respond) as server, client_at(server.url) as client:
        with pytest.raises(ContractError, match=r"3 pages in a row that it had already returned .*never ends$"):
            list(pages(client))
        assert len(server.requests) == period + 3


def test_a_page_repeated_twice_is_not_a_loop() -> None:
    bodies = [page_body("1", offset="a"), page_body("1", offset="b"), page_body("1", offset="c"), page_body("2")]
    with (
        serve(respond_in_turn(*[respond_with(200, body) for body in bodies])) as server,
        client_at(server.url) as client,
    ):
        assert gids(pages(client)) == ["1", "1", "1", "2"]


def test_3_empty_pages_in_a_row_are_a_contract_error() -> None:
    offsets = itertools.count()

    def respond(handler: BaseHTTPRequestHandler) -> None:
        respond_with(200, page_body(offset=str(next(offsets))))(handler)

    with serve(respond) as server, client_at(server.url) as client:
        with pytest.raises(ContractError, match=r"returned 3 empty pages in a row .*the listing never ends$"):
            list(pages(client))
        assert len(server.requests) == 3


def test_records_without_a_gid_are_not_mistaken_for_a_repeated_page() -> None:
    bodies = [b'{"data":[null],"next_page":{"offset":"%d"}}' % at for at in range(5)]
    responses = [respond_with(200, body) for body in [*bodies, page_body("1")]]
    with serve(respond_in_turn(*responses)) as server, client_at(server.url) as client:
        assert sum(page.count for page in pages(client)) == 6


def test_a_listing_of_too_many_pages_is_a_contract_error() -> None:
    progress = ListingProgress("/tasks")

    def page(at: int) -> ListEnvelope:
        return ListEnvelope(data=[msgspec.Raw(b'{"gid":"%d"}' % at)], next_page=NextPage(offset=str(at)))

    for at in range(1, MAX_PAGES):
        assert progress.next_offset(page(at)) == str(at)
    with pytest.raises(
        ContractError, match=f"^GET /tasks returned {MAX_PAGES} pages and has more; the listing never ends"
    ):
        progress.next_offset(page(MAX_PAGES))
