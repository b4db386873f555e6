"""The endpoint registry: one constant per endpoint of Asana.

Every readable field that Asana has not deprecated is a column, except `download_url` and `view_url` of attachments,
which expire within minutes. To add a column, add a line; to add an endpoint, add a constant and its name in
`ENDPOINTS`. Fields and paths: https://developers.asana.com/reference/rest-api-reference
"""

from asana_assets.asana.field_types import (
    boolean,
    date,
    instant,
    integer,
    number,
    reference,
    references,
    struct,
    structs,
    text,
    texts,
)
from asana_assets.asana.model import GID, RESOURCE_TYPE, Endpoint, ItemValues, Listing

# --- shared by several endpoints

_LIKES = structs("likes", GID, reference("user"), doc="Users who liked it.")
_REACTIONS = structs(
    "reaction_summary",
    text("emoji_base"),
    text("variant"),
    number("count"),
    boolean("reacted"),
    doc="Emoji reactions; `reacted` is whether the token's user reacted.",
)
_CUSTOM_FIELD_VALUE = (
    GID,
    text("name"),
    text("type"),
    text("representation_type", "Like `type`, with formula and custom_id as additional types."),
    boolean("enabled", "False if the field was removed from the project but its value was kept."),
    text("display_value", "The value as Asana displays it, for every type."),
    text("text_value"),
    number("number_value"),
    struct("enum_value", GID, text("name")),
    structs("multi_enum_values", GID, text("name")),
    struct("date_value", date("date"), instant("date_time")),
    boolean("is_formula_field"),
    text("id_prefix"),
)
_CUSTOM_FIELDS = structs(
    "custom_fields", *_CUSTOM_FIELD_VALUE, doc="Custom field values. Group by gid: names can change."
)
_CUSTOM_FIELD_SETTINGS = structs(
    "custom_field_settings",
    GID,
    reference("custom_field"),
    reference("project"),
    reference("parent"),
    boolean("is_important"),
    doc="Custom fields that are enabled for this object.",
)
_DATE_RANGE = (date("start_on"), date("due_on"), instant("due_at"))
_MODIFIED_AT = ("modified_at",)
_TASK_VERSION = (  # what may change without `modified_at` (https://developers.asana.com/reference/tasks)
    "modified_at",
    "num_subtasks",
    "memberships",
    "tag_gids",
    "follower_gids",
    "dependency_gids",
    ItemValues(
        column="custom_fields",
        key="gid",
        values=(
            "text_value",
            "number_value",
            "enum_value.gid",
            "multi_enum_values.gid",
            "date_value",
            "people_gids",
            "reference_gids",
        ),
        computed="is_formula_field",
    ),
)
_BY_PARENT = {"parent": "{parent}"}

TASK_SEARCH_PATH = "/workspaces/{workspace}/tasks/search"
"""Search for tasks and subtasks, for example by modification time; only on paid plans."""

# --- endpoints

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
        text("name"),
        texts("email_domains", "Domains of an organization; empty for a personal workspace."),
        boolean("is_organization", "Only organizations have teams."),
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
        text("name"),
        text("email", "Null if the token may not see it."),
        struct(
            "photo",
            text("image_21x21"),
            text("image_27x27"),
            text("image_36x36"),
            text("image_60x60"),
            text("image_128x128"),
            text("image_1024x1024"),
            doc="URLs of the profile photo by size; they change even if the photo does not.",
        ),
        references("workspaces", "Workspaces shared with the token's user."),
        _CUSTOM_FIELDS,
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
        text("name"),
        text("description"),
        text("html_description"),
        reference("organization"),
        text("permalink_url"),
        text("visibility", "secret, request_to_join or public."),
        text("edit_team_name_or_description_access_level"),
        text("edit_team_visibility_or_trash_team_access_level"),
        text("member_invite_management_access_level"),
        text("guest_invite_management_access_level"),
        text("join_request_management_access_level"),
        text("team_member_removal_access_level"),
        text("team_content_management_access_level"),
        boolean("endorsed"),
        _CUSTOM_FIELD_SETTINGS,
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
        reference("user"),
        reference("team"),
        boolean("is_guest"),
        boolean("is_limited_access"),
        boolean("is_admin"),
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
        reference("user"),
        reference("user_task_list", "The user's My Tasks list."),
        boolean("is_active"),
        boolean("is_admin"),
        boolean("is_guest"),
        boolean("is_view_only"),
        instant("created_at"),
    ),
)

