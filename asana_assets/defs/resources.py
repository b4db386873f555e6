"""Dagster resources: the Asana client and the Iceberg tables.

A resource holds settings and opens its client or catalog at first use. The steps of a run that share a process share
the client, and with it one throttle. Dagster gives each resource that depends on another its own copy of it, so nothing
may rely on attributes that one copy has set.
"""

import datetime as dt
import threading
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import dagster as dg
import pyarrow as pa
from pydantic import Field, PrivateAttr

from asana_assets.asana.client import Client, RetryPolicy
from asana_assets.asana.errors import ConfigurationError
from asana_assets.asana.field_types import Array
from asana_assets.asana.model import Endpoint
from asana_assets.asana.pacer import LocalPacer
from asana_assets.asana.throttle import Throttle
from asana_assets.asana.transport import Transport
from asana_assets.defs.choices import Choices
from asana_assets.defs.secrets import read_token
from asana_assets.defs.stored_rows import IcebergStoredRows
from asana_assets.lake.lake import Lake
from asana_assets.sync.change_detection import Sync
from asana_assets.sync.change_search import ChangeSearch
from asana_assets.sync.empty_column_rows import EmptyColumn
from asana_assets.sync.pending_state import pending_state
from asana_assets.sync.sync_state import SyncState
from asana_assets.sync.sync_state_store import SYNC_STATE_TABLE, SyncStateStore

if TYPE_CHECKING:
    from pyiceberg.catalog import Catalog
    from pyiceberg.table import Table


class AsanaResource(Choices):
    """Access to Asana with one token."""

    access_token: str | None = Field(default=None, repr=False, description="A personal access token of Asana.")
    token_secret_id: str | None = Field(
        default=None,
        description="The name or ARN of a secret in AWS Secrets Manager with the token, used if `access_token` is not "
        "set. The secret is JSON with a key `token`, or the bare token.",
    )
    base_url: str = Field(default="https://app.asana.com/api/1.0", description="The base URL of the API.")
    requests_per_second: float = Field(
        default=1.25,
        description="The maximum request rate, for the token as a whole. Asana allows 2.5 on free plans and 25 on paid "
        "ones.",
    )
    read_timeout_seconds: float = Field(
        default=60.0, description="The read timeout of one attempt of a request, in seconds."
    )
    max_attempts: int = Field(default=8, description="The maximum number of attempts per request.")
    max_in_flight: int = Field(default=40, description="The maximum number of concurrent requests; Asana allows 50.")
    pacer_url: str | None = Field(
        default=None,
        description="The SQLAlchemy URL of a database through which all processes that use the token share its request "
        "rate. Without it, each process limits only itself.",
    )
    workspaces: list[str] = Field(
        default_factory=list[str],
        description="The names or gids of the workspaces to sync. If empty, all workspaces of the token are synced.",
    )

    _client: Client | None = PrivateAttr(default=None)
    _search: ChangeSearch | None = PrivateAttr(default=None)
    _lock: threading.Lock = PrivateAttr(default_factory=threading.Lock)

    @contextmanager
    def yield_for_execution(self, context: dg.InitResourceContext) -> Generator["AsanaResource"]:  # noqa: ARG002 - Dagster's signature
        """Yield the resource; close its client afterwards."""
        try:
            yield self
        finally:
            if self._client:
                self._client.__exit__()

    @property
    def client(self) -> Client:
        """The client, opened at first use.

        Raises:
            ConfigurationError: A setting is missing or invalid; the message names it.
        """
        with self._lock:
            if self._client is None:
                self._client = self._open()
            return self._client

    @property
    def search(self) -> ChangeSearch:
        """Search for changed tasks with this client; it remembers which workspaces' plans lack search.

        Raises:
            ConfigurationError: A setting is missing or invalid; the message names it.
        """
        client = self.client
        with self._lock:
            self._search = self._search or ChangeSearch(client)
            return self._search

    def short_timeout_client(self) -> Client:
        """Open a client that gives up within seconds, for callers such as sensors; the caller closes it.

        Raises:
            ConfigurationError: A setting is missing or invalid; the message names it.
        """
        return self._open(
            RetryPolicy(max_attempts=2, attempts_before_first_response=2, budget_seconds=10.0), read_seconds=10.0
        )

    def _open(self, retry: RetryPolicy | None = None, *, read_seconds: float | None = None) -> Client:
        from asana_assets.asana.database_pacer import DatabasePacer  # noqa: PLC0415 - SQLAlchemy takes half a second to import

        if not self.requests_per_second > 0:
            raise ConfigurationError(
                f"ASANA_REQUESTS_PER_SECOND is {self.requests_per_second}, but must be greater than 0"
            )
        token = self._token()
        pacer = DatabasePacer(self.pacer_url, token) if self.pacer_url else LocalPacer()
        transport = Transport(
            base_url=self.base_url,
            token=token,
            max_in_flight=self.max_in_flight,
            read_timeout_seconds=read_seconds or self.read_timeout_seconds,
            refresh_token=None if self.access_token else self._token,
        )
        return Client(
            transport=transport,
            throttle=Throttle(ceiling=self.requests_per_second, pacer=pacer),
            retry=retry or RetryPolicy(max_attempts=self.max_attempts),
        )

    def _token(self) -> str:
        if self.access_token:
            return self.access_token
        if self.token_secret_id:
            return read_token(self.token_secret_id)
        raise ConfigurationError(
            "there is no access token: set ASANA_ACCESS_TOKEN to a personal access token of Asana, or "
            "ASANA_TOKEN_SECRET_ID to a secret in AWS Secrets Manager that contains one"
        )


