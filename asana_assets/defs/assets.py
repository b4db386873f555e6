"""One asset per endpoint: `workspaces`, which registers the partitions, and the others, partitioned by workspace.

An asset's function starts the extract; its rows are fetched lazily, while the IO manager writes them.
"""

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from datetime import timedelta
from typing import Any, cast

import dagster as dg
import pyarrow as pa
import pyarrow.compute as pc

from asana_assets.asana.endpoints import ENDPOINTS, WORKSPACES
from asana_assets.asana.errors import AsanaError, ConfigurationError, UnauthorizedError
from asana_assets.asana.model import GID, Endpoint
from asana_assets.defs import automation, check_inputs, checks, partitions
from asana_assets.defs.column_metadata import column_lineage, column_schema
from asana_assets.defs.failures import dagster_failures
from asana_assets.defs.io_manager import ExtractOutput, SelectedWorkspaces
from asana_assets.defs.parent_names import find_parent_names, name_parents
from asana_assets.defs.prefetch import Extract, Prefetcher, SyncConfig, step_priority
from asana_assets.defs.progress import ProgressLogger, ProgressReporter
from asana_assets.defs.workspace_names import (
    NAMES_KEY,
    find_workspaces,
    label_workspaces,
    load_workspace_names,
    unknown_workspaces_message,
)
from asana_assets.sync.child_extract import ChildExtract
from asana_assets.sync.full_extract import FullExtract
from asana_assets.sync.gids import to_gid_list

IO_MANAGER_KEY = "iceberg"
NAME_COLUMN = "name"
POOL = "asana_api"
OWNERS = ["team:data-platform"]
FRESHNESS = dg.FreshnessPolicy.time_window(fail_window=timedelta(hours=49), warn_window=timedelta(hours=25))
"""Warns after one missed nightly run and fails after two."""

_KINDS = {"asana", "iceberg"}


def asset_description(endpoint: Endpoint) -> str:
    """Return what the endpoint's table holds, for analysts, as Markdown whose first line is plain text."""
    notes = f"\n\n{endpoint.notes}" if endpoint.notes else ""
    return (
        f"{endpoint.summary}\n\nFreshness: {endpoint.freshness}{notes}\n\n"
        f"[Asana's reference](https://developers.asana.com/reference/{endpoint.reference})"
    )


def code_version(endpoint: Endpoint) -> str:
    """Return a hash of the endpoint's requests and columns, which changes whenever either does; docs do not count."""
    requests = [(listing.path, *listing.params.items()) for listing in endpoint.listings]
    columns = endpoint.schema.to_string(show_field_metadata=False, show_schema_metadata=False)
    return hashlib.sha256(f"{requests} {endpoint.opt_fields} {columns}".encode()).hexdigest()[:12]


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
        gid = context.partition_key
        name = load_workspace_names(context.instance).get(gid, "")
        with dagster_failures(endpoint=endpoint.name, workspace_gid=gid, workspace_name=name):
            extract = prefetcher.start(context, endpoint, config)
        metadata = {"workspace_name": name} if name else {}
        yield from _materialize(
            context, config, prefetcher, progress, extract=extract, output=extract, metadata=metadata
        )

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
        registered = partitions.registered_workspaces(context.instance)
        found, unconfirmed = _confirm_workspaces(context, config, prefetcher, extract=extract, registered=registered)
        stored = _stored_names(extract)
        names = stored | workspace_names(found)
        wanted = _wanted_gids(prefetcher.asana.workspaces, found, stored)
        selected = choose_workspaces(found, wanted, unconfirmed=unconfirmed)
    output = SelectedWorkspaces(extract, selected, unconfirmed)
    metadata = {NAMES_KEY: dict(names)}
    yield from _materialize(context, config, prefetcher, progress, extract=extract, output=output, metadata=metadata)
    kept = [gid for gid in unconfirmed if gid in registered]
    changes = partitions.sync_partitions(context.instance, [*to_gid_list(selected[GID.name]), *kept])
    if changes.added or changes.removed:
        context.log.info(
            "Registered workspaces: %s; removed: %s",
            label_workspaces(changes.added, names) or "none",
            label_workspaces(changes.removed, names) or "none",
        )
    if changes.in_use:
        context.log.warning(
            "The partitions of %s are kept until their runs and backfills have ended",
            label_workspaces(changes.in_use, names),
        )


def _confirm_workspaces(
    context: dg.AssetExecutionContext,
    config: SyncConfig,
    prefetcher: Prefetcher,
    *,
    extract: FullExtract,
    registered: Sequence[str],
) -> tuple[pa.Table, list[str]]:
    """Return the rows of the workspaces that Asana lists, and the gids of known ones that may or may not be gone.

    If a known workspace is missing, the list is fetched once more, because Asana has returned empty listings for single
    requests. Known are the workspaces that are wanted or, if any is, those that are registered or stored. A workspace
    is gone if both responses lack it. Without a second response, none is known to be gone.

    Raises:
        AsanaError: The list cannot be fetched, or the token is rejected.
    """
    found = pa.Table.from_batches(extract, WORKSPACES.schema)
    stored = _stored_names(extract)
    known = _wanted_gids(prefetcher.asana.workspaces, found, stored) or [*registered, *stored]
    missing = sorted(set(known).difference(to_gid_list(found[GID.name])))
    if not missing:
        return found, []
    again = cast("FullExtract", prefetcher.start(context, WORKSPACES, config))
    try:
        second = pa.Table.from_batches(again, WORKSPACES.schema)
    except UnauthorizedError:
        raise
    except AsanaError as error:
        context.log.warning("Whether %s are gone is not known: %s", ", ".join(missing), error)
        extract.stats.failed.update(dict.fromkeys(missing, str(error)))  # so that a check names them
        return found, missing
    finally:
        again.close()
        extract.stats.request_stats.add(again.stats.request_stats)
    if again.stats.truncated or again.stats.records_skipped:
        return found, missing
    returned = second.filter(pc.invert(pc.is_in(second[GID.name], value_set=found[GID.name].combine_chunks())))
    if returned.num_rows:
        context.log.warning(
            "Asana listed %s only when the list was fetched again", ", ".join(to_gid_list(returned[GID.name]))
        )
    return pa.concat_tables([found, returned]), []


