"""The harness of whole-sync tests: sync a sandbox into a data directory, read tables back, compare them with Asana.

Expected rows are derived from the stored column names and types by the naming rules in the README, not from the
endpoint registry: a mistake there must not confirm itself.
"""

import datetime as dt
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeAlias

import dagster as dg
import pyarrow as pa
import pytest
from pyiceberg.table import Table

from asana_assets.definitions import build_asana_resource, build_definitions
from asana_assets.defs.names import REFRESH_WORKSPACES, SYNC_WORKSPACE, Names
from asana_assets.lake.catalog import open_catalog
from asana_assets.lake.table import load_table, scan
from asana_assets.sandbox import STANDARD, Sandbox
from asana_assets.settings import Settings

_ADDED_COLUMNS = {"workspace_gid", "_synced_at", "_unmapped", "_row_hash"}  # not in Asana's records
_FIELD_BY_COLUMN = {  # exceptions to the naming rules
    "category_gids": "categories",
    "dependency_gids": "dependencies",
    "people_gids": "people_value",
    "reference_gids": "reference_value",
    "old_people_gids": "old_people_value",
    "new_people_gids": "new_people_value",
}

NAMES = Names()
"""The names of the definitions of our own code location."""

Row = dict[str, Any]
MakeWarehouse: TypeAlias = "Callable[..., Warehouse]"


def expected_row(record: Row, schema: pa.Schema | pa.StructType) -> Row:
    """Return the row expected for a record from Asana."""
    return {column.name: _expected_value(record, column) for column in schema if column.name not in _ADDED_COLUMNS}


def _expected_value(record: Row, column: "pa.Field[Any]") -> object:
    name = column.name
    if name == "parent_gid" and "parent" not in record:
        return _gid(record.get("target"))  # a story's task
    if name.endswith("_gid") and name not in record:
        return _gid(record.get(name.removesuffix("_gid")))
    if name.endswith("_gids"):
        items = record.get(_FIELD_BY_COLUMN.get(name, f"{name.removesuffix('_gids')}s"))
        return None if items is None else [_gid(item) for item in items]
    return _typed(record.get(name), column.type)


def _gid(value: Any) -> object:
    return value["gid"] if isinstance(value, dict) else value


def _typed(value: Any, arrow_type: Any) -> object:
    if value is None:
        return None
    if pa.types.is_list(arrow_type):
        return [_typed(item, arrow_type.value_type) for item in value]
    if pa.types.is_struct(arrow_type):
        return expected_row(value, arrow_type)
    if pa.types.is_timestamp(arrow_type):
        return dt.datetime.fromisoformat(value)
    if pa.types.is_date(arrow_type):
        return dt.date.fromisoformat(value)
    return value


def settings_from(environment: Mapping[str, str]) -> Settings:
    """Return the settings as they are when only these variables are set; Dagster reads secrets later, by name."""
    with pytest.MonkeyPatch.context() as patch:
        for name in Settings.model_fields:
            patch.delenv(name.upper(), raising=False)
        for name, value in environment.items():
            patch.setenv(name, value)
        return Settings()


