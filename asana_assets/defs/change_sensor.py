"""The sensor that finds changed tasks with Asana's search and requests their sync, on paid plans."""

import datetime as dt
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import dagster as dg
import msgspec

from asana_assets.asana.client import ApiRequest, Client, RequestStats
from asana_assets.asana.endpoints import TASK_SEARCH_PATH
from asana_assets.asana.errors import AsanaError, ConfigurationError, ContractError, PlanLimitError, UnauthorizedError
from asana_assets.defs.failures import POLL_FAILED, explain
from asana_assets.defs.jobs import workspaces_with_active_syncs
from asana_assets.defs.names import API, SYNC_CHANGES, SYNC_WORKSPACE, WATCH_CHANGES, Names
from asana_assets.defs.partitions import registered_workspaces
from asana_assets.defs.resources import AsanaResource
from asana_assets.defs.run_requests import RequestDecision, RequestState, decide_requests, load_attempts
from asana_assets.defs.workspace_names import label_workspace, label_workspaces, load_workspace_names

WATCH_CHANGES_SECONDS = 60
"""Seconds between two polls for changes; a poll is one request per workspace."""

MAX_POLL_SECONDS = 30.0
"""How long a tick polls: Dagster terminates it after 60 seconds, and the last request may take 20 of them."""


