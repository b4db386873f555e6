"""The IO manager loads stored rows for downstream assets of a host project."""

import re
from collections.abc import Iterator
from typing import Any

import dagster as dg
import duckdb
import polars as pl
import pyarrow as pa
import pytest

from asana_assets.sandbox import Sandbox
from asana_assets.sync.gids import to_gid_list
from asana_assets_tests.support.mutations import name_of, paid
from asana_assets_tests.support.sync_harness import Warehouse, failures

LOADED: list[Any] = []
BY_WORKSPACE = dg.DynamicPartitionsDefinition(name="asana_workspaces")
DAILY = dg.DailyPartitionsDefinition("2026-01-01")
SELECTED = {"columns": ["name", "gid"]}


def free(warehouse: Warehouse) -> str:
    return warehouse.asana.organization.edge_cases["free_organization"]


@pytest.fixture(scope="module")
def synced(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Warehouse]:
    """A warehouse with the workspaces, and with the projects of two of the three."""
    with Sandbox() as asana, dg.DagsterInstance.ephemeral() as instance, pytest.MonkeyPatch.context() as patch:
        patch.setenv("ASANA_ACCESS_TOKEN", asana.token)
        warehouse = Warehouse(asana, tmp_path_factory.mktemp("warehouse"), instance)
        assert warehouse.run("refresh_workspaces").success
        for gid in (paid(warehouse), free(warehouse)):
            assert warehouse.run("sync_workspace", gid, ["projects"]).success
        yield warehouse


def materialize(
    warehouse: Warehouse, asset: dg.AssetsDefinition, partition_key: str | None = None, *, also: tuple[str, ...] = ()
) -> dg.ExecuteInProcessResult:
    """Materialize an asset of a host project that has ours in its code location, and `also` some of ours."""
    host = dg.Definitions(
        assets=[asset],
        jobs=[dg.define_asset_job("downstream", selection=[*also, *(key.to_user_string() for key in asset.keys)])],
        resources={"mem_io_manager": dg.mem_io_manager},
    )
    job = dg.Definitions.merge(warehouse.definitions, host).resolve_job_def("downstream")
    return job.execute_in_process(instance=warehouse.instance, partition_key=partition_key, raise_on_error=False)


def downstream_of(
    upstream: str,
    *,
    partitions_def: dg.PartitionsDefinition[Any] | None = None,
    mapping: dg.PartitionMapping | None = None,
    metadata: dict[str, Any] | None = None,
) -> dg.AssetsDefinition:
    """Build an asset of a host project with one input, which it adds to `LOADED`."""

    @dg.asset(
        name="downstream",
        ins={"rows": dg.AssetIn(upstream.split("/"), metadata=metadata, partition_mapping=mapping)},
        partitions_def=partitions_def,
        io_manager_key="mem_io_manager",
    )
    def downstream(rows: Any) -> None:
        LOADED.append(rows)

    return downstream


def load(warehouse: Warehouse, asset: dg.AssetsDefinition, partition_key: str | None = None) -> Any:
    result = materialize(warehouse, asset, partition_key)
    assert result.success, failures(result)
    return LOADED.pop()


def all_workspaces(warehouse: Warehouse) -> set[str]:
    return {str(record["gid"]) for record in warehouse.asana.truth("workspaces")}


def workspaces_in(rows: pa.Table) -> set[str]:
    return set(to_gid_list(rows["workspace_gid"]))


def stored_names(warehouse: Warehouse, *workspaces: str) -> dict[str, str]:
    return {row["gid"]: row["name"] for gid in workspaces for row in warehouse.rows("projects", gid)}


# --- rows


def test_an_asset_by_workspace_loads_its_workspace(synced: Warehouse) -> None:
    asset = downstream_of("asana/projects", partitions_def=BY_WORKSPACE)
    assert workspaces_in(load(synced, asset, paid(synced))) == {paid(synced)}


@pytest.mark.parametrize("partitions_def", [None, DAILY, BY_WORKSPACE], ids=["none", "daily", "by workspace"])
def test_the_workspaces_are_loaded_whole_whatever_the_partitions_of_the_asset(
    synced: Warehouse, partitions_def: dg.PartitionsDefinition[Any] | None
) -> None:
    key = None if partitions_def is None else "2026-01-01" if partitions_def is DAILY else paid(synced)
    rows = load(synced, downstream_of("asana/workspaces", partitions_def=partitions_def), key)
    assert sorted(to_gid_list(rows["gid"])) == sorted(all_workspaces(synced))


