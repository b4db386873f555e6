"""Composition root: the code location that Dagster loads, built from the settings in the environment."""

from typing import Any

import dagster as dg
from pydantic import SecretStr

from asana_assets.defs.automation import Automation
from asana_assets.defs.builder import build_asana_defs
from asana_assets.defs.executor import in_process_executor
from asana_assets.defs.names import WATCH_FRESHNESS, WATCH_WORKSPACES
from asana_assets.defs.progress import ProgressReporter
from asana_assets.defs.resources import AsanaResource, LakeResource
from asana_assets.settings import Settings, load_env_file
from asana_assets.snowflake.refresh import SnowflakeIcebergTables
from asana_assets.snowflake.sql import Route

_GETTING_STARTED = """
1. Provide a token: run `asana-assets connect` or set ASANA_ACCESS_TOKEN.
2. The sensor `asana_watch_workspaces` finds the token's workspaces within ten minutes, registers each as a partition
   and requests its first sync. To start immediately, materialize `workspaces`, then "Materialize all" for the
   partitions that you need.
3. Turn on the schedule `asana_daily`; on paid plans also the sensor `asana_watch_changes`, which syncs changes within
   minutes.
"""


def build_definitions(
    settings: Settings | None = None,
    *,
    asana: AsanaResource | None = None,
    progress: ProgressReporter | None = None,
    executor: dg.ExecutorDefinition = in_process_executor,
    prefetch: bool = True,
) -> dg.Definitions:
    """Build the code location. Sends no requests and opens no files.

    Args:
        settings: The settings; by default those in the environment.
        asana: Replaces the resource built from the settings.
        progress: Receives progress updates.
        executor: Executes the steps of a run. The default is the fastest: Asana's rate limit is the bottleneck, a
            single process shares one throttle, and starting a process for each step takes about two seconds.
        prefetch: Whether extracts start before their step does, if the executor runs all steps in one process.

    Raises:
        ConfigurationError: A setting is missing or invalid.
    """
    settings = settings or Settings()
    integration = build_asana_defs(
        asana=asana or build_asana_resource(settings),
        lake=build_lake_resource(settings),
        endpoints=[endpoint.name for endpoint in settings.endpoints],
        automation=Automation(running=[WATCH_WORKSPACES, WATCH_FRESHNESS]),
        snowflake=build_snowflake_resource(settings),
        progress=progress,
        prefetch=prefetch,
    )
    getting_started = {"getting_started": dg.MetadataValue.md(_GETTING_STARTED)}
    return dg.Definitions.merge(integration, dg.Definitions(executor=executor, metadata=getting_started))


def build_asana_resource(settings: Settings, **overrides: Any) -> AsanaResource:
    """Build the Asana resource; `overrides` are fields that take precedence over the settings."""
    fields = _without_none(
        access_token=_env_var("ASANA_ACCESS_TOKEN", settings.asana_access_token),
        token_secret_id=settings.asana_token_secret_id,
        base_url=settings.asana_base_url and str(settings.asana_base_url),
        requests_per_second=settings.asana_requests_per_second,
        max_in_flight=settings.asana_max_in_flight,
        pacer_url=settings.pacer_url,
        workspaces=list(settings.asana_workspaces),
        projects=list(settings.asana_projects),
        teams=list(settings.asana_teams),
        exclude_projects=list(settings.asana_exclude_projects),
        archived_projects=settings.asana_archived_projects,
        omit_columns=list(settings.asana_omit_columns),
        hash_columns=list(settings.asana_hash_columns),
        hash_secret=_env_var("ASANA_HASH_SECRET", settings.asana_hash_secret),
    )
    return AsanaResource(**fields | overrides)


def build_lake_resource(settings: Settings) -> LakeResource:
    """Build the resource of the tables; opens no files."""
    return LakeResource(
        **_without_none(
            data_dir=settings.asana_data_dir,
            namespace=settings.iceberg_namespace,
            name_case=settings.iceberg_name_case,
            expire_snapshots=settings.iceberg_expire_snapshots,
            record_changes=settings.asana_changes,
            changes_retention_days=settings.asana_changes_retention_days,
        )
    )


def build_snowflake_resource(settings: Settings) -> SnowflakeIcebergTables | None:
    """Build the resource that refreshes Snowflake's tables, or return None on routes that need no refresh.

    Raises:
        ConfigurationError: A name is not a valid identifier.
    """
    if settings.snowflake_route is not Route.TABLES:
        return None
    resource = SnowflakeIcebergTables(
        **_without_none(
            account=settings.snowflake_account,
            user=settings.snowflake_user,
            password=_env_var("SNOWFLAKE_PASSWORD", settings.snowflake_password),
            private_key_path=settings.snowflake_private_key_path,
            private_key_password=_env_var("SNOWFLAKE_PRIVATE_KEY_PASSWORD", settings.snowflake_private_key_password),
            role=settings.snowflake_role,
            warehouse=settings.snowflake_warehouse,
            database=settings.snowflake_database,
            schema_name=settings.snowflake_schema,
            external_volume=settings.snowflake_external_volume,
            catalog_integration=settings.snowflake_catalog_integration,
            namespace=settings.iceberg_namespace,
            connection_args=_without_none(
                host=settings.snowflake_host,
                port=settings.snowflake_port,
                protocol=settings.snowflake_protocol,
            ),
        )
    )
    _ = resource.tables  # an invalid identifier is an error now, not after the first commit
    return resource


def _env_var(name: str, value: SecretStr | None) -> dg.EnvVar | None:
    """Return a reference to a secret, so that Dagster shows the variable's name and not its value."""
    return dg.EnvVar(name) if value else None


def _without_none(**fields: Any) -> dict[str, Any]:
    """Drop the fields that are None, which have their defaults in the resource."""
    return {name: value for name, value in fields.items() if value is not None}


load_env_file()

defs = build_definitions()
