"""One asset per endpoint: `workspaces`, which registers the partitions, and the others, partitioned by workspace.

An asset's function starts the extract; its rows are fetched lazily, while the IO manager writes them.
"""

import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any, cast

import dagster as dg
import pyarrow as pa
import pyarrow.compute as pc

from asana_assets.asana.endpoints import WORKSPACES
from asana_assets.asana.errors import AsanaError, ConfigurationError, UnauthorizedError
from asana_assets.asana.model import GID, Endpoint
from asana_assets.defs import check_inputs, checks, partitions
from asana_assets.defs.api_announcements import report_announcements
from asana_assets.defs.column_metadata import LINEAGE_KEY, column_lineage
from asana_assets.defs.failures import dagster_failures
from asana_assets.defs.io_manager import ExtractOutput, SelectedWorkspaces
from asana_assets.defs.names import API, IO_MANAGER, PREFETCHER, PROGRESS, Names
from asana_assets.defs.parent_names import find_parent_names, name_parents
from asana_assets.defs.prefetch import Prefetcher, SyncConfig
from asana_assets.defs.progress import ProgressLogger, ProgressReporter, describe_result, describe_start
from asana_assets.defs.workspace_names import (
    NAMES_KEY,
    find_workspaces,
    label_workspaces,
    load_workspace_names,
    stored_workspace_names,
    unknown_workspaces_message,
    workspace_names,
)
from asana_assets.sync.child_extract import ChildExtract
from asana_assets.sync.choose_extract import AnyExtract
from asana_assets.sync.full_extract import FullExtract
from asana_assets.sync.gids import to_gid_list


@dataclass(frozen=True, slots=True, kw_only=True)
class OpOptions:
    """Options of the ops of all assets.

    Attributes:
        pool: Their pool; by default one named after the integration.
        retry_policy: Dagster's retries, in addition to those of single requests.
        tags: More tags.
    """

    pool: str | None = None
    retry_policy: dg.RetryPolicy | None = None
    tags: Mapping[str, str] = field(default_factory=dict[str, str])


def build_asset(
    endpoint: Endpoint,
    spec: dg.AssetSpec,
    names: Names,
    partitions_def: dg.DynamicPartitionsDefinition,
    *,
    priority: int,
    op: OpOptions | None = None,
) -> dg.AssetsDefinition:
    """Build the asset of an endpoint.

    Args:
        endpoint: The endpoint.
        spec: What the translator returned for it.
        names: The names of the integration.
        partitions_def: Partitions every asset but `workspaces`.
        priority: The priority of the step; see `step_priority`.
        op: Options of the asset's op.
    """
    op = op or OpOptions()
    lineage = column_lineage(endpoint, names)
    # Not `ins`: the prefetcher loads upstream rows, once for all steps of a run.
    deps = [*spec.deps, *(dg.AssetDep(names.asset_key(name)) for name in endpoint.upstream)]
    spec = spec.replace_attributes(deps=deps).merge_attributes(metadata={LINEAGE_KEY: lineage} if deps else {})
    partitions = partitions_def if endpoint.upstream else None

    # A multi-asset, because its op has a name of its own: with `dg.asset`, run configs would depend on the asset's key.
    @dg.multi_asset(
        name=names.op(endpoint.name),
        specs=[spec.with_io_manager_key(names.of(IO_MANAGER))],
        partitions_def=partitions,
        check_specs=checks.build_check_specs(endpoint, spec.key, partitions),
        pool=op.pool or names.of(API),
        retry_policy=op.retry_policy,
        op_tags={"dagster/priority": str(priority), **op.tags},
        required_resource_keys={names.of(PREFETCHER), names.of(PROGRESS)},
    )
    def materialize(
        context: dg.AssetExecutionContext, config: SyncConfig
    ) -> Iterator[dg.MaterializeResult[ExtractOutput] | dg.AssetCheckResult]:
        step = _Step(context, names, endpoint, config)
        yield from _materialize_workspaces(step) if endpoint is WORKSPACES else _materialize_endpoint(step)

    return materialize


