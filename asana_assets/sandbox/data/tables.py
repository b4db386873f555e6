"""Which objects belong to each endpoint's table after a complete sync, and how many requests that takes at least.

Derived from the object model, independently of the HTTP API.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from asana_assets.sandbox.data import customization_tables, reporting_tables, resourcing_tables, streams_tables
from asana_assets.sandbox.data.pages import pages

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable

    from asana_assets.sandbox.data.model import Object
    from asana_assets.sandbox.data.store import Store


def table_objects(store: Store, endpoint: str, workspace_gid: str, endpoints: Collection[str] = ()) -> list[Object]:
    """Return the objects of one endpoint and workspace, without duplicates, by gid.

    Args:
        store: The organization.
        endpoint: The endpoint.
        workspace_gid: The workspace; "" for all workspaces of the endpoint `workspaces`.
        endpoints: The endpoints that are synced besides the standard ones, some of which list more objects.

    Raises:
        KeyError: There is no such endpoint.
    """
    with store.lock:
        listed_by = [find for (name, parent), find in _ADDITIONAL.items() if name == endpoint and parent in endpoints]
        found = (item for find in (_OBJECTS[endpoint], *listed_by) for item in find(store, workspace_gid))
        objects = {item.gid: item for item in found}
        return [objects[gid] for gid in sorted(objects, key=lambda gid: [int(part) for part in gid.split("-")])]


def minimal_requests(store: Store, workspace_gid: str, endpoints: Collection[str] = ()) -> dict[str, int]:
    """Return, by endpoint, the minimum number of requests of a full first sync of one workspace.

    It is that of the standard endpoints and `endpoints`.

    `workspaces` is not included; it takes one request for all. Pages have 100 records, and an empty listing costs one
    request. Project briefs cost none, because the listing of projects references them.
    """
    with store.lock:
        workspace = store.get(workspace_gid, "workspace")
        teams = table_objects(store, "teams", workspace_gid)
        projects = table_objects(store, "projects", workspace_gid)
        users = table_objects(store, "users", workspace_gid)
        work = _tasks_and_subtasks(store, workspace_gid)
        briefs = [brief for project in projects if (brief := project.ref("project_brief")) is not None]
        is_organization = workspace.flag("is_organization")
        assigned = (len(store.tasks_of_assignee(workspace_gid, user.gid).objects) for user in users)
        requests = {
            "users": pages(len(users)),
            "teams": pages(len(teams)) if is_organization else 0,
            "team_memberships": sum(pages(len(store.team_memberships[team.gid])) for team in teams),
            "workspace_memberships": pages(len(table_objects(store, "workspace_memberships", workspace_gid))),
            "projects": pages(len(projects)),
            "project_templates": pages(len(table_objects(store, "project_templates", workspace_gid))),
            "sections": sum(pages(len(store.sections[project.gid])) for project in projects),
            "tags": pages(len(table_objects(store, "tags", workspace_gid))),
            "tasks": sum(pages(len(store.tasks_of_project(project.gid).objects)) for project in projects)
            + sum(pages(count) for count in assigned),
            "subtasks": sum(pages(len(store.subtasks[task.gid])) for task in work if store.subtasks.get(task.gid)),
            "stories": sum(pages(len(store.stories.get(task.gid, ()))) for task in work),
            "attachments": sum(pages(len(store.attachments.get(one.gid, ()))) for one in (*work, *projects, *briefs)),
            "status_updates": sum(pages(len(store.status_updates[project.gid])) for project in projects),
            "webhooks": pages(len(table_objects(store, "webhooks", workspace_gid))),
        }
        for name, count in _REQUESTS.items():
            if name in endpoints:
                requests[name] = count(store, workspace_gid)
        for (name, parent), count in _ADDITIONAL_REQUESTS.items():
            if name in requests and parent in endpoints:
                requests[name] += count(store, workspace_gid)
        return requests


def _tasks(store: Store, workspace_gid: str) -> Iterable[Object]:
    for project in store.projects(workspace_gid):
        yield from store.tasks_of_project(project.gid).objects
    for user in store.users(workspace_gid):
        yield from (task for task in store.assigned_tasks[workspace_gid, user.gid].values() if store.is_visible(task))


def _subtasks(store: Store, workspace_gid: str) -> Iterable[Object]:
    found: dict[str, Object] = {}
    pending = list(_tasks(store, workspace_gid))
    while pending:
        for subtask in store.subtasks.get(pending.pop().gid, ()):
            if subtask.gid not in found:
                found[subtask.gid] = subtask
                pending.append(subtask)
    return found.values()


def _tasks_and_subtasks(store: Store, workspace_gid: str) -> Iterable[Object]:
    """Return tasks and subtasks without duplicates: an assigned subtask is in both tables."""
    both = (*_tasks(store, workspace_gid), *_subtasks(store, workspace_gid))
    return {task.gid: task for task in both}.values()


def _stories(store: Store, workspace_gid: str) -> Iterable[Object]:
    for task in _tasks_and_subtasks(store, workspace_gid):
        yield from store.stories.get(task.gid, ())


def _attachments(store: Store, workspace_gid: str) -> Iterable[Object]:
    for task in _tasks_and_subtasks(store, workspace_gid):
        yield from store.attachments.get(task.gid, ())
    for project in store.projects(workspace_gid):
        yield from store.attachments.get(project.gid, ())
        brief = project.ref("project_brief")
        if brief is not None:
            yield from store.attachments.get(brief.gid, ())


def _workspaces(store: Store, workspace_gid: str) -> Iterable[Object]:
    return [workspace for workspace in store.workspaces() if workspace_gid in {"", workspace.gid}]


def _teams(store: Store, workspace_gid: str) -> Iterable[Object]:
    return store.workspace_objects(workspace_gid, "team").values()


def _team_memberships(store: Store, workspace_gid: str) -> Iterable[Object]:
    for team in _teams(store, workspace_gid):
        yield from store.team_memberships[team.gid]


def _project_templates(store: Store, workspace_gid: str) -> Iterable[Object]:
    if workspace_gid not in store.paid_workspaces:
        return ()
    return store.workspace_objects(workspace_gid, "project_template").values()


def _sections(store: Store, workspace_gid: str) -> Iterable[Object]:
    for project in store.projects(workspace_gid):
        yield from store.sections[project.gid]


def _status_updates(store: Store, workspace_gid: str) -> Iterable[Object]:
    for project in store.projects(workspace_gid):
        yield from store.status_updates[project.gid]


_OBJECTS: dict[str, Callable[[Store, str], Iterable[Object]]] = {
    **customization_tables.OBJECTS,
    **reporting_tables.OBJECTS,
    **resourcing_tables.OBJECTS,
    **streams_tables.OBJECTS,
    "workspaces": _workspaces,
    "users": lambda store, gid: store.users(gid),
    "teams": _teams,
    "team_memberships": _team_memberships,
    "workspace_memberships": lambda store, gid: store.workspace_objects(gid, "workspace_membership").values(),
    "projects": lambda store, gid: store.projects(gid),
    "project_templates": _project_templates,
    "sections": _sections,
    "tags": lambda store, gid: store.workspace_objects(gid, "tag").values(),
    "tasks": _tasks,
    "subtasks": _subtasks,
    "stories": _stories,
    "attachments": _attachments,
    "status_updates": _status_updates,
    "webhooks": lambda store, gid: store.workspace_objects(gid, "webhook").values(),
}
_REQUESTS = {
    **customization_tables.REQUESTS,
    **reporting_tables.REQUESTS,
    **resourcing_tables.REQUESTS,
    **streams_tables.REQUESTS,
}
_ADDITIONAL = reporting_tables.ADDITIONAL_OBJECTS | customization_tables.ADDITIONAL_OBJECTS
_ADDITIONAL_REQUESTS = reporting_tables.ADDITIONAL_REQUESTS | customization_tables.ADDITIONAL_REQUESTS
