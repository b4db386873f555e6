"""Rows into an Iceberg table, one commit for each workspace; and rows of upstream tables for the assets below.

Memory does not grow with the rows: they are read while they are written.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import chain

import dagster as dg
import pyarrow as pa
import pyarrow.compute as pc

from asana_assets.asana.endpoint import GID, WORKSPACE_GID, Endpoint
from asana_assets.failures import told
from asana_assets.resources import LakeResource
from asana_assets.sync.asking import gids_of
from asana_assets.sync.reading import Report


@dataclass(frozen=True, slots=True, kw_only=True)
class Rows:
    """What an asset hands over: all rows of one workspace, or with "" of all workspaces; `batches` is read once."""

    endpoint: Endpoint
    workspace_gid: str
    batches: Iterable[pa.RecordBatch]
    report: Report


class IcebergIOManager(dg.ConfigurableIOManager):
    """Stores assets as Iceberg tables of the same name, partitioned by workspace."""

    lake: dg.ResourceDependency[LakeResource]

    def handle_output(self, context: dg.OutputContext, obj: Rows) -> None:
        """Replace the rows of the workspace, atomically.

        Raises:
            Failure: Asana could not be read, or the table not written; the table is as it was.
        """
        from asana_assets.lake.commit import replace_partition  # noqa: PLC0415 # half a second to import
        from asana_assets.lake.table import count, ensure_table  # noqa: PLC0415 # as above
        from asana_assets.lake.writer import PartitionWriter  # noqa: PLC0415 # as above

        endpoint = obj.endpoint
        with told(endpoint=endpoint.name, workspace_gid=obj.workspace_gid):
            table = ensure_table(self.lake.catalog, self.lake.namespace, endpoint.name, endpoint.schema)
            rows = 0
            snapshot_id: int | None = None
            for workspace_gid, batches in self._by_workspace(obj):
                with PartitionWriter(table, workspace=workspace_gid, sort_by=endpoint.sort_by) as writer:
                    for batch in batches:
                        writer.write(batch)
                    files = writer.finish()
                snapshot_id = replace_partition(table, workspace_gid, files, properties={"dagster-run": context.run_id})
                rows += sum(file.record_count for file in files)
            total = count(table)
        report = obj.report
        context.add_output_metadata(
            {
                "dagster/row_count": total,
                "dagster/table_name": f"{self.lake.namespace}.{endpoint.name}",
                "dagster/uri": table.location(),
                "rows": rows,
                "requests": report.usage.requests,
                "retries": report.usage.retries,
                "seconds_waited": round(report.usage.waited_seconds, 3),
                "parents": report.parents,
                "skipped_parents": len(report.forbidden),
                "vanished_parents": report.gone,
                "rows_kept_from_last_sync": report.carried,
                "rows_with_unmapped_values": report.unmapped,
                "not_on_plan": report.not_on_plan,
                "announced_changes": sorted(report.usage.changes),
                **({"snapshot_id": str(snapshot_id)} if snapshot_id is not None else {}),
                **({"dagster/partition_row_count": rows} if obj.workspace_gid else {}),
            }
        )

    def load_input(self, context: dg.InputContext) -> pa.Table:
        """Give an upstream asset's rows in the partition's workspace, with the columns that the input asks for.

        Raises:
            Failure: there is no such table.
        """
        from asana_assets.lake.table import scan  # noqa: PLC0415 # half a second to import

        name = context.asset_key.path[-1]
        with told(endpoint=name, workspace_gid=context.partition_key):
            table = self.lake.table(name)
            if table is None:
                raise dg.Failure(f"There is no table {name} yet: materialize {name} first.")
            return scan(
                table, workspace=context.partition_key, columns=(context.definition_metadata or {}).get("columns")
            )

    def _by_workspace(self, rows: Rows) -> Iterator[tuple[str, Iterable[pa.RecordBatch]]]:
        if rows.workspace_gid:
            yield rows.workspace_gid, rows.batches
            return
        # Above workspaces there are few rows. The workspaces that were stored and are not among them become empty.
        found = pa.Table.from_batches(rows.batches, rows.endpoint.schema)
        known = self.lake.previous(rows.endpoint, "").columns((WORKSPACE_GID.name,))
        for gid in dict.fromkeys(chain(gids_of(found[GID.name]), gids_of(known[WORKSPACE_GID.name]))):
            yield gid, found.filter(pc.equal(found[WORKSPACE_GID.name], pa.scalar(gid))).to_batches()
