"""What runs by itself: jobs, schedules, the sensors that watch Asana, and the declarative alternative.

Each run syncs one workspace. A workspace whose run is queued or under way gets no second one.
"""

import datetime as dt
import threading
from collections.abc import Callable, Sequence

import dagster as dg
import msgspec

from asana_assets.asana.client import ApiRequest, Client, RequestStats
from asana_assets.asana.endpoints import ENDPOINTS, PROJECTS, TASK_SEARCH_PATH, TASKS, USERS, WORKSPACES
from asana_assets.asana.errors import AsanaError, ConfigurationError, PlanLimitError, TransientError
from asana_assets.defs.partitions import workspace_partitions
from asana_assets.defs.resources import AsanaResource

WATCH_WORKSPACES_SECONDS = 600
"""Between two looks at the list of workspaces; each costs one request."""

WATCH_CHANGES_SECONDS = 60
"""Between two looks for changes; each costs one request for each workspace on a paid plan."""

CRON = "0 3 * * *"

_LOOK_AT_MOST = dt.timedelta(seconds=30)
"""Dagster ends a sensor's tick after 60 seconds."""

_PARTITION_TAG = "dagster/partition"
_UNFINISHED = [
    dg.DagsterRunStatus.QUEUED,
    dg.DagsterRunStatus.NOT_STARTED,
    dg.DagsterRunStatus.STARTING,
    dg.DagsterRunStatus.STARTED,
]


def _assets(*names: str) -> dg.AssetSelection:
    return dg.AssetSelection.assets(*names)


def _moved_by_tasks() -> list[str]:
    """Give the tasks, and all that is read by them."""
    names = [TASKS.name]
    for _ in ENDPOINTS:
        names += [one.name for one in ENDPOINTS if one.name not in names and set(names).intersection(one.upstream)]
    return names


sync_workspace = dg.define_asset_job(
    "sync_workspace",
    selection=dg.AssetSelection.all() - _assets(WORKSPACES.name),
    description="Everything of one workspace.",
)
refresh_workspaces = dg.define_asset_job(
    "refresh_workspaces",
    selection=_assets(WORKSPACES.name),
    description="The list of workspaces; registers them as partitions.",
)
sync_new_workspace = dg.define_asset_job(
    "sync_new_workspace",
    selection=dg.AssetSelection.all(),
    description="The list of workspaces, then everything of one of them.",
)
sync_essentials = dg.define_asset_job(
    "sync_essentials",
    selection=_assets(WORKSPACES.name, USERS.name, PROJECTS.name, TASKS.name),
    description="To start with: workspaces, users, projects and tasks of one workspace. No request for each task.",
)
sync_changes = dg.define_asset_job(
    "sync_changes",
    selection=_assets(*_moved_by_tasks()),
    description="What moves when tasks do: the tasks of one workspace, and what is read by them.",
)
JOBS = [sync_workspace, refresh_workspaces, sync_new_workspace, sync_essentials, sync_changes]


def workspaces_with_active_runs(instance: dg.DagsterInstance, gids: Sequence[str]) -> set[str]:
    """Give those workspaces that have a run which is queued or under way."""
    runs = instance.get_runs(dg.RunsFilter(statuses=_UNFINISHED, tags={_PARTITION_TAG: list(gids)}))
    return {run.tags[_PARTITION_TAG] for run in runs}


def build_schedule(name: str, cron: str, description: str) -> dg.ScheduleDefinition:
    """Build a schedule that syncs every registered workspace, in a run of its own."""

    @dg.schedule(name=name, job=sync_workspace, cron_schedule=cron, description=description)
    def schedule(context: dg.ScheduleEvaluationContext) -> list[dg.RunRequest] | dg.SkipReason:
        gids = context.instance.get_dynamic_partitions(str(workspace_partitions.name))
        if not gids:
            return dg.SkipReason("No workspace is registered yet: materialize workspaces first.")
        free = [gid for gid in gids if gid not in workspaces_with_active_runs(context.instance, gids)]
        if not free:
            return dg.SkipReason("Every workspace still has a run that is queued or under way.")
        tick = context.scheduled_execution_time.isoformat()
        return [dg.RunRequest(partition_key=gid, run_key=f"{gid} {tick}") for gid in free]

    return schedule


