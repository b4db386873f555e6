"""The endpoint registry: one constant per endpoint of Asana.

Every readable field that Asana has not deprecated is a column, except `download_url` and `view_url` of attachments,
which expire within minutes. To add a column, add a line; to add an endpoint, add a constant and its name in
`ENDPOINTS`. Columns that several endpoints share are in `shared_columns`.

Fields and paths: https://developers.asana.com/reference/rest-api-reference
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
from asana_assets.asana.shared_columns import (
    COLOR,
    CREATED_AT,
    CUSTOM_FIELD_SETTINGS,
    CUSTOM_FIELD_VALUE,
    CUSTOM_FIELDS,
    DESCRIPTION,
    ENUM_OPTION,
    FOLLOWERS,
    HTML_DESCRIPTION,
    HTML_NOTES,
    LIKED,
    LIKES,
    NAME,
    NOTES,
    NUM_LIKES,
    PERMALINK_URL,
    REACTIONS,
)

# --- shared by several endpoints

_MEMBER = reference("user", "The user who is a member.")
_DATE_RANGE = (
    date("start_on", "First day; null without one."),
    date("due_on", "Due day; null without one."),
    instant("due_at", "Due time (UTC); null unless a time of day is set."),
)
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
            text("image_21x21", "URL of the photo with 21 x 21 pixels."),
            text("image_27x27", "URL of the photo with 27 x 27 pixels."),
            text("image_36x36", "URL of the photo with 36 x 36 pixels."),
            text("image_60x60", "URL of the photo with 60 x 60 pixels."),
            text("image_128x128", "URL of the photo with 128 x 128 pixels."),
            text("image_1024x1024", "URL of the photo with 1024 x 1024 pixels."),
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
        NAME,
        boolean("archived", "True if the project is archived; its tasks are synced, too."),
        COLOR,
        text("icon", "Icon in Asana, such as rocket."),
        CREATED_AT,
        reference("current_status_update", "The latest status update; null without any."),
        CUSTOM_FIELD_SETTINGS,
        text("default_view", "View in which the project opens: list, board, calendar or timeline."),
        date("due_on", "Day on which the project is due; null without a due date."),
        HTML_NOTES,
        references("members", "The users who are members of the project."),
        instant("modified_at", "Time of the last change (UTC), not affected by changes to the project's tasks."),
        NOTES,
        text(
            "privacy_setting", "Who may see the project: public_to_workspace, private_to_team (deprecated) or private."
        ),
        date("start_on", "Day on which work begins; null without a start date."),
        text("default_access_level", "Access of new members: admin, editor, commenter or viewer."),
        text(
            "minimum_access_level_for_customization",
            "Access that members need to change workflow and appearance: admin or editor.",
        ),
        text(
            "minimum_access_level_for_sharing",
            "Access that members need to share the project and to manage its members: admin or editor.",
        ),
        CUSTOM_FIELDS,
        boolean("completed", "True if the project is marked complete."),
        instant("completed_at", "Time of completion (UTC); null if the project is not complete."),
        reference("completed_by", "The user who marked the project complete; null if it is not complete."),
        references("followers", "The members who are notified of new tasks."),
        reference("owner", "The user who owns the project; null without an owner."),
        reference("team", "The team with which the project is shared; null if it belongs to no team."),
        PERMALINK_URL,
        reference(
            "project_brief", "The project's brief, whose attachments are in `attachments`; null without a brief."
        ),
        reference("created_from_template", "The template from which the project was created; null without one."),
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
        NAME,
        DESCRIPTION,
        HTML_DESCRIPTION,
        boolean("public", "True if the template is visible to its whole team."),
        reference("owner", "The user who owns the template; null without an owner."),
        reference("team", "The team to which the template belongs."),
        structs(
            "requested_dates",
            GID,
            NAME,
            text("description", "What the date is for."),
            doc="Dates to be set when a project is created from the template.",
        ),
        COLOR,
        structs("requested_roles", GID, NAME, doc="Roles to be assigned when a project is created from the template."),
    ),
)

SECTIONS = Endpoint(
    name="sections",
    group="work",
    grain="one section (or board column) of a project",
    notes="The sections of a task are in `tasks.memberships`, as pairs of project and section.",
    reference="sections",
    listings=(Listing(path="/projects/{parent}/sections", parent=PROJECTS, parent_ref="project_gid"),),
    columns=(
        RESOURCE_TYPE,
        NAME,
        CREATED_AT,
        reference("project", "The project to which the section belongs."),
    ),
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
        NAME,
        COLOR,
        NOTES,
        CREATED_AT,
        FOLLOWERS,
        PERMALINK_URL,
    ),
)

_TASK_COLUMNS = (
    RESOURCE_TYPE,
    NAME,
    text("resource_subtype", "Kind of task: default_task, milestone, approval or custom."),
    reference("created_by", "The user who created the task."),
    text("approval_status", "Status of an approval: pending, approved, rejected or changes_requested; otherwise null."),
    reference("assigned_by", "The user who assigned the task; null unless it was assigned explicitly."),
    boolean("completed", "True if the task is complete."),
    instant("completed_at", "Time of completion (UTC); null if the task is incomplete."),
    reference("completed_by", "The user who completed the task; null if it is incomplete."),
    CREATED_AT,
    references("dependencies", "The tasks that block this one.", name="dependency_gids"),
    references("dependents", "The tasks that this one blocks."),
    instant("due_at", "Time at which the task is due (UTC); null unless a time of day is set."),
    date(
        "due_on",
        "Day on which the task is due, in the user's time zone, also if `due_at` is set; null without a due date.",
    ),
    struct(
        "external",
        GID,
        text("data", "Text that the app stored."),
        doc="Data that the token's app stored with the task; null with a personal access token.",
    ),
    HTML_NOTES,
    boolean(
        "is_rendered_as_separator",
        "True if the task is displayed like a section heading; such tasks are not work to do.",
    ),
    LIKED,
    LIKES,
    structs(
        "memberships",
        reference("project", "The project that contains the task."),
        reference("section", "The task's section in that project."),
        doc="The task's projects, with its section in each.",
    ),
    instant("modified_at", "Time of the last change (UTC), not affected by changes to the task's subtasks."),
    NOTES,
    NUM_LIKES,
    integer("num_subtasks", "Number of direct subtasks."),
    instant("start_at", "Time at which work begins (UTC); null unless a time of day is set."),
    date("start_on", "Day on which work begins; null without a start date, and for milestones."),
    number("actual_time_minutes", "Minutes in the task's time tracking entries; null without any."),
    reference("assignee", "The assignee; null if the task is unassigned."),
    reference(
        "assignee_section", "The section in the assignee's My Tasks; null unless the token's user is the assignee."
    ),
    structs(
        "custom_fields",
        *CUSTOM_FIELD_VALUE,
        text("resource_subtype", "Same as `type`, under its newer name."),
        references("people_value", "The users selected in a people field; null for other types.", name="people_gids"),
        references(
            "reference_value",
            "The objects selected in a reference field; null for other types.",
            name="reference_gids",
        ),
        text("html_text_value", "Value of a text field as HTML; null for other types."),
        integer("precision", "Decimal places with which a number field is displayed, as a percentage if it is one."),
        text("format", "Display of a number field: currency, identifier, percentage, custom, duration or none."),
        text("currency_code", "ISO 4217 code of a number field in currency format; otherwise null."),
        doc="Custom field values; group them by gid, as names can change. Null on free plans.",
    ),
    reference("custom_type", "The custom task type; null without one."),
    reference("custom_type_status_option", "The status, if the task has a custom type; otherwise null."),
    FOLLOWERS,
    references("projects", "The projects that contain the task; `memberships` also has its sections."),
    references("tags", "The tags of the task."),
    PERMALINK_URL,
)

TASKS = Endpoint(
    name="tasks",
    group="work",
    grain="one task of a visible project, or one with an assignee and no project",
    notes="A task of several projects is one row: see `memberships`. Completed tasks and tasks of archived projects "
    "are included. A subtask that is in a project, or in its assignee's My Tasks, is here as well as in `subtasks`, "
    "with its `parent_gid`. On paid plans, search also finds changed tasks without a project between their daily "
    "listings.\n\nKnown gap: Tasks that have no project cannot be listed if they have no assignee either, or one who "
    "has left the workspace.",
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
    columns=(*_TASK_COLUMNS, reference("parent", "The parent task of a subtask; null for other tasks.")),
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
    "itself.\n\nKnown gap: Edited comments and likes do not modify the task, so they may be up to 30 days late.",
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
        CREATED_AT,
        text("resource_subtype", "What happened, such as section_changed or comment_added."),
        text("text", "Text of a comment, or a sentence about a change in the language of the token's user."),
        text("html_text", "Same as `text`, as HTML and without the name of the user."),
        boolean("is_pinned", "True if the comment is pinned to the top of the task."),
        text("sticker_name", "Sticker in a comment, such as trophy; null without one."),
        reference("created_by", "The user who commented or made the change; null for actions of Asana itself."),
        text("type", "Type of story: comment, or system for changes."),
        boolean("is_editable", "True if the text can be edited."),
        boolean("is_edited", "True if the text was edited."),
        LIKED,
        LIKES,
        NUM_LIKES,
        REACTIONS,
        structs(
            "previews",
            text("fallback", "Text for clients that cannot display the preview."),
            text("footer", "Text below the preview."),
            text("header", "Text above the preview."),
            text("header_link", "URL of the header."),
            text("html_text", "Text of the preview as HTML."),
            text("text", "Text of the preview."),
            text("title", "Title of the preview."),
            text("title_link", "URL of the title."),
            doc="Previews of links in a comment.",
        ),
        text("old_name", "Name before it was changed; null for other stories."),
        text("new_name", "Name after it was changed; null for other stories."),
        struct("old_dates", *_DATE_RANGE, doc="Dates before they were changed; null for other stories."),
        struct("new_dates", *_DATE_RANGE, doc="Dates after they were changed; null for other stories."),
        text("old_resource_subtype", "Kind of task before it was changed; null for other stories."),
        text("new_resource_subtype", "Kind of task after it was changed; null for other stories."),
        reference("story", "The story to which this one refers, such as a liked comment; null for other stories."),
        reference("assignee", "The user who became the assignee; null for other stories."),
        reference("follower", "The user who was added as a follower or removed; null for other stories."),
        reference("old_section", "The section from which the task was moved; null for other stories."),
        reference("new_section", "The section to which the task was moved; null for other stories."),
        reference("task", "Another task that the change involves; null for other stories."),
        reference("project", "The project that the change involves; null for other stories."),
        reference("tag", "The tag that was added or removed; null for other stories."),
        reference("custom_field", "The custom field whose value was changed; null for other stories."),
        text("old_text_value", "Value of a text field before it was changed; null for other stories."),
        text("new_text_value", "Value of a text field after it was changed; null for other stories."),
        number("old_number_value", "Value of a number field before it was changed; null for other stories."),
        number("new_number_value", "Value of a number field after it was changed; null for other stories."),
        struct(
            "old_enum_value",
            *ENUM_OPTION,
            doc="Option of an enum field before it was changed; null for other stories.",
        ),
        struct(
            "new_enum_value",
            *ENUM_OPTION,
            doc="Option of an enum field after it was changed; null for other stories.",
        ),
        struct(
            "old_date_value",
            *_DATE_RANGE,
            doc="Value of a date field before it was changed; null for other stories.",
            atomic=True,
        ),
        struct(
            "new_date_value",
            *_DATE_RANGE,
            doc="Value of a date field after it was changed; null for other stories.",
            atomic=True,
        ),
        references(
            "old_people_value",
            "The users in a people field before it was changed; null for other stories.",
            name="old_people_gids",
        ),
        references(
            "new_people_value",
            "The users in a people field after it was changed; null for other stories.",
            name="new_people_gids",
        ),
        structs(
            "old_multi_enum_values",
            *ENUM_OPTION,
            doc="Options of a multi_enum field before it was changed; null for other stories.",
        ),
        structs(
            "new_multi_enum_values",
            *ENUM_OPTION,
            doc="Options of a multi_enum field after it was changed; null for other stories.",
        ),
        text("new_approval_status", "Status of an approval after it was changed; null for other stories."),
        text("old_approval_status", "Status of an approval before it was changed; null for other stories."),
        reference("duplicate_of", "The task of which this one was marked as a duplicate; null for other stories."),
        reference("duplicated_from", "The task from which this one was duplicated; null for other stories."),
        reference("dependency", "The task that was added or removed as a dependency; null for other stories."),
        text("source", "Where it happened: web, email, mobile, api or unknown."),
        reference("target", "The task to which the story belongs."),
    ),
)

ATTACHMENTS = Endpoint(
    name="attachments",
    group="activity",
    grain="one file attached to a task, a subtask, a project or a project brief",
    notes="`parent_gid` is a `gid` of `tasks`, `subtasks` or `projects`, or a `projects.project_brief_gid`. URLs that "
    "expire within minutes are not stored; `permanent_url` does not change.\n\nKnown gap: Attachments that do not "
    "modify their project, such as those of its brief, may be up to 30 days late.",
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
        text("name", "Name of the file."),
        text("resource_subtype", "Service that hosts the file, such as asana, dropbox, gdrive or external."),
        CREATED_AT,
        text("permanent_url", "URL for signed-in users, which does not change."),
        text("host", "Service that hosts the file, as in `resource_subtype`."),
        integer("size", "Size in bytes; null unless Asana hosts the file."),
        boolean(
            "connected_to_app", "True if the token's app displays the file; null unless hosted by gdrive or external."
        ),
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
        text("title", "Title of the status update."),
        text("resource_subtype", "Kind of parent: project_status_update, as only those of projects are synced."),
        text("text", "Text of the status update."),
        text("html_text", "Text of the status update as HTML."),
        text("status_type", "Reported status: on_track, at_risk, off_track, on_hold, complete or dropped."),
        reference("author", "Same as `created_by_gid`, under its former name."),
        CREATED_AT,
        reference("created_by", "The user who wrote the status update."),
        LIKED,
        LIKES,
        REACTIONS,
        instant("modified_at", "Time of the last change (UTC), not affected by comments."),
        NUM_LIKES,
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
        boolean("active", "True if Asana sends events."),
        reference("resource", "The object whose events are sent."),
        text("target", "URL to which the events are sent."),
        CREATED_AT,
        instant("last_failure_at", "Time of the last failed delivery (UTC); null without any."),
        text("last_failure_content", "Response to the last failed delivery, written by the receiver."),
        instant("last_success_at", "Time of the last successful delivery (UTC); null without any."),
        integer("delivery_retry_count", "Number of retries since the last successful delivery."),
        instant("next_attempt_after", "Time after which delivery is tried again (UTC); null unless it failed."),
        instant(
            "failure_deletion_timestamp",
            "Time at which Asana deletes the webhook unless a delivery succeeds (UTC); null unless it failed.",
        ),
        structs(
            "filters",
            text("resource_type", "Type of the objects whose events pass."),
            text("resource_subtype", "Subtype of the objects whose events pass; null for all."),
            text("action", "Kind of events that pass, such as changed; null for all."),
            texts("fields", "Fields whose changes pass; null for all."),
            doc="Filters of the events; an event is sent if it passes any of them.",
        ),
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
