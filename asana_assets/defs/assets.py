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

from asana_assets.asana.endpoints import ENDPOINTS, WORKSPACES
from asana_assets.asana.errors import ConfigurationError
from asana_assets.asana.model import GID, Endpoint
from asana_assets.defs import automation, checks, partitions
from asana_assets.defs.failures import dagster_failures
from asana_assets.defs.io_manager import ExtractOutput, SelectedWorkspaces, column_lineage, column_schema
from asana_assets.defs.prefetch import Extract, Prefetcher, SyncConfig, step_priority
from asana_assets.defs.progress import ProgressLogger, ProgressReporter
from asana_assets.sync.full_extract import FullExtract

IO_MANAGER_KEY = "iceberg"
POOL = "asana_api"
OWNERS = ["team:data-platform"]
FRESHNESS = dg.FreshnessPolicy.time_window(fail_window=timedelta(hours=49), warn_window=timedelta(hours=25))
"""The schedule is nightly: one night missed is a warning, two are a failure."""

_KINDS = {"asana", "iceberg"}


def asset_description(endpoint: Endpoint) -> str:
    """Say in Markdown what the table holds, for its readers."""
    key = "`gid`" if endpoint is WORKSPACES else "`workspace_gid`, `gid`"
    notes = f"\n\n{endpoint.notes}" if endpoint.notes else ""
    return (
        f"One row is {endpoint.grain}.\n\n**Key**: {key}.\n\n**Freshness**: {endpoint.freshness}{notes}\n\n"
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
        description=asset_description(endpoint),
        owners=OWNERS,
        tags={"asana/extract": "by_parent" if endpoint.is_child else "full"},
        code_version=code_version(endpoint),
        metadata={"dagster/column_schema": column_schema(endpoint), "dagster/column_lineage": column_lineage(endpoint)},
        automation_condition=automation.automation_condition,
        freshness_policy=FRESHNESS,
        ins={name: dg.AssetIn(metadata={"columns": list(columns)}) for name, columns in endpoint.upstream.items()},
        partitions_def=partitions.workspace_partitions,
        check_specs=checks.build_check_specs(endpoint),
        io_manager_key=IO_MANAGER_KEY,
        pool=POOL,
        op_tags={"dagster/priority": str(step_priority(endpoint))},
    )
    def materialize(
        context: dg.AssetExecutionContext,
        config: SyncConfig,
        prefetcher: Prefetcher,
        progress: dg.ResourceParam[ProgressReporter],
        **upstream: pa.Table,
    ) -> Iterator[dg.MaterializeResult[ExtractOutput] | dg.AssetCheckResult]:
        with dagster_failures(endpoint=endpoint.name, workspace_gid=context.partition_key):
            extract = prefetcher.start(context, endpoint, config, upstream)
        yield from _materialize(context, prefetcher, progress, extract, extract)

    return materialize


@dg.asset(
    name=WORKSPACES.name,
    group_name=WORKSPACES.group,
    kinds=_KINDS,
    description=asset_description(WORKSPACES),
    owners=OWNERS,
    tags={"asana/extract": "full"},
    code_version=code_version(WORKSPACES),
    metadata={"dagster/column_schema": column_schema(WORKSPACES)},
    automation_condition=automation.automation_condition,
    freshness_policy=FRESHNESS,
    check_specs=checks.build_check_specs(WORKSPACES),
    io_manager_key=IO_MANAGER_KEY,
    pool=POOL,
)
def workspaces(
    context: dg.AssetExecutionContext,
    config: SyncConfig,
    prefetcher: Prefetcher,
    progress: dg.ResourceParam[ProgressReporter],
) -> Iterator[dg.MaterializeResult[ExtractOutput] | dg.AssetCheckResult]:
    with dagster_failures(endpoint=WORKSPACES.name, workspace_gid=""):
        extract = cast("FullExtract", prefetcher.start(context, WORKSPACES, config, {}))
        found = pa.Table.from_batches(extract, WORKSPACES.schema)
        chosen = choose_workspaces(found, prefetcher.asana.workspaces)
    yield from _materialize(context, prefetcher, progress, extract, SelectedWorkspaces(extract, chosen))
    new, gone = partitions.sync_partitions(context.instance, [str(gid) for gid in chosen[GID.name].to_pylist()])
    if new or gone:
        context.log.info("workspaces that are new: %s; that went: %s", ", ".join(new) or "-", ", ".join(gone) or "-")


def choose_workspaces(found: pa.Table, wanted: Sequence[str]) -> pa.Table:
    """Keep the wanted workspaces, all if none is named.

    Raises:
        ConfigurationError: a wanted one is not among them.
    """
    if not wanted:
        return found
    missing = sorted(set(wanted).difference(found[GID.name].to_pylist()))
    if missing:
        raise ConfigurationError(f"ASANA_WORKSPACES names {', '.join(missing)}, which this token cannot see")
    return found.filter(pc.is_in(found[GID.name], value_set=pa.array(wanted)))


def _materialize(
    context: dg.AssetExecutionContext,
    prefetcher: Prefetcher,
    progress: ProgressReporter,
    extract: Extract,
    output: ExtractOutput,
) -> Iterator[dg.MaterializeResult[ExtractOutput] | dg.AssetCheckResult]:
    """Give the rows to the IO manager, which reads them to the end before this goes on; then the checks."""
    endpoint, workspace_gid, report = extract.endpoint, extract.workspace_gid, extract.stats
    context.log.info("%s: reading", endpoint.name)
    minute_line = ProgressLogger(extract, context.log.info)

    def went_on() -> None:
        minute_line()
        prefetcher.prefetch_ready(context)

    report.on_progress = went_on
    with progress.track_extract(extract):
        yield dg.MaterializeResult(value=output, data_version=dg.DataVersion(extract.data_version))
    for change in prefetcher.asana.new_deprecations(report.request_stats.deprecation_notices):
        context.log.warning("Asana announces a change of its API: %s", change)
    with dagster_failures(endpoint=endpoint.name, workspace_gid=workspace_gid):
        facts = prefetcher.check_inputs(extract)
    for result in checks.evaluate_checks(endpoint, workspace_gid, facts):
        if not result.passed:
            context.log.warning("%s: %s", endpoint.name, result.description)
        yield result
    if not facts.row_count_dropped:
        prefetcher.mark_stored(context, endpoint)


ASSETS = [workspaces, *(build_asset(endpoint) for endpoint in ENDPOINTS if endpoint is not WORKSPACES)]
