"""The fixtures that break naive syncs. Each is named in `Organization.traps`, by gid."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from asana_assets.sandbox.custom_fields import CustomField, build_custom_fields
from asana_assets.sandbox.factory import Dates, NewTask

if TYPE_CHECKING:
    from asana_assets.sandbox.model import Object
    from asana_assets.sandbox.scenario import Builder

_LEVELS = 5
_FULL_PAGE = 100


class _PaidTraps:
    """The paid organization's fixtures, in the order in which they refer to one another."""

    def __init__(self, builder: Builder, workspace: Object) -> None:
        self.builder = builder
        self.organization = builder.organization
        self.traps = builder.organization.edge_cases
        self.workspace = workspace
        self.owner = builder.organization.me

    def _task(self, trap: str, name: str, project: Object | None = None, new: NewTask | None = None) -> Object:
        task = self.builder.task(self.workspace, name, project, new)
        self.traps[trap] = task.gid
        return task

    def _new(self, hours: float = 100) -> NewTask:
        return NewTask(created_at=self.builder.at(hours), creator=self.owner)

    def people(self) -> None:
        """Somebody who left, somebody without name and email, somebody who is assigned and in no list."""
        organization, builder = self.organization, self.builder
        ghost = organization.new_user("Former Colleague", None)
        gone = organization.new_user("Left Last Year", "left@example.com")
        organization.new_membership(self.workspace, gone, builder.at(1), active=False)
        nameless = organization.new_user("", None)
        organization.new_membership(self.workspace, nameless, builder.at(2), guest=True, view_only=True)
        self.traps |= {"absent_user": ghost.gid, "inactive_user": gone.gid, "nameless_user": nameless.gid}
        both = builder.add_member(self.workspace, "Works In Both", 3)
        self.traps["user_in_two_workspaces"] = both.gid

    def projects(self) -> None:
        organization, at = self.organization, self.builder.at
        people = tuple(organization.users(self.workspace.gid))
        team = organization.new_team(self.workspace, "Marketing", "Everything that is seen.")
        secret = organization.new_team(self.workspace, "Nobody yet", "", visibility="secret")
        for number, user in enumerate(people[:4]):
            organization.new_team_membership(team, user, admin=number == 0, guest=number == 3)  # noqa: PLR2004
        self.team = team
        sections = ("To do", "Doing", "Done")
        self.main = organization.new_project(
            self.workspace, "Website 🌐", at(5), team=team, owner=self.owner, members=people[:3], sections=sections
        )
        self.teamless = organization.new_project(self.workspace, "Of no team", at(6), owner=self.owner)
        self.archived = organization.new_project(self.workspace, "Last year", at(7), team=team)
        self.archived.fields |= {"archived": True, "completed": True, "completed_at": at(800), "color": "dark-teal"}
        self.archived.fields |= {"completed_by": self.owner, "privacy_setting": "private_to_team", "icon": "rocket"}
        self.private = organization.new_project(self.workspace, "Soon private", at(8), team=team, members=people[:1])
        unshared = organization.new_project(self.workspace, "Shared later", at(9), team=team)
        organization.hidden.add(unshared.gid)
        self.unshared = unshared
        template = organization.new_template(self.workspace, "Campaign", team, self.owner)
        organization.new_template(self.workspace, "Of no team", None, None)
        self.main.fields["created_from_template"] = template
        brief = organization.new_brief(self.main, "Website — brief", "Why we do this.")
        organization.new_attachment(brief, "brief.pdf", at(11), size=2**33)
        organization.new_attachment(self.main, "key visual.png", at(12), "dropbox")
        for number, status in enumerate(("on_track", "at_risk", "off_track")):
            title = f"Week {number + 1}"
            organization.new_status(self.main, status, title, author=self.owner, created_at=at(20 + number))
        organization.new_tag(self.workspace, "Grade A", at(13), "light-pink").fields["followers"] = people[:1]
        organization.new_tag(self.workspace, "", at(14))
        organization.new_webhook(self.workspace, self.main, at(15))
        organization.new_webhook(self.workspace, self.archived, at(16), failing=True)
        named = {"main_project": self.main, "teamless_project": self.teamless, "archived_project": self.archived}
        named |= {"private_project": self.private, "unshared_project": unshared, "project_brief": brief}
        named |= {"team": team, "empty_team": secret}
        self.traps |= {name: found.gid for name, found in named.items()}
        self.traps["my_tasks"] = organization.user_task_lists[self.workspace.gid, self.owner.gid].gid

    def tasks(self) -> None:
        """Homes: in two projects, in none, in an archived one, in one that is not shared, below another task."""
        organization = self.organization
        shared = self._task("task_in_two_projects", "In two projects", self.main, self._new())
        organization.place(shared, self.teamless, organization.sections[self.teamless.gid][0], organization.new_rank())
        colleague = organization.users(self.workspace.gid)[1]
        new = replace(self._new(), assignee=colleague, assigner=self.owner)
        lonely = self._task("task_without_project", "In no project", None, new)
        self._task("subtask_of_task_without_project", "Below it", None, replace(self._new(), parent=lonely))
        self._task("task_nobody_lists", "Unassigned, in no project", None, self._new())
        self._task("my_task", "Mine", None, replace(self._new(), assignee=self.owner))
        self._task("archived_task", "Finished", self.archived, replace(self._new(), completed_at=self.builder.at(700)))
        self._task("task_in_private_project", "Soon unreadable", self.private, self._new())
        self._task("task_in_unshared_project", "Old, seen late", self.unshared, self._new(10))
        ghost = self.organization.objects[self.traps["absent_user"]]
        self._task("task_of_absent_user", "Assigned to nobody listed", self.main, replace(self._new(), assignee=ghost))
        gone = self.organization.objects[self.traps["inactive_user"]]
        self._task("task_of_inactive_user", "Of one who left", None, replace(self._new(), assignee=gone))
        parent = self._task("deep_parent", "Five levels below", self.main, self._new())
        for level in range(1, _LEVELS + 1):
            parent = self._task(f"level_{level}", f"Level {level}", None, replace(self._new(), parent=parent))
        top = self._task("parent_of_special_subtasks", "Special subtasks", self.main, self._new())
        self._task("subtask_in_project", "Subtask in a project", self.main, replace(self._new(), parent=top))
        new = replace(self._new(), parent=top, assignee=colleague)
        self._task("assigned_subtask", "Subtask of somebody", None, new)
        self._task("separator", "Later:", None, replace(self._new(), parent=top, separator=True))
        external = {"gid": "erp-1", "data": ""}
        new = replace(self._new(), parent=top, subtype="approval", assignee=self.owner, external=external)
        self._task("my_approval_subtask", "Approve the order", None, new)
        self._task("movable_task", "Moves between sections", self.main, self._new())

    def values(self) -> None:
        """Contents: names, notes, dates, subtypes, custom fields of every type."""
        people = tuple(self.organization.users(self.workspace.gid))
        some = (self.organization.objects[self.traps["movable_task"]],)
        fields = build_custom_fields(self.organization, people, some)
        every = tuple(field.values[-1] for field in fields)
        empty = tuple(field.values[0] for field in fields)
        likes = people[:2]
        tag = next(iter(self.organization.listed(self.workspace.gid, "tag").values()))
        new = replace(self._new(), custom_fields=every, likers=likes, followers=likes, tags=(tag,), minutes=12.5)
        typed = self._task("task_with_every_custom_field", "Every custom field", self.main, new)
        typed.fields["custom_type"] = self._named("custom_type", "Bug ticket")
        typed.fields["custom_type_status_option"] = self._named("custom_type_status_option", "Solution pending")
        self._task("task_with_empty_custom_fields", "None of them", self.main, replace(new, custom_fields=empty))
        self._task("task_without_name", "", self.main, self._new())
        self._task("emoji_task", "🐈‍⬛ 日本語 «שלום» \u202eabc", self.main, self._new())
        notes = 'Long & <very> long, "quoted", déjà vu.\n' * 1500
        self._task("task_with_long_notes", "Long notes", self.main, replace(self._new(), notes=notes))
        dates = Dates(start_on="2026-02-01", due_on="2026-02-10")
        self._task("task_with_due_on", "Due on a day", self.main, replace(self._new(), dates=dates))
        dates = Dates(
            start_at="2026-02-01T08:00:00.000Z",
            start_on="2026-02-01",
            due_at="2026-02-10T23:30:00.000Z",
            due_on="2026-02-11",
        )
        self._task("task_with_due_at", "Due at a time, tomorrow there", self.main, replace(self._new(), dates=dates))
        self._task("milestone", "Milestone", self.main, replace(self._new(), subtype="milestone"))
        self._task("approval", "Approval", self.main, replace(self._new(), subtype="approval"))
        external = {"gid": "erp-4711", "data": '{"order": 4711}'}
        self._task("task_with_external_data", "From another system", self.main, replace(self._new(), external=external))
        first = self.organization.objects[self.traps["milestone"]]
        then = self.organization.objects[self.traps["approval"]]
        then.fields["dependencies"], first.fields["dependents"] = (first,), (then,)
        self._stories(typed, fields)

    def _named(self, kind: str, name: str) -> dict[str, str]:
        return {"gid": self.organization.new_gid(), "resource_type": kind, "name": name}

    def _stories(self, task: Object, fields: list[CustomField]) -> None:
        """Stories of every shape on one task; many of one shape on two others; attachments."""
        story = self.organization.new_story
        at, owner = self.builder.at, self.owner
        enum, number, day, people, multi, text = (fields[index] for index in (1, 3, 5, 6, 2, 0))
        system = story(task, "added_to_project", "added to Website 🌐", at(120), None, project=self.main)
        self.traps["system_story"] = system.gid
        decimal = {"old_number_value": 12.5, "new_number_value": 0.1, "custom_field": number.values[1]}
        decimal_story = story(task, "number_custom_field_changed", "changed Cost", at(121), owner, **decimal)
        self.traps["story_with_decimals"] = decimal_story.gid
        high, low = enum.values[2]["enum_value"], enum.values[1]["enum_value"]
        both = {"old_enum_value": low, "new_enum_value": high, "custom_field": enum.values[2]}
        story(task, "enum_custom_field_changed", "changed Priority", at(122), owner, **both)
        both = {"old_text_value": "", "new_text_value": "Bäckerei", "custom_field": text.values[1]}
        story(task, "text_custom_field_changed", "changed Customer", at(123), owner, **both)
        dates = {"old_date_value": None, "new_date_value": {"start_on": None, "due_at": None, "due_on": "2026-03-01"}}
        story(task, "date_custom_field_changed", "changed Go-live", at(124), owner, custom_field=day.values[1], **dates)
        both = {"old_people_value": (), "new_people_value": (owner,), "custom_field": people.values[1]}
        story(task, "people_custom_field_changed", "changed Reviewers", at(125), owner, **both)
        both = {"old_multi_enum_values": (), "new_multi_enum_values": (low, high), "custom_field": multi.values[2]}
        story(task, "multi_enum_custom_field_changed", "changed Channels", at(126), owner, **both)
        self._more_stories(task)
        self._busy_tasks()
        for trap in ("task_with_every_custom_field", "level_5"):
            parent = self.organization.objects[self.traps[trap]]
            self.organization.new_attachment(parent, "screen shot.png", at(140), size=12345)
            parent.fields["modified_at"] = max(at(140), parent.text("modified_at"))
        linked = self.organization.objects[self.traps["separator"]]
        self.organization.new_attachment(linked, "contract", at(141), "box")

    def _more_stories(self, task: Object) -> None:
        """Those that are not about custom fields."""
        story, at, owner = self.organization.new_story, self.builder.at, self.owner
        before, after = self.organization.sections[self.main.gid][:2]
        story(task, "section_changed", "moved", at(127), owner, old_section=before, new_section=after)
        due = {"start_on": None, "due_at": None, "due_on": "2026-02-10"}
        story(task, "due_date_changed", "changed the due date", at(128), owner, old_dates=None, new_dates=due)
        story(
            task, "assigned", "このタスクを割り当てました", at(129), owner, assignee=owner
        )  # the language of the token's user
        story(task, "name_changed", "changed the name", at(130), owner, old_name="Every field", new_name=None)
        kinds = {"old_resource_subtype": "default_task", "new_resource_subtype": "milestone"}
        story(task, "resource_subtype_changed", "changed the type", at(131), owner, **kinds)
        other = self.organization.objects[self.traps["milestone"]]
        story(task, "dependency_added", "depends on another", at(132), owner, dependency=other)
        story(task, "duplicated", "duplicated", at(133), owner, duplicated_from=other)
        story(
            task,
            "approval_status_changed",
            "asked",
            at(134),
            owner,
            old_approval_status="pending",
            new_approval_status="approved",
        )
        tag = next(iter(self.organization.listed(self.workspace.gid, "tag").values()))
        story(task, "added_to_tag", "added a tag", at(134), owner, tag=tag)
        story(task, "follower_added", "added a follower", at(134), owner, follower=owner)
        story(task, "marked_duplicate", "marked as a duplicate", at(134), owner, duplicate_of=other, task=other)
        comment = story(task, "comment_added", "Great! 👍", at(135), owner, sticker_name="dancing_unicorn")
        self.traps["comment"] = comment.gid
        reaction = {"emoji_base": "👎", "variant": "👎🏼", "count": 1, "reacted": False}
        comment.fields |= {"reaction_summary": (reaction,), "is_pinned": True}
        preview = {"fallback": "Ann: Great!", "footer": "Mar 17", "header": "Chat", "title": "Ann", "text": "Great!"}
        comment.fields["previews"] = ({**preview, "header_link": "https://chat.example.com/1"},)
        comment.fields["likes"] = ({"gid": self.organization.new_gid(), "user": owner},)
        comment.fields |= {"num_likes": 1, "liked": True}
        story(task, "comment_liked", "liked a comment", at(136), owner, story=comment)
        task.fields["modified_at"] = at(136)

    def _busy_tasks(self) -> None:
        """A full page of comments on one, more than a page on the other."""
        story, at, owner = self.organization.new_story, self.builder.at, self.owner
        for trap, name, count in (
            ("task_with_a_full_page", "A hundred comments", _FULL_PAGE),
            ("task_with_two_pages", "More than a hundred comments", _FULL_PAGE + 30),
        ):
            busy = self._task(trap, name, self.main, self._new())
            for number in range(count):
                story(busy, "comment_added", f"Comment {number}", at(200 + number), owner)
            busy.fields["modified_at"] = at(200 + count)


