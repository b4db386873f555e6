"""Asana's paths for the fifteen endpoints: what each one requires, checks and answers. No paging, no encoding."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

from asana_assets.sandbox import errors
from asana_assets.sandbox.errors import ApiError, no_access, unknown
from asana_assets.sandbox.model import Object, parse_instant
from asana_assets.sandbox.search import search_tasks
from asana_assets.sandbox.store import StoredListing

if TYPE_CHECKING:
    from collections.abc import Iterable

    from asana_assets.sandbox.organization import Organization

_CAP = 2000  # of the alphabetical listings of users, which have no pages
Keep: TypeAlias = Callable[[Object], bool]


@dataclass(frozen=True, slots=True, kw_only=True)
class Rows:
    """A listing that pages, with what a query parameter filters out of it."""

    kind: str
    listing: StoredListing
    keep: Keep | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Unpaged:
    """A listing that knows neither `limit` nor pages."""

    kind: str
    objects: list[Object]


@dataclass(frozen=True, slots=True, kw_only=True)
class Counts:
    """An object that is no record: it has no gid, and of its numbers those that were named."""

    numbers: dict[str, int]


Result: TypeAlias = "Object | Rows | Unpaged | Counts"
Query: TypeAlias = dict[str, str]
Handler: TypeAlias = "Callable[[Routes, str, Query], Result]"


class Routes:
    """Looks up, checks access, and names the listing. Every method raises ApiError where Asana would refuse."""

    def __init__(self, organization: Organization, search_lag_seconds: float = 0) -> None:
        self.organization = organization
        self.search_lag_seconds = search_lag_seconds

    def answer(self, path: str, query: Query) -> Result:
        segments = path.strip("/").split("/")
        gid = segments[1] if len(segments) > 1 else ""
        shape = "/".join((segments[0], "*", *segments[2:]) if len(segments) > 1 else segments)
        handler = _ROUTES.get(shape)
        if handler is None:
            raise ApiError(404, errors.NO_ROUTE)
        return handler(self, gid, query)

    # -- looking up

    def find(self, gid: str, kind: str, label: str | None = None) -> Object:
        """The object, if it is there and the token's user may read it."""
        label = label or kind
        if not gid.isdigit():
            raise ApiError(400, f"{label}: Not a Long: {gid}")
        found = self.organization.find(gid, kind)
        if found is None:
            raise unknown(label, gid)
        self.check(found, label)
        return found

    def check(self, found: Object, label: str) -> None:
        if found.kind == "project" and found.gid in self.organization.hidden:
            raise no_access(label)
        if found.kind == "task" and not self.organization.sees(found):
            raise no_access(label)
        for field in ("target", "project", "parent"):
            holder = found.ref(field) if found.kind not in {"task", "project"} else None
            if holder is not None:
                self.check(holder, holder.kind)

    def user(self, gid: str, label: str = "user") -> Object:
        """By gid, `me`, or email."""
        if gid == "me":
            return self.organization.me
        if "@" in gid:
            for found in self.organization.objects.values():
                if found.kind == "user" and found.text("email") == gid:
                    return found
            raise unknown(label, gid)
        return self.find(gid, "user", label)

    def workspace(self, query: Query, name: str = "workspace") -> Object:
        """The workspace of a query; a token of several workspaces has to say which."""
        return self.find(self.required(query, name), "workspace", name)

    def required(self, query: Query, name: str) -> str:
        value = query.get(name)
        if not value:
            raise ApiError(400, f"{name}: Missing input")
        return value

    # -- listings

    def rows(self, kind: str, key: tuple[str, ...], objects: Callable[[], Iterable[Object]]) -> Rows:
        return Rows(kind=kind, listing=self.organization.listing((kind, *key), objects))

    def of_workspace(self, workspace: Object, kind: str) -> Rows:
        listed = self.organization.listed(workspace.gid, kind)
        return self.rows(kind, ("workspace", workspace.gid), listed.values)

    def workspaces(self, _gid: str, _query: Query) -> Result:
        return self.rows("workspace", (), self.organization.workspaces)

    def users(self, _gid: str, query: Query) -> Result:
        if "team" in query:
            team = self.find(query["team"], "team")
            members = self.members(team)
            ranks = [(int(user.gid),) for user in members]
            return Rows(kind="user", listing=StoredListing(ranks=ranks, objects=members))
        workspace = self._only_workspace(query)
        return Rows(kind="user", listing=self.organization.users_listing(workspace.gid))

    def members(self, team: Object) -> list[Object]:
        found = [user for one in self.organization.team_members[team.gid] if (user := one.ref("user")) is not None]
        return sorted(found, key=lambda user: int(user.gid))

    def users_of_workspace(self, gid: str, _query: Query) -> Result:
        return _alphabetical(self.organization.users(self.find(gid, "workspace").gid))

    def users_of_team(self, gid: str, _query: Query) -> Result:
        return _alphabetical(self.members(self.find(gid, "team")))

    def teams(self, gid: str, _query: Query) -> Result:
        workspace = self.find(gid, "workspace")
        if not workspace.flag("is_organization"):
            raise ApiError(400, "workspace: Not an organization")
        return self.of_workspace(workspace, "team")

    def teams_of_user(self, gid: str, query: Query) -> Result:
        user, organization = self.user(gid), self.workspace(query, "organization")
        teams = self.organization.listed(organization.gid, "team").values()
        key = ("user", user.gid, organization.gid)
        return self.rows("team", key, lambda: (team for team in teams if user in self.members(team)))

    def team_memberships_of_team(self, gid: str, _query: Query) -> Result:
        team = self.find(gid, "team")
        return self.rows("team_membership", ("team", gid), lambda: self.organization.team_members[team.gid])

    def team_memberships(self, _gid: str, query: Query) -> Result:
        if "team" in query:
            return self.team_memberships_of_team(query["team"], query)
        return self.team_memberships_of_user(self.required(query, "user"), query)

    def team_memberships_of_user(self, gid: str, query: Query) -> Result:
        user, workspace = self.user(gid), self.workspace(query)
        every = [
            one
            for team in self.organization.listed(workspace.gid, "team")
            for one in self.organization.team_members[team]
        ]
        key = ("user", user.gid, workspace.gid)
        return self.rows("team_membership", key, lambda: (one for one in every if one.ref("user") is user))

    def workspace_memberships(self, gid: str, query: Query) -> Result:
        rows = self.of_workspace(self.find(gid, "workspace"), "workspace_membership")
        if "user" not in query:
            return rows
        user = self.user(query["user"])
        return Rows(kind=rows.kind, listing=rows.listing, keep=lambda one: one.ref("user") is user)

    def workspace_memberships_of_user(self, gid: str, _query: Query) -> Result:
        user = self.user(gid)
        seen = {workspace.gid for workspace in self.organization.workspaces()}
        found = self.organization.memberships.items()
        mine = [one for (workspace, owner), one in found if owner == user.gid and workspace in seen]
        return self.rows("workspace_membership", ("user", user.gid), lambda: mine)

    def projects(self, _gid: str, query: Query) -> Result:
        if "team" in query and "workspace" not in query:
            return self.projects_of_team(query["team"], query)
        return self.projects_of_workspace(self._only_workspace(query).gid, query)

    def projects_of_workspace(self, gid: str, query: Query) -> Result:
        workspace = self.find(gid, "workspace")
        rows = self.rows("project", ("workspace", gid), lambda: self.organization.projects(workspace.gid))
        return Rows(kind=rows.kind, listing=rows.listing, keep=_archived(query))

    def projects_of_team(self, gid: str, query: Query) -> Result:
        team = self.find(gid, "team")
        every = self.organization.projects(team.workspace_gid)
        rows = self.rows("project", ("team", gid), lambda: (one for one in every if one.ref("team") is team))
        return Rows(kind=rows.kind, listing=rows.listing, keep=_archived(query))

    def projects_of_task(self, gid: str, _query: Query) -> Result:
        return self.rows("project", ("task", gid), lambda: self.find(gid, "task").refs("projects"))

    def templates(self, _gid: str, query: Query) -> Result:
        if "team" in query:
            return self.templates_of_team(query["team"], query)
        workspace = self.workspace(query)
        if workspace.gid not in self.organization.paid:
            raise ApiError(402, errors.TEMPLATES_ARE_PAID)
        return self.of_workspace(workspace, "project_template")

    def templates_of_team(self, gid: str, _query: Query) -> Result:
        team = self.find(gid, "team")
        every = self.organization.listed(team.workspace_gid, "project_template").values()
        return self.rows("project_template", ("team", gid), lambda: (one for one in every if one.ref("team") is team))

    def sections(self, gid: str, _query: Query) -> Result:
        project = self._project_or_my_tasks(gid)
        return self.rows("section", ("project", gid), lambda: self.organization.sections[project.gid])

    def task_counts(self, gid: str, query: Query) -> Result:
        """Its own rate limit is missing here, for its figures are not documented."""
        tasks = self.organization.tasks_of_project(self.find(gid, "project").gid).objects
        named = query.get("opt_fields", "").split(",")
        return Counts(numbers={name: count(tasks) for name, count in _COUNTS.items() if name in named})

    def tags(self, _gid: str, query: Query) -> Result:
        return self.of_workspace(self._only_workspace(query), "tag")

    def tags_of_workspace(self, gid: str, _query: Query) -> Result:
        return self.of_workspace(self.find(gid, "workspace"), "tag")

    def tags_of_task(self, gid: str, _query: Query) -> Result:
        return self.rows("tag", ("task", gid), lambda: self.find(gid, "task").refs("tags"))

    def tasks(self, _gid: str, query: Query) -> Result:
        filters = [name for name in ("project", "tag", "section", "user_task_list", "assignee") if name in query]
        if len(filters) != 1 or ("assignee" in query) != ("workspace" in query):
            raise ApiError(400, errors.ONE_FILTER)
        gid = query[filters[0]]
        if filters[0] == "assignee":
            workspace, user = self.workspace(query), self.user(gid, "assignee")
            listing = self.organization.tasks_of_assignee(workspace.gid, user.gid)
            return _filtered(listing, query)
        by = {"project": self.tasks_of_project, "tag": self.tasks_of_tag, "section": self.tasks_of_section}
        return by.get(filters[0], self.tasks_of_list)(gid, query)

    def tasks_of_project(self, gid: str, query: Query) -> Result:
        project = self._project_or_my_tasks(gid)
        if project.kind == "user_task_list":
            return self.tasks_of_list(gid, query)
        return _filtered(self.organization.tasks_of_project(gid), query)

    def tasks_of_section(self, gid: str, query: Query) -> Result:
        project = self.find(gid, "section").ref("project")
        if project is None or project.kind != "project":
            every = self.organization.objects.values()
            rows = self.rows(
                "task", ("section", gid), lambda: (one for one in every if _gid_of(one, "assignee_section") == gid)
            )
            return _filtered(rows.listing, query)
        return _filtered(self.organization.tasks_of_project(project.gid, gid), query)

    def tasks_of_tag(self, gid: str, query: Query) -> Result:
        tag = self.find(gid, "tag")
        sees, every = self.organization.sees, self.organization.objects.values()
        tagged = (one for one in every if one.kind == "task" and tag in one.refs("tags") and sees(one))
        return _filtered(self.rows("task", ("tag", gid), lambda: tagged).listing, query)

    def tasks_of_list(self, gid: str, query: Query) -> Result:
        owner = self.find(gid, "user_task_list")
        user = owner.ref("owner")
        return _filtered(self.organization.tasks_of_assignee(owner.workspace_gid, user.gid if user else ""), query)

    def search(self, gid: str, query: Query) -> Result:
        workspace = self.find(gid, "workspace")
        if workspace.gid not in self.organization.paid:
            raise ApiError(402, errors.SEARCH_IS_PAID)
        found = search_tasks(self.organization, workspace.gid, query, self.search_lag_seconds)
        return Unpaged(kind="task", objects=found)

    def subtasks(self, gid: str, _query: Query) -> Result:
        task = self.find(gid, "task")
        return self.rows("task", ("parent", gid), lambda: self.organization.subtasks.get(task.gid, ()))

    def stories(self, gid: str, _query: Query) -> Result:
        task = self.find(gid, "task")
        return self.rows("story", ("task", gid), lambda: self.organization.stories.get(task.gid, ()))

    def stories_of_goal(self, gid: str, _query: Query) -> Result:
        raise unknown("goal", gid)

    def attachments(self, _gid: str, query: Query) -> Result:
        gid = self.required(query, "parent")
        parent = self.organization.objects.get(gid)
        if parent is None or parent.kind not in {"task", "project", "project_brief"}:
            raise unknown("parent", gid)
        self.check(parent, parent.kind)
        return self.rows("attachment", ("parent", gid), lambda: self.organization.attachments.get(gid, ()))

    def status_updates(self, _gid: str, query: Query) -> Result:
        gid = self.required(query, "parent")
        parent = self.organization.find(gid, "project")
        if parent is None:
            raise unknown("parent", gid)
        self.check(parent, "project")
        rows = self.rows("status_update", ("parent", gid), lambda: self.organization.statuses[gid])
        since = _instant(query, "created_since")
        keep: Keep | None = (lambda one: one.text("created_at") >= since) if since else None
        return Rows(kind=rows.kind, listing=rows.listing, keep=keep)

    def webhooks(self, _gid: str, query: Query) -> Result:
        rows = self.of_workspace(self.workspace(query), "webhook")
        wanted = query.get("resource")
        keep: Keep | None = (lambda one: _gid_of(one, "resource") == wanted) if wanted else None
        return Rows(kind=rows.kind, listing=rows.listing, keep=keep)

    def user_task_list(self, gid: str, query: Query) -> Result:
        user, workspace = self.user(gid), self.workspace(query)
        found = self.organization.user_task_lists.get((workspace.gid, user.gid))
        if found is None:
            raise unknown("user", gid)
        return found

    def one_user(self, gid: str, _query: Query) -> Result:
        return self.user(gid)

    # -- how

    def _only_workspace(self, query: Query) -> Object:
        every = self.organization.workspaces()
        if "workspace" not in query and len(every) == 1:
            return every[0]
        return self.workspace(query)

    def _project_or_my_tasks(self, gid: str) -> Object:
        """A My Tasks list answers where a project is asked for."""
        if self.organization.find(gid, "user_task_list") is not None:
            return self.find(gid, "user_task_list")
        return self.find(gid, "project")


