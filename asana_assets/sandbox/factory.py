"""One constructor per kind of object, each with every field of the documentation that is not deprecated."""

from __future__ import annotations

from dataclasses import dataclass, field
from random import Random
from typing import TYPE_CHECKING

from asana_assets.sandbox.generated_tasks import Bulk
from asana_assets.sandbox.model import Object, SignedUrl, Value
from asana_assets.sandbox.store import Store

if TYPE_CHECKING:
    from collections.abc import Sequence

    from asana_assets.sandbox.model import Struct

_FIRST_GID = 1_200_000_000_000_000
_APP = "https://app.asana.com"
_LONG = 1000


def html(text: str) -> str:
    """Plain text as Asana's rich text."""
    escaped = text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    return f"<body>{escaped}</body>"


@dataclass(frozen=True, slots=True, kw_only=True)
class Dates:
    """A task's start and due; with a time the date is filled too, as Asana does."""

    start_on: str | None = None
    start_at: str | None = None
    due_on: str | None = None
    due_at: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class NewTask:
    """What a new task is besides its name."""

    created_at: str
    creator: Object | None = None
    assignee: Object | None = None
    assigner: Object | None = None
    parent: Object | None = None
    subtype: str = "default_task"
    notes: str = ""
    dates: Dates = field(default_factory=Dates)
    completed_at: str | None = None
    completed_by: Object | None = None
    custom_fields: tuple[Struct, ...] = ()
    followers: tuple[Object, ...] = ()
    likers: tuple[Object, ...] = ()
    tags: tuple[Object, ...] = ()
    minutes: float | None = None
    separator: bool = False
    external: Struct | None = None


