"""A namespace remembers whose it is: another account or integration is refused before anything is written."""

from pathlib import Path

import dagster as dg
import pytest
from pyiceberg.catalog import Catalog

from asana_assets import AsanaResource, LakeResource, build_asana_defs
from asana_assets.lake.catalog import open_catalog
from asana_assets_tests.defs.test_workspaces_asset import EMPTY, refreshed, without
from asana_assets_tests.support.mutations import paid
from asana_assets_tests.support.plan_command import invoke
from asana_assets_tests.support.sync_harness import MakeWarehouse, Warehouse, failures


def heads(data_dir: Path) -> dict[str, str]:
    """Return the location of each table's metadata, which any commit changes."""
    catalog = open_catalog(data_dir=data_dir)
    return {".".join(name): catalog.load_table(name).metadata_location for name in catalog.list_tables("asana")}


def run_as(name: str, warehouse: Warehouse, gid: str | None = None, *assets: str) -> dg.ExecuteInProcessResult:
    """Run as an integration of this name in the namespace `asana`: `refresh_workspaces`, or assets of a workspace."""
    asana = AsanaResource(access_token=warehouse.asana.token, base_url=warehouse.asana.url, requests_per_second=1000.0)
    definitions = build_asana_defs(name=name, asana=asana, lake=LakeResource(data_dir=str(warehouse.data_dir)))
    warehouse.instance.add_dynamic_partitions(f"{name}_workspaces", [gid] if gid else [])
    return definitions.resolve_job_def(
        f"{name}_{'sync_workspace' if gid else 'refresh_workspaces'}"
    ).execute_in_process(
        {"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}},
        instance=warehouse.instance,
        partition_key=gid,
        asset_selection=[dg.AssetKey([name, asset]) for asset in assets] or None,
        raise_on_error=False,
    )


def message_of(result: dg.ExecuteInProcessResult) -> str:
    [message] = failures(result).values()
    return message


@pytest.mark.slow
def test_the_token_of_another_account_is_refused_and_both_are_named(make_warehouse: MakeWarehouse) -> None:
    warehouse, gids = refreshed(make_warehouse)
    other = make_warehouse(seed=2)  # in the same directory
    names = [str(one.asana.truth("workspaces")[0]["name"]) for one in (warehouse, other)]
    before = heads(warehouse.data_dir)
    message = message_of(other.run("refresh_workspaces"))
    assert "he namespace asana has other workspaces (" in message
    assert "ICEBERG_NAMESPACE" in message
    assert all(name in message for name in names)
    gid = str(other.asana.truth("workspaces")[0]["gid"])
    other.instance.add_dynamic_partitions("asana_workspaces", [gid])  # by the sensor
    assert not other.run("sync_workspace", gid).success
    assert heads(warehouse.data_dir) == before
    assert {row["gid"] for row in warehouse.rows("workspaces")} == set(gids)


def test_a_token_without_any_workspace_is_refused(make_warehouse: MakeWarehouse) -> None:
    warehouse, gids = refreshed(make_warehouse)
    warehouse.asana.add_fault("/workspaces", 200, times=2, body=EMPTY)
    assert " sees (none): give each account" in message_of(warehouse.run("refresh_workspaces"))
    assert list(warehouse.instance.get_dynamic_partitions("asana_workspaces")) == gids


@pytest.mark.slow
def test_a_namespace_can_be_handed_over_to_another_account(make_warehouse: MakeWarehouse) -> None:
    refreshed(make_warehouse)
    other = make_warehouse(seed=2)
    gid = str(other.asana.truth("workspaces")[0]["gid"])
    sync = ("sync", "--select", "tags", "--workspace", gid)
    assert "has other workspaces (" in invoke(other, *sync).stderr
    assert invoke(other, *sync, "--accept-row-count-drop").exit_code == 0
    assert {row["gid"] for row in other.rows("workspaces")} == {
        str(row["gid"]) for row in other.asana.truth("workspaces")
    }


@pytest.mark.slow
@pytest.mark.parametrize("seen", ["fewer", "more"])
def test_a_token_that_sees_some_of_the_workspaces_is_accepted(make_warehouse: MakeWarehouse, seen: str) -> None:
    warehouse = make_warehouse()
    gids = [str(record["gid"]) for record in warehouse.asana.truth("workspaces")]
    some = without(warehouse, *gids[1:])
    if seen == "more":
        warehouse.asana.add_fault("/workspaces", 200, times=2, body=some)
        assert warehouse.run("refresh_workspaces").success
        assert warehouse.run("refresh_workspaces").success
    assert warehouse.run("refresh_workspaces").success
    if seen == "fewer":
        warehouse.asana.add_fault("/workspaces", 200, times=2, body=some)
        assert warehouse.run("refresh_workspaces").success
    assert {row["gid"] for row in warehouse.rows("workspaces")} == set(gids[:1] if seen == "fewer" else gids)


@pytest.mark.slow
@pytest.mark.parametrize("asset", ["workspaces", "tags"])
def test_another_integration_is_refused_in_every_table(make_warehouse: MakeWarehouse, asset: str) -> None:
    warehouse, _ = refreshed(make_warehouse)
    gid = paid(warehouse)
    assert warehouse.run("sync_workspace", gid, ["tags"]).success
    before = heads(warehouse.data_dir)
    result = run_as("acme", warehouse, gid, asset) if asset == "tags" else run_as("acme", warehouse)
    assert message_of(result).startswith(asset)
    assert "Namespace asana belongs to the integration 'asana', so 'acme' must not write its table" in str(
        failures(result)
    )
    assert heads(warehouse.data_dir) == before


@pytest.mark.slow
def test_an_integration_may_be_renamed_and_tables_of_an_earlier_release_belong_to_whoever_writes_them(
    make_warehouse: MakeWarehouse,
) -> None:
    warehouse, _ = refreshed(make_warehouse)
    disown(open_catalog(data_dir=warehouse.data_dir))
    assert run_as("acme", warehouse).success
    assert "belongs to the integration 'acme'" in message_of(warehouse.run("refresh_workspaces"))


def disown(catalog: Catalog) -> None:
    """Do what docs/embedding.md says about a new name."""
    for table in map(catalog.load_table, catalog.list_tables("asana")):
        if "asana_assets.integration" in table.properties:
            table.transaction().remove_properties("asana_assets.integration").commit_transaction()
