"""Where objects are stored and who can see them: containers, placements, ranks, listings.

A listing is everything that one documented path returns, in order; the API divides it into pages.
"""

from __future__ import annotations

import threading
import time
from collections import defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING

from asana_assets.sandbox.data.model import Object, Value, format_instant

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from asana_assets.sandbox.data.generated_tasks import GeneratedTasks
    from asana_assets.sandbox.data.model import Rank


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredListing:
    """Objects in the order of their ranks; the rank of a page's last object determines where the next page starts."""

    ranks: Sequence[Rank]
    objects: Sequence[Object]


@dataclass(frozen=True, slots=True, kw_only=True)
class Placement:
    """A task's position in a project."""

    section: Object
    rank: int


class Store:
    """All objects: those that the token's user can see, and some that the user cannot.

    Dictionaries whose name is a plural of objects map the gid of the container to its contents.

    Attributes:
        lock: Held while objects are read or changed.
        revision: Increased by every change.
        clock_skew: Seconds that the server's clock is ahead of the real one.
        seed: Determines every gid and every random choice.
        is_service_account: Whether the token is a service account's, which lists the portfolios of all users.
        objects: Every object except unchanged generated tasks, by gid.
        paid_workspaces: Gids of the workspaces on a paid plan.
        service_accounts: Gids of the workspaces in which the token is that of a service account.
        expired_events: Gids of audit log events that Asana has deleted because of their age.
        hidden_projects: Gids of existing projects that are not shared with the token's user.
        placements: By project and task, the position of the task.
        task_projects: By task, the gids of all projects that contain it, hidden ones included.
        generated_tasks: By project, tasks that exist only when read; no other container holds them.
        team_memberships: By team.
        portfolio_items: By portfolio, the projects and portfolios in it.
        goal_relationships: By supported goal.
        belongings: Of a kind, by parent: task templates, memberships, portfolio settings and access requests of
            projects, budgets and rates of projects, memberships of portfolios, and absences of users.
        workspace_memberships: By workspace and user, inactive ones included.
        user_task_lists: By workspace and user.
        assigned_tasks: By workspace and user, then by task.
        unindexed: For the lag of the search index: by task, its `modified_at` before the last change (empty if it is
            new) and the time of that change on the monotonic clock.
    """

    def __init__(self, seed: int) -> None:
        self.lock = threading.RLock()
        self.revision = 0
        self.clock_skew: float = 0
        self.seed = seed
        self.is_service_account = False
        self.objects: dict[str, Object] = {}
        self.paid_workspaces: set[str] = set()
        self.service_accounts: set[str] = set()
        self.expired_events: set[str] = set()
        self.hidden_projects: set[str] = set()
        self.placements: dict[str, dict[str, Placement]] = {}
        self.task_projects: dict[str, tuple[str, ...]] = {}
        self.generated_tasks: dict[str, GeneratedTasks] = {}
        self.sections: dict[str, list[Object]] = defaultdict(list)
        self.subtasks: dict[str, list[Object]] = defaultdict(list)
        self.stories: dict[str, list[Object]] = defaultdict(list)
        self.attachments: dict[str, list[Object]] = defaultdict(list)
        self.status_updates: dict[str, list[Object]] = defaultdict(list)
        self.team_memberships: dict[str, list[Object]] = defaultdict(list)
        self.portfolio_items: dict[str, list[Object]] = defaultdict(list)
        self.goal_relationships: dict[str, list[Object]] = defaultdict(list)
        self.belongings: dict[tuple[str, str], list[Object]] = defaultdict(list)
        self.workspace_memberships: dict[tuple[str, str], Object] = {}
        self.user_task_lists: dict[tuple[str, str], Object] = {}
        self.assigned_tasks: dict[tuple[str, str], dict[str, Object]] = defaultdict(dict)
        self.unindexed: dict[str, tuple[str, float]] = {}
        self._workspace_objects: dict[tuple[str, str], dict[str, Object]] = defaultdict(dict)
        self._listings: dict[tuple[str, ...], StoredListing] = {}
        self._me: Object | None = None
        self._last_change = 0

    # -- objects

    @property
    def me(self) -> Object:
        """The token's user."""
        if self._me is None:
            raise LookupError("the organization has no user yet")
        return self._me

    @me.setter
    def me(self, user: Object) -> None:
        self._me = user

    def find(self, gid: str, kind: str) -> Object | None:
        """Return the object with this gid, or None if there is none of this kind."""
        found = self.objects.get(gid)
        if found is None and kind == "task":
            for generated in self.generated_tasks.values():
                index = generated.index(gid)
                if index is not None:
                    return generated.task(index)
        return found if found is not None and found.kind == kind else None

    def get(self, gid: str, kind: str) -> Object:
        """Return the object with this gid for a change; a generated task is kept from now on.

        Raises:
            LookupError: There is no such object of this kind.
        """
        found = self.find(gid, kind)
        for generated in self.generated_tasks.values():
            index = generated.index(gid)
            if index is not None:
                found = self.objects[gid] = generated.keep(index)
        if found is None:
            raise LookupError(f"there is no {kind} {gid}")
        return found

    def workspace_objects(self, workspace_gid: str, kind: str) -> dict[str, Object]:
        """Return the objects of a kind that belong directly to a workspace, by gid; hidden projects included."""
        return self._workspace_objects[workspace_gid, kind]

    def workspaces(self) -> list[Object]:
        return list(self._workspace_objects["", "workspace"].values())

    def users(self, workspace_gid: str) -> list[Object]:
        """Return the users with an active membership in the workspace, by gid."""
        found = [
            user
            for (workspace, _), membership in self.workspace_memberships.items()
            if workspace == workspace_gid and membership.flag("is_active") and (user := membership.ref("user"))
        ]
        return sorted(found, key=lambda user: int(user.gid))

    def projects(self, workspace_gid: str) -> list[Object]:
        """Return the projects shared with the token's user, archived ones included."""
        projects = self._workspace_objects[workspace_gid, "project"]
        return [project for gid, project in projects.items() if gid not in self.hidden_projects]

    def portfolios(self, workspace_gid: str) -> list[Object]:
        """Return the portfolios that the token's user owns, or all for a service account."""
        portfolios = self._workspace_objects[workspace_gid, "portfolio"].values()
        return [one for one in portfolios if self.is_service_account or one.ref("owner") is self.me]

    def items_of_portfolio(self, portfolio_gid: str) -> list[Object]:
        """Return the items of a portfolio that the token's user can see."""
        return [one for one in self.portfolio_items[portfolio_gid] if one.gid not in self.hidden_projects]

    def is_visible(self, task: Object) -> bool:
        """Return whether the token's user may read a task.

        The user may if the user is its assignee, if one of its projects or its parent is visible, or if it has neither
        project nor parent.
        """
        if task.ref("assignee") is self.me:
            return True
        projects = self.task_projects.get(task.gid, ())
        if any(gid not in self.hidden_projects for gid in projects):
            return True
        parent = task.ref("parent")
        return self.is_visible(parent) if parent is not None else not projects

    def delete_objects(self, objects: Iterable[Object]) -> None:
        """Delete objects from `objects`, but not from the containers they are in."""
        for one in objects:
            del self.objects[one.gid]

    # -- listings

    def cached_listing(self, key: tuple[str, ...], objects: Callable[[], Iterable[Object]]) -> StoredListing:
        """Return the listing for a key, built from `objects` once per revision and sorted by creation."""
        listing = self._listings.get(key)
        if listing is None:
            found = sorted(objects(), key=lambda item: (item.rank, item.gid))
            listing = StoredListing(ranks=[(item.rank, item.gid) for item in found], objects=found)
            self._listings[key] = listing
        return listing

    def tasks_of_project(self, project_gid: str, section_gid: str | None = None) -> StoredListing:
        """Return the tasks of a project, or of one of its sections.

        The rank is (section rank, section, task rank, task), so that a task that moves between two pages is skipped or
        repeated, as in Asana.
        """
        generated = self.generated_tasks.get(project_gid)
        if generated is not None:
            return StoredListing(ranks=generated.ranks, objects=generated.tasks)
        key = ("project tasks", project_gid, section_gid or "")
        listing = self._listings.get(key)
        if listing is None:
            ranked: list[tuple[Rank, Object]] = []
            for gid, placement in self.placements[project_gid].items():
                if section_gid is None or placement.section.gid == section_gid:
                    rank = (placement.section.rank, placement.section.gid, placement.rank, gid)
                    ranked.append((rank, self.objects[gid]))
            ranked.sort(key=lambda pair: pair[0])
            listing = StoredListing(ranks=[rank for rank, _ in ranked], objects=[task for _, task in ranked])
            self._listings[key] = listing
        return listing

    def tasks_of_assignee(self, workspace_gid: str, user_gid: str) -> StoredListing:
        """Return the visible tasks and subtasks assigned to a user."""
        key = ("assigned", workspace_gid, user_gid)
        tasks = self.assigned_tasks.get((workspace_gid, user_gid), {})
        return self.cached_listing(key, lambda: (task for task in tasks.values() if self.is_visible(task)))

    def users_listing(self, workspace_gid: str) -> StoredListing:
        """Return the users of a workspace, whose rank is their gid."""
        key = ("users", workspace_gid)
        listing = self._listings.get(key)
        if listing is None:
            users = self.users(workspace_gid)
            listing = StoredListing(ranks=[(int(user.gid),) for user in users], objects=users)
            self._listings[key] = listing
        return listing

    # -- changes

    def mark_changed(self) -> None:
        """Start a new revision and discard the cached listings."""
        self.revision += 1
        self._listings.clear()

    def server_time(self) -> float:
        """Return the time of the server's clock, in seconds since the epoch."""
        return time.time() + self.clock_skew

    def now(self) -> str:
        """Return the instant of a change: the server's clock, but always later than the previous change."""
        self._last_change = max(int(self.server_time() * 1000), self._last_change + 1)
        return format_instant(self._last_change)

    def place(self, task: Object, project: Object, section: Object, rank: int) -> None:
        """Add a task to a section of a project, or move it there."""
        self.placements[project.gid][task.gid] = Placement(section=section, rank=rank)
        self.task_projects[task.gid] = tuple(dict.fromkeys((*self.task_projects.get(task.gid, ()), project.gid)))
        self.refresh_memberships(task)

    def displace(self, task: Object, project_gid: str) -> None:
        """Remove a task from a project."""
        self.placements[project_gid].pop(task.gid, None)
        self.task_projects[task.gid] = tuple(gid for gid in self.task_projects.get(task.gid, ()) if gid != project_gid)
        self.refresh_memberships(task)

    def refresh_memberships(self, task: Object) -> None:
        """Set the task's `projects` and `memberships` to the projects that the token's user can see."""
        visible = [gid for gid in self.task_projects.get(task.gid, ()) if gid not in self.hidden_projects]
        positions = [(self.objects[gid], self.placements[gid][task.gid].section) for gid in visible]
        memberships: list[Value] = [{"project": project, "section": section} for project, section in positions]
        task.fields["memberships"] = tuple(memberships)
        task.fields["projects"] = tuple(project for project, _ in positions)

    def assign(self, task: Object, user: Object | None) -> None:
        """Change the assignee; None unassigns the task."""
        previous = task.ref("assignee")
        if previous is not None:
            self.assigned_tasks[task.workspace_gid, previous.gid].pop(task.gid, None)
        task.fields["assignee"] = user
        if user is not None:
            self.assigned_tasks[task.workspace_gid, user.gid][task.gid] = task