def _wanted_gids(wanted: Sequence[str], found: pa.Table, stored: Mapping[str, str]) -> list[str]:
    """Return the gids of the wanted workspaces; a name that Asana did not list is looked up among the stored ones."""
    listed = find_workspaces(wanted, workspace_names(found), "ASANA_WORKSPACES")
    return find_workspaces(listed, stored, "ASANA_WORKSPACES")


def _stored_names(extract: FullExtract) -> dict[str, str]:
    return workspace_names(extract.previous.columns((GID.name, NAME_COLUMN)))


def workspace_names(rows: pa.Table) -> dict[str, str]:
    """Return the names in rows of `workspaces` by gid; "" for one without."""
    names = rows[NAME_COLUMN].to_pylist()
    return {gid: name or "" for gid, name in zip(to_gid_list(rows[GID.name]), names, strict=True)}


def choose_workspaces(found: pa.Table, wanted: Sequence[str], *, unconfirmed: Sequence[str] = ()) -> pa.Table:
    """Return the rows of the wanted workspaces, given by gid or name, or all rows if `wanted` is empty.

    Raises:
        ConfigurationError: A wanted workspace was not found, and is not among the `unconfirmed`.
    """
    if not wanted:
        return found
    names = workspace_names(found)
    gids = find_workspaces(wanted, names, "ASANA_WORKSPACES")
    missing = sorted(set(gids).difference(names, unconfirmed))
    if missing:
        raise ConfigurationError(unknown_workspaces_message(missing, names, "ASANA_WORKSPACES"))
    return found.filter(pc.is_in(found[GID.name], value_set=pa.array(gids)))


def _materialize(
    context: dg.AssetExecutionContext,
    config: SyncConfig,
    prefetcher: Prefetcher,
    progress: ProgressReporter,
    *,
    extract: Extract,
    output: ExtractOutput,
    metadata: Mapping[str, Any],
) -> Iterator[dg.MaterializeResult[ExtractOutput] | dg.AssetCheckResult]:
    """Hand the output to the IO manager, then evaluate the checks. `metadata` is added to the materialization.

    Dagster resumes this generator only after the IO manager has consumed and committed every row.
    """
    endpoint, workspace_gid, stats = extract.endpoint, extract.workspace_gid, extract.stats
    workspace = metadata.get("workspace_name")
    subject = f"{endpoint.name} of {workspace}" if workspace else endpoint.name
    context.log.info("%s: fetching %d of %d parents", subject, stats.parents_stale, stats.parents)
    log_progress = ProgressLogger(extract, context.log.info)

    def on_progress() -> None:
        log_progress()
        prefetcher.lake.sync_states.flush_if_due(workspace_gid)

    stats.on_progress = on_progress
    with progress.track_extract(extract):
        data_version = dg.DataVersion(extract.data_version) if isinstance(extract, ChildExtract) else None
        yield dg.MaterializeResult(value=output, data_version=data_version, metadata=dict(metadata))
    for notice in prefetcher.asana.new_deprecations(stats.request_stats.deprecation_notices):
        context.log.warning("Asana announced an API change: %s", notice)
    with dagster_failures(endpoint=endpoint.name, workspace_gid=workspace_gid, workspace_name=workspace or ""):
        inputs = check_inputs.collect_inputs(
            prefetcher.lake,
            extract,
            drop_accepted=config.accept_row_count_drop,
            empty_columns_accepted=config.accept_empty_columns,
        )
        check_inputs.save_findings(prefetcher.lake, extract, inputs)
        unfetched = {*stats.skipped, *stats.truncated}
        names = find_parent_names(prefetcher.lake, endpoint, workspace_gid, unfetched)
    for result in checks.evaluate_checks(endpoint, workspace_gid, inputs):
        description = result.description and name_parents(result.description, names)
        if not result.passed:
            context.log.warning("%s: %s", subject, description)
        name_metadata = {"workspace_name": workspace} if workspace else {}
        yield result._replace(description=description, metadata={**result.metadata, **name_metadata})
    if not inputs.row_count_dropped:
        prefetcher.mark_stored(endpoint)
    with dagster_failures(endpoint=endpoint.name, workspace_gid=workspace_gid):
        prefetcher.finish_step()


ASSETS = [workspaces, *(build_asset(endpoint) for endpoint in ENDPOINTS if endpoint is not WORKSPACES)]
