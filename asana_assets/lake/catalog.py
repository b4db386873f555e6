"""Opening the Iceberg catalog named `asana`.

PyIceberg's own configuration (`PYICEBERG_CATALOG__ASANA__*`, `.pyiceberg.yaml`) decides which catalog that is;
without it, SQLite and local files under one directory. Tables and rows are not this module's business.
"""

import tempfile
import time
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Literal, TypeAlias, cast

from asana_assets.asana.redaction import redacted
from asana_assets.lake.error_translation import EMBEDDED, secrets_of, translate_error
from asana_assets.lake.errors import CatalogUnavailableError

if TYPE_CHECKING:
    from pyiceberg.catalog import Catalog

CATALOG_NAME = "asana"

NameCase: TypeAlias = Literal["lower", "upper"]
"""How namespaces, tables and columns are called in the catalog; everywhere else they are lower-case."""

_NAME_CASE = "asana-assets.name-case"  # a property of the opened catalog, which every table knows

_BUSY_SECONDS = 60  # how long SQLite waits for another process's write; each takes milliseconds
_CREATE_ATTEMPTS = 20  # processes that start at once race for the two catalog tables; one step each


def open_catalog(*, data_dir: Path, name_case: NameCase = "lower") -> "Catalog":
    """The configured catalog, else the embedded one, whose directory is created.

    Several processes may open and use either at once.

    Raises:
        CatalogUnavailableError: its sentence names the setting to check.
    """
    catalog = _open(data_dir)
    catalog.properties[_NAME_CASE] = name_case
    return catalog


def apply_name_case(catalog: "Catalog", name: str) -> str:
    """`name` as the catalog has it."""
    return name.upper() if catalog.properties.get(_NAME_CASE) == "upper" else name


def _open(data_dir: Path) -> "Catalog":
    from pyiceberg.utils.config import Config  # noqa: PLC0415 - half a second to import

    try:
        configured = Config().get_catalog_config(CATALOG_NAME)
    except Exception as error:  # noqa: BLE001 - YAML, environment or types: one remedy
        raise CatalogUnavailableError(
            f"The configuration of catalog {CATALOG_NAME!r} cannot be read; check PYICEBERG_CATALOG__ASANA__* "
            f"and .pyiceberg.yaml ({type(error).__name__})."
        ) from None
    if configured:
        return _open_configured(configured)
    return _open_embedded(data_dir)


def _open_configured(configured: Mapping[str, object]) -> "Catalog":
    # A table of its own is the `auth` of a REST catalog, in YAML.
    properties = {key: value if isinstance(value, dict) else str(value) for key, value in configured.items()}
    try:
        return _load(properties)
    except Exception as error:  # noqa: BLE001 - each kind of catalog has its own errors; one remedy
        raise translate_error(error, properties) or CatalogUnavailableError(
            f"The catalog {CATALOG_NAME!r} cannot be opened; check PYICEBERG_CATALOG__ASANA__* or .pyiceberg.yaml "
            f"({type(error).__name__}: {redacted(str(error), secrets_of(properties))})."
        ) from None  # the cause's own text may hold what was just taken out


def _open_embedded(data_dir: Path) -> "Catalog":
    from sqlalchemy import URL  # noqa: PLC0415 - see above

    root = data_dir.expanduser().absolute()
    try:
        (root / "warehouse").mkdir(parents=True, exist_ok=True)
        tempfile.TemporaryFile(dir=root).close()  # a mode says little for root and on read-only mounts
        uri = URL.create("sqlite", database=str(root / "catalog.db"), query={"timeout": str(_BUSY_SECONDS)})
        return _load(
            {
                "type": "sql",
                "uri": uri.render_as_string(hide_password=False),
                "warehouse": f"file://{root / 'warehouse'}",
                EMBEDDED: "true",
            }
        )
    except Exception as error:  # of the file system or of SQLite: one remedy
        reason = error.strerror if isinstance(error, OSError) and error.strerror else redacted(str(error))
        raise CatalogUnavailableError(
            f"The data directory {root} cannot hold the catalog; set ASANA_DATA_DIR to a writable directory ({reason})."
        ) from error


def _load(properties: Mapping[str, object]) -> "Catalog":
    from pyiceberg.catalog import load_catalog  # noqa: PLC0415 - see above

    for _ in range(_CREATE_ATTEMPTS):
        try:
            return load_catalog(CATALOG_NAME, **cast("dict[str, str | None]", dict(properties)))
        except Exception as error:  # the database's own, of any driver
            if "already exists" not in str(error):
                raise
            time.sleep(0.05)  # another process is creating the catalog's tables at this moment
    return load_catalog(CATALOG_NAME, **cast("dict[str, str | None]", dict(properties)))
