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

from asana_assets.asana.columns import Array
from asana_assets.asana.endpoint import GID, Endpoint
from asana_assets.asana.endpoints import ENDPOINTS, WORKSPACES
from asana_assets.asana.errors import AsanaError
from asana_assets.checks import Facts
from asana_assets.io_manager import load_rows
from asana_assets.lake.errors import LakeError
from asana_assets.resources import AsanaResource, LakeResource, LastSync
from asana_assets.sync.asking import compact, gids_of, repeated
from asana_assets.sync.children import ChildReading
from asana_assets.sync.due import Sync
from asana_assets.sync.reading import Reading, Source

log = logging.getLogger(__name__)

SYNC_TAG = "asana_assets/sync"
"""The run tag that names a sync by the instant it began; a run that goes on with it has the same."""

GO_ON_WITHIN = dt.timedelta(hours=12)
"""How long ago a sync may have begun that is still gone on with."""

AnyReading: TypeAlias = Reading | ChildReading


def _height(endpoint: Endpoint) -> int:
    return max((1 + _height(other) for other in ENDPOINTS if endpoint.name in other.upstream), default=0)


def _depth(endpoint: Endpoint) -> int:
    return max((1 + _depth(other) for other in ENDPOINTS if other.name in endpoint.upstream), default=0)


def priority(endpoint: Endpoint) -> int:
    """Say how early a run's step has its turn: what most depends on first; the deepest last, which take longest."""
    return 10 * _height(endpoint) - _depth(endpoint)


TURNS = tuple(sorted(ENDPOINTS, key=lambda endpoint: (-priority(endpoint), endpoint.name)))
"""The order in which the steps of a run have their turn."""


class SyncConfig(dg.Config):
    """How one materialization reads."""

    full_refresh: bool = Field(default=False, description="Ask every parent, changed or not.")
    refresh_after_days: float | None = Field(
        default=None, description="The age at which a parent is asked again in any case; 0 for never."
    )
    accept_fewer_rows: bool = Field(
        default=False, description="Whether it is right that the table has less than half of its rows."
    )
    checkpoint_rows: int = Field(
        default=50_000, description="Of children: store what was read after so many rows and parents,"
    )
    checkpoint_seconds: float = Field(default=300.0, description="or after so many seconds.")