@dataclass(frozen=True, slots=True)
class _Step:
    """The materialization of one asset."""

    context: dg.AssetExecutionContext
    names: Names
    endpoint: Endpoint
    config: SyncConfig

    @property
    def prefetcher(self) -> Prefetcher:
        return getattr(self.context.resources, self.names.of(PREFETCHER))

    @property
    def progress(self) -> ProgressReporter:
        return getattr(self.context.resources, self.names.of(PROGRESS))

    def start(self) -> AnyExtract:
        return self.prefetcher.start(self.context, self.names, self.endpoint, self.config)


def _materialize_endpoint(step: _Step) -> Iterator[dg.MaterializeResult[ExtractOutput] | dg.AssetCheckResult]:
    gid = step.context.partition_key
    name = load_workspace_names(step.context.instance, step.names).get(gid, "")
    with dagster_failures(endpoint=step.endpoint.name, workspace_gid=gid, workspace_name=name):
        extract = step.start()
    yield from _materialize(step, extract, output=extract, metadata={"workspace_name": name} if name else {})


def _materialize_workspaces(step: _Step) -> Iterator[dg.MaterializeResult[ExtractOutput] | dg.AssetCheckResult]:
    context = step.context
    with dagster_failures(endpoint=WORKSPACES.name, workspace_gid=""):
        extract = cast("FullExtract", step.start())
        registered = partitions.registered_workspaces(context.instance, step.names)
        found, unconfirmed = _confirm_workspaces(step, extract=extract, registered=registered)
        stored = stored_workspace_names(extract.previous)
        if not step.config.accept_row_count_drop:
            _check_account(step, found=workspace_names(found), stored=stored, unconfirmed=unconfirmed)
        labels = stored | workspace_names(found)
        wanted = _wanted_gids(step.prefetcher.asana.workspaces, found, stored)
        selected = choose_workspaces(found, wanted, unconfirmed=unconfirmed)
    output = SelectedWorkspaces(extract, selected, unconfirmed)
    metadata = {
        NAMES_KEY: dict(labels),
        **report_announcements(extract.stats.request_stats, context),
    }
    yield from _materialize(step, extract, output=output, metadata=metadata)
    kept = [gid for gid in unconfirmed if gid in registered]
    changes = partitions.sync_partitions(context.instance, step.names, [*to_gid_list(selected[GID.name]), *kept])
    if changes.added or changes.removed:
        context.log.info(
            "Registered workspaces: %s; removed: %s",
            label_workspaces(changes.added, labels) or "none",
            label_workspaces(changes.removed, labels) or "none",
        )
    if changes.in_use:
        context.log.warning(
            "The partitions of %s are kept until their runs and backfills have ended",
            label_workspaces(changes.in_use, labels),
        )


def _confirm_workspaces(step: _Step, *, extract: FullExtract, registered: Sequence[str]) -> tuple[pa.Table, list[str]]:
    """Return the rows of the workspaces that Asana lists, and the gids of known ones that may or may not be gone.

    If a known workspace is missing, the list is fetched once more, because Asana has returned empty listings for single
    requests. Known are the workspaces that are wanted or, if any is, those that are registered or stored. A workspace
    is gone if both responses lack it. Without a second response, none is known to be gone.

    Raises:
        AsanaError: The list cannot be fetched, or the token is rejected.
    """
    found = pa.Table.from_batches(extract, WORKSPACES.schema)
    stored = stored_workspace_names(extract.previous)
    known = _wanted_gids(step.prefetcher.asana.workspaces, found, stored) or [*registered, *stored]
    missing = sorted(set(known).difference(to_gid_list(found[GID.name])))
    if not missing:
        return found, []
    again = cast("FullExtract", step.start())
    try:
        second = pa.Table.from_batches(again, WORKSPACES.schema)
    except UnauthorizedError:
        raise
    except AsanaError as error:
        step.context.log.warning("Whether %s are gone is not known: %s", ", ".join(missing), error)
        extract.stats.failed.update(dict.fromkeys(missing, str(error)))  # so that a check names them
        return found, missing
    finally:
        again.close()
        extract.stats.request_stats.add(again.stats.request_stats)
    if again.stats.truncated or again.stats.records_skipped:
        return found, missing
    returned = second.filter(pc.invert(pc.is_in(second[GID.name], value_set=found[GID.name].combine_chunks())))
    if returned.num_rows:
        step.context.log.warning(
            "Asana listed %s only when the list was fetched again", ", ".join(to_gid_list(returned[GID.name]))
        )
    return pa.concat_tables([found, returned]), []