class Factory(Store):
    """A store that can make objects. Gids grow, with gaps that depend on the seed alone."""

    def __init__(self, seed: int) -> None:
        super().__init__(seed)
        self._gaps = Random(f"gids {seed}")  # noqa: S311 - not a secret
        self._gid = _FIRST_GID + self._gaps.randrange(10**9)
        self._rank = 0

    def new_gid(self) -> str:
        self._gid += self._gaps.randint(1, 997)
        return str(self._gid)

    def new_rank(self) -> int:
        self._rank += 1
        return self._rank

    def _make(self, kind: str, workspace_gid: str, fields: dict[str, Value]) -> Object:
        made = Object(self.new_gid(), kind, workspace_gid, self.new_rank(), fields)
        self.objects[made.gid] = made
        return made

    def new_workspace(self, name: str, *, organization: bool, paid: bool, domains: Sequence[str] = ()) -> Object:
        made = self._make("workspace", "", {"name": name, "is_organization": organization})
        made.fields["email_domains"] = tuple(domains)
        self.listed("", "workspace")[made.gid] = made
        if paid:
            self.paid.add(made.gid)
        return made

    def new_user(self, name: str | None, email: str | None, *, photo: bool = False) -> Object:
        made = self._make("user", "", {"name": name, "email": email, "photo": None, "workspaces": ()})
        if photo:
            made.fields["photo"] = {
                f"image_{size}x{size}": f"https://photos.example.com/{made.gid}/{size}.png"
                for size in (21, 27, 36, 60, 128, 1024)
            }
        return made

    def new_membership(
        self,
        workspace: Object,
        user: Object,
        created_at: str,
        *,
        active: bool = True,
        admin: bool = False,
        guest: bool = False,
        view_only: bool = False,
    ) -> Object:
        """A user's membership in a workspace, with the user's My Tasks list there."""
        owned: dict[str, Value] = {"name": f"My tasks in {workspace.text('name')}", "owner": user}
        my_tasks = self._make("user_task_list", workspace.gid, {**owned, "workspace": workspace})
        self.user_task_lists[workspace.gid, user.gid] = my_tasks
        for name in ("Recently assigned", "Do today", "Do later"):
            self.new_section(my_tasks, name, created_at)
        flags: dict[str, Value] = {"is_active": active, "is_admin": admin, "is_guest": guest, "is_view_only": view_only}
        links: dict[str, Value] = {"user": user, "workspace": workspace, "user_task_list": my_tasks}
        made = self._make("workspace_membership", workspace.gid, {**links, **flags, "created_at": created_at})
        self.memberships[workspace.gid, user.gid] = made
        self.listed(workspace.gid, "workspace_membership")[made.gid] = made
        if active:
            user.fields["workspaces"] = (*user.refs("workspaces"), workspace)
            if workspace.gid in self.paid:
                user.fields.setdefault("custom_fields", ())
        return made

    def new_team(self, organization: Object, name: str, description: str, visibility: str = "public") -> Object:
        everyone = "all_team_members"
        made = self._make(
            "team",
            organization.gid,
            {
                "name": name,
                "description": description,
                "html_description": html(description),
                "organization": organization,
                "visibility": visibility,
                "edit_team_name_or_description_access_level": everyone,
                "edit_team_visibility_or_trash_team_access_level": "only_team_admins",
                "member_invite_management_access_level": everyone,
                "guest_invite_management_access_level": everyone,
                "join_request_management_access_level": everyone,
                "team_member_removal_access_level": "only_team_admins",
                "team_content_management_access_level": "no_restriction",
                "endorsed": visibility == "public",
                "custom_field_settings": (),
            },
        )
        made.fields["permalink_url"] = f"{_APP}/0/teams/{made.gid}"
        self.listed(organization.gid, "team")[made.gid] = made
        return made

    def new_team_membership(self, team: Object, user: Object, *, admin: bool = False, guest: bool = False) -> Object:
        flags: dict[str, Value] = {"is_guest": guest, "is_limited_access": guest, "is_admin": admin}
        made = self._make("team_membership", team.workspace_gid, {"user": user, "team": team, **flags})
        self.team_members[team.gid].append(made)
        return made

    def new_project(
        self,
        workspace: Object,
        name: str,
        created_at: str,
        *,
        team: Object | None = None,
        owner: Object | None = None,
        members: tuple[Object, ...] = (),
        notes: str = "",
        sections: Sequence[str] = ("Untitled section",),
    ) -> Object:
        made = self._make(
            "project",
            workspace.gid,
            {
                "name": name,
                "archived": False,
                "color": None,
                "icon": None,
                "created_at": created_at,
                "current_status_update": None,
                "default_view": "list",
                "due_on": None,
                "start_on": None,
                "html_notes": html(notes),
                "notes": notes,
                "members": members,
                "followers": members[:2],
                "modified_at": created_at,
                "privacy_setting": "public_to_workspace",
                "default_access_level": "editor",
                "minimum_access_level_for_customization": "editor",
                "minimum_access_level_for_sharing": "editor",
                "completed": False,
                "completed_at": None,
                "completed_by": None,
                "owner": owner,
                "team": team,
                "project_brief": None,
                "created_from_template": None,
                "workspace": workspace,
            },
        )
        if workspace.gid in self.paid:
            made.fields["custom_fields"] = ()
            made.fields["custom_field_settings"] = ()
        made.fields["permalink_url"] = f"{_APP}/1/{workspace.gid}/project/{made.gid}"
        self.placements[made.gid] = {}
        self.listed(workspace.gid, "project")[made.gid] = made
        for section in sections:
            self.new_section(made, section, created_at)
        return made

    def new_bulk_project(self, workspace: Object, name: str, created_at: str, count: int) -> Object:
        """A project of so many tasks like those that are in the workspace already."""
        every = (one for one in self.objects.values() if one.kind == "task" and one.workspace_gid == workspace.gid)
        unfit = ("parent", "assignee", "num_subtasks", "likes", "approval_status", "external")
        plain = [one for one in every if not any(one.fields.get(field) for field in unfit)]
        plain = [one for one in plain if len(one.text("notes")) < _LONG]
        made = self.new_project(workspace, name, created_at, sections=("Everything",))
        section = self.sections[made.gid][0]
        self.generated_tasks[made.gid] = Bulk(made, section, self._gid + 1, count, plain)
        self._gid += count
        return made

    def new_brief(self, project: Object, title: str, text: str) -> Object:
        made = self._make("project_brief", project.workspace_gid, {"title": title, "text": text, "project": project})
        made.fields["html_text"] = html(text)
        made.fields["permalink_url"] = f"{_APP}/0/{project.gid}/{made.gid}"
        project.fields["project_brief"] = made
        return made

    def new_template(self, workspace: Object, name: str, team: Object | None, owner: Object | None) -> Object:
        description = f"Everything that {name.lower()} needs."
        made = self._make(
            "project_template",
            workspace.gid,
            {
                "name": name,
                "description": description,
                "html_description": html(description),
                "public": team is not None,
                "owner": owner,
                "team": team,
                "color": "light-green" if team is not None else None,
                "requested_dates": ({"gid": "1", "name": "Start date", "description": "When the work begins."},),
            },
        )
        role: Struct = {"gid": self.new_gid(), "resource_type": "template_role", "name": "Designer"}
        made.fields["requested_roles"] = (role,)
        self.listed(workspace.gid, "project_template")[made.gid] = made
        return made

    def new_section(self, project: Object, name: str, created_at: str) -> Object:
        fields: dict[str, Value] = {"name": name, "created_at": created_at, "project": project}
        made = self._make("section", project.workspace_gid, fields)
        self.sections[project.gid].append(made)
        return made

    def new_tag(self, workspace: Object, name: str, created_at: str, color: str | None = None) -> Object:
        fields: dict[str, Value] = {"name": name, "color": color, "notes": "", "created_at": created_at}
        made = self._make("tag", workspace.gid, {**fields, "followers": (), "workspace": workspace})
        made.fields["permalink_url"] = f"{_APP}/0/{made.gid}/list"
        self.listed(workspace.gid, "tag")[made.gid] = made
        return made

    def new_task(self, workspace: Object, name: str, new: NewTask) -> Object:
        """A task in no project. On a free plan it lacks keys, as a recording of the real service does."""
        made = self._make("task", workspace.gid, {"name": name, **_task_fields(new)})
        likes = tuple({"gid": self.new_gid(), "user": user} for user in new.likers)
        made.fields |= {"likes": likes, "num_likes": len(likes), "liked": self._me in new.likers}
        made.fields |= {"workspace": workspace, "permalink_url": f"{_APP}/1/{workspace.gid}/task/{made.gid}"}
        if new.external is not None:
            made.fields["external"] = new.external
        if workspace.gid in self.paid:
            made.fields |= {"completed_by": new.completed_by, "assigned_by": new.assigner}
            made.fields |= {"custom_type": None, "custom_type_status_option": None}
            made.fields["custom_fields"] = new.custom_fields
        if new.assignee is not None:
            self.assign(made, new.assignee)
            if new.assignee is self._me:
                inbox = self.user_task_lists[workspace.gid, new.assignee.gid]
                made.fields["assignee_section"] = self.sections[inbox.gid][0]
        if new.parent is not None:
            self.subtasks[new.parent.gid].append(made)
            new.parent.fields["num_subtasks"] = len(self.subtasks[new.parent.gid])
        return made

    def new_story(
        self,
        task: Object,
        subtype: str,
        text: str,
        created_at: str,
        creator: Object | None,
        /,
        **more: Value,
    ) -> Object:
        comment = subtype == "comment_added"
        fields: dict[str, Value] = {
            "created_at": created_at,
            "created_by": creator,
            "resource_subtype": subtype,
            "text": text,
            "html_text": html(text),
            "type": "comment" if comment else "system",
            "is_editable": comment,
            "liked": False,
            "likes": (),
            "num_likes": 0,
            "reaction_summary": (),
            "sticker_name": None,
            "source": "web" if creator is not None else "unknown",
            "target": task,
        }
        if comment:
            fields |= {"is_edited": False, "is_pinned": False, "previews": ()}
        made = self._make("story", task.workspace_gid, {**fields, **more})
        self.stories[task.gid].append(made)
        return made

    def new_attachment(self, parent: Object, name: str, created_at: str, host: str = "asana", size: int = 0) -> Object:
        """An attachment of a task, a project or a project brief."""
        fields: dict[str, Value] = {"name": name, "resource_subtype": host, "created_at": created_at, "host": host}
        made = self._make("attachment", parent.workspace_gid, {**fields, "parent": parent, "connected_to_app": False})
        where = f"https://files.example.com/assets/{made.gid}/{name.replace(' ', '%20')}"
        made.fields["download_url"] = None if host == "box" else SignedUrl(where)
        made.fields["view_url"] = SignedUrl(f"{where}/view")
        made.fields["permanent_url"] = f"{_APP}/app/asana/-/get_asset?asset_id={made.gid}"
        if host == "asana":
            made.fields["size"] = size
        self.attachments[parent.gid].append(made)
        return made

    def new_status(self, project: Object, status: str, title: str, *, author: Object, created_at: str) -> Object:
        """A status update of a project, which becomes its current one."""
        text = f"{title}: moving <on> & forward…"
        made = self._make(
            "status_update",
            project.workspace_gid,
            {
                "title": title,
                "resource_subtype": "project_status_update",
                "text": text,
                "html_text": html(text),
                "status_type": status,
                "author": author,
                "created_by": author,
                "created_at": created_at,
                "modified_at": created_at,
                "liked": False,
                "likes": (),
                "num_likes": 0,
                "reaction_summary": (),
                "parent": project,
            },
        )
        self.statuses[project.gid].append(made)
        project.fields["current_status_update"] = made
        return made

    def new_webhook(self, workspace: Object, resource: Object, created_at: str, *, failing: bool = False) -> Object:
        fields: dict[str, Value] = {
            "active": not failing,
            "resource": resource,
            "target": f"https://hooks.example.com/{resource.gid}",
            "created_at": created_at,
            "last_failure_at": created_at if failing else None,
            "last_failure_content": "503 Service Unavailable" if failing else "",
            "last_success_at": None if failing else created_at,
            "delivery_retry_count": 3 if failing else 0,
            "next_attempt_after": created_at if failing else None,
            "failure_deletion_timestamp": created_at if failing else None,
        }
        fields["filters"] = (
            {"resource_type": "task", "resource_subtype": "milestone", "action": "changed", "fields": ("due_on",)},
            {"resource_type": "task", "action": "added"},
        )
        made = self._make("webhook", workspace.gid, fields)
        self.listed(workspace.gid, "webhook")[made.gid] = made
        return made


def _task_fields(new: NewTask) -> dict[str, Value]:
    fields: dict[str, Value] = {
        "resource_subtype": new.subtype,
        "created_by": new.creator,
        "completed": new.completed_at is not None,
        "completed_at": new.completed_at,
        "created_at": new.created_at,
        "modified_at": new.completed_at or new.created_at,
        "dependencies": (),
        "dependents": (),
        "start_on": new.dates.start_on,
        "start_at": new.dates.start_at,
        "due_on": new.dates.due_on,
        "due_at": new.dates.due_at,
        "notes": new.notes,
        "html_notes": html(new.notes),
        "is_rendered_as_separator": new.separator,
        "memberships": (),
        "num_subtasks": 0,
        "actual_time_minutes": new.minutes,
        "assignee": None,
        "followers": new.followers,
        "parent": new.parent,
        "projects": (),
        "tags": new.tags,
    }
    if new.subtype == "approval":
        fields["approval_status"] = "approved" if new.completed_at is not None else "pending"
    return fields
