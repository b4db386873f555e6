"""The metadata with which the definitions describe their tables to Dagster."""

from pathlib import Path

import dagster as dg
import pytest

from asana_assets.asana.endpoints import STANDARD_ENDPOINTS
from asana_assets.asana.model import Endpoint
from asana_assets.definitions import defs
from asana_assets.defs.builder import build_asana_assets
from asana_assets.defs.resources import AsanaResource, LakeResource
from asana_assets.defs.translator import AsanaEndpointProps, AsanaTranslator
from asana_assets_tests.support.sync_harness import MakeWarehouse, metadata

SPECS = {spec.key.path[-1]: spec for spec in defs.resolve_all_asset_specs()}


@pytest.mark.parametrize("name_case", ["lower", "upper"])
def test_the_table_name_of_an_asset_is_that_of_its_materializations(
    make_warehouse: MakeWarehouse, name_case: str
) -> None:
    warehouse = make_warehouse({"ICEBERG_NAME_CASE": name_case, "ICEBERG_NAMESPACE": "crm"})
    [spec] = [one for one in warehouse.definitions.resolve_all_asset_specs() if one.key.path[-1] == "workspaces"]
    materialized = metadata(warehouse.run("refresh_workspaces"), "workspaces")["dagster/table_name"]
    assert spec.metadata["dagster/table_name"] == materialized
    assert spec.metadata["dagster/storage_kind"] == "iceberg"


def test_the_partitions_of_an_asset_are_the_values_of_a_column() -> None:
    expressions = {name: spec.metadata.get("partition_expr") for name, spec in SPECS.items()}
    assert expressions == {
        endpoint.name: "workspace_gid" if endpoint.upstream else None for endpoint in STANDARD_ENDPOINTS
    }


def test_a_namespace_that_is_known_only_at_run_time_is_left_out() -> None:
    lake = LakeResource(namespace=dg.EnvVar("UNSET_NAMESPACE"))
    described = build_asana_assets(asana=AsanaResource(access_token=dg.EnvVar("UNSET_TOKEN")), lake=lake)
    specs = [spec for asset in described for spec in asset.specs]
    assert {spec.metadata["dagster/storage_kind"] for spec in specs} == {"iceberg"}
    assert not [spec for spec in specs if "dagster/table_name" in spec.metadata]


def test_the_metadata_of_a_translator_comes_first() -> None:
    class Translator(AsanaTranslator):
        def get_asset_spec(self, props: AsanaEndpointProps) -> dg.AssetSpec:
            return super().get_asset_spec(props).merge_attributes(metadata={"dagster/table_name": "prod.crm.x"})

    asana, lake = AsanaResource(access_token=dg.EnvVar("UNSET_TOKEN")), LakeResource()
    described = build_asana_assets(asana=asana, lake=lake, translator=Translator())
    assert {spec.metadata["dagster/table_name"] for asset in described for spec in asset.specs} == {"prod.crm.x"}


@pytest.mark.parametrize("endpoint", STANDARD_ENDPOINTS, ids=lambda endpoint: endpoint.name)
def test_the_code_of_an_asset_is_the_definition_of_its_endpoint(endpoint: Endpoint) -> None:
    [reference] = SPECS[endpoint.name].metadata["dagster/code_references"].code_references
    line = Path(reference.file_path).read_text().splitlines()[reference.line_number - 1]
    assert line == f"{endpoint.name.upper()} = Endpoint("
