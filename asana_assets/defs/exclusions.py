"""The stored inputs of row filters."""

from collections.abc import Mapping

import pyarrow.compute as pc

from asana_assets.asana.endpoints import WORKSPACES
from asana_assets.asana.model import GID, Endpoint
from asana_assets.defs.resources import LakeResource
from asana_assets.sync.gids import to_gid_list
from asana_assets.sync.row_filter import Exclusion, RowFilter


def load_exclusions(
    lake: LakeResource, filters: Mapping[str, RowFilter], endpoint: Endpoint, workspace_gid: str
) -> dict[str, Exclusion]:
    """Return what filters have removed from a workspace's tables above the endpoint's, by their names.

    Raises:
        LakeError: The sync state cannot be read.
    """
    excluded = {name: lake.load_state(name, workspace_gid).excluded for name in endpoint.ancestors & filters.keys()}
    return {
        name: Exclusion(rows["parent_gid"].combine_chunks(), pc.max(rows["_synced_at"]).as_py())
        for name, rows in excluded.items()
    }


def other_workspaces(lake: LakeResource, workspace_gid: str) -> list[str]:
    """Return the stored workspaces but this one.

    Raises:
        LakeError: The table cannot be read.
    """
    gids = to_gid_list(lake.stored_rows(WORKSPACES, "").columns((GID.name,))[GID.name])
    return sorted(set(gids) - {workspace_gid})
