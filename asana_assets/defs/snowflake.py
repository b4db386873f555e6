"""How Snowflake learns of a commit, on route `tables`: it is told to refresh its table, as part of the materialization.

The other routes need nothing at run time. What it is told is `snowflake_sql`'s; when, the IO manager's.
"""

import logging
import random
import time
from collections.abc import Iterable, Mapping, Sequence
from contextlib import ExitStack, closing
from typing import TYPE_CHECKING, Any, cast

import dagster as dg
from pydantic import Field

from asana_assets.asana.model import Endpoint
from asana_assets.defs.io_manager import IcebergIOManager
from asana_assets.defs.resources import LakeResource
from asana_assets.lake.errors import LakeError, redacted
from asana_assets.snowflake.sql import ExternallyManagedTables

if TYPE_CHECKING:  # seconds to import
    from snowflake.connector import SnowflakeConnection
    from snowflake.connector.errors import Error

log = logging.getLogger(__name__)

_CHECK = "snowflake_row_count"
_LOGIN_SECONDS = 30
_ANSWER_SECONDS = 120
"""For one HTTP request; a statement that takes longer is asked about again."""
_STATEMENT_SECONDS = 900
_REFUSED = ("28", "42")
"""The classes of SQL states that mean no: to a login, to a name, to a right."""


class SnowflakeError(Exception):
    """Snowflake's own words for why a statement did not work, without secrets, in one line."""


class SnowflakeIcebergTables(dg.ConfigurableResource):  # pyright: ignore[reportMissingTypeArgument] # it is its own value
    """Snowflake's tables that follow ours when they are told to."""

    account: str = Field(description="The account's identifier: organization-account.")
    user: str = Field(description="Who logs in; of type SERVICE.")
    password: str | None = Field(default=None, repr=False, description="A password or programmatic access token.")
    private_key_path: str | None = Field(default=None, description="A file with the user's private key, PEM.")
    private_key_password: str | None = Field(default=None, repr=False, description="What the key is encrypted with.")
    role: str | None = Field(default=None, description="The role that owns the tables; none: the user's default.")
    warehouse: str | None = Field(default=None, description="What counts rows; none: the user's default.")
    database: str = Field(description="Where the tables are.")
    schema_name: str = Field(description="As `database`.")
    external_volume: str = Field(description="Through which Snowflake reads the files.")
    catalog_integration: str = Field(description="Through which Snowflake reads the catalog.")
    namespace: str = Field(default="asana", description="The Iceberg namespace of our tables.")
    connection: dict[str, Any] = Field(
        default_factory=dict[str, Any], description="More of the connector's arguments: host, port, protocol."
    )
    attempts: int = Field(default=5, description="How often a refresh is tried before the materialization fails.")
    wait_seconds: float = Field(default=2.0, description="The longest wait before the second try; then twice it.")

    @property
    def tables(self) -> ExternallyManagedTables:
        """The tables' statements.

        Raises:
            ConfigurationError: a name cannot be; the sentence says which setting gives it.
        """
        return ExternallyManagedTables.build(
            database=self.database,
            schema=self.schema_name,
            external_volume=self.external_volume,
            catalog_integration=self.catalog_integration,
            namespace=self.namespace,
        )

    def refresh(self, table: str) -> Mapping[str, Any]:
        """Create the table if it is missing, and refresh it; again if that fails for the moment. Give metadata for it.

        Raises:
            Failure: it was not refreshed.
        """
        name = self.tables.name(table)
        began = time.monotonic()
        try:
            self._execute(self.tables.create(table), self.tables.refresh(table))
        except SnowflakeError as error:
            raise dg.Failure(
                description=f"{table}: the rows are stored, but Snowflake's table {name} could not be refreshed: "
                f"{str(error).rstrip('.')}. The next materialization refreshes it.",
                metadata={"snowflake_table": name, "snowflake_error": str(error)},
                allow_retries=False,  # this was tried again; to repeat the step would read Asana again
            ) from None
        return {"snowflake_table": name, "snowflake_seconds": round(time.monotonic() - began, 3)}

    def check_connection(self) -> str:
        """Log in; say as whom.

        Raises:
            SnowflakeError: it does not let us.
        """
        return str(self._execute("SELECT CURRENT_USER() || ' with the role ' || CURRENT_ROLE()"))

    def count(self, table: str) -> int:
        """Give how many rows Snowflake sees.

        Raises:
            SnowflakeError: it cannot be asked.
        """
        return int(str(self._execute(self.tables.count(table))))

    def _execute(self, *statements: str) -> object:
        """Give the first value that the last statement answers; they are tried again, so twice must be as once."""
        from snowflake.connector.errors import Error  # noqa: PLC0415 # a second to import

        for attempt in range(1, self.attempts + 1):
            try:
                return self._execute_once(statements)
            except Error as error:
                secrets = [secret for secret in (self.password, self.private_key_password) if secret]
                words = redacted(" ".join(str(error).split()), secrets)
                if attempt == self.attempts or _is_permanent(error):
                    raise SnowflakeError(words) from None
                wait = random.uniform(0, self.wait_seconds * 2 ** (attempt - 1))  # noqa: S311 # jitter, no secret
                log.warning("Snowflake, try %d of %d: %s; again in %.1f s", attempt, self.attempts, words, wait)
                time.sleep(wait)
        raise AssertionError  # the last try returns or raises

    def _execute_once(self, statements: Sequence[str]) -> object:
        from dagster_snowflake import SnowflakeResource  # noqa: PLC0415 # seconds to import

        # Neither database nor schema: the statements name them, and the session would take them for upper-case.
        resource = SnowflakeResource(
            account=self.account,
            user=self.user,
            password=self.password,
            private_key_path=self.private_key_path,
            private_key_password=self.private_key_password,
            role=self.role,
            warehouse=self.warehouse,
            autocommit=True,
            login_timeout=_LOGIN_SECONDS,
            network_timeout=_ANSWER_SECONDS,
            additional_snowflake_connection_args=self.connection,
        )
        with ExitStack() as stack:
            try:
                connection = cast("SnowflakeConnection", stack.enter_context(resource.get_connection()))
            except (OSError, TypeError, ValueError) as error:
                raise SnowflakeError(f"the key in SNOWFLAKE_PRIVATE_KEY_PATH cannot be used: {error}") from None
            stack.enter_context(closing(connection))  # the resource leaves it open when a statement fails
            cursor = stack.enter_context(closing(connection.cursor()))
            for statement in statements:
                cursor.execute(statement, timeout=_STATEMENT_SECONDS)
            return cast("Sequence[object]", cursor.fetchone())[0]


