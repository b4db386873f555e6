"""The SQL of route `tables`, and quoting for names and text. Only builds statements: nothing here connects.

Every value is interpolated as a quoted identifier or as an escaped literal.
"""

import re
from dataclasses import dataclass
from enum import StrEnum

from asana_assets.asana.errors import ConfigurationError


class Route(StrEnum):
    """How Snowflake learns of a commit.

    Attributes:
        HORIZON: The sync commits to Snowflake's own Iceberg catalog.
        LINKED_DATABASE: A catalog-linked database on AWS Glue, which Snowflake polls.
        TABLES: One externally managed Iceberg table per asset on AWS Glue, refreshed by the materialization.
    """

    HORIZON = "horizon"
    LINKED_DATABASE = "linked-database"
    TABLES = "tables"


_UNQUOTED = re.compile(r"[A-Za-z_][A-Za-z0-9_$]*")
_QUOTED = re.compile(r'"(?:[^"\x00-\x1f\x7f]|"")+"')
_MAX_LENGTH = 255  # https://docs.snowflake.com/en/sql-reference/identifiers-syntax


def quoted_identifier(name: str, setting: str) -> str:
    """Quote an identifier. Unquoted names are upper-cased, as in SQL.

    Args:
        name: The identifier, with or without double quotes.
        setting: The setting or option that holds the name, for the error message.

    Raises:
        ConfigurationError: The name is not a valid Snowflake identifier.
    """
    if _UNQUOTED.fullmatch(name) and len(name) <= _MAX_LENGTH:
        return f'"{name.upper()}"'
    if _QUOTED.fullmatch(name) and len(name) <= _MAX_LENGTH:
        return name
    raise ConfigurationError(
        f"{setting} is {name[:_MAX_LENGTH]!r}, which is not a valid Snowflake identifier: use at most {_MAX_LENGTH} "
        'letters, digits, _ and $, not starting with a digit; or any printable characters in "double quotes"'
    )


def unquoted_name(name: str, setting: str) -> str:
    """Validate an unquoted identifier and return it upper-cased, for use in a string literal.

    Quotes are rejected because they would become part of the name there.

    Args:
        name: The identifier, without quotes.
        setting: The setting or option that holds the name, for the error message.

    Raises:
        ConfigurationError: The name does not consist of letters, digits, _ and $.
    """
    if not _UNQUOTED.fullmatch(name) or len(name) > _MAX_LENGTH:
        raise ConfigurationError(
            f"{setting} is {name[:_MAX_LENGTH]!r}, which is not a valid unquoted Snowflake identifier: use at most "
            f"{_MAX_LENGTH} letters, digits, _ and $, not starting with a digit"
        )
    return name.upper()


def string_literal(text: str) -> str:
    """Quote `text` as a SQL string literal."""
    return "'" + text.replace("\\", "\\\\").replace("'", "''") + "'"


@dataclass(frozen=True, slots=True, kw_only=True)
class ExternallyManagedTables:
    """Builds the statements for the Snowflake tables of route `tables`, each backed by an Iceberg table in AWS Glue.

    Attributes:
        qualified_schema: Database and schema, quoted.
        external_volume: Name of the external volume, unquoted.
        catalog_integration: Name of the catalog integration, unquoted.
        namespace: Iceberg namespace of the tables.
    """

    qualified_schema: str
    external_volume: str
    catalog_integration: str
    namespace: str

    @classmethod
    def from_settings(
        cls, *, database: str, schema: str, external_volume: str, catalog_integration: str, namespace: str
    ) -> "ExternallyManagedTables":
        """Validate and quote the names given by `SNOWFLAKE_*` settings.

        Raises:
            ConfigurationError: A name is invalid; the message names its setting.
        """
        return cls(
            qualified_schema=".".join(
                (quoted_identifier(database, "SNOWFLAKE_DATABASE"), quoted_identifier(schema, "SNOWFLAKE_SCHEMA"))
            ),
            external_volume=unquoted_name(external_volume, "SNOWFLAKE_EXTERNAL_VOLUME"),
            catalog_integration=unquoted_name(catalog_integration, "SNOWFLAKE_CATALOG_INTEGRATION"),
            namespace=namespace,
        )

    def qualified_name(self, table: str) -> str:
        """Return database, schema and table, quoted."""
        return f"{self.qualified_schema}.{quoted_identifier(table, 'the table')}"

    def create_statement(self, table: str) -> str:
        """Return the CREATE statement for a table backed by an existing Iceberg table.

        Auto-refresh stays off: it is billed.
        """
        return (
            f"CREATE ICEBERG TABLE IF NOT EXISTS {self.qualified_name(table)} "
            f"EXTERNAL_VOLUME = {string_literal(self.external_volume)} "
            f"CATALOG = {string_literal(self.catalog_integration)} "
            f"CATALOG_NAMESPACE = {string_literal(self.namespace)} CATALOG_TABLE_NAME = {string_literal(table)} "
            "AUTO_REFRESH = FALSE"
        )

    def refresh_statement(self, table: str) -> str:
        """Return the REFRESH statement, which picks up the latest snapshot and new columns."""
        return f"ALTER ICEBERG TABLE {self.qualified_name(table)} REFRESH"

    def count_statement(self, table: str) -> str:
        """Return the statement that counts the rows Snowflake sees."""
        return f"SELECT COUNT(*) FROM {self.qualified_name(table)}"  # noqa: S608 - the name is quoted
