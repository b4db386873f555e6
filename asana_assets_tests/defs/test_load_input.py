"""The IO manager loads stored rows for downstream assets of a host project."""

import dagster as dg
import pyarrow as pa

from asana_assets_tests.support.mutations import paid
from asana_assets_tests.support.sync_harness import MakeWarehouse, Warehouse, failures

LOADED: list[pa.Table] = []


@dg.asset(
    ins={"projects": dg.AssetIn(key=["asana", "projects"], metadata={"columns": ["gid", "name"]})},
    partitions_def=dg.DynamicPartitionsDefinition(name="asana_workspaces"),
    io_manager_key="mem_io_manager",
)
def project_names(projects: pa.Table) -> None:
    LOADED.append(projects)


def materialize_project_names(warehouse: Warehouse) -> dg.ExecuteInProcessResult:
    host = dg.Definitions(
        assets=[project_names],
        jobs=[dg.define_asset_job("names", selection=[project_names])],
        resources={"mem_io_manager": dg.mem_io_manager},
    )
    job = dg.Definitions.merge(warehouse.definitions, host).resolve_job_def("names")
    return job.execute_in_process(instance=warehouse.instance, partition_key=paid(warehouse), raise_on_error=False)


def test_a_downstream_asset_receives_the_columns_it_names_of_its_workspace(make_warehouse: MakeWarehouse) -> None:
    warehouse = make_warehouse()
    assert warehouse.run("refresh_workspaces").success
    for gid in (paid(warehouse), warehouse.asana.organization.edge_cases["free_organization"]):
        assert warehouse.run("sync_workspace", gid, ["projects"]).success
    assert materialize_project_names(warehouse).success
    stored = {row["gid"]: row["name"] for row in warehouse.rows("projects", paid(warehouse))}
    assert LOADED.pop().sort_by("gid").to_pylist() == [
        {"gid": gid, "name": name} for gid, name in sorted(stored.items())
    ]


def test_a_downstream_asset_of_one_never_materialized_names_what_to_materialize(make_warehouse: MakeWarehouse) -> None:
    warehouse = make_warehouse()
    assert warehouse.run("refresh_workspaces").success
    errors = failures(materialize_project_names(warehouse))
    assert errors == {"project_names": "There is no table projects yet: materialize projects first."}
