"""A free workspace and a personal one, beside the paid one."""

from __future__ import annotations

from typing import TYPE_CHECKING

from asana_assets.sandbox.data.task_factory import NewTask

if TYPE_CHECKING:
    from asana_assets.sandbox.data.builder import Builder


def add_small_workspaces(builder: Builder) -> None:
    """Add both workspaces. One member of the paid workspace is also a member of the free one."""
    organization = builder.organization
    edge_cases = organization.edge_cases
    free = organization.new_workspace("Cat lovers", organization=True, paid=False, domains=("cats.example.com",))
    personal = organization.new_workspace("Personal projects", organization=False, paid=False)
    edge_cases |= {"free_organization": free.gid, "personal_workspace": personal.gid}
    both = organization.get(edge_cases["user_in_two_workspaces"], "user")
    for workspace in (free, personal):
        organization.new_membership(workspace, organization.me, builder.at(0), admin=True)
    organization.new_membership(free, both, builder.at(4))
    friend = builder.add_member(free, "Only In The Free One", 5)
    team = organization.new_team(free, "Cat lovers", "Free of charge", visibility="request_to_join")
    for user in (organization.me, both, friend):
        organization.new_team_membership(team, user)
    shelter = organization.new_project(free, "Shelter", builder.at(6), team=team, owner=both, members=(both, friend))
    empty = organization.new_project(free, "Empty project", builder.at(7), owner=friend)
    home = organization.new_project(personal, "Home", builder.at(8), owner=organization.me)
    edge_cases |= {"free_project": shelter.gid, "empty_project": empty.gid, "personal_project": home.gid}
    organization.new_tag(free, "furry", builder.at(9))
    for number in range(3):
        new = NewTask(created_at=builder.at(10), creator=both)
        task = builder.add_task(free, f"Feed cat {number}", shelter, new)
        organization.new_story(task, "added_to_project", "added to Shelter", builder.at(10), None, project=shelter)
        edge_cases["free_task"] = task.gid
    fed = organization.get(edge_cases["free_task"], "task")
    subtask = NewTask(created_at=builder.at(11), creator=both, parent=fed, assignee=friend)
    builder.add_task(free, "Open the tin", None, subtask)
    completed = NewTask(created_at=builder.at(12), creator=both, assignee=both, completed_at=builder.at(20))
    builder.add_task(free, "Without a project", None, completed)
    bulbs = builder.add_task(personal, "Buy bulbs", home, NewTask(created_at=builder.at(13), creator=organization.me))
    organization.new_story(bulbs, "comment_added", "E27, warm white", builder.at(14), organization.me)
    organization.new_attachment(bulbs, "lamp.jpg", builder.at(15), size=999)
    mine = NewTask(created_at=builder.at(16), creator=organization.me, assignee=organization.me)
    builder.add_task(personal, "Call the plumber", None, mine)
    organization.new_webhook(free, shelter, builder.at(17))
    organization.new_status(shelter, "complete", "All fed", author=both, created_at=builder.at(18))
