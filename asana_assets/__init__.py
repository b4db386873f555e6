"""Sync Asana into Apache Iceberg tables: fifteen endpoints as Dagster assets, each a table partitioned by workspace.

Three packages do not depend on Dagster: `asana` (API client and endpoint registry), `sync` (incremental extraction) and
`lake` (Iceberg). `snowflake` builds SQL. `defs` is the Dagster layer, `settings` parses the environment, `definitions`
is the composition root, `components` builds the same from YAML, and `cli` is the command line. `sandbox` imitates Asana
and is imported by none of them.

The names in `__all__` are the API for other Dagster projects. They are imported at first use, so that importing this
package is fast.
"""

from importlib import import_module, metadata
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from asana_assets.components import AsanaComponent
    from asana_assets.defs.assets import OpOptions
    from asana_assets.defs.automation import Automation, build_run_failure_sensor
    from asana_assets.defs.builder import build_asana_assets, build_asana_defs
    from asana_assets.defs.io_manager import IcebergIOManager
    from asana_assets.defs.resources import AsanaResource, LakeResource
    from asana_assets.defs.translator import AsanaEndpointProps, AsanaTranslator

    __version__: str

__all__ = [
    "AsanaComponent",
    "AsanaEndpointProps",
    "AsanaResource",
    "AsanaTranslator",
    "Automation",
    "IcebergIOManager",
    "LakeResource",
    "OpOptions",
    "__version__",
    "build_asana_assets",
    "build_asana_defs",
    "build_run_failure_sensor",
]

_MODULES = {
    "AsanaComponent": "components",
    "AsanaEndpointProps": "defs.translator",
    "AsanaResource": "defs.resources",
    "AsanaTranslator": "defs.translator",
    "Automation": "defs.automation",
    "IcebergIOManager": "defs.io_manager",
    "LakeResource": "defs.resources",
    "OpOptions": "defs.assets",
    "build_asana_assets": "defs.builder",
    "build_asana_defs": "defs.builder",
    "build_run_failure_sensor": "defs.automation",
}


def __getattr__(name: str) -> object:
    if name == "__version__":
        return metadata.version("asana-assets")
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"asana_assets.{_MODULES[name]}"), name)


def __dir__() -> list[str]:
    """Return the API, too: `dg` finds components by listing the names of a module."""
    return sorted({*globals(), *__all__})
