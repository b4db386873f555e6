"""The schedules and the other sensors: failure notifications and automation conditions.

Schedules and sensors skip a workspace that a queued or in-progress run is syncing.
"""

import datetime as dt
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import dagster as dg
from dagster_shared.check import CheckError

from asana_assets.asana.endpoints import WORKSPACES
from asana_assets.asana.errors import ConfigurationError
from asana_assets.asana.model import Endpoint
from asana_assets.defs.change_sensor import build_watch_changes
from asana_assets.defs.failures import failure_causes
from asana_assets.defs.freshness import build_watch_freshness
from asana_assets.defs.jobs import PARTITION_TAG, workspaces_with_active_syncs
from asana_assets.defs.maintenance import build_maintenance_schedule
from asana_assets.defs.names import (
    AUTOMATION_CONDITION_SENSOR,
    DAILY,
    FREQUENT,
    MAINTAIN_TABLES,
    SYNC_CHANGES,
    SYNC_WORKSPACE,
    WATCH_CHANGES,
    WATCH_FRESHNESS,
    WATCH_WORKSPACES,
    WEEKLY_MAINTENANCE,
    Names,
)
from asana_assets.defs.partitions import registered_workspaces
from asana_assets.defs.workspace_names import label_workspace, load_workspace_names
from asana_assets.defs.workspace_sensor import build_watch_workspaces

