"""What the assets use: the client of the token, and the lake.

The resources hold settings; what they open is opened at first use and shared by the steps of a run's process, so that
they share one throttle.
"""

import random
import threading
import time
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import dagster as dg
import msgspec
import pyarrow as pa
from pydantic import Field, PrivateAttr

from asana_assets.asana.client import Client, RetryPolicy
from asana_assets.asana.errors import ConfigurationError
from asana_assets.asana.field_types import Array, Chunked
from asana_assets.asana.model import Endpoint
from asana_assets.asana.pacer import LocalPacer
from asana_assets.asana.throttle import Throttle
from asana_assets.asana.transport import Transport
from asana_assets.lake.errors import ConflictError
from asana_assets.sync.change_detection import SYNC_STATE_SCHEMA, SyncState
from asana_assets.sync.change_search import ChangeSearch

SYNC_STATE_TABLE = "sync_state"

_DOUBT = "doubt"
"""Under this name it is remembered of how many rows too many went."""

_ATTEMPTS = 20
_SNAPSHOTS = 100
"""With more, a commit takes noticeably longer."""

if TYPE_CHECKING:  # half a second to import
    from pyiceberg.catalog import Catalog
    from pyiceberg.table import Table


class AsanaResource(dg.ConfigurableResource):  # pyright: ignore[reportMissingTypeArgument] # it is its own value
    """Asana, as one token sees it."""

    access_token: str | None = Field(default=None, repr=False, description="A personal access token.")
    token_secret_id: str | None = Field(
        default=None,
        description="Instead of the token, the name or ARN of a secret in AWS Secrets Manager that holds it: JSON with "
        "a key `token`, or the bare token.",
    )
    base_url: str = Field(default="https://app.asana.com/api/1.0", description="Where the API is.")
    requests_per_second: float = Field(
        default=1.25,
        description="The most to send, for the token as a whole. Asana allows 2.5 on free plans, 25 on paid.",
    )
    read_timeout_seconds: float = Field(default=60.0, description="How long to wait for an answer before asking again.")
    max_attempts: int = Field(default=8, description="How often one request is sent before it is given up.")
    max_in_flight: int = Field(default=40, description="Requests on the way at once; Asana allows 50.")
    pacer_url: str | None = Field(
        default=None,
        description="Database (SQLAlchemy URL) through which all processes that use the token share its pace. "
        "Without it the process has its own.",
    )
    workspaces: list[str] = Field(
        default_factory=list[str], description="Gids of the workspaces to read; none named: all of the token's."
    )

    _client: Client | None = PrivateAttr(default=None)
    _search: ChangeSearch | None = PrivateAttr(default=None)
    _announced: set[str] = PrivateAttr(default_factory=set[str])
    _lock: threading.Lock = PrivateAttr(default_factory=threading.Lock)

    @contextmanager
    def yield_for_execution(self, context: dg.InitResourceContext) -> Generator["AsanaResource"]:  # noqa: ARG002 # Dagster's
        try:
            yield self
        finally:
            if self._client:
                self._client.__exit__()

    @property
    def client(self) -> Client:
        """The client, made at its first use.

        Raises:
            ConfigurationError: a setting is missing or unusable; the message names it.
        """
        with self._lock:
            if self._client is None:
                self._client = self._open()
            return self._client

    @property
    def search(self) -> ChangeSearch:
        """What searches with the client, and remembers whose plan has no search.

        Raises:
            ConfigurationError: as `client`.
        """
        client = self.client
        with self._lock:
            self._search = self._search or ChangeSearch(client)
            return self._search

    def new_deprecations(self, changes: set[str]) -> list[str]:
        """Give those of Asana's announcements that this run's process was not given before."""
        new = sorted(changes - self._announced)
        self._announced.update(new)
        return new

    def short_timeout_client(self) -> Client:
        """Open a client for a question that must be answered within seconds, as a sensor's.

        Raises:
            ConfigurationError: a setting is missing or unusable; the message names it.
        """
        return self._open(
            RetryPolicy(max_attempts=2, attempts_before_first_response=2, budget_seconds=10.0), read_seconds=20.0
        )

    def _open(self, retry: RetryPolicy | None = None, *, read_seconds: float | None = None) -> Client:
        from asana_assets.asana.database_pacer import DatabasePacer  # noqa: PLC0415 # SQLAlchemy takes half a second to import

        if not self.requests_per_second > 0:
            raise ConfigurationError(
                f"ASANA_REQUESTS_PER_SECOND is {self.requests_per_second}, but must be more than 0"
            )
        token = self._token()
        pace = DatabasePacer(self.pacer_url, token) if self.pacer_url else LocalPacer()
        transport = Transport(
            base_url=self.base_url,
            token=token,
            max_in_flight=self.max_in_flight,
            read_timeout_seconds=read_seconds or self.read_timeout_seconds,
            refresh_token=None if self.access_token else self._token,
        )
        return Client(
            transport=transport,
            throttle=Throttle(ceiling=self.requests_per_second, pacer=pace),
            retry=retry or RetryPolicy(max_attempts=self.max_attempts),
        )

    def _token(self) -> str:
        if self.access_token:
            return self.access_token
        if self.token_secret_id:
            return _read_secret(self.token_secret_id)
        raise ConfigurationError(
            "there is no access token: set ASANA_ACCESS_TOKEN to a personal access token of Asana, or "
            "ASANA_TOKEN_SECRET_ID to a secret in AWS Secrets Manager that holds one"
        )