@dataclass
class Warehouse:
    """One data directory and one Dagster instance, synced from one sandbox.

    Attributes:
        asana: The sandbox.
        data_dir: Directory of the tables and the rate-limit store.
        instance: Dagster instance in which the jobs run.
        settings: Environment variables that override those of the harness.
        asana_fields: Fields of the `AsanaResource` that override those built from the settings.
        prefetch: Whether assets are prefetched.
        namespace: The namespace in which tables are read.
        endpoints: The names of the endpoints that are synced, upstream ones included.
    """

    asana: Sandbox
    data_dir: Path
    instance: dg.DagsterInstance
    settings: dict[str, str] = field(default_factory=dict[str, str])
    asana_fields: dict[str, object] = field(default_factory=dict[str, object])
    prefetch: bool = True
    namespace: str = "asana"
    endpoints: Sequence[str] = STANDARD

    @property
    def environment(self) -> dict[str, str]:
        return {
            "ASANA_BASE_URL": self.asana.url,
            "ASANA_ACCESS_TOKEN": self.asana.token,
            "ASANA_REQUESTS_PER_SECOND": "1000",
            "ASANA_DATA_DIR": str(self.data_dir),
            "ASANA_PACER_URL": f"sqlite:///{self.data_dir}/pace.db",
            "ASANA_ENDPOINTS": ",".join(self.endpoints),
            **self.settings,
        }

    @property
    def definitions(self) -> dg.Definitions:
        settings = settings_from(self.environment)
        asana = build_asana_resource(settings, **self.asana_fields)
        return build_definitions(settings, asana=asana, prefetch=self.prefetch)

    def run(
        self, job: str, workspace_gid: str | None = None, assets: Sequence[str] = (), **config: object
    ) -> dg.ExecuteInProcessResult:
        """Run a job in this process and return its result, even if it failed; `config` applies to each of `assets`.

        Without `assets`, the whole job runs; of `sync_workspace`, all but the list of workspaces.
        """
        if job == SYNC_WORKSPACE:
            assets = assets or [name for name in self.endpoints if name != "workspaces"]
        return self.definitions.resolve_job_def(NAMES.of(job)).execute_in_process(
            {
                "loggers": {"console": {"config": {"log_level": "CRITICAL"}}},
                "ops": {NAMES.op(name): {"config": config} for name in assets if config},
            },
            instance=self.instance,
            partition_key=workspace_gid,
            asset_selection=[NAMES.asset_key(name) for name in assets] or None,
            raise_on_error=False,
        )

    def sync(self) -> None:
        """Sync all workspaces and assert that every run succeeds."""
        result = self.run(REFRESH_WORKSPACES)
        assert result.success, failures(result)
        for gid in self.instance.get_dynamic_partitions("asana_workspaces"):
            result = self.run(SYNC_WORKSPACE, gid)
            assert result.success, failures(result)

    def iceberg_table(self, name: str) -> Table:
        table = load_table(open_catalog(data_dir=self.data_dir), self.namespace, name)
        assert table is not None, f"table {name} does not exist"
        return table

    def drop_table(self, name: str) -> None:
        open_catalog(data_dir=self.data_dir).drop_table(("asana", name))

    def table(self, name: str) -> pa.Table:
        """Return all rows of a table, over all workspaces."""
        return scan(self.iceberg_table(name))

    def rows(self, name: str, workspace_gid: str | None = None) -> list[Row]:
        rows = self.table(name).to_pylist()
        return [row for row in rows if workspace_gid in {None, row["workspace_gid"]}]

    def assert_matches_asana(self, *workspace_gids: str) -> None:
        """Assert that every table has exactly the sandbox's records, each once and equal in every field.

        Args:
            workspace_gids: Workspaces to compare. Default: all of them, and no table may have rows of any other.
        """
        workspaces = workspace_gids or [str(record["gid"]) for record in self.asana.truth("workspaces")]
        for name in self.endpoints:
            table = self.table(name)
            for workspace_gid in workspaces:
                records = self.asana.truth(name, workspace_gid, self.endpoints)
                rows = [row for row in table.to_pylist() if row["workspace_gid"] == workspace_gid]
                assert_rows_match(name, rows, [expected_row(record, table.schema) for record in records])
            assert workspace_gids or set(table["workspace_gid"].to_pylist()) <= set(workspaces), name


def assert_rows_match(name: str, rows: list[Row], expected_rows: list[Row]) -> None:
    """Assert that the rows of a table are the expected ones, each once and equal in every field."""
    gids = [str(row["gid"]) for row in rows]
    assert sorted(gids) == sorted(str(row["gid"]) for row in expected_rows), name
    by_gid = {str(row["gid"]): row for row in rows}
    for expected in expected_rows:
        row = by_gid[str(expected["gid"])]
        assert row["_unmapped"] is None, (name, row)
        for column, value in expected.items():
            assert row[column] == value, (name, row["gid"], column, row[column], value)


def failed_checks(result: dg.ExecuteInProcessResult) -> dict[tuple[str, str], str]:
    """Return the descriptions of the checks that did not pass, by asset and check name."""
    return {
        (evaluation.asset_key.path[-1], evaluation.check_name): str(evaluation.description)
        for evaluation in result.get_asset_check_evaluations()
        if not evaluation.passed
    }


def metadata(result: dg.ExecuteInProcessResult, name: str) -> dict[str, Any]:
    """Return the metadata of an asset's only materialization in the run."""
    [event] = [
        event for event in result.get_asset_materialization_events() if event.materialization.asset_key.path[-1] == name
    ]
    return {key: entry.value for key, entry in event.materialization.metadata.items()}


def failures(result: dg.ExecuteInProcessResult | dg.JobExecutionResult) -> dict[str, str]:
    """Return the error message that Dagster shows for each failed step, by endpoint."""
    return {
        NAMES.endpoint(str(event.step_key)): (
            (event.step_failure_data.user_failure_data and event.step_failure_data.user_failure_data.description)
            or event.step_failure_data.error_display_string
        )
        for event in result.filter_events(lambda event: event.is_step_failure)
    }
