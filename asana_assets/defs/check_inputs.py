"""The inputs to the asset checks: the extract's stats, a few stored columns, and what earlier checks found.

Nothing is fetched from Asana for them.
"""

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass

import pyarrow as pa

from asana_assets.asana.field_types import Array
from asana_assets.asana.model import GID, ROW_HASH
from asana_assets.defs.resources import IcebergStoredRows, LakeResource
from asana_assets.sync.child_extract import ChildExtract
from asana_assets.sync.choose_extract import AnyExtract
from asana_assets.sync.empty_column_rows import EmptyColumn
from asana_assets.sync.empty_columns import find_empty_columns, is_reported, update_empty_columns
from asana_assets.sync.extract_stats import ExtractStats
from asana_assets.sync.full_extract import FullExtract
from asana_assets.sync.gids import NO_GIDS, compact_gids, count_duplicates, to_gid_list

MIN_ROWS_FOR_DROP = 100
"""Smaller tables may lose any number of rows."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckInputs:
    """What the checks of one materialization are decided from.

    Attributes:
        workspace_gid: The workspace; "" for the list of workspaces.
        limited_to: Which of the objects Asana lists; "" if all that the token can read.
        stats: The extract's stats.
        rows: Rows stored for the workspace after this materialization.
        rows_before: Rows stored for the workspace when the row count last passed its check or was accepted, without
            those that a row filter has removed since.
        drop_accepted: Whether the run's config has `accept_row_count_drop`.
        duplicate_keys: Stored rows whose gid is null or repeats that of another row of the workspace.
        orphaned_gids: Missing parents, for assets fetched parent by parent; otherwise, rows whose parent is missing.
        new_columns: Columns that this materialization added to the table.
        empty_columns: Columns that went empty, in this materialization or before, including accepted ones.
        collected_at: When these inputs were collected (UTC).
    """

    workspace_gid: str = ""
    limited_to: str = ""
    stats: ExtractStats
    rows: int
    rows_before: int
    drop_accepted: bool
    duplicate_keys: int
    orphaned_gids: Sequence[str]
    new_columns: Sequence[str]
    empty_columns: Sequence[EmptyColumn]
    collected_at: dt.datetime

    @property
    def row_count_dropped(self) -> bool:
        """Whether the table lost more than half of its rows and the loss was not accepted."""
        return self.rows_before >= MIN_ROWS_FOR_DROP and self.rows < self.rows_before / 2 and not self.drop_accepted

    @property
    def reported_columns(self) -> list[EmptyColumn]:
        """The empty columns to report."""
        return [column for column in self.empty_columns if is_reported(column, self.collected_at)]


def collect_inputs(
    lake: LakeResource,
    extract: AnyExtract,
    *,
    drop_accepted: bool,
    empty_columns_accepted: bool,
) -> CheckInputs:
    """Return the inputs to the checks of an extract whose rows are committed.

    Raises:
        LakeError: The stored tables cannot be read.
    """
    stored = lake.stored_rows(extract.endpoint, extract.workspace_gid)
    duplicate_keys, orphaned_gids = 0, NO_GIDS  # other extracts replace rows by key, or all of them
    if isinstance(extract, ChildExtract):
        rows = stored.columns(extract.columns)
        duplicate_keys = count_duplicates([compact_gids(chunk) for chunk in rows[GID.name].chunks])
        orphaned_gids = extract.orphaned_gids(rows)
    elif isinstance(extract, FullExtract):
        orphaned_gids = _find_orphans(extract, stored)
    endpoint, workspace_gid, stats = extract.endpoint, extract.workspace_gid, extract.stats
    dropped_from = lake.dropped_from(endpoint.name, workspace_gid)
    now = dt.datetime.now(dt.UTC)
    empty_columns = update_empty_columns(
        lake.empty_columns(endpoint.name, workspace_gid),
        find_empty_columns(endpoint, extract.previous, stored, stats, now=now),
        stats,
        accepted=empty_columns_accepted,
    )
    return CheckInputs(
        workspace_gid=workspace_gid,
        limited_to=endpoint.limited_to,
        stats=stats,
        rows=len(stored),
        rows_before=(len(extract.previous) if dropped_from is None else dropped_from) - extract.count_excluded(),
        drop_accepted=drop_accepted,
        duplicate_keys=duplicate_keys,
        orphaned_gids=to_gid_list(orphaned_gids),
        new_columns=sorted(stored.names.difference(extract.previous.names, {ROW_HASH.name})),
        empty_columns=empty_columns,
        collected_at=now,
    )


def save_findings(lake: LakeResource, extract: AnyExtract, inputs: CheckInputs) -> None:
    """Save what later syncs must remember: the row count before a drop until it is resolved, and empty columns.

    Raises:
        LakeError: The sync state cannot be written.
    """
    name, workspace_gid = extract.endpoint.name, extract.workspace_gid
    dropped_from = lake.dropped_from(name, workspace_gid)
    if inputs.row_count_dropped and dropped_from is None:
        lake.set_dropped_from(name, workspace_gid, inputs.rows_before)
    elif dropped_from is not None and not inputs.row_count_dropped:
        lake.set_dropped_from(name, workspace_gid, None)
    lake.set_empty_columns(name, workspace_gid, inputs.empty_columns)


def _find_orphans(extract: FullExtract, stored: IcebergStoredRows) -> Array:
    """Return the orphaned gids; nothing is read of an endpoint that cannot have any."""
    if not extract.endpoint.has_parents_in_workspace:
        return NO_GIDS
    batches = stored.batches(extract.columns)  # lists of parent gids are large: not all rows at once
    return pa.concat_arrays([NO_GIDS, *map(extract.orphaned_gids, batches)])
