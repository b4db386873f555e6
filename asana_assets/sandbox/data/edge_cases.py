"""Objects that break naive syncs. `Organization.edge_cases` has their gids by name."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from asana_assets.sandbox.data.custom_fields import build_custom_fields
from asana_assets.sandbox.data.edge_case_stories import add_edge_case_stories
from asana_assets.sandbox.data.task_factory import Dates, NewTask

if TYPE_CHECKING:
    from asana_assets.sandbox.data.builder import Builder
    from asana_assets.sandbox.data.model import Object

_LEVELS = 5
_OVER_32_BITS = 2**33


def add_edge_cases(builder: Builder, workspace: Object) -> None:
    """Add the edge cases of a paid workspace."""
    edge_cases = _EdgeCases(builder, workspace)
    edge_cases.add_people()
    edge_cases.add_projects()
    edge_cases.add_tasks()
    edge_cases.add_values()


class _EdgeCases:
    """The methods must be called in the order of their definition: later ones refer to objects of earlier ones."""

    def __init__(self, builder: Builder, workspace: Object) -> None:
        self.builder = builder
        self.organization = builder.organization
        self.gids = builder.organization.edge_cases
        self.workspace = workspace
        self.owner = builder.organization.me

    def _object(self, edge_case: str) -> Object:
        return self.organization.objects[self.gids[edge_case]]

    def _add_task(self, edge_case: str, name: str, project: Object | None = None, new: NewTask | None = None) -> Object:
        task = self.builder.add_task(self.workspace, name, project, new or self._new_task())
        self.gids[edge_case] = task.gid
        return task

    def _new_task(self, hours: float = 100) -> NewTask:
        return NewTask(created_at=self.builder.at(hours), creator=self.owner)

    def add_people(self) -> None:
        """Add a former member, a user without name and email, and an assignee that no listing contains."""
        organization, builder = self.organization, self.builder
        absent = organization.new_user("Former Colleague", None)
        inactive = organization.new_user("Left Last Year", "left@example.com")
        organization.new_membership(self.workspace, inactive, builder.at(1), active=False)
        nameless = organization.new_user("", None)
        organization.new_membership(self.workspace, nameless, builder.at(2), guest=True, view_only=True)
        self.gids |= {"absent_user": absent.gid, "inactive_user": inactive.gid, "nameless_user": nameless.gid}
        both = builder.add_member(self.workspace, "Works In Both", 3)
        self.gids["user_in_two_workspaces"] = both.gid

    def add_projects(self) -> None:
        """Add teams, projects of every visibility and what belongs to them, templates, tags, webhooks."""
        organization, at = self.organization, self.builder.at
        people = tuple(organization.users(self.workspace.gid))
        team = organization.new_team(self.workspace, "Marketing", "Brand and campaigns.")
        empty_team = organization.new_team(self.workspace, "Empty team", "", visibility="secret")
        for number, user in enumerate(people[:4]):
            organization.new_team_membership(team, user, admin=number == 0, guest=number == 3)  # noqa: PLR2004 - one of each
        sections = ("To do", "Doing", "Done")
        self.main = organization.new_project(
            self.workspace, "Website 🌐", at(5), team=team, owner=self.owner, members=people[:3], sections=sections
        )
        self.teamless = organization.new_project(self.workspace, "Without a team", at(6), owner=self.owner)
        self.archived = organization.new_project(self.workspace, "Last year", at(7), team=team)
        self.archived.fields |= {"archived": True, "completed": True, "completed_at": at(800), "color": "dark-teal"}
        self.archived.fields |= {"completed_by": self.owner, "privacy_setting": "private_to_team", "icon": "rocket"}
        self.private = organization.new_project(self.workspace, "Soon private", at(8), team=team, members=people[:1])
        self.unshared = organization.new_project(self.workspace, "Shared later", at(9), team=team)
        organization.hidden_projects.add(self.unshared.gid)
        template = organization.new_template(self.workspace, "Campaign", team, self.owner)
        organization.new_template(self.workspace, "Retrospective", None, None)
        self.main.fields["created_from_template"] = template
        brief = organization.new_brief(self.main, "Website — brief", "Why we do this.")
        organization.new_attachment(brief, "brief.pdf", at(11), size=_OVER_32_BITS)
        organization.new_attachment(self.main, "key visual.png", at(12), "dropbox")
        for number, status in enumerate(("on_track", "at_risk", "off_track")):
            title = f"Week {number + 1}"
            organization.new_status(self.main, status, title, author=self.owner, created_at=at(20 + number))
        organization.new_tag(self.workspace, "Grade A", at(13), "light-pink").fields["followers"] = people[:1]
        organization.new_tag(self.workspace, "", at(14))
        organization.new_webhook(self.workspace, self.main, at(15))
        organization.new_webhook(self.workspace, self.archived, at(16), failing=True)
        named = {"main_project": self.main, "teamless_project": self.teamless, "archived_project": self.archived}
        named |= {"private_project": self.private, "unshared_project": self.unshared, "project_brief": brief}
        named |= {"team": team, "empty_team": empty_team}
        self.gids |= {name: found.gid for name, found in named.items()}
        self.gids["my_tasks"] = organization.user_task_lists[self.workspace.gid, self.owner.gid].gid

    def add_tasks(self) -> None:
        """Add tasks that differ in location: two projects, none, an archived, an unshared one, or a parent task."""
        organization = self.organization
        shared = self._add_task("task_in_two_projects", "In two projects", self.main)
        organization.place(shared, self.teamless, organization.sections[self.teamless.gid][0], organization.new_rank())
        colleague = organization.users(self.workspace.gid)[1]
        new = replace(self._new_task(), assignee=colleague, assigner=self.owner)
        projectless = self._add_task("task_without_project", "In no project", None, new)
        new = replace(self._new_task(), parent=projectless)
        self._add_task("subtask_of_task_without_project", "Subtask in no project", None, new)
        self._add_task("unlisted_task", "Unassigned, in no project")
        self._add_task("my_task", "Mine", None, replace(self._new_task(), assignee=self.owner))
        new = replace(self._new_task(), completed_at=self.builder.at(700))
        self._add_task("archived_task", "Finished", self.archived, new)
        self._add_task("task_in_private_project", "Soon unreadable", self.private)
        self._add_task("task_in_unshared_project", "Old, but visible late", self.unshared, self._new_task(10))
        new = replace(self._new_task(), assignee=self._object("absent_user"))
        self._add_task("task_of_absent_user", "Assigned to an unlisted user", self.main, new)
        new = replace(self._new_task(), assignee=self._object("inactive_user"))
        self._add_task("task_of_inactive_user", "Assigned to a former member", None, new)
        parent = self._add_task("deep_parent", "Has five levels of subtasks", self.main)
        for level in range(1, _LEVELS + 1):
            parent = self._add_task(f"level_{level}", f"Level {level}", None, replace(self._new_task(), parent=parent))
        top = self._add_task("parent_of_special_subtasks", "Special subtasks", self.main)
        below = replace(self._new_task(), parent=top)
        self._add_task("subtask_in_project", "Subtask in a project", self.main, below)
        self._add_task("assigned_subtask", "Assigned subtask", None, replace(below, assignee=colleague))
        self._add_task("separator", "Later:", None, replace(below, is_separator=True))
        external = {"gid": "erp-1", "data": ""}
        new = replace(below, subtype="approval", assignee=self.owner, external=external)
        self._add_task("my_approval_subtask", "Approve the order", None, new)
        self._add_task("movable_task", "Moves between sections", self.main)

    def add_values(self) -> None:
        """Add tasks that differ in content: names, notes, dates, subtypes, custom fields of every type, stories."""
        people = tuple(self.organization.users(self.workspace.gid))
        fields = build_custom_fields(self.organization, people, (self._object("movable_task"),))
        last = tuple(field.values[-1] for field in fields.values())
        first = tuple(field.values[0] for field in fields.values())
        likers = people[:2]
        tag = next(iter(self.organization.workspace_objects(self.workspace.gid, "tag").values()))
        new = replace(self._new_task(), likers=likers, followers=likers, tags=(tag,), actual_time_minutes=12.5)
        full = replace(new, custom_fields=last)
        typed = self._add_task("task_with_every_custom_field", "Every custom field", self.main, full)
        typed.fields["custom_type"] = self._custom_type("custom_type", "Bug ticket")
        typed.fields["custom_type_status_option"] = self._custom_type("custom_type_status_option", "Solution pending")
        empty = replace(new, custom_fields=first)
        self._add_task("task_with_empty_custom_fields", "Only empty custom fields", self.main, empty)
        self._add_task("task_without_name", "", self.main)
        self._add_task("emoji_task", "🐈‍⬛ 日本語 «שלום» \u202eabc", self.main)
        notes = 'Long & <very> long, "quoted", déjà vu.\n' * 1500
        self._add_task("task_with_long_notes", "Long notes", self.main, replace(self._new_task(), notes=notes))
        dates = Dates(start_on="2026-02-01", due_on="2026-02-10")
        self._add_task("task_with_due_on", "Due on a day", self.main, replace(self._new_task(), dates=dates))
        dates = Dates(
            start_at="2026-02-01T08:00:00.000Z",
            start_on="2026-02-01",
            due_at="2026-02-10T23:30:00.000Z",
            due_on="2026-02-11",
        )
        new = replace(self._new_task(), dates=dates)
        self._add_task("task_with_due_at", "Due at a time, the next day in local time", self.main, new)
        milestone = replace(self._new_task(), subtype="milestone")
        blocking = self._add_task("milestone", "Milestone", self.main, milestone)
        approval = replace(self._new_task(), subtype="approval")
        blocked = self._add_task("approval", "Approval", self.main, approval)
        external = {"gid": "erp-4711", "data": '{"order": 4711}'}
        new = replace(self._new_task(), external=external)
        self._add_task("task_with_external_data", "From another system", self.main, new)
        blocked.fields["dependencies"], blocking.fields["dependents"] = (blocking,), (blocked,)
        add_edge_case_stories(self.builder, typed, fields, project=self.main)
        self._add_commented_tasks()
        self._add_attachments()

    def _custom_type(self, kind: str, name: str) -> dict[str, str]:
        return {"gid": self.organization.new_gid(), "resource_type": kind, "name": name}

    def _add_commented_tasks(self) -> None:
        """Add a task whose comments fill a page exactly, and one with more than a page."""
        for edge_case, name, count in (
            ("task_with_a_full_page", "A hundred comments", 100),
            ("task_with_two_pages", "More than a hundred comments", 130),
        ):
            task = self._add_task(edge_case, name, self.main)
            for number in range(count):
                created_at = self.builder.at(200 + number)
                self.organization.new_story(task, "comment_added", f"Comment {number}", created_at, self.owner)
            task.fields["modified_at"] = self.builder.at(200 + count)

    def _add_attachments(self) -> None:
        at = self.builder.at
        for edge_case in ("task_with_every_custom_field", "level_5"):
            parent = self._object(edge_case)
            self.organization.new_attachment(parent, "screen shot.png", at(140), size=12345)
            parent.fields["modified_at"] = max(at(140), parent.text("modified_at"))
        self.organization.new_attachment(self._object("separator"), "contract", at(141), "box")
