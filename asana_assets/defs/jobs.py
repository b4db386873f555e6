"""The jobs that schedules and sensors request, and which of their runs are active.

Each run of a job but `refresh_workspaces` syncs one workspace, which is the run's partition.
"""

from collections.abc import Collection, Mapping, Sequence
from typing import Any

import dagster as dg

from asana_assets.asana.endpoints import PROJECTS, TASKS, USERS, WORKSPACES
from asana_assets.asana.model import Endpoint
from asana_assets.defs.maintenance import build_maintenance_job
from asana_assets.defs.names import (
    MAINTAIN_TABLES,
    REFRESH_WORKSPACES,
    SYNC_CHANGES,
    SYNC_ESSENTIALS,
    SYNC_WORKSPACE,
    Names,
)

PARTITION_TAG = "dagster/partition"
"""The tag with a run's partition: the gid of its workspace."""

_DESCRIPTIONS = {
    SYNC_WORKSPACE: "Syncs the workspace list, then all assets of one workspace.",
    REFRESH_WORKSPACES: "Syncs the workspace list, registers each workspace as a partition, and removes the partitions "
    "of those that are gone.",
    SYNC_ESSENTIALS: "Syncs the workspace list, and the users, projects and tasks of one workspace: a quick start, "
    "since no task needs a request of its own.",
    SYNC_CHANGES: "Syncs the tasks of one workspace and all assets downstream of them.",
}
_ACTIVE_STATUSES = [
    dg.DagsterRunStatus.QUEUED,
    dg.DagsterRunStatus.NOT_STARTED,
    dg.DagsterRunStatus.STARTING,
    dg.DagsterRunStatus.STARTED,
]


def build_jobs(
    names: Names,
    endpoints: Sequence[Endpoint],
    partitions_def: dg.DynamicPartitionsDefinition,
    excluded_checks: Sequence[dg.AssetChecksDefinition] = (),
) -> dict[str, Any]:
    """Build the jobs, those of assets over these endpoints, by their names without the integration's.

    They evaluate the checks of their assets, except for those in `excluded_checks`.
    """
    chosen = {endpoint.name for endpoint in endpoints}
    essentials = [one for one in (WORKSPACES, USERS, PROJECTS, TASKS) if one.name in chosen]
    selections = {
        SYNC_WORKSPACE: list(endpoints),
        REFRESH_WORKSPACES: [WORKSPACES],
        SYNC_ESSENTIALS: essentials if TASKS.name in chosen else [],
        SYNC_CHANGES: _with_downstream(TASKS.name, endpoints),
    }
    config = dg.PartitionedConfig(
        partitions_def=partitions_def,
        run_config_for_partition_key_fn=_no_config,
        tags_for_partition_key_fn=lambda gid: {names.workspace_tag: gid},
    )
    excluded = dg.AssetSelection.checks(*(key for check in excluded_checks for key in check.check_keys))
    asset_jobs = {
        job: dg.define_asset_job(
            names.of(job),
            selection=dg.AssetSelection.assets(*(names.asset_key(one.name) for one in selected)) - excluded,
            description=_DESCRIPTIONS[job],
            config=None if selected == [WORKSPACES] else config,
        )
        for job, selected in selections.items()
        if selected
    }
    return {**asset_jobs, MAINTAIN_TABLES: build_maintenance_job(names)}


def _no_config(_gid: str) -> Mapping[str, Any]:
    return {}


def _with_downstream(first: str, endpoints: Sequence[Endpoint]) -> list[Endpoint]:
    """Return those of the endpoints, parents before children, that have the name `first` or are downstream of it."""
    found: list[Endpoint] = []
    for endpoint in endpoints:
        if endpoint.name == first or any(one.name in endpoint.upstream for one in found):
            found.append(endpoint)
    return found


def workspaces_with_active_syncs(instance: dg.DagsterInstance, names: Names, gids: Sequence[str]) -> set[str]:
    """Return the workspaces, of those in `gids`, that a queued or in-progress run of one of these jobs syncs."""
    jobs = {names.of(job) for job in (SYNC_WORKSPACE, SYNC_ESSENTIALS, SYNC_CHANGES)}
    return _workspaces_of_runs(instance, gids, _ACTIVE_STATUSES, jobs)


def workspaces_in_use(instance: dg.DagsterInstance, gids: Sequence[str]) -> set[str]:
    """Return the workspaces, of those in `gids`, whose partition a run that has not ended uses, whatever its job."""
    return _workspaces_of_runs(instance, gids, [*_ACTIVE_STATUSES, dg.DagsterRunStatus.CANCELING])


def _workspaces_of_runs(
    instance: dg.DagsterInstance,
    gids: Sequence[str],
    statuses: Sequence[dg.DagsterRunStatus],
    jobs: Collection[str] | None = None,
) -> set[str]:
    runs = instance.get_runs(dg.RunsFilter(statuses=statuses, tags={PARTITION_TAG: list(gids)}))
    return {run.tags[PARTITION_TAG] for run in runs if jobs is None or run.job_name in jobs}
