"""The sensor that finds new workspaces and requests their first syncs."""

import datetime as dt
import threading
from collections.abc import Mapping
from typing import Any

import dagster as dg
import msgspec

from asana_assets.asana.client import ApiRequest, RequestStats
from asana_assets.asana.endpoints import WORKSPACES
from asana_assets.asana.errors import AsanaError
from asana_assets.defs.automation_state import running_automation
from asana_assets.defs.failures import POLL_FAILED, explain
from asana_assets.defs.jobs import workspaces_with_active_syncs
from asana_assets.defs.names import API, DAILY, REFRESH_WORKSPACES, SYNC_WORKSPACE, WATCH_WORKSPACES, Names
from asana_assets.defs.partitions import decide_partitions, registered_workspaces
from asana_assets.defs.resources import AsanaResource
from asana_assets.defs.run_requests import RequestDecision, RequestState, decide_requests, load_attempt, load_attempts
from asana_assets.defs.workspace_names import find_workspaces, label_workspace, label_workspaces, load_workspace_names

WATCH_WORKSPACES_SECONDS = 600
"""Seconds between two polls of the workspace list; a poll is one request."""

MAX_FIRST_SYNCS = 3
"""How many first syncs the sensor has unfinished at once, so that other runs are not stuck in the queue for hours."""


class _Cursor(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The first syncs to request in later ticks, those requested so far, and the last refresh."""

    queued: tuple[str, ...] = ()
    first_syncs: dict[str, RequestState] = {}
    refresh: RequestState | None = None


def build_watch_workspaces(
    names: Names, jobs: Mapping[str, Any], default_status: dg.DefaultSensorStatus
) -> dg.SensorDefinition:
    """Build the sensor."""

    @dg.sensor(
        name=names.of(WATCH_WORKSPACES),
        jobs=[jobs[SYNC_WORKSPACE], jobs[REFRESH_WORKSPACES]],
        minimum_interval_seconds=WATCH_WORKSPACES_SECONDS,
        default_status=default_status,
        required_resource_keys={names.of(API)},
        description="Polls Asana for the token's workspaces. Registers each new one as a partition and requests its "
        f"first sync, a few at a time; a failed one is requested again. If one is missing, requests "
        f"{names.of(REFRESH_WORKSPACES)}, which removes it if Asana confirms that it is gone.",
    )
    def watch_workspaces(context: dg.SensorEvaluationContext) -> dg.SensorResult | dg.SkipReason:
        asana = getattr(context.resources, names.of(API))
        return request_first_syncs(context, names, asana, now=dt.datetime.now(dt.UTC))

    return watch_workspaces


def request_first_syncs(
    context: dg.SensorEvaluationContext, names: Names, asana: AsanaResource, *, now: dt.datetime
) -> dg.SensorResult | dg.SkipReason:
    """Evaluate a tick of `watch_workspaces` as of `now`."""
    try:
        visible = fetch_workspace_names(asana)
        wanted = find_workspaces(asana.workspaces, visible, "ASANA_WORKSPACES")
    except AsanaError as error:
        return dg.SkipReason(f"{POLL_FAILED} {explain(error)}")
    cursor = _decode(context.cursor)
    registered = registered_workspaces(context.instance, names)
    new, missing = decide_partitions(registered=registered, visible=list(visible), wanted=wanted)
    labels = load_workspace_names(context.instance, names) | visible
    known = {*registered, *new}
    requested = {gid: state for gid, state in cursor.first_syncs.items() if gid in known}
    first_syncs = decide_requests(
        needed=[gid for gid in dict.fromkeys([*cursor.queued, *new]) if gid in known and gid not in requested],
        attempts=load_attempts(context.instance, requested, {names.of(SYNC_WORKSPACE)}),
        now=now,
        max_unfinished=MAX_FIRST_SYNCS,
    )
    refresh_job = names.of(REFRESH_WORKSPACES)
    refresh = _decide_refresh(context.instance, names, cursor.refresh if missing else None, missing, now)
    encoded = msgspec.json.encode(
        _Cursor(
            queued=tuple(first_syncs.queued),
            first_syncs=first_syncs.pending | first_syncs.requests,
            refresh=(refresh.requests | refresh.pending).get(refresh_job),
        )
    ).decode()
    queued = label_workspaces(first_syncs.queued, labels)
    reason = " ".join(
        [
            f"No workspace was added or removed; {len(registered)} are registered."
            if not missing
            else f"Asana did not list {label_workspaces(missing, labels)}.",
            *([f"First syncs to be requested later: {queued}."] if queued else []),
            *(
                attempt.describe_failure(f"first sync of {label_workspace(gid, labels)}")
                for gid, attempt in first_syncs.failed.items()
            ),
            *(attempt.describe_failure(f"run of {name}") for name, attempt in refresh.failed.items()),
            *(
                [f"No schedule is on: turn on {names.of(DAILY)} to sync every night."]
                if running_automation(context.instance, names) == []
                else []
            ),
        ]
    )
    if not first_syncs.requests and not refresh.requests and not new:
        context.update_cursor(encoded)
        return dg.SkipReason(reason)
    if missing:
        context.log.warning(reason)
    return dg.SensorResult(
        run_requests=[
            *(
                dg.RunRequest(job_name=names.of(SYNC_WORKSPACE), partition_key=gid, run_key=state.run_key(gid))
                for gid, state in first_syncs.requests.items()
            ),
            *(dg.RunRequest(job_name=name, run_key=state.run_key(name)) for name, state in refresh.requests.items()),
        ],
        dynamic_partitions_requests=[dg.AddDynamicPartitionsRequest(names.partitions, new)] if new else [],
        cursor=encoded,
    )


def _decide_refresh(
    instance: dg.DagsterInstance, names: Names, last: RequestState | None, missing: list[str], now: dt.datetime
) -> RequestDecision:
    """Decide whether to request `refresh_workspaces`: if a workspace is missing that no run is syncing."""
    idle = set(missing) - workspaces_with_active_syncs(instance, names, missing) if missing else set[str]()
    job = names.of(REFRESH_WORKSPACES)
    return decide_requests(
        needed=[job] if idle else [],
        attempts=load_attempt(instance, last, job),
        now=now,
    )


def _decode(cursor: str | None) -> _Cursor:
    try:
        return msgspec.json.decode(cursor, type=_Cursor) if cursor else _Cursor()
    except msgspec.DecodeError:  # set by hand, or by another version
        return _Cursor()


class _WorkspaceList(msgspec.Struct):
    data: list[object]


def fetch_workspace_names(asana: AsanaResource) -> dict[str, str]:
    """Fetch the names of the token's workspaces, by gid. A record without a gid is ignored.

    Raises:
        AsanaError: The request failed.
    """
    request = ApiRequest(template=WORKSPACES.listings[0].path)
    with asana.short_timeout_client() as client:
        pages = client.iter_pages(request, opt_fields="gid,name", stats=RequestStats(), stop=threading.Event())
        records = [record for page in pages for record in msgspec.json.decode(page.body, type=_WorkspaceList).data]
    pairs = [(record.get("gid"), record.get("name")) for record in records if isinstance(record, dict)]
    return {gid: name if isinstance(name, str) else "" for gid, name in pairs if isinstance(gid, str) and gid}
