"""Settings of the code location and the command line, parsed and validated in one place.

Only this module reads the environment, and only `load_env_file` reads `.env`. Variables of other libraries are left to
them: `PYICEBERG_CATALOG__ASANA__*` to PyIceberg, `AWS_*` to boto3.
"""

import difflib
import os
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Annotated, Any, Literal, Self, TypeAlias

import dotenv
from pydantic import BeforeValidator, Field, HttpUrl, SecretStr, ValidationError, model_validator
from pydantic_core import ErrorDetails

from asana_assets.asana.errors import ConfigurationError
from asana_assets.asana.model import Endpoint
from asana_assets.asana.selection import STANDARD, select_endpoints
from asana_assets.asana.transport import MAX_IN_FLIGHT
from asana_assets.extras import missing_extra
from asana_assets.snowflake.sql import Route

try:
    from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict
except ModuleNotFoundError as error:
    message = missing_extra("asana_assets.definitions", "cli", error)
    raise ModuleNotFoundError(message, name=error.name) from None

ENV_FILE = Path(".env")
"""The file in the working directory in which `asana-assets connect` saves the token; `dagster dev` loads it, too."""

_ALLOWED = {
    "asana_base_url": "an http or https URL",
    "asana_requests_per_second": "a number greater than 0",
    "asana_max_in_flight": f"an integer from 1 to {MAX_IN_FLIGHT}",
    "asana_archived_projects": "include or exclude",
    "asana_changes": "on or off",
    "asana_changes_retention_days": "an integer from 1 to 36500",
    "iceberg_name_case": "lower or upper",
    "iceberg_expire_snapshots": "true or false",
    "snowflake_route": f"one of {', '.join(Route)}",
    "snowflake_port": "an integer from 1 to 65535",
    "snowflake_protocol": "http or https",
}  # what an error message says about each setting whose value can be invalid

_REQUIRED_BY_ROUTE_TABLES = (
    "snowflake_account",
    "snowflake_user",
    "snowflake_database",
    "snowflake_schema",
    "snowflake_external_volume",
    "snowflake_catalog_integration",
)

_PREFIXES = ("ASANA_", "ICEBERG_", "SNOWFLAKE_")
_MIN_SIMILARITY = 0.7  # of the names of variables without their prefix; other programs have ASANA_ variables, too
_OF_OTHERS = {f"ASANA_{kind}_{end}" for kind in ("PROJECT", "TEAM") for end in ("ID", "GID")}  # in many scripts
_OTHER_SPELLINGS = {"ASANA_TOKEN": "ASANA_ACCESS_TOKEN"}  # not similar enough, but likely


def find_misspelled(names: Iterable[str], known: Iterable[str]) -> Iterator[tuple[str, str]]:
    """Yield each name that resembles a known one without being one, and the known one.

    Args:
        names: Names of variables.
        known: The names of the variables that have an effect.
    """
    known = set(known)
    for name in sorted(set(names) - known - _OF_OTHERS):
        prefix = next((prefix for prefix in _PREFIXES if name.startswith(prefix)), None)
        if prefix is None:
            continue
        ends = [one.removeprefix(prefix) for one in known if one.startswith(prefix)]
        similar = difflib.get_close_matches(name.removeprefix(prefix), ends, n=1, cutoff=_MIN_SIMILARITY)
        if name in _OTHER_SPELLINGS or similar:
            yield name, _OTHER_SPELLINGS.get(name) or f"{prefix}{similar[0]}"


def load_env_file() -> None:
    """Copy `.env` into the environment, in which variables that are already set take precedence.

    `Settings` alone could read the file directly, but PyIceberg, boto3 and Dagster's `EnvVar` read `os.environ`.
    """
    dotenv.load_dotenv(ENV_FILE)


def _split_at_commas(value: object) -> object:
    if not isinstance(value, str):
        return value
    return tuple(item.strip() for item in value.split(",") if item.strip())


_Texts: TypeAlias = Annotated[tuple[str, ...], NoDecode, BeforeValidator(_split_at_commas)]


def _describe(error: ErrorDetails) -> str:
    name = str(error["loc"][0])
    return f"{name.upper()} is {error['input']!r}, but must be {_ALLOWED[name]}"


