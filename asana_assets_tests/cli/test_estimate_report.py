"""The sentence that describes how accurate an estimate is."""

import pytest

from asana_assets.asana.client import RequestStats
from asana_assets.asana.endpoints import SUBTASKS, TAGS, TASKS
from asana_assets.asana.model import Endpoint
from asana_assets.cli.estimate_report import accuracy_note
from asana_assets.sync.estimate import EndpointCost, SyncEstimate
from asana_assets.sync.row_prediction import Accuracy
from asana_assets.sync.sampling import Margin, Sample


def note(accuracy: Accuracy, *endpoints: Endpoint) -> str:
    costs = [EndpointCost(endpoint=endpoint, parents=1, stale=1, requests=1) for endpoint in endpoints]
    return accuracy_note(SyncEstimate(costs=costs, accuracy=accuracy, request_stats=RequestStats()))


def test_without_limits_an_estimate_is_exact() -> None:
    assert note(Accuracy(), TAGS) == "Exact, if nothing changes before the sync."
    assert note(Accuracy(), TAGS, TASKS, SUBTASKS) == (
        "Exact, as far as search finds the changes since the last sync; each deleted record of tasks and subtasks "
        "takes one more request."
    )


@pytest.mark.parametrize(
    ("accuracy", "expected"),
    [
        (
            Accuracy(truncated={"users": 800, "teams": 90, "projects": 700}),
            "there are more than 800 users, 90 teams and 700 projects",
        ),
        (
            Accuracy(search_unavailable=["tasks"]),
            "changes since the last sync are unknown, because search, which is for paid plans, is unavailable",
        ),
        (
            Accuracy(search_truncated=["tasks", "subtasks"]),
            "more tasks and subtasks changed since the last sync than this estimate fetched",
        ),
    ],
)
def test_with_limits_and_no_sample_an_estimate_is_a_lower_bound(accuracy: Accuracy, expected: str) -> None:
    assert note(accuracy, TASKS) == f"At least this many requests: {expected}."


def test_a_sample_is_described_with_its_margin() -> None:
    accuracy = Accuracy(
        sampled={"projects": Sample(sampled=17, population=1_065)},
        margins={"tasks": Margin(rows=1_226, relative=0.4016)},
    )
    assert note(accuracy, TASKS) == "Estimated from 17 of 1,065 projects: 1,226 tasks, likely within 40%."
