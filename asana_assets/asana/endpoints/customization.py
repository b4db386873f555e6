"""What users add to Asana's model: custom fields, custom task types and task templates."""

from asana_assets.asana.endpoints.people import TEAMS, WORKSPACES
from asana_assets.asana.endpoints.reporting import GOALS, PORTFOLIOS
from asana_assets.asana.endpoints.work import PROJECTS, TASKS
from asana_assets.asana.field_types import boolean, integer, reference, references, struct, structs, text, texts
from asana_assets.asana.model import GID, RESOURCE_TYPE, Endpoint, Listing
from asana_assets.asana.shared_columns import (
    COLOR,
    CREATED_AT,
    CUSTOM_FIELD_VALUE,
    DESCRIPTION,
    ENUM_OPTION,
    HTML_DESCRIPTION,
    NAME,
)

_SETTINGS = ("custom_field_settings",)

CUSTOM_FIELD_SETTINGS = Endpoint(
    name="custom_field_settings",
    group="customization",
    grain="one custom field that is available in one project, team, portfolio or goal",
    notes="`parent_gid` is the project, team, portfolio or goal. Its own row has the same list, by which a change is "
    "found in the same sync. Portfolios and goals are included if they are synced.",
    reference="custom-field-settings",
    oauth_scope="projects:read",
    plan="Starter",
    listings=(
        Listing(
            path="/projects/{parent}/custom_field_settings",
            parent=PROJECTS,
            parent_ref="parent_gid",
            only_if="custom_field_settings",
            version_columns=_SETTINGS,
        ),
        Listing(
            path="/teams/{parent}/custom_field_settings",
            parent=TEAMS,
            parent_ref="parent_gid",
            only_if="custom_field_settings",
            version_columns=_SETTINGS,
            paged=False,
        ),
        Listing(
            path="/portfolios/{parent}/custom_field_settings",
            parent=PORTFOLIOS,
            parent_ref="parent_gid",
            only_if="custom_field_settings",
            version_columns=_SETTINGS,
        ),
        Listing(
            path="/goals/{parent}/custom_field_settings",
            parent=GOALS,
            parent_ref="parent_gid",
            only_if="custom_field_settings",
            version_columns=_SETTINGS,
        ),
    ),
    refresh_after_days=30,
    columns=(
        RESOURCE_TYPE,
        boolean("is_important", "True if list views of the parent show the custom field."),
        reference("custom_field", "The custom field that is available in the parent."),
    ),
)

CUSTOM_FIELDS = Endpoint(
    name="custom_fields",
    group="customization",
    grain="one custom field, as it is defined",
    notes="The library of the workspace is included and, if `custom_field_settings` is synced, the fields that belong "
    "to one project, team, portfolio or goal alone. Values are in the tables of the objects that have them, such as "
    "`tasks.custom_fields`.\n\nKnown gap: A changed definition of a field that is not in the library may be up to a "
    "day late.",
    reference="custom-fields",
    oauth_scope="custom_fields:read",
    plan="Starter",
    listings=(
        Listing(path="/workspaces/{parent}/custom_fields", parent=WORKSPACES),
        Listing(
            path="/custom_fields/{parent}",
            parent=CUSTOM_FIELD_SETTINGS,
            parent_column="custom_field_gid",
            parent_ref="gid",
            version_columns=(),
            single=True,
        ),
    ),
    refresh_after_days=1,
    columns=(
        RESOURCE_TYPE,
        NAME,
        text("resource_subtype", "Type of the field: text, number, enum, multi_enum, date, people or reference."),
        text("representation_type", "Like `resource_subtype`, with formula and custom_id as additional types."),
        DESCRIPTION,
        structs(
            "enum_options",
            *ENUM_OPTION,
            boolean("enabled", "True if the option can be selected."),
            COLOR,
            doc="Options of an enum or multi_enum field, in their order in Asana; null for other types.",
        ),
        text("id_prefix", "Prefix of the IDs of a custom_id field; null for other representation types."),
        texts("input_restrictions", "Types of objects that a reference field accepts; empty for other types."),
        boolean("is_formula_field", "True if a formula computes the values."),
        integer("precision", "Decimal places with which numbers are displayed, as a percentage if that is the format."),
        text("format", "Display of numbers: currency, identifier, percentage, custom, duration or none."),
        text("currency_code", "ISO 4217 code of numbers in currency format; otherwise null."),
        text("custom_label", "Text beside numbers in custom format; otherwise null."),
        text("custom_label_position", "Where the custom label is displayed: prefix or suffix; null without one."),
        boolean("is_global_to_workspace", "True if the field is in the workspace's library."),
        boolean("has_notifications_enabled", "True if followers of a task are notified of changes to its value."),
        text("asana_created_field", "Identifier of the field in Asana's own templates; null for other fields."),
        boolean("is_value_read_only", "True if users cannot edit the values."),
        reference("created_by", "The user who created the field; null for fields of Asana."),
        text("privacy_setting", "Who may see the field: public_with_guests, public or private."),
        text("default_access_level", "Access of new members of the field: admin, editor or user."),
    ),
)

