"""The page about embedding: its Python and YAML build definitions, and its `dagster.yaml` configures an instance."""

from pathlib import Path
from typing import Any

import dagster as dg
import pytest
import yaml

from asana_assets import AsanaComponent
from asana_assets.defs.names import Names
from asana_assets_tests.support.doc_pages import Block, blocks

PAGE = "docs/embedding.md"
COMPONENTS = [block for block in blocks(PAGE, "yaml") if block.text.startswith("type: ")]


@pytest.mark.parametrize("block", [one for one in blocks(PAGE, "python") if "defs = " in one.text], ids=str)
def test_python_builds_definitions(block: Block) -> None:
    scope: dict[str, Any] = {}
    exec(block.text, scope)  # noqa: S102 - readers run this code, too
    dg.Definitions.validate_loadable(scope["defs"])


@pytest.mark.parametrize("block", COMPONENTS, ids=str)
def test_components_build_definitions(block: Block) -> None:
    attributes = [document["attributes"] for document in yaml.safe_load_all(block.text)]
    components = [AsanaComponent.resolve_from_dict(one) for one in attributes]
    definitions = [component.build_defs(dg.ComponentTree.for_test().load_context) for component in components]
    dg.Definitions.validate_loadable(dg.Definitions.merge(*definitions))
    assert [component.name for component in components] == [one["name"] for one in attributes]


@pytest.mark.slow
def test_runs_of_a_shared_instance_are_limited_by_the_tags_of_the_accounts(tmp_path: Path) -> None:
    [block] = [block for block in blocks(PAGE, "yaml") if block not in COMPONENTS]
    (tmp_path / "dagster.yaml").write_text(block.text)
    with dg.DagsterInstance.from_config(str(tmp_path)) as instance:
        limits = instance.get_concurrency_config().run_queue_config
    assert limits is not None
    tags = [limit["key"] for limit in limits.tag_concurrency_limits]
    names = [document["attributes"]["name"] for document in yaml.safe_load_all(COMPONENTS[-1].text)]
    assert tags == [Names(name).workspace_tag for name in names]
