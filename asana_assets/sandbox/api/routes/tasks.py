"""Routes of tasks, subtasks, stories and attachments."""

from __future__ import annotations

from typing import TYPE_CHECKING

from asana_assets.sandbox.api import errors
from asana_assets.sandbox.api.errors import ApiError, not_found
from asana_assets.sandbox.api.request import parse_optional_instant, require
from asana_assets.sandbox.api.routes.results import PagedListing, UnpagedListing
from asana_assets.sandbox.api.search import search_tasks

if TYPE_CHECKING:
    from asana_assets.sandbox.api.request import Query
    from asana_assets.sandbox.api.routes.lookup import Lookup
    from asana_assets.sandbox.api.routes.results import Result
    from asana_assets.sandbox.data.model import Object
    from asana_assets.sandbox.data.store import StoredListing


def tasks(lookup: Lookup, _gid: str, query: Query) -> Result:
    filters = [name for name in ("project", "tag", "section", "user_task_list", "assignee") if name in query]
    if len(filters) != 1 or ("assignee" in query) != ("workspace" in query):
        raise ApiError(400, errors.EXACTLY_ONE_FILTER)
    gid = query[filters[0]]
    match filters[0]:
        case "assignee":
            workspace, user = lookup.find_workspace(query), lookup.find_user(gid, "assignee")
            return _filter_by_date(lookup.organization.tasks_of_assignee(workspace.gid, user.gid), query)
        case "project":
            return tasks_of_project(lookup, gid, query)
        case "tag":
            return tasks_of_tag(lookup, gid, query)
        case "section":
            return tasks_of_section(lookup, gid, query)
        case _:
            return tasks_of_user_task_list(lookup, gid, query)


def tasks_of_project(lookup: Lookup, gid: str, query: Query) -> Result:
    project = lookup.find_project_or_my_tasks(gid)
    if project.kind == "user_task_list":
        return tasks_of_user_task_list(lookup, gid, query)
    return _filter_by_date(lookup.organization.tasks_of_project(gid), query)


def tasks_of_section(lookup: Lookup, gid: str, query: Query) -> Result:
    section = lookup.find(gid, "section")
    project = section.ref("project")
    if project is not None and project.kind == "project":
        return _filter_by_date(lookup.organization.tasks_of_project(project.gid, gid), query)
    objects = lookup.organization.objects.values()
    in_section = (one for one in objects if one.ref("assignee_section") is section)
    return _filter_by_date(lookup.listing("task", ("section", gid), lambda: in_section).listing, query)


def tasks_of_tag(lookup: Lookup, gid: str, query: Query) -> Result:
    tag = lookup.find(gid, "tag")
    is_visible, objects = lookup.organization.is_visible, lookup.organization.objects.values()
    tagged = (one for one in objects if one.kind == "task" and tag in one.refs("tags") and is_visible(one))
    return _filter_by_date(lookup.listing("task", ("tag", gid), lambda: tagged).listing, query)


def tasks_of_user_task_list(lookup: Lookup, gid: str, query: Query) -> Result:
    my_tasks = lookup.find(gid, "user_task_list")
    owner = my_tasks.ref("owner")
    listing = lookup.organization.tasks_of_assignee(my_tasks.workspace_gid, owner.gid if owner else "")
    return _filter_by_date(listing, query)


def search(lookup: Lookup, gid: str, query: Query) -> Result:
    workspace = lookup.find(gid, "workspace")
    if workspace.gid not in lookup.organization.paid_workspaces:
        raise ApiError(402, errors.SEARCH_NOT_ON_PLAN)
    found = search_tasks(lookup.organization, workspace.gid, query, lookup.search_lag_seconds)
    return UnpagedListing(kind="task", objects=found)


def subtasks(lookup: Lookup, gid: str, _query: Query) -> Result:
    task = lookup.find(gid, "task")
    return lookup.listing("task", ("parent", gid), lambda: lookup.organization.subtasks.get(task.gid, ()))


def stories(lookup: Lookup, gid: str, _query: Query) -> Result:
    task = lookup.find(gid, "task")
    return lookup.listing("story", ("task", gid), lambda: lookup.organization.stories.get(task.gid, ()))


def attachments(lookup: Lookup, _gid: str, query: Query) -> Result:
    gid = require(query, "parent")
    parent = lookup.organization.objects.get(gid)
    if parent is None or parent.kind not in {"task", "project", "project_brief"}:
        raise not_found("parent", gid)
    lookup.check_access(parent, parent.kind)
    return lookup.listing("attachment", ("parent", gid), lambda: lookup.organization.attachments.get(gid, ()))


def _filter_by_date(listing: StoredListing, query: Query) -> PagedListing:
    """Apply `modified_since` and `completed_since` to a listing of tasks."""
    modified_since = parse_optional_instant(query, "modified_since")
    incomplete_only = query.get("completed_since") == "now"
    completed_since = "" if incomplete_only else parse_optional_instant(query, "completed_since")
    if not (modified_since or completed_since or incomplete_only):
        return PagedListing(kind="task", listing=listing)

    def keep(task: Object) -> bool:
        if modified_since and task.text("modified_at") < modified_since:
            return False
        if not task.flag("completed"):
            return True
        return not incomplete_only and task.text("completed_at") >= completed_since

    return PagedListing(kind="task", listing=listing, keep=keep)
