"""The sync of a workspace that was interrupted and that the next `asana-assets sync` resumes."""

import datetime as dt
from collections.abc import Sequence

from asana_assets.cli.estimate_report import InterruptedSync
from asana_assets.defs.resources import LakeResource
from asana_assets.sync.resume import is_resumable


def find_interrupted_sync(lake: LakeResource, workspace_gid: str, assets: Sequence[str]) -> InterruptedSync | None:
    """Return when the workspace's interrupted sync started and which of the assets it completed.

    Returns None if no sync was interrupted, or if it started too long ago to be resumed.

    Raises:
        LakeError: The catalog cannot be used.
    """
    sync = lake.interrupted_sync(workspace_gid)
    if sync is None or not is_resumable(sync.started_at, now=dt.datetime.now(dt.UTC)):
        return None
    return sync.started_at, [name for name in assets if lake.load_state(name, workspace_gid).last_sync_id == sync.id]
