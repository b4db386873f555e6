"""The schedules, and what else automates the jobs: sensors, failure notifications, and automation conditions.

Schedules and sensors skip a workspace that a queued or in-progress run is syncing.
"""

from collections.abc import Callable

import dagster as dg

from asana_assets.defs.change_sensor import watch_changes
from asana_assets.defs.failures import failure_causes
from asana_assets.defs.jobs import (
    PARTITION_TAG,
    refresh_workspaces,
    sync_changes,
    sync_essentials,
    sync_new_workspace,
    sync_workspace,
    workspaces_with_active_syncs,
)
from asana_assets.defs.maintenance import maintain_tables, weekly_maintenance
from asana_assets.defs.partitions import registered_workspaces
from asana_assets.defs.workspace_names import label_workspace, load_workspace_names
from asana_assets.defs.workspace_sensor import watch_workspaces

CRON = "0 3 * * *"
"""When the nightly schedule runs."""


def build_schedule(name: str, cron: str, description: str) -> dg.ScheduleDefinition:
    """Build a schedule that requests one run per registered workspace without an active run."""

    @dg.schedule(name=name, job=sync_workspace, cron_schedule=cron, description=description)
    def schedule(context: dg.ScheduleEvaluationContext) -> list[dg.RunRequest] | dg.SkipReason:
        gids = registered_workspaces(context.instance)
        if not gids:
            return dg.SkipReason("No workspace is registered yet: materialize workspaces first.")
        active = workspaces_with_active_syncs(context.instance, gids)
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


def build_run_failure_sensor(notify: Callable[[str], object]) -> dg.SensorDefinition:
    """Build an opt-in sensor that calls `notify` with a short message about every failed run and its causes."""

    @dg.run_failure_sensor(
        name="run_failure_alert",
        description="Sends a notification of every failed run.",
        default_status=dg.DefaultSensorStatus.RUNNING,
    )
    def run_failure_alert(context: dg.RunFailureSensorContext) -> None:
        gid = context.dagster_run.tags.get(PARTITION_TAG)
        workspace = gid and label_workspace(gid, load_workspace_names(context.instance))
        causes = failure_causes(context.get_step_failure_events())
        reason = " ".join(causes) or context.failure_event.message or "No step reported a reason."
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

JOBS = [sync_workspace, refresh_workspaces, sync_new_workspace, sync_essentials, sync_changes, maintain_tables]
SCHEDULES = [daily, frequent, weekly_maintenance]
SENSORS = [watch_workspaces, watch_changes, automation_condition_sensor]
