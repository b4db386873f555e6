"""The names of an integration's definitions.

Dagster requires names to be unique within a code location, and partitions, pools and tags within an instance. Therefore
every name contains the integration's, and nothing else builds one.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field

import dagster as dg

from asana_assets.asana.errors import ConfigurationError

# Resources
API = "api"
IO_MANAGER = "io_manager"
LAKE = "lake"
PREFETCHER = "prefetcher"
PROGRESS = "progress"
SNOWFLAKE = "snowflake"

# Jobs
MAINTAIN_TABLES = "maintain_tables"
REFRESH_WORKSPACES = "refresh_workspaces"
SYNC_CHANGES = "sync_changes"
SYNC_ESSENTIALS = "sync_essentials"
SYNC_WORKSPACE = "sync_workspace"

# Schedules and sensors
AUTOMATION_CONDITION_SENSOR = "automation_condition_sensor"
DAILY = "daily"
FREQUENT = "frequent"
WATCH_CHANGES = "watch_changes"
WATCH_FRESHNESS = "watch_freshness"
WATCH_WORKSPACES = "watch_workspaces"
WEEKLY_MAINTENANCE = "weekly_maintenance"

WORKSPACES_SYNCED = "workspaces_synced"
"""The check of `workspaces` that `watch_freshness` evaluates."""


@dataclass(frozen=True, slots=True)
class Names:
    """The names of one integration's definitions; by default, those of our own code location.

    Attributes:
        name: The integration's name.
        translated_keys: The asset keys by endpoint name, where they are not `[name, endpoint]`.
        partitions: The name of the partitions definition.

    Raises:
        ConfigurationError: `name` is not a valid name in Dagster.
    """

    name: str = "asana"
    translated_keys: Mapping[str, dg.AssetKey] = field(default_factory=dict[str, dg.AssetKey])
    partitions: str = ""

    def __post_init__(self) -> None:
        if not re.fullmatch(r"[A-Za-z]\w*", self.name, re.ASCII):
            raise ConfigurationError(
                f"name is {self.name!r}, but must be a letter followed by letters, digits and underscores"
            )
        if not self.partitions:
            object.__setattr__(self, "partitions", self.of("workspaces"))

    def of(self, definition: str) -> str:
        """Return the name of a job, schedule, sensor, resource or pool."""
        return f"{self.name}_{definition}"

    def op(self, endpoint: str) -> str:
        """Return the name of the op of an endpoint's asset, which is also its step key, whatever the asset key is."""
        return f"{self.name}__{endpoint}"

    def endpoint(self, op: str) -> str:
        """Return the name of the endpoint whose asset has this op."""
        return op.removeprefix(self.op(""))

    def asset_key(self, endpoint: str) -> dg.AssetKey:
        """Return the key of an endpoint's asset."""
        return self.translated_keys.get(endpoint, dg.AssetKey([self.name, endpoint]))

    def endpoint_of(self, asset_key: dg.AssetKey) -> str | None:
        """Return the name of the endpoint whose asset has this key, None for other assets."""
        endpoint = next((name for name, key in self.translated_keys.items() if key == asset_key), asset_key.path[-1])
        return endpoint if self.asset_key(endpoint) == asset_key else None

    @property
    def workspace_tag(self) -> str:
        """The tag of runs with the gid of the workspace that they sync, for limits on the runs of a workspace."""
        return f"{self.name}/workspace"
