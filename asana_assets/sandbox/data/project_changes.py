"""Changes of projects, their status updates and their visibility."""

from __future__ import annotations

from typing import TYPE_CHECKING

from asana_assets.sandbox.data.project_factory import ProjectFactory
from asana_assets.sandbox.data.task_changes import TaskChanges

if TYPE_CHECKING:
    from collections.abc import Mapping

    from asana_assets.sandbox.data.model import Value


class ProjectChanges(ProjectFactory, TaskChanges):
    """Each method makes one change atomically and returns the gid of the changed or created object."""

    def add_project(self, workspace_gid: str, name: str) -> str:
        """Add an empty project owned by the token's user."""
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
        """Delete a project with its tasks, except subtasks and those that are in another project."""
        with self.lock:
            project = self.get(gid, "project")
            for task_gid in list(self.placements[gid]):
                task = self.objects.get(task_gid)
                if task is None:  # deleted with its parent
                    continue
                self.displace(task, gid)
                if not self.task_projects[task_gid] and task.ref("parent") is None:
                    self._delete_tree(task)
            brief = project.ref("project_brief")
            for parent_gid in (gid, brief.gid if brief is not None else ""):
                self.delete_objects(self.attachments.pop(parent_gid, []))
            self.delete_objects(self.sections.pop(gid, []))
            self.delete_objects(self.status_updates.pop(gid, []))
            self.delete_objects([project, *([brief] if brief is not None else [])])
            del self.workspace_objects(project.workspace_gid, "project")[gid]
            del self.placements[gid]
            self.generated_tasks.pop(gid, None)
            self.mark_changed()
            return gid

    def make_project_private(self, gid: str) -> str:
        """Revoke the token user's access: the project is no longer listed and requests for it return 403."""
        with self.lock:
            self.get(gid, "project").fields["privacy_setting"] = "private"
            self.hidden_projects.add(gid)
            self._refresh_tasks(gid)
            return gid

    def share_project(self, gid: str) -> str:
        """Share an existing project with the token's user. Nothing in it is modified."""
        with self.lock:
            self.get(gid, "project")
            self.hidden_projects.discard(gid)
            self._refresh_tasks(gid)
            return gid

    def post_status(self, gid: str, title: str, status: str = "on_track") -> str:
        """Add a status update of a project, portfolio or goal.

        Its parent gets a new `current_status_update`, but a project keeps its `modified_at`.
        """
        with self.lock:
            posted = self.new_status(self.objects[gid], status, title, author=self.me, created_at=self.now())
            self.mark_changed()
            return posted.gid

    def _change_project(self, gid: str, fields: Mapping[str, Value]) -> str:
        with self.lock:
            self.get(gid, "project").fields |= {**fields, "modified_at": self.now()}
            self.mark_changed()
            return gid

    def _refresh_tasks(self, project_gid: str) -> None:
        for task_gid in self.placements[project_gid]:
            self.refresh_memberships(self.objects[task_gid])
        self.mark_changed()
