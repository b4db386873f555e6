"""Finding the objects that a request refers to, and checking that the token's user may read them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from asana_assets.sandbox.api.errors import ApiError, forbidden, not_found
from asana_assets.sandbox.api.request import require
from asana_assets.sandbox.api.routes.results import PagedListing

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from asana_assets.sandbox.api.request import Query
    from asana_assets.sandbox.data.model import Object
    from asana_assets.sandbox.data.organization import Organization


class Lookup:
    """Read access to an organization. Methods raise `ApiError` wherever Asana would return an error.

    `label` is the name of an object in error messages, by default its kind.
    """

    def __init__(self, organization: Organization, search_lag_seconds: float) -> None:
        self.organization = organization
        self.search_lag_seconds = search_lag_seconds

    def find(self, gid: str, kind: str, label: str | None = None) -> Object:
        label = label or kind
        if not gid.isdigit():
            raise ApiError(400, f"{label}: Not a Long: {gid}")
        found = self.organization.find(gid, kind)
        if found is None:
            raise not_found(label, gid)
        self.check_access(found, label)
        return found

    def check_access(self, found: Object, label: str) -> None:
        """Raise 403 unless the token's user may read the object and what it belongs to."""
        if found.kind == "project" and found.gid in self.organization.hidden_projects:
            raise forbidden(label)
        if found.kind == "task" and not self.organization.is_visible(found):
            raise forbidden(label)
        for field in ("target", "project", "parent"):
            owner = found.ref(field) if found.kind not in {"task", "project"} else None
            if owner is not None:
                self.check_access(owner, owner.kind)

    def find_user(self, gid: str, label: str = "user") -> Object:
        """Find a user by gid, `me` or email."""
        if gid == "me":
            return self.organization.me
        if "@" in gid:
            for found in self.organization.objects.values():
                if found.kind == "user" and found.text("email") == gid:
                    return found
            raise not_found(label, gid)
        return self.find(gid, "user", label)

    def find_workspace(self, query: Query, name: str = "workspace") -> Object:
        """Find the workspace given by a required query parameter."""
        return self.find(require(query, name), "workspace", name)

    def find_only_workspace(self, query: Query) -> Object:
        """Find the workspace given by a query parameter, which is optional if the token has only one workspace."""
        workspaces = self.organization.workspaces()
        if "workspace" not in query and len(workspaces) == 1:
            return workspaces[0]
        return self.find_workspace(query)

    def find_project_or_my_tasks(self, gid: str) -> Object:
        """Find a project or a My Tasks list, because Asana accepts either."""
        if self.organization.find(gid, "user_task_list") is not None:
            return self.find(gid, "user_task_list")
        return self.find(gid, "project")

    def listing(self, kind: str, key: tuple[str, ...], objects: Callable[[], Iterable[Object]]) -> PagedListing:
        """Return a listing; `key` distinguishes it from the other listings of this kind."""
        return PagedListing(kind=kind, listing=self.organization.cached_listing((kind, *key), objects))

    def workspace_listing(self, workspace: Object, kind: str) -> PagedListing:
        """Return all objects of a kind that belong directly to a workspace."""
        objects = self.organization.workspace_objects(workspace.gid, kind)
        return self.listing(kind, ("workspace", workspace.gid), objects.values)