class Settings(BaseSettings):
    """The settings in the environment; each field is named like its variable, in lower case.

    An empty variable counts as unset. A field that is None has its default in the resource that it configures. Keyword
    arguments take precedence over the environment.

    Attributes:
        asana_access_token: A personal access token.
        asana_token_secret_id: The secret in AWS Secrets Manager that holds the token.
        asana_base_url: The URL of Asana's API.
        asana_requests_per_second: The maximum rate at which requests are sent for the token.
        asana_max_in_flight: The maximum number of concurrent requests.
        asana_pacer_url: The database that paces all processes of the token; it can contain a password.
        asana_workspaces: The names or gids of the workspaces to sync, separated by commas; empty for all of them.
        asana_endpoints: The endpoints to sync, separated by commas: names, `standard` and `all`.
        asana_projects: The gids or names of the projects to sync, separated by commas; empty for all of them.
        asana_teams: The gids or names of teams whose projects are synced, separated by commas.
        asana_exclude_projects: The gids or names of projects that are not synced, separated by commas.
        asana_archived_projects: Whether archived projects are synced.
        asana_omit_columns: Columns whose values are never requested, such as `users.email`, separated by commas.
        asana_hash_columns: Columns of which only keyed hashes are stored, separated by commas.
        asana_hash_secret: The secret of these hashes.
        asana_data_dir: The directory of the embedded catalog and its tables.
        asana_changes: Whether syncs add what they changed to the table `changes`.
        asana_changes_retention_days: The age in days at which rows of `changes` are removed; None to keep them.
        iceberg_namespace: The namespace of the tables.
        iceberg_name_case: The case of namespace, table and column names in the catalog.
        iceberg_expire_snapshots: Whether syncs expire old snapshots.
        snowflake_route: How Snowflake sees commits. Only `tables` uses the other Snowflake settings, which are
            named like the fields of `SnowflakeIcebergTables`.
        dagster_home: The directory of the Dagster instance that the command line uses.
        xdg_state_home: The base directory of the default pacer database.
    """

    model_config = SettingsConfigDict(env_ignore_empty=True, frozen=True)

    asana_access_token: SecretStr | None = None
    asana_token_secret_id: str | None = None
    asana_base_url: HttpUrl | None = None
    asana_requests_per_second: float | None = Field(default=None, gt=0, allow_inf_nan=False)
    asana_max_in_flight: int | None = Field(default=None, ge=1, le=MAX_IN_FLIGHT)
    asana_pacer_url: SecretStr | None = None
    asana_workspaces: _Texts = ()
    asana_endpoints: _Texts = (STANDARD,)
    asana_projects: _Texts = ()
    asana_teams: _Texts = ()
    asana_exclude_projects: _Texts = ()
    asana_archived_projects: Literal["include", "exclude"] | None = None
    asana_omit_columns: _Texts = ()
    asana_hash_columns: _Texts = ()
    asana_hash_secret: SecretStr | None = None
    asana_data_dir: str | None = None
    asana_changes: bool | None = None
    asana_changes_retention_days: int | None = Field(default=None, gt=0, le=36_500)

    iceberg_namespace: str | None = None
    iceberg_name_case: Literal["lower", "upper"] | None = None
    iceberg_expire_snapshots: bool | None = None

    snowflake_route: Route = Route.HORIZON
    snowflake_account: str | None = None
    snowflake_user: str | None = None
    snowflake_password: SecretStr | None = None
    snowflake_private_key_path: str | None = None
    snowflake_private_key_password: SecretStr | None = None
    snowflake_role: str | None = None
    snowflake_warehouse: str | None = None
    snowflake_database: str | None = None
    snowflake_schema: str | None = None
    snowflake_external_volume: str | None = None
    snowflake_catalog_integration: str | None = None
    snowflake_host: str | None = None
    snowflake_port: int | None = Field(default=None, ge=1, le=65535)
    snowflake_protocol: Literal["http", "https"] | None = None

    dagster_home: str | None = None
    xdg_state_home: Path | None = None

    def __init__(self, **values: Any) -> None:
        """Read the environment.

        Raises:
            ConfigurationError: A setting is missing or invalid.
        """
        try:
            super().__init__(**values)
        except ValidationError as error:
            raise ConfigurationError("; ".join(map(_describe, error.errors()))) from None

    @model_validator(mode="after")
    def _require_snowflake_settings(self) -> Self:
        if self.snowflake_route is not Route.TABLES:
            return self
        missing = [name.upper() for name in _REQUIRED_BY_ROUTE_TABLES if getattr(self, name) is None]
        if missing:
            raise ConfigurationError(f"SNOWFLAKE_ROUTE is {self.snowflake_route}, which needs {', '.join(missing)}")
        if (self.snowflake_password is None) == (self.snowflake_private_key_path is None):
            raise ConfigurationError(
                f"SNOWFLAKE_ROUTE is {self.snowflake_route}, "
                "which needs SNOWFLAKE_PRIVATE_KEY_PATH or SNOWFLAKE_PASSWORD, not both"
            )
        return self

    def warnings(self) -> list[str]:
        """Return a sentence for each variable in the environment that has no effect and probably should."""
        known = [name.upper() for name in type(self).model_fields]
        found = [
            f"{name} is set, but there is no such setting: did you mean {meant}?"
            for name, meant in find_misspelled(os.environ, known)
            if os.environ[name] and not os.environ.get(meant)
        ]
        if self.asana_access_token and self.asana_token_secret_id:
            found.append(
                "ASANA_ACCESS_TOKEN and ASANA_TOKEN_SECRET_ID are both set: the token in ASANA_ACCESS_TOKEN is used. "
                "Unset one of them."
            )
        return found

    @property
    def endpoints(self) -> tuple[Endpoint, ...]:
        """The chosen endpoints, parents before children.

        Raises:
            ConfigurationError: There is no endpoint of a given name.
        """
        return select_endpoints(self.asana_endpoints, setting="ASANA_ENDPOINTS")

    @property
    def pacer_url(self) -> str:
        """The pacer's database: as configured, or one per user and host, whatever the data directory is."""
        if self.asana_pacer_url:
            return self.asana_pacer_url.get_secret_value()
        state_home = self.xdg_state_home or Path.home() / ".local" / "state"
        return f"sqlite:///{state_home / 'asana_assets' / 'pace.db'}"
