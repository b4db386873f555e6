"""The endpoint registry matches Asana's own specification; `fields.json` is its readable, non-deprecated part."""

import json
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from asana_assets.asana.endpoints import ENDPOINTS, WORKSPACES
from asana_assets.asana.field_types import Column
from asana_assets.asana.model import Endpoint

SPECIFIED: dict[str, dict[str, Any]] = json.loads(Path(__file__).with_name("fields.json").read_text())

EXPIRING = {("attachments", "download_url"), ("attachments", "view_url")}
ONLY_OF_VALUES = {  # a custom field's definition never has them
    ("custom_fields", field)
    for field in (
        *("enabled", "display_value", "text_value", "html_text_value", "number_value", "enum_value"),
        *("multi_enum_values", "date_value", "people_value", "reference_value"),
    )
}
STORED_IN_COMMON_COLUMNS = {"workspace": "workspace_gid", "parent": "parent_gid"}
DECIMALS_SPECIFIED_AS_INTEGER = {"old_number_value", "new_number_value"}

CHILDREN = {
    *("portfolio_items", "portfolio_memberships", "budgets", "rates"),
    *("subtasks", "stories", "attachments", "status_updates"),
    *("custom_field_settings", "project_memberships"),
}
SHOWN_BY_TASKS = ("memberships", "tag_gids", "follower_gids", "dependency_gids", "custom_fields")

every_endpoint = pytest.mark.parametrize("endpoint", ENDPOINTS, ids=lambda endpoint: endpoint.name)


def test_the_registry_has_every_specified_endpoint() -> None:
    assert sorted(endpoint.name for endpoint in ENDPOINTS) == sorted(SPECIFIED)


@every_endpoint
def test_no_specified_field_is_missing(endpoint: Endpoint) -> None:
    columns = {column.field for column in endpoint.api_columns}
    for field in SPECIFIED[endpoint.name]["fields"]:
        in_common_column = STORED_IN_COMMON_COLUMNS.get(field) in endpoint.schema.names
        assert field in columns or in_common_column or (endpoint.name, field) in EXPIRING | ONLY_OF_VALUES, field


@every_endpoint
def test_every_field_is_specified(endpoint: Endpoint) -> None:
    assert {column.field for column in endpoint.api_columns} <= SPECIFIED[endpoint.name]["fields"].keys()


@every_endpoint
def test_the_oauth_scope_is_as_specified(endpoint: Endpoint) -> None:
    assert endpoint.oauth_scope == SPECIFIED[endpoint.name]["oauth_scope"]


@every_endpoint
def test_types_are_as_specified(endpoint: Endpoint) -> None:
    for column in endpoint.api_columns:
        specified = SPECIFIED[endpoint.name]["fields"][column.field]
        assert _specified_type(column) == specified, column.name


def _specified_type(column: Column) -> str:
    """Return the specification's name for the column's type."""
    if column.field in DECIMALS_SPECIFIED_AS_INTEGER:
        return "integer"
    if column.name.endswith("_gid") and column.field != "gid":
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
def test_every_requested_field_is_allowed_in_opt_fields(endpoint: Endpoint) -> None:
    requested = {path for path in endpoint.opt_fields.split(",") if path.rpartition(".")[2] != "resource_type"}
    assert requested <= set(SPECIFIED[endpoint.name]["opt_fields"])


@every_endpoint
def test_every_own_column_is_requested(endpoint: Endpoint) -> None:
    requested = {path.partition(".")[0] for path in endpoint.opt_fields.split(",")}
    assert requested == {column.field for column in endpoint.columns} - {"gid"}


@every_endpoint
def test_column_names_are_unique_with_common_columns_at_both_ends(endpoint: Endpoint) -> None:
    names = endpoint.schema.names
    assert len(set(names)) == len(names)
    assert names[:2] == ["gid", "workspace_gid"]
    assert names[-3:] == ["_synced_at", "_unmapped", "_row_hash"]


