"""How old the tables are and what is wrong with them, from what is stored; sends no request."""

import datetime as dt
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import dagster as dg

from asana_assets.asana.endpoints import WORKSPACES
from asana_assets.asana.model import Endpoint
from asana_assets.defs.jobs import PARTITION_TAG
from asana_assets.defs.names import Names
from asana_assets.defs.resources import LakeResource
from asana_assets.defs.workspace_names import stored_workspace_names

_MAX_RUNS = 20  # the latest of each workspace, in which the results of checks are looked up


@dataclass(frozen=True, slots=True, kw_only=True)
class FailedCheck:
    """A check that failed when it was last evaluated; its severity is `error` or `warn`."""

    asset: str
    name: str
    severity: str
    message: str


@dataclass(frozen=True, slots=True, kw_only=True)
class TableStatus:
    """The status of one table in one workspace.

    Attributes:
        asset: The asset's name.
        rows: Its stored rows.
        synced_at: When its last completed sync started (UTC), None if there was none.
        problems: The names of failed checks.
    """

    asset: str
    rows: int
    synced_at: dt.datetime | None
    problems: Sequence[str]


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkspaceStatus:
    """The status of one workspace.

    Attributes:
        gid: Its gid.
        name: Its name.
        tables: The status of each table.
        interrupted_at: When a sync started that did not end (UTC); None if there is none. It may still be running.
        failed_checks: The failed checks with their messages.
    """

    gid: str
    name: str
    tables: Sequence[TableStatus]
    interrupted_at: dt.datetime | None
    failed_checks: Sequence[FailedCheck]


def read_status(
    lake: LakeResource, endpoints: Sequence[Endpoint], instance: dg.DagsterInstance | None
) -> Iterator[WorkspaceStatus]:
    """Yield the status of each stored workspace, by name.

    Args:
        lake: The tables and the sync state.
        endpoints: The chosen endpoints.
        instance: The instance that recorded the runs, if there is one.

    Raises:
        LakeError: The catalog cannot be used.
    """
    endpoints = [endpoint for endpoint in endpoints if endpoint is not WORKSPACES]
    names = stored_workspace_names(lake.stored_rows(WORKSPACES, ""))
    for gid, name in sorted(names.items(), key=lambda item: (item[1].casefold(), item[0])):
        rows_by_asset = {endpoint.name: len(lake.stored_rows(endpoint, gid)) for endpoint in endpoints}
        failed = list(_failed_checks(instance, gid)) if instance else []
        syncs = lake.sync_states.completed_syncs(gid, [endpoint.name for endpoint in endpoints])
        dropped = [one.name for one in endpoints if lake.dropped_from(one.name, gid) is not None]
        interrupted = lake.interrupted_sync(gid)
        yield WorkspaceStatus(
            gid=gid,
            name=name,
            tables=[
                TableStatus(
                    asset=endpoint.name,
                    rows=rows_by_asset[endpoint.name],
                    synced_at=syncs[endpoint.name].started_at if endpoint.name in syncs else None,
                    problems=sorted(
                        {one.name for one in failed if one.asset == endpoint.name}
                        | ({"row_count_not_dropped"} if endpoint.name in dropped else set[str]())
                    ),
                )
                for endpoint in endpoints
            ],
            interrupted_at=interrupted.started_at if interrupted else None,
            failed_checks=failed,
        )


def _failed_checks(instance: dg.DagsterInstance, workspace_gid: str) -> Iterator[FailedCheck]:
    """Yield the checks that failed when one of the workspace's latest runs last evaluated them."""
    seen: set[tuple[str, str]] = set()
    filters = dg.RunsFilter(tags={PARTITION_TAG: workspace_gid})
    for record in instance.get_run_records(filters, limit=_MAX_RUNS):  # the latest first
        run_id = record.dagster_run.run_id
        entries = instance.all_logs(run_id, of_type=dg.DagsterEventType.ASSET_CHECK_EVALUATION)
        found = [entry.dagster_event.asset_check_evaluation_data for entry in entries if entry.dagster_event]
        names = ((Names().endpoint_of(one.asset_key), one) for one in found)
        latest = {(name, one.check_name): one for name, one in names if name}
        for key, check in latest.items():
            if key not in seen and not check.passed:
                severity = check.severity.value.lower()
                yield FailedCheck(asset=key[0], name=key[1], severity=severity, message=check.description or "")
        seen.update(latest)
