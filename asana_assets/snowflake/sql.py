"""The SQL of route `tables`, and names made safe for it. Only text: nothing here connects.

A value stands in a statement as a quoted identifier, as an escaped literal, or not at all.
"""

import re
from dataclasses import dataclass
from enum import StrEnum

from asana_assets.asana.errors import ConfigurationError


class Route(StrEnum):
    """How Snowflake learns of a commit.

    HORIZON: the commit is made in Snowflake's own Iceberg catalog.
    LINKED_DATABASE: a database follows the AWS Glue catalog; Snowflake asks it every so often.
    TABLES: a table for each of ours follows AWS Glue when it is told to, which the materialization does.
    """

    HORIZON = "horizon"
    LINKED_DATABASE = "linked-database"
    TABLES = "tables"


_PLAIN = re.compile(r"[A-Za-z_][A-Za-z0-9_$]*")
_QUOTED = re.compile(r'"(?:[^"\x00-\x1f\x7f]|"")+"')
_LONGEST = 255  # https://docs.snowflake.com/en/sql-reference/identifiers-syntax


def quoted_identifier(name: str, setting: str) -> str:
    """Quote a name. One without quotes means what it means in SQL: its letters are upper-case.

    Raises:
        ConfigurationError: Snowflake can have no such name; the sentence says which setting gave it.
    """
    if _PLAIN.fullmatch(name) and len(name) <= _LONGEST:
        return f'"{name.upper()}"'
    if _QUOTED.fullmatch(name) and len(name) <= _LONGEST:
        return name
    raise ConfigurationError(
        f"{setting} is {name[:_LONGEST]!r}, which is no name in Snowflake: letters, digits, _ and $, no digit first, "
        f'at most {_LONGEST}; or anything in "double quotes"'
    )


def unquoted_name(name: str, setting: str) -> str:
    """Give a name as it stands in a literal, where quotes would belong to it.

    Raises:
        ConfigurationError: it is not made of letters, digits, _ and $.
    """
    if not _PLAIN.fullmatch(name) or len(name) > _LONGEST:
        raise ConfigurationError(
            f"{setting} is {name[:_LONGEST]!r}, but must be a name of letters, digits, _ and $, no digit first"
        )
    return name.upper()


def string_literal(text: str) -> str:
    """Write text as SQL does: in quotes, with quotes and backslashes in it escaped."""
    return "'" + text.replace("\\", "\\\\").replace("'", "''") + "'"


@dataclass(frozen=True, slots=True, kw_only=True)
class ExternallyManagedTables:
    """The tables of route `tables`: where they are, and which Iceberg tables they follow.

    Attributes:
        place: Database and schema, quoted.
        external_volume, catalog_integration: Plain names.
        namespace: The Iceberg namespace.
    """

    qualified_schema: str
    external_volume: str
    catalog_integration: str
    namespace: str

    @classmethod
    def build(
        cls, *, database: str, schema: str, external_volume: str, catalog_integration: str, namespace: str
    ) -> "ExternallyManagedTables":
        """Check the names, as the settings give them.

        Raises:
            ConfigurationError: one cannot be; the sentence says which.
        """
        return cls(
            qualified_schema=".".join(
                (quoted_identifier(database, "SNOWFLAKE_DATABASE"), quoted_identifier(schema, "SNOWFLAKE_SCHEMA"))
            ),
            external_volume=unquoted_name(external_volume, "SNOWFLAKE_EXTERNAL_VOLUME"),
            catalog_integration=unquoted_name(catalog_integration, "SNOWFLAKE_CATALOG_INTEGRATION"),
            namespace=namespace,
        )

    def name(self, table: str) -> str:
        return f"{self.qualified_schema}.{quoted_identifier(table, 'the table')}"

    def create(self, table: str) -> str:
        """Make what follows an Iceberg table, which must be there. It does not refresh itself: that would be billed."""
        return (
            f"CREATE ICEBERG TABLE IF NOT EXISTS {self.name(table)} "
            f"EXTERNAL_VOLUME = {string_literal(self.external_volume)} "
            f"CATALOG = {string_literal(self.catalog_integration)} "
            f"CATALOG_NAMESPACE = {string_literal(self.namespace)} CATALOG_TABLE_NAME = {string_literal(table)} "
            "AUTO_REFRESH = FALSE"
        )

    def refresh(self, table: str) -> str:
        """Take over the newest commit, and columns that it added."""
        return f"ALTER ICEBERG TABLE {self.name(table)} REFRESH"

    def count(self, table: str) -> str:
        return f"SELECT COUNT(*) FROM {self.name(table)}"  # noqa: S608 # the name is quoted
