"""Rows into an Iceberg table; and rows of upstream tables for the assets below.

A table that is read whole is replaced by one commit for each workspace. Children come in checkpoints: one commit of
rows, then one of what is to be remembered, so that a crash between the two costs a repeat and never a loss. Memory
does not grow with the rows: they are read while they are written.
"""

from collections.abc import Iterable, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from functools import partial
from itertools import chain
from typing import TYPE_CHECKING, Any, TypeAlias

import dagster as dg
import pyarrow as pa
import pyarrow.compute as pc

from asana_assets.asana.field_types import Array
from asana_assets.asana.model import GID, PARENT_GID, WORKSPACE_GID, Endpoint
from asana_assets.defs.failures import dagster_failures
from asana_assets.defs.resources import LakeResource, retry_on_conflict
from asana_assets.sync.child_extract import Checkpoint, ChildExtract
from asana_assets.sync.extract import ExtractStats
from asana_assets.sync.full_extract import FullExtract
from asana_assets.sync.gids import to_gid_list

if TYPE_CHECKING:  # half a second to import
    from pyiceberg.table import Table


@dataclass(frozen=True, slots=True)
class SelectedWorkspaces:
    """Of a reading that stands above workspaces, the rows that are wanted."""

    reading: FullExtract
    rows: pa.Table


ExtractOutput: TypeAlias = FullExtract | ChildExtract | SelectedWorkspaces
"""What an asset hands over; the rows of the first two are read while they are written."""


class IcebergIOManager(dg.ConfigurableIOManager):
    """Stores assets as Iceberg tables of the same name, partitioned by workspace."""

    lake: dg.ResourceDependency[LakeResource]

    def handle_output(self, context: dg.OutputContext, obj: ExtractOutput) -> None:
        """Store the rows of the workspace.

        Raises:
            Failure: Asana could not be read, or the table not written, or its readers not told. What is stored is
                right, if not new.
        """
        from asana_assets.lake.table import count, ensure_table  # noqa: PLC0415 # half a second to import

        reading = obj.reading if isinstance(obj, SelectedWorkspaces) else obj
        endpoint, workspace_gid = reading.endpoint, reading.workspace_gid
        with dagster_failures(endpoint=endpoint.name, workspace_gid=workspace_gid), closing(reading):
            table = ensure_table(self.lake.catalog, self.lake.namespace, endpoint.name, endpoint.schema)
            match obj:
                case FullExtract():
                    self._write_full(table, obj, context.run_id)
                case ChildExtract():
                    self._write_checkpoints(table, obj, context.run_id)
                case SelectedWorkspaces():
                    self._write_workspaces(table, obj, context.run_id)
            self.lake.expire_old_snapshots(table)
            rows = count(table, workspace=workspace_gid or None)
            total = count(table)
        told_readers = self.after_commit(endpoint.name)
        snapshot = table.current_snapshot()
        context.add_output_metadata(
            {
                "dagster/row_count": total,
                # Of the materialization as well as of the asset: by this Dagster compares one with the next.
                "dagster/column_schema": column_schema(endpoint),
                "dagster/column_lineage": column_lineage(endpoint),
                "dagster/table_name": ".".join(table.name()),
                "dagster/uri": table.location(),
                "rows": rows,
                **_figures(reading.stats),
                **told_readers,
                **({"snapshot_id": str(snapshot.snapshot_id)} if snapshot else {}),
                **({"dagster/partition_row_count": rows} if workspace_gid else {}),
            }
        )

    def after_commit(self, table: str) -> Mapping[str, Any]:  # noqa: ARG002 # who overrides it tells of it
        """Tell those who read a table and have to be told of its commits: here, nobody. Give metadata for it.

        Once for each materialization, and not of one that failed half-way: what they see is the last that was whole.

        Raises:
            Failure: they were not reached. What is committed stays, and the next materialization tells of it.
        """
        return {}

    def _write_full(self, table: "Table", reading: FullExtract, run_id: str) -> None:
        """Put what is read in the place of all the workspace's."""
        with closing(iter(reading)) as batches:  # so that nobody goes on asking when writing fails
            _write(table, reading, reading.workspace_gid, batches, run_id)
        self.lake.save_state(
            reading.endpoint.name, reading.workspace_gid, reading.sync_state(), reading.obsolete_parents()
        )

    def _write_workspaces(self, table: "Table", chosen: SelectedWorkspaces, run_id: str) -> None:
        """Put the rows in the place of their workspaces'; those that were stored and are not among them go."""
        rows = chosen.rows
        known = self.lake.stored_rows(chosen.reading.endpoint, "").columns((WORKSPACE_GID.name,))
        for gid in dict.fromkeys(chain(to_gid_list(rows[GID.name]), to_gid_list(known[WORKSPACE_GID.name]))):
            batches = rows.filter(pc.equal(rows[WORKSPACE_GID.name], pa.scalar(gid))).to_batches()
            retry_on_conflict(partial(_write, table, chosen.reading, gid, batches, run_id))

    def _write_checkpoints(self, table: "Table", reading: ChildExtract, run_id: str) -> None:
        """Store one checkpoint after the other; what was read before the reading broke off is stored, too."""
        try:
            with closing(reading.checkpoints()) as checkpoints:
                for checkpoint in checkpoints:
                    self._commit_checkpoint(table, reading, checkpoint, run_id)
        except BaseException:  # a terminated run as well: what was paid for is kept
            self._commit_checkpoint(table, reading, reading.partial_checkpoint(), run_id)
            raise

    def _commit_checkpoint(self, table: "Table", reading: ChildExtract, checkpoint: Checkpoint, run_id: str) -> None:
        from asana_assets.lake.commit import replace_parents  # noqa: PLC0415 # half a second to import

        endpoint, workspace_gid = reading.endpoint, reading.workspace_gid

        def replace(parents: Array, batches: list[pa.RecordBatch]) -> None:
            if len(parents):
                replace_parents(
                    table,
                    workspace_gid,
                    parent_column=PARENT_GID.name,
                    parents=parents,
                    rows=batches,
                    sort_by=endpoint.sort_by,
                    properties={"dagster-run": run_id},
                )

        replace(checkpoint.parents, checkpoint.batches)
        forget = pa.array(checkpoint.deleted, pa.string())
        if checkpoint.completes:
            known = self.lake.stored_rows(endpoint, workspace_gid).columns(reading.columns)
            vanished, others = reading.obsolete_parents(known)
            replace(vanished, [])
            forget = pa.concat_arrays([forget, others])
        memory = checkpoint.sync_state(workspace_gid)
        if memory.num_rows or len(forget):
            self.lake.save_state(endpoint.name, workspace_gid, memory, forget)

    def load_input(self, context: dg.InputContext) -> pa.Table:
        """Give an upstream asset's rows in the partition's workspace, with the columns that the input asks for.

        Raises:
            Failure: there are none, for it was never materialized.
        """
        name, workspace_gid = context.asset_key.path[-1], context.partition_key
        with dagster_failures(endpoint=name, workspace_gid=workspace_gid):
            columns = (context.definition_metadata or {}).get("columns")
            return load_rows(self.lake, name, workspace_gid, columns, by_workspace=context.has_asset_partitions)


