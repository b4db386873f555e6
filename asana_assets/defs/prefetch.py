"""The readings of a run: what an asset reads, and when the asking begins.

A run's steps take turns, and a step that stores its rows asks Asana for nothing. So a reading begins before its turn,
once what it depends on is stored and those before it have nobody more to ask, and waits for its turn some pages on: the
token is not idle while there is something to ask.
"""

import datetime as dt
import logging
from collections.abc import Mapping
from typing import Any, TypeAlias, cast

import dagster as dg
import pyarrow as pa
from pydantic import Field, PrivateAttr

from asana_assets.asana.endpoints import ENDPOINTS, WORKSPACES
from asana_assets.asana.errors import AsanaError
from asana_assets.asana.field_types import Array
from asana_assets.asana.model import GID, Endpoint
from asana_assets.defs.checks import CheckInputs
from asana_assets.defs.io_manager import load_rows
from asana_assets.defs.resources import AsanaResource, IcebergStoredRows, LakeResource
from asana_assets.lake.errors import LakeError
from asana_assets.sync.change_detection import Sync
from asana_assets.sync.child_extract import ChildExtract
from asana_assets.sync.full_extract import ExtractContext, FullExtract
from asana_assets.sync.parents import compact_gids, count_duplicates, to_gid_list

log = logging.getLogger(__name__)

SYNC_TAG = "asana_assets/sync"
"""The run tag that names a sync by the instant it began; a run that goes on with it has the same."""

RESUME_WINDOW = dt.timedelta(hours=12)
"""How long ago a sync may have begun that is still gone on with."""

Extract: TypeAlias = FullExtract | ChildExtract


def _downstream_depth(endpoint: Endpoint) -> int:
    return max((1 + _downstream_depth(other) for other in ENDPOINTS if endpoint.name in other.upstream), default=0)


def _upstream_depth(endpoint: Endpoint) -> int:
    return max((1 + _upstream_depth(other) for other in ENDPOINTS if other.name in endpoint.upstream), default=0)


def step_priority(endpoint: Endpoint) -> int:
    """Say how early a run's step has its turn: what most depends on first; the deepest last, which take longest."""
    return 10 * _downstream_depth(endpoint) - _upstream_depth(endpoint)


STEP_ORDER = tuple(sorted(ENDPOINTS, key=lambda endpoint: (-step_priority(endpoint), endpoint.name)))
"""The order in which the steps of a run have their turn."""


class SyncConfig(dg.Config):
    """How one materialization reads."""

    full_refresh: bool = Field(default=False, description="Ask every parent, changed or not.")
    refresh_after_days: float | None = Field(
        default=None, description="The age at which a parent is asked again in any case; 0 for never."
    )
    accept_row_count_drop: bool = Field(
        default=False, description="Whether it is right that the table has less than half of its rows."
    )
    checkpoint_rows: int = Field(
        default=50_000, description="Of children: store what was read after so many rows and parents,"
    )
    checkpoint_seconds: float = Field(default=300.0, description="or after so many seconds.")


