"""The rows of custom fields, templates, briefs, members, roles and absences, and the requests they take at least."""

from __future__ import annotations

from typing import TYPE_CHECKING

from asana_assets.sandbox.data.pages import pages

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from asana_assets.sandbox.data.model import Object
    from asana_assets.sandbox.data.store import Store


def _belongings(store: Store, kind: str, parent: Object) -> list[Object]:
    return store.belongings[kind, parent.gid]


def _of_projects(kind: str) -> Callable[[Store, str], Iterable[Object]]:
    return lambda store, gid: (one for parent in store.projects(gid) for one in _belongings(store, kind, parent))


def _requests_of_projects(kind: str) -> Callable[[Store, str], int]:
    return lambda store, gid: sum(pages(len(_belongings(store, kind, parent))) for parent in store.projects(gid))


def _settings_of(parents: Iterable[Object]) -> Iterator[Object]:
    return (setting for parent in parents for setting in parent.refs("custom_field_settings"))


def _with_settings(store: Store, workspace_gid: str, kind: str) -> list[Object]:
    match kind:
        case "project":
            parents = store.projects(workspace_gid)
        case "portfolio":
            parents = store.portfolios(workspace_gid)
        case _:
            parents = list(store.workspace_objects(workspace_gid, kind).values())
    return [parent for parent in parents if parent.refs("custom_field_settings")]


def _standard_settings(store: Store, workspace_gid: str) -> list[Object]:
    parents = [*_with_settings(store, workspace_gid, "project"), *_with_settings(store, workspace_gid, "team")]
    return list(_settings_of(parents))


def _library(store: Store, workspace_gid: str) -> list[Object]:
    return list(store.workspace_objects(workspace_gid, "custom_field").values())


def _fields_of(settings: Iterable[Object], library: Iterable[Object]) -> dict[str, Object]:
    """Return the custom fields that are available somewhere and not in the library."""
    found = {field.gid: field for setting in settings if (field := setting.ref("custom_field")) is not None}
    return {gid: field for gid, field in found.items() if field not in library}


def _local_fields(store: Store, workspace_gid: str) -> list[Object]:
    return list(_fields_of(_standard_settings(store, workspace_gid), _library(store, workspace_gid)).values())


def _further_local_fields(store: Store, workspace_gid: str, kind: str) -> list[Object]:
    """Return the local fields of portfolios or goals; only a sync of the settings, too, finds them."""
    known = [*_library(store, workspace_gid), *_local_fields(store, workspace_gid)]
    return list(_fields_of(_settings_of(_with_settings(store, workspace_gid, kind)), known).values())


def _custom_types(store: Store, workspace_gid: str) -> Iterable[Object]:
    tasks = [task for project in store.projects(workspace_gid) for task in store.tasks_of_project(project.gid).objects]
    for user in store.users(workspace_gid):
        tasks += store.tasks_of_assignee(workspace_gid, user.gid).objects
    return {kind.gid: kind for task in tasks if (kind := task.ref("custom_type")) is not None}.values()


def _briefs(store: Store, workspace_gid: str) -> list[Object]:
    return [brief for one in store.projects(workspace_gid) if (brief := one.ref("project_brief")) is not None]


def _user_task_lists(store: Store, workspace_gid: str) -> list[Object]:
    return [store.user_task_lists[workspace_gid, user.gid] for user in store.users(workspace_gid)]


def _absences(store: Store, workspace_gid: str, user: Object) -> list[Object]:
    return [one for one in _belongings(store, "ooo_entry", user) if one.workspace_gid == workspace_gid]


def _on_plan(store: Store, workspace_gid: str, requests: int) -> int:
    """Return the number of requests; one is refused if the plan does not include the endpoint."""
    return requests if workspace_gid in store.paid_workspaces else min(requests, 1)


def _of_workspace(kind: str) -> Callable[[Store, str], list[Object]]:
    return lambda store, gid: list(store.workspace_objects(gid, kind).values())


_roles, _agents = _of_workspace("role"), _of_workspace("agent")

OBJECTS: dict[str, Callable[[Store, str], Iterable[Object]]] = {
    "custom_field_settings": _standard_settings,
    "custom_fields": _library,
    "custom_types": _custom_types,
    "task_templates": _of_projects("task_template"),
    "project_briefs": _briefs,
    "project_memberships": _of_projects("membership"),
    "project_portfolio_settings": _of_projects("project_portfolio_setting"),
    "access_requests": _of_projects("access_request"),
    "user_task_lists": _user_task_lists,
    "ooo_entries": lambda store, gid: (one for user in store.users(gid) for one in _absences(store, gid, user)),
    "roles": _roles,
    "agents": _agents,
}
"""By endpoint."""
REQUESTS: dict[str, Callable[[Store, str], int]] = {
    "custom_field_settings": lambda store, gid: sum(
        pages(len(parent.refs("custom_field_settings"))) if kind == "project" else 1
        for kind in ("project", "team")
        for parent in _with_settings(store, gid, kind)
    ),
    "custom_fields": lambda store, gid: pages(len(_library(store, gid))),
    "custom_types": lambda store, gid: len(list(_custom_types(store, gid))),
    "task_templates": _requests_of_projects("task_template"),
    "project_briefs": lambda store, gid: len(_briefs(store, gid)),
    "project_memberships": _requests_of_projects("membership"),
    "project_portfolio_settings": lambda store, gid: _on_plan(
        store, gid, _requests_of_projects("project_portfolio_setting")(store, gid)
    ),
    "access_requests": lambda store, gid: len(store.projects(gid)),
    "user_task_lists": lambda store, gid: len(_user_task_lists(store, gid)),
    "ooo_entries": lambda store, gid: sum(pages(len(_absences(store, gid, user))) for user in store.users(gid)),
    "roles": lambda store, gid: pages(len(_roles(store, gid))),
    "agents": lambda store, gid: pages(len(_agents(store, gid))),
}
"""By endpoint; a listing that is not on the plan takes one request."""
ADDITIONAL_OBJECTS: dict[tuple[str, str], Callable[[Store, str], Iterable[Object]]] = {
    ("custom_fields", "custom_field_settings"): _local_fields,
    **{
        ("custom_fields", f"{kind}s"): lambda store, gid, kind=kind: _further_local_fields(store, gid, kind)
        for kind in ("portfolio", "goal")
    },
    **{
        ("custom_field_settings", f"{kind}s"): lambda store, gid, kind=kind: _settings_of(
            _with_settings(store, gid, kind)
        )
        for kind in ("portfolio", "goal")
    },
}
"""By endpoint and another one: the objects of the former that are listed by the latter."""
ADDITIONAL_REQUESTS: dict[tuple[str, str], Callable[[Store, str], int]] = {
    ("custom_fields", "custom_field_settings"): lambda store, gid: len(_local_fields(store, gid)),
    **{
        ("custom_fields", f"{kind}s"): lambda store, gid, kind=kind: len(_further_local_fields(store, gid, kind))
        for kind in ("portfolio", "goal")
    },
    **{
        ("custom_field_settings", f"{kind}s"): lambda store, gid, kind=kind: sum(
            pages(len(parent.refs("custom_field_settings"))) for parent in _with_settings(store, gid, kind)
        )
        for kind in ("portfolio", "goal")
    },
}
