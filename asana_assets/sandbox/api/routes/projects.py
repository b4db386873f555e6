"""Routes of projects, templates, sections, tags, status updates and webhooks."""

from __future__ import annotations

from typing import TYPE_CHECKING

from asana_assets.sandbox.api import errors
from asana_assets.sandbox.api.errors import ApiError, not_found
from asana_assets.sandbox.api.request import parse_optional_instant, require
from asana_assets.sandbox.api.routes.results import Counts, PagedListing

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from asana_assets.sandbox.api.request import Query
    from asana_assets.sandbox.api.routes.lookup import Lookup
    from asana_assets.sandbox.api.routes.results import Keep, Result
    from asana_assets.sandbox.data.model import Object


def projects(lookup: Lookup, _gid: str, query: Query) -> Result:
    if "team" in query and "workspace" not in query:
        return projects_of_team(lookup, query["team"], query)
    return projects_of_workspace(lookup, lookup.find_only_workspace(query).gid, query)


def projects_of_workspace(lookup: Lookup, gid: str, query: Query) -> Result:
    workspace = lookup.find(gid, "workspace")
    listing = lookup.listing("project", ("workspace", gid), lambda: lookup.organization.projects(workspace.gid))
    return PagedListing(kind=listing.kind, listing=listing.listing, keep=_archived_filter(query))


def projects_of_team(lookup: Lookup, gid: str, query: Query) -> Result:
    team = lookup.find(gid, "team")
    candidates = lookup.organization.projects(team.workspace_gid)
    listing = lookup.listing("project", ("team", gid), lambda: (one for one in candidates if one.ref("team") is team))
    return PagedListing(kind=listing.kind, listing=listing.listing, keep=_archived_filter(query))


def projects_of_task(lookup: Lookup, gid: str, _query: Query) -> Result:
    return lookup.listing("project", ("task", gid), lambda: lookup.find(gid, "task").refs("projects"))


def task_counts(lookup: Lookup, gid: str, query: Query) -> Result:
    """Return the counts that `opt_fields` names.

    Asana has a separate rate limit for this route. It is not simulated, because its size is undocumented.
    """
    tasks = lookup.organization.tasks_of_project(lookup.find(gid, "project").gid).objects
    requested = query.get("opt_fields", "").split(",")
    return Counts(numbers={name: count(tasks) for name, count in _COUNTS.items() if name in requested})


def templates(lookup: Lookup, _gid: str, query: Query) -> Result:
    if "team" in query:
        return templates_of_team(lookup, query["team"], query)
    workspace = lookup.find_workspace(query)
    if workspace.gid not in lookup.organization.paid_workspaces:
        raise ApiError(402, errors.not_on_plan("Project Templates"))
    return lookup.workspace_listing(workspace, "project_template")


def templates_of_team(lookup: Lookup, gid: str, _query: Query) -> Result:
    team = lookup.find(gid, "team")
    candidates = lookup.organization.workspace_objects(team.workspace_gid, "project_template").values()
    key = ("team", gid)
    return lookup.listing("project_template", key, lambda: (one for one in candidates if one.ref("team") is team))


def sections(lookup: Lookup, gid: str, _query: Query) -> Result:
    project = lookup.find_project_or_my_tasks(gid)
    return lookup.listing("section", ("project", gid), lambda: lookup.organization.sections[project.gid])


def tags(lookup: Lookup, _gid: str, query: Query) -> Result:
    return lookup.workspace_listing(lookup.find_only_workspace(query), "tag")


def tags_of_workspace(lookup: Lookup, gid: str, _query: Query) -> Result:
    return lookup.workspace_listing(lookup.find(gid, "workspace"), "tag")


def tags_of_task(lookup: Lookup, gid: str, _query: Query) -> Result:
    return lookup.listing("tag", ("task", gid), lambda: lookup.find(gid, "task").refs("tags"))


def status_updates(lookup: Lookup, _gid: str, query: Query) -> Result:
    gid = require(query, "parent")
    parent = lookup.organization.objects.get(gid)
    if parent is None or parent.kind not in {"project", "portfolio", "goal"}:
        raise not_found("parent", gid)
    lookup.check_access(parent, parent.kind)
    listing = lookup.listing("status_update", ("parent", gid), lambda: lookup.organization.status_updates[gid])
    since = parse_optional_instant(query, "created_since")
    keep: Keep | None = (lambda one: one.text("created_at") >= since) if since else None
    return PagedListing(kind=listing.kind, listing=listing.listing, keep=keep)


def webhooks(lookup: Lookup, _gid: str, query: Query) -> Result:
    listing = lookup.workspace_listing(lookup.find_workspace(query), "webhook")
    resource_gid = query.get("resource")
    keep: Keep | None = (lambda one: _is_resource(one, resource_gid)) if resource_gid else None
    return PagedListing(kind=listing.kind, listing=listing.listing, keep=keep)


def _is_resource(webhook: Object, gid: str) -> bool:
    resource = webhook.ref("resource")
    return resource is not None and resource.gid == gid


def _archived_filter(query: Query) -> Keep | None:
    if "archived" not in query:
        return None
    archived = query["archived"] == "true"
    return lambda project: project.flag("archived") is archived


def _counter(*, milestones: bool = False, completed: bool | None = None) -> Callable[[Sequence[Object]], int]:
    """Return a function that counts tasks, optionally only milestones or only (in)complete ones."""

    def count(tasks: Sequence[Object]) -> int:
        if not milestones and completed is None:
            return len(tasks)
        return sum(
            (not milestones or task.text("resource_subtype") == "milestone")
            and completed in {None, task.flag("completed")}
            for task in tasks
        )

    return count


_COUNTS = {
    "num_tasks": _counter(),
    "num_incomplete_tasks": _counter(completed=False),
    "num_completed_tasks": _counter(completed=True),
    "num_milestones": _counter(milestones=True),
    "num_incomplete_milestones": _counter(milestones=True, completed=False),
    "num_completed_milestones": _counter(milestones=True, completed=True),
}
