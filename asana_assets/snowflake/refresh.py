"""The Snowflake client of route `tables`: refreshes externally managed Iceberg tables and counts their rows.

Connections, retries and errors belong here. `sql` builds the statements; the IO manager decides when to refresh. The
other routes need nothing at run time.
"""

import logging
import random
import time
from collections.abc import Mapping, Sequence
from contextlib import ExitStack, closing
from typing import TYPE_CHECKING, Any, cast

import dagster as dg
from pydantic import Field

from asana_assets.asana.redaction import redacted
from asana_assets.extras import missing_extra
from asana_assets.snowflake.sql import ExternallyManagedTables

if TYPE_CHECKING:  # seconds to import
    from snowflake.connector import SnowflakeConnection
    from snowflake.connector.errors import Error

log = logging.getLogger(__name__)

_LOGIN_TIMEOUT_SECONDS = 30
_NETWORK_TIMEOUT_SECONDS = 120  # per HTTP request; the connector polls statements that take longer
_STATEMENT_TIMEOUT_SECONDS = 900
_PERMANENT_SQLSTATE_CLASSES = ("28", "42")  # invalid authorization; syntax error, unknown object or missing privilege


class SnowflakeError(Exception):
    """A failed statement. The message is Snowflake's, redacted and on one line."""


