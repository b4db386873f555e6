"""What faults change in listings: missing records, wrong pages, listings without an end."""

from __future__ import annotations

from itertools import islice
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from asana_assets.sandbox import FaultKind
    from asana_assets_tests.support.sandbox_client import Record, SandboxClient


def _gids(records: list[Record]) -> list[str]:
    return [record["gid"] for record in records]


def _tasks(client: SandboxClient) -> list[str]:
    return _gids(client.records("/tasks", project=client.gid("main_project")))


def _pages(client: SandboxClient, count: int | None = None, limit: int = 5) -> list[list[str]]:
    pages = client.pages("/tasks", project=client.gid("main_project"), limit=limit)
    return [_gids(page) for page in islice(pages, count)]


def test_an_empty_listing_has_no_next_page(client: SandboxClient) -> None:
    fault = client.sandbox.add_fault("/tasks", "empty_listing", times=2)
    project = client.gid("main_project")
    assert client.body("/tasks", project=project, limit=5) == {"data": [], "next_page": None}
    assert client.body("/tasks", project=project) == {"data": []}
    assert client.records("/tasks", project=project)
    assert fault.hits == 2
    assert len(client.sandbox.truth("tasks", client.gid("paid_organization"))) > 1


def test_an_empty_page_has_a_next_page(client: SandboxClient) -> None:
    correct = _pages(client)
    client.sandbox.add_fault("/tasks", "empty_page", after_records=5, times=1)
    assert _pages(client) == [correct[0], [], *correct[2:]]


def test_a_listing_can_end_early(client: SandboxClient) -> None:
    correct = _pages(client)
    client.sandbox.add_fault("/tasks", "early_end", skip=1, times=1)
    assert _pages(client) == correct[:2]
    assert _pages(client) == correct


@pytest.mark.parametrize(("lost", "count"), [(0, 1), (0.8, 14), (1, 18)])
def test_the_head_or_tail_of_a_listing_can_be_missing(client: SandboxClient, lost: float, count: int) -> None:
    correct = _tasks(client)
    assert len(correct) == 18
    client.sandbox.add_fault("/tasks", "missing_head", lost=lost, times=1)
    client.sandbox.add_fault("/tasks", "missing_tail", lost=lost, skip=1)
    assert [_tasks(client), _tasks(client)] == [correct[count:], correct[: 18 - count]]


@pytest.mark.parametrize("kind", ["missing_some", "missing_varying"])
def test_records_anywhere_can_be_missing(client: SandboxClient, kind: FaultKind) -> None:
    correct = _tasks(client)
    client.sandbox.add_fault("/tasks", kind, lost=0.5)
    first, second = _tasks(client), _tasks(client)
    assert first == [gid for gid in correct if gid in first]
    assert len(first) == len(second) == len(correct) - round(len(correct) * 0.5)
    assert (first == second) == (kind == "missing_some")


def test_records_can_be_in_another_order(client: SandboxClient) -> None:
    path = f"/workspaces/{client.gid('paid_organization')}/tasks/search"
    sorted_gids = _gids(client.records(path))
    client.sandbox.add_fault("/workspaces/{gid}/tasks/search", "shuffled")
    shuffled = _gids(client.records(path))
    assert shuffled != sorted_gids
    assert sorted(shuffled) == sorted(sorted_gids)


@pytest.mark.parametrize("value", [{}, {"offset": None}, {"offset": ""}, {"offset": 5}, "next", [], 1])
def test_next_page_can_be_anything(client: SandboxClient, value: object) -> None:
    client.sandbox.add_fault("/tasks", "replaced_next_page", value=value)  # pyright: ignore[reportArgumentType]  # JSON
    assert client.body("/tasks", project=client.gid("main_project"), limit=5)["next_page"] == value


def test_endless_pages_repeat_the_first_with_new_offsets(client: SandboxClient) -> None:
    first = _pages(client, 1)[0]
    fault = client.sandbox.add_fault("/tasks", "endless_pages")
    assert _pages(client, 8) == [first] * 8
    offsets = [entry.query.get("offset") for entry in client.sandbox.log][-8:]
    assert len(set(offsets)) == 8
    fault.cancel()
    stale = client.error("/tasks", project=client.gid("main_project"), limit=5, offset="again-3")
    assert stale == (400, "offset: Your pagination token is invalid.")


def test_an_endless_cycle_starts_again_after_its_last_page(client: SandboxClient) -> None:
    correct = _pages(client)
    client.sandbox.add_fault("/tasks", "endless_cycle")
    assert _pages(client, 2 * len(correct) + 1) == [*correct, *correct, correct[0]]


def test_endless_empty_pages_follow_the_last_page(client: SandboxClient) -> None:
    correct = _pages(client)
    client.sandbox.add_fault("/tasks", "endless_empty_pages")
    assert _pages(client, len(correct) + 4) == [*correct, [], [], [], []]


def test_a_parameter_can_be_ignored(client: SandboxClient) -> None:
    path = f"/workspaces/{client.gid('paid_organization')}/tasks/search"
    everything = _gids(client.records(path))
    client.sandbox.add_fault(path, "ignored_parameter", parameter="modified_at.after")
    assert _gids(client.records(path, modified_at__after="2199-01-01T00:00:00Z")) == everything


@pytest.mark.parametrize("value", [None, {}, "a text", 5])
def test_data_can_be_missing_or_not_a_list(client: SandboxClient, value: object) -> None:
    client.sandbox.add_fault("/workspaces", "no_data", times=1)
    client.sandbox.add_fault("/workspaces", "replaced_data", value=value, skip=1)  # pyright: ignore[reportArgumentType]  # JSON
    assert client.body("/workspaces", limit=100) == {"next_page": None}
    assert client.body("/workspaces", limit=100) == {"data": value, "next_page": None}


def test_an_error_is_not_changed(client: SandboxClient) -> None:
    client.sandbox.add_fault("*", "empty_listing")
    assert client.get("/tasks/1/stories").status_code == 404
