"""The documented fields of portfolios, goals and what belongs to them."""

from __future__ import annotations

from asana_assets.sandbox.api.field_names import CUSTOM_FIELD_COMPACT, LIKE, REF, SETTING, under

_TIME_PERIOD = ("resource_type", "end_on", "start_on", "period", "display_name")

FIELDS: dict[str, tuple[str, ...]] = {
    "portfolios": (
        *("resource_type", "name", "archived", "color", "start_on", "due_on", "default_access_level", "created_at"),
        *("permalink_url", "public", "privacy_setting"),
        *under("created_by", REF),
        *under("custom_field_settings", SETTING),
        *under("current_status_update", ("resource_type", "title", "resource_subtype")),
        *under("custom_fields", CUSTOM_FIELD_COMPACT),
        *under("members", REF),
        *under("owner", REF),
        *under("workspace", REF),
        *under("project_templates", REF),
    ),
    "portfolio_items": REF,
    "portfolio_memberships": (
        *("resource_type", "resource_subtype", "access_level"),
        *under("parent", REF),
        *under("member", REF),
    ),
    "time_periods": (*_TIME_PERIOD, *under("parent", _TIME_PERIOD)),
    "goals": (
        *("resource_type", "name", "html_notes", "notes", "due_on", "start_on", "is_workspace_level", "liked"),
        *("num_likes", "status", "privacy_setting", "default_access_level"),
        *under("likes", LIKE),
        *under("team", REF),
        *under("workspace", REF),
        *under("followers", REF),
        *under("time_period", _TIME_PERIOD),
        *under(
            "metric",
            (
                *("resource_type", "resource_subtype", "precision", "unit", "currency_code", "initial_number_value"),
                *("target_number_value", "current_number_value", "current_display_value", "progress_source"),
                *("is_custom_weight", "can_manage"),
            ),
        ),
        *under("owner", REF),
        *under("current_status_update", ("resource_type", "title", "resource_subtype")),
        *under("custom_fields", CUSTOM_FIELD_COMPACT),
        *under("custom_field_settings", SETTING),
    ),
    "goal_relationships": (
        *("resource_type", "resource_subtype", "contribution_weight"),
        *under("supporting_resource", REF),
        *under("supported_goal", (*REF, *under("owner", REF))),
    ),
}
"""By endpoint."""
JOINED_FIELDS: dict[str, tuple[str, ...]] = {"portfolio_items": ("item", "parent")}
"""By endpoint whose rows are pairs of a parent and an object that it lists, the references to both."""
KINDS: dict[str, str] = {
    "portfolio": "portfolios",
    "time_period": "time_periods",
    "goal": "goals",
    "goal_relationship": "goal_relationships",
}
"""The endpoint of each kind of object that can be requested alone."""
COMPACT: dict[str, str] = {
    "time_period": ",".join(_TIME_PERIOD),
    "goal_relationship": "resource_type,resource_subtype,contribution_weight,supporting_resource.resource_type,"
    "supporting_resource.name",
    "goal": "resource_type,name,owner.resource_type,owner.name",
}
"""By kind, what a listing without opt_fields contains, if it is not only type and name."""
OPT_IN: dict[str, frozenset[str]] = {"portfolio": frozenset({"archived"})}
"""By kind, what a single object lacks unless it is requested."""
