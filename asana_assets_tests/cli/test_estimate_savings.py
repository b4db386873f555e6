"""What `asana-assets plan` says that another choice of endpoints saves."""

from dataclasses import replace

import pytest

from asana_assets.asana.endpoints import ATTACHMENTS, ENDPOINTS, PROJECTS, STORIES, SUBTASKS, TAGS, TASKS
from asana_assets.asana.model import Endpoint
from asana_assets.cli.estimate_savings import find_savings
from asana_assets.sync.estimate import EndpointCost


def costs(**requests: int) -> list[EndpointCost]:
    endpoints = {one.name: one for one in (PROJECTS, TASKS, SUBTASKS, STORIES, ATTACHMENTS, TAGS)}
    return [
        EndpointCost(endpoint=endpoints.get(name) or replace(TAGS, name=name), parents=1, stale=1, requests=number)
        for name, number in requests.items()
    ]


def savings(*found: EndpointCost) -> list[str]:
    return [str(saving) for saving in find_savings(found)]


def test_endpoints_that_others_need_are_not_left_out() -> None:
    assert savings(*costs(projects=1, tasks=400, subtasks=300, stories=1200, attachments=1100)) == [
        "1,200 (40%) without stories",
        "1,100 (37%) without attachments",
    ]


def test_the_requests_of_all_workspaces_count() -> None:
    twice = costs(tags=100, stories=300)
    assert savings(*twice, *twice) == ["600 (75%) without stories", "200 (25%) without tags"]


def test_small_savings_are_not_mentioned() -> None:
    assert savings(*costs(tags=59, stories=41)) == []
    assert savings(*costs(tags=99, stories=999)) == ["999 (91%) without stories"]


def test_a_single_endpoint_cannot_be_left_out() -> None:
    assert savings(*costs(tags=1_000)) == []


def test_what_the_standard_endpoints_alone_save_is_the_cost_of_all_others(monkeypatch: pytest.MonkeyPatch) -> None:
    further: list[Endpoint] = [replace(TAGS, name=name) for name in ("goals", "portfolios")]
    monkeypatch.setattr("asana_assets.asana.selection.ENDPOINTS", (*ENDPOINTS, *further))
    assert savings(*costs(tags=100, goals=70, portfolios=30))[-1] == "100 (50%) with standard alone"
