"""Everything put together: the code location that Dagster loads. The only reader of the environment."""

import os
from collections.abc import Mapping
from pathlib import Path

import dagster as dg
import dotenv

from asana_assets.asana.endpoints import ENDPOINTS
from asana_assets.asana.errors import ConfigurationError
from asana_assets.defs import automation
from asana_assets.defs.assets import ASSETS, IO_MANAGER_KEY
from asana_assets.defs.io_manager import IcebergIOManager
from asana_assets.defs.prefetch import Prefetcher
from asana_assets.defs.progress import NullProgress, ProgressReporter
from asana_assets.defs.resources import AsanaResource, LakeResource
from asana_assets.defs.snowflake import SnowflakeRefreshingIOManager, build_row_count_checks
from asana_assets.snowflake.refresh import SnowflakeIcebergTables
from asana_assets.snowflake.sql import Route

_HOW_TO_BEGIN = """
1. Have a token: `asana-assets connect`, or ASANA_ACCESS_TOKEN.
2. The sensor `watch_workspaces` finds the token's workspaces within ten minutes, registers each as a partition and asks
   for its first sync. Not to wait: materialize `workspaces`, then "Materialize all" for the partitions that you want.
3. Switch on the schedule `daily`; on paid plans also the sensor `watch_changes`, for changes within minutes.
"""


def build_definitions(
    environment: Mapping[str, str],
    *,
    asana: AsanaResource | None = None,
    progress: ProgressReporter | None = None,
    read_ahead: bool = True,
) -> dg.Definitions:
    """Put the code location together; reads no network and no file.

    Args:
        environment: Settings by name; those missing or empty have their defaults.
        asana: Instead of what the settings say of Asana.
        progress: Whom to tell how far things are.
        read_ahead: Whether readings begin before their step's turn; not with an executor of a process for each step.

    Raises:
        ConfigurationError: a setting is missing, or no number where one is needed.
    """
    settings = {name: value for name, value in environment.items() if value}
    asana = asana or configure_asana(environment)
    snowflake = configure_snowflake(environment)
    lake = LakeResource(
        data_dir=settings.get("ASANA_DATA_DIR", "asana_data"),
        namespace=settings.get("ICEBERG_NAMESPACE", "asana"),
        name_case="upper" if _either(settings, "ICEBERG_NAME_CASE", "lower", "upper") == "upper" else "lower",
        expire_snapshots=_either(settings, "ICEBERG_EXPIRE_SNAPSHOTS", "true", "false") == "true",
    )
    return dg.Definitions(
        metadata={"getting_started": dg.MetadataValue.md(_HOW_TO_BEGIN)},
        assets=ASSETS,
        asset_checks=build_row_count_checks(ENDPOINTS) if snowflake else None,
        jobs=automation.JOBS,
        schedules=automation.SCHEDULES,
        sensors=automation.SENSORS,
        resources={
            "asana": asana,
            "lake": lake,
            "progress": progress or NullProgress(),
            "prefetcher": Prefetcher(asana=asana, lake=lake, enabled=read_ahead),
            **(
                {IO_MANAGER_KEY: SnowflakeRefreshingIOManager(lake=lake, snowflake=snowflake), "snowflake": snowflake}
                if snowflake
                else {IO_MANAGER_KEY: IcebergIOManager(lake=lake)}
            ),
        },
        # The rate of Asana's API is the bound: one process, one throttle, no two seconds of start-up for each step.
        executor=dg.in_process_executor,
    )


def configure_asana(environment: Mapping[str, str], **more: object) -> AsanaResource:
    """Build the resource from settings; `more` are fields of it.

    Raises:
        ConfigurationError: a setting is no number where one is needed.
    """
    settings = {name: value for name, value in environment.items() if value}
    given = dict(more)
    if "ASANA_ACCESS_TOKEN" in settings:
        given["access_token"] = dg.EnvVar("ASANA_ACCESS_TOKEN")  # so that Dagster shows the name and not the value
    if "ASANA_TOKEN_SECRET_ID" in settings:
        given["token_secret_id"] = settings["ASANA_TOKEN_SECRET_ID"]
    if "ASANA_BASE_URL" in settings:
        given["base_url"] = settings["ASANA_BASE_URL"]
    if "ASANA_REQUESTS_PER_SECOND" in settings:
        given["requests_per_second"] = _number(settings, "ASANA_REQUESTS_PER_SECOND")
    if "ASANA_MAX_IN_FLIGHT" in settings:
        given["max_in_flight"] = round(_number(settings, "ASANA_MAX_IN_FLIGHT"))
    gids = settings.get("ASANA_WORKSPACES", "").split(",")
    return AsanaResource(
        pacer_url=settings.get("ASANA_PACER_URL") or _pacer_on_host(settings),
        workspaces=[gid.strip() for gid in gids if gid.strip()],
        **given,  # pyright: ignore[reportArgumentType] # checked by the resource
    )


