"""Where the objects are and who sees them: containers, ranks, listings. What changes them is in `organization`.

A listing is what one documented path answers, whole and in order; paging is the server's business.
"""

from __future__ import annotations

import threading
import time
from collections import defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

from asana_assets.sandbox.model import Object, Value, instant

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from asana_assets.sandbox.generated_tasks import Bulk

Rank: TypeAlias = "tuple[int | str, ...]"


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredListing:
    """Objects in the order of their ranks; a rank says where the next page begins."""

    ranks: Sequence[Rank]
    objects: Sequence[Object]


@dataclass(frozen=True, slots=True, kw_only=True)
class Placement:
    """Where a task stands in a project."""

    section: Object
    rank: int


class Store:
    """The objects of everything the token's user sees, and of some things it does not."""

    def __init__(self, seed: int) -> None:
        self.lock = threading.RLock()
        self.revision = 0
        self.seed = seed
        self.objects: dict[str, Object] = {}
        self.paid: set[str] = set()
        self.hidden: set[str] = set()
        """Projects that exist but are not shared with the token's user."""
        self.placements: dict[str, dict[str, Placement]] = {}
        self.homes: dict[str, tuple[str, ...]] = {}
        """By task, the projects that hold it, hidden ones too."""
        self.generated_tasks: dict[str, Bulk] = {}
        """By project, tasks that are made when read; they are in no other index."""
        self.sections: dict[str, list[Object]] = defaultdict(list)
        self.subtasks: dict[str, list[Object]] = defaultdict(list)
        self.stories: dict[str, list[Object]] = defaultdict(list)
        self.attachments: dict[str, list[Object]] = defaultdict(list)
        self.statuses: dict[str, list[Object]] = defaultdict(list)
        self.team_members: dict[str, list[Object]] = defaultdict(list)
        self.memberships: dict[tuple[str, str], Object] = {}
        self.user_task_lists: dict[tuple[str, str], Object] = {}
        self.assigned: dict[tuple[str, str], dict[str, Object]] = defaultdict(dict)
        self.indexed: dict[str, tuple[str, float]] = {}
        """By task, `modified_at` before its last change (empty if new) and when that was, on the monotonic clock."""
        self._listed: dict[tuple[str, str], dict[str, Object]] = defaultdict(dict)
        self._listings: dict[tuple[str, ...], StoredListing] = {}
        self._me: Object | None = None
        self._last_change = 0

    # -- what there is

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
        found = self.objects.get(gid)
        if found is None and kind == "task":
            for bulk in self.generated_tasks.values():
                place = bulk.index(gid)
                if place is not None:
                    return bulk.task(place)
        return found if found is not None and found.kind == kind else None

    def get(self, gid: str, kind: str) -> Object:
        """As `find`, to change it.

        Raises:
            LookupError: there is none.
        """
        found = self.find(gid, kind)
        for bulk in self.generated_tasks.values():
            place = bulk.index(gid)
            if place is not None:
                found = self.objects[gid] = bulk.keep(place)
        if found is None:
            raise LookupError(f"no {kind} {gid}")
        return found

    def listed(self, workspace_gid: str, kind: str) -> dict[str, Object]:
        """What a workspace lists of a kind, by gid, hidden projects too."""
        return self._listed[workspace_gid, kind]

    def workspaces(self) -> list[Object]:
        return list(self._listed["", "workspace"].values())

    def users(self, workspace_gid: str) -> list[Object]:
        """Users listed in a workspace: those with an active membership, by gid."""
        found = [
            user
            for (workspace, _), membership in self.memberships.items()
            if workspace == workspace_gid and membership.flag("is_active") and (user := membership.ref("user"))
        ]
        return sorted(found, key=lambda user: int(user.gid))

    def projects(self, workspace_gid: str) -> list[Object]:
        """The projects shared with the token's user, archived ones too."""
        return [item for gid, item in self._listed[workspace_gid, "project"].items() if gid not in self.hidden]

    def sees(self, task: Object) -> bool:
        """Whether the token's user may read a task: through a project, its parent, or because it is in neither."""
        if task.ref("assignee") is self.me:
            return True
        homes = self.homes.get(task.gid, ())
        if any(gid not in self.hidden for gid in homes):
            return True
        parent = task.ref("parent")
        return self.sees(parent) if parent is not None else not homes

    # -- listings

    def listing(self, key: tuple[str, ...], objects: Callable[[], Iterable[Object]]) -> StoredListing:
        """The listing of that name, made once per revision, ranked by when the objects were put there."""
        known = self._listings.get(key)
        if known is None:
            found = sorted(objects(), key=lambda item: (item.rank, item.gid))
            known = StoredListing(ranks=[(item.rank, item.gid) for item in found], objects=found)
            self._listings[key] = known
        return known

    def tasks_of_project(self, project_gid: str, section_gid: str | None = None) -> StoredListing:
        """A keyset on (section rank, section, task rank, task): a task that moves meanwhile is skipped or repeated."""
        bulk = self.generated_tasks.get(project_gid)
        if bulk is not None:
            return StoredListing(ranks=bulk.ranks, objects=bulk.tasks)
        key = ("project tasks", project_gid, section_gid or "")
        known = self._listings.get(key)
        if known is None:
            ranked: list[tuple[Rank, Object]] = []
            for gid, place in self.placements[project_gid].items():
                if section_gid is None or place.section.gid == section_gid:
                    rank = (place.section.rank, place.section.gid, place.rank, gid)
                    ranked.append((rank, self.objects[gid]))
            ranked.sort(key=lambda pair: pair[0])
            known = StoredListing(ranks=[rank for rank, _ in ranked], objects=[task for _, task in ranked])
            self._listings[key] = known
        return known

    def tasks_of_assignee(self, workspace_gid: str, user_gid: str) -> StoredListing:
        """Everything assigned to a user, in projects, in none, and subtasks, as far as the token's user sees it."""
        key = ("assigned", workspace_gid, user_gid)
        found = self.assigned.get((workspace_gid, user_gid), {})
        return self.listing(key, lambda: (task for task in found.values() if self.sees(task)))

    def users_listing(self, workspace_gid: str) -> StoredListing:
        """Users rank by gid."""
        key = ("users", workspace_gid)
        known = self._listings.get(key)
        if known is None:
            found = self.users(workspace_gid)
            known = StoredListing(ranks=[(int(user.gid),) for user in found], objects=found)
            self._listings[key] = known
        return known

    # -- changes

    def mark_changed(self) -> None:
        """Something changed: forget what was derived."""
        self.revision += 1
        self._listings.clear()

    def now(self) -> str:
        """The instant of a change: the wall clock, and later than every change before."""
        self._last_change = max(time.time_ns() // 1_000_000, self._last_change + 1)
        return instant(self._last_change)

    def place(self, task: Object, project: Object, section: Object, rank: int) -> None:
        """Put a task into a section of a project, or move it there."""
        self.placements[project.gid][task.gid] = Placement(section=section, rank=rank)
        self.homes[task.gid] = tuple(dict.fromkeys((*self.homes.get(task.gid, ()), project.gid)))
        self.show_projects(task)

    def displace(self, task: Object, project_gid: str) -> None:
        """Take a task out of a project."""
        self.placements[project_gid].pop(task.gid, None)
        self.homes[task.gid] = tuple(gid for gid in self.homes.get(task.gid, ()) if gid != project_gid)
        self.show_projects(task)

    def show_projects(self, task: Object) -> None:
        """Set the task's `projects` and `memberships` to those of the projects that the token's user sees."""
        shown = [gid for gid in self.homes.get(task.gid, ()) if gid not in self.hidden]
        places = [(self.objects[gid], self.placements[gid][task.gid].section) for gid in shown]
        memberships: list[Value] = [{"project": project, "section": section} for project, section in places]
        task.fields["memberships"] = tuple(memberships)
        task.fields["projects"] = tuple(project for project, _ in places)

    def assign(self, task: Object, user: Object | None) -> None:
        before = task.ref("assignee")
        if before is not None:
            self.assigned[task.workspace_gid, before.gid].pop(task.gid, None)
        task.fields["assignee"] = user
        if user is not None:
            self.assigned[task.workspace_gid, user.gid][task.gid] = task
