"""Which runs a sensor requests: the pure decision, and how the outcome of a run is read from the instance."""

import datetime as dt

import dagster as dg
import pytest

from asana_assets.definitions import defs
from asana_assets.defs.run_requests import (
    LAST_RETRY_DELAY,
    RETRY_DELAYS,
    Attempt,
    RequestState,
    RunOutcome,
    decide_requests,
    load_attempts,
)

NOW = dt.datetime(2026, 1, 2, 3, tzinfo=dt.UTC)
MINUTE = dt.timedelta(minutes=1)


def attempt(outcome: RunOutcome, *, number: int = 1, ended: dt.timedelta = MINUTE) -> Attempt:
    """Return an attempt that ended that long ago, an hour after it was requested; or that was requested an hour ago."""
    has_ended = outcome not in {RunOutcome.ACTIVE, RunOutcome.UNKNOWN}
    requested_at = NOW - 60 * MINUTE - (ended if has_ended else dt.timedelta())
    state = RequestState(requested_at=requested_at, attempts=number)
    return Attempt(state=state, outcome=outcome, ended_at=NOW - ended if has_ended else None)


def test_a_needed_run_is_requested_once() -> None:
    decision = decide_requests(needed=["1", "2"], attempts={}, now=NOW)
    assert decision.requests == {gid: RequestState(requested_at=NOW) for gid in ("1", "2")}
    active = {gid: attempt(RunOutcome.ACTIVE) for gid in ("1", "2")}
    decision = decide_requests(needed=["1", "2"], attempts=active, now=NOW)
    assert decision.requests == {}
    assert set(decision.pending) == {"1", "2"}


def test_a_failed_run_is_requested_again_after_a_delay_that_grows_and_ends_at_once_a_day() -> None:
    delays = [*RETRY_DELAYS, LAST_RETRY_DELAY, LAST_RETRY_DELAY]
    assert delays == sorted(delays)
    for number, delay in enumerate(delays, start=1):
        too_early = {"1": attempt(RunOutcome.FAILED, number=number, ended=delay - MINUTE)}
        decision = decide_requests(needed=[], attempts=too_early, now=NOW)
        assert decision.requests == {}
        assert decision.pending == {"1": too_early["1"].state}
        assert list(decision.failed) == ["1"]
        late_enough = {"1": attempt(RunOutcome.FAILED, number=number, ended=delay)}
        decision = decide_requests(needed=[], attempts=late_enough, now=NOW)
        assert decision.requests == {"1": RequestState(requested_at=NOW, attempts=number + 1)}


def test_a_new_reason_does_not_shorten_the_delay_after_a_failure() -> None:
    assert decide_requests(needed=["1"], attempts={"1": attempt(RunOutcome.FAILED)}, now=NOW).requests == {}


def test_after_a_success_the_count_of_attempts_starts_again() -> None:
    succeeded = {"1": attempt(RunOutcome.SUCCEEDED, number=4)}
    decision = decide_requests(needed=[], attempts=succeeded, now=NOW)
    assert (decision.requests, decision.pending) == ({}, {})
    decision = decide_requests(needed=["1"], attempts=succeeded, now=NOW)
    assert decision.requests == {"1": RequestState(requested_at=NOW)}


def test_a_canceled_run_is_not_requested_again_without_a_new_reason() -> None:
    canceled = {"1": attempt(RunOutcome.CANCELED)}
    assert decide_requests(needed=[], attempts=canceled, now=NOW + dt.timedelta(days=9)).requests == {}
    assert list(decide_requests(needed=["1"], attempts=canceled, now=NOW).requests) == ["1"]


def test_a_run_that_never_appeared_is_requested_again() -> None:
    lost = {"1": attempt(RunOutcome.UNKNOWN)}
    assert decide_requests(needed=[], attempts=lost, now=NOW - 56 * MINUTE).requests == {}
    assert decide_requests(needed=[], attempts=lost, now=NOW - 55 * MINUTE).requests["1"].attempts == 2
    assert decide_requests(needed=["1"], attempts=lost, now=NOW - 56 * MINUTE).requests["1"].attempts == 2


def test_every_attempt_has_a_run_key_of_its_own() -> None:
    state = RequestState(requested_at=NOW)
    keys = {state.run_key("1")}
    for day in range(1, 8):
        failed = Attempt(state=state, outcome=RunOutcome.FAILED, ended_at=state.requested_at)
        [state] = decide_requests(needed=[], attempts={"1": failed}, now=NOW + dt.timedelta(days=day)).requests.values()
        keys.add(state.run_key("1"))
    assert len(keys) == 8


