"""Constructors of workspaces, users and teams."""

from __future__ import annotations

from typing import TYPE_CHECKING

from asana_assets.sandbox.data.object_factory import APP_URL, to_html
from asana_assets.sandbox.data.project_factory import ProjectFactory

if TYPE_CHECKING:
    from collections.abc import Sequence

    from asana_assets.sandbox.data.model import Object, Value


class PeopleFactory(ProjectFactory):
    """Creates workspaces, users, teams and memberships.

    A workspace membership comes with a My Tasks list, whose sections are created like those of a project.
    """

    def new_workspace(self, name: str, *, organization: bool, paid: bool, domains: Sequence[str] = ()) -> Object:
        workspace = self._create("workspace", "", {"name": name, "is_organization": organization})
        workspace.fields["email_domains"] = tuple(domains)
        self.workspace_objects("", "workspace")[workspace.gid] = workspace
        if paid:
            self.paid_workspaces.add(workspace.gid)
        return workspace

    def new_user(self, name: str | None, email: str | None, *, photo: bool = False) -> Object:
        user = self._create("user", "", {"name": name, "email": email, "photo": None, "workspaces": ()})
        if photo:
            user.fields["photo"] = {
                f"image_{size}x{size}": f"https://photos.example.com/{user.gid}/{size}.png"
                for size in (21, 27, 36, 60, 128, 1024)
            }
        return user

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
        """Create a user's membership in a workspace and the user's My Tasks list there."""
        owned: dict[str, Value] = {"name": f"My tasks in {workspace.text('name')}", "owner": user}
        my_tasks = self._create("user_task_list", workspace.gid, {**owned, "workspace": workspace})
        self.user_task_lists[workspace.gid, user.gid] = my_tasks
        for name in ("Recently assigned", "Do today", "Do later"):
            self.new_section(my_tasks, name, created_at)
        flags: dict[str, Value] = {"is_active": active, "is_admin": admin, "is_guest": guest, "is_view_only": view_only}
        links: dict[str, Value] = {"user": user, "workspace": workspace, "user_task_list": my_tasks}
        membership = self._create("workspace_membership", workspace.gid, {**links, **flags, "created_at": created_at})
        self.workspace_memberships[workspace.gid, user.gid] = membership
        self.workspace_objects(workspace.gid, "workspace_membership")[membership.gid] = membership
        if active:
            user.fields["workspaces"] = (*user.refs("workspaces"), workspace)
            if workspace.gid in self.paid_workspaces:
                user.fields.setdefault("custom_fields", ())
        return membership

    def new_team(self, organization: Object, name: str, description: str, visibility: str = "public") -> Object:
        everyone = "all_team_members"
        team = self._create(
            "team",
            organization.gid,
            {
                "name": name,
                "description": description,
                "html_description": to_html(description),
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
        team.fields["permalink_url"] = f"{APP_URL}/0/teams/{team.gid}"
        self.workspace_objects(organization.gid, "team")[team.gid] = team
        return team

    def new_team_membership(self, team: Object, user: Object, *, admin: bool = False, guest: bool = False) -> Object:
        flags: dict[str, Value] = {"is_guest": guest, "is_limited_access": guest, "is_admin": admin}
        membership = self._create("team_membership", team.workspace_gid, {"user": user, "team": team, **flags})
        self.team_memberships[team.gid].append(membership)
        return membership
