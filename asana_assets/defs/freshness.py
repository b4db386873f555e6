"""The check that each registered workspace was synced recently, and the sensor that evaluates it.

A freshness policy applies to an asset, so that one workspace's syncs hide that another's have stopped. The check reads
the sync state and sends no request. The sensor evaluates it without a run, so that it also fails if nothing runs.
"""

import datetime as dt
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import dagster as dg

from asana_assets.asana.endpoints import WORKSPACES
from asana_assets.asana.model import GID, SYNCED_AT, Endpoint
from asana_assets.defs.failures import explain
from asana_assets.defs.names import LAKE, WATCH_FRESHNESS, WORKSPACES_SYNCED, Names
from asana_assets.defs.partitions import registered_workspaces
from asana_assets.defs.resources import LakeResource
from asana_assets.defs.workspace_names import label_workspace
from asana_assets.lake.errors import LakeError

WATCH_FRESHNESS_SECONDS = 3600
"""Seconds between two evaluations."""

_HOUR = dt.timedelta(hours=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkspaceAge:
    """How old the tables of one workspace are.

    Attributes:
        label: The workspace's name.
        known_since: When its row in `workspaces` was last fetched with a difference (UTC); None if there is no row.
        synced_at: When the last completed sync of each asset started (UTC), None for one that was never synced.
    """

    label: str
    known_since: dt.datetime | None
    synced_at: Mapping[str, dt.datetime | None]

    def since(self, now: dt.datetime) -> dict[str, dt.datetime]:
        """Return when each asset was last synced; one that never was counts from when its workspace became known."""
        return {name: at or self.known_since or now for name, at in self.synced_at.items()}


def describe_overdue(ages: Sequence[WorkspaceAge], *, max_age: dt.timedelta, now: dt.datetime) -> str:
    """Return which workspaces have assets that were not synced for longer than `max_age`, "" if none has."""
    overdue: list[str] = []
    for workspace in ages:
        since = workspace.since(now)
        late = sorted((at, name) for name, at in since.items() if now - at > max_age)
        if late:
            at, name = late[0]
            when = f"last synced at {at:%Y-%m-%d %H:%M} UTC" if workspace.synced_at[name] else "never synced"
            overdue.append(f"{workspace.label} ({len(late)} of {len(since)} assets; {name} was {when})")
    if not overdue:
        return ""
    return (
        f"Not synced within {max_age / _HOUR:g} hours: {', '.join(overdue)}. Check that a schedule or sensor is on, "
        "that Dagster's daemon runs, and why the last runs of these workspaces failed."
    )


def build_freshness_check(
    names: Names, endpoints: Sequence[Endpoint], max_age: dt.timedelta
) -> dg.AssetChecksDefinition:
    """Build the check, which can be executed on its own; no job includes it."""

    @dg.multi_asset_check(
        name=names.op(WORKSPACES_SYNCED),
        specs=[
            dg.AssetCheckSpec(
                WORKSPACES_SYNCED,
                asset=names.asset_key(WORKSPACES.name),
                description=f"Every asset of each registered workspace was synced within {max_age / _HOUR:g} hours.",
            )
        ],
        required_resource_keys={names.of(LAKE)},
    )
    def check(context: dg.AssetCheckExecutionContext) -> dg.AssetCheckResult:
        lake = getattr(context.resources, names.of(LAKE))
        message, age = _evaluate(context.instance, names, endpoints, lake, max_age)
        return dg.AssetCheckResult(passed=not message, description=message or None, metadata=age)

    return check


def build_watch_freshness(
    names: Names, endpoints: Sequence[Endpoint], max_age: dt.timedelta, default_status: dg.DefaultSensorStatus
) -> dg.SensorDefinition:
    """Build the sensor."""

    @dg.sensor(
        name=names.of(WATCH_FRESHNESS),
        minimum_interval_seconds=WATCH_FRESHNESS_SECONDS,
        default_status=default_status,
        required_resource_keys={names.of(LAKE)},
        description=f"Evaluates the check {WORKSPACES_SYNCED} of the list of workspaces, which fails if any registered "
        "workspace is no longer synced. Sends no request and requests no run.",
    )
    def watch_freshness(context: dg.SensorEvaluationContext) -> dg.SensorResult:
        lake = getattr(context.resources, names.of(LAKE))
        message, age = _evaluate(context.instance, names, endpoints, lake, max_age)
        evaluation = dg.AssetCheckEvaluation(
            asset_key=names.asset_key(WORKSPACES.name),
            check_name=WORKSPACES_SYNCED,
            passed=not message,
            description=message or None,
            metadata=age,
        )
        return dg.SensorResult(asset_events=[evaluation], skip_reason=message or "Every workspace was synced in time.")

    return watch_freshness


def _evaluate(
    instance: dg.DagsterInstance,
    names: Names,
    endpoints: Sequence[Endpoint],
    lake: LakeResource,
    max_age: dt.timedelta,
) -> tuple[str, dict[str, float]]:
    """Return what is wrong, "" if the check passes, and the age of the oldest sync as metadata.

    Tables that cannot be read are not known to be fresh.
    """
    now = dt.datetime.now(dt.UTC)
    try:
        ages = _load_ages(instance, names, endpoints, lake)
    except LakeError as error:
        return f"When the workspaces were synced is not known. {explain(error)}", {}
    oldest = min((at for one in ages for at in one.since(now).values()), default=None)
    metadata = {"oldest_sync_age_hours": round((now - oldest) / _HOUR, 1)} if oldest else {}
    return describe_overdue(ages, max_age=max_age, now=now), metadata


def _load_ages(
    instance: dg.DagsterInstance, names: Names, endpoints: Sequence[Endpoint], lake: LakeResource
) -> list[WorkspaceAge]:
    stored = lake.stored_rows(WORKSPACES, "").columns((GID.name, "name", SYNCED_AT.name)).to_pylist()
    rows = {str(row[GID.name]): row for row in stored}
    labels = {gid: str(row["name"] or "") for gid, row in rows.items()}
    assets = [endpoint.name for endpoint in endpoints if endpoint is not WORKSPACES]
    ages: list[WorkspaceAge] = []
    for gid in registered_workspaces(instance, names):
        syncs = lake.sync_states.completed_syncs(gid, assets)
        ages.append(
            WorkspaceAge(
                label=label_workspace(gid, labels),
                known_since=rows[gid][SYNCED_AT.name] if gid in rows else None,
                synced_at={name: syncs[name].started_at if name in syncs else None for name in assets},
            )
        )
    return ages