def configure_snowflake(environment: Mapping[str, str]) -> SnowflakeIcebergTables | None:
    """Build what tells Snowflake of commits from settings; None if it need not be told.

    Raises:
        ConfigurationError: a setting is missing or cannot be.
    """
    settings = {name: value for name, value in environment.items() if value}
    route = settings.get("SNOWFLAKE_ROUTE", Route.HORIZON)
    if route not in list(Route):
        raise ConfigurationError(f"SNOWFLAKE_ROUTE is {route!r}, but must be one of {', '.join(Route)}")
    if route != Route.TABLES:
        return None
    needed = ("ACCOUNT", "USER", "DATABASE", "SCHEMA", "EXTERNAL_VOLUME", "CATALOG_INTEGRATION")
    missing = [f"SNOWFLAKE_{name}" for name in needed if f"SNOWFLAKE_{name}" not in settings]
    if missing:
        raise ConfigurationError(f"SNOWFLAKE_ROUTE is {route}, which needs {', '.join(missing)}")
    if ("SNOWFLAKE_PASSWORD" in settings) == ("SNOWFLAKE_PRIVATE_KEY_PATH" in settings):
        raise ConfigurationError(
            f"SNOWFLAKE_ROUTE is {route}, which needs SNOWFLAKE_PRIVATE_KEY_PATH or SNOWFLAKE_PASSWORD, not both"
        )
    tables = SnowflakeIcebergTables(
        account=settings["SNOWFLAKE_ACCOUNT"],
        user=settings["SNOWFLAKE_USER"],
        password=_secret(settings, "SNOWFLAKE_PASSWORD"),
        private_key_path=settings.get("SNOWFLAKE_PRIVATE_KEY_PATH"),
        private_key_password=_secret(settings, "SNOWFLAKE_PRIVATE_KEY_PASSWORD"),
        role=settings.get("SNOWFLAKE_ROLE"),
        warehouse=settings.get("SNOWFLAKE_WAREHOUSE"),
        database=settings["SNOWFLAKE_DATABASE"],
        schema_name=settings["SNOWFLAKE_SCHEMA"],
        external_volume=settings["SNOWFLAKE_EXTERNAL_VOLUME"],
        catalog_integration=settings["SNOWFLAKE_CATALOG_INTEGRATION"],
        namespace=settings.get("ICEBERG_NAMESPACE", "asana"),
        connection_args={
            name: settings[f"SNOWFLAKE_{name.upper()}"]
            for name in ("host", "port", "protocol")
            if f"SNOWFLAKE_{name.upper()}" in settings
        },
    )
    _ = tables.tables  # its names are checked now
    return tables


def _secret(settings: Mapping[str, str], name: str) -> dg.EnvVar | None:
    return dg.EnvVar(name) if name in settings else None  # so that Dagster shows the name and not the value


def _number(settings: Mapping[str, str], name: str) -> float:
    try:
        return float(settings[name])
    except ValueError:
        raise ConfigurationError(f"{name} is {settings[name]!r}, which is not a number") from None


def _either(settings: Mapping[str, str], name: str, default: str, other: str) -> str:
    value = settings.get(name, default)
    if value not in {default, other}:
        raise ConfigurationError(f"{name} is {value!r}, which is neither {default} nor {other}")
    return value


def _pacer_on_host(settings: Mapping[str, str]) -> str:
    """Give the database that all processes of this user on this host share, wherever they keep their data."""
    state = settings.get("XDG_STATE_HOME")
    home = Path(state) if state else Path.home() / ".local" / "state"
    return f"sqlite:///{home / 'asana_assets' / 'pace.db'}"


# What `asana-assets connect` keeps is found by every process that loads this; the environment goes first.
dotenv.load_dotenv(Path(".env"))

defs = build_definitions(os.environ)
