"""Sync state that is not committed yet: a run commits it together, because a commit costs more than all of its rows.

A process that is killed loses it, so that what it describes is fetched again. It must therefore never be committed
before the rows it describes, and not long after them.
"""

import threading
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cache

import pyarrow as pa
import pyarrow.compute as pc

from asana_assets.asana.field_types import Array

MAX_AGE_SECONDS = 30.0
"""Age of the oldest pending change at which all of a workspace are due."""

MAX_ROWS = 10_000
"""Number of pending rows and deleted keys at which all of a workspace are due."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StateChange:
    """Rows of the sync state to save, and the keys of rows to delete.

    Attributes:
        rows: The rows, with their keys.
        deleted: Keys of the rows to delete; a row of `rows` with one of these keys is saved nevertheless.
        loaded: What the sync loaded of the stored rows that it replaces, see `contested_parents`; None if it does not
            matter whether another sync has replaced them since.
    """

    rows: pa.Table
    deleted: Array
    loaded: pa.Table | None = None

    @property
    def replaced(self) -> Array:
        """The keys of all stored rows that this change deletes or replaces."""
        return pa.concat_arrays([self.deleted, *self.rows["gid"].chunks])

    def then(self, later: "StateChange") -> "StateChange":
        """Return the change that has the effect of this one and then of another."""
        loaded = [change.loaded for change in (self, later) if change.loaded is not None]
        return StateChange(
            rows=later.apply(self.rows),
            deleted=pa.concat_arrays([self.deleted, later.deleted]),
            loaded=pa.concat_tables(loaded) if loaded else None,
        )

    def apply(self, stored: pa.Table) -> pa.Table:
        """Return what `stored` rows are after this change; columns that only some rows have are null in the others."""
        kept = stored.filter(pc.invert(pc.is_in(stored["gid"], value_set=self.replaced)))
        return pa.concat_tables([kept, self.rows], promote_options="default")


@dataclass(slots=True)
class PendingState:
    """The pending changes of each workspace, shared by all parts of a process that use the same tables.

    Attributes:
        clock: Returns seconds.
    """

    clock: Callable[[], float] = time.monotonic
    _holds: Counter[str] = field(default_factory=Counter[str])
    _changes: dict[str, StateChange] = field(default_factory=dict[str, StateChange])
    _since: dict[str, float] = field(default_factory=dict[str, float])
    _lock: threading.RLock = field(default_factory=threading.RLock)

    def hold(self, workspace_gid: str) -> None:
        """Keep changes of this workspace pending until as many calls of `release`."""
        with self._lock:
            self._holds[workspace_gid] += 1

    def release(self, workspace_gid: str) -> None:
        """Undo one call of `hold`."""
        with self._lock:
            self._holds[workspace_gid] -= 1

    def is_held(self, workspace_gid: str) -> bool:
        """Return whether changes of this workspace are kept pending."""
        return self._holds[workspace_gid] > 0

    def add(self, workspace_gid: str, change: StateChange) -> None:
        """Add a change to those that are pending."""
        with self._lock:
            earlier = self._changes.get(workspace_gid)
            self._changes[workspace_gid] = earlier.then(change) if earlier else change
            self._since.setdefault(workspace_gid, self.clock())

    def get(self, workspace_gid: str) -> StateChange | None:
        """Return the pending changes as one."""
        return self._changes.get(workspace_gid)

    def is_due(self, workspace_gid: str) -> bool:
        """Return whether the pending changes are so old, or so many, that they should be committed."""
        change = self._changes.get(workspace_gid)
        if change is None:
            return False
        too_old = self.clock() - self._since[workspace_gid] >= MAX_AGE_SECONDS
        return too_old or change.rows.num_rows + len(change.deleted) >= MAX_ROWS

    def flush(self, workspace_gid: str, commit: Callable[[StateChange], None]) -> None:
        """Commit the pending changes, which stay pending if `commit` raises."""
        with self._lock:  # a change that another thread adds meanwhile must not be lost
            if change := self._changes.get(workspace_gid):
                commit(change)
                del self._changes[workspace_gid], self._since[workspace_gid]


@cache
def pending_state(tables: str) -> PendingState:  # noqa: ARG001 - the key of the cache
    """Return what all parts of this process share that use the same tables, identified by any text."""
    return PendingState()
