"""The IO manager: writes rows to Iceberg tables and loads upstream rows.

A full extract replaces the workspace's partition in one commit. Any other is written in checkpoints: a commit of
rows, one of their changes, then one of sync state, so that a crash in between repeats some work and loses nothing.
Memory is bounded, because rows are fetched while they are written.
"""

from collections.abc import Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from itertools import chain
from typing import TYPE_CHECKING, Any, TypeAlias

import dagster as dg
import pyarrow as pa
import pyarrow.compute as pc
from pydantic import Field

from asana_assets.asana.field_types import Array
from asana_assets.asana.model import GID, PARENT_GID, WORKSPACE_GID, Endpoint
from asana_assets.defs import reading
from asana_assets.defs.column_metadata import LINEAGE_KEY, column_schema
from asana_assets.defs.failures import dagster_failures
from asana_assets.defs.resources import LakeResource
from asana_assets.sync.checkpoint import Checkpoint
from asana_assets.sync.child_extract import ChildExtract
from asana_assets.sync.choose_extract import AnyExtract, CheckpointedExtract
from asana_assets.sync.extract_stats import ExtractStats
from asana_assets.sync.full_extract import FullExtract
from asana_assets.sync.gids import to_gid_list
from asana_assets.sync.sync_state import no_entries, with_changes_recorded_to
from asana_assets.sync.window_extract import WindowExtract
from asana_assets.sync.write_totals import WriteTotals

if TYPE_CHECKING:
    from pyiceberg.table import Table

    from asana_assets.lake.lake import WriteResult


@dataclass(frozen=True, slots=True)
class SelectedWorkspaces:
    """The selected rows of the extract of `workspaces`, which has no partitions.

    Attributes:
        extract: The extract.
        rows: Its rows of the selected workspaces.
        kept: Gids of workspaces without a row here whose stored row is kept.
    """

    extract: FullExtract
    rows: pa.Table
    kept: Sequence[str] = ()


ExtractOutput: TypeAlias = AnyExtract | SelectedWorkspaces
"""Outputs that the IO manager accepts; the rows of extracts are fetched while they are written."""