def test_no_more_runs_than_allowed_are_unfinished_and_none_is_forgotten() -> None:
    gids = [str(number) for number in range(60)]
    decision = decide_requests(needed=gids, attempts={}, now=NOW, max_unfinished=3)
    assert list(decision.requests) == gids[:3]
    assert decision.queued == gids[3:]
    attempts = {
        "0": attempt(RunOutcome.ACTIVE),
        "1": attempt(RunOutcome.FAILED),
        "2": attempt(RunOutcome.SUCCEEDED),
    }
    decision = decide_requests(needed=gids[3:], attempts=attempts, now=NOW, max_unfinished=3)
    assert list(decision.requests) == ["3", "4"]
    assert decision.queued == gids[5:]
    assert set(decision.pending) == {"0", "1"}


def test_a_retry_without_a_free_slot_remains_pending() -> None:
    attempts = {
        **{gid: attempt(RunOutcome.ACTIVE) for gid in "abc"},
        "1": attempt(RunOutcome.FAILED, ended=60 * MINUTE),
    }
    decision = decide_requests(needed=[], attempts=attempts, now=NOW, max_unfinished=3)
    assert decision.requests == {}
    assert decision.queued == []
    assert decision.pending["1"] == attempts["1"].state


@pytest.mark.parametrize(
    ("status", "outcome"),
    [
        (dg.DagsterRunStatus.NOT_STARTED, RunOutcome.ACTIVE),
        (dg.DagsterRunStatus.STARTED, RunOutcome.ACTIVE),
        (dg.DagsterRunStatus.CANCELING, RunOutcome.ACTIVE),
        (dg.DagsterRunStatus.SUCCESS, RunOutcome.SUCCEEDED),
        (dg.DagsterRunStatus.FAILURE, RunOutcome.FAILED),
        (dg.DagsterRunStatus.CANCELED, RunOutcome.CANCELED),
    ],
)
def test_the_outcome_of_an_attempt_is_the_status_of_its_run(status: dg.DagsterRunStatus, outcome: RunOutcome) -> None:
    states = {"1": RequestState(requested_at=dt.datetime.now(dt.UTC))}
    with dg.DagsterInstance.ephemeral() as instance:
        assert load_attempts(instance, states, {"asana_sync_changes"})["1"].outcome is RunOutcome.UNKNOWN
        for job, gid in (("asana_sync_changes", "2"), ("asana_sync_essentials", "1"), ("asana_sync_changes", "1")):
            instance.create_run_for_job(
                defs.resolve_job_def(job),
                status=status if (job, gid) == ("asana_sync_changes", "1") else dg.DagsterRunStatus.STARTED,
                tags={"dagster/partition": gid},
            )
        assert load_attempts(instance, states, {"asana_sync_changes"})["1"].outcome is outcome


def test_a_run_is_recognized_by_its_key_whatever_the_clock_of_the_database() -> None:
    state = RequestState(requested_at=dt.datetime.now(dt.UTC) + 5 * MINUTE)
    with dg.DagsterInstance.ephemeral() as instance:
        for key in ("another", state.run_key("1")):
            instance.create_run_for_job(
                defs.resolve_job_def("asana_sync_changes"),
                status=dg.DagsterRunStatus.STARTED if key == "another" else dg.DagsterRunStatus.FAILURE,
                tags={"dagster/partition": "1", "dagster/run_key": key},
            )
        assert load_attempts(instance, {"1": state}, {"asana_sync_changes"})["1"].outcome is RunOutcome.FAILED


def test_a_success_of_any_later_run_of_the_workspace_fulfills_the_request() -> None:
    states = {"1": RequestState(requested_at=dt.datetime.now(dt.UTC))}
    with dg.DagsterInstance.ephemeral() as instance:
        for status in (dg.DagsterRunStatus.SUCCESS, dg.DagsterRunStatus.FAILURE):
            instance.create_run_for_job(
                defs.resolve_job_def("asana_sync_workspace"), status=status, tags={"dagster/partition": "1"}
            )
        attempts = load_attempts(instance, states, {"asana_sync_changes", "asana_sync_workspace"})
    assert attempts["1"].outcome is RunOutcome.SUCCEEDED
