"""Snowflake's part in the Dagster definitions on route `tables`: refresh after commits and checks of row counts.

The connection to Snowflake is `asana_assets.snowflake.refresh`.
"""

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

import dagster as dg
from pydantic import PrivateAttr

from asana_assets.asana.model import Endpoint
from asana_assets.defs.io_manager import IcebergIOManager
from asana_assets.defs.names import LAKE, SNOWFLAKE, Names
from asana_assets.defs.resources import LakeResource
from asana_assets.lake.errors import LakeError
from asana_assets.lake.lake import CHANGES_TABLE
from asana_assets.snowflake.refresh import SnowflakeError, SnowflakeIcebergTables

if TYPE_CHECKING:
    from pyiceberg.table import Table


class SnowflakeRefreshingIOManager(IcebergIOManager):
    """IO manager that refreshes the Snowflake table after the last commit of a materialization.

    The table is not refreshed if the asset's last materialization, of whatever workspace, refreshed it to the same
    version of the Iceberg table. A materialization whose refresh failed is none. After it, the table `changes` is
    refreshed, if this process has not refreshed it to the same version.
    """

    snowflake: dg.ResourceDependency[SnowflakeIcebergTables]

    _refreshed_changes: str | None = PrivateAttr(default=None)

    def after_commit(self, context: dg.OutputContext, endpoint: Endpoint, table: "Table") -> Mapping[str, Any]:
        name = endpoint.name
        current = {
            "snowflake_table": self.snowflake.tables.qualified_name(name),
            "snowflake_metadata_location": table.metadata_location,
        }
        instance = self.get_resource_context().instance
        event = instance and instance.get_latest_materialization_event(context.asset_key)
        last = event.asset_materialization.metadata if event and event.asset_materialization else {}
        if all(key in last and last[key].value == value for key, value in current.items()):
            return current
        refreshed = self.snowflake.refresh(name)
        self._refresh_changes()
        return {**refreshed, **current}

    def _refresh_changes(self) -> None:
        changes = self.lake.table(CHANGES_TABLE)  # not changed without another table
        if changes is not None and changes.metadata_location != self._refreshed_changes:
            self.snowflake.refresh(CHANGES_TABLE)
            self._refreshed_changes = changes.metadata_location


def build_row_count_checks(names: Names, endpoints: Iterable[Endpoint]) -> list[dg.AssetChecksDefinition]:
    """Build one check per asset that compares its row counts in Snowflake and Iceberg."""
    return [_build_row_count_check(names, endpoint) for endpoint in endpoints]


def _build_row_count_check(names: Names, endpoint: Endpoint) -> dg.AssetChecksDefinition:
    @dg.asset_check(
        name="snowflake_row_count",
        asset=names.asset_key(endpoint.name),
        description="Snowflake and the Iceberg table have the same number of rows, over all workspaces.",
        required_resource_keys={names.of(LAKE), names.of(SNOWFLAKE)},
    )
    def check(context: dg.AssetCheckExecutionContext) -> dg.AssetCheckResult:
        lake, snowflake = (getattr(context.resources, names.of(resource)) for resource in (LAKE, SNOWFLAKE))
        return compare_row_counts(endpoint.name, lake, snowflake)

    return check


def compare_row_counts(table: str, lake: LakeResource, snowflake: SnowflakeIcebergTables) -> dg.AssetCheckResult:
    """Count a table's rows in Iceberg and in Snowflake; warn if the counts differ or are not available."""
    try:
        iceberg_table = lake.table(table)
        iceberg_rows = 0 if iceberg_table is None else lake.iceberg.count(iceberg_table)
        snowflake_rows = snowflake.count_rows(table)
    except (LakeError, SnowflakeError) as error:
        return _check_result(f"The rows could not be counted: {str(error).rstrip('.')}.", {})
    difference = f"Snowflake sees {snowflake_rows:,} rows, the Iceberg table has {iceberg_rows:,}."
    return _check_result(
        None if snowflake_rows == iceberg_rows else difference,
        {"iceberg_row_count": iceberg_rows, "snowflake_row_count": snowflake_rows},
    )


def _check_result(problem: str | None, metadata: Mapping[str, int]) -> dg.AssetCheckResult:
    return dg.AssetCheckResult(
        passed=problem is None, severity=dg.AssetCheckSeverity.WARN, description=problem, metadata=metadata
    )
