"""The marker of a sync in progress, by which the next sync finds and resumes one that was interrupted.

The marker is a row of sync state: its endpoint is not a real one, its parent is the workspace, and its instant is when
the sync started. It is saved before the first asset and deleted after the last, so it outlives only a killed process.
"""

import datetime as dt
from collections.abc import Sequence

import pyarrow as pa

from asana_assets.cli.estimate_report import InterruptedSync
from asana_assets.defs.resources import LakeResource
from asana_assets.sync.change_detection import Sync, SyncState
from asana_assets.sync.resume import RESUME_WINDOW

_PSEUDO_ENDPOINT = "sync"


def find_interrupted_sync(lake: LakeResource, workspace_gid: str, assets: Sequence[str]) -> InterruptedSync | None:
    """Return when the workspace's interrupted sync started and which of the assets it completed.

    Returns None if no sync was interrupted, or if it started too long ago to be resumed.

    Raises:
        LakeError: The catalog cannot be used.
    """
    started_at = lake.load_state(_PSEUDO_ENDPOINT, workspace_gid).last_sync_started_at
    if started_at is None or dt.datetime.now(dt.UTC) - started_at >= RESUME_WINDOW:
        return None
    sync_id = started_at.isoformat()
    return started_at, [name for name in assets if lake.load_state(name, workspace_gid).last_sync_id == sync_id]


def save_marker(lake: LakeResource, workspace_gid: str, started_at: dt.datetime) -> None:
    """Record that a sync of the workspace is in progress.

    Raises:
        LakeError: The catalog cannot be used.
    """
    lake.save_state(_PSEUDO_ENDPOINT, workspace_gid, _marker(workspace_gid, started_at), pa.array([], pa.string()))


def delete_marker(lake: LakeResource, workspace_gid: str, started_at: dt.datetime) -> None:
    """Record that the sync of the workspace is over, whether it succeeded or failed.

    Raises:
        LakeError: The catalog cannot be used.
    """
    no_rows = _marker(workspace_gid, started_at).slice(0, 0)
    lake.save_state(_PSEUDO_ENDPOINT, workspace_gid, no_rows, pa.array([workspace_gid]))


def _marker(workspace_gid: str, started_at: dt.datetime) -> pa.Table:
    return SyncState.completed_marker(workspace_gid, Sync(id=started_at.isoformat(), started_at=started_at))
