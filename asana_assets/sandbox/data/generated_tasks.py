"""Tasks that occupy no memory: each is generated from its index when it is read.

They have no subtasks, stories, attachments or assignee. A changed task is kept from then on. It can be renamed,
completed, assigned and commented on, but neither moved nor deleted.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Generic, TypeVar, overload

from asana_assets.sandbox.data.model import Object, Rank, Value, format_instant

_FIRST_CREATED_AT = 1_600_000_000_000
_MINUTE = 60_000

_T = TypeVar("_T")


class _Generated(Sequence[_T], Generic[_T]):
    """A sequence whose items are computed from their index."""

    def __init__(self, count: int, item: Callable[[int], _T]) -> None:
        self._count = count
        self._item = item

    def __len__(self) -> int:
        return self._count

    @overload
    def __getitem__(self, index: int) -> _T: ...
    @overload
    def __getitem__(self, index: slice) -> Sequence[_T]: ...
    def __getitem__(self, index: int | slice) -> _T | Sequence[_T]:
        if isinstance(index, slice):
            return [self._item(number) for number in range(*index.indices(self._count))]
        if not 0 <= index < self._count:
            raise IndexError(index)
        return self._item(index)


class GeneratedTasks:
    """`count` tasks in the only section of a project, with consecutive gids, each modeled on one of the templates."""

    def __init__(self, project: Object, section: Object, first_gid: int, count: int, templates: list[Object]) -> None:
        self.count = count
        self.tasks: Sequence[Object] = _Generated(count, self.task)
        self.ranks: Sequence[Rank] = _Generated(count, self.rank)
        self._project = project
        self._section = section
        self._first_gid = first_gid
        self._templates = templates
        self._changed: dict[int, Object] = {}

    def index(self, gid: str) -> int | None:
        """Return the index of a task in the project, or None if the gid is not one of these."""
        index = int(gid) - self._first_gid if gid.isdigit() else -1
        return index if 0 <= index < self.count else None

    def rank(self, index: int) -> Rank:
        return (self._section.rank, self._section.gid, index, str(self._first_gid + index))

    def task(self, index: int) -> Object:
        changed = self._changed.get(index)
        if changed is not None:
            return changed
        gid = str(self._first_gid + index)
        created_at = format_instant(_FIRST_CREATED_AT + index * _MINUTE)
        membership: Value = {"project": self._project, "section": self._section}
        fields: dict[str, Value] = {
            **self._templates[index % len(self._templates)].fields,
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
        """Return the task, and from now on always the same object, so that changes to it last."""
        return self._changed.setdefault(index, self.task(index))
