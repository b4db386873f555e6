"""When an endpoint is taken to be missing from the plan, and when that is tried with one request."""

import datetime as dt
from dataclasses import replace

import pyarrow as pa
import pytest

from asana_assets.asana.endpoints import STORIES
from asana_assets.asana.model import Endpoint
from asana_assets.sync.failure_policy import MAX_UNIFORM_REFUSALS, OutcomeTally
from asana_assets.sync.fetcher import Outcome
from asana_assets.sync.plan_limit import decide_not_on_plan, decide_to_try_alone
from asana_assets.sync.sync_state import SyncState

PAID = replace(STORIES, plan="Advanced")
FETCHED_ONE = SyncState(
    parents=SyncState.rows(pa.array(["1"]), pa.array(["v"]), dt.datetime(2026, 5, 9, tzinfo=dt.UTC))
)


def tally(*outcomes: Outcome) -> OutcomeTally:
    tally = OutcomeTally()
    for outcome in outcomes:
        tally.add(outcome, None)
    return tally


@pytest.mark.parametrize(
    ("endpoint", "state", "has_rows", "alone"),
    [
        (STORIES, SyncState(), False, False),
        (STORIES, SyncState(not_on_plan=True), False, True),
        (PAID, SyncState(), False, True),
        (PAID, SyncState(), True, False),
        (PAID, FETCHED_ONE, False, False),
        (PAID, SyncState(not_on_plan=True), True, True),
    ],
)
def test_what_the_plan_may_lack_is_tried_alone_until_it_was_fetched(
    endpoint: Endpoint, state: SyncState, *, has_rows: bool, alone: bool
) -> None:
    assert decide_to_try_alone(endpoint, state, has_rows=has_rows) is alone


def test_one_rejection_is_believed_only_if_it_was_tried_alone() -> None:
    rejected = [tally(Outcome.NOT_ON_PLAN)]
    assert decide_not_on_plan(rejected, tried_alone=True)
    assert not decide_not_on_plan(rejected, tried_alone=False)
    assert decide_not_on_plan([tally(*[Outcome.NOT_ON_PLAN] * MAX_UNIFORM_REFUSALS)], tried_alone=False)


@pytest.mark.parametrize("outcome", [Outcome.FETCHED, Outcome.TRUNCATED])
def test_a_success_of_any_listing_shows_that_the_plan_includes_the_endpoint(outcome: Outcome) -> None:
    many = tally(*[Outcome.NOT_ON_PLAN] * MAX_UNIFORM_REFUSALS)
    assert not decide_not_on_plan([many, tally(outcome)], tried_alone=False)
    assert not decide_not_on_plan([many, tally(outcome)], tried_alone=True)


@pytest.mark.parametrize("outcome", [Outcome.FORBIDDEN, Outcome.DELETED, Outcome.FAILED])
def test_other_failures_do_not_show_anything_about_the_plan(outcome: Outcome) -> None:
    assert not decide_not_on_plan([tally(outcome)], tried_alone=True)