class IcebergIOManager(dg.ConfigurableIOManager):
    """Stores each asset as the Iceberg table of its endpoint, partitioned by workspace."""

    lake: dg.ResourceDependency[LakeResource]
    integration: str | None = Field(
        default=None, description="The name of the integration, to which the tables belong once they are written."
    )

    def handle_output(self, context: dg.OutputContext, obj: ExtractOutput) -> None:
        """Fetch and store the workspace's rows.

        Raises:
            Failure: The fetch, the write or `after_commit` failed. The stored rows are consistent, but may be outdated.
        """
        extract = obj.extract if isinstance(obj, SelectedWorkspaces) else obj
        endpoint, workspace_gid = extract.endpoint, extract.workspace_gid
        name = str(getattr(context.output_metadata.get("workspace_name"), "value", ""))
        known = dagster_failures(endpoint=endpoint.name, workspace_gid=workspace_gid, workspace_name=name)
        with known, closing(extract):
            table = self.lake.iceberg.ensure_table(endpoint.name, endpoint.schema, integration=self.integration)
            removed: list[str] = []
            written: list[WriteResult] = []
            match obj:
                case FullExtract():
                    self._write_full(table, obj, context.run_id, written)
                case ChildExtract() | WindowExtract():
                    self._write_checkpoints(table, obj, context.run_id, written)
                case SelectedWorkspaces():
                    removed = self._write_workspaces(table, obj, context.run_id, written)
            self.lake.expire_old_snapshots(table)
            extract.stats.written = totals = WriteTotals(
                rows=self.lake.iceberg.count(table, workspace=workspace_gid or None),
                added=sum(one.added for one in written),
                changed=sum(one.changed for one in written),
                removed=sum(one.removed for one in written),
            )
            total = self.lake.iceberg.count(table)
            if not isinstance(obj, ChildExtract):
                version = self.lake.iceberg.content_version(table, workspace=workspace_gid or None)
                dg.AssetExecutionContext.get().set_data_version(context.asset_key, dg.DataVersion(version))
        more_metadata = self.after_commit(context, endpoint, table)
        snapshot = table.current_snapshot()
        context.add_output_metadata(
            {
                "dagster/row_count": total,
                # Set on materializations as well as on the asset, so that Dagster shows schema changes between them.
                "dagster/column_schema": column_schema(endpoint),
                **{key: value for key, value in (context.definition_metadata or {}).items() if key == LINEAGE_KEY},
                "dagster/table_name": ".".join(table.name()),
                "dagster/uri": table.location(),
                "rows": totals.rows,
                "rows_added": totals.added,
                "rows_changed": totals.changed,
                "rows_removed": totals.removed,
                **_stats_metadata(extract.stats),
                **more_metadata,
                **({"snapshot_id": str(snapshot.snapshot_id)} if snapshot else {}),
                **({"dagster/partition_row_count": totals.rows} if workspace_gid else {}),
                **({"removed_workspaces": removed} if removed else {}),
            }
        )

    def after_commit(self, context: dg.OutputContext, endpoint: Endpoint, table: "Table") -> Mapping[str, Any]:  # noqa: ARG002 - overrides use them
        """Run after the last commit of a materialization; return metadata to add to it. Does nothing by default.

        It is also called if nothing was committed, but not if the materialization failed, so that an external reader
        which is refreshed here keeps the last complete version.

        Raises:
            Failure: The external reader was not refreshed. The commit stands, and the next materialization refreshes
                the reader.
        """
        return {}

    def _write_full(self, table: "Table", extract: FullExtract, run_id: str, written: "list[WriteResult]") -> None:
        """Replace the workspace's rows with the fetched ones."""
        with closing(iter(extract)) as batches:  # stops fetching if writing fails
            written.append(
                self.lake.iceberg.replace_partition(
                    table,
                    extract.workspace_gid,
                    batches,
                    sort_by=extract.endpoint.sort_by,
                    properties=_snapshot_properties(run_id),
                    compare_contents=extract.sync.full_refresh,
                    record_as=_recorded_sync(extract),
                )
            )
        self.lake.save_state(
            extract.endpoint.name,
            extract.workspace_gid,
            self._add_missing_changes(table, extract, extract.sync_state()),
            extract.obsolete_parents(),
            loaded=extract.state,
        )
        if extract.stats.excluded:  # without it, the rows that the assets below remove would count as lost
            self.lake.sync_states.flush(extract.workspace_gid)

    def _add_missing_changes(self, table: "Table", extract: AnyExtract, state: pa.Table) -> pa.Table:
        """Complete `changes` after interrupted writes; return the sync state to save, which says how far it goes."""
        known, workspace_gid = extract.state.changes_recorded_to, extract.workspace_gid
        recorded_to = self.lake.iceberg.add_missing_changes(table, workspace=workspace_gid, after=known)
        return with_changes_recorded_to(state, recorded_to)

    def _write_workspaces(
        self, table: "Table", selected: SelectedWorkspaces, run_id: str, written: "list[WriteResult]"
    ) -> list[str]:
        """Replace the row of each selected workspace; delete all other rows except those that are kept.

        Returns:
            The gids of the workspaces whose rows were deleted.
        """
        endpoint, rows = selected.extract.endpoint, selected.rows
        stored = to_gid_list(self.lake.stored_rows(endpoint, "").columns((WORKSPACE_GID.name,))[WORKSPACE_GID.name])
        selected_gids = to_gid_list(rows[GID.name])
        for gid in (gid for gid in dict.fromkeys(chain(selected_gids, stored)) if gid not in selected.kept):
            written.append(
                self.lake.iceberg.replace_partition(
                    table,
                    gid,
                    rows.filter(pc.equal(rows[WORKSPACE_GID.name], pa.scalar(gid))).to_batches(),
                    sort_by=endpoint.sort_by,
                    properties=_snapshot_properties(run_id),
                    compare_contents=selected.extract.sync.full_refresh,
                    last_writer_wins=True,
                    record_as=selected.extract.sync.id if stored else None,
                )
            )
        self.lake.iceberg.add_missing_changes(table, workspace=None, after=None)
        return sorted(set(stored).difference(selected_gids, selected.kept))

    def _write_checkpoints(
        self, table: "Table", extract: CheckpointedExtract, run_id: str, written: "list[WriteResult]"
    ) -> None:
        """Commit checkpoints as they are yielded; if the extract fails, commit the partial one before re-raising."""
        try:
            with closing(extract.checkpoints()) as checkpoints:
                for checkpoint in checkpoints:
                    self._commit_checkpoint(table, extract, checkpoint, run_id, written)
        except BaseException:  # includes termination of the run: what was fetched is kept
            self._commit_checkpoint(table, extract, extract.partial_checkpoint(), run_id, written)
            raise

    def _commit_checkpoint(
        self,
        table: "Table",
        extract: CheckpointedExtract,
        checkpoint: Checkpoint,
        run_id: str,
        written: "list[WriteResult]",
    ) -> None:
        """Commit a checkpoint's rows and their changes, then its sync state."""
        endpoint, workspace_gid = extract.endpoint, extract.workspace_gid

        def replace(column: str, gids: Array, batches: list[pa.RecordBatch]) -> None:
            if len(gids) or batches:
                written.append(
                    self.lake.iceberg.replace_parents(
                        table,
                        workspace_gid,
                        parent_column=column,
                        parents=gids,
                        rows=batches,
                        sort_by=endpoint.sort_by,
                        properties=_snapshot_properties(run_id),
                        compare_contents=extract.sync.full_refresh,
                        record_as=_recorded_sync(extract),
                    )
                )

        if isinstance(extract, ChildExtract):
            replace(PARENT_GID.name, checkpoint.parents, checkpoint.batches)
        else:
            replace(GID.name, checkpoint.removed, checkpoint.batches)
        deleted_parents, state_rows = pa.array(checkpoint.deleted, pa.string()), checkpoint.sync_state()
        if checkpoint.completes and isinstance(extract, ChildExtract):
            stored = self.lake.stored_rows(endpoint, workspace_gid).columns(extract.columns)
            with_rows, with_state = extract.obsolete_parents(stored)
            if len(with_rows):  # state first: a parent that returns after a crash in between must be fetched
                self.lake.save_state(endpoint.name, workspace_gid, no_entries(), with_state)
                self.lake.sync_states.flush(workspace_gid)
            replace(PARENT_GID.name, with_rows, [])
            deleted_parents = pa.concat_arrays([deleted_parents, with_state])
        if checkpoint.completes:
            state_rows = self._add_missing_changes(table, extract, state_rows)
        if state_rows.num_rows or len(deleted_parents):
            self.lake.save_state(endpoint.name, workspace_gid, state_rows, deleted_parents, loaded=extract.state)
        if not checkpoint.completes:  # the state of the last one may wait for that of other assets
            self.lake.sync_states.flush(workspace_gid)

    def load_input(self, context: dg.InputContext) -> object:
        """Load the rows that a downstream asset depends on; see `reading`.

        Raises:
            Failure: The upstream asset was not materialized, its table cannot be read, or the input asks for what does
                not exist.
        """
        return reading.load_input(self.lake, context)


