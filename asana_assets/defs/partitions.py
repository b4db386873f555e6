"""The workspace partitions: every asset but `workspaces` is partitioned by workspace gid.

They are registered by the asset `workspaces` and by the sensor `watch_workspaces`, and removed by the asset alone.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import dagster as dg

from asana_assets.defs.jobs import workspaces_in_use
from asana_assets.defs.names import Names

_ACTIVE_BACKFILL_STATUSES = {"REQUESTED", "CANCELING", "FAILING"}
_MAX_BACKFILLS = 100  # the latest; older ones have ended


@dataclass(frozen=True, slots=True, kw_only=True)
class PartitionChanges:
    """What registering the workspaces has changed.

    Attributes:
        added: The new partitions.
        removed: The partitions that were removed.
        in_use: Partitions to remove that are kept for now, because a run or a backfill uses them.
    """

    added: list[str]
    removed: list[str]
    in_use: list[str]


def registered_workspaces(instance: dg.DagsterInstance, names: Names) -> list[str]:
    """Return the gids of the workspaces that are registered as partitions."""
    return list(instance.get_dynamic_partitions(names.partitions))


def decide_partitions(
    *, registered: Sequence[str], visible: Sequence[str], wanted: Sequence[str]
) -> tuple[list[str], list[str]]:
    """Return the workspaces to register, and the registered ones that are not visible or not wanted.

    Args:
        registered: The current partitions.
        visible: The workspaces that the token can see.
        wanted: Restricts them to these, unless it is empty.
    """
    current = [gid for gid in visible if not wanted or gid in wanted]
    return [gid for gid in current if gid not in registered], [gid for gid in registered if gid not in current]


def sync_partitions(instance: dg.DagsterInstance, names: Names, gids: Sequence[str]) -> PartitionChanges:
    """Register `gids` as partitions, and remove all others except those in use.

    A run of a partition that is removed meanwhile fails, and so does a backfill, so these are kept until a later call.
    """
    added, obsolete = decide_partitions(registered=registered_workspaces(instance, names), visible=gids, wanted=[])
    if added:
        instance.add_dynamic_partitions(names.partitions, added)
    if not obsolete:
        return PartitionChanges(added=added, removed=[], in_use=[])
    in_use = _in_use(instance, names, obsolete)
    removed = [gid for gid in obsolete if gid not in in_use]
    for gid in removed:
        instance.delete_dynamic_partition(names.partitions, gid)
    return PartitionChanges(added=added, removed=removed, in_use=[gid for gid in obsolete if gid in in_use])


def remove_partition(instance: dg.DagsterInstance, names: Names, gid: str) -> bool:
    """Remove the partition of a workspace, if it is registered; return False if a run or a backfill uses it."""
    if _in_use(instance, names, [gid]):
        return False
    if gid in registered_workspaces(instance, names):
        instance.delete_dynamic_partition(names.partitions, gid)
    return True


def _in_use(instance: dg.DagsterInstance, names: Names, gids: Sequence[str]) -> set[str]:
    """Return the partitions, of those in `gids`, that a run or a backfill which has not ended may still need."""
    return workspaces_in_use(instance, gids) | _in_active_backfill(instance, names, gids)


def _in_active_backfill(instance: dg.DagsterInstance, names: Names, gids: Sequence[str]) -> set[str]:
    """Return the partitions, of those in `gids`, that a backfill which has not ended may still need."""
    in_use: set[str] = set()
    for backfill in instance.get_backfills(limit=_MAX_BACKFILLS):
        if backfill.status.value in _ACTIVE_BACKFILL_STATUSES:
            # A backfill of assets does not say which partitions it needs: it may be any.
            needs_any = any(names.endpoint_of(key) for key in backfill.asset_selection or ())
            in_use.update(gids if needs_any else backfill.partition_names or ())
    return in_use
