"""Routes of time tracking entries and of the audit log."""

from __future__ import annotations

from typing import TYPE_CHECKING

from asana_assets.sandbox.api import errors
from asana_assets.sandbox.api.errors import ApiError
from asana_assets.sandbox.api.request import parse_optional_instant
from asana_assets.sandbox.api.routes.results import PagedListing
from asana_assets.sandbox.data.store import StoredListing
from asana_assets.sandbox.data.streams_tables import listed_events, visible_entries

if TYPE_CHECKING:
    from collections.abc import Callable

    from asana_assets.sandbox.api.request import Query
    from asana_assets.sandbox.api.routes.lookup import Lookup
    from asana_assets.sandbox.api.routes.results import Result


def time_tracking_entries(lookup: Lookup, _gid: str, query: Query) -> Result:
    """Return the entries of a workspace within a range of dates, both included, as far as they are given."""
    workspace = lookup.find_workspace(query)
    start, end = (query.get(f"entered_on_{name}_date", "") for name in ("start", "end"))
    if not start and not end:
        raise ApiError(400, errors.NO_DATE_OF_ENTRIES)
    for name, value in (("entered_on_start_date", start), ("entered_on_end_date", end)):
        parse_optional_instant({name: value}, name)
    if workspace.gid not in lookup.organization.paid_workspaces:
        raise ApiError(402, errors.TIME_TRACKING_NOT_ON_PLAN)
    listing = lookup.listing(
        "time_tracking_entry", ("workspace", workspace.gid), lambda: visible_entries(lookup.organization, workspace.gid)
    )
    return PagedListing(
        kind=listing.kind,
        listing=listing.listing,
        keep=lambda entry: start <= entry.text("entered_on") <= (end or entry.text("entered_on")),
    )


def time_tracking_entry(lookup: Lookup, gid: str, _query: Query) -> Result:
    entry = lookup.find(gid, "time_tracking_entry")
    task = entry.ref("task")
    if task is not None:
        lookup.check_access(task, "task")
    return entry


def audit_log_events(lookup: Lookup, gid: str, query: Query) -> Result:
    """Return the events from a start, included, to an end, excluded; an endless stream, oldest first."""
    workspace = lookup.find(gid, "workspace")
    if workspace.gid not in lookup.organization.service_accounts:
        raise ApiError(403, errors.AUDIT_LOG_FOR_SERVICE_ACCOUNTS)
    start, end = parse_optional_instant(query, "start_at"), parse_optional_instant(query, "end_at")
    events = listed_events(lookup.organization, workspace.gid)
    return PagedListing(
        kind="audit_log_event",
        listing=StoredListing(ranks=[(event.text("created_at"), event.gid) for event in events], objects=events),
        keep=lambda event: start <= event.text("created_at") and not (end and event.text("created_at") >= end),
        is_endless=True,
    )


ROUTES: dict[str, Callable[[Lookup, str, Query], Result]] = {
    "time_tracking_entries": time_tracking_entries,
    "time_tracking_entries/*": time_tracking_entry,
    "workspaces/*/audit_log_events": audit_log_events,
}
