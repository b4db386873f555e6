"""Constructors of tasks, stories and attachments."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from asana_assets.sandbox.data.model import SignedUrl
from asana_assets.sandbox.data.object_factory import APP_URL, ObjectFactory, to_html

if TYPE_CHECKING:
    from asana_assets.sandbox.data.model import Object, Struct, Value


@dataclass(frozen=True, slots=True, kw_only=True)
class Dates:
    """Start and due of a task. In Asana, one with a time (`_at`) always has a date (`_on`) as well."""

    start_on: str | None = None
    start_at: str | None = None
    due_on: str | None = None
    due_at: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class NewTask:
    """Properties of a new task other than its name."""

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
    actual_time_minutes: float | None = None
    is_separator: bool = False
    external: Struct | None = None


class TaskFactory(ObjectFactory):
    """Creates tasks, subtasks, stories and attachments."""

    def new_task(self, workspace: Object, name: str, new: NewTask) -> Object:
        """Create a task without a project.

        On a free plan it lacks the keys that recorded responses of Asana lack, too.
        """
        task = self._create("task", workspace.gid, {"name": name, **_task_fields(new)})
        likes = tuple({"gid": self.new_gid(), "user": user} for user in new.likers)
        task.fields |= {"likes": likes, "num_likes": len(likes), "liked": self._me in new.likers}
        task.fields |= {"workspace": workspace, "permalink_url": f"{APP_URL}/1/{workspace.gid}/task/{task.gid}"}
        if new.external is not None:
            task.fields["external"] = new.external
        if workspace.gid in self.paid_workspaces:
            task.fields |= {"completed_by": new.completed_by, "assigned_by": new.assigner}
            task.fields |= {"custom_type": None, "custom_type_status_option": None}
            task.fields["custom_fields"] = new.custom_fields
        if new.assignee is not None:
            self.assign(task, new.assignee)
            if new.assignee is self._me:
                my_tasks = self.user_task_lists[workspace.gid, new.assignee.gid]
                task.fields["assignee_section"] = self.sections[my_tasks.gid][0]
        if new.parent is not None:
            self.subtasks[new.parent.gid].append(task)
            new.parent.fields["num_subtasks"] = len(self.subtasks[new.parent.gid])
        return task

    def new_story(
        self,
        task: Object,
        subtype: str,
        text: str,
        created_at: str,
        creator: Object | None,
        /,
        **extra: Value,
    ) -> Object:
        """Create a story of a task or goal; `extra` holds the fields of its subtype."""
        is_comment = subtype == "comment_added"
        fields: dict[str, Value] = {
            "created_at": created_at,
            "created_by": creator,
            "resource_subtype": subtype,
            "text": text,
            "html_text": to_html(text),
            "type": "comment" if is_comment else "system",
            "is_editable": is_comment,
            "liked": False,
            "likes": (),
            "num_likes": 0,
            "reaction_summary": (),
            "sticker_name": None,
            "source": "web" if creator is not None else "unknown",
            "target": task,
        }
        if is_comment:
            fields |= {"is_edited": False, "is_pinned": False, "previews": ()}
        story = self._create("story", task.workspace_gid, {**fields, **extra})
        self.stories[task.gid].append(story)
        return story

    def new_attachment(self, parent: Object, name: str, created_at: str, host: str = "asana", size: int = 0) -> Object:
        """Create an attachment of a task, a project or a project brief."""
        fields: dict[str, Value] = {"name": name, "resource_subtype": host, "created_at": created_at, "host": host}
        attachment = self._create(
            "attachment", parent.workspace_gid, {**fields, "parent": parent, "connected_to_app": False}
        )
        url = f"https://files.example.com/assets/{attachment.gid}/{name.replace(' ', '%20')}"
        attachment.fields["download_url"] = None if host == "box" else SignedUrl(url)
        attachment.fields["view_url"] = SignedUrl(f"{url}/view")
        attachment.fields["permanent_url"] = f"{APP_URL}/app/asana/-/get_asset?asset_id={attachment.gid}"
        if host == "asana":
            attachment.fields["size"] = size
        self.attachments[parent.gid].append(attachment)
        return attachment


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
        "html_notes": to_html(new.notes),
        "is_rendered_as_separator": new.is_separator,
        "memberships": (),
        "num_subtasks": 0,
        "actual_time_minutes": new.actual_time_minutes,
        "assignee": None,
        "followers": new.followers,
        "parent": new.parent,
        "projects": (),
        "tags": new.tags,
    }
    if new.subtype == "approval":
        fields["approval_status"] = "approved" if new.completed_at is not None else "pending"
    return fields
