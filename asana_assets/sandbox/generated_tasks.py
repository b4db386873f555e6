"""A project of any number of tasks that take no memory: each is made when it is read, from its place in the list.

They have no subtasks, stories, attachments or assignee. One that is changed is kept from then on; it can be renamed,
completed, assigned and commented, not moved and not deleted.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, overload

from asana_assets.sandbox.model import Object, Value, instant

if TYPE_CHECKING:
    from asana_assets.sandbox.store import Rank

_START = 1_600_000_000_000
_MINUTE = 60_000


class _Lazy(Sequence[Object]):
    def __init__(self, bulk: Bulk) -> None:
        self._bulk = bulk

    def __len__(self) -> int:
        return self._bulk.count

    @overload
    def __getitem__(self, index: int) -> Object: ...
    @overload
    def __getitem__(self, index: slice) -> Sequence[Object]: ...
    def __getitem__(self, index: int | slice) -> Object | Sequence[Object]:
        if isinstance(index, slice):
            return [self._bulk.task(place) for place in range(*index.indices(len(self)))]
        if not 0 <= index < len(self):
            raise IndexError(index)
        return self._bulk.task(index)


class _Ranks(Sequence["Rank"]):
    def __init__(self, bulk: Bulk) -> None:
        self._bulk = bulk

    def __len__(self) -> int:
        return self._bulk.count

    @overload
    def __getitem__(self, index: int) -> Rank: ...
    @overload
    def __getitem__(self, index: slice) -> Sequence[Rank]: ...
    def __getitem__(self, index: int | slice) -> Rank | Sequence[Rank]:
        if isinstance(index, slice):
            return [self._bulk.rank(place) for place in range(*index.indices(len(self)))]
        if not 0 <= index < len(self):
            raise IndexError(index)
        return self._bulk.rank(index)


class Bulk:
    """`count` tasks in the one section of a project, with consecutive gids, each like one of the patterns."""

    def __init__(self, project: Object, section: Object, first_gid: int, count: int, patterns: list[Object]) -> None:
        self.count = count
        self.tasks: Sequence[Object] = _Lazy(self)
        self.ranks: Sequence[Rank] = _Ranks(self)
        self._project = project
        self._section = section
        self._first_gid = first_gid
        self._patterns = patterns
        self._kept: dict[int, Object] = {}

    def index(self, gid: str) -> int | None:
        """The place of a gid in the list, if it is one of these."""
        place = int(gid) - self._first_gid if gid.isdigit() else -1
        return place if 0 <= place < self.count else None

    def rank(self, index: int) -> Rank:
        return (self._section.rank, self._section.gid, index, str(self._first_gid + index))

    def task(self, index: int) -> Object:
        kept = self._kept.get(index)
        if kept is not None:
            return kept
        gid = str(self._first_gid + index)
        created_at = instant(_START + index * _MINUTE)
        membership: Value = {"project": self._project, "section": self._section}
        fields: dict[str, Value] = {
            **self._patterns[index % len(self._patterns)].fields,
            "name": f"Task {index}",
            "created_at": created_at,
            "modified_at": created_at,
            "completed": False,
            "completed_at": None,
            "memberships": (membership,),
            "projects": (self._project,),
            "permalink_url": f"https://app.asana.com/1/{self._project.workspace_gid}/task/{gid}",
        }
        return Object(gid, "task", self._project.workspace_gid, index, fields)

    def keep(self, index: int) -> Object:
        """The task, the same one from now on, so that changes to it last."""
        return self._kept.setdefault(index, self.task(index))
