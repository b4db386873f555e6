"""Changes of time tracking categories, timesheets, allocations, budgets and rates."""

from __future__ import annotations

from typing import TYPE_CHECKING

from asana_assets.sandbox.data.resourcing_factory import ResourcingFactory

if TYPE_CHECKING:
    from collections.abc import Callable

    from asana_assets.sandbox.data.model import Object, Value

_OF_PROJECTS = ("budget", "rate")


class ResourcingChanges(ResourcingFactory):
    """Each method makes one change atomically and returns the gid of the changed or created object."""

    def add_category(self, workspace_gid: str, name: str) -> str:
        return self._added(lambda: self.new_category(self.get(workspace_gid, "workspace"), name))

    def archive_category(self, gid: str) -> str:
        return self._change_resource(gid, {"is_archived": True})

    def decide_timesheet(self, gid: str, status: str) -> str:
        """Submit, approve or reject a timesheet."""
        return self._change_resource(gid, {"approval_status": status})

    def add_allocation(self, project_gid: str, user_gid: str, start: str, end: str) -> str:
        return self._added(
            lambda: self.new_allocation(
                self.get(project_gid, "project"), self.get(user_gid, "user"), (start, end), self.me
            )
        )

    def change_allocation(self, gid: str, **fields: Value) -> str:
        return self._change_resource(gid, fields)

    def delete_resource(self, gid: str) -> str:
        """Delete a category, timesheet, allocation, budget or rate."""
        with self.lock:
            removed = self.objects[gid]
            self.workspace_objects(removed.workspace_gid, removed.kind).pop(gid, None)
            parent = removed.ref("parent")
            if parent is not None and removed.kind in _OF_PROJECTS:
                self.belongings[removed.kind, parent.gid].remove(removed)
            self.delete_objects([removed])
            self.mark_changed()
            return gid

    def add_budget(self, project_gid: str, total: float) -> str:
        """Add a budget to a project, which is not modified."""
        return self._added(lambda: self.new_budget(self.get(project_gid, "project"), total, 0))

    def add_rate(self, project_gid: str, user_gid: str, rate: float) -> str:
        """Add the rate of a user to a project, which is not modified."""
        return self._added(
            lambda: self.new_rate(self.get(project_gid, "project"), self.get(user_gid, "user"), rate, self.me)
        )

    def change_rate(self, gid: str, rate: float) -> str:
        return self._change_resource(gid, {"rate": rate})

    def _change_resource(self, gid: str, fields: dict[str, Value]) -> str:
        with self.lock:
            self.objects[gid].fields |= fields
            self.mark_changed()
            return gid

    def _added(self, create: Callable[[], Object]) -> str:
        with self.lock:
            created = create()
            self.mark_changed()
            return created.gid
