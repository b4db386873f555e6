"""Routes of custom fields, templates, briefs, members, roles and absences."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, TypeAlias

from asana_assets.sandbox.api import errors
from asana_assets.sandbox.api.errors import ApiError, not_found
from asana_assets.sandbox.api.request import require
from asana_assets.sandbox.api.routes.results import PagedListing, UnpagedListing

if TYPE_CHECKING:
    from asana_assets.sandbox.api.request import Query
    from asana_assets.sandbox.api.routes.lookup import Lookup
    from asana_assets.sandbox.api.routes.results import Result
    from asana_assets.sandbox.data.model import Object

_Handler: TypeAlias = "Callable[[Lookup, str, Query], Result]"


def custom_fields(lookup: Lookup, gid: str, _query: Query) -> Result:
    workspace = lookup.find(gid, "workspace")
    if workspace.gid not in lookup.organization.paid_workspaces:
        raise ApiError(402, "Custom Fields are not available for free users or guests.")
    return lookup.workspace_listing(workspace, "custom_field")


def settings_of(kind: str) -> _Handler:
    """Return the handler of the custom field settings of one kind of object, in pages except for teams."""

    def handler(lookup: Lookup, gid: str, _query: Query) -> Result:
        parent = lookup.find(gid, kind)
        _check_plan(lookup, parent, "Custom Field Settings")
        settings = parent.refs("custom_field_settings")
        if kind == "team":
            return UnpagedListing(kind="custom_field_setting", objects=list(settings))
        return lookup.listing("custom_field_setting", (kind, gid), lambda: settings)

    return handler


def custom_types(lookup: Lookup, _gid: str, query: Query) -> Result:
    gid = require(query, "project")
    lookup.find(gid, "project")
    types = (task.ref("custom_type") for task in lookup.organization.tasks_of_project(gid).objects)
    found = {one.gid: one for one in types if one is not None}
    return lookup.listing("custom_type", ("project", gid), found.values)


def task_templates(lookup: Lookup, _gid: str, query: Query) -> Result:
    return _belongings(lookup, lookup.find(require(query, "project"), "project"), "task_template")


def memberships(lookup: Lookup, _gid: str, query: Query) -> Result:
    gid = require(query, "parent")
    parent = lookup.organization.objects.get(gid)
    if parent is None or parent.kind not in {"project", "portfolio"}:
        raise not_found("parent", gid)
    lookup.check_access(parent, "parent")
    listing = _belongings(lookup, parent, "membership")
    if "member" not in query:
        return listing
    member = query["member"]
    return PagedListing(kind=listing.kind, listing=listing.listing, keep=lambda one: _is(one.ref("member"), member))


def project_portfolio_settings(lookup: Lookup, gid: str, _query: Query) -> Result:
    project = lookup.find(gid, "project")
    _check_plan(lookup, project, "Portfolios")
    return _belongings(lookup, project, "project_portfolio_setting")


def access_requests(lookup: Lookup, _gid: str, query: Query) -> Result:
    target = lookup.find(require(query, "target"), "project", "target")
    user = query.get("user")
    requests = lookup.organization.belongings["access_request", target.gid]
    return UnpagedListing(
        kind="access_request", objects=[one for one in requests if user is None or _is(one.ref("requester"), user)]
    )


def ooo_entries(lookup: Lookup, _gid: str, query: Query) -> Result:
    user, workspace = lookup.find_user(require(query, "user")), lookup.find_workspace(query)
    entries = lookup.organization.belongings["ooo_entry", user.gid]
    key = ("user", user.gid, workspace.gid)
    return lookup.listing("ooo_entry", key, lambda: (one for one in entries if one.workspace_gid == workspace.gid))


def roles(lookup: Lookup, _gid: str, query: Query) -> Result:
    return lookup.workspace_listing(lookup.find_workspace(query), "role")


def agents(lookup: Lookup, gid: str, _query: Query) -> Result:
    return lookup.workspace_listing(lookup.find(gid, "workspace"), "agent")


def _belongings(lookup: Lookup, parent: Object, kind: str) -> PagedListing:
    return lookup.listing(kind, ("parent", parent.gid), lambda: lookup.organization.belongings[kind, parent.gid])


def _check_plan(lookup: Lookup, parent: Object, feature: str) -> None:
    if parent.workspace_gid not in lookup.organization.paid_workspaces:
        raise ApiError(402, errors.not_on_plan(feature))


def _is(found: Object | None, gid: str) -> bool:
    return found is not None and found.gid == gid


ROUTES: dict[str, _Handler] = {
    "workspaces/*/custom_fields": custom_fields,
    **{f"{kind}s/*/custom_field_settings": settings_of(kind) for kind in ("project", "team", "portfolio", "goal")},
    "custom_types": custom_types,
    "task_templates": task_templates,
    "memberships": memberships,
    "projects/*/project_portfolio_settings": project_portfolio_settings,
    "access_requests": access_requests,
    "ooo_entries": ooo_entries,
    "ooo_entries/*": lambda lookup, gid, _query: lookup.find(gid, "ooo_entry"),
    "roles": roles,
    "workspaces/*/agents": agents,
}
"""By path, with `*` for the gid."""
