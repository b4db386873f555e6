"""The partitions of fourteen of the assets: the gids of the token's workspaces."""

import dagster as dg

workspace_partitions = dg.DynamicPartitionsDefinition(name="asana_workspaces")
"""Registered by the asset `workspaces`, or by the sensor that watches for new ones."""


def sync_partitions(instance: dg.DagsterInstance, gids: list[str]) -> tuple[list[str], list[str]]:
    """Make `gids` the partitions; give those that are new and those that went."""
    known = set(instance.get_dynamic_partitions("asana_workspaces"))
    new = [gid for gid in gids if gid not in known]
    gone = sorted(known.difference(gids))
    if new:
        instance.add_dynamic_partitions("asana_workspaces", new)
    for gid in gone:
        instance.delete_dynamic_partition("asana_workspaces", gid)
    return new, gone
