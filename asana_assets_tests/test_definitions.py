"""The code location as Dagster sees it: the graph, what loading costs, what runs by itself."""

import os
import subprocess
import sys
from dataclasses import replace

from asana_assets.asana.endpoints import ATTACHMENTS, ENDPOINTS, STORIES
from asana_assets.definitions import defs
from asana_assets.defs.assets import FRESHNESS, code_version
from asana_assets.defs.io_manager import column_lineage

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
        assert spec.owners == ["team:data-platform"]
        assert spec.code_version
        assert spec.freshness_policy == FRESHNESS
    assert groups == GROUPS


def test_the_code_version_is_another_when_a_column_is() -> None:
    fewer = replace(STORIES, columns=STORIES.columns[1:])
    assert len({code_version(endpoint) for endpoint in (*ENDPOINTS, fewer)}) == len(ENDPOINTS) + 1
    assert code_version(replace(STORIES)) == code_version(STORIES)


def test_columns_that_name_a_parent_are_traced_to_it() -> None:
    lineage = column_lineage(ATTACHMENTS).deps_by_column
    assert {
        name: sorted(f"{dep.asset_key.to_user_string()}.{dep.column_name}" for dep in deps)
        for name, deps in lineage.items()
    } == {"parent_gid": ["projects.gid", "projects.project_brief_gid", "subtasks.gid", "tasks.gid"]}


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