def add_paid_traps(builder: Builder, workspace: Object) -> None:
    traps = _PaidTraps(builder, workspace)
    traps.people()
    traps.projects()
    traps.tasks()
    traps.values()


def add_small_workspaces(builder: Builder) -> None:
    """A free organization and a personal workspace; one colleague of the paid one is in the free one too."""
    organization = builder.organization
    free = organization.new_workspace("Cat lovers", organization=True, paid=False, domains=("cats.example.com",))
    personal = organization.new_workspace("Personal projects", organization=False, paid=False)
    organization.edge_cases |= {"free_organization": free.gid, "personal_workspace": personal.gid}
    both = organization.get(organization.edge_cases["user_in_two_workspaces"], "user")
    for workspace in (free, personal):
        organization.new_membership(workspace, organization.me, builder.at(0), admin=True)
    organization.new_membership(free, both, builder.at(4))
    friend = builder.add_member(free, "Only In The Free One", 5)
    team = organization.new_team(free, "Cat lovers", "Free of charge", visibility="request_to_join")
    for user in (organization.me, both, friend):
        organization.new_team_membership(team, user)
    shelter = organization.new_project(free, "Shelter", builder.at(6), team=team, owner=both, members=(both, friend))
    empty = organization.new_project(free, "Nothing in it", builder.at(7), owner=friend)
    home = organization.new_project(personal, "Home", builder.at(8), owner=organization.me)
    organization.edge_cases |= {"free_project": shelter.gid, "empty_project": empty.gid, "personal_project": home.gid}
    organization.new_tag(free, "furry", builder.at(9))
    for number in range(3):
        task = builder.task(free, f"Feed cat {number}", shelter, NewTask(created_at=builder.at(10), creator=both))
        organization.new_story(task, "added_to_project", "added to Shelter", builder.at(10), None, project=shelter)
        organization.edge_cases["free_task"] = task.gid
    fed = organization.get(organization.edge_cases["free_task"], "task")
    below = NewTask(created_at=builder.at(11), creator=both, parent=fed, assignee=friend)
    builder.task(free, "Open the tin", None, below)
    lonely = NewTask(created_at=builder.at(12), creator=both, assignee=both, completed_at=builder.at(20))
    builder.task(free, "Of no project", None, lonely)
    bulbs = builder.task(personal, "Buy bulbs", home, NewTask(created_at=builder.at(13), creator=organization.me))
    organization.new_story(bulbs, "comment_added", "E27, warm white", builder.at(14), organization.me)
    organization.new_attachment(bulbs, "lamp.jpg", builder.at(15), size=999)
    mine = NewTask(created_at=builder.at(16), creator=organization.me, assignee=organization.me)
    builder.task(personal, "Call the plumber", None, mine)
    organization.new_webhook(free, shelter, builder.at(17))
    organization.new_status(shelter, "complete", "All fed", author=both, created_at=builder.at(18))