def _check_account(
    step: _Step, *, found: Mapping[str, str], stored: Mapping[str, str], unconfirmed: Sequence[str]
) -> None:
    """Check that the namespace has no workspaces, or any of those that the token sees (names by gid).

    A rotated token, a colleague's, and a workspace that appears or disappears leave others in place.

    Raises:
        ConfigurationError: The stored workspaces are those of another account, whose rows would be deleted.
    """
    if not stored or stored.keys() & found or (unconfirmed and not found):
        return
    raise ConfigurationError(
        f"the namespace {step.prefetcher.lake.namespace} has other workspaces ({label_workspaces(stored, stored)}) "
        f"than the token of the integration {step.names.name!r} sees ({label_workspaces(found, found) or 'none'}): "
        "give each account a namespace of its own "
        "(ICEBERG_NAMESPACE, or the namespace of the LakeResource in lake=), or materialize `workspaces` with "
        "accept_row_count_drop (asana-assets sync --accept-row-count-drop) if these replace those"
    )


def _wanted_gids(wanted: Sequence[str], found: pa.Table, stored: Mapping[str, str]) -> list[str]:
    """Return the gids of the wanted workspaces; a name that Asana did not list is looked up among the stored ones."""
    listed = find_workspaces(wanted, workspace_names(found), "ASANA_WORKSPACES")
    return find_workspaces(listed, stored, "ASANA_WORKSPACES")


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
    step: _Step, extract: AnyExtract, *, output: ExtractOutput, metadata: Mapping[str, Any]
) -> Iterator[dg.MaterializeResult[ExtractOutput] | dg.AssetCheckResult]:
    """Hand the output to the IO manager, then evaluate the checks. `metadata` is added to the materialization.

    Dagster resumes this generator only after the IO manager has consumed and committed every row.
    """
    context, config, prefetcher = step.context, step.config, step.prefetcher
    endpoint, workspace_gid, stats = extract.endpoint, extract.workspace_gid, extract.stats
    workspace = metadata.get("workspace_name")
    subject = f"{endpoint.name} of {workspace}" if workspace else endpoint.name
    log = partial(context.log.info, "%s: %s", subject)
    log(describe_start(extract))
    started_at = time.monotonic()
    log_progress = ProgressLogger(extract, log)

    def on_progress() -> None:
        log_progress()
        prefetcher.lake.sync_states.flush_if_due(workspace_gid)

    stats.on_progress = on_progress
    with step.progress.track_extract(extract):
        data_version = dg.DataVersion(extract.data_version) if isinstance(extract, ChildExtract) else None
        yield dg.MaterializeResult(value=output, data_version=data_version, metadata=dict(metadata))
    log(describe_result(stats, time.monotonic() - started_at))
    with dagster_failures(endpoint=endpoint.name, workspace_gid=workspace_gid, workspace_name=workspace or ""):
        inputs = check_inputs.collect_inputs(
            prefetcher.lake,
            extract,
            drop_accepted=config.accept_row_count_drop,
            empty_columns_accepted=config.accept_empty_columns,
        )
        check_inputs.save_findings(prefetcher.lake, extract, inputs)
        unfetched = {*stats.skipped, *stats.truncated}
        hidden = prefetcher.asana.column_choice
        names = find_parent_names(prefetcher.lake, endpoint, workspace_gid, unfetched, hidden)
    for result in checks.evaluate_checks(endpoint, context.asset_key, workspace_gid, inputs):
        description = result.description and name_parents(result.description, names)
        if not result.passed:
            context.log.warning("%s: %s", subject, description)
        name_metadata = {"workspace_name": workspace} if workspace else {}
        yield result._replace(description=description, metadata={**result.metadata, **name_metadata})
    if not inputs.row_count_dropped:
        prefetcher.mark_stored(endpoint)
    with dagster_failures(endpoint=endpoint.name, workspace_gid=workspace_gid, workspace_name=workspace or ""):
        prefetcher.finish_step()
