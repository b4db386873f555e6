"""The code location as Dagster sees it: the graph, what loading costs, what runs by itself."""

import os
import subprocess
import sys

import dagster as dg

from asana_assets.asana.endpoints import ENDPOINTS
from asana_assets.automation import daily, decide_partitions, watch_workspaces
from asana_assets.definitions import defs
from warehouse import MakeWarehouse

GROUPS = {
    "administration": {"workspaces", "project_templates", "webhooks"},
    "people": {"users", "teams", "team_memberships", "workspace_memberships"},
    "work": {"projects", "sections", "tags", "tasks", "subtasks"},
    "activity": {"stories", "attachments", "status_updates"},
}


def test_the_graph_is_asanas_hierarchy() -> None:
    graph = defs.resolve_asset_graph()
    parents = {
        key.to_user_string(): {parent.to_user_string() for parent in graph.get(key).parent_keys}
        for key in graph.get_all_asset_keys()
    }
    below_workspaces = ["users", "teams", "workspace_memberships", "projects", "tags", "webhooks", "project_templates"]
    assert parents == {
        "workspaces": set(),
        **{name: {"workspaces"} for name in below_workspaces},
        "team_memberships": {"teams"},
        "sections": {"projects"},
        "tasks": {"projects", "users"},
        "subtasks": {"tasks"},
        "stories": {"tasks", "subtasks"},
        "attachments": {"projects", "tasks", "subtasks"},
        "status_updates": {"projects"},
    }


def test_every_asset_but_workspaces_is_partitioned_by_workspace() -> None:
    graph = defs.resolve_asset_graph()
    partitioned = {key.to_user_string() for key in graph.get_all_asset_keys() if graph.get(key).is_partitioned}
    assert partitioned == {endpoint.name for endpoint in ENDPOINTS} - {"workspaces"}


def test_assets_stand_under_their_headings_with_words_for_analysts() -> None:
    groups: dict[str, set[str]] = {}
    for spec in defs.resolve_all_asset_specs():
        groups.setdefault(spec.group_name or "", set()).add(spec.key.to_user_string())
        assert spec.kinds == {"asana", "iceberg"}
        assert "**Key**: " in (spec.description or "")
        schema = spec.metadata["dagster/column_schema"]
        assert {column.name for column in schema.columns} >= {"gid", "workspace_gid", "_synced_at", "_unmapped"}
    assert groups == GROUPS


def test_loading_needs_no_environment_no_network_and_none_of_the_slow_libraries() -> None:
    program = (
        "import socket, sys\n"
        "def refuse(*_): raise AssertionError('network')\n"
        "socket.socket.connect = refuse\n"
        "import asana_assets.definitions\n"
        "slow = {'pyiceberg', 'dagster_snowflake', 'snowflake.connector', 'dagster_aws', 'boto3', 'rich.progress'}\n"
        "print(sorted(slow.intersection(sys.modules)))\n"
    )
    environment = {"PATH": os.environ["PATH"]}
    result = subprocess.run(  # noqa: S603 # our own program
        [sys.executable, "-c", program], env=environment, capture_output=True, text=True, timeout=60, check=False
    )
    assert (result.stdout, result.stderr) == ("[]\n", "")


def test_partitions_follow_what_is_seen_and_wanted() -> None:
    assert decide_partitions(registered=["1", "2"], seen=["2", "3"], wanted=[]) == (["3"], ["1"])
    assert decide_partitions(registered=["1", "2"], seen=["1", "2", "3"], wanted=["2"]) == ([], ["1"])
    assert decide_partitions(registered=[], seen=[], wanted=[]) == ([], [])


def tick(definitions: dg.Definitions, instance: dg.DagsterInstance) -> dg.SensorResult | dg.SkipReason:
    resources = {"asana": (definitions.resources or {})["asana"]}
    with dg.build_sensor_context(instance=instance, definitions=definitions, resources=resources) as context:
        result = watch_workspaces(context)
    assert isinstance(result, dg.SensorResult | dg.SkipReason)
    return result


def test_the_sensor_registers_new_workspaces_and_asks_for_their_first_sync(make_warehouse: MakeWarehouse) -> None:
    warehouse = make_warehouse()
    seen = [str(record["gid"]) for record in warehouse.asana.truth("workspaces")]
    result = tick(warehouse.definitions, warehouse.instance)
    assert isinstance(result, dg.SensorResult)
    requests = result.run_requests or []
    assert [request.partition_key for request in requests] == seen
    assert {request.job_name for request in requests} == {"sync_new_workspace"}
    [registration] = result.dynamic_partitions_requests or []
    assert list(registration.partition_keys) == seen
    warehouse.instance.add_dynamic_partitions("asana_workspaces", seen)
    assert warehouse.run("sync_new_workspace", seen[-1]).success
    assert isinstance(tick(warehouse.definitions, warehouse.instance), dg.SkipReason)


def test_the_sensor_removes_a_workspace_that_went(make_warehouse: MakeWarehouse) -> None:
    warehouse = make_warehouse()
    seen = [str(record["gid"]) for record in warehouse.asana.truth("workspaces")]
    warehouse.instance.add_dynamic_partitions("asana_workspaces", [*seen, "5"])
    result = tick(warehouse.definitions, warehouse.instance)
    assert isinstance(result, dg.SensorResult)
    assert [request.job_name for request in result.run_requests or []] == ["refresh_workspaces"]
    [removal] = result.dynamic_partitions_requests or []
    assert isinstance(removal, dg.DeleteDynamicPartitionsRequest)
    assert list(removal.partition_keys) == ["5"]


def test_without_a_token_the_sensor_says_why_it_does_nothing(make_warehouse: MakeWarehouse) -> None:
    warehouse = make_warehouse({"ASANA_ACCESS_TOKEN": ""})
    result = tick(warehouse.definitions, warehouse.instance)
    assert isinstance(result, dg.SkipReason)
    assert "there is no access token: set ASANA_ACCESS_TOKEN" in (result.skip_message or "")
    assert len(warehouse.asana.log) == 0


def test_the_schedule_asks_for_one_run_for_each_registered_workspace() -> None:
    with dg.instance_for_test() as instance:
        nothing = daily(dg.build_schedule_context(instance=instance))
        assert isinstance(nothing, dg.SkipReason)
        instance.add_dynamic_partitions("asana_workspaces", ["1", "2"])
        requests = daily(dg.build_schedule_context(instance=instance))
        assert isinstance(requests, list)
        assert [request.partition_key for request in requests] == ["1", "2"]
