"""Opening the Iceberg catalog, and the case of its identifiers.

PyIceberg's own configuration (`PYICEBERG_CATALOG__ASANA__*`, `.pyiceberg.yaml`) selects the catalog; without any, it
is the embedded one: SQLite and local files in one directory. Tables and rows are the subject of `table`.
"""

import logging
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Literal, TypeAlias, cast

import pyarrow as pa
from pyiceberg.catalog import Catalog, load_catalog
from pyiceberg.utils.config import Config
from sqlalchemy import URL

from asana_assets.asana.redaction import redacted
from asana_assets.lake.error_translation import EMBEDDED, SETTING_PREFIX, secrets_of, setting_prefix, translate_error
from asana_assets.lake.errors import CatalogUnavailableError

CATALOG_NAME = "asana"
"""The catalog's default name in PyIceberg's configuration."""

NameCase: TypeAlias = Literal["lower", "upper"]
"""Case of namespaces, tables and columns in the catalog; they are lower-case everywhere outside of it."""

_NAME_CASE = "asana-assets.name-case"  # a property of the opened catalog, because every table can reach its catalog

_BUSY_SECONDS = 60  # how long SQLite waits for another process's write lock; a write takes milliseconds
_CREATE_ATTEMPTS = 20  # processes that start together race to create the catalog's two tables; one step each


def open_catalog(
    *,
    data_dir: Path,
    name_case: NameCase = "lower",
    name: str = CATALOG_NAME,
    properties: Mapping[str, str] | None = None,
) -> Catalog:
    """Open the configured catalog, or the embedded one, whose directory is created.

    Several processes may open and use either at once.

    Args:
        data_dir: The directory of the embedded catalog.
        name_case: The case of its identifiers.
        name: The catalog's name in PyIceberg's configuration; only the default can be the embedded one.
        properties: Properties that take precedence over those in PyIceberg's configuration.

    Raises:
        CatalogUnavailableError: The catalog cannot be opened; the message names the setting to check.
    """
    logging.getLogger("pyiceberg.table").addFilter(_is_worth_reading)
    configured = {**_configuration(name), **(properties or {})}
    if not configured and name != CATALOG_NAME:
        raise CatalogUnavailableError(
            f"PyIceberg has no catalog {name!r}; set {setting_prefix(name)}* or add it to .pyiceberg.yaml."
        )
    catalog = _open_configured(name, configured) if configured else _open_embedded(data_dir)
    catalog.properties[_NAME_CASE] = name_case
    return catalog


def _is_worth_reading(record: logging.LogRecord) -> bool:
    """Return False for PyIceberg's warning that it retries a commit; `ConflictError` is what retries do not solve."""
    return not str(record.msg).startswith("Commit failed due to a concurrent update, retrying")


def apply_name_case(catalog: Catalog, name: str) -> str:
    """Return `name` in the catalog's case."""
    return name.upper() if catalog.properties.get(_NAME_CASE) == "upper" else name


def schema_in_catalog_case(catalog: Catalog, schema: pa.Schema) -> pa.Schema:
    """Return `schema` with column names in the catalog's case.

    Nested field names keep theirs: Snowflake, which needs upper-case names, treats nested ones as case-sensitive.
    """
    return pa.schema([field.with_name(apply_name_case(catalog, field.name)) for field in schema])


def _configuration(name: str) -> Mapping[str, object]:
    try:
        return Config().get_catalog_config(name) or {}
    except Exception as error:  # noqa: BLE001 - invalid YAML, environment or types: one remedy
        raise CatalogUnavailableError(
            f"The configuration of catalog {name!r} cannot be read; check {setting_prefix(name)}* "
            f"and .pyiceberg.yaml ({type(error).__name__})."
        ) from None


def _open_configured(name: str, configured: Mapping[str, object]) -> Catalog:
    # In YAML, a REST catalog's `auth` is a nested mapping.
    properties = {key: value if isinstance(value, dict) else str(value) for key, value in configured.items()}
    properties[SETTING_PREFIX] = setting_prefix(name)
    try:
        return _load(name, properties)
    except Exception as error:  # noqa: BLE001 - every catalog type raises its own errors; one remedy
        raise translate_error(error, properties) or CatalogUnavailableError(
            f"The catalog {name!r} cannot be opened; check {setting_prefix(name)}* or .pyiceberg.yaml "
            f"({type(error).__name__}: {redacted(str(error), secrets_of(properties))})."
        ) from None  # the original message may contain the secrets that were just redacted


def _open_embedded(data_dir: Path) -> Catalog:
    root = data_dir.expanduser().absolute()
    try:
        (root / "warehouse").mkdir(parents=True, exist_ok=True)
        # Writing is the only reliable check: mode bits do not apply to root or show a read-only mount.
        tempfile.TemporaryFile(dir=root).close()
        uri = URL.create("sqlite", database=str(root / "catalog.db"), query={"timeout": str(_BUSY_SECONDS)})
        return _load(
            CATALOG_NAME,
            {
                "type": "sql",
                "uri": uri.render_as_string(hide_password=False),
                "warehouse": f"file://{root / 'warehouse'}",
                EMBEDDED: "true",
            },
        )
    except Exception as error:  # from the file system or SQLite: one remedy
        reason = error.strerror if isinstance(error, OSError) and error.strerror else redacted(str(error))
        raise CatalogUnavailableError(
            f"The data directory {root} cannot hold the catalog; set ASANA_DATA_DIR to a writable directory ({reason})."
        ) from error


def _load(name: str, properties: Mapping[str, object]) -> Catalog:
    for _ in range(_CREATE_ATTEMPTS):
        try:
            return load_catalog(name, **cast("dict[str, str | None]", dict(properties)))
        except Exception as error:  # each database driver raises its own
            if "already exists" not in str(error):
                raise
            time.sleep(0.05)  # another process is creating the catalog's tables right now
    return load_catalog(name, **cast("dict[str, str | None]", dict(properties)))
