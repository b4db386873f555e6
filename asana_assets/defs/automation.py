"""Jobs, schedules and sensors, and a declarative alternative to the schedules.

Each run syncs one workspace. Schedules and sensors skip a workspace that has a queued or in-progress run.
"""

import datetime as dt
import threading
from collections.abc import Callable, Sequence

import dagster as dg
import msgspec

from asana_assets.asana.client import ApiRequest, Client, RequestStats
from asana_assets.asana.endpoints import PROJECTS, TASK_SEARCH_PATH, TASKS, USERS, WORKSPACES
from asana_assets.asana.errors import AsanaError, ConfigurationError, PlanLimitError, TransientError
from asana_assets.defs.partitions import workspace_partitions
from asana_assets.defs.resources import AsanaResource

WATCH_WORKSPACES_SECONDS = 600
"""Seconds between two polls of the workspace list; a poll is one request."""

WATCH_CHANGES_SECONDS = 60
"""Seconds between two polls for changes; a poll is one request per workspace."""

CRON = "0 3 * * *"
"""When the nightly schedule runs."""

_MAX_POLL_TIME = dt.timedelta(seconds=30)  # Dagster terminates a sensor's tick after 60 seconds
_PARTITION_TAG = "dagster/partition"
_ACTIVE_STATUSES = [
    dg.DagsterRunStatus.QUEUED,
    dg.DagsterRunStatus.NOT_STARTED,
    dg.DagsterRunStatus.STARTING,
    dg.DagsterRunStatus.STARTED,
]


sync_workspace = dg.define_asset_job(
    "sync_workspace",
    selection=dg.AssetSelection.all() - dg.AssetSelection.assets(WORKSPACES.name),
    description="Syncs all assets of one workspace.",
)
refresh_workspaces = dg.define_asset_job(
    "refresh_workspaces",
    selection=dg.AssetSelection.assets(WORKSPACES.name),
    description="Syncs the workspace list and registers each workspace as a partition.",
)
sync_new_workspace = dg.define_asset_job(
    "sync_new_workspace",
    selection=dg.AssetSelection.all(),
    description="Syncs the workspace list, then all assets of one workspace.",
)
sync_essentials = dg.define_asset_job(
    "sync_essentials",
    selection=dg.AssetSelection.assets(WORKSPACES.name, USERS.name, PROJECTS.name, TASKS.name),
    description="Syncs the workspace list, and the users, projects and tasks of one workspace: a quick start, since no "
    "task needs a request of its own.",
)
sync_changes = dg.define_asset_job(
    "sync_changes",
    selection=dg.AssetSelection.assets(TASKS.name).downstream(),
    description="Syncs the tasks of one workspace and all assets downstream of them.",
)
JOBS = [sync_workspace, refresh_workspaces, sync_new_workspace, sync_essentials, sync_changes]


def workspaces_with_active_runs(instance: dg.DagsterInstance, gids: Sequence[str]) -> set[str]:
    """Return the workspaces, of those in `gids`, that have a queued or in-progress run."""
    runs = instance.get_runs(dg.RunsFilter(statuses=_ACTIVE_STATUSES, tags={_PARTITION_TAG: list(gids)}))
    return {run.tags[_PARTITION_TAG] for run in runs}


def build_schedule(name: str, cron: str, description: str) -> dg.ScheduleDefinition:
    """Build a schedule that requests one run per registered workspace without an active run."""

    @dg.schedule(name=name, job=sync_workspace, cron_schedule=cron, description=description)
    def schedule(context: dg.ScheduleEvaluationContext) -> list[dg.RunRequest] | dg.SkipReason:
        gids = context.instance.get_dynamic_partitions(str(workspace_partitions.name))
        if not gids:
            return dg.SkipReason("No workspace is registered yet: materialize workspaces first.")
        active = workspaces_with_active_runs(context.instance, gids)
        idle = [gid for gid in gids if gid not in active]
        if not idle:
            return dg.SkipReason("Every workspace already has a queued or in-progress run.")
        tick = context.scheduled_execution_time.isoformat()
        return [dg.RunRequest(partition_key=gid, run_key=f"{gid} {tick}") for gid in idle]

    return schedule


