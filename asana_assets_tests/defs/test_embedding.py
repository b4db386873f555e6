"""The library in a host's code location: nothing of the host is selected, replaced or limited, and keys are its own."""

import subprocess
import sys
from datetime import UTC, datetime
from types import ModuleType
from typing import Any, cast

import dagster as dg
import pyarrow as pa
import pytest

from asana_assets import (
    AsanaEndpointProps,
    AsanaResource,
    AsanaTranslator,
    Automation,
    LakeResource,
    OpOptions,
    build_asana_assets,
    build_asana_defs,
)
from asana_assets.asana.endpoints import SECTIONS
from asana_assets.asana.errors import ConfigurationError
from asana_assets.defs.checks import checks_of
from asana_assets_tests.support.mutations import paid
from asana_assets_tests.support.sync_harness import MakeWarehouse, Warehouse

QUIET = {"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}}
ASANA = AsanaResource()
LAKE = LakeResource()


class RawTranslator(AsanaTranslator):
    """Reverses the keys, so that no key ends with the name of its table."""

    def get_asset_spec(self, props: AsanaEndpointProps) -> dg.AssetSpec:
        spec = super().get_asset_spec(props)
        key = [props.endpoint.name, "of", props.name]
        return spec.replace_attributes(key=key, owners=["team:host"], group_name="raw", deps=["a_file_of_the_host"])


def build_resources(warehouse: Warehouse, name: str = "acme") -> dict[str, Any]:
    """Return the arguments `asana` and `lake` of an integration with a namespace of its own."""
    asana = AsanaResource(access_token=warehouse.asana.token, base_url=warehouse.asana.url, requests_per_second=1000.0)
    return {"asana": asana, "lake": LakeResource(data_dir=str(warehouse.data_dir), namespace=name)}


def run(
    definitions: dg.Definitions,
    job: str,
    instance: dg.DagsterInstance,
    partition_key: str | None = None,
    **options: Any,
) -> dg.ExecuteInProcessResult:
    return definitions.resolve_job_def(job).execute_in_process(
        QUIET | options.pop("run_config", {}), instance=instance, partition_key=partition_key, **options
    )


def requested(
    definitions: dg.Definitions, schedule: str, instance: dg.DagsterInstance
) -> list[tuple[str | None, set[str]]]:
    """Return the partition and the assets of each run that a tick of the schedule requests."""
    now = datetime(2026, 1, 2, 3, tzinfo=UTC)
    repository = definitions.get_repository_def()
    with dg.build_schedule_context(
        instance=instance, scheduled_execution_time=now, repository_def=repository
    ) as context:
        requests = definitions.resolve_schedule_def(schedule).evaluate_tick(context).run_requests or []
    return [(one.partition_key, {key.to_user_string() for key in one.asset_selection or ()}) for one in requests]


@pytest.mark.slow
def test_two_integrations_on_one_instance_have_partitions_and_requests_of_their_own(
    make_warehouse: MakeWarehouse,
) -> None:
    warehouses = {"first": make_warehouse(seed=1), "second": make_warehouse(seed=2)}
    definitions = {name: build_asana_defs(name=name, **build_resources(one, name)) for name, one in warehouses.items()}
    gids = {name: {str(row["gid"]) for row in one.asana.truth("workspaces")} for name, one in warehouses.items()}
    assert gids["first"].isdisjoint(gids["second"])
    with dg.instance_for_test() as instance:
        for name in ("first", "second", "first"):
            assert run(definitions[name], f"{name}_refresh_workspaces", instance).success
        for name, one in definitions.items():
            assert set(instance.get_dynamic_partitions(f"{name}_workspaces")) == gids[name]
            [refresh, *syncs] = requested(one, f"{name}_daily", instance)
            assert refresh == (None, {f"{name}/workspaces"})
            assert {partition for partition, _ in syncs} == gids[name]


@pytest.fixture
def host() -> dg.Definitions:
    """A host with definitions that are called like ours, and an automation condition."""

    @dg.asset(
        partitions_def=dg.DailyPartitionsDefinition("2026-01-01"), automation_condition=dg.AutomationCondition.eager()
    )
    def users() -> None: ...

    @dg.asset
    def tasks() -> None: ...

    @dg.job
    def sync_workspace() -> None: ...

    return dg.Definitions(
        assets=[users, tasks],
        jobs=[sync_workspace],
        resources={"asana": "of the host", "lake": "of the host", "prefetcher": 1, "progress": 1, "iceberg": 1},
        executor=dg.multiprocess_executor,
    )


def test_definitions_of_the_host_with_the_same_names_are_neither_selected_nor_replaced(host: dg.Definitions) -> None:
    merged = dg.Definitions.merge(host, build_asana_defs(asana=ASANA, lake=LAKE))
    dg.Definitions.validate_loadable(merged)
    for job in build_asana_defs(asana=ASANA, lake=LAKE).jobs or ():
        assert all(node.name.startswith("asana__") for node in merged.resolve_job_def(job.name).nodes)
    assert merged.executor is dg.multiprocess_executor
    assert (merged.resources or {})["lake"] == "of the host"
    sensors = {sensor.name: sensor for sensor in merged.get_repository_def().sensor_defs}
    default = sensors["default_automation_condition_sensor"]
    graph = merged.resolve_asset_graph()
    assert default.asset_selection is not None
    assert default.asset_selection.resolve(graph) == {dg.AssetKey("users"), dg.AssetKey("tasks")}


def test_everything_is_off_by_default_when_embedded() -> None:
    repository = build_asana_defs(asana=ASANA, lake=LAKE).get_repository_def()
    statuses = [one.default_status.value for one in (*repository.sensor_defs, *repository.schedule_defs)]
    assert statuses == ["STOPPED"] * 7


def test_without_automation_there_are_no_schedules_sensors_and_conditions() -> None:
    definitions = build_asana_defs(asana=ASANA, lake=LAKE, automation=None)
    repository = definitions.get_repository_def()
    assert not [*repository.sensor_defs, *repository.schedule_defs]
    assert all(spec.automation_condition is None for spec in definitions.resolve_all_asset_specs())


def test_automation_options_reach_schedules_sensors_and_conditions() -> None:
    automation = Automation(cron="0 5 * * *", timezone="Europe/Vienna", running=["daily", "watch_changes"])
    definitions = build_asana_defs(asana=ASANA, lake=LAKE, automation=automation)
    repository = definitions.get_repository_def()
    running = {
        one.name
        for one in (*repository.sensor_defs, *repository.schedule_defs)
        if one.default_status.value == "RUNNING"
    }
    assert running == {"asana_daily", "asana_watch_changes"}
    daily = definitions.resolve_schedule_def("asana_daily")
    assert (daily.cron_schedule, daily.execution_timezone) == ("0 5 * * *", "Europe/Vienna")
    assert {
        spec.automation_condition and spec.automation_condition.get_label()
        for spec in definitions.resolve_all_asset_specs()
    } == {"at 0 5 * * *, and new workspaces immediately"}


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"name": "my asana"}, "name is 'my asana', but must be a letter followed by"),
        ({"endpoints": ["taks"]}, r"endpoints names taks; there are standard \(attachments, "),
    ],
)
def test_an_invalid_argument_is_named(arguments: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigurationError, match=message):
        build_asana_defs(asana=ASANA, lake=LAKE, **arguments)


