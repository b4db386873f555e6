"""How an organization works: roles and what they permit, AI teammates, My Tasks lists and absences."""

from asana_assets.asana.endpoints.people import PHOTO_SIZES, USERS, WORKSPACES
from asana_assets.asana.field_types import boolean, date, instant, reference, struct, text
from asana_assets.asana.model import RESOURCE_TYPE, Endpoint, Listing
from asana_assets.asana.shared_columns import DESCRIPTION, NAME

_USER_AND_WORKSPACE = {"user": "{parent}", "workspace": "{workspace}"}

ROLES = Endpoint(
    name="roles",
    group="administration",
    grain="one role that users of the organization can have",
    notes="Which user has which role is not available.",
    reference="roles",
    oauth_scope="roles:read",
    listings=(Listing(path="/roles", params={"workspace": "{workspace}"}, parent=WORKSPACES),),
    columns=(
        RESOURCE_TYPE,
        NAME,
        DESCRIPTION,
        boolean("is_standard_role", "True if the role is one of Asana's, false if the organization defined it."),
        instant("creation_time", "Time of creation (UTC)."),
        instant("modified_at", "Time of the last change of the role (UTC)."),
        text("base_role_type", "Standard role on which the role is based: guest, member, admin or super_admin."),
        struct(
            "permissions",
            boolean("create_app_authorization", "True if users may authorize apps."),
            boolean("create_pat_authorization", "True if users may create personal access tokens."),
            boolean("share_goal_with_domain", "True if users may share goals with the organization."),
            boolean("share_portfolios_with_org", "True if users may share portfolios with the organization."),
            boolean("assign_roles", "True if users may assign roles to others."),
            boolean("manage_roles", "True if users may define roles."),
            boolean("export_project_data", "True if users may export projects."),
            text("task_deletion_policy", "Which tasks users may delete: all, owned or none."),
            boolean("download_mobile_attachments", "True if users may download files in the mobile app."),
            boolean("import_data", "True if users may import from files and other services."),
            boolean("create_global_custom_fields", "True if users may add custom fields to the library."),
            boolean("upload_attachments", "True if users may attach files."),
            boolean("create_team", "True if users may create teams."),
            text("allowed_guest_invites", "Which guests users may invite: all or none."),
            boolean("create_and_edit_ai_automations", "True if users may create and edit AI automations."),
            boolean("proactive_ai", "True if users have AI features that act on their own."),
            boolean("standard_ai", "True if users have AI features."),
            boolean("create_and_edit_ai_teammates", "True if users may create and edit AI teammates."),
            boolean("share_teams_with_org", "True if users may share teams with the organization."),
            boolean("create_goal", "True if users may create goals."),
            boolean("create_project", "True if users may create projects."),
            boolean("create_read_only_link", "True if users may create read-only links."),
            boolean("create_portfolio", "True if users may create portfolios."),
            boolean("view_public_teams", "True if users may see public teams."),
            boolean("view_shared_with_org_projects", "True if users may see projects shared with the organization."),
            boolean("view_shared_with_org_tasks", "True if users may see tasks shared with the organization."),
            boolean(
                "view_shared_with_org_portfolios", "True if users may see portfolios shared with the organization."
            ),
            doc="What users with the role may do.",
        ),
    ),
)

AGENTS = Endpoint(
    name="agents",
    group="administration",
    grain="one AI teammate of the workspace",
    reference="agents",
    listings=(Listing(path="/workspaces/{parent}/agents", parent=WORKSPACES),),
    columns=(
        RESOURCE_TYPE,
        text("resource_subtype", "Kind of agent: asana_teammate."),
        NAME,
        DESCRIPTION,
        text("behavior_guidance", "Instructions for the agent; null without any."),
        struct("photo", *PHOTO_SIZES, doc="URLs of the agent's picture; null without one."),
    ),
)

USER_TASK_LISTS = Endpoint(
    name="user_task_lists",
    group="people",
    grain="the My Tasks list of one user",
    notes="Its tasks are those in `tasks` that are assigned to the user.",
    reference="user-task-lists",
    oauth_scope="tasks:read",
    listings=(
        Listing(
            path="/users/{parent}/user_task_list",
            params={"workspace": "{workspace}"},
            parent=USERS,
            parent_ref="owner_gid",
            version_columns=(),
            single=True,
        ),
    ),
    refresh_after_days=30,
    columns=(
        RESOURCE_TYPE,
        NAME,
        reference("owner", "The user whose list it is."),
    ),
)

OOO_ENTRIES = Endpoint(
    name="ooo_entries",
    group="people",
    grain="one period in which a user is out of office",
    reference="ooo-entries",
    oauth_scope="ooo_entries:read",
    listings=(
        Listing(
            path="/ooo_entries",
            params=_USER_AND_WORKSPACE,
            parent=USERS,
            parent_ref="user_gid",
            version_columns=(),
        ),
    ),
    refresh_after_days=1,
    columns=(
        RESOURCE_TYPE,
        date("start_date", "First day of the absence."),
        date("end_date", "Last day of the absence."),
        reference("user", "The user who is out of office."),
        reference("created_by", "The user who entered the absence."),
    ),
)
