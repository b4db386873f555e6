"""The documented fields of each kind of object, and the parsing of `opt_fields`."""

from __future__ import annotations

from functools import lru_cache
from typing import TypeAlias

from asana_assets.sandbox.api import customization_fields, reporting_fields, resourcing_fields, streams_fields
from asana_assets.sandbox.api.field_names import CUSTOM_FIELD, CUSTOM_FIELD_COMPACT, ENUM, LIKE, REF, SETTING, under

Tree: TypeAlias = "dict[str, Tree]"
"""Field names, each with the names requested of the nested object."""

_TASK_REF = (*REF, "resource_subtype", "created_by.resource_type")
_DATES = ("start_on", "due_at", "due_on")
_REACTION = ("emoji_base", "variant", "count", "reacted")

_TASK = (
    *("resource_type", "name", "resource_subtype", "created_by.resource_type", "approval_status", "completed"),
    *("completed_at", "created_at", "dependencies.resource_type", "dependents.resource_type", "due_at", "due_on"),
    *("external.gid", "external.data", "html_notes", "is_rendered_as_separator", "liked", "modified_at", "notes"),
    *("num_likes", "num_subtasks", "start_at", "start_on", "actual_time_minutes", "permalink_url"),
    *under("assigned_by", REF),
    *under("completed_by", REF),
    *under("likes", LIKE),
    *under("memberships.project", REF),
    *under("memberships.section", REF),
    *under("assignee", REF),
    *under("assignee_section", REF),
    *under("custom_fields", CUSTOM_FIELD),
    *under("custom_type", REF),
    *under("custom_type_status_option", REF),
    *under("followers", REF),
    *under("parent", _TASK_REF),
    *under("projects", REF),
    *under("tags", REF),
    *under("workspace", REF),
)
_STORY = (
    *("resource_type", "created_at", "resource_subtype", "text", "html_text", "is_pinned", "sticker_name", "type"),
    *("is_editable", "is_edited", "liked", "num_likes", "old_name", "new_name", "old_resource_subtype"),
    *("new_resource_subtype", "old_text_value", "new_text_value", "old_number_value", "new_number_value"),
    *("new_approval_status", "old_approval_status", "source"),
    *under("created_by", REF),
    *under("likes", LIKE),
    *under("reaction_summary", _REACTION),
    *under("previews", ("fallback", "footer", "header", "header_link", "html_text", "text", "title", "title_link")),
    *under("old_dates", _DATES),
    *under("new_dates", _DATES),
    *under("story", ("resource_type", "created_at", "resource_subtype", "text", *under("created_by", REF))),
    *under("assignee", REF),
    *under("follower", REF),
    *under("old_section", REF),
    *under("new_section", REF),
    *under("task", _TASK_REF),
    *under("project", REF),
    *under("tag", REF),
    *under("custom_field", CUSTOM_FIELD_COMPACT),
    *under("old_enum_value", ENUM),
    *under("new_enum_value", ENUM),
    *under("old_date_value", _DATES),
    *under("new_date_value", _DATES),
    *under("old_people_value", REF),
    *under("new_people_value", REF),
    *under("old_multi_enum_values", ENUM),
    *under("new_multi_enum_values", ENUM),
    *under("duplicate_of", _TASK_REF),
    *under("duplicated_from", _TASK_REF),
    *under("dependency", _TASK_REF),
    *under("target", _TASK_REF),
)
_STANDARD_FIELDS: dict[str, tuple[str, ...]] = {
    "workspaces": ("resource_type", "name", "email_domains", "is_organization"),
    "users": (
        *("resource_type", "name", "email"),
        *under("photo", tuple(f"image_{size}x{size}" for size in (21, 27, 36, 60, 128, 1024))),
        *under("workspaces", REF),
        *under("custom_fields", CUSTOM_FIELD_COMPACT),
    ),
    "teams": (
        *("resource_type", "name", "description", "html_description", "permalink_url", "visibility", "endorsed"),
        *("edit_team_name_or_description_access_level", "edit_team_visibility_or_trash_team_access_level"),
        *("member_invite_management_access_level", "guest_invite_management_access_level"),
        *("join_request_management_access_level", "team_member_removal_access_level"),
        "team_content_management_access_level",
        *under("organization", REF),
        *under("custom_field_settings", SETTING),
    ),
    "team_memberships": (
        *("resource_type", "is_guest", "is_limited_access", "is_admin"),
        *under("user", REF),
        *under("team", REF),
    ),
    "workspace_memberships": (
        *("resource_type", "is_active", "is_admin", "is_guest", "is_view_only", "created_at"),
        *under("user", REF),
        *under("workspace", REF),
        *under("user_task_list", (*REF, *under("owner", REF), *under("workspace", REF))),
    ),
    "projects": (
        *("resource_type", "name", "archived", "color", "icon", "created_at", "default_view", "due_on", "html_notes"),
        *("modified_at", "notes", "privacy_setting", "start_on", "default_access_level", "completed", "completed_at"),
        *("minimum_access_level_for_customization", "minimum_access_level_for_sharing", "permalink_url"),
        "project_brief.resource_type",
        *under("current_status_update", ("resource_type", "title", "resource_subtype")),
        *under("custom_field_settings", SETTING),
        *under("members", REF),
        *under("custom_fields", CUSTOM_FIELD_COMPACT),
        *under("completed_by", REF),
        *under("followers", REF),
        *under("owner", REF),
        *under("team", REF),
        *under("created_from_template", REF),
        *under("workspace", REF),
    ),
    "project_templates": (
        *("resource_type", "name", "description", "html_description", "public", "color"),
        *under("owner", REF),
        *under("team", REF),
        *under("requested_dates", ("name", "description")),
        *under("requested_roles", REF),
    ),
    "sections": ("resource_type", "name", "created_at", *under("project", REF)),
    "tags": (
        *("resource_type", "name", "color", "notes", "created_at", "permalink_url"),
        *under("followers", REF),
        *under("workspace", REF),
    ),
    "tasks": _TASK,
    "subtasks": _TASK,
    "stories": _STORY,
    "attachments": (
        *("resource_type", "name", "resource_subtype", "created_at", "download_url", "permanent_url", "host", "size"),
        *("view_url", "connected_to_app"),
        *under("parent", _TASK_REF),
    ),
    "status_updates": (
        *("resource_type", "title", "resource_subtype", "text", "html_text", "status_type", "created_at", "liked"),
        *("modified_at", "num_likes"),
        *under("author", REF),
        *under("created_by", REF),
        *under("likes", LIKE),
        *under("reaction_summary", _REACTION),
        *under("parent", REF),
    ),
    "webhooks": (
        *("resource_type", "active", "target", "created_at", "last_failure_at", "last_failure_content"),
        *("last_success_at", "delivery_retry_count", "next_attempt_after", "failure_deletion_timestamp"),
        *under("resource", REF),
        *under("filters", ("resource_type", "resource_subtype", "action", "fields")),
    ),
}
_FIELDS = {
    **_STANDARD_FIELDS,
    **customization_fields.FIELDS,
    **reporting_fields.FIELDS,
    **resourcing_fields.FIELDS,
    **streams_fields.FIELDS,
}
STANDARD = tuple(_STANDARD_FIELDS)
"""The endpoints that the project syncs by default."""
ENDPOINTS = tuple(_FIELDS)
"""Every endpoint."""
ALL_FIELDS: dict[str, str] = {endpoint: ",".join(names) for endpoint, names in _FIELDS.items()}
"""By endpoint, the `opt_fields` that request every documented field that is not deprecated, and the `resource_type` of
every nested object."""