daily = build_schedule("daily", CRON, "Syncs each workspace every night, in a run of its own.")
frequent = build_schedule(
    "frequent",
    "*/15 * * * *",
    "Syncs each idle workspace every 15 minutes. Every run fetches all listings again.",
)


@dg.sensor(
    jobs=[sync_new_workspace, refresh_workspaces],
    minimum_interval_seconds=WATCH_WORKSPACES_SECONDS,
    default_status=dg.DefaultSensorStatus.RUNNING,
    description="Polls Asana for the token's workspaces. Registers each new one as a partition and requests its first "
    "sync; removes those that the token can no longer see.",
)
def watch_workspaces(context: dg.SensorEvaluationContext, asana: AsanaResource) -> dg.SensorResult | dg.SkipReason:
    try:
        visible = fetch_workspace_gids(asana)
    except (ConfigurationError, TransientError) as error:
        return dg.SkipReason(f"Polling Asana failed: {error}.")
    registered = context.instance.get_dynamic_partitions(str(workspace_partitions.name))
    new, removed = decide_partitions(registered=registered, visible=visible, wanted=asana.workspaces)
    if not new and not removed:
        return dg.SkipReason(f"No workspace was added or removed; {len(registered)} are registered.")
    first_syncs = [dg.RunRequest(job_name=sync_new_workspace.name, partition_key=gid) for gid in new]
    return dg.SensorResult(
        run_requests=first_syncs or [dg.RunRequest(job_name=refresh_workspaces.name)],
        dynamic_partitions_requests=[
            *([workspace_partitions.build_add_request(new)] if new else []),
            *([workspace_partitions.build_delete_request(removed)] if removed else []),
        ],
    )


def decide_partitions(
    *, registered: Sequence[str], visible: Sequence[str], wanted: Sequence[str]
) -> tuple[list[str], list[str]]:
    """Return the workspaces to register and those to remove.

    Args:
        registered: The current partitions.
        visible: The workspaces that the token can see.
        wanted: Restricts them to these, unless it is empty.
    """
    current = [gid for gid in visible if not wanted or gid in wanted]
    return [gid for gid in current if gid not in registered], [gid for gid in registered if gid not in current]


class _WorkspaceRecord(msgspec.Struct):
    gid: str


class _WorkspaceList(msgspec.Struct):
    data: list[_WorkspaceRecord]


def fetch_workspace_gids(asana: AsanaResource) -> list[str]:
    """Fetch the gids of the token's workspaces.

    Raises:
        AsanaError: The request failed.
    """
    request = ApiRequest(template=WORKSPACES.listings[0].path)
    with asana.short_timeout_client() as client:
        pages = client.iter_pages(request, opt_fields="gid", stats=RequestStats(), stop=threading.Event())
        return [record.gid for page in pages for record in msgspec.json.decode(page.body, type=_WorkspaceList).data]


@dg.sensor(
    job=sync_changes,
    minimum_interval_seconds=WATCH_CHANGES_SECONDS,
    description="Near real time on paid plans: polls each workspace with one search request and, if a task has changed "
    "since the last poll, requests a sync of the tasks and all assets downstream of them. Deletions are found by the "
    "next sync of all assets.",
)
def watch_changes(context: dg.SensorEvaluationContext, asana: AsanaResource) -> dg.SensorResult | dg.SkipReason:
    polled: dict[str, str] = msgspec.json.decode(context.cursor) if context.cursor else {}
    gids = context.instance.get_dynamic_partitions(str(workspace_partitions.name))
    if not gids:
        return dg.SkipReason("No workspace is registered yet: materialize workspaces first.")
    # A workspace with an active run is polled once that run has ended.
    active = workspaces_with_active_runs(context.instance, gids)
    try:
        latest, no_search = fetch_latest_changes(asana, [gid for gid in gids if gid not in active], polled)
    except AsanaError as error:
        return dg.SkipReason(f"Polling Asana failed: {error}.")
    changed = {gid: modified_at for gid, modified_at in latest.items() if modified_at != polled.get(gid)}
    if changed:
        cursor = {gid: modified_at for gid, modified_at in (polled | changed).items() if gid in gids}
        requests = [dg.RunRequest(partition_key=gid, run_key=f"{gid} {at}") for gid, at in changed.items()]
        return dg.SensorResult(run_requests=requests, cursor=msgspec.json.encode(cursor).decode())
    reason = "No task has changed since the last poll."
    if no_search:
        reason += f" Task search is not available on the plan of {', '.join(no_search)} (402)."
    return dg.SkipReason(reason)


