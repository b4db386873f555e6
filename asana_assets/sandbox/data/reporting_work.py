"""The portfolios, time periods and goals of the paid workspace."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from asana_assets.sandbox.data.builder import Builder
    from asana_assets.sandbox.data.model import Object, Value
    from asana_assets.sandbox.data.organization import Organization

_YEARS = (2024, 2025)


def add_reporting(builder: Builder, workspace: Object) -> None:
    """Add them after everything else: nothing that was generated before depends on them."""
    _Reporting(builder, workspace).add()


class _Reporting:
    def __init__(self, builder: Builder, workspace: Object) -> None:
        self.organization: Organization = builder.organization
        self.at = builder.at
        self.workspace = workspace
        self.owner = self.organization.me
        self.people = self.organization.users(workspace.gid)
        self.colleague = next(user for user in self.people if user is not self.owner)

    def add(self) -> None:
        self._add_portfolios()
        self._add_goals()
        named = {"portfolio": self.all_work, "nested_portfolio": self.nested, "foreign_portfolio": self.foreign}
        named |= {"empty_portfolio": self.empty, "goal": self.company_goal, "subgoal": self.subgoal}
        named |= {"closed_goal": self.closed, "time_period": self.periods["FY"]}
        self.organization.edge_cases |= {name: found.gid for name, found in named.items()}

    def _edge_case(self, name: str) -> Object:
        return self.organization.objects[self.organization.edge_cases[name]]

    def _add_portfolios(self) -> None:
        organization, at = self.organization, self.at
        main, archived = self._edge_case("main_project"), self._edge_case("archived_project")
        self.all_work = organization.new_portfolio(
            self.workspace, "All work", at(30), owner=self.owner, members=self.people[:3]
        )
        self.nested = organization.new_portfolio(self.workspace, "Marketing 📣", at(31), owner=self.owner)
        self.empty = organization.new_portfolio(self.workspace, "Empty", at(32), owner=self.owner)
        self.foreign = organization.new_portfolio(self.workspace, "The board's", at(33), owner=self.colleague)
        self.empty.fields |= {"archived": True, "public": False, "privacy_setting": "members_only", "color": None}
        organization.new_portfolio_membership(self.all_work, self._edge_case("team"), "viewer")
        templates = tuple(organization.workspace_objects(self.workspace.gid, "project_template").values())
        self.all_work.fields |= {"due_on": "2024-12-31", "start_on": "2024-01-01", "project_templates": templates[:1]}
        values = self._edge_case("task_with_every_custom_field").fields.get("custom_fields")
        if isinstance(values, tuple):
            self.all_work.fields["custom_fields"] = values[:3]
            self.all_work.fields["custom_field_settings"] = (self._setting(self.all_work, values[0]),)
        projects = [main, self._edge_case("teamless_project"), self._edge_case("unshared_project")]
        organization.portfolio_items[self.all_work.gid] = [*projects, self.nested, self.foreign]
        organization.portfolio_items[self.nested.gid] = [main, archived]
        organization.portfolio_items[self.foreign.gid] = [archived]
        for number, status in enumerate(("on_track", "at_risk")):
            title, created_at = f"Month {number + 1}", at(40 + number)
            organization.new_status(self.all_work, status, title, author=self.owner, created_at=created_at)

    def _setting(self, parent: Object, custom_field: Value) -> dict[str, Value]:
        return {
            "gid": self.organization.new_gid(),
            "resource_type": "custom_field_setting",
            "is_important": True,
            "project": None,
            "parent": parent,
            "custom_field": custom_field,
        }

    def _add_goals(self) -> None:
        organization, at = self.organization, self.at
        years = [organization.new_time_periods(self.workspace, year) for year in _YEARS]
        self.periods = years[0]
        revenue = organization.new_metric(1_000_000, 250_000.5, unit="currency", source="subgoal_progress")
        self.company_goal = organization.new_goal(
            self.workspace, "Grow revenue", owner=self.owner, period=self.periods["FY"], metric=revenue, status="green"
        )
        share = organization.new_metric(0.5, 0.25, unit="percentage", source="project_task_completion")
        self.subgoal = organization.new_goal(
            self.workspace,
            "Half of all leads from the website",
            owner=self.colleague,
            team=self._edge_case("team"),
            period=self.periods["Q1"],
            metric=share,
            status="yellow",
        )
        self.closed = organization.new_goal(self.workspace, "Open an office", status="dropped")
        likes = ({"gid": organization.new_gid(), "user": self.colleague},)
        self.company_goal.fields |= {"likes": likes, "num_likes": 1, "followers": tuple(self.people[:3])}
        organization.new_goal_relationship(self.company_goal, self.subgoal, 0.5)
        organization.new_goal_relationship(self.company_goal, self.all_work, 0)
        organization.new_goal_relationship(self.subgoal, self._edge_case("main_project"), 1)
        organization.new_goal_relationship(self.subgoal, self._edge_case("my_task"), 1)
        organization.new_status(self.company_goal, "on_track", "Q1 in numbers", author=self.owner, created_at=at(50))
        for goal, subtype, text in (
            (self.company_goal, "goal_created", "created this goal"),
            (self.company_goal, "comment_added", "Well done!"),
            (self.subgoal, "metric_updated", "updated the metric"),
        ):
            organization.new_story(goal, subtype, text, at(51), self.owner)
