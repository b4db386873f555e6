"""The assets: fourteen built from the catalogue, partitioned by workspace, and `workspaces`, which registers these.

An asset's body chooses whom to ask; the rows are read while the IO manager writes them.
"""

import hashlib
from collections.abc import Iterator, Sequence
from datetime import timedelta
from typing import cast

import dagster as dg
import pyarrow as pa
import pyarrow.compute as pc

from asana_assets import automation, checks, partitions
from asana_assets.asana.endpoint import GID, Endpoint
from asana_assets.asana.endpoints import ENDPOINTS, WORKSPACES
from asana_assets.asana.errors import SettingError
from asana_assets.failures import told
from asana_assets.io_manager import Chosen, Output, column_lineage, column_schema
from asana_assets.progress import MinuteLine, Progress
from asana_assets.readings import AnyReading, Readings, SyncConfig, priority
from asana_assets.sync.reading import Reading

IO_MANAGER_KEY = "iceberg"
POOL = "asana_api"
OWNERS = ["team:data-platform"]
FRESHNESS = dg.FreshnessPolicy.time_window(fail_window=timedelta(hours=49), warn_window=timedelta(hours=25))
"""The schedule is nightly: one night missed is a warning, two are a failure."""

_KINDS = {"asana", "iceberg"}


def describe(endpoint: Endpoint) -> str:
    """Say in Markdown what the table holds, for its readers."""
    key = "`gid`" if endpoint is WORKSPACES else "`workspace_gid`, `gid`"
    notes = f"\n\n{endpoint.notes}" if endpoint.notes else ""
    return (
        f"One row is {endpoint.grain}.\n\n**Key**: {key}.{notes}\n\n"
        f"[Asana's reference](https://developers.asana.com/reference/{endpoint.reference})"
    )


def code_version(endpoint: Endpoint) -> str:
    """Name what is asked for and which columns it becomes: another whenever either changes."""
    asked = [(listing.path, *listing.params.items()) for listing in endpoint.listings]
    return hashlib.sha256(f"{asked} {endpoint.opt_fields} {endpoint.schema}".encode()).hexdigest()[:12]


def build_asset(endpoint: Endpoint) -> dg.AssetsDefinition:
    """Build the asset of an endpoint that is listed within a workspace."""

    @dg.asset(
        name=endpoint.name,
        group_name=endpoint.group,
        kinds=_KINDS,
        description=describe(endpoint),
        owners=OWNERS,
        tags={"asana/read": "by_parent" if endpoint.is_child else "whole"},
        code_version=code_version(endpoint),
        metadata={"dagster/column_schema": column_schema(endpoint), "dagster/column_lineage": column_lineage(endpoint)},
        automation_condition=automation.condition,
        freshness_policy=FRESHNESS,
        ins={name: dg.AssetIn(metadata={"columns": list(columns)}) for name, columns in endpoint.upstream.items()},
        partitions_def=partitions.WORKSPACES,
        check_specs=checks.build_check_specs(endpoint),
        io_manager_key=IO_MANAGER_KEY,
        pool=POOL,
        op_tags={"dagster/priority": str(priority(endpoint))},
    )
    def materialize(
        context: dg.AssetExecutionContext,
        config: SyncConfig,
        readings: Readings,
        progress: dg.ResourceParam[Progress],
        **upstream: pa.Table,
    ) -> Iterator[dg.MaterializeResult[Output] | dg.AssetCheckResult]:
        with told(endpoint=endpoint.name, workspace_gid=context.partition_key):
            reading = readings.take(context, endpoint, config, upstream)
        yield from _handed_over(context, readings, progress, reading, reading)

    return materialize


@dg.asset(
    name=WORKSPACES.name,
    group_name=WORKSPACES.group,
    kinds=_KINDS,
    description=describe(WORKSPACES),
    owners=OWNERS,
    tags={"asana/read": "whole"},
    code_version=code_version(WORKSPACES),
    metadata={"dagster/column_schema": column_schema(WORKSPACES)},
    automation_condition=automation.condition,
    freshness_policy=FRESHNESS,
    check_specs=checks.build_check_specs(WORKSPACES),
    io_manager_key=IO_MANAGER_KEY,
    pool=POOL,
)
def workspaces(
    context: dg.AssetExecutionContext,
    config: SyncConfig,
    readings: Readings,
    progress: dg.ResourceParam[Progress],
) -> Iterator[dg.MaterializeResult[Output] | dg.AssetCheckResult]:
    with told(endpoint=WORKSPACES.name, workspace_gid=""):
        reading = cast("Reading", readings.take(context, WORKSPACES, config, {}))
        found = pa.Table.from_batches(reading, WORKSPACES.schema)
        chosen = choose_workspaces(found, readings.asana.workspaces)
    yield from _handed_over(context, readings, progress, reading, Chosen(reading, chosen))
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
    readings: Readings,
    progress: Progress,
    reading: AnyReading,
    output: Output,
) -> Iterator[dg.MaterializeResult[Output] | dg.AssetCheckResult]:
    """Give the rows to the IO manager, which reads them to the end before this goes on; then the checks."""
    endpoint, workspace_gid, report = reading.endpoint, reading.workspace_gid, reading.report
    context.log.info("%s: reading", endpoint.name)
    minute_line = MinuteLine(reading, context.log.info)

    def went_on() -> None:
        minute_line()
        readings.go_on(context)

    report.listener = went_on
    with progress.watching(reading):
        yield dg.MaterializeResult(value=output, data_version=dg.DataVersion(reading.data_version))
    for change in readings.asana.unheard(report.usage.changes):
        context.log.warning("Asana announces a change of its API: %s", change)
    with told(endpoint=endpoint.name, workspace_gid=workspace_gid):
        facts = readings.facts(reading)
    for result in checks.results(endpoint, workspace_gid, facts):
        if not result.passed:
            context.log.warning("%s: %s", endpoint.name, result.description)
        yield result
    if not facts.collapsed:
        readings.stored(context, endpoint)


ASSETS = [workspaces, *(build_asset(endpoint) for endpoint in ENDPOINTS if endpoint is not WORKSPACES)]