def _count(*, milestones: bool = False, completed: bool | None = None) -> Callable[[Sequence[Object]], int]:
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
    "num_tasks": _count(),
    "num_incomplete_tasks": _count(completed=False),
    "num_completed_tasks": _count(completed=True),
    "num_milestones": _count(milestones=True),
    "num_incomplete_milestones": _count(milestones=True, completed=False),
    "num_completed_milestones": _count(milestones=True, completed=True),
}


def _gid_of(found: Object, field: str) -> str:
    nested = found.ref(field)
    return nested.gid if nested is not None else ""


def _alphabetical(users: list[Object]) -> Unpaged:
    return Unpaged(kind="user", objects=sorted(users, key=lambda user: user.text("name"))[:_CAP])


def _archived(query: Query) -> Keep | None:
    if "archived" not in query:
        return None
    wanted = query["archived"] == "true"
    return lambda project: project.flag("archived") is wanted


def _instant(query: Query, name: str) -> str:
    """The instant of a query parameter; empty if it is not given."""
    text = query.get(name, "")
    if not text:
        return ""
    try:
        return parse_instant(text.replace(" ", "+"))
    except ValueError as error:
        raise ApiError(400, f"{name}: Not a valid date: {text}") from error


def _filtered(listing: StoredListing, query: Query) -> Rows:
    """Tasks, as `modified_since` and `completed_since` leave them."""
    modified = _instant(query, "modified_since")
    now = query.get("completed_since") == "now"
    completed = "" if now else _instant(query, "completed_since")
    if not (modified or completed or now):
        return Rows(kind="task", listing=listing)

    def keep(task: Object) -> bool:
        if modified and task.text("modified_at") < modified:
            return False
        if not task.flag("completed"):
            return True
        return not now and task.text("completed_at") >= completed

    return Rows(kind="task", listing=listing, keep=keep)


