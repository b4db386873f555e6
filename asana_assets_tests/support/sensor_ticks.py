"""Ticks of the sensors as of any time, and the runs that they request, executed in this process."""

import datetime as dt
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeAlias

import dagster as dg

from asana_assets.defs.names import API
from asana_assets_tests.support.sync_harness import NAMES, Warehouse

Evaluate: TypeAlias = "Callable[..., dg.SensorResult | dg.SkipReason]"
"""Evaluates a tick: `request_changed` or `request_first_syncs`."""


@dataclass(frozen=True, kw_only=True)
class Tick:
    """The outcome of a tick.

    Attributes:
        requests: The requested runs.
        skip_message: Why none was requested.
        removes_partitions: Whether the tick removes partitions.
        cursor: The cursor after the tick.
    """

    requests: list[dg.RunRequest]
    skip_message: str
    removes_partitions: bool
    cursor: str | None

    @property
    def requested(self) -> list[tuple[str | None, str | None]]:
        """The job and the workspace of each requested run."""
        return [(request.job_name, request.partition_key) for request in self.requests]


class Sensor:
    """A sensor that is evaluated as Dagster's daemon does: with its last cursor, registering new partitions."""

    def __init__(self, warehouse: Warehouse, evaluate: Evaluate) -> None:
        self.warehouse = warehouse
        self.evaluate = evaluate
        self.cursor: str | None = None
        self._definitions = warehouse.definitions

    def tick(self, after: dt.timedelta = dt.timedelta()) -> Tick:
        """Evaluate a tick as of now, or as of this long after now."""
        asana = (self._definitions.resources or {})[NAMES.of(API)]
        with dg.build_sensor_context(
            instance=self.warehouse.instance,
            definitions=self._definitions,
            resources={"asana": asana},
            cursor=self.cursor,
        ) as context:
            result = self.evaluate(context, NAMES, context.resources.asana, now=dt.datetime.now(dt.UTC) + after)
            is_skipped = isinstance(result, dg.SkipReason)
            self.cursor = (context.cursor if is_skipped else result.cursor) or self.cursor
        if is_skipped:
            message = result.skip_message or ""
            return Tick(requests=[], skip_message=message, removes_partitions=False, cursor=self.cursor)
        changes = result.dynamic_partitions_requests or []
        for change in changes:
            if isinstance(change, dg.AddDynamicPartitionsRequest):
                self.warehouse.instance.add_dynamic_partitions("asana_workspaces", list(change.partition_keys))
        return Tick(
            requests=list(result.run_requests or []),
            skip_message="",
            removes_partitions=any(isinstance(change, dg.DeleteDynamicPartitionsRequest) for change in changes),
            cursor=self.cursor,
        )