class SnowflakeRefreshingIOManager(IcebergIOManager):
    """Refreshes Snowflake's table after a materialization's last commit."""

    snowflake: dg.ResourceDependency[SnowflakeIcebergTables]

    def after_commit(self, table: str) -> Mapping[str, Any]:
        return self.snowflake.refresh(table)


def _is_permanent(error: "Error") -> bool:
    """Whether Snowflake said no, and would again. Logins that it refuses lock the user out after a few."""
    from snowflake.connector.errors import DatabaseError, ForbiddenError  # noqa: PLC0415 # a second to import

    at_login = type(error) is DatabaseError  # the network's and the statements' errors have classes of their own
    return at_login or isinstance(error, ForbiddenError) or str(error.sqlstate or "").startswith(_REFUSED)


def build_row_count_checks(endpoints: Iterable[Endpoint]) -> list[dg.AssetChecksDefinition]:
    """Build, for each endpoint's asset, the check that Snowflake sees as many rows as the Iceberg table has."""
    return [_build_check(endpoint) for endpoint in endpoints]


def _build_check(endpoint: Endpoint) -> dg.AssetChecksDefinition:
    @dg.asset_check(
        name=_CHECK,
        asset=endpoint.name,
        description="Snowflake sees as many rows as the Iceberg table has, of all workspaces.",
    )
    def check(lake: LakeResource, snowflake: SnowflakeIcebergTables) -> dg.AssetCheckResult:
        return compare_row_counts(endpoint.name, lake, snowflake)

    return check


def compare_row_counts(table: str, lake: LakeResource, snowflake: SnowflakeIcebergTables) -> dg.AssetCheckResult:
    """Count a table's rows on both sides."""
    try:
        ours = lake.table(table)
        stored = 0 if ours is None else lake.iceberg.count(ours)
        seen = snowflake.count(table)
    except (LakeError, SnowflakeError) as error:
        return _result(f"The rows could not be counted: {str(error).rstrip('.')}.", {})
    complaint = "" if seen == stored else f"Snowflake sees {seen:,} rows, the Iceberg table has {stored:,}."
    return _result(complaint, {"iceberg_rows": stored, "snowflake_row_count": seen})


def _result(complaint: str, metadata: Mapping[str, int]) -> dg.AssetCheckResult:
    return dg.AssetCheckResult(
        passed=not complaint,
        severity=dg.AssetCheckSeverity.WARN,
        description=complaint or None,
        metadata=metadata,
    )