class WatchState(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What the cursor holds of one workspace.

    Attributes:
        modified_at: The latest change for which a sync was requested, as Asana writes it.
        polled_at: When the workspace was last polled (UTC).
        request: The last request of a sync, until one is seen to succeed.
    """

    modified_at: str | None = None
    polled_at: dt.datetime | None = None
    request: RequestState | None = None


def build_watch_changes(
    names: Names, jobs: Mapping[str, Any], default_status: dg.DefaultSensorStatus
) -> dg.SensorDefinition:
    """Build the sensor."""

    @dg.sensor(
        name=names.of(WATCH_CHANGES),
        job=jobs[SYNC_CHANGES],
        minimum_interval_seconds=WATCH_CHANGES_SECONDS,
        default_status=default_status,
        required_resource_keys={names.of(API)},
        description="Near real time on paid plans: polls each workspace with one search request and, if a task has "
        "changed since the last poll, requests a sync of the tasks and all assets downstream of them. A failed sync is "
        "requested again. Deletions are found by the next sync of all assets.",
    )
    def watch_changes(context: dg.SensorEvaluationContext) -> dg.SensorResult | dg.SkipReason:
        asana = getattr(context.resources, names.of(API))
        return request_changed(context, names, asana, now=dt.datetime.now(dt.UTC))

    return watch_changes


def request_changed(
    context: dg.SensorEvaluationContext, names: Names, asana: AsanaResource, *, now: dt.datetime
) -> dg.SensorResult | dg.SkipReason:
    """Evaluate a tick of `watch_changes` as of `now`."""
    gids = registered_workspaces(context.instance, names)
    if not gids:
        return dg.SkipReason("No workspace is registered yet: materialize workspaces first.")
    stored = decode_cursor(context.cursor)
    states = {gid: stored.get(gid, WatchState()) for gid in gids}
    # A workspace with an active run is polled once that run has ended.
    active = workspaces_with_active_syncs(context.instance, names, gids)
    idle = {gid: state for gid, state in states.items() if gid not in active}
    if not idle:
        return dg.SkipReason("Every workspace already has a queued or in-progress run.")
    try:
        poll = poll_workspaces(asana, idle, now=now)
    except (ConfigurationError, UnauthorizedError) as error:
        return dg.SkipReason(f"{POLL_FAILED} {explain(error)}")
    requested = {gid: state.request for gid, state in idle.items() if state.request}
    decision = decide_requests(
        needed=[gid for gid, modified_at in poll.latest.items() if _is_later(modified_at, idle[gid].modified_at)],
        attempts=load_attempts(context.instance, requested, {names.of(SYNC_CHANGES), names.of(SYNC_WORKSPACE)}),
        now=now,
    )
    cursor = encode_cursor(states | {gid: _next_state(gid, state, poll, decision, now) for gid, state in idle.items()})
    labels = load_workspace_names(context.instance, names)
    reason = " ".join(
        [
            *poll.problems(labels),
            *(
                attempt.describe_failure(f"sync of {label_workspace(gid, labels)}")
                for gid, attempt in decision.failed.items()
            ),
        ]
    )
    if not decision.requests:
        context.update_cursor(cursor)
        unchanged = "No task has changed since the last poll." if poll.latest or poll.unchanged else ""
        return dg.SkipReason(f"{unchanged} {reason}".strip())
    if reason:
        context.log.warning(reason)
    requests = [
        dg.RunRequest(partition_key=gid, run_key=request.run_key(gid)) for gid, request in decision.requests.items()
    ]
    return dg.SensorResult(run_requests=requests, cursor=cursor)


def decode_cursor(cursor: str | None) -> dict[str, WatchState]:
    """Decode the states by workspace; earlier versions stored only `modified_at`, as a string."""
    try:
        decoded = msgspec.json.decode(cursor, type=dict[str, str | WatchState]) if cursor else {}
    except msgspec.DecodeError:  # set by hand
        return {}
    return {gid: WatchState(modified_at=state) if isinstance(state, str) else state for gid, state in decoded.items()}


def encode_cursor(states: Mapping[str, WatchState]) -> str:
    """Encode the states by workspace."""
    return msgspec.json.encode(states).decode()


def _next_state(gid: str, state: WatchState, poll: "Poll", decision: RequestDecision, now: dt.datetime) -> WatchState:
    """Return a workspace's state after a tick. A change counts as seen only once its sync is requested."""
    request = decision.requests.get(gid)
    return WatchState(
        modified_at=poll.latest.get(gid, state.modified_at) if request else state.modified_at,
        polled_at=now if gid in poll.polled else state.polled_at,
        request=request or decision.pending.get(gid),
    )


def _is_later(modified_at: str, seen: str | None) -> bool:
    return seen is None or _parse(modified_at) > _parse(seen)


def _parse(instant: str) -> dt.datetime:
    parsed = dt.datetime.fromisoformat(instant)
    return parsed.replace(tzinfo=parsed.tzinfo or dt.UTC)


@dataclass(slots=True, kw_only=True)
class Poll:
    """The outcome of polling workspaces.

    Attributes:
        latest: When a task was last modified, as Asana writes it, for each workspace where one was since the last poll.
        unchanged: The workspaces where no task was modified since.
        errors: By workspace, why it could not be polled.
        postponed: The workspaces that the next tick polls, for lack of time.
    """

    latest: dict[str, str] = field(default_factory=dict[str, str])
    unchanged: set[str] = field(default_factory=set[str])
    errors: dict[str, AsanaError] = field(default_factory=dict[str, AsanaError])
    postponed: list[str] = field(default_factory=list[str])

    @property
    def polled(self) -> set[str]:
        """The workspaces that were polled, with or without success."""
        return {*self.latest, *self.unchanged, *self.errors}

    def problems(self, names: Mapping[str, str]) -> list[str]:
        """Return a sentence for each reason why workspaces, given their names by gid, were not polled."""
        gids_by_reason: dict[str, list[str]] = {}
        no_search: list[str] = []
        for gid, error in self.errors.items():
            gids = no_search if isinstance(error, PlanLimitError) else gids_by_reason.setdefault(str(error), [])
            gids.append(gid)
        return [
            *(
                [f"Task search is not available on the plan of {label_workspaces(no_search, names)} (402)."]
                if no_search
                else []
            ),
            *(
                f"Polling {label_workspaces(gids, names)} failed: {reason.rstrip('.')}."
                for reason, gids in gids_by_reason.items()
            ),
            *([f"The next tick polls {label_workspaces(self.postponed, names)}."] if self.postponed else []),
        ]


def poll_workspaces(asana: AsanaResource, states: Mapping[str, WatchState], *, now: dt.datetime) -> Poll:
    """Search each workspace for the task that was modified last, until the tick's time is used up.

    The workspaces that were polled least recently come first. An error concerns its own workspace only.

    Args:
        asana: Provides the client.
        states: The workspaces to poll. Without `modified_at`, the last 24 hours are searched.
        now: The current time (UTC).

    Raises:
        ConfigurationError: A setting is missing or invalid.
        UnauthorizedError: Asana rejects the token.
    """
    poll = Poll()
    yesterday = f"{now - dt.timedelta(days=1):%Y-%m-%dT%H:%M:%SZ}"
    stop_at = time.monotonic() + MAX_POLL_SECONDS
    with asana.short_timeout_client() as client:
        for gid in polling_order(states):
            if time.monotonic() > stop_at:
                poll.postponed.append(gid)
                continue
            try:
                modified_at = _latest_change(client, gid, states[gid].modified_at or yesterday)
            except UnauthorizedError:
                raise
            except AsanaError as error:
                poll.errors[gid] = error
            else:
                if modified_at:
                    poll.latest[gid] = modified_at
                else:
                    poll.unchanged.add(gid)
    return poll


def polling_order(states: Mapping[str, WatchState]) -> Sequence[str]:
    """Return the workspaces, those never polled first, then the least recently polled."""
    never = dt.datetime.min.replace(tzinfo=dt.UTC)
    return sorted(states, key=lambda gid: states[gid].polled_at or never)


class _TaskRecord(msgspec.Struct):
    modified_at: str


class _TaskList(msgspec.Struct):
    data: list[_TaskRecord]


def _latest_change(client: Client, workspace_gid: str, since: str) -> str | None:
    """Return when a task of the workspace was last modified, or None if none was after `since`.

    Raises:
        AsanaError: The request failed, or the result is not a task.
    """
    request = ApiRequest(
        template=TASK_SEARCH_PATH,
        values={"workspace": workspace_gid},
        params={"modified_at.after": since, "sort_by": "modified_at", "sort_ascending": "false", "limit": "1"},
    )
    pages = client.iter_pages(request, opt_fields="modified_at", stats=RequestStats(), stop=threading.Event())
    try:
        tasks = msgspec.json.decode(next(pages).body, type=_TaskList).data
        return max((task.modified_at for task in tasks), key=_parse, default=None)
    except ValueError:  # includes msgspec's
        raise ContractError(f"GET {TASK_SEARCH_PATH} returned a task without a valid modified_at") from None
