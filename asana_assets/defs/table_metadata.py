"""Dagster's standard metadata of an asset whose rows are a table, set when the definitions are built."""

import warnings
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Any

import dagster as dg

from asana_assets.asana import endpoints
from asana_assets.asana.model import WORKSPACE_GID
from asana_assets.defs.resources import LakeResource

ENDPOINT_KEY = "asana/endpoint"
"""Metadata of an asset: the name of its endpoint and table, whatever its key is."""


def endpoint_name(context: dg.InputContext) -> str:
    """Return the name of the endpoint whose table an input is loaded from."""
    upstream = context.upstream_output
    metadata = upstream.asset_spec.metadata if upstream else {}
    return str(metadata.get(ENDPOINT_KEY, context.asset_key.path[-1]))


def with_table_metadata(assets: Sequence[dg.AssetsDefinition], lake: LakeResource) -> list[dg.AssetsDefinition]:
    """Return the assets with the name of their endpoint and with the metadata that Dagster expects of tables."""

    def described(spec: dg.AssetSpec) -> dg.AssetSpec:
        return spec.replace_attributes(
            metadata={**_metadata(spec, lake), **spec.metadata}
        )  # the translator's comes first

    return [one.map_asset_specs(described) for one in assets]


def _metadata(spec: dg.AssetSpec, lake: LakeResource) -> dict[str, Any]:
    endpoint = str(spec.metadata.get(ENDPOINT_KEY, spec.key.path[-1]))
    return {
        ENDPOINT_KEY: endpoint,
        "dagster/storage_kind": "iceberg",
        "dagster/code_references": _code_references(endpoint),
        **({"partition_expr": _in_case(lake, WORKSPACE_GID.name)} if spec.partitions_def else {}),
        **({} if isinstance(lake.namespace, dg.EnvVar) else {"dagster/table_name": table_name(lake, endpoint)}),
    }


def table_name(lake: LakeResource, endpoint: str) -> str:
    """Return the qualified name of an endpoint's table, as the catalog spells it."""
    return _in_case(lake, f"{lake.namespace}.{endpoint}")


def _in_case(lake: LakeResource, name: str) -> str:
    return name.upper() if lake.name_case == "upper" else name


@cache
def _definitions() -> dict[str, tuple[str, int]]:
    """Return the file and line of each constant in the endpoint registry."""
    return {
        line.partition(" = ")[0]: (str(file), number)
        for file in sorted(Path(endpoints.__path__[0]).glob("*.py"))
        for number, line in enumerate(file.read_text().splitlines(), 1)
        if line.endswith(" = Endpoint(")
    }


@cache
def _code_references(endpoint: str) -> dg.CodeReferencesMetadataValue:
    """Return where the endpoint is defined; all assets share one function."""
    file, line = _definitions()[endpoint.upper()]
    label = f"{endpoint} in {Path(file).name}"
    with warnings.catch_warnings(action="ignore", category=dg.BetaWarning):
        reference = dg.LocalFileCodeReference(file_path=file, line_number=line, label=label)
        return dg.CodeReferencesMetadataValue(code_references=[reference])
