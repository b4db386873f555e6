"""What can happen in Asana while somebody syncs: every method is one change, made at once, and returns a gid.

What bumps a task's `modified_at`: its name, completion, assignee, due date, attachments, and every story that is
created or deleted on it. What does not: its subtasks, likes, an edited comment.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from asana_assets.sandbox.factory import Factory, NewTask, html

if TYPE_CHECKING:
    from asana_assets.sandbox.model import Object, Value


class Organization(Factory):
    """Everything behind one token: workspaces, and all that is in them. Thread-safe by its `lock`."""

    def __init__(self, seed: int) -> None:
        super().__init__(seed)
        self.edge_cases: dict[str, str] = {}
        """Gids of the fixtures that break naive syncs, by name."""

    # -- tasks

    def rename_task(self, gid: str, name: str) -> str:
        """A subtask too. Its parent is not modified."""
        with self.lock:
            task = self.get(gid, "task")
            before = task.text("name")
            task.fields["name"] = name
            self._story(task, "name_changed", f'changed the name to "{name}"', old_name=before, new_name=name)
            return gid

    def complete_task(self, gid: str) -> str:
        with self.lock:
            task = self.get(gid, "task")
            self._story(task, "marked_complete", "completed this task")
            task.fields |= {"completed": True, "completed_at": task.fields["modified_at"]}
            if "completed_by" in task.fields:
                task.fields["completed_by"] = self.me
            if "approval_status" in task.fields:
                task.fields["approval_status"] = "approved"
            return gid

    def assign_task(self, gid: str, user_gid: str | None) -> str:
        with self.lock:
            task = self.get(gid, "task")
            user = self.get(user_gid, "user") if user_gid is not None else None
            self.assign(task, user)
            task.fields.pop("assignee_section", None)
            if "assigned_by" in task.fields:
                task.fields["assigned_by"] = self.me if user is not None else None
            if user is self.me:
                inbox = self.user_task_lists[task.workspace_gid, self.me.gid]
                task.fields["assignee_section"] = self.sections[inbox.gid][0]
            self._story(task, "assigned" if user is not None else "unassigned", "changed the assignee", assignee=user)
            return gid

    def move_task(self, gid: str, section_gid: str, *, first: bool = False) -> str:
        """To the end, or the beginning, of another section of a project the task is in.

        The move itself does not modify the task, the story it leaves does.
        """
        with self.lock:
            task = self.get(gid, "task")
            section = self.get(section_gid, "section")
            project = section.ref("project")
            if project is None or gid not in self.placements.get(project.gid, {}):
                raise LookupError(f"task {gid} is not in the project of section {section_gid}")
            before = self.placements[project.gid][gid].section
            rank = self.new_rank()
            self.place(task, project, section, -rank if first else rank)
            self._story(task, "section_changed", "moved this task", old_section=before, new_section=section)
            return gid

    def add_task(
        self,
        project_gid: str | None,
        name: str,
        *,
        workspace_gid: str | None = None,
        assignee_gid: str | None = None,
    ) -> str:
        """At the end of a project's first section; or, given a workspace instead, a task of no project."""
        with self.lock:
            project = self.get(project_gid, "project") if project_gid is not None else None
            workspace = self.get(project.workspace_gid if project else workspace_gid or "", "workspace")
            assignee = self.get(assignee_gid, "user") if assignee_gid is not None else None
            now = self.now()
            new = NewTask(created_at=now, creator=self.me, assignee=assignee, assigner=self.me if assignee else None)
            task = self.new_task(workspace, name, new)
            if project is not None:
                self.place(task, project, self.sections[project.gid][0], self.new_rank())
                self._story(task, "added_to_project", "added this task to a project", project=project)
            self.indexed[task.gid] = ("", time.monotonic())
            self.mark_changed()
            return task.gid

    def add_subtask(self, parent_gid: str, name: str) -> str:
        """The parent is not modified, only its number of subtasks grows."""
        with self.lock:
            parent = self.get(parent_gid, "task")
            workspace = self.get(parent.workspace_gid, "workspace")
            task = self.new_task(workspace, name, NewTask(created_at=self.now(), creator=self.me, parent=parent))
            self.indexed[task.gid] = ("", time.monotonic())
            self.mark_changed()
            return task.gid

    def add_to_project(self, gid: str, project_gid: str) -> str:
        """Into one more project, at the end of its first section."""
        with self.lock:
            task = self.get(gid, "task")
            project = self.get(project_gid, "project")
            self.place(task, project, self.sections[project_gid][0], self.new_rank())
            self._story(task, "added_to_project", "added this task to a project", project=project)
            return gid

    def remove_from_project(self, gid: str, project_gid: str) -> str:
        with self.lock:
            task = self.get(gid, "task")
            self.displace(task, project_gid)
            project = self.get(project_gid, "project")
            self._story(task, "removed_from_project", "removed this task from a project", project=project)
            return gid

    def delete_task(self, gid: str) -> str:
        """With its subtasks, stories and attachments. Its parent is not modified."""
        with self.lock:
            task = self.get(gid, "task")
            self._delete_task(task)
            parent = task.ref("parent")
            if parent is not None:
                self.subtasks[parent.gid].remove(task)
                parent.fields["num_subtasks"] = len(self.subtasks[parent.gid])
            self.mark_changed()
            return gid

    def like_task(self, gid: str) -> str:
        """Does not modify the task."""
        with self.lock:
            self._like(self.get(gid, "task"))
            return gid

    # -- stories and attachments

    def add_comment(self, task_gid: str, text: str) -> str:
        with self.lock:
            return self._story(self.get(task_gid, "task"), "comment_added", text).gid

    def edit_comment(self, story_gid: str, text: str) -> str:
        """Does not modify the task."""
        with self.lock:
            self.get(story_gid, "story").fields |= {"text": text, "html_text": html(text), "is_edited": True}
            self.mark_changed()
            return story_gid

    def like_comment(self, story_gid: str) -> str:
        """Does not modify the task."""
        with self.lock:
            self._like(self.get(story_gid, "story"))
            return story_gid

    def delete_story(self, story_gid: str) -> str:
        with self.lock:
            story = self.get(story_gid, "story")
            task = story.ref("target")
            if task is not None:
                self.stories[task.gid].remove(story)
                self._modified(task)
            del self.objects[story_gid]
            self.mark_changed()
            return story_gid

    def add_attachment(self, parent_gid: str, name: str, size: int = 4096) -> str:
        """To a task, a project or a project brief. A task gets a story of it and is modified."""
        with self.lock:
            parent = self.objects[parent_gid]
            attachment = self.new_attachment(parent, name, self.now(), size=size)
            if parent.kind == "task":
                self._story(parent, "attachment_added", f"attached {name}")
            elif parent.kind == "project":
                parent.fields["modified_at"] = self.now()
            self.mark_changed()
            return attachment.gid

    def delete_attachment(self, gid: str) -> str:
        with self.lock:
            attachment = self.get(gid, "attachment")
            parent = attachment.ref("parent")
            if parent is not None:
                self.attachments[parent.gid].remove(attachment)
                if parent.kind in {"task", "project"}:
                    self._modified(parent)
            del self.objects[gid]
            self.mark_changed()
            return gid

    # -- projects

    def add_project(self, workspace_gid: str, name: str) -> str:
        with self.lock:
            workspace = self.get(workspace_gid, "workspace")
            project = self.new_project(workspace, name, self.now(), owner=self.me, members=(self.me,))
            self.mark_changed()
            return project.gid

    def rename_project(self, gid: str, name: str) -> str:
        return self._change_project(gid, {"name": name})

    def archive_project(self, gid: str) -> str:
        return self._change_project(gid, {"archived": True})

    def delete_project(self, gid: str) -> str:
        """With the tasks that are in no other project."""
        with self.lock:
            project = self.get(gid, "project")
            for task_gid in list(self.placements[gid]):
                task = self.objects.get(task_gid)  # may be gone with its parent
                if task is None:
                    continue
                self.displace(task, gid)
                if not self.homes[task_gid] and task.ref("parent") is None:
                    self._delete_task(task)
            brief = project.ref("project_brief")
            for parent_gid in (gid, brief.gid if brief is not None else ""):
                self._delete_all(self.attachments.pop(parent_gid, []))
            self._delete_all(self.sections.pop(gid, []))
            self._delete_all(self.statuses.pop(gid, []))
            self._delete_all([project, *([brief] if brief is not None else [])])
            del self.listed(project.workspace_gid, "project")[gid]
            del self.placements[gid]
            self.generated_tasks.pop(gid, None)
            self.mark_changed()
            return gid

    def make_project_private(self, gid: str) -> str:
        """From now on the token's user may not see it: not listed, and 403 for whoever asks."""
        with self.lock:
            self.get(gid, "project").fields["privacy_setting"] = "private"
            self.hidden.add(gid)
            self._show_tasks_of(gid)
            return gid

    def share_project(self, gid: str) -> str:
        """A project that was there before is shared with the token's user. Nothing in it is modified."""
        with self.lock:
            self.get(gid, "project")
            self.hidden.discard(gid)
            self._show_tasks_of(gid)
            return gid

    def post_status(self, project_gid: str, title: str, status: str = "on_track") -> str:
        """The project's `current_status_update` changes, and nothing else of it."""
        with self.lock:
            project = self.get(project_gid, "project")
            posted = self.new_status(project, status, title, author=self.me, created_at=self.now())
            self.mark_changed()
            return posted.gid

    # -- people and workspaces

    def add_user(self, workspace_gid: str, name: str, email: str | None = None) -> str:
        with self.lock:
            user = self.new_user(name, email)
            self.new_membership(self.get(workspace_gid, "workspace"), user, self.now())
            self.mark_changed()
            return user.gid

    def rename_user(self, gid: str, name: str) -> str:
        with self.lock:
            self.get(gid, "user").fields["name"] = name
            self.mark_changed()
            return gid

    def remove_user(self, workspace_gid: str, user_gid: str) -> str:
        """No longer listed, out of the teams; the membership stays, inactive, and so do the tasks."""
        with self.lock:
            user = self.get(user_gid, "user")
            self.memberships[workspace_gid, user_gid].fields["is_active"] = False
            left = tuple(workspace for workspace in user.refs("workspaces") if workspace.gid != workspace_gid)
            user.fields["workspaces"] = left
            for team_gid in self.listed(workspace_gid, "team"):
                gone = [one for one in self.team_members[team_gid] if one.ref("user") is user]
                self._delete_all(gone)
                self.team_members[team_gid] = [one for one in self.team_members[team_gid] if one not in gone]
            self.mark_changed()
            return user_gid

    def add_workspace(self, name: str, *, organization: bool = False, paid: bool = False) -> str:
        """A workspace of the token's user alone, with one empty project."""
        with self.lock:
            workspace = self.new_workspace(name, organization=organization, paid=paid)
            self.new_membership(workspace, self.me, self.now(), admin=True)
            self.new_project(workspace, f"First project of {name}", self.now(), owner=self.me, members=(self.me,))
            self.mark_changed()
            return workspace.gid

    def remove_workspace(self, gid: str) -> str:
        """The token's user left it: nothing of it is found any more."""
        with self.lock:
            del self.listed("", "workspace")[gid]
            for user in [one for one in self.objects.values() if one.kind == "user"]:
                left = tuple(workspace for workspace in user.refs("workspaces") if workspace.gid != gid)
                user.fields["workspaces"] = left
            self._delete_all([one for one in self.objects.values() if gid in {one.gid, one.workspace_gid}])
            self.mark_changed()
            return gid

    # -- how

    def _modified(self, changed: Object) -> None:
        if changed.kind == "task":
            self.indexed[changed.gid] = (changed.text("modified_at"), time.monotonic())
        changed.fields["modified_at"] = self.now()

    def _story(self, task: Object, subtype: str, text: str, **more: Value) -> Object:
        story = self.new_story(task, subtype, text, self.now(), self.me, **more)
        self._modified(task)
        self.mark_changed()
        return story

    def _like(self, liked: Object) -> None:
        before = liked.fields.get("likes")
        likes: tuple[Value, ...] = before if isinstance(before, tuple) else ()
        likes = (*likes, {"gid": self.new_gid(), "user": self.me})
        liked.fields |= {"likes": likes, "num_likes": len(likes), "liked": True}
        self.mark_changed()

    def _change_project(self, gid: str, fields: dict[str, Value]) -> str:
        with self.lock:
            self.get(gid, "project").fields |= {**fields, "modified_at": self.now()}
            self.mark_changed()
            return gid

    def _show_tasks_of(self, project_gid: str) -> None:
        for task_gid in self.placements[project_gid]:
            self.show_projects(self.objects[task_gid])
        self.mark_changed()

    def _delete_task(self, task: Object) -> None:
        for subtask in self.subtasks.pop(task.gid, []):
            self._delete_task(subtask)
        self._delete_all(self.stories.pop(task.gid, []))
        self._delete_all(self.attachments.pop(task.gid, []))
        for project_gid in self.homes.pop(task.gid, ()):
            del self.placements[project_gid][task.gid]
        for here, there in (("dependencies", "dependents"), ("dependents", "dependencies")):
            for other in task.refs(here):
                other.fields[there] = tuple(one for one in other.refs(there) if one is not task)
        self.assign(task, None)
        self.indexed.pop(task.gid, None)
        self._delete_all([task])

    def _delete_all(self, gone: list[Object]) -> None:
        for one in gone:
            del self.objects[one.gid]
