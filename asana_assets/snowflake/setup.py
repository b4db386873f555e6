"""The SQL that prepares Snowflake for each route, for an administrator to read and run.

The statements are idempotent. User-supplied names are validated and quoted; no secret is printed.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass

from asana_assets.asana.errors import ConfigurationError
from asana_assets.snowflake.sql import ExternallyManagedTables, Route, quoted_identifier, string_literal, unquoted_name

_CREATE_WRITER = """\
CREATE ROLE IF NOT EXISTS {role};
CREATE USER IF NOT EXISTS {user} TYPE = SERVICE DEFAULT_ROLE = {role};
GRANT ROLE {role} TO USER {user};
-- Add an authentication method yourself; this script prints no credentials. Use a public key (ALTER USER ... SET
-- RSA_PUBLIC_KEY) or a programmatic access token (ALTER USER ... ADD PROGRAMMATIC ACCESS TOKEN ... ROLE_RESTRICTION),
-- which requires a network policy.
"""

_CREATE_READER_OF_SCHEMA = """
-- Reader role.
CREATE ROLE IF NOT EXISTS {reader};
GRANT USAGE ON DATABASE {database} TO ROLE {reader};
GRANT USAGE ON SCHEMA {database}.{schema} TO ROLE {reader};
GRANT SELECT ON ALL ICEBERG TABLES IN SCHEMA {database}.{schema} TO ROLE {reader};
GRANT SELECT ON FUTURE ICEBERG TABLES IN SCHEMA {database}.{schema} TO ROLE {reader};
"""

_CREATE_READER_OF_DATABASE = """
-- Reader role.
CREATE ROLE IF NOT EXISTS {reader};
GRANT USAGE ON DATABASE {database} TO ROLE {reader};
GRANT USAGE ON ALL SCHEMAS IN DATABASE {database} TO ROLE {reader};
GRANT USAGE ON FUTURE SCHEMAS IN DATABASE {database} TO ROLE {reader};
GRANT SELECT ON ALL ICEBERG TABLES IN DATABASE {database} TO ROLE {reader};
GRANT SELECT ON FUTURE ICEBERG TABLES IN DATABASE {database} TO ROLE {reader};
"""

_CREATE_VOLUME_AND_INTEGRATION = """\
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

-- Add the IAM user ARN and the external ID from the output of these two statements to the trust policies of the two
-- IAM roles.
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

-- Writer role. The role that creates a table owns it, and only the owner can add columns.
"""
    + _CREATE_WRITER
    + """\
GRANT USAGE ON DATABASE {database} TO ROLE {role};
GRANT USAGE, CREATE ICEBERG TABLE ON SCHEMA {database}.{schema} TO ROLE {role};
"""
)

_GRANT_VOLUME = "GRANT USAGE ON EXTERNAL VOLUME {volume} TO ROLE {role};\n"

_LINKED_DATABASE = (
    """\
-- Route linked-database: a catalog-linked database on AWS Glue. Snowflake discovers its tables by itself.
USE ROLE ACCOUNTADMIN;

"""
    + _CREATE_VOLUME_AND_INTEGRATION
    + """
-- The owner of the database (here ACCOUNTADMIN) must keep USAGE on the integration and the volume.
-- Snowflake's reference does not list IF NOT EXISTS for this statement; if it is rejected, remove the clause.
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
-- Route tables: one externally managed Iceberg table per asset, created and refreshed by the materializations.
USE ROLE ACCOUNTADMIN;

CREATE DATABASE IF NOT EXISTS {database};
CREATE SCHEMA IF NOT EXISTS {database}.{schema};
CREATE WAREHOUSE IF NOT EXISTS {warehouse}
  WAREHOUSE_SIZE = XSMALL AUTO_SUSPEND = 60 AUTO_RESUME = TRUE INITIALLY_SUSPENDED = TRUE;

"""
    + _CREATE_VOLUME_AND_INTEGRATION
    + """
-- Refresh role. REFRESH requires ownership of the table and USAGE on the volume and the integration, so this role
-- creates the tables.
"""
    + _CREATE_WRITER
    + """\