PROJECTS = Endpoint(
    name="projects",
    group="work",
    grain="one project that is visible to the token, archived ones included",
    notes="`team_gid` can be null: not every project belongs to a team.",
    reference="projects",
    oauth_scope="projects:read",
    listings=(Listing(path="/projects", params={"workspace": "{workspace}"}, parent=WORKSPACES),),
    columns=(
        RESOURCE_TYPE,
        text("name"),
        boolean("archived"),
        text("color"),
        text("icon"),
        instant("created_at"),
        reference("current_status_update", "The latest status update."),
        _CUSTOM_FIELD_SETTINGS,
        text("default_view"),
        date("due_on"),
        text("html_notes"),
        references("members"),
        instant("modified_at", "Not affected by changes to the project's tasks."),
        text("notes"),
        text("privacy_setting"),
        date("start_on"),
        text("default_access_level"),
        text("minimum_access_level_for_customization"),
        text("minimum_access_level_for_sharing"),
        _CUSTOM_FIELDS,
        boolean("completed"),
        instant("completed_at"),
        reference("completed_by"),
        references("followers"),
        reference("owner"),
        reference("team"),
        text("permalink_url"),
        reference("project_brief"),
        reference("created_from_template"),
    ),
)

PROJECT_TEMPLATES = Endpoint(
    name="project_templates",
    group="administration",
    grain="one project template",
    reference="project-templates",
    oauth_scope="project_templates:read",
    listings=(Listing(path="/project_templates", params={"workspace": "{workspace}"}, parent=WORKSPACES),),
    columns=(
        RESOURCE_TYPE,
        text("name"),
        text("description"),
        text("html_description"),
        boolean("public"),
        reference("owner"),
        reference("team"),
        structs("requested_dates", GID, text("name"), text("description"), doc="Dates to set in a new project."),
        text("color"),
        structs("requested_roles", GID, text("name"), doc="Roles to assign in a new project."),
    ),
)

SECTIONS = Endpoint(
    name="sections",
    group="work",
    grain="one section (or board column) of a project",
    notes="The sections of a task are in `tasks.memberships`, as pairs of project and section.",
    reference="sections",
    listings=(Listing(path="/projects/{parent}/sections", parent=PROJECTS, parent_ref="project_gid"),),
    columns=(RESOURCE_TYPE, text("name"), instant("created_at"), reference("project")),
)

TAGS = Endpoint(
    name="tags",
    group="work",
    grain="one tag of a workspace",
    reference="tags",
    oauth_scope="tags:read",
    listings=(Listing(path="/tags", params={"workspace": "{workspace}"}, parent=WORKSPACES),),
    columns=(
        RESOURCE_TYPE,
        text("name"),
        text("color"),
        text("notes"),
        instant("created_at"),
        references("followers"),
        text("permalink_url"),
    ),
)

_TASK_COLUMNS = (
    RESOURCE_TYPE,
    text("name"),
    text("resource_subtype", "default_task, milestone, approval or custom."),
    reference("created_by"),
    text("approval_status", "Only set for approvals."),
    reference("assigned_by"),
    boolean("completed"),
    instant("completed_at"),
    reference("completed_by"),
    instant("created_at"),
    references("dependencies", "Tasks that block this one.", name="dependency_gids"),
    references("dependents", "Tasks that this one blocks."),
    instant("due_at", "Null unless a time of day is set."),
    date("due_on", "Also set if `due_at` is; the day in the user's time zone."),
    struct("external", GID, text("data"), doc="Custom data of the app to which the token belongs."),
    text("html_notes"),
    boolean(
        "is_rendered_as_separator", "True for a separator, which looks like a section heading and is not work to do."
    ),
    boolean("liked", "Whether the token's user liked it."),
    _LIKES,
    structs(
        "memberships", reference("project"), reference("section"), doc="The task's projects, and its section in each."
    ),
    instant("modified_at", "Not affected by changes to its subtasks."),
    text("notes"),
    integer("num_likes"),
    integer("num_subtasks"),
    instant("start_at"),
    date("start_on"),
    number("actual_time_minutes", "Sum of the task's time tracking entries."),
    reference("assignee"),
    reference("assignee_section", "Section in the assignee's My Tasks; only set if the assignee is the token's user."),
    structs(
        "custom_fields",
        *_CUSTOM_FIELD_VALUE,
        text("resource_subtype"),
        references("people_value", name="people_gids"),
        references("reference_value", name="reference_gids"),
        text("html_text_value"),
        integer("precision"),
        text("format"),
        text("currency_code"),
        doc="Custom field values. Group by gid: names can change. Null on free plans.",
    ),
    reference("custom_type"),
    reference("custom_type_status_option"),
    references("followers"),
    references("projects"),
    references("tags"),
    text("permalink_url"),
)

