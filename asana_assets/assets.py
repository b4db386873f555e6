"""The assets: fourteen built from the catalogue, partitioned by workspace, and `workspaces`, which registers these.

An asset's body chooses whom to ask; the rows are read while the IO manager writes them.
"""

import datetime as dt
from collections.abc import Iterator, Mapping, Sequence

import dagster as dg
import pyarrow as pa
import pyarrow.compute as pc
from pydantic import Field

from asana_assets import checks, partitions
from asana_assets.asana.endpoint import GID, Endpoint
from asana_assets.asana.endpoints import ENDPOINTS, WORKSPACES
from asana_assets.asana.errors import SettingError
from asana_assets.failures import told
from asana_assets.io_manager import Rows
from asana_assets.resources import AsanaResource, LakeResource, Progress
from asana_assets.sync.children import ChildReading
from asana_assets.sync.due import Memory, Sync
from asana_assets.sync.reading import Reading, Source

IO_MANAGER_KEY = "iceberg"
POOL = "asana_api"
SYNC_TAG = "asana_assets/sync"
"""The run tag that names a sync by the instant it began; a run that goes on with it has the same."""

_KINDS = {"asana", "iceberg"}


def describe(endpoint: Endpoint) -> str:
    """Say in Markdown what the table holds, for its readers."""
    key = "`gid`" if endpoint is WORKSPACES else "`workspace_gid`, `gid`"
    notes = f"\n\n{endpoint.notes}" if endpoint.notes else ""
    return (
        f"One row is {endpoint.grain}.\n\n**Key**: {key}.{notes}\n\n"
        f"[Asana's reference](https://developers.asana.com/reference/{endpoint.reference})"
    )


def column_schema(endpoint: Endpoint) -> dg.TableSchema:
    columns = [
        dg.TableColumn(field.name, str(field.type), (field.metadata or {}).get(b"doc", b"").decode() or None)
        for field in endpoint.schema
    ]
    return dg.TableSchema(columns)


class SyncConfig(dg.Config):
    """How one materialization reads."""

    full_refresh: bool = Field(default=False, description="Ask every parent, changed or not.")
    refresh_after_days: float | None = Field(
        default=None, description="The age at which a parent is asked again in any case; 0 for never."
    )
    checkpoint_rows: int = Field(
        default=50_000, description="Of children: store what was read after so many rows and parents,"
    )
    checkpoint_seconds: float = Field(default=300.0, description="or after so many seconds.")


def began(tags: Mapping[str, str]) -> dt.datetime:
    """Say when the sync of a run with these tags began (UTC): now, unless it goes on with an earlier one."""
    return dt.datetime.fromisoformat(tags[SYNC_TAG]) if SYNC_TAG in tags else dt.datetime.now(dt.UTC)


def build_asset(endpoint: Endpoint) -> dg.AssetsDefinition:
    """Build the asset of an endpoint that is listed within a workspace."""

    @dg.asset(
        name=endpoint.name,
        group_name=endpoint.group,
        kinds=_KINDS,
        description=describe(endpoint),
        metadata={"dagster/column_schema": column_schema(endpoint)},
        ins={name: dg.AssetIn(metadata={"columns": list(columns)}) for name, columns in endpoint.upstream.items()},
        partitions_def=partitions.WORKSPACES,
        check_specs=checks.build_check_specs(endpoint),
        io_manager_key=IO_MANAGER_KEY,
        pool=POOL,
    )
    def materialize(
        context: dg.AssetExecutionContext,
        config: SyncConfig,
        asana: AsanaResource,
        lake: LakeResource,
        progress: dg.ResourceParam[Progress],
        **upstream: pa.Table,
    ) -> Iterator[dg.Output[Rows | ChildReading] | dg.AssetCheckResult]:
        workspace_gid = context.partition_key
        with told(endpoint=endpoint.name, workspace_gid=workspace_gid):
            days = endpoint.refresh_after_days if config.refresh_after_days is None else config.refresh_after_days
            source = Source(
                endpoint=endpoint,
                workspace_gid=workspace_gid,
                upstream=upstream,
                previous=lake.previous(endpoint, workspace_gid),
                memory=lake.memory(endpoint.name, workspace_gid),
                sync=Sync(
                    id=context.run.tags.get(SYNC_TAG, context.run.run_id),
                    began=began(context.run.tags),
                    after=dt.timedelta(days=days) if days else None,
                    full=config.full_refresh,
                ),
                client=asana.client,
                search=asana.search,
            )
            if endpoint.is_child:
                rows, seconds = config.checkpoint_rows, config.checkpoint_seconds
                reading = obj = ChildReading(source, checkpoint_rows=rows, checkpoint_seconds=seconds)
            else:
                reading = Reading(source)
                obj = Rows(reading)
        yield from _handed_over(context, asana, progress, reading, obj)

    return materialize


