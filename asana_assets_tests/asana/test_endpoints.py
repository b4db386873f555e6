"""The catalogue against Asana's own specification, of which `fields.json` keeps what is readable and not deprecated."""

import json
from pathlib import Path

import pyarrow as pa
import pytest

from asana_assets.asana.endpoints import ENDPOINTS
from asana_assets.asana.field_types import Column
from asana_assets.asana.model import Endpoint

SPECIFIED: dict[str, dict[str, dict[str, str]]] = json.loads(Path(__file__).with_name("fields.json").read_text())

EXPIRING = {("attachments", "download_url"), ("attachments", "view_url")}
IN_COMMON_COLUMNS = {"workspace": "workspace_gid", "parent": "parent_gid"}
DECIMALS_CALLED_INTEGER = {"old_number_value", "new_number_value"}

every_endpoint = pytest.mark.parametrize("endpoint", ENDPOINTS, ids=lambda endpoint: endpoint.name)


def test_the_catalogue_has_the_fifteen() -> None:
    assert sorted(endpoint.name for endpoint in ENDPOINTS) == sorted(SPECIFIED)


@every_endpoint
def test_no_specified_field_is_missing(endpoint: Endpoint) -> None:
    ours = {column.field for column in endpoint.api_columns}
    for field in SPECIFIED[endpoint.name]["fields"]:
        elsewhere = IN_COMMON_COLUMNS.get(field) in endpoint.schema.names
        assert field in ours or elsewhere or (endpoint.name, field) in EXPIRING, field


@every_endpoint
def test_no_field_is_invented(endpoint: Endpoint) -> None:
    assert {column.field for column in endpoint.api_columns} <= SPECIFIED[endpoint.name]["fields"].keys()


@every_endpoint
def test_types_are_those_specified(endpoint: Endpoint) -> None:
    for column in endpoint.api_columns:
        specified = SPECIFIED[endpoint.name]["fields"][column.field]
        assert _specified_type(column) == specified, column.name


def _specified_type(column: Column) -> str:
    """What the specification would call the column's type."""
    if column.field in DECIMALS_CALLED_INTEGER:
        return "integer"
    if column.name.endswith("_gid"):
        return "object"
    stored = column.type.arrow_type
    if pa.types.is_list(stored):
        is_object = column.name.endswith("_gids") or pa.types.is_struct(stored.value_type)
        return "array of object" if is_object else "array of string"
    if pa.types.is_struct(stored):
        return "object"
    names: dict[pa.DataType, str] = {
        pa.string(): "string",
        pa.bool_(): "boolean",
        pa.int64(): "integer",
        pa.float64(): "number",
        pa.date32(): "date",
        pa.timestamp("us", tz="UTC"): "instant",
    }
    return names[stored]


@every_endpoint
def test_only_what_may_be_asked_for_is_asked_for(endpoint: Endpoint) -> None:
    asked = {path for path in endpoint.opt_fields.split(",") if path.rpartition(".")[2] != "resource_type"}
    assert asked <= set(SPECIFIED[endpoint.name]["opt_fields"])


@every_endpoint
def test_every_column_but_the_gid_and_the_common_ones_is_asked_for(endpoint: Endpoint) -> None:
    asked = {path.partition(".")[0] for path in endpoint.opt_fields.split(",")}
    assert asked == {column.field for column in endpoint.columns}


@every_endpoint
def test_column_names_are_unique_and_end_with_the_common_ones(endpoint: Endpoint) -> None:
    names = endpoint.schema.names
    assert len(set(names)) == len(names)
    assert names[:2] == ["gid", "workspace_gid"]
    assert names[-2:] == ["_synced_at", "_unmapped"]


@every_endpoint
def test_a_child_says_whose_it_is_and_lies_sorted_by_it(endpoint: Endpoint) -> None:
    if endpoint.name in {"subtasks", "stories", "attachments", "status_updates"}:
        assert endpoint.schema.field("parent_gid").type == pa.string()
        assert endpoint.sort_by == ("parent_gid", "gid")
    else:
        assert endpoint.sort_by == ("gid",)


def test_the_hierarchy_is_asanas() -> None:
    assert {endpoint.name: endpoint.upstream for endpoint in ENDPOINTS} == {
        "workspaces": {},
        "users": {"workspaces": ("gid",)},
        "teams": {"workspaces": ("gid", "is_organization")},
        "team_memberships": {"teams": ("gid",)},
        "workspace_memberships": {"workspaces": ("gid",)},
        "projects": {"workspaces": ("gid",)},
        "project_templates": {"workspaces": ("gid",)},
        "sections": {"projects": ("gid",)},
        "tags": {"workspaces": ("gid",)},
        "tasks": {"projects": ("gid",), "users": ("gid",)},
        "subtasks": {"tasks": ("gid", "num_subtasks", "modified_at")},
        "stories": {"tasks": ("gid", "modified_at"), "subtasks": ("gid", "modified_at")},
        "attachments": {
            "projects": ("gid", "modified_at", "project_brief_gid"),
            "tasks": ("gid", "modified_at"),
            "subtasks": ("gid", "modified_at"),
        },
        "status_updates": {"projects": ("gid", "current_status_update_gid")},
        "webhooks": {"workspaces": ("gid",)},
    }


@every_endpoint
def test_children_are_asked_for_by_the_version_of_their_parent_and_by_age(endpoint: Endpoint) -> None:
    if endpoint.is_child:
        assert all(listing.version_columns for listing in endpoint.listings)
        assert endpoint.refresh_after_days > 0


def test_a_child_of_a_nested_listing_can_be_a_parent_by_the_same_column() -> None:
    for endpoint in ENDPOINTS:
        if endpoint.recursive_listing:
            assert {endpoint.recursive_listing.parent_column, endpoint.recursive_listing.only_if} <= {
                *endpoint.schema.names
            }
