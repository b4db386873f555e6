"""The documented fields of time tracking entries and of the events of the audit log."""

from __future__ import annotations

_REF = ("resource_type", "name")


def _under(prefix: str, names: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(f"{prefix}.{name}" for name in names)


FIELDS: dict[str, tuple[str, ...]] = {
    "time_tracking_entries": (
        *("resource_type", "duration_minutes", "entered_on", "created_at", "approval_status", "billable_status"),
        "description",
        *_under("attributable_to", _REF),
        *_under("created_by", _REF),
        *_under("categories", (*_REF, "color")),
        *_under("task", (*_REF, "resource_subtype", "created_by.resource_type")),
    ),
    "audit_log_events": (
        *("created_at", "event_type", "event_category", "details"),
        *_under("actor", ("actor_type", "gid", "name", "email")),
        *_under("resource", ("resource_type", "resource_subtype", "gid", "name", "email")),
        *_under("context", ("context_type", "api_authentication_method", "client_ip_address", "user_agent")),
        *_under("context", ("oauth_app_name", "rule_name", "on_behalf_of_user_id")),
    ),
}
"""By endpoint."""

COMPACT_FIELDS = {
    "time_tracking_entry": ",".join(
        name
        for name in FIELDS["time_tracking_entries"]
        if name.partition(".")[0] not in {"created_at", "approval_status", "billable_status", "description", "task"}
    ),
    "audit_log_event": ",".join(FIELDS["audit_log_events"]),
}
"""By kind, what a listing without `opt_fields` contains."""

ENDPOINT_OF_KIND = {"time_tracking_entry": "time_tracking_entries", "audit_log_event": "audit_log_events"}