def _write(
    table: "Table", reading: FullExtract, workspace_gid: str, batches: Iterable[pa.RecordBatch], run_id: str
) -> None:
    from asana_assets.lake.commit import replace_partition  # noqa: PLC0415 # half a second to import
    from asana_assets.lake.writer import PartitionWriter  # noqa: PLC0415 # as above

    with PartitionWriter(table, workspace=workspace_gid, sort_by=reading.endpoint.sort_by) as writer:
        for batch in batches:
            writer.write(batch)
        replace_partition(table, workspace_gid, writer.finish(), properties={"dagster-run": run_id})


def load_rows(
    lake: LakeResource, name: str, workspace_gid: str, columns: Sequence[str] | None, *, by_workspace: bool
) -> pa.Table:
    """Give an endpoint's rows in one workspace, as they are stored.

    Raises:
        Failure: it was never materialized; in this workspace, if it is read by workspace.
        LakeError: the catalog cannot be used.
    """
    from asana_assets.lake.table import scan  # noqa: PLC0415 # half a second to import

    table = lake.table(name)
    if table is None:
        raise dg.Failure(f"There is no table {name} yet: materialize {name} first.")
    rows = scan(table, workspace=workspace_gid, columns=columns)
    if by_workspace and not rows.num_rows and lake.load_state(name, workspace_gid).last_sync_id is None:
        raise dg.Failure(f"{name} of workspace {workspace_gid} was never synced: materialize {name} first.")
    return rows


def column_schema(endpoint: Endpoint) -> dg.TableSchema:
    """Describe the table's columns, as Dagster shows them."""
    columns = [
        dg.TableColumn(field.name, _type(field.type), (field.metadata or {}).get(b"doc", b"").decode() or None)
        for field in endpoint.schema
    ]
    return dg.TableSchema(columns)


def _type(arrow: pa.DataType) -> str:
    """Name a column's type as Iceberg does; of a struct, only that it is one: its fields would fill the page."""
    if pa.types.is_list(arrow):
        return f"list<{_type(arrow.value_type)}>"
    if pa.types.is_struct(arrow):
        return "struct"
    return {"bool": "boolean", "date32[day]": "date", "int64": "long", "timestamp[us, tz=UTC]": "timestamptz"}.get(
        str(arrow), str(arrow)
    )


def column_lineage(endpoint: Endpoint) -> dg.TableColumnLineage:
    """Say which columns name what is in an upstream table."""
    named: dict[str, list[dg.TableColumnDep]] = {}
    for listing in endpoint.listings:
        if listing.parent is not None:
            dep = dg.TableColumnDep(asset_key=listing.parent.name, column_name=listing.parent_column)
            named.setdefault(listing.parent_ref, []).append(dep)
    return dg.TableColumnLineage(named)


def _figures(report: ExtractStats) -> dict[str, Any]:
    unchanged = report.parents - report.parents_stale
    return {
        "requests": report.request_stats.requests,
        "requests_saved": unchanged,
        "retries": report.request_stats.retries,
        "throttle_wait_seconds": round(report.request_stats.throttle_wait_seconds, 3),
        "parents": report.parents,
        "parents_stale": report.parents_stale,
        "parents_fetched": report.parents_fetched - len(report.forbidden),
        "parents_unchanged": unchanged - report.resumed,
        "parents_resumed": report.resumed,
        "skipped_parents": len(report.forbidden),
        "deleted_parents": report.deleted,
        "rows_fetched": report.rows,
        "rows_carried_over": report.carried_over,
        "rows_with_unmapped_values": report.unmapped,
        "plan_unavailable": report.not_on_plan,
        "deprecation_notices": sorted(report.request_stats.deprecation_notices),
    }