@every_endpoint
def test_children_have_a_parent_gid_and_are_sorted_by_it(endpoint: Endpoint) -> None:
    if endpoint.name in CHILDREN:
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
        "subtasks": {"tasks": ("gid", "num_subtasks", "modified_at", *SHOWN_BY_TASKS)},
        "stories": {
            **dict.fromkeys(("tasks", "subtasks"), ("gid", "modified_at", "num_subtasks", *SHOWN_BY_TASKS)),
            "goals": ("gid",),
        },
        "attachments": {
            "projects": ("gid", "modified_at", "project_brief_gid"),
            **dict.fromkeys(("tasks", "subtasks"), ("gid", "modified_at", "num_subtasks", *SHOWN_BY_TASKS)),
        },
        "status_updates": dict.fromkeys(("projects", "portfolios", "goals"), ("gid", "current_status_update_gid")),
        "webhooks": {"workspaces": ("gid",)},
        "portfolios": {"workspaces": ("gid",)},
        "time_periods": {"workspaces": ("gid",)},
        "goals": {"workspaces": ("gid",)},
        "portfolio_items": {"portfolios": ("gid",)},
        "time_tracking_categories": {"workspaces": ("gid",)},
        "timesheet_approval_statuses": {"workspaces": ("gid",)},
        "allocations": {"workspaces": ("gid",)},
        "budgets": {"projects": ("gid", "modified_at")},
        "rates": {"projects": ("gid", "modified_at")},
        "portfolio_memberships": {"portfolios": ("gid",)},
        "goal_relationships": {"goals": ("gid",)},
        "custom_field_settings": dict.fromkeys(
            ("projects", "teams", "portfolios", "goals"), ("gid", "custom_field_settings")
        ),
        "custom_fields": {"workspaces": ("gid",), "custom_field_settings": ("custom_field_gid",)},
        "custom_types": {"tasks": ("custom_type_gid",)},
        "task_templates": {"projects": ("gid", "modified_at")},
        "project_briefs": {"projects": ("project_brief_gid", "modified_at")},
        "project_memberships": {
            "projects": ("gid", "modified_at", "team_gid", "privacy_setting", "default_access_level", "member_gids")
        },
        "project_portfolio_settings": {"projects": ("gid", "modified_at")},
        "access_requests": {"projects": ("gid", "modified_at")},
        "user_task_lists": {"users": ("gid",)},
        "ooo_entries": {"users": ("gid",)},
        "roles": {"workspaces": ("gid",)},
        "agents": {"workspaces": ("gid",)},
        "time_tracking_entries": {"workspaces": ("gid",)},
        "audit_log_events": {"workspaces": ("gid", "is_organization")},
    }


@every_endpoint
def test_children_are_fetched_by_parent_version_and_age(endpoint: Endpoint) -> None:
    if endpoint.is_child:
        versioned = [listing for listing in endpoint.listings if listing.version_columns is not None]
        assert all(listing.version_columns for listing in versioned)
        assert bool(versioned) == (endpoint.refresh_after_days > 0)


def test_a_window_is_that_of_the_only_listing_of_a_workspace() -> None:
    for endpoint in ENDPOINTS:
        windows = [listing.window for listing in endpoint.listings if listing.window]
        for window in windows:
            [listing] = endpoint.listings
            assert listing.parent is WORKSPACES
            assert listing.version_columns == ()
            assert window.column in endpoint.columns
            assert (window.retention is None) == bool(endpoint.refresh_after_days and endpoint.record_path)


def test_rows_of_a_recursive_listing_have_the_columns_of_a_parent() -> None:
    for endpoint in ENDPOINTS:
        if endpoint.recursive_listing:
            assert {endpoint.recursive_listing.parent_column, endpoint.recursive_listing.only_if} <= {
                *endpoint.schema.names
            }


def test_the_registry_lists_parents_before_children() -> None:
    names = [endpoint.name for endpoint in ENDPOINTS]
    for endpoint in ENDPOINTS:
        assert {*endpoint.upstream} <= {*names[: names.index(endpoint.name)]}


def test_descriptions_state_how_each_listing_stays_fresh() -> None:
    freshness = {endpoint.name: endpoint.freshness for endpoint in ENDPOINTS}
    assert freshness["projects"] == "Every sync fetches all rows, so deleted objects are removed."
    assert freshness["tasks"] == (
        "Every sync fetches all rows listed by `projects`, so deleted objects are removed. "
        "Rows listed by `users` are fetched again at least every day by default."
    )
    assert freshness["subtasks"] == (
        "Rows are fetched again when their parent's `modified_at`, `num_subtasks`, `memberships`, `tag_gids`, "
        "`follower_gids`, `dependency_gids` or `custom_fields` changes, and at least every day by default."
    )
    assert freshness["attachments"] == (
        "Rows listed by `projects` are fetched again when their parent's `modified_at` changes, and at least every 30 "
        "days by default. Rows listed by `tasks` and `subtasks` are fetched again when their parent's `modified_at`, "
        "`num_subtasks`, `memberships`, `tag_gids`, `follower_gids`, `dependency_gids` or `custom_fields` changes, and "
        "at least every 30 days by default."
    )
    assert freshness["status_updates"] == (
        "Rows are fetched again when their parent's `current_status_update_gid` changes, and at least every 30 days by "
        "default."
    )
    assert freshness["time_tracking_entries"] == (
        "Every sync fetches the rows whose `entered_on` is within the 30 days before the last sync, or later. Changes "
        "and deletions of older rows, and rows that are added with an older date, are found when all rows are fetched "
        "again, at least every 30 days by default."
    )
    assert freshness["audit_log_events"] == (
        "Every sync adds what is newer than the newest row. Asana only keeps the last 90 days, but rows are kept for "
        "good. If no sync succeeds for that long, what Asana deleted meanwhile is missing, and a check reports it."
    )
