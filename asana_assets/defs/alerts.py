"""An opt-in sensor that reports what needs attention: failed runs and checks, failing sensors, stale workspaces.

It reads the Dagster instance only. Each problem is reported once, when it begins: the cursor holds those that are open.
What cannot be delivered is sent again by the next tick.
"""

import datetime as dt
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from urllib.parse import quote

import dagster as dg
import msgspec

from asana_assets.defs.failures import POLL_FAILED, failure_causes, root_cause
from asana_assets.defs.jobs import PARTITION_TAG
from asana_assets.defs.names import Names
from asana_assets.defs.workspace_names import label_workspace, load_workspace_names

STALE_AFTER = dt.timedelta(hours=26)
"""The age at which a workspace is stale by default: one nightly sync was missed."""

_OVERLAP = dt.timedelta(minutes=10)  # runs that ended this long before the last tick are looked at again
_MAX_RUNS = 200  # looked at per tick; the next tick continues
_MAX_SYNCS = 20  # the latest of a workspace, among which is one of ours
_ENDED = [dg.DagsterRunStatus.SUCCESS, dg.DagsterRunStatus.FAILURE, dg.DagsterRunStatus.CANCELED]


@dataclass(frozen=True, slots=True, kw_only=True)
class Alert:
    """One problem that needs attention.

    Attributes:
        subject: What happened, in a few words that name it, such as for the subject line of an e-mail.
        message: The reason and what to do, in sentences.
        url: The page of the Dagster UI about it; "" if the sensor does not know where the UI is.
    """

    subject: str
    message: str
    url: str = ""

    def __str__(self) -> str:
        return "\n".join(filter(None, (f"{self.subject}. {self.message}", self.url)))


class _Cursor(msgspec.Struct, frozen=True, kw_only=True):
    """What was seen.

    Attributes:
        runs_until: Runs that ended before this were reported (UTC).
        reported_runs: By run that ended shortly before, when it ended.
        open: Keys of the problems that were reported and are not resolved.
        first_seen: By workspace that was never synced, when it was first seen (UTC).
    """

    runs_until: dt.datetime
    reported_runs: dict[str, dt.datetime] = {}
    open: set[str] = set()
    first_seen: dict[str, dt.datetime] = {}


def build_alert_sensor(
    notify: Callable[[Alert], object],
    *,
    base_url: str = "",
    stale_after: dt.timedelta = STALE_AFTER,
    only: Collection[str] | None = None,
    integration: str = "asana",
) -> dg.SensorDefinition:
    """Build a sensor that calls `notify` once for each problem of its code location.

    Args:
        notify: Delivers an alert. If it raises, the tick fails, and the next one sends the alert again.
        base_url: Where the Dagster UI is, such as https://dagster.example.com, for links.
        stale_after: The age of a workspace's last successful run at which it is reported.
        only: The jobs, schedules and sensors to report on; by default, all of the code location. Checks that a sensor
            evaluates without a run are reported in any case.
        integration: The name that the definitions were built with.
    """
    names = Names(integration)

    @dg.sensor(
        name=names.of("alerts"),
        minimum_interval_seconds=60,
        default_status=dg.DefaultSensorStatus.RUNNING,
        description="Reports failed runs, failed checks, failing sensors and schedules, and stale workspaces.",
    )
    def alerts(context: dg.SensorEvaluationContext) -> dg.SkipReason:
        repository = context.repository_def
        watch = _Watch(
            instance=context.instance,
            names=set(only) if only is not None else _names_of(repository),
            checks=repository.asset_graph.asset_check_keys if repository else set[dg.AssetCheckKey](),
            base_url=base_url.rstrip("/"),
            workspace_names=load_workspace_names(context.instance, names),
            now=dt.datetime.now(dt.UTC),
        )
        cursor = _decode(context.cursor, watch.now)
        found, runs = watch.find_problems(
            cursor, list(context.instance.get_dynamic_partitions(names.partitions)), stale_after
        )
        new = [alert for key, alert in found.items() if key not in cursor.open]
        for alert in new:
            notify(alert)
        context.update_cursor(msgspec.json.encode(runs).decode())
        return dg.SkipReason(f"{len(new)} new alerts, {len(runs.open)} open problems.")

    return alerts