@dg.asset(
    name=WORKSPACES.name,
    group_name=WORKSPACES.group,
    kinds=_KINDS,
    description=describe(WORKSPACES),
    metadata={"dagster/column_schema": column_schema(WORKSPACES)},
    check_specs=checks.build_check_specs(WORKSPACES),
    io_manager_key=IO_MANAGER_KEY,
    pool=POOL,
)
def workspaces(
    context: dg.AssetExecutionContext,
    asana: AsanaResource,
    lake: LakeResource,
    progress: dg.ResourceParam[Progress],
) -> Iterator[dg.Output[Rows | ChildReading] | dg.AssetCheckResult]:
    with told(endpoint=WORKSPACES.name, workspace_gid=""):
        reading = Reading(
            Source(
                endpoint=WORKSPACES,
                workspace_gid="",
                upstream={},
                previous=lake.previous(WORKSPACES, ""),
                memory=Memory.nothing(),
                sync=Sync(id=context.run.run_id, began=began({})),
                client=asana.client,
                search=asana.search,
            )
        )
        chosen = choose_workspaces(pa.Table.from_batches(reading, WORKSPACES.schema), asana.workspaces)
    yield from _handed_over(context, asana, progress, reading, Rows(reading, chosen))
    new, gone = partitions.register(context.instance, [str(gid) for gid in chosen[GID.name].to_pylist()])
    if new or gone:
        context.log.info("workspaces that are new: %s; that went: %s", ", ".join(new) or "-", ", ".join(gone) or "-")


def choose_workspaces(found: pa.Table, wanted: Sequence[str]) -> pa.Table:
    """Keep the wanted workspaces, all if none is named.

    Raises:
        SettingError: a wanted one is not among them.
    """
    if not wanted:
        return found
    missing = sorted(set(wanted).difference(found[GID.name].to_pylist()))
    if missing:
        raise SettingError(f"ASANA_WORKSPACES names {', '.join(missing)}, which this token cannot see")
    return found.filter(pc.is_in(found[GID.name], value_set=pa.array(wanted)))


def _handed_over(
    context: dg.AssetExecutionContext,
    asana: AsanaResource,
    progress: Progress,
    reading: Reading | ChildReading,
    obj: Rows | ChildReading,
) -> Iterator[dg.Output[Rows | ChildReading] | dg.AssetCheckResult]:
    """Give the rows to the IO manager, which reads them to the end before this goes on; then the checks."""
    endpoint, workspace_gid, report = reading.endpoint, reading.workspace_gid, reading.report
    context.log.info("%s: reading", endpoint.name)
    with progress.watching(reading):
        yield dg.Output(obj)
    for change in asana.unheard(report.usage.changes):
        context.log.warning("Asana announces a change of its API: %s", change)
    for result in checks.results(endpoint, workspace_gid, report):
        if not result.passed:
            context.log.warning("%s: %s", endpoint.name, result.description)
        yield result


ASSETS = [workspaces, *(build_asset(endpoint) for endpoint in ENDPOINTS if endpoint is not WORKSPACES)]