class _TaskRecord(msgspec.Struct):
    modified_at: str


class _TaskList(msgspec.Struct):
    data: list[_TaskRecord]


def fetch_latest_changes(
    asana: AsanaResource, gids: Sequence[str], polled: dict[str, str]
) -> tuple[dict[str, str], list[str]]:
    """Fetch when a task was last modified, in each workspace where one was since the last poll.

    Args:
        asana: Provides the client.
        gids: The workspaces to poll. Those with the oldest changes come first, in case the tick runs out of time.
        polled: By workspace, the instant that an earlier poll returned; without one, the last 24 hours are searched.

    Returns:
        The instants, as Asana writes them, by workspace; and the workspaces whose plan has no search.

    Raises:
        AsanaError: A request failed.
    """
    latest: dict[str, str] = {}
    no_search: list[str] = []
    started_at = dt.datetime.now(dt.UTC)
    yesterday = f"{started_at - dt.timedelta(days=1):%Y-%m-%dT%H:%M:%SZ}"
    with asana.short_timeout_client() as client:
        for gid in sorted(gids, key=lambda gid: polled.get(gid, "")):
            if dt.datetime.now(dt.UTC) - started_at > _MAX_POLL_TIME:
                break
            try:
                modified_at = _latest_change(client, gid, polled.get(gid) or yesterday)
            except PlanLimitError:
                no_search.append(gid)
            else:
                if modified_at:
                    latest[gid] = modified_at
    return latest, no_search


def _latest_change(client: Client, workspace_gid: str, since: str) -> str | None:
    """Return when a task of the workspace was last modified, or None if none was after `since`."""
    request = ApiRequest(
        template=TASK_SEARCH_PATH,
        values={"workspace": workspace_gid},
        params={"modified_at.after": since, "sort_by": "modified_at", "sort_ascending": "false", "limit": "1"},
    )
    [page] = client.iter_pages(request, opt_fields="modified_at", stats=RequestStats(), stop=threading.Event())
    tasks = msgspec.json.decode(page.body, type=_TaskList).data
    return tasks[0].modified_at if tasks else None


def build_run_failure_sensor(notify: Callable[[str], object]) -> dg.SensorDefinition:
    """Build an opt-in sensor that calls `notify` with a short message about every failed run."""

    @dg.run_failure_sensor(
        name="run_failure_alert",
        description="Sends a notification of every failed run.",
        default_status=dg.DefaultSensorStatus.RUNNING,
    )
    def run_failure_alert(context: dg.RunFailureSensorContext) -> None:
        workspace = context.dagster_run.tags.get(_PARTITION_TAG)
        steps = [event.step_failure_data for event in context.get_step_failure_events()]
        reasons = [str(step.user_failure_data.description) for step in steps if step.user_failure_data]
        reason = " ".join(reasons) or context.failure_event.message or "No step reported a reason."
        job = f"{context.dagster_run.job_name}{f' of workspace {workspace}' if workspace else ''}"
        notify(f"Run {context.dagster_run.run_id} ({job}) failed. {reason}")

    return run_failure_alert


automation_condition = (dg.AutomationCondition.on_cron(CRON) | dg.AutomationCondition.on_missing()).with_label(
    "every night, and new workspaces immediately"
)
"""The condition of every asset. It has no effect unless the sensor `automation_condition_sensor` is switched on."""

automation_condition_sensor = dg.AutomationConditionSensorDefinition(
    "automation_condition_sensor",
    target=dg.AssetSelection.all(),
    default_status=dg.DefaultSensorStatus.STOPPED,
    description="An alternative to the schedules: materializes every asset nightly, after its upstream assets, and new "
    "partitions immediately.",
)

SCHEDULES = [daily, frequent]
SENSORS = [watch_workspaces, watch_changes, automation_condition_sensor]
