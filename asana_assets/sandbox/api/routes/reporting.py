"""Routes of portfolios, time periods, goals and what belongs to them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from asana_assets.sandbox.api import errors
from asana_assets.sandbox.api.errors import ApiError, forbidden
from asana_assets.sandbox.api.request import require
from asana_assets.sandbox.api.routes.results import PagedListing
from asana_assets.sandbox.data.store import StoredListing

if TYPE_CHECKING:
    from collections.abc import Callable

    from asana_assets.sandbox.api.request import Query
    from asana_assets.sandbox.api.routes.lookup import Lookup
    from asana_assets.sandbox.api.routes.results import Result
    from asana_assets.sandbox.data.model import Object


def portfolios(lookup: Lookup, _gid: str, query: Query) -> Result:
    """List the user's own portfolios; a service account's token lists all, or those of `owner`."""
    workspace = _paid_workspace(lookup, query, "Portfolios")
    owner = lookup.find_user(query["owner"], "owner") if "owner" in query else None
    if owner not in {None, lookup.organization.me} and not lookup.organization.is_service_account:
        raise forbidden("user's portfolios")
    found = lookup.listing(
        "portfolio", ("workspace", workspace.gid), lambda: lookup.organization.portfolios(workspace.gid)
    )
    keep = None if owner is None else lambda one: one.ref("owner") is owner
    return PagedListing(kind=found.kind, listing=found.listing, keep=keep)


def time_periods(lookup: Lookup, _gid: str, query: Query) -> Result:
    return lookup.workspace_listing(_paid_workspace(lookup, query, "Goals"), "time_period")


def goals(lookup: Lookup, _gid: str, query: Query) -> Result:
    return lookup.workspace_listing(_paid_workspace(lookup, query, "Goals"), "goal")


def items(lookup: Lookup, gid: str, _query: Query) -> Result:
    """List the visible items, in the order in which they were added."""
    portfolio = lookup.find(gid, "portfolio")
    found = lookup.organization.items_of_portfolio(portfolio.gid)
    return PagedListing(
        kind="project", listing=StoredListing(ranks=[(rank,) for rank in range(len(found))], objects=found)
    )


def goal_relationships(lookup: Lookup, _gid: str, query: Query) -> Result:
    goal = lookup.find(require(query, "supported_goal"), "goal", "supported_goal")
    found = lookup.listing(
        "goal_relationship", ("goal", goal.gid), lambda: lookup.organization.goal_relationships[goal.gid]
    )
    subtype = query.get("resource_subtype")
    keep = (lambda one: one.text("resource_subtype") == subtype) if subtype else None
    return PagedListing(kind=found.kind, listing=found.listing, keep=keep)


def stories_of_goal(lookup: Lookup, gid: str, _query: Query) -> Result:
    goal = lookup.find(gid, "goal")
    return lookup.listing("story", ("goal", gid), lambda: lookup.organization.stories[goal.gid])


def _paid_workspace(lookup: Lookup, query: Query, feature: str) -> Object:
    workspace = lookup.find_workspace(query)
    if workspace.gid not in lookup.organization.paid_workspaces:
        raise ApiError(402, errors.not_on_plan(feature))
    return workspace


def _single(kind: str) -> Callable[[Lookup, str, Query], Result]:
    return lambda lookup, gid, _query: lookup.find(gid, kind)


ROUTES: dict[str, Callable[[Lookup, str, Query], Result]] = {
    "portfolios": portfolios,
    "portfolios/*": _single("portfolio"),
    "portfolios/*/items": items,
    "time_periods": time_periods,
    "time_periods/*": _single("time_period"),
    "goals": goals,
    "goals/*": _single("goal"),
    "goals/*/stories": stories_of_goal,
    "goal_relationships": goal_relationships,
    "goal_relationships/*": _single("goal_relationship"),
}
"""By path, with `*` for the gid."""
