"""One asset per endpoint: `workspaces`, which registers the partitions, and the others, partitioned by workspace.

An asset's function starts the extract; its rows are fetched lazily, while the IO manager writes them.
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
"""Warns after one missed nightly run and fails after two."""

_KINDS = {"asana", "iceberg"}


def asset_description(endpoint: Endpoint) -> str:
    """Return what the endpoint's table holds, for analysts, as Markdown."""
    key = "`gid`" if endpoint is WORKSPACES else "`workspace_gid`, `gid`"
    notes = f"\n\n{endpoint.notes}" if endpoint.notes else ""
    return (
        f"One row is {endpoint.grain}.\n\n**Key**: {key}.\n\n**Freshness**: {endpoint.freshness}{notes}\n\n"
        f"[Asana's reference](https://developers.asana.com/reference/{endpoint.reference})"
    )


def code_version(endpoint: Endpoint) -> str:
    """Return a hash of the endpoint's requests and columns, which changes whenever either does."""
    requests = [(listing.path, *listing.params.items()) for listing in endpoint.listings]
    return hashlib.sha256(f"{requests} {endpoint.opt_fields} {endpoint.schema}".encode()).hexdigest()[:12]


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
        deps=list(endpoint.upstream),  # not `ins`: the prefetcher loads upstream rows, once for all steps of a run
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
    ) -> Iterator[dg.MaterializeResult[ExtractOutput] | dg.AssetCheckResult]:
        with dagster_failures(endpoint=endpoint.name, workspace_gid=context.partition_key):
            extract = prefetcher.start(context, endpoint, config)
        yield from _materialize(context, config, prefetcher, progress, extract=extract, output=extract)

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
        extract = cast("FullExtract", prefetcher.start(context, WORKSPACES, config))
        found = pa.Table.from_batches(extract, WORKSPACES.schema)
        selected = choose_workspaces(found, prefetcher.asana.workspaces)
    output = SelectedWorkspaces(extract, selected)
    yield from _materialize(context, config, prefetcher, progress, extract=extract, output=output)
    added, removed = partitions.sync_partitions(context.instance, [str(gid) for gid in selected[GID.name].to_pylist()])
    if added or removed:
        context.log.info(
            "Registered workspaces: %s; removed: %s", ", ".join(added) or "none", ", ".join(removed) or "none"
        )


def choose_workspaces(found: pa.Table, wanted: Sequence[str]) -> pa.Table:
    """Return the rows of the wanted workspaces, or all rows if `wanted` is empty.

    Raises:
        ConfigurationError: A wanted workspace was not found.
    """
    if not wanted:
        return found
    missing = sorted(set(wanted).difference(found[GID.name].to_pylist()))
    if missing:
        raise ConfigurationError(f"ASANA_WORKSPACES names {', '.join(missing)}, which this token cannot see")
    return found.filter(pc.is_in(found[GID.name], value_set=pa.array(wanted)))


def _materialize(
    context: dg.AssetExecutionContext,
    config: SyncConfig,
    prefetcher: Prefetcher,
    progress: ProgressReporter,
    *,
    extract: Extract,
    output: ExtractOutput,
) -> Iterator[dg.MaterializeResult[ExtractOutput] | dg.AssetCheckResult]:
    """Hand the output to the IO manager, then evaluate the checks.

    Dagster resumes this generator only after the IO manager has consumed and committed every row.
    """
    endpoint, workspace_gid, stats = extract.endpoint, extract.workspace_gid, extract.stats
    context.log.info("%s: fetching %d of %d parents", endpoint.name, stats.parents_stale, stats.parents)
    stats.on_progress = ProgressLogger(extract, context.log.info)
    with progress.track_extract(extract):
        yield dg.MaterializeResult(value=output, data_version=dg.DataVersion(extract.data_version))
    for notice in prefetcher.asana.new_deprecations(stats.request_stats.deprecation_notices):
        context.log.warning("Asana announced an API change: %s", notice)
    with dagster_failures(endpoint=endpoint.name, workspace_gid=workspace_gid):
        inputs = checks.collect_inputs(prefetcher.lake, extract, drop_accepted=config.accept_row_count_drop)
        checks.save_row_count_drop(prefetcher.lake, extract, inputs)
    for result in checks.evaluate_checks(endpoint, workspace_gid, inputs):
        if not result.passed:
            context.log.warning("%s: %s", endpoint.name, result.description)
        yield result
    if not inputs.row_count_dropped:
        prefetcher.mark_stored(endpoint)


ASSETS = [workspaces, *(build_asset(endpoint) for endpoint in ENDPOINTS if endpoint is not WORKSPACES)]
