"""When failures of single parents are a failure of the whole endpoint."""

import pytest

from asana_assets.asana.errors import TransientError
from asana_assets.sync.failure_policy import (
    MAX_CONSECUTIVE_FAILURES,
    MAX_UNIFORM_REFUSALS,
    OutcomeTally,
    decide_to_confirm,
    decide_to_fail,
    decide_to_stop,
    systematic_failure,
)
from asana_assets.sync.fetcher import Outcome

ERROR = TransientError("GET /x failed")


def tally(*outcomes: tuple[Outcome, int]) -> OutcomeTally:
    counted = OutcomeTally()
    for outcome, count in outcomes:
        for _ in range(count):
            counted.add(outcome, None if outcome is Outcome.FETCHED else ERROR)
    return counted


@pytest.mark.parametrize("outcome", [Outcome.FORBIDDEN, Outcome.DELETED])
def test_uniform_refusals_stop_the_listing(outcome: Outcome) -> None:
    assert not decide_to_stop(tally((outcome, MAX_UNIFORM_REFUSALS - 1)), requests_left=True)
    assert decide_to_stop(tally((outcome, MAX_UNIFORM_REFUSALS)), requests_left=False)


@pytest.mark.parametrize("outcome", [Outcome.FORBIDDEN, Outcome.DELETED])
def test_refusals_after_a_success_do_not_stop_the_listing(outcome: Outcome) -> None:
    assert not decide_to_stop(tally((Outcome.FETCHED, 1), (outcome, 1_000)), requests_left=True)


def test_parents_not_found_stop_the_listing_once_one_of_them_is_confirmed() -> None:
    unconfirmed = OutcomeTally()
    unconfirmed.deferred[Outcome.DELETED] = MAX_UNIFORM_REFUSALS - 1
    assert not decide_to_confirm(unconfirmed)
    unconfirmed.deferred[Outcome.DELETED] += 1
    assert decide_to_confirm(unconfirmed)
    assert not decide_to_stop(unconfirmed, requests_left=True)
    unconfirmed.add(Outcome.DELETED, ERROR)
    assert decide_to_stop(unconfirmed, requests_left=True)
    unconfirmed.deferred[Outcome.FETCHED] += 1
    assert not decide_to_confirm(unconfirmed)
    assert not decide_to_stop(unconfirmed, requests_left=True)


def test_consecutive_failures_stop_the_listing_only_while_requests_are_left() -> None:
    failing = tally((Outcome.FETCHED, 50), (Outcome.FAILED, MAX_CONSECUTIVE_FAILURES))
    assert decide_to_stop(failing, requests_left=True)
    assert not decide_to_stop(failing, requests_left=False)
    failing.add(Outcome.FETCHED, None)
    assert not decide_to_stop(failing, requests_left=True)


def test_fewer_than_three_skipped_parents_never_fail_the_listing() -> None:
    assert not decide_to_fail(tally((Outcome.FAILED, 2)), unchanged=0)


def test_a_listing_of_which_nothing_was_fetched_fails() -> None:
    assert decide_to_fail(tally((Outcome.FORBIDDEN, 3)), unchanged=0)
    assert not decide_to_fail(tally((Outcome.FORBIDDEN, 3)), unchanged=1)


def test_a_listing_of_which_most_parents_failed_fails() -> None:
    assert decide_to_fail(tally((Outcome.FAILED, 6), (Outcome.FETCHED, 5)), unchanged=0)
    assert not decide_to_fail(tally((Outcome.FAILED, 6), (Outcome.FETCHED, 5)), unchanged=1)


def test_a_systematic_failure_quotes_its_cause_and_counts_the_parents() -> None:
    error = systematic_failure(tally((Outcome.FAILED, 4), (Outcome.FETCHED, 1)))
    assert str(error) == "GET /x failed; 4 of 5 parents that were tried were refused or failed"
    assert error.__cause__ is ERROR
    assert "; 2 of 3 parents" in str(systematic_failure(tally((Outcome.DELETED, 2), (Outcome.FETCHED, 1))))
