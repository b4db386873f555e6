"""The workspace partitions: every asset but `workspaces` is partitioned by workspace gid."""

import dagster as dg

workspace_partitions = dg.DynamicPartitionsDefinition(name="asana_workspaces")
"""Registered by the asset `workspaces` and by the sensor `watch_workspaces`."""


def sync_partitions(instance: dg.DagsterInstance, gids: list[str]) -> tuple[list[str], list[str]]:
    """Register `gids` and no others as partitions; return those added and those removed."""
    known = set(instance.get_dynamic_partitions("asana_workspaces"))
    added = [gid for gid in gids if gid not in known]
    removed = sorted(known.difference(gids))
    if added:
        instance.add_dynamic_partitions("asana_workspaces", added)
    for gid in removed:
        instance.delete_dynamic_partition("asana_workspaces", gid)
    return added, removed
