"""Routes of workspaces, users, teams and memberships."""

from __future__ import annotations

from typing import TYPE_CHECKING

from asana_assets.sandbox.api.errors import ApiError, not_found
from asana_assets.sandbox.api.request import require
from asana_assets.sandbox.api.routes.results import PagedListing, UnpagedListing
from asana_assets.sandbox.data.store import StoredListing

if TYPE_CHECKING:
    from asana_assets.sandbox.api.request import Query
    from asana_assets.sandbox.api.routes.lookup import Lookup
    from asana_assets.sandbox.api.routes.results import Result
    from asana_assets.sandbox.data.model import Object

_MAX_UNPAGED_USERS = 2000


def workspaces(lookup: Lookup, _gid: str, _query: Query) -> Result:
    return lookup.listing("workspace", (), lookup.organization.workspaces)


def user(lookup: Lookup, gid: str, _query: Query) -> Result:
    return lookup.find_user(gid)


def users(lookup: Lookup, _gid: str, query: Query) -> Result:
    if "team" in query:
        members = _team_members(lookup, lookup.find(query["team"], "team"))
        ranks = [(int(member.gid),) for member in members]
        return PagedListing(kind="user", listing=StoredListing(ranks=ranks, objects=members))
    workspace = lookup.find_only_workspace(query)
    return PagedListing(kind="user", listing=lookup.organization.users_listing(workspace.gid))


def users_of_workspace(lookup: Lookup, gid: str, _query: Query) -> Result:
    return _alphabetical(lookup.organization.users(lookup.find(gid, "workspace").gid))


def users_of_team(lookup: Lookup, gid: str, _query: Query) -> Result:
    return _alphabetical(_team_members(lookup, lookup.find(gid, "team")))


def user_task_list(lookup: Lookup, gid: str, query: Query) -> Result:
    owner, workspace = lookup.find_user(gid), lookup.find_workspace(query)
    found = lookup.organization.user_task_lists.get((workspace.gid, owner.gid))
    if found is None:
        raise not_found("user", gid)
    return found


def teams(lookup: Lookup, gid: str, _query: Query) -> Result:
    workspace = lookup.find(gid, "workspace")
    if not workspace.flag("is_organization"):
        raise ApiError(400, "workspace: Not an organization")
    return lookup.workspace_listing(workspace, "team")


def teams_of_user(lookup: Lookup, gid: str, query: Query) -> Result:
    member, organization = lookup.find_user(gid), lookup.find_workspace(query, "organization")
    candidates = lookup.organization.workspace_objects(organization.gid, "team").values()
    key = ("user", member.gid, organization.gid)
    return lookup.listing("team", key, lambda: (team for team in candidates if member in _team_members(lookup, team)))


def team_memberships(lookup: Lookup, _gid: str, query: Query) -> Result:
    if "team" in query:
        return team_memberships_of_team(lookup, query["team"], query)
    return team_memberships_of_user(lookup, require(query, "user"), query)


def team_memberships_of_team(lookup: Lookup, gid: str, _query: Query) -> Result:
    team = lookup.find(gid, "team")
    return lookup.listing("team_membership", ("team", gid), lambda: lookup.organization.team_memberships[team.gid])


def team_memberships_of_user(lookup: Lookup, gid: str, query: Query) -> Result:
    member, workspace = lookup.find_user(gid), lookup.find_workspace(query)
    organization = lookup.organization
    candidates = [
        membership
        for team_gid in organization.workspace_objects(workspace.gid, "team")
        for membership in organization.team_memberships[team_gid]
    ]
    key = ("user", member.gid, workspace.gid)
    return lookup.listing("team_membership", key, lambda: (one for one in candidates if one.ref("user") is member))


def workspace_memberships(lookup: Lookup, gid: str, query: Query) -> Result:
    listing = lookup.workspace_listing(lookup.find(gid, "workspace"), "workspace_membership")
    if "user" not in query:
        return listing
    member = lookup.find_user(query["user"])
    return PagedListing(kind=listing.kind, listing=listing.listing, keep=lambda one: one.ref("user") is member)


def workspace_memberships_of_user(lookup: Lookup, gid: str, _query: Query) -> Result:
    member = lookup.find_user(gid)
    accessible = {workspace.gid for workspace in lookup.organization.workspaces()}
    memberships = [
        membership
        for (workspace_gid, user_gid), membership in lookup.organization.workspace_memberships.items()
        if user_gid == member.gid and workspace_gid in accessible
    ]
    return lookup.listing("workspace_membership", ("user", member.gid), lambda: memberships)


def _team_members(lookup: Lookup, team: Object) -> list[Object]:
    memberships = lookup.organization.team_memberships[team.gid]
    members = [member for membership in memberships if (member := membership.ref("user")) is not None]
    return sorted(members, key=lambda member: int(member.gid))


def _alphabetical(found: list[Object]) -> UnpagedListing:
    ordered = sorted(found, key=lambda one: one.text("name"))
    return UnpagedListing(kind="user", objects=ordered[:_MAX_UNPAGED_USERS])
