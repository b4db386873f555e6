"""Workspaces, users and teams."""

from asana_assets.asana.field_types import boolean, reference, references, struct, text, texts
from asana_assets.asana.model import RESOURCE_TYPE, Endpoint, Listing
from asana_assets.asana.shared_columns import (
    CREATED_AT,
    CUSTOM_FIELD_SETTINGS,
    CUSTOM_FIELDS,
    DESCRIPTION,
    HTML_DESCRIPTION,
    NAME,
    PERMALINK_URL,
)

_MEMBER = reference("user", "The user who is a member.")

PHOTO_SIZES = (
    text("image_21x21", "URL of the photo with 21 x 21 pixels."),
    text("image_27x27", "URL of the photo with 27 x 27 pixels."),
    text("image_36x36", "URL of the photo with 36 x 36 pixels."),
    text("image_60x60", "URL of the photo with 60 x 60 pixels."),
    text("image_128x128", "URL of the photo with 128 x 128 pixels."),
    text("image_1024x1024", "URL of the photo with 1024 x 1024 pixels."),
)
"""The nested columns of a photo, by its size in pixels."""

WORKSPACES = Endpoint(
    name="workspaces",
    group="administration",
    grain="one workspace or organization that the token's user belongs to",
    notes="Materializing it registers each workspace as a partition of the other assets.",
    reference="workspaces",
    oauth_scope="workspaces:read",
    listings=(Listing(path="/workspaces"),),
    columns=(
        RESOURCE_TYPE,
        NAME,
        texts("email_domains", "Email domains of an organization; empty for a personal workspace."),
        boolean("is_organization", "True if the workspace is an organization; only organizations have teams."),
    ),
)

USERS = Endpoint(
    name="users",
    group="people",
    grain="one user in one workspace",
    notes="A user of two workspaces has a row in each. Tasks and stories may reference former members, who are not "
    "necessarily listed here.",
    reference="users",
    oauth_scope="users:read",
    listings=(Listing(path="/users", params={"workspace": "{workspace}"}, parent=WORKSPACES),),
    columns=(
        RESOURCE_TYPE,
        NAME,
        text("email", "Email address; null if the token may not see it."),
        struct(
            "photo",
            *PHOTO_SIZES,
            doc="URLs of the profile photo, which change even if the photo does not; null without a photo.",
        ),
        references("workspaces", "The user's workspaces to which the token's user also belongs."),
        CUSTOM_FIELDS,
    ),
)

TEAMS = Endpoint(
    name="teams",
    group="people",
    grain="one team of an organization",
    notes="Personal workspaces have no teams. Secret teams are visible to their members only.",
    reference="teams",
    oauth_scope="teams:read",
    listings=(Listing(path="/workspaces/{parent}/teams", parent=WORKSPACES, only_if="is_organization"),),
    columns=(
        RESOURCE_TYPE,
        NAME,
        DESCRIPTION,
        HTML_DESCRIPTION,
        reference("organization", "The organization to which the team belongs."),
        PERMALINK_URL,
        text("visibility", "Who may see and join the team: secret, request_to_join or public."),
        text(
            "edit_team_name_or_description_access_level",
            "Who may edit name and description: all_team_members or only_team_admins.",
        ),
        text(
            "edit_team_visibility_or_trash_team_access_level",
            "Who may change the visibility and delete the team: all_team_members or only_team_admins.",
        ),
        text(
            "member_invite_management_access_level",
            "Who may accept or deny invitations of members: all_team_members or only_team_admins.",
        ),
        text(
            "guest_invite_management_access_level",
            "Who may accept or deny invitations of guests: all_team_members or only_team_admins.",
        ),
        text(
            "join_request_management_access_level",
            "Who may accept or deny requests to join: all_team_members or only_team_admins.",
        ),
        text("team_member_removal_access_level", "Who may remove members: all_team_members or only_team_admins."),
        text(
            "team_content_management_access_level",
            "Who may create and share content with the team: no_restriction or only_team_admins.",
        ),
        boolean("endorsed", "True if the team has been endorsed."),
        CUSTOM_FIELD_SETTINGS,
    ),
)

TEAM_MEMBERSHIPS = Endpoint(
    name="team_memberships",
    group="people",
    grain="one user in one team",
    reference="team-memberships",
    oauth_scope="team_memberships:read",
    listings=(Listing(path="/teams/{parent}/team_memberships", parent=TEAMS, parent_ref="team_gid"),),
    columns=(
        RESOURCE_TYPE,
        _MEMBER,
        reference("team", "The team of which the user is a member."),
        boolean("is_guest", "True if the user is a guest in the team."),
        boolean("is_limited_access", "True if the user has limited access to the team."),
        boolean("is_admin", "True if the user is an administrator of the team."),
    ),
)

WORKSPACE_MEMBERSHIPS = Endpoint(
    name="workspace_memberships",
    group="people",
    grain="one user's membership of one workspace",
    notes="The only table that shows which users are administrators, guests, or no longer active.",
    reference="workspace-memberships",
    listings=(Listing(path="/workspaces/{parent}/workspace_memberships", parent=WORKSPACES),),
    columns=(
        RESOURCE_TYPE,
        _MEMBER,
        reference("user_task_list", "The user's My Tasks list."),
        boolean("is_active", "True if the user has joined or is invited, false for former members."),
        boolean("is_admin", "True if the user is an administrator of the workspace."),
        boolean("is_guest", "True if the user is a guest in the workspace."),
        boolean("is_view_only", "True if the user has a view-only license."),
        CREATED_AT,
    ),
)
