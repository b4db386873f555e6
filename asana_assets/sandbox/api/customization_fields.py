"""The documented fields of custom fields, templates, briefs, members, roles and absences."""

from __future__ import annotations

from asana_assets.sandbox.api.field_names import CUSTOM_FIELD_COMPACT, ENUM, REF, SETTING, under

_PHOTO = tuple(f"image_{size}x{size}" for size in (21, 27, 36, 60, 128, 1024))
_RECIPE = ("name", "task_resource_subtype")
_PERMISSIONS = (
    *("create_app_authorization", "create_pat_authorization", "share_goal_with_domain", "share_portfolios_with_org"),
    *("assign_roles", "manage_roles", "export_project_data", "task_deletion_policy", "download_mobile_attachments"),
    *("import_data", "create_global_custom_fields", "upload_attachments", "create_team", "allowed_guest_invites"),
    *("create_and_edit_ai_automations", "proactive_ai", "standard_ai", "create_and_edit_ai_teammates"),
    *("share_teams_with_org", "create_goal", "create_project", "create_read_only_link", "create_portfolio"),
    *("view_public_teams", "view_shared_with_org_projects", "view_shared_with_org_tasks"),
    "view_shared_with_org_portfolios",
)
_DEPRECATED = "project"  # of a custom field setting

FIELDS: dict[str, tuple[str, ...]] = {
    "custom_field_settings": tuple(name for name in SETTING if name.split(".")[0] != _DEPRECATED),
    "custom_fields": (
        *("resource_type", "name", "resource_subtype", "representation_type", "description", "id_prefix", "precision"),
        *("input_restrictions", "is_formula_field", "format", "currency_code", "custom_label", "custom_label_position"),
        *("is_global_to_workspace", "has_notifications_enabled", "asana_created_field", "is_value_read_only"),
        *("privacy_setting", "default_access_level"),
        *under("enum_options", ENUM),
        *under("created_by", REF),
    ),
    "custom_types": (*REF, *under("status_options", (*REF, "completion_state", "enabled", "color"))),
    "task_templates": (
        *(*REF, "created_at"),
        *under("project", REF),
        *under("template", ("name", "task_resource_subtype", "description", "html_description")),
        *under("template", ("relative_start_on", "relative_due_on", "due_time")),
        *under("template.memberships", REF),
        *under("template.dependencies", _RECIPE),
        *under("template.dependents", _RECIPE),
        *under("template.followers", REF),
        *under("template.attachments", (*REF, "resource_subtype")),
        *under("template.subtasks", _RECIPE),
        *under("template.custom_fields", CUSTOM_FIELD_COMPACT),
        *under("created_by", REF),
    ),
    "project_briefs": ("resource_type", "title", "html_text", "text", "permalink_url", *under("project", REF)),
    "project_memberships": (
        *("resource_type", "resource_subtype", "access_level"),
        *under("member", REF),
        *under("parent", REF),
    ),
    "project_portfolio_settings": (
        *("resource_type", "is_access_control_inherited", "created_at"),
        *under("project", REF),
        *under("portfolio", REF),
    ),
    "access_requests": (
        *("resource_type", "message", "approval_status"),
        *under("requester", REF),
        *under("target", ("resource_type",)),
    ),
    "user_task_lists": (*REF, *under("owner", REF), *under("workspace", REF)),
    "ooo_entries": (
        *("resource_type", "start_date", "end_date"),
        *under("user", REF),
        *under("created_by", REF),
    ),
    "roles": (
        *(*REF, "description", "is_standard_role", "creation_time", "modified_at", "base_role_type"),
        *under("permissions", _PERMISSIONS),
        *under("workspace", REF),
    ),
    "agents": (
        *(*REF, "resource_subtype", "description", "behavior_guidance"),
        *under("workspace", REF),
        *under("photo", _PHOTO),
    ),
}
"""By endpoint."""
KINDS: dict[str, str] = {
    "custom_field": "custom_fields",
    "custom_type": "custom_types",
    "task_template": "task_templates",
    "project_brief": "project_briefs",
    "project_portfolio_setting": "project_portfolio_settings",
    "user_task_list": "user_task_lists",
    "ooo_entry": "ooo_entries",
    "role": "roles",
    "agent": "agents",
}
"""The endpoint of each kind of object that can be requested alone."""
COMPACT: dict[str, str] = {
    "custom_field_setting": ",".join(FIELDS["custom_field_settings"]),
    "custom_type": ",".join(FIELDS["custom_types"]),
    "membership": ",".join(FIELDS["project_memberships"]),
    "project_portfolio_setting": "resource_type",
    "access_request": ",".join(FIELDS["access_requests"]),
    "ooo_entry": ",".join(FIELDS["ooo_entries"]),
}
"""By kind, what a listing without opt_fields contains, if it is not only type and name."""
OPT_IN: dict[str, frozenset[str]] = {
    "custom_field": frozenset({"description"}),
    "project_brief": frozenset({"text"}),
}
"""By kind, what a single object lacks unless it is requested."""
