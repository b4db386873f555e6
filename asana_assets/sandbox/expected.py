"""What a finished sync must hold, and what it must at least cost: read off the model, not off the HTTP layer."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from asana_assets.sandbox.fields import ALL_FIELDS, parse_opt_fields
from asana_assets.sandbox.model import JSON, Object
from asana_assets.sandbox.render import render

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from asana_assets.sandbox.store import Store

PAGE = 100
VOLATILE = ("download_url", "view_url")
"""Fields of attachments that differ in every answer; the truth leaves them out."""


def truth_objects(store: Store, endpoint: str, workspace_gid: str) -> list[Object]:
    """The objects of one table and workspace, once each, by gid.

    Raises:
        KeyError: no endpoint has that name.
    """
    with store.lock:
        found = {item.gid: item for item in _OBJECTS[endpoint](store, workspace_gid)}
        return [found[gid] for gid in sorted(found, key=int)]


def truth(store: Store, endpoint: str, workspace_gid: str) -> list[dict[str, JSON]]:
    """The records of one table and workspace, with every documented field that is neither deprecated nor volatile."""
    tree = parse_opt_fields(ALL_FIELDS[endpoint])
    records: list[dict[str, JSON]] = []
    with store.lock:
        for item in truth_objects(store, endpoint, workspace_gid):
            record = render(item, tree)
            if isinstance(record, Mapping):
                records.append({name: value for name, value in record.items() if name not in VOLATILE})
    return records


def minimal_requests(store: Store, workspace_gid: str) -> dict[str, int]:
    """The fewest requests that a full first sync of one workspace needs, by endpoint; `workspaces` is asked once.

    Pages of 100; an empty listing costs one request. A project brief is known from its project's listing.
    """
    with store.lock:
        workspace = store.get(workspace_gid, "workspace")
        teams = truth_objects(store, "teams", workspace_gid)
        projects = truth_objects(store, "projects", workspace_gid)
        users = truth_objects(store, "users", workspace_gid)
        work = _work(store, workspace_gid)
        briefs = [brief for project in projects if (brief := project.ref("project_brief")) is not None]
        organization = workspace.flag("is_organization")
        assigned = (len(store.tasks_of_assignee(workspace_gid, user.gid).objects) for user in users)
        return {
            "users": _pages(len(users)),
            "teams": _pages(len(teams)) if organization else 0,
            "team_memberships": sum(_pages(len(store.team_members[team.gid])) for team in teams),
            "workspace_memberships": _pages(len(truth_objects(store, "workspace_memberships", workspace_gid))),
            "projects": _pages(len(projects)),
            "project_templates": _pages(len(truth_objects(store, "project_templates", workspace_gid))),
            "sections": sum(_pages(len(store.sections[project.gid])) for project in projects),
            "tags": _pages(len(truth_objects(store, "tags", workspace_gid))),
            "tasks": sum(_pages(len(store.tasks_of_project(project.gid).objects)) for project in projects)
            + sum(_pages(count) for count in assigned),
            "subtasks": sum(_pages(len(store.subtasks[task.gid])) for task in work if store.subtasks.get(task.gid)),
            "stories": sum(_pages(len(store.stories.get(task.gid, ()))) for task in work),
            "attachments": sum(_pages(len(store.attachments.get(one.gid, ()))) for one in (*work, *projects, *briefs)),
            "status_updates": sum(_pages(len(store.statuses[project.gid])) for project in projects),
            "webhooks": _pages(len(truth_objects(store, "webhooks", workspace_gid))),
        }


def _pages(rows: int) -> int:
    return max(1, -(-rows // PAGE))


def _tasks(store: Store, workspace_gid: str) -> Iterable[Object]:
    for project in store.projects(workspace_gid):
        yield from store.tasks_of_project(project.gid).objects
    for user in store.users(workspace_gid):
        yield from (task for task in store.assigned[workspace_gid, user.gid].values() if store.sees(task))


def _subtasks(store: Store, workspace_gid: str) -> Iterable[Object]:
    found: dict[str, Object] = {}
    pending = list(_tasks(store, workspace_gid))
    while pending:
        for subtask in store.subtasks.get(pending.pop().gid, ()):
            if subtask.gid not in found:
                found[subtask.gid] = subtask
                pending.append(subtask)
    return found.values()


def _work(store: Store, workspace_gid: str) -> Iterable[Object]:
    """Tasks and subtasks, once each."""
    both = (*_tasks(store, workspace_gid), *_subtasks(store, workspace_gid))
    return {task.gid: task for task in both}.values()


def _stories(store: Store, workspace_gid: str) -> Iterable[Object]:
    for task in _work(store, workspace_gid):
        yield from store.stories.get(task.gid, ())


def _attachments(store: Store, workspace_gid: str) -> Iterable[Object]:
    for task in _work(store, workspace_gid):
        yield from store.attachments.get(task.gid, ())
    for project in store.projects(workspace_gid):
        yield from store.attachments.get(project.gid, ())
        brief = project.ref("project_brief")
        if brief is not None:
            yield from store.attachments.get(brief.gid, ())


def _workspaces(store: Store, workspace_gid: str) -> Iterable[Object]:
    return [one for one in store.workspaces() if workspace_gid in {"", one.gid}]


def _teams(store: Store, workspace_gid: str) -> Iterable[Object]:
    return store.listed(workspace_gid, "team").values()


def _team_memberships(store: Store, workspace_gid: str) -> Iterable[Object]:
    for team in _teams(store, workspace_gid):
        yield from store.team_members[team.gid]


def _templates(store: Store, workspace_gid: str) -> Iterable[Object]:
    return store.listed(workspace_gid, "project_template").values() if workspace_gid in store.paid else ()


def _sections(store: Store, workspace_gid: str) -> Iterable[Object]:
    for project in store.projects(workspace_gid):
        yield from store.sections[project.gid]


def _statuses(store: Store, workspace_gid: str) -> Iterable[Object]:
    for project in store.projects(workspace_gid):
        yield from store.statuses[project.gid]


_OBJECTS: dict[str, Callable[[Store, str], Iterable[Object]]] = {
    "workspaces": _workspaces,
    "users": lambda store, gid: store.users(gid),
    "teams": _teams,
    "team_memberships": _team_memberships,
    "workspace_memberships": lambda store, gid: store.listed(gid, "workspace_membership").values(),
    "projects": lambda store, gid: store.projects(gid),
    "project_templates": _templates,
    "sections": _sections,
    "tags": lambda store, gid: store.listed(gid, "tag").values(),
    "tasks": _tasks,
    "subtasks": _subtasks,
    "stories": _stories,
    "attachments": _attachments,
    "status_updates": _statuses,
    "webhooks": lambda store, gid: store.listed(gid, "webhook").values(),
}