daily = build_schedule("daily", CRON, "Every night: each workspace, one run each.")
frequent = build_schedule(
    "frequent", "*/15 * * * *", "Every quarter of an hour: each workspace that has no run. Costs the lists each time."
)


@dg.sensor(
    jobs=[sync_new_workspace, refresh_workspaces],
    minimum_interval_seconds=WATCH_WORKSPACES_SECONDS,
    default_status=dg.DefaultSensorStatus.RUNNING,
    description="Registers workspaces that the token can see anew and asks for their first sync; removes those gone.",
)
def watch_workspaces(context: dg.SensorEvaluationContext, asana: AsanaResource) -> dg.SensorResult | dg.SkipReason:
    try:
        seen = fetch_workspace_gids(asana)
    except (ConfigurationError, TransientError) as error:
        return dg.SkipReason(f"Nothing was learnt: {error}.")
    registered = context.instance.get_dynamic_partitions(str(workspace_partitions.name))
    new, gone = decide_partitions(registered=registered, seen=seen, wanted=asana.workspaces)
    if not new and not gone:
        return dg.SkipReason(f"The same {len(registered)} workspaces as before.")
    first_syncs = [dg.RunRequest(job_name=sync_new_workspace.name, partition_key=gid) for gid in new]
    return dg.SensorResult(
        run_requests=first_syncs or [dg.RunRequest(job_name=refresh_workspaces.name)],
        dynamic_partitions_requests=[
            *([workspace_partitions.build_add_request(new)] if new else []),
            *([workspace_partitions.build_delete_request(gone)] if gone else []),
        ],
    )


def decide_partitions(
    *, registered: Sequence[str], seen: Sequence[str], wanted: Sequence[str]
) -> tuple[list[str], list[str]]:
    """Give the workspaces to register and those to remove; with `wanted`, no others count."""
    current = [gid for gid in seen if not wanted or gid in wanted]
    return [gid for gid in current if gid not in registered], [gid for gid in registered if gid not in current]


class _Gid(msgspec.Struct):
    gid: str


class _Gids(msgspec.Struct):
    data: list[_Gid]


def fetch_workspace_gids(asana: AsanaResource) -> list[str]:
    """Ask Asana for the gids of the token's workspaces.

    Raises:
        AsanaError: it could not be asked.
    """
    request = ApiRequest(template=WORKSPACES.listings[0].path)
    with asana.short_timeout_client() as client:
        pages = client.iter_pages(request, opt_fields="gid", stats=RequestStats(), stop=threading.Event())
        return [item.gid for page in pages for item in msgspec.json.decode(page.body, type=_Gids).data]


@dg.sensor(
    job=sync_changes,
    minimum_interval_seconds=WATCH_CHANGES_SECONDS,
    description="Near real time on paid plans: one request for each workspace tells whether a task changed since the "
    "last look; then the tasks and what is read by them are synced. Deletions wait for the next whole sync.",
)
def watch_changes(context: dg.SensorEvaluationContext, asana: AsanaResource) -> dg.SensorResult | dg.SkipReason:
    seen: dict[str, str] = msgspec.json.decode(context.cursor) if context.cursor else {}
    gids = context.instance.get_dynamic_partitions(str(workspace_partitions.name))
    if not gids:
        return dg.SkipReason("No workspace is registered yet: materialize workspaces first.")
    # A workspace whose run has not ended is looked at when it has.
    free = [gid for gid in gids if gid not in workspaces_with_active_runs(context.instance, gids)]
    try:
        latest, without = fetch_latest_changes(asana, free, seen)
    except AsanaError as error:
        return dg.SkipReason(f"Nothing was learnt: {error}.")
    moved = {gid: at for gid, at in latest.items() if at != seen.get(gid)}
    cursor = msgspec.json.encode({gid: at for gid, at in (seen | moved).items() if gid in gids}).decode()
    if moved:
        requests = [dg.RunRequest(partition_key=gid, run_key=f"{gid} {at}") for gid, at in moved.items()]
        return dg.SensorResult(run_requests=requests, cursor=cursor)
    reason = "Nothing changed."
    if without:
        reason += f" Not on the plan of {', '.join(without)}: there, searching is refused (402)."
    return dg.SkipReason(reason)


