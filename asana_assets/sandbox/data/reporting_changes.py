"""Changes of portfolios and goals."""

from __future__ import annotations

from typing import TYPE_CHECKING

from asana_assets.sandbox.data.reporting_factory import ReportingFactory
from asana_assets.sandbox.data.task_factory import TaskFactory

if TYPE_CHECKING:
    from asana_assets.sandbox.data.model import Value


class ReportingChanges(ReportingFactory, TaskFactory):
    """Each method makes one change atomically and returns the gid of the changed or created object."""

    def add_portfolio(self, workspace_gid: str, name: str) -> str:
        """Add an empty portfolio owned by the token's user."""
        with self.lock:
            workspace = self.get(workspace_gid, "workspace")
            portfolio = self.new_portfolio(workspace, name, self.now(), owner=self.me)
            self.mark_changed()
            return portfolio.gid

    def change_portfolio(self, gid: str, **fields: Value) -> str:
        """Set fields of a portfolio; one that another user owns from now on is no longer listed."""
        return self._change(gid, "portfolio", fields)

    def delete_portfolio(self, gid: str) -> str:
        """Delete a portfolio with what belongs to it, but without its items."""
        with self.lock:
            portfolio = self.get(gid, "portfolio")
            self.portfolio_items.pop(gid, None)
            for items in self.portfolio_items.values():
                items[:] = [one for one in items if one is not portfolio]
            self._delete_relationships(gid)
            self.delete_objects([*self.belongings.pop(("membership", gid), []), *self.status_updates.pop(gid, [])])
            self.delete_objects([portfolio])
            del self.workspace_objects(portfolio.workspace_gid, "portfolio")[gid]
            self.mark_changed()
            return gid

    def add_to_portfolio(self, gid: str, item_gid: str) -> str:
        """Add a project or portfolio to a portfolio. Neither is modified."""
        with self.lock:
            self.portfolio_items[self.get(gid, "portfolio").gid].append(self.objects[item_gid])
            self.mark_changed()
            return gid

    def remove_from_portfolio(self, gid: str, item_gid: str) -> str:
        """Remove an item from a portfolio. Neither is modified."""
        with self.lock:
            self.portfolio_items[gid] = [one for one in self.portfolio_items[gid] if one.gid != item_gid]
            self.mark_changed()
            return gid

    def add_portfolio_member(self, gid: str, member_gid: str, access_level: str = "viewer") -> str:
        """Add a user or a team to a portfolio; only users are among its `members`."""
        with self.lock:
            portfolio = self.get(gid, "portfolio")
            membership = self.new_portfolio_membership(portfolio, self.objects[member_gid], access_level)
            self.mark_changed()
            return membership.gid

    def change_portfolio_access(self, membership_gid: str, access_level: str) -> str:
        """Change the access of a member. The portfolio is not modified."""
        return self._change(membership_gid, "membership", {"access_level": access_level})

    def remove_portfolio_member(self, membership_gid: str) -> str:
        with self.lock:
            membership = self.get(membership_gid, "membership")
            portfolio, member = membership.ref("parent"), membership.ref("member")
            if portfolio is not None:
                self.belongings["membership", portfolio.gid].remove(membership)
                portfolio.fields["members"] = tuple(one for one in portfolio.refs("members") if one is not member)
            self.delete_objects([membership])
            self.mark_changed()
            return membership_gid

    def add_goal(self, workspace_gid: str, name: str) -> str:
        with self.lock:
            goal = self.new_goal(self.get(workspace_gid, "workspace"), name, owner=self.me)
            self.mark_changed()
            return goal.gid

    def change_goal(self, gid: str, **fields: Value) -> str:
        """Set fields of a goal, without a story."""
        return self._change(gid, "goal", fields)

    def update_metric(self, gid: str, value: float) -> str:
        """Set the current value of a goal's metric, which adds a story."""
        with self.lock:
            goal = self.get(gid, "goal")
            metric = self.new_metric(100, value, unit="percentage")
            goal.fields["metric"] = {**metric, **_gid_of(goal.fields.get("metric"))}
            self.new_story(goal, "metric_updated", f"updated the metric to {value:g}", self.now(), self.me)
            self.mark_changed()
            return gid

    def comment_on_goal(self, gid: str, text: str) -> str:
        """Add a comment to a goal, which nothing else shows."""
        with self.lock:
            story = self.new_story(self.get(gid, "goal"), "comment_added", text, self.now(), self.me)
            self.mark_changed()
            return story.gid

    def delete_goal(self, gid: str) -> str:
        """Delete a goal with what belongs to it; what supports it is kept."""
        with self.lock:
            goal = self.get(gid, "goal")
            self._delete_relationships(gid)
            self.delete_objects(self.goal_relationships.pop(gid, []))
            self.delete_objects([*self.stories.pop(gid, []), *self.status_updates.pop(gid, []), goal])
            del self.workspace_objects(goal.workspace_gid, "goal")[gid]
            self.mark_changed()
            return gid

    def support_goal(self, gid: str, supporting_gid: str, weight: float = 1) -> str:
        """Let an object support a goal. Neither is modified."""
        with self.lock:
            supporting = self.objects[supporting_gid]
            relationship = self.new_goal_relationship(self.get(gid, "goal"), supporting, weight)
            self.mark_changed()
            return relationship.gid

    def change_contribution(self, relationship_gid: str, weight: float) -> str:
        """Change the weight of a goal relationship. The goal is not modified."""
        return self._change(relationship_gid, "goal_relationship", {"contribution_weight": weight})

    def _delete_relationships(self, supporting_gid: str) -> None:
        """Delete the relationships of an object to the goals that it supports."""
        for goal_gid, relationships in self.goal_relationships.items():
            supporting = self.objects[supporting_gid]
            ended = [one for one in relationships if one.ref("supporting_resource") is supporting]
            self.delete_objects(ended)
            self.goal_relationships[goal_gid] = [one for one in relationships if one not in ended]

    def _change(self, gid: str, kind: str, fields: dict[str, Value]) -> str:
        with self.lock:
            self.get(gid, kind).fields |= fields
            self.mark_changed()
            return gid


def _gid_of(metric: Value) -> dict[str, Value]:
    return {"gid": metric["gid"]} if isinstance(metric, dict) else {}