TASKS = Endpoint(
    name="tasks",
    group="work",
    grain="one task of a visible project, or one with an assignee and no project",
    notes="A task of several projects is one row: see `memberships`. Completed tasks and tasks of archived projects "
    "are included. A subtask that is in a project, or in its assignee's My Tasks, is here as well as in `subtasks`, "
    "with its `parent_gid`. On paid plans, search also finds changed tasks without a project between their daily "
    "listings.\n\n**Gap**: Tasks that have no project cannot be listed if they have no assignee either, or one who has "
    "left the workspace.",
    reference="tasks",
    oauth_scope="tasks:read",
    listings=(
        Listing(
            path="/tasks",
            params={"project": "{parent}"},
            parent=PROJECTS,
            parent_ref="project_gids",
            count_field=("/projects/{parent}/task_counts", "num_tasks"),
        ),
        Listing(
            path="/tasks",
            params={"assignee": "{parent}", "workspace": "{workspace}"},
            parent=USERS,
            parent_ref="assignee_gid",
            is_optional=True,
            version_columns=(),
        ),
    ),
    columns=(*_TASK_COLUMNS, reference("parent", "The parent task, if this is a subtask.")),
    record_path="/tasks/{gid}",
    search=Listing(path=TASK_SEARCH_PATH),
    refresh_after_days=1,
)

SUBTASKS = Endpoint(
    name="subtasks",
    group="work",
    grain="one subtask, of any level",
    notes="`parent_gid` is a task or another subtask. Changing a subtask does not modify its parent: on paid plans "
    "such a change is found by search, on free plans within a day.",
    reference="tasks",
    oauth_scope="tasks:read",
    listings=(
        Listing(
            path="/tasks/{parent}/subtasks",
            parent=TASKS,
            only_if="num_subtasks",
            parent_ref="parent_gid",
            recursive=True,
            version_columns=_TASK_VERSION,
        ),
    ),
    columns=_TASK_COLUMNS,
    search=Listing(path=TASK_SEARCH_PATH, params={"is_subtask": "true"}),
    refresh_after_days=1,
)

STORIES = Endpoint(
    name="stories",
    group="activity",
    grain="one comment on a task or subtask, or one change to it",
    notes="`resource_subtype` is what happened; `text` is in the language of the token's user. The time that tasks "
    "spend in a section or status can be derived from these rows. `created_by_gid` is null for actions of Asana "
    "itself.\n\n**Gap**: Edited comments and likes do not modify the task, so they may be up to 30 days late.",
    reference="stories",
    oauth_scope="stories:read",
    refresh_after_days=30,
    listings=(
        Listing(path="/tasks/{parent}/stories", parent=TASKS, parent_ref="parent_gid", version_columns=_TASK_VERSION),
        Listing(
            path="/tasks/{parent}/stories", parent=SUBTASKS, parent_ref="parent_gid", version_columns=_TASK_VERSION
        ),
    ),
    columns=(
        RESOURCE_TYPE,
        instant("created_at"),
        text("resource_subtype", "What happened, such as section_changed or comment_added."),
        text("text"),
        text("html_text"),
        boolean("is_pinned"),
        text("sticker_name"),
        reference("created_by"),
        text("type", "comment or system."),
        boolean("is_editable"),
        boolean("is_edited"),
        boolean("liked", "Whether the token's user liked it."),
        _LIKES,
        integer("num_likes"),
        _REACTIONS,
        structs(
            "previews",
            text("fallback"),
            text("footer"),
            text("header"),
            text("header_link"),
            text("html_text"),
            text("text"),
            text("title"),
            text("title_link"),
            doc="Previews of links in a comment.",
        ),
        text("old_name"),
        text("new_name"),
        struct("old_dates", *_DATE_RANGE),
        struct("new_dates", *_DATE_RANGE),
        text("old_resource_subtype"),
        text("new_resource_subtype"),
        reference("story", "The story that this one refers to, such as a liked comment."),
        reference("assignee"),
        reference("follower"),
        reference("old_section"),
        reference("new_section"),
        reference("task", "Another task that the change involves."),
        reference("project"),
        reference("tag"),
        reference("custom_field"),
        text("old_text_value"),
        text("new_text_value"),
        number("old_number_value"),
        number("new_number_value"),
        struct("old_enum_value", GID, text("name")),
        struct("new_enum_value", GID, text("name")),
        struct("old_date_value", *_DATE_RANGE, atomic=True),
        struct("new_date_value", *_DATE_RANGE, atomic=True),
        references("old_people_value", name="old_people_gids"),
        references("new_people_value", name="new_people_gids"),
        structs("old_multi_enum_values", GID, text("name")),
        structs("new_multi_enum_values", GID, text("name")),
        text("new_approval_status"),
        text("old_approval_status"),
        reference("duplicate_of"),
        reference("duplicated_from"),
        reference("dependency"),
        text("source", "web, email, mobile, api or unknown."),
        reference("target", "The task to which the story belongs."),
    ),
)

