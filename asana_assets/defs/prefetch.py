"""The resource that gives each step its extract, prefetched where possible, and the run config of an asset.

What is fetched and stored is decided elsewhere: extracts in `sync`, the order of prefetching in `sync.prefetch_queue`,
whether an interrupted sync is resumed in `sync.resume`. Here they are connected to Dagster's runs and to the lake.
"""

import datetime as dt
from collections.abc import Collection, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from typing import Any, cast

import dagster as dg
import pyarrow as pa
from pydantic import Field, PrivateAttr

from asana_assets.asana.endpoints import ENDPOINTS, WORKSPACES
from asana_assets.asana.model import Endpoint, Listing
from asana_assets.asana.selection import select_endpoints
from asana_assets.defs.exclusions import load_exclusions, other_workspaces
from asana_assets.defs.hidden_columns import hide_stored_values
from asana_assets.defs.names import Names
from asana_assets.defs.reading import require_synced, require_table
from asana_assets.defs.resources import AsanaResource, LakeResource
from asana_assets.defs.step_order import optional_upstream, step_order
from asana_assets.sync.change_detection import Sync
from asana_assets.sync.choose_extract import AnyExtract, choose_extract
from asana_assets.sync.extract import ExtractContext
from asana_assets.sync.parent_rows import needed_columns, reduce_rows
from asana_assets.sync.prefetch_queue import PrefetchQueue
from asana_assets.sync.resume import SYNC_TAG, decide_start

_DEFAULT_EXECUTOR = (
    "multi_or_in_process_executor"  # of a code location that names none; the run config says which of the two
)
_IN_PROCESS_EXECUTORS = {dg.in_process_executor.name, "execute_in_process_executor"}