@contextmanager
def secrets_manager(secret_id: str) -> Generator[Any]:
    """Give AWS's client; what it cannot do with this secret is a `ConfigurationError`."""
    from botocore.exceptions import BotoCoreError, ClientError  # noqa: PLC0415 # seconds to import
    from dagster_aws.secretsmanager import SecretsManagerResource  # noqa: PLC0415 # as above

    try:
        yield SecretsManagerResource().get_client()
    except ClientError as error:
        code = error.response.get("Error", {}).get("Code", "an error")
        raise ConfigurationError(
            f"ASANA_TOKEN_SECRET_ID: AWS Secrets Manager answered {code} for {secret_id}"
        ) from None
    except (BotoCoreError, ValueError) as error:  # no region, no credentials, no connection
        raise ConfigurationError(f"ASANA_TOKEN_SECRET_ID: AWS Secrets Manager cannot be asked: {error}") from None


def _read_secret(secret_id: str) -> str:
    with secrets_manager(secret_id) as client:
        found: dict[str, Any] = client.get_secret_value(SecretId=secret_id)
    if "SecretString" not in found:
        raise ConfigurationError(f"ASANA_TOKEN_SECRET_ID: the secret {secret_id} is binary, not text")
    secret = str(found["SecretString"])
    try:
        content = msgspec.json.decode(secret)
    except msgspec.DecodeError:
        return secret  # the bare token
    match content:
        case {"token": str(token)}:
            return token
        case dict():
            raise ConfigurationError(f"ASANA_TOKEN_SECRET_ID: the secret {secret_id} has no key `token`")
        case _:
            return secret  # a token of digits is JSON, too