def _single(kind: str) -> Handler:
    return lambda routes, gid, _query: routes.find(gid, kind)


_ROUTES: dict[str, Handler] = {
    "workspaces": Routes.workspaces,
    "users": Routes.users,
    "users/*": Routes.one_user,
    "workspaces/*/users": Routes.users_of_workspace,
    "teams/*/users": Routes.users_of_team,
    "workspaces/*/teams": Routes.teams,
    "users/*/teams": Routes.teams_of_user,
    "teams/*/team_memberships": Routes.team_memberships_of_team,
    "team_memberships": Routes.team_memberships,
    "users/*/team_memberships": Routes.team_memberships_of_user,
    "workspaces/*/workspace_memberships": Routes.workspace_memberships,
    "users/*/workspace_memberships": Routes.workspace_memberships_of_user,
    "projects": Routes.projects,
    "workspaces/*/projects": Routes.projects_of_workspace,
    "teams/*/projects": Routes.projects_of_team,
    "tasks/*/projects": Routes.projects_of_task,
    "project_templates": Routes.templates,
    "teams/*/project_templates": Routes.templates_of_team,
    "projects/*/sections": Routes.sections,
    "projects/*/task_counts": Routes.task_counts,
    "tags": Routes.tags,
    "workspaces/*/tags": Routes.tags_of_workspace,
    "tasks/*/tags": Routes.tags_of_task,
    "tasks": Routes.tasks,
    "projects/*/tasks": Routes.tasks_of_project,
    "sections/*/tasks": Routes.tasks_of_section,
    "tags/*/tasks": Routes.tasks_of_tag,
    "user_task_lists/*/tasks": Routes.tasks_of_list,
    "workspaces/*/tasks/search": Routes.search,
    "tasks/*/subtasks": Routes.subtasks,
    "tasks/*/stories": Routes.stories,
    "goals/*/stories": Routes.stories_of_goal,
    "attachments": Routes.attachments,
    "status_updates": Routes.status_updates,
    "webhooks": Routes.webhooks,
    "users/*/user_task_list": Routes.user_task_list,
    **{
        f"{kind}s/*": _single(kind)
        for kind in (
            *("workspace", "team", "team_membership", "workspace_membership", "project", "project_template", "section"),
            *("tag", "task", "attachment", "status_update", "webhook", "user_task_list", "project_brief"),
        )
    },
    "stories/*": _single("story"),
}
