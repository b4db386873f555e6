"""What Dagster shows of each asset, which users can override."""

import hashlib
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import dagster as dg

from asana_assets.asana.model import Endpoint
from asana_assets.defs.column_metadata import column_schema

FRESHNESS = dg.FreshnessPolicy.time_window(fail_window=timedelta(hours=49), warn_window=timedelta(hours=25))
"""Warns after one missed nightly run and fails after two."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AsanaEndpointProps:
    """What an asset spec is made from.

    Attributes:
        endpoint: The endpoint of Asana's API.
        name: The integration's name.
        automation_condition: The condition of every asset, None if the integration is built without automation.
    """

    endpoint: Endpoint
    name: str = "asana"
    automation_condition: dg.AutomationCondition[Any] | None = None


class AsanaTranslator:
    """Translates endpoints into asset specs. Override `get_asset_spec` to change keys, groups, owners, and so on."""

    def get_asset_spec(self, props: AsanaEndpointProps) -> dg.AssetSpec:
        """Return the asset's spec. Dependencies on upstream assets, column lineage and partitions are added to it."""
        endpoint = props.endpoint
        return dg.AssetSpec(
            key=[props.name, endpoint.name],
            group_name=endpoint.group,
            kinds={"asana", "iceberg"},
            description=asset_description(endpoint),
            owners=["team:data-platform"],
            tags={"asana/extract": "by_parent" if endpoint.is_child else "full"},
            code_version=code_version(endpoint),
            metadata={"dagster/column_schema": column_schema(endpoint)},
            automation_condition=props.automation_condition,
            freshness_policy=FRESHNESS,
        )


def asset_description(endpoint: Endpoint) -> str:
    """Return what the endpoint's table holds, for analysts, as Markdown whose first line is plain text."""
    limit = f"Asana only lists {endpoint.limited_to}." if endpoint.limited_to else ""
    notes = "".join(f"\n\n{part}" for part in (endpoint.notes, limit) if part)
    return (
        f"{endpoint.summary}\n\nFreshness: {endpoint.freshness}{notes}\n\n"
        f"[Asana's reference](https://developers.asana.com/reference/{endpoint.reference})"
    )


def code_version(endpoint: Endpoint) -> str:
    """Return a hash of the endpoint's requests and columns, which changes whenever either does; docs do not count."""
    requests = [(listing.path, *listing.params.items()) for listing in endpoint.listings]
    columns = endpoint.schema.to_string(show_field_metadata=False, show_schema_metadata=False)
    return hashlib.sha256(f"{requests} {endpoint.opt_fields} {columns}".encode()).hexdigest()[:12]
