"""The SQL that prepares Snowflake for each route, for an administrator to read and run.

Run twice, it does what it did once. The user's names are checked and quoted; no secret stands in it.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass

from asana_assets.asana.errors import ConfigurationError
from asana_assets.snowflake.sql import ExternallyManagedTables, Route, quoted_identifier, string_literal, unquoted_name

_WRITER = """\
CREATE ROLE IF NOT EXISTS {role};
CREATE USER IF NOT EXISTS {user} TYPE = SERVICE DEFAULT_ROLE = {role};
GRANT ROLE {role} TO USER {user};
-- How it logs in is yours to add, and never printed here: a public key (ALTER USER ... SET RSA_PUBLIC_KEY) or an
-- access token (ALTER USER ... ADD PROGRAMMATIC ACCESS TOKEN ... ROLE_RESTRICTION), which needs a network policy.
"""

_READER = """
-- Who reads.
CREATE ROLE IF NOT EXISTS {reader};
GRANT USAGE ON DATABASE {database} TO ROLE {reader};
GRANT USAGE ON SCHEMA {database}.{schema} TO ROLE {reader};
GRANT SELECT ON ALL ICEBERG TABLES IN SCHEMA {database}.{schema} TO ROLE {reader};
GRANT SELECT ON FUTURE ICEBERG TABLES IN SCHEMA {database}.{schema} TO ROLE {reader};
"""

_READER_OF_ALL = """
-- Who reads.
CREATE ROLE IF NOT EXISTS {reader};
GRANT USAGE ON DATABASE {database} TO ROLE {reader};
GRANT USAGE ON ALL SCHEMAS IN DATABASE {database} TO ROLE {reader};
GRANT USAGE ON FUTURE SCHEMAS IN DATABASE {database} TO ROLE {reader};
GRANT SELECT ON ALL ICEBERG TABLES IN DATABASE {database} TO ROLE {reader};
GRANT SELECT ON FUTURE ICEBERG TABLES IN DATABASE {database} TO ROLE {reader};
"""

_AWS = """\
CREATE EXTERNAL VOLUME IF NOT EXISTS {volume}
  STORAGE_LOCATIONS = ((
    NAME = 'asana'
    STORAGE_PROVIDER = {provider_text}
    STORAGE_BASE_URL = {bucket_text}
    STORAGE_AWS_ROLE_ARN = {storage_role_text}
  ))
  ALLOW_WRITES = FALSE;

CREATE CATALOG INTEGRATION IF NOT EXISTS {integration}
  CATALOG_SOURCE = ICEBERG_REST
  TABLE_FORMAT = ICEBERG
  CATALOG_NAMESPACE = {namespace_text}
  REST_CONFIG = (
    CATALOG_URI = {glue_url_text}
    CATALOG_API_TYPE = AWS_GLUE
    CATALOG_NAME = {account_text}
    ACCESS_DELEGATION_MODE = EXTERNAL_VOLUME_CREDENTIALS
  )
  REST_AUTHENTICATION = (
    TYPE = SIGV4
    SIGV4_IAM_ROLE = {glue_role_text}
    SIGV4_SIGNING_REGION = {region_text}
  )
  ENABLED = TRUE;

-- What these two answer (the ARN of a user, an external id) belongs into the trust policies of the two IAM roles.
DESCRIBE EXTERNAL VOLUME {volume};
DESCRIBE CATALOG INTEGRATION {integration};
"""

_HORIZON = (
    """\
-- Route horizon: the sync commits to Snowflake's own Iceberg catalog.
USE ROLE ACCOUNTADMIN;

CREATE DATABASE IF NOT EXISTS {database};
CREATE SCHEMA IF NOT EXISTS {database}.{schema};
ALTER SCHEMA {database}.{schema} SET CATALOG = 'SNOWFLAKE';
ALTER SCHEMA {database}.{schema} SET EXTERNAL_VOLUME = {volume_text};

-- Who writes. A table belongs to the role that creates it, and only its owner may add columns.
"""
    + _WRITER
    + """\
GRANT USAGE ON DATABASE {database} TO ROLE {role};
GRANT USAGE, CREATE ICEBERG TABLE ON SCHEMA {database}.{schema} TO ROLE {role};
"""
)

_OWN_VOLUME = "GRANT USAGE ON EXTERNAL VOLUME {volume} TO ROLE {role};\n"

_LINKED_DATABASE = (
    """\
-- Route linked-database: a database that follows the AWS Glue catalog. No table needs a statement.
USE ROLE ACCOUNTADMIN;

"""
    + _AWS
    + """
-- Its owner (here ACCOUNTADMIN) must keep USAGE on integration and volume.
-- Snowflake's reference does not list IF NOT EXISTS for this statement: if it is refused, leave these words out.
CREATE DATABASE IF NOT EXISTS {database}
  LINKED_CATALOG = (
    CATALOG = {integration_text},
    ALLOWED_NAMESPACES = ({namespace_text}),
    ALLOWED_WRITE_OPERATIONS = NONE,
    SYNC_INTERVAL_SECONDS = 60
  )
  EXTERNAL_VOLUME = {volume_text}
  CATALOG_CASE_SENSITIVITY = CASE_INSENSITIVE;
"""
)

_TABLES = (
    """\
-- Route tables: a table for each of ours, which the materializations create and refresh.
USE ROLE ACCOUNTADMIN;

CREATE DATABASE IF NOT EXISTS {database};
CREATE SCHEMA IF NOT EXISTS {database}.{schema};
CREATE WAREHOUSE IF NOT EXISTS {warehouse}
  WAREHOUSE_SIZE = XSMALL AUTO_SUSPEND = 60 AUTO_RESUME = TRUE INITIALLY_SUSPENDED = TRUE;

