"""Changes of users, their memberships, and workspaces."""

from __future__ import annotations

from asana_assets.sandbox.data.people_factory import PeopleFactory


class PeopleChanges(PeopleFactory):
    """Each method makes one change atomically and returns the gid of the changed or created object."""

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
        """Remove a user from the workspace's list and teams.

        The workspace membership is kept but inactive; tasks stay assigned.
        """
        with self.lock:
            user = self.get(user_gid, "user")
            self.workspace_memberships[workspace_gid, user_gid].fields["is_active"] = False
            remaining = tuple(workspace for workspace in user.refs("workspaces") if workspace.gid != workspace_gid)
            user.fields["workspaces"] = remaining
            for team_gid in self.workspace_objects(workspace_gid, "team"):
                memberships = self.team_memberships[team_gid]
                removed = [membership for membership in memberships if membership.ref("user") is user]
                self.delete_objects(removed)
                self.team_memberships[team_gid] = [one for one in memberships if one not in removed]
            self.mark_changed()
            return user_gid

    def add_workspace(self, name: str, *, organization: bool = False, paid: bool = False) -> str:
        """Add a workspace whose only member is the token's user, with one empty project."""
        with self.lock:
            workspace = self.new_workspace(name, organization=organization, paid=paid)
            self.new_membership(workspace, self.me, self.now(), admin=True)
            self.new_project(workspace, f"First project of {name}", self.now(), owner=self.me, members=(self.me,))
            self.mark_changed()
            return workspace.gid

    def remove_workspace(self, gid: str) -> str:
        """Remove a workspace with everything in it, as if the token's user had left it."""
        with self.lock:
            del self.workspace_objects("", "workspace")[gid]
            for user in [one for one in self.objects.values() if one.kind == "user"]:
                remaining = tuple(workspace for workspace in user.refs("workspaces") if workspace.gid != gid)
                user.fields["workspaces"] = remaining
            self.delete_objects([one for one in self.objects.values() if gid in {one.gid, one.workspace_gid}])
            self.mark_changed()
            return gid