class LakeResource(dg.ConfigurableResource):  # pyright: ignore[reportMissingTypeArgument] - its value is itself
    """The Iceberg tables and their sync state."""

    # Methods raise `LakeError` if the catalog cannot be used; those that save, also if commit conflicts persist.
    # That is not in the docstring, because the UI shows it as the resource's description.

    data_dir: str = Field(
        default="asana_data",
        description="The directory of the embedded catalog and its tables, which is used unless PyIceberg's catalog "
        "`asana` is configured.",
    )
    catalog_name: str = Field(
        default="asana",
        description="The catalog's name in PyIceberg's configuration: in the environment variables "
        "PYICEBERG_CATALOG__<name>__* or in .pyiceberg.yaml.",
    )
    catalog_properties: dict[str, str] = Field(
        default_factory=dict[str, str],
        description="Properties of the catalog, which take precedence over those in PyIceberg's configuration.",
    )
    namespace: str = Field(default="asana", description="The Iceberg namespace of the tables.")
    name_case: Literal["lower", "upper"] = Field(
        default="lower",
        description="The case of namespace, tables and columns in the catalog: `upper` for Snowflake's catalog.",
    )
    expire_snapshots: bool = Field(
        default=True, description="Whether old snapshots are expired. Disable this if the catalog does it."
    )
    record_changes: bool = Field(
        default=True, description="Whether syncs add what they changed to the table `changes`."
    )
    changes_retention_days: int | None = Field(
        default=None, description="The age in days at which rows of `changes` are removed. By default they are kept."
    )

    _lake: Lake | None = PrivateAttr(default=None)
    _sync_states: "SyncStateStore[Table] | None" = PrivateAttr(default=None)

    def teardown_after_execution(self, context: dg.InitResourceContext) -> None:  # noqa: ARG002 - Dagster's signature
        """Close the catalog."""
        if self._lake:
            self._lake.close()

    @property
    def iceberg(self) -> Lake:
        """The operations on tables; the catalog is opened by the first one."""
        if self._lake is None:
            self._lake = Lake(
                data_dir=Path(self.data_dir),
                namespace=self.namespace,
                catalog_name=self.catalog_name,
                catalog_properties=self.catalog_properties,
                name_case=self.name_case,
                expire_snapshots=self.expire_snapshots,
                record_changes=self.record_changes,
                keep_changes=dt.timedelta(days=self.changes_retention_days) if self.changes_retention_days else None,
            )
        return self._lake

    @property
    def sync_states(self) -> "SyncStateStore[Table]":
        """The sync state of all endpoints and workspaces."""
        if self._sync_states is None:
            self._sync_states = SyncStateStore(self.iceberg, pending_state(self.model_dump_json()))
        return self._sync_states

    @property
    def catalog(self) -> "Catalog":
        """The catalog, opened at first use."""
        return self.iceberg.catalog

    def table(self, name: str) -> "Table | None":
        """Load a table's current metadata; return None before its first sync."""
        return self.iceberg.load_table(name)

    def load_state(self, endpoint_name: str, workspace_gid: str) -> SyncState:
        """Load the sync state of an endpoint in one workspace."""
        return self.sync_states.load(endpoint_name, workspace_gid)

    def save_state(
        self,
        endpoint_name: str,
        workspace_gid: str,
        rows: pa.Table,
        deleted_parents: Array,
        *,
        loaded: SyncState | None = None,
    ) -> None:
        """Save sync state; see `SyncStateStore.save`."""
        self.sync_states.save(endpoint_name, workspace_gid, rows, deleted_parents, loaded=loaded)

    def interrupted_sync(self, workspace_gid: str) -> Sync | None:
        """Load the sync that `set_interrupted_sync` saved, unless it was cleared since."""
        return self.sync_states.interrupted_sync(workspace_gid)

    def set_interrupted_sync(self, workspace_gid: str, sync: Sync | None) -> None:
        """Save a sync when it starts, so that it is found if it is interrupted; None clears it."""
        self.sync_states.set_interrupted_sync(workspace_gid, sync)

    def dropped_from(self, endpoint_name: str, workspace_gid: str) -> int | None:
        """Return the row count before an unacknowledged drop, None without one."""
        return self.sync_states.dropped_from(endpoint_name, workspace_gid)

    def set_dropped_from(self, endpoint_name: str, workspace_gid: str, row_count: int | None) -> None:
        """Save the row count before a drop; None acknowledges the drop."""
        self.sync_states.set_dropped_from(endpoint_name, workspace_gid, row_count)

    def drop_lost_files(self, endpoint: Endpoint, workspace_gid: str) -> None:
        """Remove data files that are missing from the store, so that what is left of the tables can be read.

        Without its sync state, an endpoint is fetched as a whole.
        """
        for table in map(self.table, (endpoint.name, SYNC_STATE_TABLE)):
            if table is not None:
                self.iceberg.drop_lost_files(table, workspace=workspace_gid or None)

    def empty_columns(self, endpoint_name: str, workspace_gid: str) -> list[EmptyColumn]:
        """Return the columns that went empty, including accepted ones."""
        return self.sync_states.empty_columns(endpoint_name, workspace_gid)

    def set_empty_columns(self, endpoint_name: str, workspace_gid: str, columns: Sequence[EmptyColumn]) -> None:
        """Save the columns that went empty, in place of those saved before."""
        self.sync_states.set_empty_columns(endpoint_name, workspace_gid, columns)

    def expire_old_snapshots(self, table: "Table") -> None:
        """Expire snapshots older than 7 days, if this is enabled and the table has more than 100."""
        self.iceberg.expire_old_snapshots(table)

    def stored_rows(self, endpoint: Endpoint, workspace_gid: str) -> IcebergStoredRows:
        """Return a view of the rows that are stored for an endpoint in one workspace."""
        return IcebergStoredRows(self.iceberg, endpoint, self.table(endpoint.name), workspace_gid)
