"""Constructors of projects and what belongs to them, and of tags, templates and webhooks."""

from __future__ import annotations

from typing import TYPE_CHECKING

from asana_assets.sandbox.data.generated_tasks import GeneratedTasks
from asana_assets.sandbox.data.object_factory import APP_URL, ObjectFactory, to_html

if TYPE_CHECKING:
    from collections.abc import Sequence

    from asana_assets.sandbox.data.model import Object, Struct, Value

_LONG_NOTES = 1000


class ProjectFactory(ObjectFactory):
    """Creates the objects of a project except its tasks."""

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
        project = self._create(
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
                "html_notes": to_html(notes),
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
        if workspace.gid in self.paid_workspaces:
            project.fields["custom_fields"] = ()
            project.fields["custom_field_settings"] = ()
        project.fields["permalink_url"] = f"{APP_URL}/1/{workspace.gid}/project/{project.gid}"
        self.placements[project.gid] = {}
        self.workspace_objects(workspace.gid, "project")[project.gid] = project
        for section in sections:
            self.new_section(project, section, created_at)
        return project

    def new_generated_project(self, workspace: Object, name: str, created_at: str, count: int) -> Object:
        """Create a project of `count` generated tasks, modeled on the workspace's existing tasks."""
        tasks = (one for one in self.objects.values() if one.kind == "task" and one.workspace_gid == workspace.gid)
        # Generated tasks must not depend on other objects, nor be large.
        excluded = ("parent", "assignee", "num_subtasks", "likes", "approval_status", "external")
        templates = [task for task in tasks if not any(task.fields.get(field) for field in excluded)]
        templates = [task for task in templates if len(task.text("notes")) < _LONG_NOTES]
        project = self.new_project(workspace, name, created_at, sections=("Everything",))
        section = self.sections[project.gid][0]
        first_gid = self.reserve_gids(count)
        self.generated_tasks[project.gid] = GeneratedTasks(project, section, first_gid, count, templates)
        return project

    def new_section(self, project: Object, name: str, created_at: str) -> Object:
        fields: dict[str, Value] = {"name": name, "created_at": created_at, "project": project}
        section = self._create("section", project.workspace_gid, fields)
        self.sections[project.gid].append(section)
        return section

    def new_brief(self, project: Object, title: str, text: str) -> Object:
        brief = self._create("project_brief", project.workspace_gid, {"title": title, "text": text, "project": project})
        brief.fields["html_text"] = to_html(text)
        brief.fields["permalink_url"] = f"{APP_URL}/0/{project.gid}/{brief.gid}"
        project.fields["project_brief"] = brief
        return brief

    def new_status(self, parent: Object, status: str, title: str, *, author: Object, created_at: str) -> Object:
        """Create a status update of a project, portfolio or goal, which becomes its current one."""
        text = f"{title}: moving <on> & forward…"
        update = self._create(
            "status_update",
            parent.workspace_gid,
            {
                "title": title,
                "resource_subtype": f"{parent.kind}_status_update",
                "text": text,
                "html_text": to_html(text),
                "status_type": status,
                "author": author,
                "created_by": author,
                "created_at": created_at,
                "modified_at": created_at,
                "liked": False,
                "likes": (),
                "num_likes": 0,
                "reaction_summary": (),
                "parent": parent,
            },
        )
        self.status_updates[parent.gid].append(update)
        parent.fields["current_status_update"] = update
        return update

    def new_template(self, workspace: Object, name: str, team: Object | None, owner: Object | None) -> Object:
        description = f"Everything that {name.lower()} needs."
        template = self._create(
            "project_template",
            workspace.gid,
            {
                "name": name,
                "description": description,
                "html_description": to_html(description),
                "public": team is not None,
                "owner": owner,
                "team": team,
                "color": "light-green" if team is not None else None,
                "requested_dates": ({"gid": "1", "name": "Start date", "description": "When the work starts."},),
            },
        )
        role: Struct = {"gid": self.new_gid(), "resource_type": "template_role", "name": "Designer"}
        template.fields["requested_roles"] = (role,)
        self.workspace_objects(workspace.gid, "project_template")[template.gid] = template
        return template

    def new_tag(self, workspace: Object, name: str, created_at: str, color: str | None = None) -> Object:
        fields: dict[str, Value] = {"name": name, "color": color, "notes": "", "created_at": created_at}
        tag = self._create("tag", workspace.gid, {**fields, "followers": (), "workspace": workspace})
        tag.fields["permalink_url"] = f"{APP_URL}/0/{tag.gid}/list"
        self.workspace_objects(workspace.gid, "tag")[tag.gid] = tag
        return tag

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
        webhook = self._create("webhook", workspace.gid, fields)
        self.workspace_objects(workspace.gid, "webhook")[webhook.gid] = webhook
        return webhook