class LakeResource(dg.ConfigurableResource):  # pyright: ignore[reportMissingTypeArgument] # it is its own value
    """The Iceberg tables."""

    data_dir: str = Field(
        default="asana_data",
        description="Where catalog and tables are, unless PyIceberg's `asana` catalog is configured.",
    )
    namespace: str = Field(default="asana", description="The Iceberg namespace of the tables.")
    name_case: Literal["lower", "upper"] = Field(
        default="lower",
        description="The case of namespace, tables and columns in the catalog; `upper` for Snowflake's own.",
    )
    expire_snapshots: bool = Field(
        default=True, description="Whether old snapshots are ours to expire; not where the catalog does it."
    )

    _catalog: "Catalog | None" = PrivateAttr(default=None)
    _doubts: dict[str, dict[str, int]] = PrivateAttr(default_factory=dict[str, dict[str, int]])

    def teardown_after_execution(self, context: dg.InitResourceContext) -> None:  # noqa: ARG002 # Dagster's
        """Let go of the catalog's connections."""
        if self._catalog:
            self._catalog.close()

    @property
    def catalog(self) -> "Catalog":
        """The catalog, opened at its first use.

        Raises:
            LakeError: it cannot be opened.
        """
        from asana_assets.lake.catalog import open_catalog  # noqa: PLC0415 # half a second to import

        if self._catalog is None:
            self._catalog = open_catalog(data_dir=Path(self.data_dir), name_case=self.name_case)
        return self._catalog

    def table(self, name: str) -> "Table | None":
        """Give a table as it is, None before its first sync.

        Raises:
            LakeError: the catalog cannot be used.
        """
        from asana_assets.lake.table import load_table  # noqa: PLC0415 # as above

        return load_table(self.catalog, self.namespace, name)

    def load_state(self, name: str, workspace_gid: str) -> SyncState:
        """Give what is known of the last reads of an endpoint, by name, in one workspace.

        Raises:
            LakeError: the catalog cannot be used.
        """
        from asana_assets.lake.table import scan  # noqa: PLC0415 # as above

        table = self.table(SYNC_STATE_TABLE)
        if table is None:
            return SyncState.empty(workspace_gid)
        columns = ("gid", "parent_gid", "version", "_synced_at")
        rows = scan(table, workspace=workspace_gid, columns=columns, prefix=("gid", f"{name}/"))
        return SyncState(workspace_gid, rows)

    def save_state(self, name: str, workspace_gid: str, read: pa.Table, forget: Array) -> None:
        """Keep what was read (`Memory.rows`), and forget of these parents that they were.

        Raises:
            LakeError: the catalog cannot be used, or others wrote to it all the time.
        """
        from asana_assets.lake.commit import replace_parents  # noqa: PLC0415 # as above
        from asana_assets.lake.table import ensure_table  # noqa: PLC0415 # as above

        names = pa.repeat(pa.scalar(name), read.num_rows)
        rows = read.append_column("gid", _keys(name, read["parent_gid"])).append_column("endpoint", names)
        table = ensure_table(self.catalog, self.namespace, SYNC_STATE_TABLE, SYNC_STATE_SCHEMA)
        retry_on_conflict(
            lambda: replace_parents(
                table, workspace_gid, parent_column="gid", parents=_keys(name, forget), rows=[rows], sort_by=("gid",)
            )
        )
        self.expire_old_snapshots(table, keep=timedelta(minutes=10))

    def dropped_from(self, name: str, workspace_gid: str) -> int | None:
        """Give how many rows a table had before so many went that somebody should look at it; None if that is settled.

        Raises:
            LakeError: the catalog cannot be used.
        """
        if workspace_gid not in self._doubts:  # once for all assets of a run
            found = self.load_state(_DOUBT, workspace_gid).table
            pairs = zip(found["parent_gid"].to_pylist(), found["version"].to_pylist(), strict=True)
            self._doubts[workspace_gid] = {str(table): int(str(rows)) for table, rows in pairs}
        return self._doubts[workspace_gid].get(name)

    def set_dropped_from(self, name: str, workspace_gid: str, rows_before: int | None) -> None:
        """Keep how many rows a table had before; None: it is settled.

        Raises:
            LakeError: as `remember`.
        """
        names = pa.array([name])
        kept = SyncState.rows(names, pa.array([str(rows_before)]), datetime.now(UTC))
        settled = rows_before is None
        self.save_state(_DOUBT, workspace_gid, kept.slice(0, 0 if settled else 1), names.slice(0, 1 if settled else 0))
        self._doubts.pop(workspace_gid, None)

    def expire_old_snapshots(self, table: "Table", *, keep: timedelta = timedelta(days=7)) -> None:
        """Expire a table's old snapshots, once they are so many that commits get slow; not if that is not ours."""
        from asana_assets.lake.maintenance import expire_snapshots  # noqa: PLC0415 # as above

        if self.expire_snapshots and len(table.metadata.snapshots) > _SNAPSHOTS:
            expire_snapshots(table, keep=keep)

    def stored_rows(self, endpoint: Endpoint, workspace_gid: str) -> "IcebergStoredRows":
        """Give the rows that the last sync left in one workspace."""
        return IcebergStoredRows(endpoint, self.table(endpoint.name), workspace_gid)


def retry_on_conflict(write: Callable[[], object]) -> None:
    """Write, again if another writer of the same workspace was first; for what is right whoever is last.

    Raises:
        ConflictError: others were first all the time.
    """
    for attempt in range(1, _ATTEMPTS + 1):
        try:
            write()
        except ConflictError:
            if attempt == _ATTEMPTS:
                raise
            time.sleep(random.uniform(0, 0.2 * attempt))  # noqa: S311 # jitter, no secret
        else:
            return


def _keys(name: str, parent_gids: Array | Chunked) -> Array:
    return pa.array([f"{name}/{gid}" for gid in parent_gids.to_pylist()], pa.string())


@dataclass(frozen=True, slots=True)
class IcebergStoredRows:
    """What a table holds of one workspace before a sync changes it; `sync.reading.Previous`."""

    endpoint: Endpoint
    table: "Table | None"
    workspace_gid: str

    @property
    def names(self) -> set[str]:
        """The table's columns."""
        if self.table is None:
            return set(self.endpoint.schema.names)
        return {field.name.lower() for field in self.table.schema().fields}

    def __len__(self) -> int:
        from asana_assets.lake.table import count  # noqa: PLC0415 # half a second to import

        return 0 if self.table is None else count(self.table, workspace=self.workspace_gid or None)

    def columns(self, names: Sequence[str]) -> pa.Table:
        from asana_assets.lake.table import scan  # noqa: PLC0415 # as above

        if self.table is None:
            return self.endpoint.schema.empty_table().select(list(names))
        return scan(self.table, workspace=self.workspace_gid or None, columns=names)

    def batches(self, names: Sequence[str] | None = None) -> Iterator[pa.RecordBatch]:
        from asana_assets.lake.table import scan_batches  # noqa: PLC0415 # as above

        if self.table is None:
            return iter(())
        return scan_batches(self.table, workspace=self.workspace_gid or None, columns=names)