@pytest.mark.parametrize("partitions_def", [None, DAILY], ids=["none", "daily"])
def test_an_asset_that_depends_on_all_partitions_loads_all_workspaces(
    synced: Warehouse, partitions_def: dg.PartitionsDefinition[Any] | None
) -> None:
    asset = downstream_of(
        "asana/projects",
        partitions_def=partitions_def,
        mapping=dg.AllPartitionMapping() if partitions_def else None,
        metadata={"allow_missing_partitions": True},
    )
    rows = load(synced, asset, "2026-01-01" if partitions_def else None)
    assert set(rows["gid"].to_pylist()) == stored_names(synced, paid(synced), free(synced)).keys()


def test_an_asset_with_a_partition_mapping_loads_exactly_the_mapped_workspaces(synced: Warehouse) -> None:
    mapping = dg.SpecificPartitionsPartitionMapping([free(synced)])
    assert workspaces_in(load(synced, downstream_of("asana/projects", mapping=mapping))) == {free(synced)}


def test_an_asset_of_the_same_run_is_loaded_after_it_was_materialized(
    synced: Warehouse, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ASANA_ACCESS_TOKEN", synced.asana.token)
    result = materialize(synced, downstream_of("asana/workspaces", metadata=SELECTED), also=("asana/workspaces",))
    assert result.success
    assert set(to_gid_list(LOADED.pop()["gid"])) == all_workspaces(synced)


def test_an_asset_with_another_key_is_loaded_by_the_endpoint_in_its_metadata(synced: Warehouse) -> None:
    metadata = {"asana/endpoint": "projects", "dagster/io_manager_key": "asana_io_manager"}
    renamed = dg.AssetSpec(["crm", "boards"], metadata=metadata, partitions_def=BY_WORKSPACE)
    asset = downstream_of("crm/boards", partitions_def=BY_WORKSPACE)
    host = dg.Definitions(assets=[renamed, asset], resources={**(synced.definitions.resources or {})})
    job = dg.Definitions.merge(host, dg.Definitions(resources={"mem_io_manager": dg.mem_io_manager}))
    result = job.resolve_implicit_global_asset_job_def().execute_in_process(
        instance=synced.instance, partition_key=paid(synced)
    )
    assert result.success
    assert workspaces_in(LOADED.pop()) == {paid(synced)}


def test_a_workspace_that_was_never_synced_is_not_left_out_silently(synced: Warehouse) -> None:
    [missing] = all_workspaces(synced) - {paid(synced), free(synced)}
    assert failures(materialize(synced, downstream_of("asana/projects"))) == {
        "downstream": f"projects of workspace {missing} was never synced: materialize projects first."
    }


def test_an_asset_that_was_never_materialized_is_named(synced: Warehouse) -> None:
    errors = failures(materialize(synced, downstream_of("asana/tags")))
    assert errors == {"downstream": "There is no table tags yet: materialize tags first."}


def test_without_a_registered_workspace_the_input_says_what_to_materialize(synced: Warehouse) -> None:
    with dg.DagsterInstance.ephemeral() as instance:
        unregistered = Warehouse(synced.asana, synced.data_dir, instance)
        errors = failures(materialize(unregistered, downstream_of("asana/projects")))
    assert errors == {
        "downstream": "The input rows depends on no partition of projects. If no workspace is registered yet, "
        "materialize workspaces first."
    }


# --- metadata of the input


def test_the_metadata_of_the_input_chooses_columns_in_this_order(synced: Warehouse) -> None:
    asset = downstream_of("asana/projects", partitions_def=BY_WORKSPACE, metadata=SELECTED)
    rows = load(synced, asset, paid(synced))
    assert rows.column_names == ["name", "gid"]
    assert dict(zip(rows["gid"].to_pylist(), rows["name"].to_pylist(), strict=True)) == stored_names(
        synced, paid(synced)
    )


def test_internal_columns_are_loaded_only_if_they_are_selected(synced: Warehouse) -> None:
    columns = {field.name for field in synced.table("workspaces").schema}
    assert set(load(synced, downstream_of("asana/workspaces")).column_names) == columns - {"_row_hash"}
    selected = downstream_of("asana/workspaces", metadata={"columns": ["_row_hash"]})
    assert load(synced, selected).column_names == ["_row_hash"]


def test_the_metadata_of_the_input_chooses_workspaces_by_gid_or_name(synced: Warehouse) -> None:
    for workspaces in ([free(synced)], [name_of(synced, free(synced)).upper()]):
        asset = downstream_of("asana/projects", metadata={"workspaces": workspaces})
        assert workspaces_in(load(synced, asset)) == {free(synced)}


@pytest.mark.parametrize(
    ("metadata", "message"),
    [
        ({"columns": ["gid", "naem"]}, r"The input rows selects the columns naem, which projects does not have\. .+"),
        ({"columns": []}, r"The input rows selects the columns \(none\), which projects does not have\. .+"),
        ({"columns": "gid"}, r"The metadata columns of the input rows is 'gid', but must be a list of names\."),
        ({"workspaces": ["9"]}, r"The input rows selects the workspaces 9, which are not stored\. Stored are .+ \(.+"),
        ({"workspaces": [9]}, r"The metadata workspaces of the input rows is \[9\], but must be a list of names\."),
    ],
)
def test_a_wrong_selection_is_explained_in_one_line(synced: Warehouse, metadata: dict[str, Any], message: str) -> None:
    [error] = failures(materialize(synced, downstream_of("asana/projects", metadata=metadata))).values()
    assert re.fullmatch(message, error), error


# --- types

INPUT = {"projects": dg.AssetIn(["asana", "projects"], metadata=SELECTED)}


@dg.asset(ins=INPUT, partitions_def=BY_WORKSPACE, io_manager_key="mem_io_manager")
def arrow_table(projects: pa.Table) -> None:
    LOADED.append(projects)


@dg.asset(ins=INPUT, partitions_def=BY_WORKSPACE, io_manager_key="mem_io_manager")
def arrow_batches(projects: pa.RecordBatchReader) -> None:
    LOADED.append(projects.read_all())


@dg.asset(ins=INPUT, partitions_def=BY_WORKSPACE, io_manager_key="mem_io_manager")
def polars_frame(projects: pl.DataFrame) -> None:
    LOADED.append(projects)


@dg.asset(ins=INPUT, partitions_def=BY_WORKSPACE, io_manager_key="mem_io_manager")
def polars_lazy_frame(projects: pl.LazyFrame) -> None:
    LOADED.append(projects.collect())


@dg.asset(ins=INPUT, partitions_def=BY_WORKSPACE, io_manager_key="mem_io_manager")
def duckdb_relation(projects: duckdb.DuckDBPyRelation) -> None:
    LOADED.append(projects.to_arrow_table())


@dg.asset(ins=INPUT, partitions_def=BY_WORKSPACE, io_manager_key="mem_io_manager")
def unknown_type(projects: pa.Schema) -> None:
    LOADED.append(projects)


@pytest.mark.parametrize(
    "asset", [arrow_table, arrow_batches, polars_frame, polars_lazy_frame, duckdb_relation], ids=str
)
def test_rows_are_loaded_as_the_type_that_the_input_is_annotated_with(
    synced: Warehouse, asset: dg.AssetsDefinition
) -> None:
    rows = load(synced, asset, paid(synced))
    table = rows if isinstance(rows, pa.Table) else rows.to_arrow()
    assert table.column_names == ["name", "gid"]
    assert dict(zip(table["gid"].to_pylist(), table["name"].to_pylist(), strict=True)) == stored_names(
        synced, paid(synced)
    )


def test_a_type_that_tables_cannot_be_loaded_as_is_explained(synced: Warehouse) -> None:
    [error] = failures(materialize(synced, unknown_type, paid(synced))).values()
    assert error == (
        "The input projects is annotated with pyarrow.Schema, but tables are loaded as pyarrow.Table, "
        "pyarrow.RecordBatchReader, polars.DataFrame, polars.LazyFrame, duckdb.DuckDBPyRelation."
    )


@dg.asset(
    ins={"projects": dg.AssetIn(["asana", "projects"])}, partitions_def=BY_WORKSPACE, io_manager_key="mem_io_manager"
)
def first_names(projects: pl.LazyFrame) -> None:
    archived = projects.filter(pl.col("archived")).select("gid", "workspace_gid")
    LOADED.append((archived.collect(), projects.select("name").head(2).collect()))


def test_a_query_of_a_lazy_frame_has_the_rows_and_columns_it_selects(synced: Warehouse) -> None:
    archived, first = load(synced, first_names, paid(synced))
    assert archived.columns == ["gid", "workspace_gid"]
    expected = {row["gid"] for row in synced.rows("projects", paid(synced)) if row["archived"]}
    assert expected
    assert set(archived["gid"]) == expected
    assert (first.columns, first.height) == (["name"], 2)