class Prefetcher(dg.ConfigurableResource):  # pyright: ignore[reportMissingTypeArgument] # it is its own value
    """The readings of one run."""

    asana: dg.ResourceDependency[AsanaResource]
    lake: dg.ResourceDependency[LakeResource]
    enabled: bool = Field(
        default=True,
        description="Begin before their turn those whose upstream is stored. Only where all steps of a run share a "
        "process: else what was asked is lost with the step's process.",
    )

    _current: Extract | None = PrivateAttr(default=None)
    _prefetched: dict[str, Extract] = PrivateAttr(default_factory=dict[str, "Extract"])
    _started: set[str] = PrivateAttr(default_factory=set[str])
    _stored: set[str] = PrivateAttr(default_factory=set[str])
    _drop_accepted: set[str] = PrivateAttr(default_factory=set[str])

    def start(
        self,
        context: dg.AssetExecutionContext,
        endpoint: Endpoint,
        config: SyncConfig,
        upstream: Mapping[str, pa.Table],
    ) -> Extract:
        """Give the reading of a step whose turn it is, begun; and begin those that can.

        Raises:
            AsanaError, LakeError: it cannot begin.
        """
        if config.accept_row_count_drop:
            self._drop_accepted.add(endpoint.name)
        self._started.add(endpoint.name)
        reading = self._prefetched.pop(endpoint.name, None)
        if reading is None:
            reading = self._build(context, endpoint, config, upstream)
            reading.start()
        self._current = reading
        self.prefetch_ready(context)
        return reading

    def mark_stored(self, context: dg.AssetExecutionContext, endpoint: Endpoint) -> None:
        """Take note that an asset is stored, and begin those that depended on it."""
        self._stored.add(endpoint.name)
        self.prefetch_ready(context)

    def prefetch_ready(self, context: dg.AssetExecutionContext) -> None:
        """Begin what can be, as long as nobody else has more to ask: at once, none would be read to its end sooner."""
        if not self.enabled or not context.has_partition_key:
            return
        configs = cast("Mapping[str, Mapping[str, Any]]", context.run.run_config.get("ops", {}))
        for endpoint in self._ready(context):
            begun = (self._current, *self._prefetched.values())
            if not all(reading is None or reading.all_sent for reading in begun):
                return
            self._started.add(endpoint.name)
            try:
                config = SyncConfig(**configs.get(endpoint.name, {}).get("config", {}))
                upstream = self._upstream(endpoint, context.partition_key)
                reading = self._build(context, endpoint, config, upstream)
                reading.start()
            except (AsanaError, LakeError, dg.Failure):
                log.debug("%s cannot begin before its turn; then it says why", endpoint.name, exc_info=True)
            else:
                self._prefetched[endpoint.name] = reading

    def check_inputs(self, reading: Extract) -> CheckInputs:
        """Give what is to be checked, once the rows are stored.

        Raises:
            LakeError: the tables cannot be read.
        """
        endpoint, workspace_gid = reading.endpoint, reading.workspace_gid
        stored = self.lake.stored_rows(endpoint, workspace_gid)
        gids, orphans = _look(reading, stored)
        doubted = self.lake.dropped_from(endpoint.name, workspace_gid)
        facts = CheckInputs(
            stats=reading.stats,
            rows=sum(map(len, gids)),
            rows_before=len(reading.previous) if doubted is None else doubted,
            accepted=endpoint.name in self._drop_accepted,
            duplicate_keys=count_duplicates(gids),
            orphans=to_gid_list(orphans),
            new_columns=sorted(stored.names.difference(reading.previous.names)),
        )
        if facts.row_count_dropped and doubted is None:
            self.lake.set_dropped_from(endpoint.name, workspace_gid, facts.rows_before)
        elif doubted is not None and not facts.row_count_dropped:
            self.lake.set_dropped_from(endpoint.name, workspace_gid, None)
        return facts

    def teardown_after_execution(self, context: dg.InitResourceContext) -> None:  # noqa: ARG002 # Dagster's
        """Stop those that never had their turn."""
        for reading in self._prefetched.values():
            reading.close()

    def _ready(self, context: dg.AssetExecutionContext) -> list[Endpoint]:
        """Give what the run reads that is not begun, and could be."""
        names = set(context.run.step_keys_to_execute or ())
        left = names - self._started
        return [
            endpoint
            for endpoint in STEP_ORDER
            if endpoint.name in left and endpoint.upstream and not names.intersection(endpoint.upstream) - self._stored
        ]

    def _upstream(self, endpoint: Endpoint, workspace_gid: str) -> dict[str, pa.Table]:
        return {
            name: load_rows(self.lake, name, workspace_gid, columns, by_workspace=name != WORKSPACES.name)
            for name, columns in endpoint.upstream.items()
        }

    def _build(
        self,
        context: dg.AssetExecutionContext,
        endpoint: Endpoint,
        config: SyncConfig,
        upstream: Mapping[str, pa.Table],
    ) -> Extract:
        workspace_gid = context.partition_key if endpoint.upstream else ""
        sync_id, began = _resolve_sync(context)
        source = ExtractContext(
            endpoint=endpoint,
            workspace_gid=workspace_gid,
            upstream=upstream,
            previous=self.lake.stored_rows(endpoint, workspace_gid),
            state=self.lake.load_state(endpoint.name, workspace_gid),
            sync=Sync(
                id=sync_id,
                started_at=began,
                max_age=endpoint.max_age(config.refresh_after_days),
                full_refresh=config.full_refresh,
            ),
            client=self.asana.client,
            search=self.asana.search,
        )
        if not endpoint.is_child:
            return FullExtract(source)
        rows, seconds = config.checkpoint_rows, config.checkpoint_seconds
        return ChildExtract(source, checkpoint_rows=rows, checkpoint_seconds=seconds)


def _resolve_sync(context: dg.AssetExecutionContext) -> tuple[str, dt.datetime]:
    """Name the sync that a run is part of, and say when it began (UTC): a run that retries another goes on with it."""
    if began := context.run.tags.get(SYNC_TAG):
        return began, dt.datetime.fromisoformat(began)
    now = dt.datetime.now(dt.UTC)
    first = context.instance.get_run_record_by_id(context.run.root_run_id) if context.run.root_run_id else None
    if first and first.start_time:
        began_at = dt.datetime.fromtimestamp(first.start_time, dt.UTC)
        if now - began_at < RESUME_WINDOW:
            return first.dagster_run.run_id, began_at
    return context.run.run_id, now


def _look(reading: Extract, stored: IcebergStoredRows) -> tuple[list[Array], Array]:
    """Give the gids of what is stored, and the orphans, without having all of a long list in memory at once."""
    if isinstance(reading, ChildExtract):
        rows = stored.columns(reading.columns)
        return [compact_gids(chunk) for chunk in rows[GID.name].chunks], reading.orphaned_gids(rows)
    gids: list[Array] = []
    orphans: list[Array] = [pa.array([], pa.string())]
    for batch in stored.batches(reading.columns):
        gids.append(compact_gids(batch[GID.name]))
        orphans.append(reading.orphaned_gids(batch))
    return gids, pa.concat_arrays(orphans)