"""
    + _AWS
    + """
-- Who refreshes: only a table's owner may, with USAGE on volume and integration. So this role creates the tables.
"""
    + _WRITER
    + """\
GRANT USAGE ON DATABASE {database} TO ROLE {role};
GRANT USAGE, CREATE ICEBERG TABLE ON SCHEMA {database}.{schema} TO ROLE {role};
GRANT USAGE ON WAREHOUSE {warehouse} TO ROLE {role};
GRANT USAGE ON EXTERNAL VOLUME {volume} TO ROLE {role};
GRANT USAGE ON INTEGRATION {integration} TO ROLE {role};
"""
)

_SNOWFLAKES_OWN = "SNOWFLAKE_MANAGED"
"""The volume that is Snowflake's own storage."""

# Of a bucket with a dot in its name Snowflake can make no volume.
_BUCKET = re.compile(r"s3(?:gov)?://[a-z0-9][a-z0-9-]{1,61}[a-z0-9]/(?:[A-Za-z0-9_.=-]+/)*")
_ARN = re.compile(r"arn:aws[a-z-]*:iam::\d{12}:role/[\w+=,.@/-]+", re.ASCII)
_REGION = re.compile(r"[a-z]{2}(?:-[a-z]+)+-\d")
_NAMESPACE = re.compile(r"[a-z0-9_]+")
_AN_ARN = "arn:aws:iam::123456789012:role/name"


@dataclass(frozen=True, slots=True, kw_only=True)
class SetupOptions:
    """The user's names, as they were given."""

    database: str
    schema: str
    role: str
    user: str
    warehouse: str
    reader_role: str | None = None
    volume: str | None = None
    integration: str
    namespace: str
    bucket: str | None = None
    storage_role_arn: str | None = None
    glue_role_arn: str | None = None
    region: str | None = None


def setup_sql(route: Route, names: SetupOptions) -> str:
    """Give the statements that prepare Snowflake for a route.

    Raises:
        ConfigurationError: a name or an address is missing or cannot be; the sentence says which option gives it.
    """
    match route:
        case Route.HORIZON:
            volume = unquoted_name(names.volume or _SNOWFLAKES_OWN, "--volume")
            sql, values = _HORIZON, _identifiers(names, volume)
            if volume != _SNOWFLAKES_OWN:
                sql += _OWN_VOLUME
        case Route.LINKED_DATABASE:
            sql, values = _LINKED_DATABASE, _identifiers(names, _volume(names)) | _aws_values(names)
        case Route.TABLES:
            sql, values = _TABLES, _identifiers(names, _volume(names)) | _aws_values(names)
    if names.reader_role:
        values["reader"] = quoted_identifier(names.reader_role, "--reader-role")
        sql += _READER_OF_ALL if route is Route.LINKED_DATABASE else _READER
    return sql.format_map(values)


def create_tables(names: SetupOptions, tables: Iterable[str]) -> str:
    """Give the statements with which the materializations of route `tables` create what is missing.

    Raises:
        ConfigurationError: as `setup`.
    """
    values = _identifiers(names, _volume(names))
    following = ExternallyManagedTables(
        qualified_schema=f"{values['database']}.{values['schema']}",
        external_volume=unquoted_name(_volume(names), "--volume"),
        catalog_integration=unquoted_name(names.integration, "--integration"),
        namespace=_validated(_NAMESPACE, names.namespace, "--namespace", "asana"),
    )
    statements = [f"USE ROLE {values['role']};", *(f"{following.create(table)};" for table in tables)]
    return "\n".join(statements) + "\n"


def _volume(names: SetupOptions) -> str:
    return unquoted_name(names.volume or "LAKE_VOLUME", "--volume")


def _identifiers(names: SetupOptions, volume: str) -> dict[str, str]:
    return {
        "database": quoted_identifier(names.database, "--database"),
        "schema": quoted_identifier(names.schema, "--schema"),
        "role": quoted_identifier(names.role, "--role"),
        "user": quoted_identifier(names.user, "--user"),
        "warehouse": quoted_identifier(names.warehouse, "--warehouse"),
        "volume": quoted_identifier(volume, "--volume"),
        "volume_text": string_literal(volume),
    }


def _aws_values(names: SetupOptions) -> dict[str, str]:
    bucket = f"{names.bucket.rstrip('/')}/" if names.bucket else None
    bucket = _validated(_BUCKET, bucket, "--bucket", "s3://bucket/folder/, without a dot in the bucket's name")
    glue_role = _validated(_ARN, names.glue_role_arn, "--glue-role-arn", _AN_ARN)
    region = _validated(_REGION, names.region, "--region", "eu-central-1")
    integration = unquoted_name(names.integration, "--integration")
    return {
        "integration": quoted_identifier(integration, "--integration"),
        "integration_text": string_literal(integration),
        "provider_text": string_literal(bucket.partition(":")[0].upper()),
        "bucket_text": string_literal(bucket),
        "storage_role_text": string_literal(_validated(_ARN, names.storage_role_arn, "--storage-role-arn", _AN_ARN)),
        "glue_role_text": string_literal(glue_role),
        "glue_url_text": string_literal(f"https://glue.{region}.amazonaws.com/iceberg"),
        "account_text": string_literal(glue_role.split(":")[4]),
        "region_text": string_literal(region),
        "namespace_text": string_literal(_validated(_NAMESPACE, names.namespace, "--namespace", "asana")),
    }


def _validated(pattern: re.Pattern[str], value: str | None, option: str, example: str) -> str:
    if not value:
        raise ConfigurationError(f"{option} is missing; it looks like {example}")
    if not pattern.fullmatch(value):
        raise ConfigurationError(f"{option} is {value!r}, but should look like {example}")
    return value
