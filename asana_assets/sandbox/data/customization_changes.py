"""Changes of custom fields, templates, briefs, members, roles and absences."""

from __future__ import annotations

from typing import TYPE_CHECKING

from asana_assets.sandbox.data.customization_factory import CustomizationFactory
from asana_assets.sandbox.data.object_factory import to_html
from asana_assets.sandbox.data.people_changes import PeopleChanges
from asana_assets.sandbox.data.project_changes import ProjectChanges

if TYPE_CHECKING:
    from asana_assets.sandbox.data.model import Value

_OF_PROJECTS = ("task_template", "membership", "project_portfolio_setting", "access_request", "budget", "rate")


class CustomizationChanges(CustomizationFactory, ProjectChanges, PeopleChanges):
    """Each method makes one change atomically and returns the gid of the changed or created object.

    Unless it says otherwise, the project that an object belongs to is not modified.
    """

    # -- custom fields

    def add_custom_field(self, workspace_gid: str, name: str, *options: str) -> str:
        """Add a custom field to the workspace's library."""
        with self.lock:
            field = self.new_custom_field(self.get(workspace_gid, "workspace"), name, is_global=True, options=options)
            self.mark_changed()
            return field.gid

    def add_local_field(self, parent_gid: str, name: str, *options: str) -> str:
        """Add a custom field that belongs to one project, team, portfolio or goal alone."""
        with self.lock:
            parent = self.objects[parent_gid]
            workspace = self.get(parent.workspace_gid, "workspace")
            field = self.new_custom_field(workspace, name, is_global=False, options=options)
            self.new_custom_field_setting(parent, field)
            self.mark_changed()
            return field.gid

    def change_custom_field(self, gid: str, **fields: Value) -> str:
        """Set fields of a definition; the values of tasks keep theirs."""
        return self._set(gid, "custom_field", fields)

    def add_enum_option(self, gid: str, name: str) -> str:
        with self.lock:
            field = self.get(gid, "custom_field")
            options = field.fields.get("enum_options")
            field.fields["enum_options"] = (*(options if isinstance(options, tuple) else ()), self.new_option(name))
            self.mark_changed()
            return gid

    def use_custom_field(self, parent_gid: str, field_gid: str) -> str:
        """Make a custom field available in a project, team, portfolio or goal; return the gid of the setting."""
        with self.lock:
            setting = self.new_custom_field_setting(self.objects[parent_gid], self.get(field_gid, "custom_field"))
            self.mark_changed()
            return setting.gid

    def emphasize_custom_field(self, setting_gid: str) -> str:
        """Show a custom field in list views."""
        return self._set(setting_gid, "custom_field_setting", {"is_important": True})

    def drop_custom_field(self, setting_gid: str) -> str:
        """Remove a custom field from a project, team, portfolio or goal."""
        with self.lock:
            setting = self.get(setting_gid, "custom_field_setting")
            if (parent := setting.ref("parent")) is not None:
                remaining = tuple(one for one in parent.refs("custom_field_settings") if one is not setting)
                parent.fields["custom_field_settings"] = remaining
            self.delete_objects([setting])
            self.mark_changed()
            return setting_gid

    def delete_custom_field(self, gid: str) -> str:
        """Delete a custom field with its settings."""
        with self.lock:
            field = self.get(gid, "custom_field")
            settings = [one for one in self.objects.values() if one.kind == "custom_field_setting"]
            for setting in [one for one in settings if one.ref("custom_field") is field]:
                self.drop_custom_field(setting.gid)
            self.workspace_objects(field.workspace_gid, "custom_field").pop(gid, None)
            self.delete_objects([field])
            self.mark_changed()
            return gid

    def change_custom_type(self, gid: str, **fields: Value) -> str:
        return self._set(gid, "custom_type", fields)

    # -- projects

    def add_task_template(self, project_gid: str, name: str) -> str:
        """Add a task template, which modifies the project."""
        with self.lock:
            template = self.new_task_template(self.get(project_gid, "project"), name, self.now())
            self._bump_modified_at(self.get(project_gid, "project"))
            self.mark_changed()
            return template.gid

    def rename_task_template(self, gid: str, name: str) -> str:
        return self._set(gid, "task_template", {"name": name})

    def edit_brief(self, gid: str, text: str) -> str:
        return self._set(gid, "project_brief", {"text": text, "html_text": to_html(text)})

    def add_brief(self, project_gid: str, title: str, text: str) -> str:
        with self.lock:
            brief = self.new_brief(self.get(project_gid, "project"), title, text)
            self.mark_changed()
            return brief.gid

    def add_project_member(self, project_gid: str, member_gid: str) -> str:
        """Add a user or a team to a project; only users are among its `members`."""
        with self.lock:
            project, member = self.get(project_gid, "project"), self.objects[member_gid]
            if member.kind == "user":
                project.fields["members"] = (*project.refs("members"), member)
            membership = self.new_project_membership(project, member)
            self.mark_changed()
            return membership.gid

    def change_project_access(self, membership_gid: str, access_level: str) -> str:
        return self._set(membership_gid, "membership", {"access_level": access_level})

    def remove_project_member(self, membership_gid: str) -> str:
        with self.lock:
            membership = self.get(membership_gid, "membership")
            project, member = membership.ref("parent"), membership.ref("member")
            if project is not None:
                project.fields["members"] = tuple(one for one in project.refs("members") if one is not member)
            self._remove(membership_gid, "membership", "parent")
            return membership_gid

    def change_portfolio_setting(self, gid: str, *, inherited: bool) -> str:
        return self._set(gid, "project_portfolio_setting", {"is_access_control_inherited": inherited})

    def request_access(self, project_gid: str, user_gid: str, message: str) -> str:
        with self.lock:
            project, user = self.get(project_gid, "project"), self.get(user_gid, "user")
            request = self.new_access_request(project, user, message)
            self.mark_changed()
            return request.gid

    def answer_access_request(self, gid: str) -> str:
        """Approve or deny a request, which is no longer listed."""
        return self._remove(gid, "access_request", "target")

    def delete_task_template(self, gid: str) -> str:
        return self._remove(gid, "task_template", "project")

    def add_project(self, workspace_gid: str, name: str) -> str:
        with self.lock:
            gid = super().add_project(workspace_gid, name)
            self.new_project_memberships(self.get(gid, "project"))
            return gid

    def delete_project(self, gid: str) -> str:
        with self.lock:
            for kind in _OF_PROJECTS:
                self.delete_objects(self.belongings.pop((kind, gid), []))
            self.delete_objects(self.get(gid, "project").refs("custom_field_settings"))
            return super().delete_project(gid)

    # -- people

    def add_workspace(self, name: str, *, organization: bool = False, paid: bool = False) -> str:
        with self.lock:
            gid = super().add_workspace(name, organization=organization, paid=paid)
            for project in self.projects(gid):
                self.new_project_memberships(project)
            return gid

    def add_absence(self, workspace_gid: str, user_gid: str, start: str, end: str) -> str:
        with self.lock:
            workspace, user = self.get(workspace_gid, "workspace"), self.get(user_gid, "user")
            absence = self.new_absence(workspace, user, start, end)
            self.mark_changed()
            return absence.gid

    def delete_absence(self, gid: str) -> str:
        return self._remove(gid, "ooo_entry", "user")

    def change_role(self, gid: str, **fields: Value) -> str:
        return self._set(gid, "role", {**fields, "modified_at": self.now()})

    def add_agent(self, workspace_gid: str, name: str) -> str:
        with self.lock:
            agent = self.new_agent(self.get(workspace_gid, "workspace"), name)
            self.mark_changed()
            return agent.gid

    def _set(self, gid: str, kind: str, fields: dict[str, Value]) -> str:
        with self.lock:
            self.get(gid, kind).fields |= fields
            self.mark_changed()
            return gid

    def _remove(self, gid: str, kind: str, parent_field: str) -> str:
        with self.lock:
            removed = self.get(gid, kind)
            if (parent := removed.ref(parent_field)) is not None:
                self.belongings[kind, parent.gid].remove(removed)
            self.delete_objects([removed])
            self.mark_changed()
            return gid
