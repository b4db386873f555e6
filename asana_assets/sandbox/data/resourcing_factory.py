"""Constructors of time tracking categories, timesheets, allocations, budgets and rates."""

from __future__ import annotations

from typing import TYPE_CHECKING

from asana_assets.sandbox.data.object_factory import ObjectFactory

if TYPE_CHECKING:
    from asana_assets.sandbox.data.model import Object, Struct, Value


class ResourcingFactory(ObjectFactory):
    """Creates what is planned and tracked besides work itself."""

    def new_category(self, workspace: Object, name: str, color: str = "blue", *, archived: bool = False) -> Object:
        fields: dict[str, Value] = {"name": name, "color": color, "is_archived": archived}
        return self._of_workspace("time_tracking_category", workspace, fields)

    def new_timesheet(self, workspace: Object, user: Object, start: str, end: str, created_at: str) -> Object:
        """Create the timesheet of a user's week, as a draft."""
        fields: dict[str, Value] = {"user": user, "start_date": start, "end_date": end, "created_at": created_at}
        fields |= {"workspace": workspace, "approval_status": "DRAFT"}
        return self._of_workspace("timesheet_approval_status", workspace, fields)

    def new_allocation(
        self, project: Object, assignee: Object, days: tuple[str, str], creator: Object, effort: Struct | None = None
    ) -> Object:
        """Create an allocation from the first to the last of the days."""
        fields: dict[str, Value] = {"start_date": days[0], "end_date": days[1], "effort": effort, "assignee": assignee}
        fields |= {"created_by": creator, "parent": project, "resource_subtype": "project_allocation"}
        workspace = self.objects[project.workspace_gid]
        return self._of_workspace("allocation", workspace, fields)

    def new_placeholder(self, workspace: Object, name: str) -> Object:
        """Create a placeholder for a person; it is in no listing."""
        return self._create("placeholder", workspace.gid, {"name": name})

    def new_budget(self, project: Object, total: float | None, actual: float, *, units: str = "minutes") -> Object:
        """Create the budget of a project; without a total it has no limit."""
        limit: Value = {"enabled": total is not None, "value": total, "units": None if total is None else units}
        fields: dict[str, Value] = {
            "budget_type": "time" if units == "minutes" else "cost",
            "estimate": {
                "billable_status_filter": "any",
                "source": "tasks",
                "enabled": True,
                "units": units,
                "value": 480.0,
            },
            "actual": {"billable_status_filter": "billable", "value": actual, "units": units},
            "total": limit,
            "parent": project,
        }
        budget = self._create("budget", project.workspace_gid, fields)
        self.belongings["budget", project.gid].append(budget)
        return budget

    def new_rate(self, project: Object, resource: Object, rate: float, creator: Object) -> Object:
        fields: dict[str, Value] = {"parent": project, "resource": resource, "rate": rate, "currency_code": "EUR"}
        created = self._create("rate", project.workspace_gid, {**fields, "created_by": creator})
        self.belongings["rate", project.gid].append(created)
        return created

    def _of_workspace(self, kind: str, workspace: Object, fields: dict[str, Value]) -> Object:
        created = self._create(kind, workspace.gid, fields)
        self.workspace_objects(workspace.gid, kind)[created.gid] = created
        return created