_ALL = (
    DAILY,
    FREQUENT,
    WEEKLY_MAINTENANCE,
    WATCH_WORKSPACES,
    WATCH_CHANGES,
    WATCH_FRESHNESS,
    AUTOMATION_CONDITION_SENSOR,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Automation:
    """When syncs are requested.

    Attributes:
        cron: When the schedule `daily` runs, and when automation conditions request every asset.
        timezone: The time zone of `cron`.
        running: The schedules and sensors that are on unless the UI turns them off, by their names without the
            integration's: `daily`, `frequent`, `weekly_maintenance`, `watch_workspaces`, `watch_changes`,
            `watch_freshness`, `automation_condition_sensor`.
        max_age_hours: The time after which the check `workspaces_synced` of `workspaces` fails for a workspace that
            was not synced; by default, two missed nights.

    Raises:
        ConfigurationError: There is no such schedule, sensor or time zone, or the cron expression is not valid.
    """

    cron: str = "0 3 * * *"
    timezone: str = "UTC"
    running: Sequence[str] = ()
    max_age_hours: float = 49.0

    def __post_init__(self) -> None:
        if unknown := set(self.running).difference(_ALL):
            raise ConfigurationError(f"running names {', '.join(sorted(unknown))}; there are {', '.join(_ALL)}")
        try:
            ZoneInfo(self.timezone)
        except (OSError, ValueError, ZoneInfoNotFoundError):
            raise ConfigurationError(
                f"timezone is {self.timezone!r}, but must be a name such as Europe/Vienna"
            ) from None
        try:
            _ = self.condition
        except CheckError:
            raise ConfigurationError(f"cron is {self.cron!r}, but must be an expression such as 0 3 * * *") from None

    @property
    def max_age(self) -> dt.timedelta:
        """`max_age_hours` as a time delta."""
        return dt.timedelta(hours=self.max_age_hours)

    @property
    def condition(self) -> dg.AutomationCondition[Any]:
        """The condition of every asset, which has no effect unless a sensor evaluates it."""
        on_cron = dg.AutomationCondition.on_cron(self.cron, self.timezone)
        return (on_cron | dg.AutomationCondition.on_missing()).with_label(
            f"at {self.cron}, and new workspaces immediately"
        )


def build_schedules(
    names: Names, endpoints: Sequence[Endpoint], jobs: Mapping[str, Any], automation: Automation
) -> list[dg.ScheduleDefinition]:
    """Build the schedules: of maintenance, and two that request the workspace list and a run per idle workspace."""
    assets = [names.asset_key(endpoint.name) for endpoint in endpoints if endpoint is not WORKSPACES]

    def build(name: str, cron: str, description: str) -> dg.ScheduleDefinition:
        @dg.schedule(
            name=names.of(name),
            job=jobs[SYNC_WORKSPACE],
            cron_schedule=cron,
            execution_timezone=automation.timezone,
            default_status=_status(dg.DefaultScheduleStatus, name, automation),
            description=description,
        )
        def schedule(context: dg.ScheduleEvaluationContext) -> list[dg.RunRequest]:
            gids = registered_workspaces(context.instance, names)
            active = workspaces_with_active_syncs(context.instance, names, gids) if gids else set[str]()
            tick = context.scheduled_execution_time.isoformat()
            return [
                dg.RunRequest(run_key=tick, asset_selection=[names.asset_key(WORKSPACES.name)]),
                *(
                    dg.RunRequest(partition_key=gid, run_key=f"{gid} {tick}", asset_selection=assets)
                    for gid in gids
                    if gid not in active and assets
                ),
            ]

        return schedule

    return [
        build(
            DAILY,
            automation.cron,
            "Syncs the workspace list and each workspace every night, in runs of their own."
            + ("" if DAILY in automation.running else " Off by default: turn it on to keep the tables up to date."),
        ),
        build(
            FREQUENT,
            "*/15 * * * *",
            "Syncs the workspace list and each idle workspace every 15 minutes. Every run fetches all listings again.",
        ),
        build_maintenance_schedule(
            names,
            jobs[MAINTAIN_TABLES],
            automation.timezone,
            _status(dg.DefaultScheduleStatus, WEEKLY_MAINTENANCE, automation),
        ),
    ]


def build_sensors(
    names: Names, endpoints: Sequence[Endpoint], jobs: Mapping[str, Any], automation: Automation
) -> list[dg.SensorDefinition]:
    """Build the sensors; without tasks, there is none for changed ones."""
    watch_workspaces = _status(dg.DefaultSensorStatus, WATCH_WORKSPACES, automation)
    watch_changes = _status(dg.DefaultSensorStatus, WATCH_CHANGES, automation)
    return [
        build_watch_workspaces(names, jobs, watch_workspaces),
        *([build_watch_changes(names, jobs, watch_changes)] if SYNC_CHANGES in jobs else []),
        build_watch_freshness(
            names, endpoints, automation.max_age, _status(dg.DefaultSensorStatus, WATCH_FRESHNESS, automation)
        ),
        dg.AutomationConditionSensorDefinition(
            names.of(AUTOMATION_CONDITION_SENSOR),
            target=dg.AssetSelection.assets(*(names.asset_key(endpoint.name) for endpoint in endpoints)),
            default_status=_status(dg.DefaultSensorStatus, AUTOMATION_CONDITION_SENSOR, automation),
            description="An alternative to the schedules: materializes every asset nightly, after its upstream assets, "
            "and new partitions immediately.",
        ),
    ]


def build_run_failure_sensor(notify: Callable[[str], object], names: Names | None = None) -> dg.SensorDefinition:
    """Build an opt-in sensor that calls `notify` with a short message about every failed run and its causes."""
    names = names or Names()

    @dg.run_failure_sensor(
        name=names.of("run_failure_alert"),
        description="Sends a notification of every failed run.",
        default_status=dg.DefaultSensorStatus.RUNNING,
    )
    def run_failure_alert(context: dg.RunFailureSensorContext) -> None:
        gid = context.dagster_run.tags.get(PARTITION_TAG)
        workspace = gid and label_workspace(gid, load_workspace_names(context.instance, names))
        causes = failure_causes(context.get_step_failure_events())
        reason = " ".join(causes) or context.failure_event.message or "No step reported a reason."
        job = f"{context.dagster_run.job_name}{f' of workspace {workspace}' if workspace else ''}"
        notify(f"Run {context.dagster_run.run_id} ({job}) failed. {reason}")

    return run_failure_alert


def _status(statuses: Any, name: str, automation: Automation) -> Any:
    """Return the status of a schedule or sensor, of this enumeration."""
    return statuses.RUNNING if name in automation.running else statuses.STOPPED
