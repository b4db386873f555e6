"""Constructors of custom fields, templates, members of projects, roles, agents and absences."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from asana_assets.sandbox.data.model import Object
from asana_assets.sandbox.data.object_factory import ObjectFactory, to_html

if TYPE_CHECKING:
    from asana_assets.sandbox.data.model import Struct, Value

_ONLY_OF_VALUES = (
    *("gid", "resource_type", "type", "enabled", "text_value", "html_text_value", "number_value", "enum_value"),
    *("multi_enum_values", "date_value", "people_value", "reference_value", "display_value"),
)
_PERMISSIONS = (
    *("create_app_authorization", "create_pat_authorization", "share_goal_with_domain", "share_portfolios_with_org"),
    *("assign_roles", "manage_roles", "export_project_data", "download_mobile_attachments", "import_data"),
    *("create_global_custom_fields", "upload_attachments", "create_team", "create_and_edit_ai_automations"),
    *("proactive_ai", "standard_ai", "create_and_edit_ai_teammates", "share_teams_with_org", "create_goal"),
    *("create_project", "create_read_only_link", "create_portfolio", "view_public_teams"),
    *("view_shared_with_org_projects", "view_shared_with_org_tasks", "view_shared_with_org_portfolios"),
)
_LEVELS = ("admin", "editor", "commenter", "viewer")


class CustomizationFactory(ObjectFactory):
    """Creates what users add to the model, and who may do what."""

    def define_custom_field(self, workspace: Object, value: Struct) -> Object:
        """Create the definition of a custom field, with the gid of a value or structure that has one.

        It is in the workspace's library if it is global.
        """
        gid = str(value["gid"])
        if gid not in self.objects:
            fields = {name: item for name, item in value.items() if name not in _ONLY_OF_VALUES}
            self.objects[gid] = Object(gid, "custom_field", workspace.gid, self.new_rank(), fields)
        field = self.objects[gid]
        if field.flag("is_global_to_workspace"):
            self.workspace_objects(workspace.gid, "custom_field")[gid] = field
        return field

    def new_custom_field(
        self, workspace: Object, name: str, *, is_global: bool, options: tuple[str, ...] = ()
    ) -> Object:
        """Create a custom field for text or, with options, an enum."""
        kind = "enum" if options else "text"
        definition: dict[str, Value] = {
            "gid": self.new_gid(),
            "name": name,
            "resource_subtype": kind,
            "representation_type": kind,
            "description": f"The {name.lower()}",
            "id_prefix": None,
            "input_restrictions": (),
            "is_formula_field": False,
            "precision": None,
            "format": "none",
            "currency_code": None,
            "custom_label": None,
            "custom_label_position": None,
            "is_global_to_workspace": is_global,
            "has_notifications_enabled": True,
            "asana_created_field": None,
            "is_value_read_only": False,
            "created_by": self.me,
            "privacy_setting": "public",
            "default_access_level": "user",
        }
        if options:
            definition["enum_options"] = tuple(self.new_option(option) for option in options)
        return self.define_custom_field(workspace, definition)

    def new_option(self, name: str) -> Struct:
        gid = self.new_gid()
        return {"gid": gid, "resource_type": "enum_option", "name": name, "enabled": True, "color": "aqua"}

    def new_custom_field_setting(self, parent: Object, field: Object, *, is_important: bool = False) -> Object:
        """Make a custom field available in a project, team, portfolio or goal."""
        fields: dict[str, Value] = {"is_important": is_important, "parent": parent, "custom_field": field}
        if parent.kind == "project":
            fields["project"] = parent
        setting = self._create("custom_field_setting", parent.workspace_gid, fields)
        parent.fields["custom_field_settings"] = (*parent.refs("custom_field_settings"), setting)
        return setting

    def link_settings(self, parent: Object, workspace: Object) -> None:
        """Replace the structures in a parent's settings with objects of the same gids."""
        settings = parent.fields.get("custom_field_settings")
        linked: list[Value] = []
        for one in settings if isinstance(settings, tuple) else ():
            definition = one.get("custom_field") if isinstance(one, Mapping) else None
            if not isinstance(one, Mapping) or not isinstance(definition, Mapping):
                continue
            fields = {**one, "custom_field": self.define_custom_field(workspace, definition)}
            gid = str(fields.pop("gid"))
            del fields["resource_type"]
            setting = Object(gid, "custom_field_setting", workspace.gid, self.new_rank(), fields)
            self.objects[gid] = setting
            linked.append(setting)
        parent.fields["custom_field_settings"] = tuple(linked)

    def new_task_template(self, project: Object, name: str, created_at: str, template: Struct | None = None) -> Object:
        description = f"How to report: {name} <here>"
        recipe: dict[str, Value] = {
            "name": name,
            "task_resource_subtype": "default_task",
            "description": description,
            "html_description": to_html(description),
            "memberships": (project,),
            "relative_start_on": None,
            "relative_due_on": None,
            "due_time": None,
            "dependencies": (),
            "dependents": (),
            "followers": (),
            "attachments": (),
            "subtasks": (),
            "custom_fields": (),
            **(template or {}),
        }
        fields: dict[str, Value] = {"name": name, "project": project, "template": recipe, "created_by": self.me}
        return self._belong("task_template", project, {**fields, "created_at": created_at})

    def new_project_membership(self, project: Object, member: Object, access_level: str = "editor") -> Object:
        """Create the membership of a user or a team; only users are among the project's `members`."""
        fields: dict[str, Value] = {"resource_subtype": "project_membership", "member": member, "parent": project}
        return self._belong("membership", project, {**fields, "access_level": access_level})

    def new_project_memberships(self, project: Object) -> None:
        """Create the memberships of a project's members and team."""
        team = project.ref("team")
        for number, member in enumerate((*project.refs("members"), *(() if team is None else (team,)))):
            self.new_project_membership(project, member, _LEVELS[number % len(_LEVELS)])

    def new_portfolio_setting(self, project: Object, portfolio: Object, created_at: str) -> Object:
        fields: dict[str, Value] = {"project": project, "portfolio": portfolio, "created_at": created_at}
        return self._belong("project_portfolio_setting", project, {**fields, "is_access_control_inherited": True})

    def new_access_request(self, project: Object, requester: Object, message: str) -> Object:
        fields: dict[str, Value] = {"message": message, "approval_status": "pending", "requester": requester}
        return self._belong("access_request", project, {**fields, "target": project})

    def new_absence(self, workspace: Object, user: Object, start: str, end: str) -> Object:
        fields: dict[str, Value] = {"start_date": start, "end_date": end, "user": user, "created_by": user}
        absence = self._create("ooo_entry", workspace.gid, fields)
        self.belongings["ooo_entry", user.gid].append(absence)
        return absence

    def new_role(self, workspace: Object, name: str, base: str, created_at: str, *, standard: bool = True) -> Object:
        may = base != "guest"
        permissions: dict[str, Value] = dict.fromkeys(_PERMISSIONS, may)
        permissions |= {"task_deletion_policy": "all" if may else "owned", "allowed_guest_invites": "all"}
        fields: dict[str, Value] = {"name": name, "description": f"The role {name}", "is_standard_role": standard}
        fields |= {"creation_time": created_at, "modified_at": created_at, "base_role_type": base}
        role = self._create("role", workspace.gid, {**fields, "permissions": permissions, "workspace": workspace})
        self.workspace_objects(workspace.gid, "role")[role.gid] = role
        return role

    def new_agent(self, workspace: Object, name: str, *, photo: bool = False) -> Object:
        fields: dict[str, Value] = {"resource_subtype": "asana_teammate", "name": name, "workspace": workspace}
        fields |= {"description": f"{name} helps", "behavior_guidance": None, "photo": None}
        agent = self._create("agent", workspace.gid, fields)
        if photo:
            sizes = (21, 27, 36, 60, 128, 1024)
            photos = {f"image_{size}x{size}": f"https://photos.example.com/{agent.gid}/{size}.png" for size in sizes}
            agent.fields |= {"photo": photos, "behavior_guidance": "Be brief."}
        self.workspace_objects(workspace.gid, "agent")[agent.gid] = agent
        return agent

    def _belong(self, kind: str, parent: Object, fields: Mapping[str, Value]) -> Object:
        created = self._create(kind, parent.workspace_gid, fields)
        self.belongings[kind, parent.gid].append(created)
        return created
