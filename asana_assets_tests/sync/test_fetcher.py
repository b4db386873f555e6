"""Concurrent fetching over real HTTP: every request is fetched, and a slow consumer holds the fetching back."""

import itertools
from collections import defaultdict
from collections.abc import Iterator

from asana_assets.asana.endpoints import TASKS
from asana_assets.sandbox import Sandbox
from asana_assets.sync.fetcher import FetchEvent, Outcome
from asana_assets.sync.parents import FetchRequest, listing_request, record_request
from asana_assets_tests.support.fetching import (
    SUBTASKS_OF_TASK,
    FetchTargets,
    build_fetcher,
    fetch,
    gids,
    open_client,
    wait_until,
    wait_until_idle,
    worker_threads,
)


def test_without_requests_there_are_no_events(asana: Sandbox) -> None:
    with open_client(asana) as client:
        assert list(fetch(client, iter(()))) == []


def test_every_page_of_a_request_arrives_once_and_then_its_outcome(asana: Sandbox, targets: FetchTargets) -> None:
    requests = [
        *targets.story_requests(60),
        *targets.task_requests(),
        record_request(TASKS, targets.tasks[0]),
    ]
    with open_client(asana) as client:
        events = list(fetch(client, iter(requests)))
    by_request: defaultdict[int, list[FetchEvent]] = defaultdict(list)
    for event in events:
        by_request[requests.index(event.request)].append(event)
    assert sorted(by_request) == list(range(len(requests)))
    for own in by_request.values():
        assert [event.outcome for event in own] == [*[None] * (len(own) - 1), Outcome.FETCHED]
        assert [event.page is None for event in own] == [*[False] * (len(own) - 1), True]
    assert gids(by_request[60]) == targets.tasks
    assert gids(by_request[61]) == targets.tasks[:1]
    assert len(asana.log) == 60 + 3 + 1


def test_the_number_of_requests_in_flight_reaches_the_clients_limit(targets: FetchTargets) -> None:
    with Sandbox(organization=targets.organization, latency=0.1) as asana, open_client(asana) as client:
        assert len(list(fetch(client, targets.story_requests(40)))) == 80
        assert asana.max_in_flight == 8


def test_requests_added_while_consuming_are_fetched(asana: Sandbox, targets: FetchTargets) -> None:
    """Five levels of subtasks, each of which is known only from the level above."""
    traps = targets.organization.edge_cases
    found: list[str] = []
    with open_client(asana) as client:
        fetcher = build_fetcher(client)
        fetcher.start(iter([listing_request(SUBTASKS_OF_TASK, traps["deep_parent"], targets.workspace)]))
        for event in fetcher.events():
            subtasks = gids([event])
            found += subtasks
            fetcher.enqueue(listing_request(SUBTASKS_OF_TASK, gid, targets.workspace) for gid in subtasks)
    assert found == [traps[f"level_{level}"] for level in range(1, 6)]


def test_requests_added_with_the_last_outcome_are_fetched(asana: Sandbox, targets: FetchTargets) -> None:
    requests = list(targets.story_requests(3))
    with open_client(asana) as client:
        fetcher = build_fetcher(client)
        ended: list[FetchRequest] = []
        fetcher.start(iter(requests[:1]))
        for event in fetcher.events():
            if event.outcome:
                ended.append(event.request)
                fetcher.enqueue(requests[len(ended) : len(ended) + 1])
    assert ended == requests


def test_a_fetcher_is_drained_when_every_event_is_consumed(asana: Sandbox, targets: FetchTargets) -> None:
    with open_client(asana) as client:
        fetcher = build_fetcher(client)
        assert fetcher.drained
        fetcher.start(targets.story_requests(3))
        events = fetcher.events()
        next(events)
        wait_until(lambda: not fetcher.drained)
        list(events)
        assert fetcher.drained


def test_a_consumer_that_pauses_holds_back_the_pages_of_one_listing(asana: Sandbox, targets: FetchTargets) -> None:
    with open_client(asana, max_in_flight=4) as client:
        events = fetch(client, iter([targets.endless_task_request()]))
        next(events)
        wait_until_idle(asana)
        assert len(asana.log) <= 1 + 2 * 4 + 1
        for _ in range(20):
            next(events)
        assert len(asana.log) >= 21
        events.close()


def test_a_consumer_that_pauses_holds_back_all_listings(asana: Sandbox, targets: FetchTargets) -> None:
    with open_client(asana, max_in_flight=4) as client:
        events = fetch(client, itertools.repeat(targets.endless_task_request()))
        next(events)
        wait_until_idle(asana)
        assert len(asana.log) <= 1 + 2 * 4 + 4
        events.close()


def test_requests_are_generated_as_they_are_needed(asana: Sandbox, targets: FetchTargets) -> None:
    generated = 0

    def requests() -> Iterator[FetchRequest]:
        nonlocal generated
        for request in targets.endless_story_requests():
            generated += 1
            yield request

    with open_client(asana, max_in_flight=4) as client:
        events = fetch(client, requests())
        next(events)
        assert generated <= 2 * 4 + 1
        events.close()


def test_closing_early_stops_the_threads_and_the_requests(asana: Sandbox, targets: FetchTargets) -> None:
    with open_client(asana) as client:
        events = fetch(client, targets.endless_story_requests())
        for _ in range(10):
            next(events)
        assert worker_threads()
        events.close()
        assert worker_threads() == []
        sent = len(asana.log)
        wait_until_idle(asana)
        assert len(asana.log) == sent
