"""The sources for dbt: complete, and linked to the assets by dagster-dbt without further configuration."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import dagster as dg
import pytest
import yaml
from click.testing import CliRunner

from asana_assets import AsanaResource, LakeResource, build_asana_defs
from asana_assets.asana.endpoints import STANDARD_ENDPOINTS
from asana_assets.cli.main import main

_PROFILE = {"host": {"target": "dev", "outputs": {"dev": {"type": "duckdb", "path": "host.duckdb"}}}}
_MODEL = "select gid from {{ source('acme', 'tasks') }} join {{ source('acme', 'users') }} using (workspace_gid)"


def sources(*options: str) -> str:
    result = CliRunner().invoke(main, ["dbt-sources", *options])
    assert result.exit_code == 0
    return result.output


def test_every_table_and_column_is_a_source_with_its_description() -> None:
    [source] = yaml.safe_load(sources())["sources"]
    assert (source["name"], source["schema"], source.get("database")) == ("asana", "asana", None)
    columns = {table["name"]: [column["name"] for column in table["columns"]] for table in source["tables"]}
    assert columns == {endpoint.name: endpoint.schema.names for endpoint in STANDARD_ENDPOINTS}
    assert all(table["description"] for table in source["tables"])
    assert all(column["description"] for table in source["tables"] for column in table["columns"])


@pytest.fixture
def manifest(tmp_path: Path) -> dict[str, Any]:
    """The manifest of a dbt project with a model of the sources."""
    project = {"name": "host", "version": "1.0.0", "profile": "host", "flags": {"send_anonymous_usage_stats": False}}
    (tmp_path / "models").mkdir()
    (tmp_path / "dbt_project.yml").write_text(yaml.safe_dump(project))
    (tmp_path / "profiles.yml").write_text(yaml.safe_dump(_PROFILE))
    (tmp_path / "models" / "sources.yml").write_text(sources("--name", "acme", "--schema", "lake", "--database", "raw"))
    (tmp_path / "models" / "open_tasks.sql").write_text(_MODEL)
    command = Path(sys.executable).with_name("dbt")
    parsed = subprocess.run(  # noqa: S603 - a development dependency
        [command, "parse", "--profiles-dir", "."],
        cwd=tmp_path,
        env={**os.environ, "HOME": str(tmp_path)},
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )
    assert parsed.returncode == 0, parsed.stdout + parsed.stderr
    return json.loads((tmp_path / "target" / "manifest.json").read_text())


@pytest.mark.slow
@pytest.mark.filterwarnings("default")  # dbt's own
def test_models_of_the_sources_are_downstream_of_the_assets(manifest: dict[str, Any]) -> None:
    from dagster_dbt import dbt_assets  # noqa: PLC0415 - takes seconds to import

    @dbt_assets(manifest=manifest)
    def models() -> None: ...

    assert manifest["sources"]["source.host.acme.tasks"]["relation_name"] == '"raw"."lake"."tasks"'
    asana = build_asana_defs(name="acme", asana=AsanaResource(), lake=LakeResource())
    graph = dg.Definitions.merge(asana, dg.Definitions(assets=[models])).resolve_asset_graph()
    tasks, users = dg.AssetKey(["acme", "tasks"]), dg.AssetKey(["acme", "users"])
    assert graph.get(dg.AssetKey("open_tasks")).parent_keys == {tasks, users}
    assert graph.get(tasks).is_materializable  # ours, and not a stub for the source
