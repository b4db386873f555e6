"""A host project, scaffolded with Dagster's tools, with three accounts: two in YAML and one in Python."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import dagster as dg
import pytest
import yaml

from asana_assets.sandbox import Sandbox
from asana_assets_tests.support.host_project import HostProject, scaffold_project
from asana_assets_tests.support.sync_harness import Warehouse

_OWN_DEFINITIONS = """
import dagster as dg


@dg.asset
def users(number: dg.ResourceParam[int]) -> int:
    return number


@dg.asset(partitions_def=dg.DailyPartitionsDefinition("2026-01-01"))
def daily() -> None: ...


@dg.sensor(target=[users])
def asana() -> None: ...


defs = dg.Definitions(
    assets=[users, daily],
    sensors=[asana],
    resources={"number": 1, "asana": "ours", "lake": "ours"},
    executor=dg.multiprocess_executor.configured({"max_concurrent": 2}),
)
"""
_THIRD_ACCOUNT = """
import dagster as dg

from asana_assets import AsanaResource, LakeResource, build_asana_defs

defs = build_asana_defs(
    name="third",
    asana=AsanaResource(
        access_token=dg.EnvVar("FIRST_ACCESS_TOKEN"), base_url="BASE_URL", requests_per_second=1000.0
    ),
    lake=LakeResource(data_dir="DATA_DIR", namespace="third"),
)
"""
_SYNC = """
import sys

import dagster as dg

from host.definitions import defs

quiet = {"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}}
definitions, instance = defs(), dg.DagsterInstance.get()
for name in sys.argv[1:]:
    for gid in instance.get_dynamic_partitions(f"{name}_workspaces"):
        job = definitions.resolve_job_def(f"{name}_sync_workspace")
        assets = [key for key in job.asset_layer.executable_asset_keys if key.path[-1] != "workspaces"]
        job.execute_in_process(quiet, instance=instance, partition_key=gid, asset_selection=assets)
"""


def account(name: str, asana: Sandbox, data_dir: Path) -> dict[str, Any]:
    """Return the YAML document of an account."""
    variable = f"{name.upper()}_ACCESS_TOKEN"
    return {
        "type": "asana_assets.AsanaComponent",
        "attributes": {
            "name": name,
            "asana": {"access_token": {"env": variable}, "base_url": asana.url, "requests_per_second": 1000},
            "lake": {"data_dir": str(data_dir), "namespace": name},
        },
        "requirements": {"env": [variable]},
    }


@pytest.fixture
def accounts() -> Iterator[Mapping[str, Sandbox]]:
    with Sandbox(seed=1) as first, Sandbox(seed=2) as second:
        yield {"first": first, "second": second, "third": first}


@pytest.fixture
def host(accounts: Mapping[str, Sandbox], tmp_path: Path) -> HostProject:
    """The project, with its own definitions and all accounts."""
    variables = {f"{name.upper()}_ACCESS_TOKEN": asana.token for name, asana in accounts.items()}
    project = scaffold_project(tmp_path, **variables)
    project.run("dg", "scaffold", "defs", "asana_assets.AsanaComponent", "acme")
    scaffolded = project.defs / "acme" / "defs.yaml"
    assert yaml.safe_load(scaffolded.read_text())["requirements"] == {"env": ["ACME_ACCESS_TOKEN"]}
    project.run("dg", "check", "yaml", "--no-validate-requirements")
    documents = [account(name, accounts[name], tmp_path / "lake") for name in ("first", "second")]
    scaffolded.write_text(yaml.safe_dump_all(documents))
    third = _THIRD_ACCOUNT.replace("BASE_URL", accounts["third"].url).replace("DATA_DIR", str(tmp_path / "lake"))
    (project.defs / "third.py").write_text(third)
    (project.defs / "own.py").write_text(_OWN_DEFINITIONS)
    return project


@pytest.mark.slow
def test_a_host_syncs_three_accounts_beside_its_own_assets(
    host: HostProject, accounts: Mapping[str, Sandbox], tmp_path: Path
) -> None:
    host.run("dg", "check", "yaml")
    host.run("dg", "check", "defs")
    assert "asana_assets.AsanaComponent" in host.run("dg", "list", "components", "--json")
    assert "FIRST_ACCESS_TOKEN" in host.run("dg", "list", "envs")
    listed = host.run("dg", "list", "defs", "--json")
    assert all(f'"{key}"' in listed for key in ("users", "daily", "first/users", "second/users", "third/users"))

    host.run("dg", "launch", "--assets", "users")
    host.run("dg", "launch", "--assets", "daily", "--partition", "2026-01-02")
    for name in accounts:
        host.run("dg", "launch", "--job", f"{name}_refresh_workspaces")
    (host.root / "sync.py").write_text(_SYNC)
    host.run("python", "sync.py", *accounts)

    for name, asana in accounts.items():
        with dg.DagsterInstance.ephemeral() as instance:
            Warehouse(asana, tmp_path / "lake", instance, namespace=name).assert_matches_asana()