def test_a_schedule_that_does_not_exist_cannot_be_turned_on() -> None:
    with pytest.raises(ConfigurationError, match="running names nightly; there are daily, frequent, "):
        Automation(running=["nightly"])


def test_a_subset_of_endpoints_includes_those_that_they_are_listed_by() -> None:
    definitions = build_asana_defs(asana=ASANA, lake=LAKE, endpoints=["sections"])
    keys = {key.path[-1] for key in definitions.resolve_asset_graph().get_all_asset_keys()}
    assert keys == {"workspaces", "projects", "sections"}
    assert {job.name for job in definitions.jobs or ()} == {
        "asana_sync_workspace",
        "asana_refresh_workspaces",
        "asana_maintain_tables",
    }
    names = {sensor.name for sensor in definitions.get_repository_def().sensor_defs}
    assert names == {"asana_watch_workspaces", "asana_watch_freshness", "asana_automation_condition_sensor"}
    with dg.instance_for_test() as instance:
        instance.add_dynamic_partitions("asana_workspaces", ["1"])
        assert requested(definitions, "asana_daily", instance)[1:] == [("1", {"asana/projects", "asana/sections"})]


def test_a_translators_keys_reach_dependencies_checks_lineage_and_jobs() -> None:
    definitions = build_asana_defs(name="acme", asana=ASANA, lake=LAKE, translator=RawTranslator())
    graph = definitions.resolve_asset_graph()
    key = dg.AssetKey(["sections", "of", "acme"])
    upstream = {dg.AssetKey(["projects", "of", "acme"]), dg.AssetKey("a_file_of_the_host")}
    assert graph.get(key).parent_keys == upstream
    assert len(graph.get_check_keys_for_assets({key})) == len(checks_of(SECTIONS))
    [spec] = [one for one in definitions.resolve_all_asset_specs() if one.key == key]
    [dep] = spec.metadata["dagster/column_lineage"].deps_by_column["project_gid"]
    assert dep.asset_key == dg.AssetKey(["projects", "of", "acme"])
    assert (spec.owners, spec.group_name) == (["team:host"], "raw")
    job = definitions.resolve_job_def("acme_sync_changes")
    assert {node.name for node in job.nodes} == {
        f"acme__{name}" for name in ("tasks", "subtasks", "stories", "attachments")
    }


