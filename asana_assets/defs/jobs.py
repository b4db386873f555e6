"""The jobs that schedules and sensors request, and which of their runs are active.

Each run of a job but `refresh_workspaces` syncs one workspace, which is the run's partition.
"""

from collections.abc import Sequence

import dagster as dg

from asana_assets.asana.endpoints import PROJECTS, TASKS, USERS, WORKSPACES

PARTITION_TAG = "dagster/partition"
"""The tag with a run's partition: the gid of its workspace."""

sync_workspace = dg.define_asset_job(
    "sync_workspace",
    selection=dg.AssetSelection.all() - dg.AssetSelection.assets(WORKSPACES.name),
    description="Syncs all assets of one workspace.",
)
refresh_workspaces = dg.define_asset_job(
    "refresh_workspaces",
    selection=dg.AssetSelection.assets(WORKSPACES.name),
    description="Syncs the workspace list, registers each workspace as a partition, and removes the partitions of "
    "those that are gone.",
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

_SYNC_JOBS = {job.name for job in (sync_workspace, sync_new_workspace, sync_essentials, sync_changes)}
_ACTIVE_STATUSES = [
    dg.DagsterRunStatus.QUEUED,
    dg.DagsterRunStatus.NOT_STARTED,
    dg.DagsterRunStatus.STARTING,
    dg.DagsterRunStatus.STARTED,
]


def workspaces_with_active_syncs(instance: dg.DagsterInstance, gids: Sequence[str]) -> set[str]:
    """Return the workspaces, of those in `gids`, that a queued or in-progress run of one of these jobs syncs."""
    runs = instance.get_runs(dg.RunsFilter(statuses=_ACTIVE_STATUSES, tags={PARTITION_TAG: list(gids)}))
    return {run.tags[PARTITION_TAG] for run in runs if run.job_name in _SYNC_JOBS}


def workspaces_in_use(instance: dg.DagsterInstance, gids: Sequence[str]) -> set[str]:
    """Return the workspaces, of those in `gids`, whose partition a run that has not ended uses, whatever its job."""
    statuses = [*_ACTIVE_STATUSES, dg.DagsterRunStatus.CANCELING]
    runs = instance.get_runs(dg.RunsFilter(statuses=statuses, tags={PARTITION_TAG: list(gids)}))
    return {run.tags[PARTITION_TAG] for run in runs}