ATTACHMENTS = Endpoint(
    name="attachments",
    group="activity",
    grain="one file attached to a task, a subtask, a project or a project brief",
    notes="`parent_gid` is a `gid` of `tasks`, `subtasks` or `projects`, or a `projects.project_brief_gid`. URLs that "
    "expire within minutes are not stored; `permanent_url` does not change.\n\n**Gap**: Attachments that do not modify "
    "their project, such as those of its brief, may be up to 30 days late.",
    reference="attachments",
    oauth_scope="attachments:read",
    listings=(
        Listing(
            path="/attachments",
            params=_BY_PARENT,
            parent=PROJECTS,
            parent_ref="parent_gid",
            version_columns=_MODIFIED_AT,
        ),
        Listing(
            path="/attachments",
            params=_BY_PARENT,
            parent=PROJECTS,
            parent_column="project_brief_gid",
            parent_ref="parent_gid",
            version_columns=_MODIFIED_AT,
        ),
        Listing(
            path="/attachments", params=_BY_PARENT, parent=TASKS, parent_ref="parent_gid", version_columns=_TASK_VERSION
        ),
        Listing(
            path="/attachments",
            params=_BY_PARENT,
            parent=SUBTASKS,
            parent_ref="parent_gid",
            version_columns=_TASK_VERSION,
        ),
    ),
    refresh_after_days=30,
    columns=(
        RESOURCE_TYPE,
        text("name"),
        text("resource_subtype", "Where the file is hosted: asana, gdrive, dropbox, …"),
        instant("created_at"),
        text("permanent_url", "URL for signed-in users; it does not change."),
        text("host"),
        integer("size", "Size in bytes; only set for files hosted by Asana."),
        boolean("connected_to_app"),
    ),
)

STATUS_UPDATES = Endpoint(
    name="status_updates",
    group="activity",
    grain="one status update of a project",
    notes="Status updates of portfolios and goals are not included.",
    reference="status-updates",
    listings=(
        Listing(
            path="/status_updates",
            params=_BY_PARENT,
            parent=PROJECTS,
            parent_ref="parent_gid",
            version_columns=("current_status_update_gid",),
        ),
    ),
    refresh_after_days=30,
    columns=(
        RESOURCE_TYPE,
        text("title"),
        text("resource_subtype"),
        text("text"),
        text("html_text"),
        text("status_type", "on_track, at_risk, off_track, on_hold, complete, …"),
        reference("author", "Same as `created_by_gid`, under its former name."),
        instant("created_at"),
        reference("created_by"),
        boolean("liked", "Whether the token's user liked it."),
        _LIKES,
        _REACTIONS,
        instant("modified_at"),
        integer("num_likes"),
    ),
)

WEBHOOKS = Endpoint(
    name="webhooks",
    group="administration",
    grain="one webhook that the token's app has registered",
    notes="Usually empty with a personal access token, since Asana only lists an app's own webhooks.",
    reference="webhooks",
    oauth_scope="webhooks:read",
    listings=(Listing(path="/webhooks", params={"workspace": "{workspace}"}, parent=WORKSPACES),),
    columns=(
        RESOURCE_TYPE,
        boolean("active"),
        reference("resource", "The watched object."),
        text("target", "URL that receives the events."),
        instant("created_at"),
        instant("last_failure_at"),
        text("last_failure_content"),
        instant("last_success_at"),
        integer("delivery_retry_count"),
        instant("next_attempt_after"),
        instant("failure_deletion_timestamp"),
        structs("filters", text("resource_type"), text("resource_subtype"), text("action"), texts("fields")),
    ),
)

ENDPOINTS = (  # parents before children
    WORKSPACES,
    USERS,
    TEAMS,
    TEAM_MEMBERSHIPS,
    WORKSPACE_MEMBERSHIPS,
    PROJECTS,
    PROJECT_TEMPLATES,
    SECTIONS,
    TAGS,
    TASKS,
    SUBTASKS,
    STORIES,
    ATTACHMENTS,
    STATUS_UPDATES,
    WEBHOOKS,
)