def _decode(cursor: str | None, now: dt.datetime) -> _Cursor:
    try:
        return msgspec.json.decode(cursor, type=_Cursor) if cursor else _Cursor(runs_until=now)
    except msgspec.DecodeError:  # set by hand
        return _Cursor(runs_until=now)


def _names_of(repository: dg.RepositoryDefinition | None) -> set[str]:
    """Return the names of all jobs, schedules and sensors of the code location."""
    if repository is None:
        return set()
    return {*repository.job_names, *(one.name for one in (*repository.schedule_defs, *repository.sensor_defs))}


@dataclass(frozen=True, slots=True, kw_only=True)
class _Watch:
    """One look at the instance."""

    instance: dg.DagsterInstance
    names: Collection[str]
    checks: Collection[dg.AssetCheckKey]
    base_url: str
    workspace_names: Mapping[str, str]
    now: dt.datetime

    def find_problems(
        self, cursor: _Cursor, gids: Sequence[str], stale_after: dt.timedelta
    ) -> tuple[dict[str, Alert], _Cursor]:
        """Return the alerts of all problems by key, and the cursor after they were delivered."""
        records = self._ended_runs(cursor)
        failed = [one.dagster_run for one in records if one.dagster_run.status is dg.DagsterRunStatus.FAILURE]
        found = {f"run {run.run_id}": self._failed_run(run) for run in failed}
        checks = {key for key in cursor.open if key.startswith("check ")}
        for key, alert in chain(*map(self._checks_in_run, records), self._checks_without_run()):
            if alert:
                found[key] = alert
                checks.add(key)
            else:
                found.pop(key, None)
                checks.discard(key)
        first_seen = {gid: cursor.first_seen.get(gid, self.now) for gid in gids}
        current = {**dict(self._failing_automation()), **dict(self._stale_workspaces(first_seen, stale_after))}
        reported = {**cursor.reported_runs, **{one.dagster_run.run_id: _ended_at(one) for one in records}}
        until = max([cursor.runs_until, *map(_ended_at, records)])
        return found | current, _Cursor(
            runs_until=until,
            reported_runs={run_id: at for run_id, at in reported.items() if at > until - 2 * _OVERLAP},
            open=checks | current.keys(),
            first_seen=first_seen,
        )

    def _ended_runs(self, cursor: _Cursor) -> list[dg.RunRecord]:
        """Return the runs that ended since the last tick, the first to end first."""
        since = cursor.runs_until - _OVERLAP
        filters = dg.RunsFilter(statuses=_ENDED, updated_after=since)
        records = self.instance.get_run_records(filters, limit=_MAX_RUNS, order_by="update_timestamp", ascending=True)
        new = [
            one
            for one in records
            if one.dagster_run.job_name in self.names
            and one.dagster_run.run_id not in cursor.reported_runs
            and _ended_at(one) >= since
        ]
        return sorted(new, key=_ended_at)

    def _failed_run(self, run: dg.DagsterRun) -> Alert:
        entries = self.instance.all_logs(run.run_id, of_type=dg.DagsterEventType.STEP_FAILURE)
        causes = failure_causes([entry.dagster_event for entry in entries if entry.dagster_event])
        return Alert(
            subject=f"The run of {run.job_name}{self._of_workspace(run.tags.get(PARTITION_TAG, ''))} failed",
            message=" ".join(causes) or "No step reported a reason.",
            url=self._url(f"/runs/{run.run_id}"),
        )

    def _checks_in_run(self, record: dg.RunRecord) -> Iterator[tuple[str, Alert | None]]:
        """Yield the key of each check that the run evaluated, with the alert if it failed."""
        run = record.dagster_run
        for entry in self.instance.all_logs(run.run_id, of_type=dg.DagsterEventType.ASSET_CHECK_EVALUATION):
            yield from self._check(entry, run.tags.get(PARTITION_TAG, ""))

    def _checks_without_run(self) -> Iterator[tuple[str, Alert | None]]:
        """Yield the same for each check whose latest evaluation was reported by a sensor, not by a run."""
        latest = self.instance.event_log_storage.get_latest_asset_check_execution_by_key(list(self.checks))
        for record in latest.values():
            if record.event and not record.run_id:
                yield from self._check(record.event, record.partition or "")

    def _check(self, entry: dg.EventLogEntry, gid: str) -> Iterator[tuple[str, Alert | None]]:
        check = entry.dagster_event.asset_check_evaluation_data if entry.dagster_event else None
        if check is None:
            return
        asset = "/".join(check.asset_key.path)
        level = "error" if check.severity is dg.AssetCheckSeverity.ERROR else "warning"
        alert = Alert(
            subject=f"The check {check.check_name} of {asset}{self._of_workspace(gid)} failed ({level})",
            message=check.description or "It gave no reason.",
            url=self._url(f"/assets/{quote(asset)}?view=checks"),
        )
        yield f"check {asset} {check.check_name} {gid}", None if check.passed else alert

    def _failing_automation(self) -> Iterator[tuple[str, Alert]]:
        """Yield the sensors and schedules whose last tick failed, or could not poll Asana."""
        if self.instance.schedule_storage is None:  # without a daemon, nothing ticks
            return
        for state in self.instance.all_instigator_state():
            if state.instigator_name not in self.names or not state.is_running:
                continue
            ticks = self.instance.get_ticks(state.instigator_origin_id, state.selector_id, limit=2)
            ended = next((tick for tick in ticks if tick.status.value != "STARTED"), None)
            reason = ended and (ended.skip_reason or "")
            if ended and (ended.status.value == "FAILURE" or (reason or "").startswith(POLL_FAILED)):
                yield (
                    f"automation {state.instigator_name}",
                    Alert(
                        subject=f"{state.instigator_name} is failing",
                        message=reason or root_cause(ended.error),
                        url=self._url("/automation"),
                    ),
                )

    def _stale_workspaces(
        self, first_seen: Mapping[str, dt.datetime], stale_after: dt.timedelta
    ) -> Iterator[tuple[str, Alert]]:
        """Yield the workspaces whose last successful run is too old."""
        for gid, seen in first_seen.items():
            filters = dg.RunsFilter(tags={PARTITION_TAG: gid}, statuses=[dg.DagsterRunStatus.SUCCESS])
            records = self.instance.get_run_records(filters, limit=_MAX_SYNCS)
            synced = max((_ended_at(one) for one in records if one.dagster_run.job_name in self.names), default=None)
            if self.now - (synced or seen) <= stale_after:
                continue
            last = (
                f"Its last successful sync ended at {synced:%Y-%m-%d %H:%M} UTC." if synced else "It was never synced."
            )
            yield (
                f"stale {gid}",
                Alert(
                    subject=f"Workspace {label_workspace(gid, self.workspace_names)} is stale",
                    message=f"{last} Check whether the schedule is on, and whether its runs fail or wait in the queue.",
                    url=self._url(f"/runs?q[0]={quote(f'tag:{PARTITION_TAG}={gid}', safe='')}"),
                ),
            )

    def _of_workspace(self, gid: str) -> str:
        return f" of workspace {label_workspace(gid, self.workspace_names)}" if gid else ""

    def _url(self, path: str) -> str:
        return f"{self.base_url}{path}" if self.base_url else ""


def _ended_at(record: dg.RunRecord) -> dt.datetime:
    if record.end_time:
        return dt.datetime.fromtimestamp(record.end_time, dt.UTC)
    return record.update_timestamp.replace(tzinfo=record.update_timestamp.tzinfo or dt.UTC)