CUSTOM_TYPES = Endpoint(
    name="custom_types",
    group="customization",
    grain="one custom task type that a task has",
    notes="See `tasks.custom_type_gid` and `tasks.custom_type_status_option_gid`.\n\nKnown gaps: A type that no task "
    "has is not listed. A changed type may be up to a day late.",
    reference="custom-types",
    # By project, types would be listed once for each project, without a reference to it.
    listings=(
        Listing(
            path="/custom_types/{parent}",
            parent=TASKS,
            parent_column="custom_type_gid",
            parent_ref="gid",
            version_columns=(),
            single=True,
        ),
    ),
    refresh_after_days=1,
    columns=(
        RESOURCE_TYPE,
        NAME,
        structs(
            "status_options",
            GID,
            NAME,
            text("completion_state", "Whether a task with this status is complete, such as Incomplete."),
            boolean("enabled", "True if the status can be selected."),
            COLOR,
            doc="Statuses that a task of this type can have.",
        ),
    ),
)

_RECIPE = (NAME, text("task_resource_subtype", "Kind of task: default_task, milestone_task or approval_task."))

TASK_TEMPLATES = Endpoint(
    name="task_templates",
    group="customization",
    grain="one task template of a project",
    reference="task-templates",
    oauth_scope="task_templates:read",
    listings=(
        Listing(
            path="/task_templates",
            params={"project": "{parent}"},
            parent=PROJECTS,
            parent_ref="project_gid",
            version_columns=("modified_at",),
        ),
    ),
    refresh_after_days=1,
    columns=(
        RESOURCE_TYPE,
        NAME,
        reference("project", "The project to which the template belongs."),
        struct(
            "template",
            *_RECIPE,
            DESCRIPTION,
            HTML_DESCRIPTION,
            references("memberships", "The projects to which the task is added."),
            integer("relative_start_on", "Days from the creation of the task to its start date; null without one."),
            integer("relative_due_on", "Days from the creation of the task to its due date; null without one."),
            text("due_time", "Time of day at which the task is due (UTC), such as 13:15:00.000Z; null without one."),
            structs("dependencies", *_RECIPE, doc="Tasks of the template that block the task."),
            structs("dependents", *_RECIPE, doc="Tasks of the template that the task blocks."),
            references("followers", "The users who will follow the task."),
            references("attachments", "Files that are attached to the task."),
            structs("subtasks", *_RECIPE, doc="Subtasks that are created with the task."),
            structs("custom_fields", *CUSTOM_FIELD_VALUE, doc="Custom field values of the task."),
            doc="The task that is created from the template.",
            atomic=True,
        ),
        reference("created_by", "The user who created the template."),
        CREATED_AT,
    ),
)
