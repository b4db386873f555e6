"""Projects and what they contain: sections, tasks and subtasks, and the tags and templates of a workspace."""

from asana_assets.asana.endpoints.people import USERS, WORKSPACES
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
)
from asana_assets.asana.model import GID, RESOURCE_TYPE, Endpoint, ItemValues, Listing
from asana_assets.asana.shared_columns import (
    COLOR,
    CREATED_AT,
    CURRENT_STATUS_UPDATE,
    CUSTOM_FIELD_SETTINGS,
    CUSTOM_FIELD_VALUE,
    CUSTOM_FIELDS,
    DEFAULT_ACCESS_LEVEL,
    DESCRIPTION,
    FOLLOWERS,
    HTML_DESCRIPTION,
    HTML_NOTES,
    LIKED,
    LIKES,
    NAME,
    NOTES,
    NUM_LIKES,
    PERMALINK_URL,
)

TASK_VERSION = (  # what may change without `modified_at` (https://developers.asana.com/reference/tasks)
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

TASK_SEARCH_PATH = "/workspaces/{workspace}/tasks/search"
"""Search for tasks and subtasks, for example by modification time; only on paid plans."""

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
        CURRENT_STATUS_UPDATE,
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
        DEFAULT_ACCESS_LEVEL,
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
            version_columns=TASK_VERSION,
        ),
    ),
    columns=_TASK_COLUMNS,
    search=Listing(path=TASK_SEARCH_PATH, params={"is_subtask": "true"}),
    refresh_after_days=1,
)
