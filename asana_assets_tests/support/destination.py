"""A destination: the settings that choose it, and a warehouse that reads back what landed there."""

from dataclasses import dataclass, field
from typing import Literal

from pyiceberg.table import Table

from asana_assets.lake.catalog import open_catalog
from asana_assets.lake.table import load_table
from asana_assets_tests.support.sync_harness import Warehouse

HORIZON = {"ICEBERG_NAME_CASE": "upper", "ICEBERG_EXPIRE_SNAPSHOTS": "false"}


@dataclass
class Landed(Warehouse):
    """Reads tables in the case that its settings name."""

    name_case: Literal["lower", "upper"] = field(default="lower", kw_only=True)

    def iceberg(self, name: str) -> Table:
        table = load_table(open_catalog(data_dir=self.data_dir, name_case=self.name_case), "asana", name)
        assert table is not None, f"there is no table {name}"
        return table

    @classmethod
    def of(cls, warehouse: Warehouse, settings: dict[str, str]) -> "Landed":
        return cls(
            warehouse.asana,
            warehouse.data_dir,
            warehouse.instance,
            {**warehouse.settings, **settings},
            name_case="upper" if settings.get("ICEBERG_NAME_CASE") == "upper" else "lower",
        )
