"""The worked example of a new endpoint: it becomes an asset with everything that the page promises."""

from typing import Any

import dagster as dg
import pyarrow as pa

from asana_assets.asana.model import Endpoint
from asana_assets.definitions import defs
from asana_assets.defs.assets import build_asset
from asana_assets.defs.checks import checks_of
from asana_assets.defs.translator import AsanaEndpointProps, AsanaTranslator
from asana_assets_tests.support.doc_project import example
from asana_assets_tests.support.sync_harness import NAMES


def test_the_example_becomes_an_asset_with_opt_fields_schema_and_lineage() -> None:
    scope: dict[str, Any] = {}
    exec(example(), scope)  # noqa: S102 - readers run this code, too
    endpoint = scope["PROJECT_STATUSES"]
    assert isinstance(endpoint, Endpoint)
    assert endpoint.opt_fields == ("resource_type,title,text,html_text,color,author,created_at,created_by,modified_at")
    assert endpoint.schema.names[:4] == ["gid", "workspace_gid", "parent_gid", "resource_type"]
    assert endpoint.schema.names[-5:] == ["created_by_gid", "modified_at", "_synced_at", "_unmapped", "_row_hash"]
    assert endpoint.schema.field("modified_at").type == pa.timestamp("us", tz="UTC")
    assert endpoint.is_child

    translated = AsanaTranslator().get_asset_spec(AsanaEndpointProps(endpoint=endpoint))
    partitions_def = dg.DynamicPartitionsDefinition(name=NAMES.partitions)
    asset = build_asset(endpoint, translated, NAMES, partitions_def, priority=0)
    with_it = dg.Definitions.merge(defs, dg.Definitions(assets=[asset]))
    [spec] = [one for one in with_it.resolve_all_asset_specs() if one.key == dg.AssetKey(["asana", "project_statuses"])]
    assert [dep.asset_key for dep in spec.deps] == [dg.AssetKey(["asana", "projects"])]
    assert spec.partitions_def is not None
    assert (spec.group_name, spec.kinds) == ("activity", {"asana", "iceberg"})
    assert "Each row is one status of a project." in (spec.description or "")
    assert [column.name for column in spec.metadata["dagster/column_schema"].columns] == endpoint.schema.names
    lineage = spec.metadata["dagster/column_lineage"].deps_by_column["parent_gid"]
    assert [(dep.asset_key, dep.column_name) for dep in lineage] == [(dg.AssetKey(["asana", "projects"]), "gid")]
    graph = with_it.resolve_asset_graph()
    assert len(graph.get_check_keys_for_assets({spec.key})) == len(checks_of(endpoint))
