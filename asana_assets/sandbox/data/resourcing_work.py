"""The time tracking categories, timesheets, allocations, budgets and rates of the paid workspace."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from asana_assets.sandbox.data.builder import Builder
    from asana_assets.sandbox.data.model import Object


def add_resourcing(builder: Builder, workspace: Object) -> None:
    """Add them after everything else: nothing that was generated before depends on them."""
    organization, at = builder.organization, builder.at
    main, teamless, archived = (
        organization.objects[organization.edge_cases[name]]
        for name in ("main_project", "teamless_project", "archived_project")
    )
    owner, colleague = organization.me, organization.objects[organization.edge_cases["user_in_two_workspaces"]]
    category = organization.new_category(workspace, "Development 🛠")
    organization.new_category(workspace, "Travel", "none")
    organization.new_category(workspace, "Old category", "red", archived=True)
    timesheets = [
        organization.new_timesheet(workspace, user, start, end, at(70))
        for user in (owner, colleague)
        for start, end in (("2024-01-01", "2024-01-07"), ("2024-01-08", "2024-01-14"))
    ]
    timesheets[0].fields["approval_status"] = "APPROVED"
    hours, percent = {"type": "hours", "value": 6.5}, {"type": "percent", "value": 50}
    allocation = organization.new_allocation(main, colleague, ("2024-01-01", "2024-03-31"), owner, hours)
    organization.new_allocation(main, owner, ("2024-04-01", "2024-04-30"), owner, percent)
    designer = organization.new_placeholder(workspace, "Designer")
    organization.new_allocation(teamless, designer, ("2024-05-01", "2024-05-31"), owner)
    budget = organization.new_budget(main, 10_000.5, 2_500.25, units="EUR")
    organization.new_budget(archived, None, 95)
    rate = organization.new_rate(main, colleague, 120.5, owner)
    organization.new_rate(main, designer, 90, owner)
    named = {"category": category, "timesheet": timesheets[1], "allocation": allocation, "budget": budget, "rate": rate}
    organization.edge_cases |= {name: found.gid for name, found in named.items()}
