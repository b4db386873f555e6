"""The custom fields, templates, members, roles and absences of the generated workspaces."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from asana_assets.sandbox.data.model import Object

if TYPE_CHECKING:
    from asana_assets.sandbox.data.builder import Builder
    from asana_assets.sandbox.data.model import Value
    from asana_assets.sandbox.data.organization import Organization

_ROLES = ("guest", "member", "admin", "super_admin")


def add_customization(builder: Builder, workspace: Object) -> None:
    """Add them after everything else: nothing that was generated before depends on them."""
    for project in [one for one in builder.organization.objects.values() if one.kind == "project"]:
        builder.organization.new_project_memberships(project)
    customization = _Customization(builder, workspace)
    customization.add_custom_fields()
    customization.add_details_of_projects()
    customization.add_people()


class _Customization:
    def __init__(self, builder: Builder, workspace: Object) -> None:
        self.organization: Organization = builder.organization
        self.at = builder.at
        self.workspace = workspace
        self.gids = builder.organization.edge_cases

    def _edge_case(self, name: str) -> Object:
        return self.organization.objects[self.gids[name]]

    def add_custom_fields(self) -> None:
        """Define the fields that tasks and projects have, and add some of one project and one team alone."""
        organization, workspace = self.organization, self.workspace
        main, typed = self._edge_case("main_project"), self._edge_case("task_with_every_custom_field")
        for kind in ("project", "team", "portfolio", "goal"):
            for parent in organization.workspace_objects(workspace.gid, kind).values():
                organization.link_settings(parent, workspace)
        values = typed.fields["custom_fields"]
        for value in values if isinstance(values, tuple) else ():
            if isinstance(value, Mapping) and value["enabled"]:
                field = organization.define_custom_field(workspace, value)
                organization.new_custom_field_setting(main, field, is_important=field.text("name") == "Priority")
                if not field.flag("is_global_to_workspace"):
                    self.gids["local_field"] = field.gid
        team, everywhere = self._edge_case("team"), organization.new_custom_field(workspace, "Region", is_global=True)
        team_field = organization.new_custom_field(workspace, "Team's own", is_global=False, options=("A", "B"))
        self.gids["field_of_a_team"] = team_field.gid
        for parent in (team, self._edge_case("teamless_project"), self._edge_case("unshared_project")):
            organization.new_custom_field_setting(parent, everywhere)
        organization.new_custom_field_setting(team, team_field)
        hidden = organization.new_custom_field(workspace, "Of a project that is not shared", is_global=False)
        organization.new_custom_field_setting(self._edge_case("unshared_project"), hidden)
        unused = organization.new_custom_field(workspace, "Unused", is_global=True)
        unused.fields |= {"custom_label": "pieces", "custom_label_position": "suffix", "format": "custom"}
        self.gids["unused_field"] = unused.gid
        self._add_custom_type(typed)

    def _add_custom_type(self, typed: Object) -> None:
        """Replace the structure in the task by an object, so that its type can be requested."""
        kind, status = typed.fields["custom_type"], typed.fields["custom_type_status_option"]
        if not isinstance(kind, Mapping) or not isinstance(status, Mapping):
            return
        option: Value = {**status, "completion_state": "Incomplete", "enabled": True, "color": "blue"}
        fields: dict[str, Value] = {"name": kind["name"], "status_options": (option,)}
        created = Object(str(kind["gid"]), "custom_type", self.workspace.gid, self.organization.new_rank(), fields)
        self.organization.objects[created.gid] = typed.fields["custom_type"] = created
        self.gids["custom_type"] = created.gid

    def add_details_of_projects(self) -> None:
        organization, at = self.organization, self.at
        main, archived, team = (self._edge_case(name) for name in ("main_project", "archived_project", "team"))
        recipe: dict[str, Value] = {
            "task_resource_subtype": "approval_task",
            "relative_start_on": 1,
            "relative_due_on": 2,
            "due_time": "13:15:00.000Z",
            "followers": main.refs("members"),
            "attachments": tuple(organization.attachments[main.gid]),
            "subtasks": ({"name": "Reproduce", "task_resource_subtype": "default_task"},),
            "dependencies": ({"name": "Ask", "task_resource_subtype": "default_task"},),
            "custom_fields": self._edge_case("task_with_every_custom_field").fields["custom_fields"],
        }
        template = organization.new_task_template(main, "Bug report 🐞", at(60), recipe)
        organization.new_task_template(main, "", at(61))
        organization.new_task_template(archived, "Old template", at(62))
        self.gids |= {"task_template": template.gid, "team_member": team.gid}
        board = Object(organization.new_gid(), "portfolio", self.workspace.gid, 0, {"name": "The board's"})
        for project in (main, archived):
            organization.new_portfolio_setting(project, board, at(63))
        requester = self._edge_case("nameless_user")
        request = organization.new_access_request(main, requester, "Please 🙏")
        organization.new_access_request(archived, requester, "").fields["message"] = None
        self.gids["access_request"] = request.gid

    def add_people(self) -> None:
        organization = self.organization
        both = self._edge_case("user_in_two_workspaces")
        absence = organization.new_absence(self.workspace, both, "2024-08-01", "2024-08-14")
        organization.new_absence(self.workspace, both, "2024-12-24", "2024-12-31")
        if "free_organization" in self.gids:
            organization.new_absence(self._edge_case("free_organization"), both, "2024-08-01", "2024-08-14")
        self.gids["absence"] = absence.gid
        for base in _ROLES:
            organization.new_role(self.workspace, base.replace("_", " ").title(), base, self.at(64))
        role = organization.new_role(self.workspace, "Auditor", "member", self.at(65), standard=False)
        agent = organization.new_agent(self.workspace, "Developer Blog Writer", photo=True)
        organization.new_agent(self.workspace, "Bug Investigator")
        self.gids |= {"role": role.gid, "agent": agent.gid}
