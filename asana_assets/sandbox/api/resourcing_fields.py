"""The documented fields of time tracking, allocations, budgets and rates."""

from __future__ import annotations

from asana_assets.sandbox.api.field_names import REF, under

FIELDS: dict[str, tuple[str, ...]] = {
    "time_tracking_categories": ("resource_type", "name", "color", "is_archived"),
    "timesheet_approval_statuses": (
        *("resource_type", "created_at", "start_date", "end_date", "approval_status"),
        *under("user", REF),
        *under("workspace", REF),
    ),
    "allocations": (
        *("resource_type", "start_date", "end_date", "effort.type", "effort.value", "resource_subtype"),
        *under("assignee", REF),
        *under("created_by", REF),
        *under("parent", REF),
    ),
    "budgets": (
        *("resource_type", "budget_type"),
        *under("estimate", ("billable_status_filter", "source", "enabled", "units", "value")),
        *under("actual", ("billable_status_filter", "value", "units")),
        *under("total", ("enabled", "value", "units")),
        *under("parent", REF),
    ),
    "rates": (
        *("resource_type", "rate", "currency_code"),
        *under("parent", REF),
        *under("resource", REF),
        *under("created_by", REF),
    ),
}
"""By endpoint."""
KINDS: dict[str, str] = {
    "time_tracking_category": "time_tracking_categories",
    "timesheet_approval_status": "timesheet_approval_statuses",
    "allocation": "allocations",
    "budget": "budgets",
    "rate": "rates",
}
"""The endpoint of each kind of object that can be requested alone."""
COMPACT: dict[str, str] = {
    kind: ",".join(FIELDS[endpoint])
    for kind, endpoint in KINDS.items()
    if kind in {"time_tracking_category", "timesheet_approval_status", "allocation", "budget"}
} | {"rate": "resource_type,rate,currency_code"}
"""By kind, what a listing without opt_fields contains."""
