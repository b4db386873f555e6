"""The documented fields of each kind of object, and the parsing of `opt_fields`."""

from __future__ import annotations

from functools import lru_cache
from typing import TypeAlias

Tree: TypeAlias = "dict[str, Tree]"
"""Field names, each with the names requested of the nested object."""

_REF = ("resource_type", "name")
_TASK_REF = (*_REF, "resource_subtype", "created_by.resource_type")
_ENUM = ("resource_type", "name", "enabled", "color")
_DATE = ("date", "date_time")
_DATES = ("start_on", "due_at", "due_on")
_LIKE = ("user.resource_type", "user.name")
_REACTION = ("emoji_base", "variant", "count", "reacted")


def _under(prefix: str, names: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(f"{prefix}.{name}" for name in names)


_CUSTOM_FIELD_COMPACT = (
    *("resource_type", "name", "type", "enabled", "representation_type", "id_prefix", "input_restrictions"),
    *("is_formula_field", "number_value", "text_value", "display_value"),
    *_under("enum_options", _ENUM),
    *_under("date_value", _DATE),
    *_under("enum_value", _ENUM),
    *_under("multi_enum_values", _ENUM),
)
_CUSTOM_FIELD = (
    *_CUSTOM_FIELD_COMPACT,
    *("description", "precision", "format", "currency_code", "custom_label", "custom_label_position"),
    *("is_global_to_workspace", "has_notifications_enabled", "asana_created_field", "is_value_read_only"),
    *("html_text_value", "privacy_setting", "default_access_level", "resource_subtype"),
    *_under("created_by", _REF),
    *_under("people_value", _REF),
    *_under("reference_value", _REF),
)
_SETTING = (
    *("resource_type", "is_important"),
    *_under("project", _REF),
    *_under("parent", _REF),
    *_under("custom_field", _CUSTOM_FIELD),
)
_TASK = (
    *("resource_type", "name", "resource_subtype", "created_by.resource_type", "approval_status", "completed"),
    *("completed_at", "created_at", "dependencies.resource_type", "dependents.resource_type", "due_at", "due_on"),
    *("external.gid", "external.data", "html_notes", "is_rendered_as_separator", "liked", "modified_at", "notes"),
    *("num_likes", "num_subtasks", "start_at", "start_on", "actual_time_minutes", "permalink_url"),
    *_under("assigned_by", _REF),
    *_under("completed_by", _REF),
    *_under("likes", _LIKE),
    *_under("memberships.project", _REF),
    *_under("memberships.section", _REF),
    *_under("assignee", _REF),
    *_under("assignee_section", _REF),
    *_under("custom_fields", _CUSTOM_FIELD),
    *_under("custom_type", _REF),
    *_under("custom_type_status_option", _REF),
    *_under("followers", _REF),
    *_under("parent", _TASK_REF),
    *_under("projects", _REF),
    *_under("tags", _REF),
    *_under("workspace", _REF),
)
_STORY = (
    *("resource_type", "created_at", "resource_subtype", "text", "html_text", "is_pinned", "sticker_name", "type"),
    *("is_editable", "is_edited", "liked", "num_likes", "old_name", "new_name", "old_resource_subtype"),
    *("new_resource_subtype", "old_text_value", "new_text_value", "old_number_value", "new_number_value"),
    *("new_approval_status", "old_approval_status", "source"),
    *_under("created_by", _REF),
    *_under("likes", _LIKE),
    *_under("reaction_summary", _REACTION),
    *_under("previews", ("fallback", "footer", "header", "header_link", "html_text", "text", "title", "title_link")),
    *_under("old_dates", _DATES),
    *_under("new_dates", _DATES),
    *_under("story", ("resource_type", "created_at", "resource_subtype", "text", *_under("created_by", _REF))),
    *_under("assignee", _REF),
    *_under("follower", _REF),
    *_under("old_section", _REF),
    *_under("new_section", _REF),
    *_under("task", _TASK_REF),
    *_under("project", _REF),
    *_under("tag", _REF),
    *_under("custom_field", _CUSTOM_FIELD_COMPACT),
    *_under("old_enum_value", _ENUM),
    *_under("new_enum_value", _ENUM),
    *_under("old_date_value", _DATES),
    *_under("new_date_value", _DATES),
    *_under("old_people_value", _REF),
    *_under("new_people_value", _REF),
    *_under("old_multi_enum_values", _ENUM),
    *_under("new_multi_enum_values", _ENUM),
    *_under("duplicate_of", _TASK_REF),
    *_under("duplicated_from", _TASK_REF),
    *_under("dependency", _TASK_REF),
    *_under("target", _TASK_REF),
)
_FIELDS: dict[str, tuple[str, ...]] = {
    "workspaces": ("resource_type", "name", "email_domains", "is_organization"),
    "users": (
        *("resource_type", "name", "email"),
        *_under("photo", tuple(f"image_{size}x{size}" for size in (21, 27, 36, 60, 128, 1024))),
        *_under("workspaces", _REF),
        *_under("custom_fields", _CUSTOM_FIELD_COMPACT),
    ),
    "teams": (
        *("resource_type", "name", "description", "html_description", "permalink_url", "visibility", "endorsed"),
        *("edit_team_name_or_description_access_level", "edit_team_visibility_or_trash_team_access_level"),
        *("member_invite_management_access_level", "guest_invite_management_access_level"),
        *("join_request_management_access_level", "team_member_removal_access_level"),
        "team_content_management_access_level",
        *_under("organization", _REF),
        *_under("custom_field_settings", _SETTING),
    ),
    "team_memberships": (
        *("resource_type", "is_guest", "is_limited_access", "is_admin"),
        *_under("user", _REF),
        *_under("team", _REF),
    ),
    "workspace_memberships": (
        *("resource_type", "is_active", "is_admin", "is_guest", "is_view_only", "created_at"),
        *_under("user", _REF),
        *_under("workspace", _REF),
        *_under("user_task_list", (*_REF, *_under("owner", _REF), *_under("workspace", _REF))),
    ),
    "projects": (
        *("resource_type", "name", "archived", "color", "icon", "created_at", "default_view", "due_on", "html_notes"),
        *("modified_at", "notes", "privacy_setting", "start_on", "default_access_level", "completed", "completed_at"),
        *("minimum_access_level_for_customization", "minimum_access_level_for_sharing", "permalink_url"),
        "project_brief.resource_type",
        *_under("current_status_update", ("resource_type", "title", "resource_subtype")),
        *_under("custom_field_settings", _SETTING),
        *_under("members", _REF),
        *_under("custom_fields", _CUSTOM_FIELD_COMPACT),
        *_under("completed_by", _REF),
        *_under("followers", _REF),
        *_under("owner", _REF),
        *_under("team", _REF),
        *_under("created_from_template", _REF),
        *_under("workspace", _REF),
    ),
    "project_templates": (
        *("resource_type", "name", "description", "html_description", "public", "color"),
        *_under("owner", _REF),
        *_under("team", _REF),
        *_under("requested_dates", ("name", "description")),
        *_under("requested_roles", _REF),
    ),
    "sections": ("resource_type", "name", "created_at", *_under("project", _REF)),
    "tags": (
        *("resource_type", "name", "color", "notes", "created_at", "permalink_url"),
        *_under("followers", _REF),
        *_under("workspace", _REF),
    ),
    "tasks": _TASK,
    "subtasks": _TASK,
    "stories": _STORY,
    "attachments": (
        *("resource_type", "name", "resource_subtype", "created_at", "download_url", "permanent_url", "host", "size"),
        *("view_url", "connected_to_app"),
        *_under("parent", _TASK_REF),
    ),
    "status_updates": (
        *("resource_type", "title", "resource_subtype", "text", "html_text", "status_type", "created_at", "liked"),
        *("modified_at", "num_likes"),
        *_under("author", _REF),
        *_under("created_by", _REF),
        *_under("likes", _LIKE),
        *_under("reaction_summary", _REACTION),
        *_under("parent", _REF),
    ),
    "webhooks": (
        *("resource_type", "active", "target", "created_at", "last_failure_at", "last_failure_content"),
        *("last_success_at", "delivery_retry_count", "next_attempt_after", "failure_deletion_timestamp"),
        *_under("resource", _REF),
        *_under("filters", ("resource_type", "resource_subtype", "action", "fields")),
    ),
}
STANDARD = tuple(_FIELDS)
"""The endpoints that the project syncs by default."""
ENDPOINTS = STANDARD
"""Every endpoint."""
ALL_FIELDS: dict[str, str] = {endpoint: ",".join(names) for endpoint, names in _FIELDS.items()}
"""By endpoint, the `opt_fields` that request every documented field that is not deprecated, and the `resource_type` of
every nested object."""

# What a listing without opt_fields contains.
_COMPACT_FIELDS: dict[str, str] = {
    "task": "resource_type,name,resource_subtype",
    "story": "resource_type,created_at,created_by.resource_type,created_by.name,resource_subtype,text,type",
    "attachment": "resource_type,name,resource_subtype",
    "status_update": "resource_type,title,resource_subtype",
    "team_membership": ALL_FIELDS["team_memberships"],
    "workspace_membership": ",".join(
        ("resource_type", *_under("user", _REF), *_under("workspace", _REF)),
    ),
    "webhook": "resource_type,active,resource.resource_type,resource.name,target",
    "user_task_list": "resource_type,name,owner.resource_type,owner.name,workspace.resource_type,workspace.name",
    "project_brief": "resource_type",
}
_ENDPOINT_OF_KIND = {endpoint.removesuffix("s"): endpoint for endpoint in _FIELDS} | {"story": "stories"}
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
}
_PROJECT_BRIEF = "resource_type,title,html_text,permalink_url,project.resource_type,project.name"


def compact_fields(kind: str) -> str:
    """Return the default `opt_fields` of a listing."""
    return _COMPACT_FIELDS.get(kind, "resource_type,name")


@lru_cache
def single_fields(kind: str) -> str:
    """Return the default `opt_fields` of a single object."""
    if kind == "project_brief":
        return _PROJECT_BRIEF
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