class SnowflakeIcebergTables(dg.ConfigurableResource):  # pyright: ignore[reportMissingTypeArgument] - provides itself
    """Snowflake's externally managed Iceberg tables, refreshed on demand."""

    account: str = Field(description="Snowflake account identifier, in the form organization-account.")
    user: str = Field(description="User that logs in, of type SERVICE.")
    password: str | None = Field(
        default=None, repr=False, description="Password or programmatic access token of the user."
    )
    private_key_path: str | None = Field(default=None, description="PEM file with the user's private key.")
    private_key_password: str | None = Field(default=None, repr=False, description="Passphrase of the private key.")
    role: str | None = Field(default=None, description="Role that owns the tables. Default: the user's.")
    warehouse: str | None = Field(default=None, description="Warehouse that counts rows. Default: the user's.")
    database: str = Field(description="Database of the Snowflake tables.")
    schema_name: str = Field(description="Schema of the Snowflake tables.")
    external_volume: str = Field(description="External volume through which Snowflake reads the data files.")
    catalog_integration: str = Field(description="Catalog integration through which Snowflake reads the catalog.")
    namespace: str = Field(default="asana", description="Iceberg namespace of the tables.")
    connection_args: dict[str, Any] = Field(
        default_factory=dict[str, Any],
        description="Additional arguments of the Snowflake connector, such as host, port and protocol.",
    )
    max_attempts: int = Field(
        default=5,
        description="Maximum number of attempts to refresh a table before the materialization fails, or to count its "
        "rows before the check fails.",
    )
    initial_backoff_seconds: float = Field(
        default=2.0, description="Maximum wait before the second attempt, in seconds; doubles with each attempt."
    )

    @property
    def tables(self) -> ExternallyManagedTables:
        """Builder of the SQL statements for the tables.

        Raises:
            ConfigurationError: A name is invalid; the message names its setting.
        """
        return ExternallyManagedTables.from_settings(
            database=self.database,
            schema=self.schema_name,
            external_volume=self.external_volume,
            catalog_integration=self.catalog_integration,
            namespace=self.namespace,
        )

    def refresh(self, table: str) -> Mapping[str, Any]:
        """Create the table if it is missing and refresh it, retrying transient errors. Return metadata.

        Raises:
            Failure: The table could not be refreshed.
        """
        name = self.tables.qualified_name(table)
        started = time.monotonic()
        try:
            self._execute(self.tables.create_statement(table), self.tables.refresh_statement(table))
        except SnowflakeError as error:
            raise dg.Failure(
                description=f"{table}: the rows are stored, but the Snowflake table {name} could not be refreshed: "
                f"{str(error).rstrip('.')}. The next materialization refreshes it.",
                metadata={"snowflake_table": name, "snowflake_error": str(error)},
                allow_retries=False,  # already retried here; a step retry would fetch from Asana again
            ) from None
        return {"snowflake_table": name, "snowflake_refresh_seconds": round(time.monotonic() - started, 3)}

    def check_connection(self) -> str:
        """Log in and return the user and the role.

        Raises:
            SnowflakeError: The login failed.
        """
        return str(self._execute("SELECT CURRENT_USER() || ' with the role ' || CURRENT_ROLE()"))

    def count_rows(self, table: str) -> int:
        """Return the number of rows that Snowflake sees.

        Raises:
            SnowflakeError: The rows could not be counted.
        """
        return int(str(self._execute(self.tables.count_statement(table))))

    def _execute(self, *statements: str) -> object:
        """Execute the statements with retries and return the first column of the last result.

        An attempt repeats all the statements, so they must be idempotent.
        """
        try:
            from snowflake.connector.errors import Error  # noqa: PLC0415 - a second to import
        except ModuleNotFoundError as error:
            raise SnowflakeError(missing_extra("SNOWFLAKE_ROUTE tables", "snowflake", error)) from None

        for attempt in range(1, self.max_attempts + 1):
            try:
                return self._execute_once(statements)
            except Error as error:
                secrets = [secret for secret in (self.password, self.private_key_password) if secret]
                message = redacted(" ".join(str(error).split()), secrets)
                if attempt == self.max_attempts or _is_permanent(error):
                    raise SnowflakeError(message) from None
                limit = self.initial_backoff_seconds * 2 ** (attempt - 1)
                backoff = random.uniform(0, limit)  # noqa: S311 - jitter, not a secret
                log.warning(
                    "Snowflake: attempt %d of %d failed: %s; retrying in %.1f s",
                    attempt,
                    self.max_attempts,
                    message,
                    backoff,
                )
                time.sleep(backoff)
        raise AssertionError  # unreachable: the last attempt returns or raises

    def _execute_once(self, statements: Sequence[str]) -> object:
        from dagster_snowflake import SnowflakeResource  # noqa: PLC0415 - seconds to import

        # Without database and schema: statements qualify their tables, and the session would upper-case the names.
        resource = SnowflakeResource(
            account=self.account,
            user=self.user,
            password=self.password,
            private_key_path=self.private_key_path,
            private_key_password=self.private_key_password,
            role=self.role,
            warehouse=self.warehouse,
            autocommit=True,
            login_timeout=_LOGIN_TIMEOUT_SECONDS,
            network_timeout=_NETWORK_TIMEOUT_SECONDS,
            additional_snowflake_connection_args=self.connection_args,
        )
        with ExitStack() as stack:
            try:
                connection = cast("SnowflakeConnection", stack.enter_context(resource.get_connection()))
            except (OSError, TypeError, ValueError) as error:
                raise SnowflakeError(f"the private key of SNOWFLAKE_PRIVATE_KEY_PATH cannot be used: {error}") from None
            stack.enter_context(closing(connection))  # the resource leaves it open when a statement fails
            cursor = stack.enter_context(closing(connection.cursor()))
            for statement in statements:
                cursor.execute(statement, timeout=_STATEMENT_TIMEOUT_SECONDS)
            return cast("Sequence[object]", cursor.fetchone())[0]


def _is_permanent(error: "Error") -> bool:
    """Return whether the error is permanent. A failed login is: repeating it locks the user out."""
    from snowflake.connector.errors import DatabaseError, ForbiddenError  # noqa: PLC0415 - a second to import

    at_login = type(error) is DatabaseError  # network and statement errors are subclasses
    return (
        at_login
        or isinstance(error, ForbiddenError)
        or str(error.sqlstate or "").startswith(_PERMANENT_SQLSTATE_CLASSES)
    )