class Readings(dg.ConfigurableResource):  # pyright: ignore[reportMissingTypeArgument] # it is its own value
    """The readings of one run."""

    asana: dg.ResourceDependency[AsanaResource]
    lake: dg.ResourceDependency[LakeResource]
    ahead: bool = Field(
        default=True,
        description="Begin before their turn those whose upstream is stored. Only where all steps of a run share a "
        "process: else what was asked is lost with the step's process.",
    )

    _in_turn: AnyReading | None = PrivateAttr(default=None)
    _waiting: dict[str, AnyReading] = PrivateAttr(default_factory=dict[str, "AnyReading"])
    _begun: set[str] = PrivateAttr(default_factory=set[str])
    _stored: set[str] = PrivateAttr(default_factory=set[str])
    _accepted: set[str] = PrivateAttr(default_factory=set[str])

    def take(
        self,
        context: dg.AssetExecutionContext,
        endpoint: Endpoint,
        config: SyncConfig,
        upstream: Mapping[str, pa.Table],
    ) -> AnyReading:
        """Give the reading of a step whose turn it is, begun; and begin those that can.

        Raises:
            AsanaError, LakeError: it cannot begin.
        """
        if config.accept_fewer_rows:
            self._accepted.add(endpoint.name)
        self._begun.add(endpoint.name)
        reading = self._waiting.pop(endpoint.name, None)
        if reading is None:
            reading = self._build(context, endpoint, config, upstream)
            reading.begin()
        self._in_turn = reading
        self.go_on(context)
        return reading

    def stored(self, context: dg.AssetExecutionContext, endpoint: Endpoint) -> None:
        """Take note that an asset is stored, and begin those that depended on it."""
        self._stored.add(endpoint.name)
        self.go_on(context)

    def go_on(self, context: dg.AssetExecutionContext) -> None:
        """Begin what can be, as long as nobody else has more to ask: at once, none would be read to its end sooner."""
        if not self.ahead or not context.has_partition_key:
            return
        configs = cast("Mapping[str, Mapping[str, Any]]", context.run.run_config.get("ops", {}))
        for endpoint in self._ready(context):
            begun = (self._in_turn, *self._waiting.values())
            if not all(reading is None or reading.all_asked for reading in begun):
                return
            self._begun.add(endpoint.name)
            try:
                config = SyncConfig(**configs.get(endpoint.name, {}).get("config", {}))
                upstream = self._upstream(endpoint, context.partition_key)
                reading = self._build(context, endpoint, config, upstream)
                reading.begin()
            except (AsanaError, LakeError, dg.Failure):
                log.debug("%s cannot begin before its turn; then it says why", endpoint.name, exc_info=True)
            else:
                self._waiting[endpoint.name] = reading

    def facts(self, reading: AnyReading) -> Facts:
        """Give what is to be checked, once the rows are stored.

        Raises:
            LakeError: the tables cannot be read.
        """
        endpoint, workspace_gid = reading.endpoint, reading.workspace_gid
        stored = self.lake.previous(endpoint, workspace_gid)
        gids, orphans = _look(reading, stored)
        doubted = self.lake.doubted(endpoint.name, workspace_gid)
        facts = Facts(
            report=reading.report,
            rows=sum(map(len, gids)),
            rows_before=len(reading.previous) if doubted is None else doubted,
            accepted=endpoint.name in self._accepted,
            repeated=repeated(gids),
            orphans=gids_of(orphans),
            new_columns=sorted(stored.names.difference(reading.previous.names)),
        )
        if facts.collapsed and doubted is None:
            self.lake.doubt(endpoint.name, workspace_gid, facts.rows_before)
        elif doubted is not None and not facts.collapsed:
            self.lake.doubt(endpoint.name, workspace_gid, None)
        return facts

    def teardown_after_execution(self, context: dg.InitResourceContext) -> None:  # noqa: ARG002 # Dagster's
        """Stop those that never had their turn."""
        for reading in self._waiting.values():
            reading.close()

    def _ready(self, context: dg.AssetExecutionContext) -> list[Endpoint]:
        """Give what the run reads that is not begun, and could be."""
        names = set(context.run.step_keys_to_execute or ())
        left = names - self._begun
        return [
            endpoint
            for endpoint in TURNS
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
    ) -> AnyReading:
        workspace_gid = context.partition_key if endpoint.upstream else ""
        days = endpoint.refresh_after_days if config.refresh_after_days is None else config.refresh_after_days
        sync_id, began = _sync_of(context)
        source = Source(
            endpoint=endpoint,
            workspace_gid=workspace_gid,
            upstream=upstream,
            previous=self.lake.previous(endpoint, workspace_gid),
            memory=self.lake.memory(endpoint.name, workspace_gid),
            sync=Sync(
                id=sync_id,
                began=began,
                after=dt.timedelta(days=days) if days else None,
                full=config.full_refresh,
            ),
            client=self.asana.client,
            search=self.asana.search,
        )
        if not endpoint.is_child:
            return Reading(source)
        rows, seconds = config.checkpoint_rows, config.checkpoint_seconds
        return ChildReading(source, checkpoint_rows=rows, checkpoint_seconds=seconds)


def _sync_of(context: dg.AssetExecutionContext) -> tuple[str, dt.datetime]:
    """Name the sync that a run is part of, and say when it began (UTC): a run that retries another goes on with it."""
    if began := context.run.tags.get(SYNC_TAG):
        return began, dt.datetime.fromisoformat(began)
    now = dt.datetime.now(dt.UTC)
    first = context.instance.get_run_record_by_id(context.run.root_run_id) if context.run.root_run_id else None
    if first and first.start_time:
        began_at = dt.datetime.fromtimestamp(first.start_time, dt.UTC)
        if now - began_at < GO_ON_WITHIN:
            return first.dagster_run.run_id, began_at
    return context.run.run_id, now


def _look(reading: AnyReading, stored: LastSync) -> tuple[list[Array], Array]:
    """Give the gids of what is stored, and the orphans, without having all of a long list in memory at once."""
    if isinstance(reading, ChildReading):
        rows = stored.columns(reading.columns)
        return [compact(chunk) for chunk in rows[GID.name].chunks], reading.orphans(rows)
    gids: list[Array] = []
    orphans: list[Array] = [pa.array([], pa.string())]
    for batch in stored.batches(reading.columns):
        gids.append(compact(batch[GID.name]))
        orphans.append(reading.orphans(batch))
    return gids, pa.concat_arrays(orphans)
