"""Which runs a sensor requests, and when it requests a failed one again.

Dagster launches nothing for a run key that was used before, so a run that failed is requested again only by a sensor
that remembers it. Sensors keep a `RequestState` per run in their cursor; how a run ended is read from the instance.
"""

import datetime as dt
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum

import dagster as dg
import msgspec

from asana_assets.defs.jobs import PARTITION_TAG

RETRY_DELAYS = tuple(dt.timedelta(minutes=minutes) for minutes in (5, 15, 60, 240))
"""Time from the first, second, … failure until a run is requested again."""

LAST_RETRY_DELAY = dt.timedelta(days=1)
"""Time from each later failure until a run is requested again."""

_RUN_KEY_TAG = "dagster/run_key"
_MAX_CLOCK_SKEW = dt.timedelta(minutes=10)
_TIMESTAMP_RESOLUTION = dt.timedelta(seconds=1)  # of the time at which SQLite says that a run was created


class RequestState(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A run that was requested and may have to be requested again, as stored in a cursor.

    Attributes:
        requested_at: When it was last requested (UTC).
        attempts: How often it was requested since it last succeeded.
    """

    requested_at: dt.datetime
    attempts: int = 1

    def run_key(self, name: str) -> str:
        """Return the key of this attempt, which no other attempt has."""
        return f"{name} {self.requested_at.isoformat()}"


class RunOutcome(Enum):
    """What became of a requested run."""

    UNKNOWN = "unknown"
    """No such run exists: it was not launched yet, or it was deleted."""
    ACTIVE = "active"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    CANCELED = "canceled"


_FINAL_OUTCOMES = {RunOutcome.SUCCEEDED, RunOutcome.CANCELED}


@dataclass(frozen=True, slots=True, kw_only=True)
class Attempt:
    """The last attempt at a run.

    Attributes:
        state: When and how often the run was requested.
        outcome: What became of it.
        ended_at: When it ended (UTC), None if it has not.
    """

    state: RequestState
    outcome: RunOutcome
    ended_at: dt.datetime | None = None

    @property
    def retry_at(self) -> dt.datetime:
        """When the run is requested again if it failed or never appeared (UTC)."""
        index = self.state.attempts - 1
        delay = RETRY_DELAYS[index] if index < len(RETRY_DELAYS) else LAST_RETRY_DELAY
        return max(self.state.requested_at, self.ended_at or self.state.requested_at) + delay

    def describe_failure(self, run: str) -> str:
        """Return a sentence about the failure of the run, which is described by `run`."""
        times = "once" if self.state.attempts == 1 else f"{self.state.attempts} times in a row"
        return f"The {run} failed {times}; it is requested again after {self.retry_at:%Y-%m-%d %H:%M} UTC."

    def is_unfinished(self, now: dt.datetime) -> bool:
        """Return whether the run is active, or is about to be launched."""
        is_expected = self.outcome is RunOutcome.UNKNOWN and now < self.retry_at
        return is_expected or self.outcome is RunOutcome.ACTIVE


@dataclass(frozen=True, slots=True, kw_only=True)
class RequestDecision:
    """Which runs to request.

    Attributes:
        requests: The runs to request now, by name.
        pending: Runs requested before, whose outcome matters at the next decision.
        failed: Those of `pending` that failed and are requested again later.
        queued: Needed runs that must wait because too many others are unfinished.
    """

    requests: dict[str, RequestState] = field(default_factory=dict[str, RequestState])
    pending: dict[str, RequestState] = field(default_factory=dict[str, RequestState])
    failed: dict[str, Attempt] = field(default_factory=dict[str, Attempt])
    queued: list[str] = field(default_factory=list[str])


def decide_requests(
    *,
    needed: Sequence[str],
    attempts: Mapping[str, Attempt],
    now: dt.datetime,
    max_unfinished: int | None = None,
) -> RequestDecision:
    """Return which runs to request.

    A needed run is requested, unless its last attempt is active, or failed too recently. A failed run is requested
    again after a delay that grows with each failure, at last once a day, even without a new reason. A canceled run
    was not wanted, so it is requested again only for a new reason.

    Args:
        needed: Names of the runs for which there is a new reason, in order.
        attempts: The last attempt of each run that was requested and was not seen to succeed.
        now: The current time (UTC).
        max_unfinished: How many runs may be unfinished at once; by default, any number.
    """
    decision = RequestDecision()
    unfinished = sum(attempt.is_unfinished(now) for attempt in attempts.values())
    slots = None if max_unfinished is None else max(0, max_unfinished - unfinished)
    for name in dict.fromkeys([*needed, *attempts]):
        attempt = attempts.get(name)
        number = _next_attempt(attempt, is_needed=name in needed, now=now)
        if number and (slots is None or len(decision.requests) < slots):
            decision.requests[name] = RequestState(requested_at=now, attempts=number)
        elif number == 1:
            decision.queued.append(name)
        elif attempt and attempt.outcome not in _FINAL_OUTCOMES:
            decision.pending[name] = attempt.state
            if attempt.outcome is RunOutcome.FAILED:
                decision.failed[name] = attempt
    return decision


def _next_attempt(attempt: Attempt | None, *, is_needed: bool, now: dt.datetime) -> int:
    """Return the number of the attempt to request now, 0 for none."""
    if attempt is None or attempt.outcome in _FINAL_OUTCOMES:
        return 1 if is_needed else 0
    if attempt.outcome is RunOutcome.ACTIVE:
        return 0
    launches = now >= attempt.retry_at or (is_needed and attempt.outcome is RunOutcome.UNKNOWN)
    return attempt.state.attempts + 1 if launches else 0


def load_attempts(
    instance: dg.DagsterInstance, states: Mapping[str, RequestState], jobs: Collection[str]
) -> dict[str, Attempt]:
    """Return what became of the requested runs, each named after its partition.

    Any run of `jobs` counts that syncs the same workspace and was created since the request, whoever launched it.
    """
    if not states:
        return {}
    return _attempts(instance, states, jobs, tags={PARTITION_TAG: list(states)})


def load_attempt(instance: dg.DagsterInstance, state: RequestState | None, job: str) -> dict[str, Attempt]:
    """Return what became of the requested run of a job without partitions, by the job's name; nothing without one."""
    return _attempts(instance, {job: state}, {job}, tags={}) if state else {}


def _attempts(
    instance: dg.DagsterInstance,
    states: Mapping[str, RequestState],
    jobs: Collection[str],
    tags: Mapping[str, Sequence[str]],
) -> dict[str, Attempt]:
    since = min(state.requested_at for state in states.values()) - _MAX_CLOCK_SKEW
    records: dict[str, list[dg.RunRecord]] = {name: [] for name in states}
    for record in instance.get_run_records(dg.RunsFilter(tags=tags, created_after=since)):  # the latest first
        run = record.dagster_run
        name = run.tags[PARTITION_TAG] if tags else run.job_name
        if run.job_name not in jobs or name not in states:
            continue
        state = states[name]
        created_at = record.create_timestamp.replace(tzinfo=record.create_timestamp.tzinfo or dt.UTC)
        ended_before = record.end_time is not None and record.end_time < state.requested_at.timestamp()
        if run.tags.get(_RUN_KEY_TAG) == state.run_key(name) or (
            created_at >= state.requested_at - _TIMESTAMP_RESOLUTION and not ended_before
        ):
            records[name].append(record)
    return {name: _attempt(state, records[name]) for name, state in states.items()}


def _attempt(state: RequestState, records: Sequence[dg.RunRecord]) -> Attempt:
    """Return the attempt's outcome: success if any of its runs succeeded, otherwise that of the latest."""
    statuses = [record.dagster_run.status for record in records]
    if not records:
        return Attempt(state=state, outcome=RunOutcome.UNKNOWN)
    if dg.DagsterRunStatus.SUCCESS in statuses:
        return Attempt(state=state, outcome=RunOutcome.SUCCEEDED)
    outcome = {
        dg.DagsterRunStatus.FAILURE: RunOutcome.FAILED,
        dg.DagsterRunStatus.CANCELED: RunOutcome.CANCELED,
    }.get(statuses[0], RunOutcome.ACTIVE)
    ended_at = records[0].end_time
    return Attempt(
        state=state,
        outcome=outcome,
        ended_at=dt.datetime.fromtimestamp(ended_at, dt.UTC) if ended_at else None,
    )