@pytest.mark.slow
def test_translated_assets_are_stored_checked_configured_and_loaded(make_warehouse: MakeWarehouse) -> None:
    warehouse = make_warehouse()
    gid = paid(warehouse)
    loaded: list[pa.Table] = []

    @dg.asset(
        ins={"projects": dg.AssetIn(key=["projects", "of", "acme"], metadata={"columns": ["gid"]})},
        partitions_def=dg.DynamicPartitionsDefinition(name="acme_workspaces"),
        io_manager_key="mem_io_manager",
    )
    def report(projects: pa.Table) -> None:
        loaded.append(projects)

    host = dg.Definitions(
        assets=[report],
        jobs=[dg.define_asset_job("report_job", selection=dg.AssetSelection.assets("report").upstream(depth=1))],
        resources={"mem_io_manager": dg.mem_io_manager},
    )
    integration = build_asana_defs(name="acme", translator=RawTranslator(), **build_resources(warehouse))
    definitions = dg.Definitions.merge(host, integration)
    with dg.DagsterInstance.ephemeral() as instance:
        assert run(definitions, "acme_refresh_workspaces", instance).success
        config = {"ops": {"acme__projects": {"config": {"full_refresh": True}}}}
        result = run(definitions, "report_job", instance, gid, run_config=config)
    assert result.success
    assert {check.asset_key for check in result.get_asset_check_evaluations()} == {
        dg.AssetKey(["projects", "of", "acme"])
    }
    assert len(loaded.pop()) == len(warehouse.asana.truth("projects", gid))


def test_assets_alone_bring_their_resources_and_can_be_prefixed(make_warehouse: MakeWarehouse) -> None:
    warehouse = make_warehouse()
    module = ModuleType("host")
    op = OpOptions(pool="slow", retry_policy=dg.RetryPolicy(max_retries=1), tags={"team": "host"})
    assets = build_asana_assets(endpoints=["tags"], op=op, **build_resources(warehouse))
    vars(module).update({f"asset_{number}": asset for number, asset in enumerate(assets)})
    prefixed = cast("list[dg.AssetsDefinition]", dg.load_assets_from_modules([module], key_prefix="host"))
    with dg.DagsterInstance.ephemeral() as instance:
        instance.add_dynamic_partitions("asana_workspaces", [paid(warehouse)])
        result = dg.materialize(prefixed, instance=instance, partition_key=paid(warehouse), run_config=QUIET)
    assert result.success
    checked = {check.asset_key.to_user_string() for check in result.get_asset_check_evaluations()}
    assert checked == {"host/asana/workspaces", "host/asana/tags"}
    ops = [asset.op for asset in assets]
    assert {(one.pool, one.tags["team"], one.retry_policy and one.retry_policy.max_retries) for one in ops} == {
        ("slow", "host", 1)
    }


@pytest.mark.slow
def test_runs_of_a_workspace_carry_a_tag_with_the_integrations_name(make_warehouse: MakeWarehouse) -> None:
    warehouse = make_warehouse()
    gid = paid(warehouse)
    assert warehouse.run("refresh_workspaces").success
    tags = {"asana/workspace": gid}
    assert tags.items() <= warehouse.run("sync_workspace", gid, ["tags"]).dagster_run.tags.items()
    job = warehouse.definitions.resolve_implicit_global_asset_job_def()  # as in the UI, where no job adds the tag
    selected = job.execute_in_process(
        QUIET, instance=warehouse.instance, partition_key=gid, asset_selection=[dg.AssetKey(["asana", "tags"])]
    )
    run = warehouse.instance.get_run_by_id(selected.run_id)
    assert run is not None
    assert tags.items() <= run.tags.items()


def test_importing_the_package_is_fast_and_imports_nothing_slow() -> None:
    program = "import sys, asana_assets; print(sorted({'dagster', 'pyarrow', 'pyiceberg'}.intersection(sys.modules)))"
    result = subprocess.run(  # noqa: S603 - our own program
        [sys.executable, "-c", program], capture_output=True, text=True, timeout=60, check=True
    )
    assert result.stdout == "[]\n"
