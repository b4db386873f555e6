"""The code location as Dagster sees it: the asset graph, the executor, and what loading it needs."""

import os
import re
import subprocess
import sys
from dataclasses import replace
from typing import Any

import dagster as dg
import pytest
from pydantic import SecretStr

from asana_assets.asana.endpoints import ATTACHMENTS, ENDPOINTS, STANDARD_ENDPOINTS, STORIES
from asana_assets.definitions import build_asana_resource, build_definitions, defs
from asana_assets.defs.column_metadata import column_lineage
from asana_assets.defs.prefetch import shares_process
from asana_assets.defs.translator import FRESHNESS, code_version
from asana_assets.settings import Settings
from asana_assets_tests.support.sync_harness import NAMES

GROUPS = {
    "administration": {"workspaces", "project_templates", "webhooks"},
    "people": {"users", "teams", "team_memberships", "workspace_memberships"},
    "work": {"projects", "sections", "tags", "tasks", "subtasks"},
    "activity": {"stories", "attachments", "status_updates"},
}


def test_the_asset_graph_follows_asanas_hierarchy() -> None:
    graph = defs.resolve_asset_graph()
    parents = {
        NAMES.endpoint_of(key): {NAMES.endpoint_of(parent) for parent in graph.get(key).parent_keys}
        for key in graph.get_all_asset_keys()
    }
    children_of_workspaces = [
        "users",
        "teams",
        "workspace_memberships",
        "projects",
        "tags",
        "webhooks",
        "project_templates",
    ]
    assert parents == {
        "workspaces": set(),
        **{name: {"workspaces"} for name in children_of_workspaces},
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
    partitioned = {NAMES.endpoint_of(key) for key in graph.get_all_asset_keys() if graph.get(key).is_partitioned}
    assert partitioned == {endpoint.name for endpoint in STANDARD_ENDPOINTS} - {"workspaces"}


def test_every_asset_has_a_group_a_description_for_analysts_and_a_column_schema() -> None:
    groups: dict[str, set[str]] = {}
    for spec in defs.resolve_all_asset_specs():
        groups.setdefault(spec.group_name or "", set()).add(str(NAMES.endpoint_of(spec.key)))
        assert spec.kinds == {"asana", "iceberg"}
        [first_line, *_] = (spec.description or "").splitlines()
        assert re.fullmatch(r"Each row is one [^*`#\[]+\. The key is (workspace_gid and )?gid\.", first_line)
        schema = spec.metadata["dagster/column_schema"]
        assert all(column.description for column in schema.columns)
        assert {column.name for column in schema.columns} >= {"gid", "workspace_gid", "_synced_at", "_unmapped"}
        assert spec.owners == ["team:data-platform"]
        assert spec.code_version
        assert spec.freshness_policy == FRESHNESS
    assert groups == GROUPS


def test_the_code_version_changes_with_the_columns() -> None:
    fewer = replace(STORIES, columns=STORIES.columns[1:])
    assert code_version(fewer) not in {code_version(endpoint) for endpoint in ENDPOINTS}
    assert code_version(replace(STORIES)) == code_version(STORIES)


def test_the_code_version_does_not_change_with_descriptions() -> None:
    columns = tuple(replace(column, doc="Reworded.") for column in STORIES.columns)
    assert code_version(replace(STORIES, columns=columns, notes="Reworded.")) == code_version(STORIES)


def test_a_column_that_refers_to_a_parent_has_the_parents_lineage() -> None:
    lineage = column_lineage(ATTACHMENTS, NAMES).deps_by_column
    assert {
        name: sorted(f"{dep.asset_key.to_user_string()}.{dep.column_name}" for dep in deps)
        for name, deps in lineage.items()
    } == {
        "parent_gid": [
            "asana/projects.gid",
            "asana/projects.project_brief_gid",
            "asana/subtasks.gid",
            "asana/tasks.gid",
        ]
    }


@pytest.mark.parametrize(
    ("executor", "run_config", "prefetches"),
    [
        (dg.in_process_executor, {}, True),
        (dg.in_process_executor.configured({"retries": {"disabled": {}}}), {}, True),
        (dg.multiprocess_executor, {}, False),
        (None, {}, False),
        (None, {"execution": {"config": {"in_process": {}}}}, True),
        (None, {"execution": {"config": {"multiprocess": {"max_concurrent": 1}}}}, False),
    ],
    ids=[
        "in-process",
        "configured in-process",
        "multiprocess",
        "default",
        "default in-process",
        "default multiprocess",
    ],
)
def test_extracts_are_prefetched_only_if_all_steps_share_a_process(
    executor: dg.ExecutorDefinition | None, run_config: dict[str, Any], *, prefetches: bool
) -> None:
    host = dg.Definitions(
        assets=defs.assets,
        asset_checks=defs.asset_checks,
        jobs=defs.jobs,
        resources=defs.resources,
        executor=executor,
    )
    job = host.resolve_job_def("asana_sync_workspace")
    assert shares_process(job.executor_def.name, run_config) is prefetches


def test_the_executor_of_the_code_location_can_be_replaced() -> None:
    job = build_definitions(executor=dg.multiprocess_executor).resolve_job_def("asana_sync_workspace")
    assert job.executor_def is dg.multiprocess_executor


def test_a_setting_that_is_unset_has_the_default_of_its_resource() -> None:
    resource = build_asana_resource(Settings())
    assert (resource.requests_per_second, resource.max_in_flight) == (1.25, 40)
    assert resource.base_url == "https://app.asana.com/api/1.0"
    assert resource.access_token is None


def test_dagster_shows_the_tokens_variable_and_not_its_value() -> None:
    resource = build_asana_resource(Settings(asana_access_token=SecretStr("1/12:secret")))
    assert resource.access_token == dg.EnvVar("ASANA_ACCESS_TOKEN")


def test_every_resource_and_job_says_what_it_is_in_plain_text() -> None:
    repository = defs.get_repository_def()
    described = [*repository.get_top_level_resources().items(), *((job.name, job) for job in repository.get_all_jobs())]
    for name, definition in described:
        if name != "__ASSET_JOB":
            assert re.fullmatch(r"[A-Z][^`\n]+\.", definition.description or ""), (name, definition.description)


def test_overrides_of_the_asana_resource_take_precedence_over_the_settings() -> None:
    settings = Settings(asana_requests_per_second=5, asana_max_in_flight=2)
    resource = build_asana_resource(settings, requests_per_second=9.0)
    assert (resource.requests_per_second, resource.max_in_flight) == (9.0, 2)


def test_loading_needs_no_settings_no_network_and_no_slow_library() -> None:
    program = (
        "import socket, sys\n"
        "def refuse(*_): raise AssertionError('network')\n"
        "socket.socket.connect = refuse\n"
        "import asana_assets.definitions\n"
        "slow = {'pyiceberg', 'dagster_snowflake', 'snowflake.connector', 'dagster_aws', 'boto3', 'rich.progress'}\n"
        "print(sorted(slow.intersection(sys.modules)))\n"
    )
    environment = {"PATH": os.environ["PATH"]}
    result = subprocess.run(  # noqa: S603 - our own program
        [sys.executable, "-c", program], env=environment, capture_output=True, text=True, timeout=60, check=False
    )
    assert (result.stdout, result.stderr) == ("[]\n", "")
