"""The documented fields of time tracking entries and of the events of the audit log."""

from __future__ import annotations

from asana_assets.sandbox.api.field_names import REF, under

FIELDS: dict[str, tuple[str, ...]] = {
    "time_tracking_entries": (
        *("resource_type", "duration_minutes", "entered_on", "created_at", "approval_status", "billable_status"),
        "description",
        *under("attributable_to", REF),
        *under("created_by", REF),
        *under("categories", (*REF, "color")),
        *under("task", (*REF, "resource_subtype", "created_by.resource_type")),
    ),
    "audit_log_events": (
        *("created_at", "event_type", "event_category", "details"),
        *under("actor", ("actor_type", "gid", "name", "email")),
        *under("resource", ("resource_type", "resource_subtype", "gid", "name", "email")),
        *under("context", ("context_type", "api_authentication_method", "client_ip_address", "user_agent")),
        *under("context", ("oauth_app_name", "rule_name", "on_behalf_of_user_id")),
    ),
}
"""By endpoint."""

COMPACT = {
    "time_tracking_entry": ",".join(
        name
        for name in FIELDS["time_tracking_entries"]
        if name.partition(".")[0] not in {"created_at", "approval_status", "billable_status", "description", "task"}
    ),
    "audit_log_event": ",".join(FIELDS["audit_log_events"]),
}
"""By kind, what a listing without `opt_fields` contains."""

KINDS = {"time_tracking_entry": "time_tracking_entries", "audit_log_event": "audit_log_events"}