def _recorded_sync(extract: AnyExtract) -> str | None:
    """Return the id of the sync whose changes are recorded; None for the first one, to which every row is new."""
    return extract.sync.id if extract.state.last_sync else None


def _snapshot_properties(run_id: str) -> dict[str, str]:
    return {"dagster-run": run_id}


def _stats_metadata(stats: ExtractStats) -> dict[str, Any]:
    """Return the figures of a fetch: always those worth a plot over time, of the others those that are not zero."""
    unchanged = stats.parents - stats.parents_stale
    exceptional = {
        "retries": stats.request_stats.retries,
        "parents_resumed": stats.resumed,
        "skipped_parents": len(stats.skipped),
        "truncated_parents": len(stats.truncated),
        "deleted_parents": stats.deleted,
        "rows_carried_over": stats.carried_over,
        "rows_with_unmapped_values": stats.unmapped,
        "records_skipped": stats.records_skipped,
        "texts_repaired": stats.texts_repaired,
        "plan_unavailable": stats.not_on_plan,
        "missed_period": stats.missed_period and [instant.isoformat() for instant in stats.missed_period],
    }
    return {
        "requests": stats.request_stats.requests,
        "requests_saved": unchanged,
        "throttle_wait_seconds": round(stats.request_stats.throttle_wait_seconds, 3),
        "parents": stats.parents,
        "parents_fetched": stats.parents_fetched - len(stats.skipped),
        "rows_fetched": stats.rows,
        **{name: value for name, value in exceptional.items() if value},
    }
