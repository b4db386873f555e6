"""Sync Asana into Apache Iceberg tables: fifteen endpoints as Dagster assets, each a table partitioned by workspace.

Three packages do not depend on Dagster: `asana` (API client and endpoint registry), `sync` (incremental extraction) and
`lake` (Iceberg). `snowflake` builds SQL. `defs` is the Dagster layer, `settings` parses the environment, `definitions`
is the composition root, and `cli` is the command line. `sandbox` imitates Asana and is imported by none of them.

The names in `__all__` are the API for other Dagster projects. They are imported at first use, so that importing this
package is fast.
"""

from importlib import import_module, metadata
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from asana_assets.defs.io_manager import IcebergIOManager
    from asana_assets.defs.resources import AsanaResource, LakeResource

    __version__: str

__all__ = [
    "AsanaResource",
    "IcebergIOManager",
    "LakeResource",
    "__version__",
]

_MODULES = {
    "AsanaResource": "resources",
    "IcebergIOManager": "io_manager",
    "LakeResource": "resources",
}


def __getattr__(name: str) -> object:
    if name == "__version__":
        return metadata.version("asana-assets")
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"asana_assets.defs.{_MODULES[name]}"), name)