class SyncConfig(dg.Config):
    """Run config of one asset."""

    full_refresh: bool = Field(
        default=False,
        description="Fetch the children of every parent again, whether or not it has changed, and compare what is "
        "fetched with the stored rows themselves.",
    )
    refresh_after_days: float | None = Field(
        default=None,
        ge=0,
        description="Fetch the children of an unchanged parent again after this many days; 0 means never. "
        "By default each endpoint has its own limit.",
    )
    accept_row_count_drop: bool = Field(
        default=False,
        description="Accept that the table has lost more than half of its rows, or all of them because the workspace's "
        "plan no longer includes the endpoint.",
    )
    accept_empty_columns: bool = Field(
        default=False, description="Accept that columns which had values no longer have any."
    )
    checkpoint_rows: int = Field(
        default=50_000,
        gt=0,
        description="For assets fetched parent by parent: commit a checkpoint whenever this many rows and parents "
        "have been fetched.",
    )
    checkpoint_seconds: float = Field(
        default=300.0,
        gt=0,
        description="For assets fetched parent by parent: commit a checkpoint whenever this many seconds have passed.",
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class _ExtractBuilder:
    """Builds the extracts of one run from the stored tables.

    Attributes:
        asana: Provides the client.
        lake: Provides upstream rows, the endpoint's own rows and its sync state.
        names: The names of the integration.
        optional: Names of the endpoints that their dependents can do without.
        workspace_gid: The run's partition; "" if it has none.
        started_at: When the sync that the run belongs to started (UTC).
        run_config: The run's config as it was submitted.
        step_config: By endpoint name, the config that Dagster passed to the steps that have run.
    """

    asana: AsanaResource
    lake: LakeResource
    names: Names
    optional: Collection[str]
    workspace_gid: str
    started_at: dt.datetime
    run_config: Mapping[str, Any]
    step_config: dict[str, SyncConfig] = field(default_factory=dict[str, SyncConfig])

    def load_upstream(self, name: str, listings: Sequence[Listing]) -> pa.Table:
        """Load the rows of an upstream table, reduced to what these listings need.

        Raises:
            Failure: The upstream asset was never materialized.
            LakeError: The table cannot be read.
        """
        [endpoint] = [one for one in ENDPOINTS if one.name == name]
        if name in self.optional:
            batches = self.lake.stored_rows(endpoint, self.workspace_gid).batches(needed_columns(listings))
            return reduce_rows(endpoint, batches, listings)
        table = require_table(self.lake, name)
        batches = self.lake.iceberg.scan_batches(table, workspace=self.workspace_gid, columns=needed_columns(listings))
        rows = reduce_rows(endpoint, batches, listings)
        if endpoint is not WORKSPACES and not rows.num_rows:
            require_synced(self.lake, name, self.workspace_gid)
        return rows

    def build(self, endpoint: Endpoint, upstream: Mapping[str, pa.Table]) -> AnyExtract:
        """Build the endpoint's extract, not started.

        Raises:
            AsanaError: The client cannot be configured, or the upstream rows do not include the workspace.
            LakeError: The endpoint's table or the sync state cannot be read.
        """
        config = self._config(endpoint)
        workspace_gid = self.workspace_gid if endpoint.upstream else ""
        if config.full_refresh:
            self.lake.drop_lost_files(endpoint, workspace_gid)
        columns = self.asana.column_choice
        state = self.lake.load_state(endpoint.name, workspace_gid)
        state = hide_stored_values(self.lake, endpoint, workspace_gid, columns, state, integration=self.names.name)
        endpoint = columns.apply(endpoint)
        filters = self.asana.project_filter.by_endpoint
        row_filter = filters.get(endpoint.name)
        context = ExtractContext(
            endpoint=endpoint,
            workspace_gid=workspace_gid,
            upstream=upstream,
            previous=self.lake.stored_rows(endpoint, workspace_gid),
            state=state,
            sync=Sync(
                id=self.started_at.isoformat(),
                started_at=self.started_at,
                max_age=endpoint.max_age(config.refresh_after_days),
                full_refresh=config.full_refresh,
            ),
            client=self.asana.client,
            search=self.asana.search,
            is_optional=endpoint.name in self.optional,
            accept_deletions=config.accept_row_count_drop,
            row_filter=row_filter,
            exclusions=load_exclusions(self.lake, filters, endpoint, workspace_gid),
            other_workspaces=other_workspaces(self.lake, workspace_gid) if row_filter else (),
        )
        return choose_extract(
            context, checkpoint_rows=config.checkpoint_rows, checkpoint_seconds=config.checkpoint_seconds
        )

    def _config(self, endpoint: Endpoint) -> SyncConfig:
        ops = cast("Mapping[str, Mapping[str, Any]]", self.run_config.get("ops", {}))
        return self.step_config.get(endpoint.name) or SyncConfig(
            **ops.get(self.names.op(endpoint.name), {}).get("config", {})
        )


class Prefetcher(dg.ConfigurableResource):  # pyright: ignore[reportMissingTypeArgument] - the resource is its own value
    """Internal: starts what each asset fetches, ahead of its step where possible. There is nothing to set up."""

    asana: dg.ResourceDependency[AsanaResource]
    lake: dg.ResourceDependency[LakeResource]
    endpoints: list[str] = Field(description="The endpoints of the integration.")
    enabled: bool = Field(
        default=True,
        description="Start fetching assets before their step runs, as soon as their upstream is stored. Has no effect "
        "unless the executor runs all steps in one process; prefetched pages would be lost with the step's process.",
    )

    _builder: _ExtractBuilder | None = PrivateAttr(default=None)
    _queue: PrefetchQueue[AnyExtract] | None = PrivateAttr(default=None)
    _buffered_state: ExitStack = PrivateAttr(default_factory=ExitStack)

    def start(
        self, context: dg.AssetExecutionContext, names: Names, endpoint: Endpoint, config: SyncConfig
    ) -> AnyExtract:
        """Return the started extract of the step that runs now.

        Raises:
            Failure: An upstream asset was never materialized.
            AsanaError: Asana cannot be reached, or the workspace is not among the token's.
            LakeError: The stored tables cannot be read.
        """
        if self._builder is None or self._queue is None:
            self._builder = builder = self._build_builder(context, names)
            prefetches = self.enabled and shares_process(context.job_def.executor_def.name, context.run.run_config)
            if prefetches and builder.workspace_gid:  # otherwise, the process may end with this step
                self._buffered_state.enter_context(self.lake.sync_states.buffered(builder.workspace_gid))
            self._queue = PrefetchQueue(
                endpoints_of_run(
                    names,
                    self._endpoints,
                    context.run.step_keys_to_execute,
                    [node.name for node in context.job_def.nodes],
                ),
                load_upstream=builder.load_upstream,
                build=builder.build,
                enabled=prefetches and context.has_partition_key,
            )
        self._builder.step_config[endpoint.name] = config
        return self._queue.start(endpoint)

    @property
    def _endpoints(self) -> tuple[Endpoint, ...]:
        return select_endpoints(self.endpoints)

    def mark_stored(self, endpoint: Endpoint) -> None:
        """Record that the endpoint's rows are committed, so that its dependents may be prefetched."""
        if self._queue is not None:
            self._queue.mark_stored(endpoint)

    def finish_step(self) -> None:
        """Commit the run's sync state if no step is left to start, so that a failure to do so fails the last one."""
        if self._queue is not None and not self._queue.has_more:
            self._buffered_state.close()

    def teardown_after_execution(self, context: dg.InitResourceContext) -> None:  # noqa: ARG002 - Dagster's signature
        try:
            if self._queue is not None:
                self._queue.close()
        finally:
            self._buffered_state.close()

    def _build_builder(self, context: dg.AssetExecutionContext, names: Names) -> _ExtractBuilder:
        return _ExtractBuilder(
            asana=self.asana,
            lake=self.lake,
            names=names,
            optional=optional_upstream(self._endpoints),
            workspace_gid=context.partition_key if context.has_partition_key else "",
            started_at=_resolve_start(context, names),
            run_config=context.run.run_config,
        )


def endpoints_of_run(
    names: Names, endpoints: Sequence[Endpoint], step_keys: Sequence[str] | None, ops: Sequence[str]
) -> list[Endpoint]:
    """Return the endpoints that a run materializes, in step order.

    Args:
        names: The names of the integration.
        endpoints: Its endpoints.
        step_keys: The steps that the run is restricted to. Dagster sets none for runs of schedules, sensors and
            backfills, which execute all ops of their job.
        ops: The ops of the run's job.
    """
    steps = set(ops if step_keys is None else step_keys)
    return [endpoint for endpoint in step_order(endpoints) if names.op(endpoint.name) in steps]


def shares_process(executor: str, run_config: Mapping[str, Any]) -> bool:
    """Return whether an executor, given by name, runs all steps of a run with this config in one process."""
    if executor == _DEFAULT_EXECUTOR:
        return "in_process" in run_config.get("execution", {}).get("config", {})
    return executor in _IN_PROCESS_EXECUTORS


def _resolve_start(context: dg.AssetExecutionContext, names: Names) -> dt.datetime:
    """Return when the sync that the run belongs to started (UTC).

    Tags the run with it, for its retries, and with its workspace, which a run that was launched in the UI is not yet.
    """
    record = context.instance.get_run_record_by_id(context.run.run_id)
    run_started_at = (
        dt.datetime.fromtimestamp(record.start_time, dt.UTC)  # the same for all steps, whatever their process
        if record and record.start_time
        else dt.datetime.now(dt.UTC)
    )
    tag = context.run.tags.get(SYNC_TAG)
    started_at = decide_start(tag, run_started_at=run_started_at)
    tags = {SYNC_TAG: started_at.isoformat()}
    if context.has_partition_key:
        tags[names.workspace_tag] = context.partition_key
    if not tags.items() <= context.run.tags.items():
        context.instance.add_run_tags(context.run.run_id, tags)
    return started_at