JOINED_FIELDS = reporting_fields.JOINED_FIELDS
"""By endpoint whose rows are pairs of a parent and an object that it lists: what the truth contains besides."""

# What a listing without opt_fields contains.
_COMPACT_FIELDS: dict[str, str] = {
    "task": "resource_type,name,resource_subtype",
    "story": "resource_type,created_at,created_by.resource_type,created_by.name,resource_subtype,text,type",
    "attachment": "resource_type,name,resource_subtype",
    "status_update": "resource_type,title,resource_subtype",
    "team_membership": ALL_FIELDS["team_memberships"],
    "workspace_membership": ",".join(
        ("resource_type", *under("user", REF), *under("workspace", REF)),
    ),
    "webhook": "resource_type,active,resource.resource_type,resource.name,target",
    "user_task_list": "resource_type,name,owner.resource_type,owner.name,workspace.resource_type,workspace.name",
    "project_brief": "resource_type",
    **customization_fields.COMPACT,
    **reporting_fields.COMPACT,
    **resourcing_fields.COMPACT,
    **streams_fields.COMPACT,
}
_ENDPOINT_OF_KIND = {
    **{endpoint.removesuffix("s"): endpoint for endpoint in _STANDARD_FIELDS},
    "story": "stories",
    **customization_fields.KINDS,
    **reporting_fields.KINDS,
    **resourcing_fields.KINDS,
    **streams_fields.KINDS,
}
# Omitted from a single object unless requested: what the documentation marks "Opt In" or recorded responses lack.
_OPT_IN: dict[str, frozenset[str]] = {
    "task": frozenset(
        {"created_by", "dependencies", "dependents", "external", "html_notes", "is_rendered_as_separator"}
        | {"num_subtasks", "assigned_by"},
    ),
    "project": frozenset({"html_notes", "project_brief", "created_from_template"}),
    "team": frozenset({"description", "html_description"}),
    "story": frozenset({"html_text"}),
    "status_update": frozenset({"html_text"}),
    "attachment": frozenset({"size", "connected_to_app"}),
    **customization_fields.OPT_IN,
    **reporting_fields.OPT_IN,
}


def compact_fields(kind: str) -> str:
    """Return the default `opt_fields` of a listing."""
    return _COMPACT_FIELDS.get(kind, "resource_type,name")


@lru_cache
def single_fields(kind: str) -> str:
    """Return the default `opt_fields` of a single object."""
    if kind not in _ENDPOINT_OF_KIND:
        return compact_fields(kind)
    opt_in = _OPT_IN.get(kind, frozenset())
    return ",".join(name for name in _FIELDS[_ENDPOINT_OF_KIND[kind]] if name.split(".", 1)[0] not in opt_in)


@lru_cache(maxsize=4096)
def parse_opt_fields(text: str) -> Tree:
    """Parse `a,b.c,b.d` to `{a: {}, b: {c: {}, d: {}}}`. Unknown names are kept; they match no field."""
    tree: Tree = {}
    for path in text.split(","):
        node = tree
        for name in path.strip().split("."):
            if name:
                node = node.setdefault(name, {})
    return tree
