"""A warehouse whose tables are in a configured destination, for the tests of destinations."""

from dataclasses import dataclass, field
from functools import cached_property
from typing import Literal

from pyiceberg.catalog import Catalog
from pyiceberg.table import Table

from asana_assets.lake.catalog import open_catalog
from asana_assets.lake.table import load_table
from asana_assets_tests.support.sync_harness import Warehouse

HORIZON = {"ICEBERG_NAME_CASE": "upper", "ICEBERG_EXPIRE_SNAPSHOTS": "false"}
"""Settings that Snowflake's Horizon catalog needs besides those of PyIceberg."""


@dataclass
class DestinationWarehouse(Warehouse):
    """Reads tables in the name case of its settings."""

    name_case: Literal["lower", "upper"] = field(default="lower", kw_only=True)

    @cached_property
    def catalog(self) -> Catalog:
        """The catalog, opened once: a server accepts a limited number of connections."""
        return open_catalog(data_dir=self.data_dir, name_case=self.name_case)

    def iceberg_table(self, name: str) -> Table:
        table = load_table(self.catalog, "asana", name)
        assert table is not None, f"table {name} does not exist"
        return table

    @classmethod
    def from_warehouse(cls, warehouse: Warehouse, settings: dict[str, str]) -> "DestinationWarehouse":
        return cls(
            warehouse.asana,
            warehouse.data_dir,
            warehouse.instance,
            {**warehouse.settings, **settings},
            name_case="upper" if settings.get("ICEBERG_NAME_CASE") == "upper" else "lower",
        )
