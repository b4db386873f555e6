"""Constructors of portfolios, time periods, goals and what belongs to them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from asana_assets.sandbox.data.object_factory import APP_URL, to_html
from asana_assets.sandbox.data.project_factory import ProjectFactory

if TYPE_CHECKING:
    from collections.abc import Sequence

    from asana_assets.sandbox.data.model import Object, Struct, Value

_PERIODS = (  # name, the one that contains it, first and last day
    ("FY", None, "01-01", "12-31"),
    ("H1", "FY", "01-01", "06-30"),
    ("H2", "FY", "07-01", "12-31"),
    ("Q1", "H1", "01-01", "03-31"),
    ("Q2", "H1", "04-01", "06-30"),
    ("Q3", "H2", "07-01", "09-30"),
    ("Q4", "H2", "10-01", "12-31"),
)


class ReportingFactory(ProjectFactory):
    """Creates portfolios and goals; status updates and stories of them are created like those of projects and tasks."""

    def new_portfolio(
        self, workspace: Object, name: str, created_at: str, *, owner: Object, members: Sequence[Object] = ()
    ) -> Object:
        """Create a portfolio whose owner is a member, too."""
        portfolio = self._create(
            "portfolio",
            workspace.gid,
            {
                "name": name,
                "archived": False,
                "color": "light-green",
                "start_on": None,
                "due_on": None,
                "default_access_level": "viewer",
                "created_at": created_at,
                "created_by": owner,
                "custom_field_settings": (),
                "current_status_update": None,
                "custom_fields": (),
                "members": (),
                "owner": owner,
                "workspace": workspace,
                "public": True,
                "privacy_setting": "public_to_domain",
                "project_templates": (),
            },
        )
        portfolio.fields["permalink_url"] = f"{APP_URL}/0/portfolio/{portfolio.gid}/list"
        self.workspace_objects(workspace.gid, "portfolio")[portfolio.gid] = portfolio
        for user in dict.fromkeys((owner, *members)):
            self.new_portfolio_membership(portfolio, user, "admin" if user is owner else "editor")
        return portfolio

    def new_portfolio_membership(self, portfolio: Object, member: Object, access_level: str) -> Object:
        """Create the membership of a user or a team."""
        fields: dict[str, Value] = {"parent": portfolio, "member": member, "access_level": access_level}
        fields["resource_subtype"] = "portfolio_membership"
        membership = self._create("membership", portfolio.workspace_gid, fields)
        self.belongings["membership", portfolio.gid].append(membership)
        if member.kind == "user":
            portfolio.fields["members"] = (*portfolio.refs("members"), member)
        return membership

    def new_time_periods(self, workspace: Object, year: int) -> dict[str, Object]:
        """Create a fiscal year, its halves and its quarters, and return them by name."""
        created: dict[str, Object] = {}
        for period, parent, first, last in _PERIODS:
            fields: dict[str, Value] = {"start_on": f"{year}-{first}", "end_on": f"{year}-{last}", "period": period}
            fields["display_name"] = f"{'' if parent is None else f'{period} '}FY{year % 100}"
            fields["parent"] = None if parent is None else created[parent]
            created[period] = self._create("time_period", workspace.gid, fields)
            self.workspace_objects(workspace.gid, "time_period")[created[period].gid] = created[period]
        return created

    def new_goal(
        self,
        workspace: Object,
        name: str,
        *,
        owner: Object | None = None,
        team: Object | None = None,
        period: Object | None = None,
        metric: Struct | None = None,
        status: str | None = None,
    ) -> Object:
        followers = () if owner is None else (owner,)
        goal = self._create(
            "goal",
            workspace.gid,
            {
                "name": name,
                "notes": f"Why: {name} & more",
                "html_notes": to_html(f"Why: {name} & more"),
                "due_on": None if period is None else period.text("end_on"),
                "start_on": None if period is None else period.text("start_on"),
                "is_workspace_level": team is None,
                "liked": False,
                "likes": (),
                "num_likes": 0,
                "team": team,
                "workspace": workspace,
                "followers": followers,
                "time_period": period,
                "metric": metric,
                "owner": owner,
                "current_status_update": None,
                "status": status,
                "privacy_setting": "public_to_workspace",
                "default_access_level": "commenter",
                "custom_fields": (),
                "custom_field_settings": (),
            },
        )
        self.workspace_objects(workspace.gid, "goal")[goal.gid] = goal
        return goal

    def new_metric(self, target: float, current: float, *, unit: str = "none", source: str = "manual") -> Struct:
        """Create the metric of a goal."""
        return {
            "gid": self.new_gid(),
            "resource_type": "goal_metric",
            "resource_subtype": "number",
            "precision": 2,
            "unit": unit,
            "currency_code": "EUR" if unit == "currency" else None,
            "initial_number_value": 0.0,
            "target_number_value": target,
            "current_number_value": current,
            "current_display_value": f"{current:g}",
            "progress_source": source,
            "is_custom_weight": False,
            "can_manage": True,
        }

    def new_goal_relationship(self, goal: Object, supporting: Object, weight: float) -> Object:
        """Let a goal, project, portfolio or task support a goal."""
        fields: dict[str, Value] = {
            "resource_subtype": "subgoal" if supporting.kind == "goal" else "supporting_work",
            "supporting_resource": supporting,
            "contribution_weight": weight,
            "supported_goal": goal,
        }
        relationship = self._create("goal_relationship", goal.workspace_gid, fields)
        self.goal_relationships[goal.gid].append(relationship)
        return relationship
