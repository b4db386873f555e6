"""Search results are trusted only as far as they can be checked: nothing is missed, and requests are bounded."""

import datetime as dt
import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from asana_assets.asana.client import RequestStats
from asana_assets.asana.model import Listing
from asana_assets.sync.change_search import OVERLAP, ChangeSearch, FoundPages
from asana_assets.sync.search_records import decode_records
from asana_assets_tests.support.client_harness import client_at
from asana_assets_tests.support.search_server import MILLISECOND, Arrange, Record, SearchServer, build_records

LISTING = Listing(path="/workspaces/{workspace}/tasks/search")
NOW = dt.datetime.now(dt.UTC).replace(microsecond=0)
HOUR = dt.timedelta(hours=1)
SINCE = NOW - 24 * HOUR


def shuffled(records: list[Record]) -> list[Record]:
    return random.Random(len(records)).sample(records, len(records))  # noqa: S311 - an order, not a secret


def search(server: SearchServer) -> tuple[list[str], bool]:
    """Return the gids that a search since `SINCE` finds, and whether it is complete."""
    found, pages = run_search(server)
    return found, pages.complete


def run_search(server: SearchServer) -> tuple[list[str], FoundPages]:
    """Return the gids that a search since `SINCE` finds, and its pages."""
    with server.running(), client_at(server.url) as client:
        pages = ChangeSearch(client, interval_seconds=0).changed_since(
            LISTING, "7", SINCE + OVERLAP, opt_fields="", stats=RequestStats()
        )
        assert pages is not None
        return [record.gid for page in pages for record in decode_records(page)], pages


def evenly(count: int) -> list[dt.datetime]:
    return [SINCE + (NOW - SINCE) * index / count for index in range(count)]


def gids(records: list[Record]) -> set[str]:
    return {str(record["gid"]) for record in records}


def test_a_sorted_search_takes_one_request_per_page() -> None:
    server = SearchServer(records=build_records(evenly(950)))
    found, complete = search(server)
    assert set(found) == gids(list(server.records))
    assert complete
    assert len(server.requests) == 10


@pytest.mark.parametrize("arrange", [shuffled, lambda records: records[::-1]], ids=["shuffled", "descending"])
@pytest.mark.parametrize(
    "modified_at",
    [evenly(950), [SINCE + HOUR + index * MILLISECOND for index in range(450)], [SINCE] * 50 + [NOW] * 99],
    ids=["spread", "dense", "at both ends"],
)
def test_results_in_another_order_than_requested_are_all_found(
    arrange: Arrange, modified_at: list[dt.datetime], caplog: pytest.LogCaptureFixture
) -> None:
    server = SearchServer(records=build_records(modified_at), arrange=arrange)
    found, complete = search(server)
    assert set(found) == gids(list(server.records))
    assert complete
    assert "did not sort its results by modified_at" in caplog.text
    assert len(server.requests) <= 100


def test_a_page_that_is_not_full_is_complete_whatever_its_order(caplog: pytest.LogCaptureFixture) -> None:
    server = SearchServer(records=build_records(evenly(99)), arrange=shuffled)
    found, complete = search(server)
    assert (set(found), complete, len(server.requests)) == (gids(list(server.records)), True, 1)
    assert caplog.text == ""


@pytest.mark.parametrize("arrange", [shuffled, lambda records: records], ids=["shuffled", "sorted"])
def test_records_of_one_instant_in_any_order_are_distinguished_by_their_creation(arrange: Arrange) -> None:
    instant = NOW - HOUR
    created_at = [instant - index * HOUR for index in range(250)]
    server = SearchServer(records=build_records([instant] * 250, created_at), arrange=arrange)
    found, complete = search(server)
    assert set(found) == gids(list(server.records))
    assert complete
    assert len(server.requests) <= 150


def test_records_that_cannot_be_distinguished_by_time_are_reported(caplog: pytest.LogCaptureFixture) -> None:
    server = SearchServer(records=build_records([NOW - HOUR] * 130), arrange=shuffled)
    found, pages = run_search(server)
    assert len(set(found)) >= 100
    assert "within one millisecond" in caplog.text
    assert "within one millisecond" in pages.failure
    assert pages.complete  # another search would not find them either
    assert len(server.requests) <= 200


def test_a_record_that_was_modified_after_it_was_indexed_hides_no_other() -> None:
    """The index lags: it sorts by earlier times than those in the records."""
    records = build_records(evenly(300))
    late = dict(records[10], modified_at=records[-1]["modified_at"])

    def arrange(found: list[Record]) -> list[Record]:
        return [late if record["gid"] == late["gid"] else record for record in found]

    server = SearchServer(records=records, arrange=arrange)
    found, complete = search(server)
    assert set(found) == gids(records)
    assert complete


@pytest.mark.parametrize(
    "ignored",
    [{"modified_at.after"}, {"modified_at.before"}, {"modified_at.after", "modified_at.before"}],
    ids=["after", "before", "both"],
)
def test_a_server_that_ignores_the_bounds_costs_a_bounded_number_of_requests(
    ignored: set[str], caplog: pytest.LogCaptureFixture
) -> None:
    records = build_records([SINCE - 24 * HOUR + index * HOUR / 100 for index in range(4000)])
    server = SearchServer(records=records, ignored=frozenset(ignored), arrange=shuffled)
    _, pages = run_search(server)
    assert len(server.requests) <= 300
    if not pages.complete:
        assert "search of workspace 7" in pages.failure
        assert "Search failed; changes that only search finds are searched for again by the next sync" in caplog.text


def test_a_full_page_with_records_that_have_no_time_is_searched_by_windows() -> None:
    records = build_records(evenly(150))

    def arrange(found: list[Record]) -> list[Record]:
        return [{"gid": record["gid"]} if record["gid"] == "1010" else record for record in found]

    found, complete = search(SearchServer(records=records, arrange=arrange))
    assert (set(found), complete) == (gids(records), True)


@pytest.mark.slow
@settings(deadline=None, max_examples=25)
@given(
    clusters=st.lists(st.tuples(st.integers(0, 86_399_999), st.integers(1, 150), st.integers(0, 50)), max_size=4),
    arranged=st.sampled_from([shuffled, lambda records: records, lambda records: records[::-1]]),
)
def test_nothing_is_missed_in_any_order_and_distribution(
    clusters: list[tuple[int, int, int]], arranged: Arrange
) -> None:
    """Each cluster is a start in milliseconds, a number of records, and the milliseconds over which they spread."""
    modified_at = [
        SINCE + (start + (index * spread) // count) * MILLISECOND
        for start, count, spread in clusters
        for index in range(count)
    ]
    created_at = [SINCE - index * HOUR for index in range(len(modified_at))]
    server = SearchServer(records=build_records(modified_at, created_at), arrange=arranged)
    found, complete = search(server)
    assert set(found) == gids(list(server.records))
    assert complete
