"""Removal of a workspace's rows from a table, whatever the table holds."""

from datetime import timedelta

from pyiceberg.table import Table

from asana_assets.lake.commit import swap_files
from asana_assets.lake.error_translation import translates_errors
from asana_assets.lake.maintenance import expire_snapshots
from asana_assets.lake.table import live_files


@translates_errors
def forget_workspace(table: Table, workspace: str, *, expire: bool) -> None:
    """Delete the rows of a workspace in one commit and, if `expire`, every earlier snapshot, which has them as well.

    Raises:
        ConflictError: Another writer changed this workspace in the meantime.
        CommitUnknownError: The catalog's response was lost.
    """
    table.refresh()
    base = live_files(table, workspace)
    swap_files(table, workspace, base, removed=[task.file for task in base.values()], added=())
    if expire:
        expire_snapshots(table, keep=timedelta(0))
