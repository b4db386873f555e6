"""Changes of tasks, subtasks, stories and attachments.

A task's `modified_at` changes with its name, completion, assignee, due date and attachments, and with every story that
is created or deleted on it. It does not change with its subtasks, likes, or an edited comment. Without `touch`, it does
not change with a change of the task's relations either, although there is a story, as real servers did.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from asana_assets.sandbox.data.object_factory import to_html
from asana_assets.sandbox.data.task_factory import NewTask, TaskFactory

if TYPE_CHECKING:
    from asana_assets.sandbox.data.model import Object, Value


class TaskChanges(TaskFactory):
    """Each method makes one change atomically and returns the gid of the changed or created object."""

    # -- tasks

    def rename_task(self, gid: str, name: str) -> str:
        """Rename a task or subtask. The parent of a subtask is not modified."""
        with self.lock:
            task = self.get(gid, "task")
            previous = task.text("name")
            task.fields["name"] = name
            self._add_story(task, "name_changed", f'changed the name to "{name}"', old_name=previous, new_name=name)
            return gid

    def complete_task(self, gid: str) -> str:
        with self.lock:
            task = self.get(gid, "task")
            self._add_story(task, "marked_complete", "completed this task")
            task.fields |= {"completed": True, "completed_at": task.fields["modified_at"]}
            if "completed_by" in task.fields:
                task.fields["completed_by"] = self.me
            if "approval_status" in task.fields:
                task.fields["approval_status"] = "approved"
            return gid

    def assign_task(self, gid: str, user_gid: str | None) -> str:
        """Assign a task; None unassigns it."""
        with self.lock:
            task = self.get(gid, "task")
            user = self.get(user_gid, "user") if user_gid is not None else None
            self.assign(task, user)
            task.fields.pop("assignee_section", None)
            if "assigned_by" in task.fields:
                task.fields["assigned_by"] = self.me if user is not None else None
            if user is self.me:
                my_tasks = self.user_task_lists[task.workspace_gid, self.me.gid]
                task.fields["assignee_section"] = self.sections[my_tasks.gid][0]
            subtype = "assigned" if user is not None else "unassigned"
            self._add_story(task, subtype, "changed the assignee", assignee=user)
            return gid

    def move_task(self, gid: str, section_gid: str, *, first: bool = False, touch: bool = True) -> str:
        """Move a task to the end, or the beginning, of another section of one of its projects.

        The move itself does not modify the task, but its story does, unless `touch` is false.

        Raises:
            LookupError: The task is not in the section's project.
        """
        with self.lock:
            task = self.get(gid, "task")
            section = self.get(section_gid, "section")
            project = section.ref("project")
            if project is None or gid not in self.placements.get(project.gid, {}):
                raise LookupError(f"task {gid} is not in the project of section {section_gid}")
            previous = self.placements[project.gid][gid].section
            rank = self.new_rank()
            self.place(task, project, section, -rank if first else rank)
            sections: dict[str, Value] = {"old_section": previous, "new_section": section}
            self._add_story(task, "section_changed", "moved this task", touch=touch, **sections)
            return gid

    def add_task(
        self,
        project_gid: str | None,
        name: str,
        *,
        workspace_gid: str | None = None,
        assignee_gid: str | None = None,
    ) -> str:
        """Add a task at the end of a project's first section, or without a project to a workspace."""
        with self.lock:
            project = self.get(project_gid, "project") if project_gid is not None else None
            workspace = self.get(project.workspace_gid if project else workspace_gid or "", "workspace")
            assignee = self.get(assignee_gid, "user") if assignee_gid is not None else None
            now = self.now()
            new = NewTask(created_at=now, creator=self.me, assignee=assignee, assigner=self.me if assignee else None)
            task = self.new_task(workspace, name, new)
            if project is not None:
                self.place(task, project, self.sections[project.gid][0], self.new_rank())
                self._add_story(task, "added_to_project", "added this task to a project", project=project)
            self.unindexed[task.gid] = ("", time.monotonic())
            self.mark_changed()
            return task.gid

    def add_subtask(self, parent_gid: str, name: str) -> str:
        """Add a subtask. Its parent gets a new `num_subtasks`, but keeps its `modified_at`."""
        with self.lock:
            parent = self.get(parent_gid, "task")
            workspace = self.get(parent.workspace_gid, "workspace")
            task = self.new_task(workspace, name, NewTask(created_at=self.now(), creator=self.me, parent=parent))
            self.unindexed[task.gid] = ("", time.monotonic())
            self.mark_changed()
            return task.gid

    def add_to_project(self, gid: str, project_gid: str, *, touch: bool = True) -> str:
        """Add a task to a further project, at the end of its first section."""
        with self.lock:
            task = self.get(gid, "task")
            project = self.get(project_gid, "project")
            self.place(task, project, self.sections[project_gid][0], self.new_rank())
            self._add_story(task, "added_to_project", "added this task to a project", touch=touch, project=project)
            return gid

    def remove_from_project(self, gid: str, project_gid: str, *, touch: bool = True) -> str:
        with self.lock:
            task = self.get(gid, "task")
            self.displace(task, project_gid)
            project = self.get(project_gid, "project")
            text = "removed this task from a project"
            self._add_story(task, "removed_from_project", text, touch=touch, project=project)
            return gid

    def delete_task(self, gid: str) -> str:
        """Delete a task with its subtasks, stories and attachments. Its parent is not modified."""
        with self.lock:
            task = self.get(gid, "task")
            self._delete_tree(task)
            parent = task.ref("parent")
            if parent is not None:
                self.subtasks[parent.gid].remove(task)
                parent.fields["num_subtasks"] = len(self.subtasks[parent.gid])
            self.mark_changed()
            return gid

    def like_task(self, gid: str) -> str:
        """Like a task, which does not modify it."""
        with self.lock:
            self._like(self.get(gid, "task"))
            return gid

    # -- stories and attachments

    def add_comment(self, task_gid: str, text: str) -> str:
        with self.lock:
            return self._add_story(self.get(task_gid, "task"), "comment_added", text).gid

    def edit_comment(self, story_gid: str, text: str) -> str:
        """Edit a comment, which does not modify its task."""
        with self.lock:
            self.get(story_gid, "story").fields |= {"text": text, "html_text": to_html(text), "is_edited": True}
            self.mark_changed()
            return story_gid

    def like_comment(self, story_gid: str) -> str:
        """Like a comment, which does not modify its task."""
        with self.lock:
            self._like(self.get(story_gid, "story"))
            return story_gid

    def delete_story(self, story_gid: str) -> str:
        with self.lock:
            story = self.get(story_gid, "story")
            task = story.ref("target")
            if task is not None:
                self.stories[task.gid].remove(story)
                self._bump_modified_at(task)
            self.delete_objects([story])
            self.mark_changed()
            return story_gid

    def add_attachment(self, parent_gid: str, name: str, size: int = 4096) -> str:
        """Attach a file to a task, a project or a project brief. A task also gets a story, which modifies it."""
        with self.lock:
            parent = self.objects[parent_gid]
            attachment = self.new_attachment(parent, name, self.now(), size=size)
            if parent.kind == "task":
                self._add_story(parent, "attachment_added", f"attached {name}")
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
                    self._bump_modified_at(parent)
            self.delete_objects([attachment])
            self.mark_changed()
            return gid

    # -- steps of a change

    def _bump_modified_at(self, changed: Object) -> None:
        if changed.kind == "task":
            self.unindexed[changed.gid] = (changed.text("modified_at"), time.monotonic())
        changed.fields["modified_at"] = self.now()

    def _add_story(self, task: Object, subtype: str, text: str, *, touch: bool = True, **extra: Value) -> Object:
        """Add a story by the token's user, which modifies the task unless `touch` is false."""
        story = self.new_story(task, subtype, text, self.now(), self.me, **extra)
        if touch:
            self._bump_modified_at(task)
        self.mark_changed()
        return story

    def _like(self, liked: Object) -> None:
        previous = liked.fields.get("likes")
        likes: tuple[Value, ...] = previous if isinstance(previous, tuple) else ()
        likes = (*likes, {"gid": self.new_gid(), "user": self.me})
        liked.fields |= {"likes": likes, "num_likes": len(likes), "liked": True}
        self.mark_changed()

    def _delete_tree(self, task: Object) -> None:
        """Delete a task and everything below it, but not its entry in its parent's subtasks."""
        for subtask in self.subtasks.pop(task.gid, []):
            self._delete_tree(subtask)
        self.delete_objects(self.stories.pop(task.gid, []))
        self.delete_objects(self.attachments.pop(task.gid, []))
        for project_gid in self.task_projects.pop(task.gid, ()):
            del self.placements[project_gid][task.gid]
        for field, inverse in (("dependencies", "dependents"), ("dependents", "dependencies")):
            for other in task.refs(field):
                other.fields[inverse] = tuple(one for one in other.refs(inverse) if one is not task)
        self.assign(task, None)
        self.unindexed.pop(task.gid, None)
        self.delete_objects([task])