GRANT USAGE ON DATABASE {database} TO ROLE {role};
GRANT USAGE, CREATE ICEBERG TABLE ON SCHEMA {database}.{schema} TO ROLE {role};
GRANT USAGE ON WAREHOUSE {warehouse} TO ROLE {role};
GRANT USAGE ON EXTERNAL VOLUME {volume} TO ROLE {role};
GRANT USAGE ON INTEGRATION {integration} TO ROLE {role};
"""
)

_SNOWFLAKE_STORAGE = "SNOWFLAKE_MANAGED"  # the predefined volume, in Snowflake's own storage

# External volumes do not support bucket names with dots.
_BUCKET = re.compile(r"s3(?:gov)?://[a-z0-9][a-z0-9-]{1,61}[a-z0-9]/(?:[A-Za-z0-9_.=-]+/)*")
_ARN = re.compile(r"arn:aws[a-z-]*:iam::\d{12}:role/[\w+=,.@/-]+", re.ASCII)
_REGION = re.compile(r"[a-z]{2}(?:-[a-z]+)+-\d")
_NAMESPACE = re.compile(r"[a-z0-9_]+")
_EXAMPLE_ARN = "arn:aws:iam::123456789012:role/name"


@dataclass(frozen=True, slots=True, kw_only=True)
class SetupOptions:
    """User-supplied names of Snowflake objects and AWS resources, not validated."""

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


def setup_sql(route: Route, options: SetupOptions) -> str:
    """Return the statements that prepare Snowflake for a route.

    Raises:
        ConfigurationError: An option is missing or invalid; the message names it.
    """
    match route:
        case Route.HORIZON:
            volume = unquoted_name(options.volume or _SNOWFLAKE_STORAGE, "--volume")
            sql, values = _HORIZON, _identifiers(options, volume)
            if volume != _SNOWFLAKE_STORAGE:
                sql += _GRANT_VOLUME
        case Route.LINKED_DATABASE:
            sql, values = _LINKED_DATABASE, _identifiers(options, _volume(options)) | _aws_values(options)
        case Route.TABLES:
            sql, values = _TABLES, _identifiers(options, _volume(options)) | _aws_values(options)
    if options.reader_role:
        values["reader"] = quoted_identifier(options.reader_role, "--reader-role")
        sql += _CREATE_READER_OF_DATABASE if route is Route.LINKED_DATABASE else _CREATE_READER_OF_SCHEMA
    return sql.format_map(values)


def following_settings(route: Route, options: SetupOptions) -> dict[str, str]:
    """Return the environment variables to set after the statements have run, with values or placeholders."""
    if route is Route.HORIZON:
        host = "https://ORGANIZATION-ACCOUNT.snowflakecomputing.com/polaris/api/catalog"
        return {
            "PYICEBERG_CATALOG__ASANA__TYPE": "rest",
            "PYICEBERG_CATALOG__ASANA__URI": host,
            "PYICEBERG_CATALOG__ASANA__OAUTH2_SERVER_URI": f"{host}/v1/oauth/tokens",
            "PYICEBERG_CATALOG__ASANA__WAREHOUSE": options.database,
            "PYICEBERG_CATALOG__ASANA__CREDENTIAL": "TOKEN",
            "PYICEBERG_CATALOG__ASANA__SCOPE": f"session:role:{options.role}",
            "ICEBERG_NAMESPACE": options.schema.lower(),
            "ICEBERG_NAME_CASE": "upper",
            "ICEBERG_EXPIRE_SNAPSHOTS": "false",
        }
    glue = {
        "PYICEBERG_CATALOG__ASANA__TYPE": "glue",
        "PYICEBERG_CATALOG__ASANA__WAREHOUSE": options.bucket or "",
        "PYICEBERG_CATALOG__ASANA__CLIENT__REGION": options.region or "",
        "ICEBERG_NAMESPACE": options.namespace,
        "SNOWFLAKE_ROUTE": route.value,
    }
    if route is Route.LINKED_DATABASE:
        return glue
    return glue | {
        "SNOWFLAKE_ACCOUNT": "ORGANIZATION-ACCOUNT",
        "SNOWFLAKE_USER": options.user,
        "SNOWFLAKE_PRIVATE_KEY_PATH": "PATH",
        "SNOWFLAKE_ROLE": options.role,
        "SNOWFLAKE_WAREHOUSE": options.warehouse,
        "SNOWFLAKE_DATABASE": options.database,
        "SNOWFLAKE_SCHEMA": options.schema,
        "SNOWFLAKE_EXTERNAL_VOLUME": _volume(options),
        "SNOWFLAKE_CATALOG_INTEGRATION": options.integration,
    }


def create_tables_sql(options: SetupOptions, tables: Iterable[str]) -> str:
    """Return the statements with which the materializations of route `tables` create missing tables.

    Raises:
        ConfigurationError: An option is missing or invalid; the message names it.
    """
    values = _identifiers(options, _volume(options))
    managed_tables = ExternallyManagedTables(
        qualified_schema=f"{values['database']}.{values['schema']}",
        external_volume=unquoted_name(_volume(options), "--volume"),
        catalog_integration=unquoted_name(options.integration, "--integration"),
        namespace=_validated(_NAMESPACE, options.namespace, "--namespace", "asana"),
    )
    statements = [f"USE ROLE {values['role']};", *(f"{managed_tables.create_statement(table)};" for table in tables)]
    return "\n".join(statements) + "\n"


def _volume(options: SetupOptions) -> str:
    return unquoted_name(options.volume or "LAKE_VOLUME", "--volume")


def _identifiers(options: SetupOptions, volume: str) -> dict[str, str]:
    return {
        "database": quoted_identifier(options.database, "--database"),
        "schema": quoted_identifier(options.schema, "--schema"),
        "role": quoted_identifier(options.role, "--role"),
        "user": quoted_identifier(options.user, "--user"),
        "warehouse": quoted_identifier(options.warehouse, "--warehouse"),
        "volume": quoted_identifier(volume, "--volume"),
        "volume_text": string_literal(volume),
    }


def _aws_values(options: SetupOptions) -> dict[str, str]:
    required = {
        "--bucket": (options.bucket, "s3://bucket/folder/"),
        "--storage-role-arn": (options.storage_role_arn, _EXAMPLE_ARN),
        "--glue-role-arn": (options.glue_role_arn, _EXAMPLE_ARN),
        "--region": (options.region, "eu-central-1"),
    }
    missing = [f"{option} {example}" for option, (value, example) in required.items() if not value]
    if len(missing) > 1:
        raise ConfigurationError(f"these options are missing, with examples of values: {', '.join(missing)}")
    bucket = f"{options.bucket.rstrip('/')}/" if options.bucket else None
    bucket = _validated(_BUCKET, bucket, "--bucket", "s3://bucket/folder/, without a dot in the bucket name")
    glue_role = _validated(_ARN, options.glue_role_arn, "--glue-role-arn", _EXAMPLE_ARN)
    region = _validated(_REGION, options.region, "--region", "eu-central-1")
    integration = unquoted_name(options.integration, "--integration")
    return {
        "integration": quoted_identifier(integration, "--integration"),
        "integration_text": string_literal(integration),
        "provider_text": string_literal(bucket.partition(":")[0].upper()),
        "bucket_text": string_literal(bucket),
        "storage_role_text": string_literal(
            _validated(_ARN, options.storage_role_arn, "--storage-role-arn", _EXAMPLE_ARN)
        ),
        "glue_role_text": string_literal(glue_role),
        "glue_url_text": string_literal(f"https://glue.{region}.amazonaws.com/iceberg"),
        "account_text": string_literal(glue_role.split(":")[4]),
        "region_text": string_literal(region),
        "namespace_text": string_literal(_validated(_NAMESPACE, options.namespace, "--namespace", "asana")),
    }


def _validated(pattern: re.Pattern[str], value: str | None, option: str, example: str) -> str:
    if not value:
        raise ConfigurationError(f"{option} is missing; it should look like {example}")
    if not pattern.fullmatch(value):
        raise ConfigurationError(f"{option} is {value!r}, but should look like {example}")
    return value