class _Modified(msgspec.Struct):
    modified_at: str


class _Newest(msgspec.Struct):
    data: list[_Modified]


def fetch_latest_changes(
    asana: AsanaResource, gids: Sequence[str], seen: dict[str, str]
) -> tuple[dict[str, str], list[str]]:
    """Ask for the instant of the last change in each workspace; for those that were never looked at, of today.

    Returns:
        The instants, as Asana writes them, by gid; and the workspaces whose plan has no search.

    Raises:
        AsanaError: it could not be asked.
    """
    latest: dict[str, str] = {}
    without: list[str] = []
    began = dt.datetime.now(dt.UTC)
    # Those that were looked at longest ago come first, should there be more than a tick has time for.
    with asana.short_timeout_client() as client:
        for gid in sorted(gids, key=lambda gid: seen.get(gid, "")):
            if dt.datetime.now(dt.UTC) - began > _LOOK_AT_MOST:
                break
            try:
                newest = _latest_change(
                    client, gid, seen.get(gid) or f"{began - dt.timedelta(days=1):%Y-%m-%dT%H:%M:%SZ}"
                )
            except PlanLimitError:
                without.append(gid)
            else:
                if newest:
                    latest[gid] = newest
    return latest, without


def _latest_change(client: Client, workspace_gid: str, since: str) -> str | None:
    """Give the instant of the last change after another, None without one."""
    request = ApiRequest(
        template=TASK_SEARCH_PATH,
        values={"workspace": workspace_gid},
        params={"modified_at.after": since, "sort_by": "modified_at", "sort_ascending": "false", "limit": "1"},
    )
    [page] = client.iter_pages(request, opt_fields="modified_at", stats=RequestStats(), stop=threading.Event())
    found = msgspec.json.decode(page.body, type=_Newest).data
    return found[0].modified_at if found else None


def build_run_failure_sensor(notify: Callable[[str], object]) -> dg.SensorDefinition:
    """Build a sensor that tells somebody of every run that failed, in a few words: to be added by who wants it."""

    @dg.run_failure_sensor(
        name="run_failure_alert",
        description="Tells of every run that failed.",
        default_status=dg.DefaultSensorStatus.RUNNING,
    )
    def run_failure_alert(context: dg.RunFailureSensorContext) -> None:
        workspace = context.dagster_run.tags.get(_PARTITION_TAG)
        steps = [event.step_failure_data for event in context.get_step_failure_events()]
        words = [str(step.user_failure_data.description) for step in steps if step.user_failure_data] or [
            context.failure_event.message or "it failed"
        ]
        where = f" of workspace {workspace}" if workspace else ""
        notify(f"Run {context.dagster_run.run_id} ({context.dagster_run.job_name}{where}) failed. {' '.join(words)}")

    return run_failure_alert


automation_condition = (dg.AutomationCondition.on_cron(CRON) | dg.AutomationCondition.on_missing()).with_label(
    "every night, and each new workspace at once"
)
"""Of every asset; nothing happens by it unless the sensor `automation_condition_sensor` is switched on."""

automation_condition_sensor = dg.AutomationConditionSensorDefinition(
    "automation_condition_sensor",
    target=dg.AssetSelection.all(),
    default_status=dg.DefaultSensorStatus.STOPPED,
    description="Instead of the schedules: every asset nightly, after those above it; and each new partition at once.",
)

SCHEDULES = [daily, frequent]
SENSORS = [watch_workspaces, watch_changes, automation_condition_sensor]
