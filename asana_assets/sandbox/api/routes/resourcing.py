"""Routes of time tracking categories, timesheets, allocations, budgets and rates."""

from __future__ import annotations

from typing import TYPE_CHECKING

from asana_assets.sandbox.api import errors
from asana_assets.sandbox.api.errors import ApiError
from asana_assets.sandbox.api.request import require
from asana_assets.sandbox.api.routes.results import PagedListing, UnpagedListing

if TYPE_CHECKING:
    from collections.abc import Callable

    from asana_assets.sandbox.api.request import Query
    from asana_assets.sandbox.api.routes.lookup import Lookup
    from asana_assets.sandbox.api.routes.results import Result
    from asana_assets.sandbox.data.model import Object


def categories(lookup: Lookup, _gid: str, query: Query) -> Result:
    """List the categories that are not archived, unless `is_archived` asks for the others."""
    is_archived = query.get("is_archived", "false") == "true"
    found = _of_workspace(lookup, query, "time_tracking_category", "Time tracking")
    return PagedListing(kind=found.kind, listing=found.listing, keep=lambda one: one.flag("is_archived") is is_archived)


def timesheets(lookup: Lookup, _gid: str, query: Query) -> Result:
    return _of_workspace(lookup, query, "timesheet_approval_status", "Timesheets")


def allocations(lookup: Lookup, _gid: str, query: Query) -> Result:
    found = _of_workspace(lookup, query, "allocation", "Allocations")
    parent, assignee = query.get("parent"), query.get("assignee")
    return PagedListing(
        kind=found.kind,
        listing=found.listing,
        keep=lambda one: _refers(one, "parent", parent) and _refers(one, "assignee", assignee),
    )


def budgets(lookup: Lookup, _gid: str, query: Query) -> Result:
    """List the budgets of a project, at most one; the listing has no pages."""
    project = _paid_project(lookup, query, "Budgets")
    return UnpagedListing(kind="budget", objects=lookup.organization.belongings["budget", project.gid])


def rates(lookup: Lookup, _gid: str, query: Query) -> Result:
    project = _paid_project(lookup, query, "Rates")
    found = lookup.listing("rate", ("parent", project.gid), lambda: lookup.organization.belongings["rate", project.gid])
    resource = query.get("resource")
    return PagedListing(kind=found.kind, listing=found.listing, keep=lambda one: _refers(one, "resource", resource))


def _of_workspace(lookup: Lookup, query: Query, kind: str, feature: str) -> PagedListing:
    workspace = lookup.find_workspace(query)
    _check_plan(lookup, workspace.gid, feature)
    return lookup.workspace_listing(workspace, kind)


def _paid_project(lookup: Lookup, query: Query, feature: str) -> Object:
    project = lookup.find(require(query, "parent"), "project", "parent")
    _check_plan(lookup, project.workspace_gid, feature)
    return project


def _check_plan(lookup: Lookup, workspace_gid: str, feature: str) -> None:
    if workspace_gid not in lookup.organization.paid_workspaces:
        raise ApiError(402, errors.not_on_plan(feature))


def _refers(found: Object, field: str, gid: str | None) -> bool:
    reference = found.ref(field)
    return gid is None or (reference is not None and reference.gid == gid)


def _single(kind: str) -> Callable[[Lookup, str, Query], Result]:
    return lambda lookup, gid, _query: lookup.find(gid, kind)


ROUTES: dict[str, Callable[[Lookup, str, Query], Result]] = {
    "time_tracking_categories": categories,
    "time_tracking_categories/*": _single("time_tracking_category"),
    "timesheet_approval_statuses": timesheets,
    "timesheet_approval_statuses/*": _single("timesheet_approval_status"),
    "allocations": allocations,
    "allocations/*": _single("allocation"),
    "budgets": budgets,
    "budgets/*": _single("budget"),
    "rates": rates,
    "rates/*": _single("rate"),
}
"""By path, with `*` for the gid."""
