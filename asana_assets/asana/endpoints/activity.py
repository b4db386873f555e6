"""What happens to work: stories, attachments, status updates and webhooks."""

from asana_assets.asana.endpoints.people import WORKSPACES
from asana_assets.asana.endpoints.reporting import GOALS, PORTFOLIOS
from asana_assets.asana.endpoints.work import PROJECTS, SUBTASKS, TASK_VERSION, TASKS
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
from asana_assets.asana.model import RESOURCE_TYPE, Endpoint, Listing
from asana_assets.asana.shared_columns import CREATED_AT, ENUM_OPTION, LIKED, LIKES, NUM_LIKES, REACTIONS

_DATE_RANGE = (
    date("start_on", "First day; null without one."),
    date("due_on", "Due day; null without one."),
    instant("due_at", "Due time (UTC); null unless a time of day is set."),
)
_MODIFIED_AT = ("modified_at",)
_CURRENT_STATUS_UPDATE = ("current_status_update_gid",)
_BY_PARENT = {"parent": "{parent}"}

STORIES = Endpoint(
    name="stories",
    group="activity",
    grain="one comment on a task, a subtask or a goal, or one change to it",
    notes="`resource_subtype` is what happened; `text` is in the language of the token's user. The time that tasks "
    "spend in a section or status can be derived from these rows. `created_by_gid` is null for actions of Asana "
    "itself.\n\nKnown gap: Edited comments and likes do not modify the task, so they may be up to 30 days late.\n\n"
    "Stories of goals are included if `goals` is synced, too.",
    reference="stories",
    oauth_scope="stories:read",
    refresh_after_days=30,
    listings=(
        Listing(path="/tasks/{parent}/stories", parent=TASKS, parent_ref="parent_gid", version_columns=TASK_VERSION),
        Listing(path="/tasks/{parent}/stories", parent=SUBTASKS, parent_ref="parent_gid", version_columns=TASK_VERSION),
        # Goals have no `modified_at`, and a comment changes nothing that their listing shows.
        Listing(path="/goals/{parent}/stories", parent=GOALS, parent_ref="parent_gid"),
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
        reference("target", "The task or goal to which the story belongs."),
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
            path="/attachments", params=_BY_PARENT, parent=TASKS, parent_ref="parent_gid", version_columns=TASK_VERSION
        ),
        Listing(
            path="/attachments",
            params=_BY_PARENT,
            parent=SUBTASKS,
            parent_ref="parent_gid",
            version_columns=TASK_VERSION,
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
    grain="one status update of a project, a portfolio or a goal",
    notes="`parent_gid` is a `gid` of `projects`, `portfolios` or `goals`. Status updates of portfolios and goals are "
    "included if `portfolios` and `goals` are synced, too.",
    reference="status-updates",
    listings=(
        Listing(
            path="/status_updates",
            params=_BY_PARENT,
            parent=PROJECTS,
            parent_ref="parent_gid",
            version_columns=_CURRENT_STATUS_UPDATE,
        ),
        Listing(
            path="/status_updates",
            params=_BY_PARENT,
            parent=PORTFOLIOS,
            parent_ref="parent_gid",
            version_columns=_CURRENT_STATUS_UPDATE,
        ),
        Listing(
            path="/status_updates",
            params=_BY_PARENT,
            parent=GOALS,
            parent_ref="parent_gid",
            version_columns=_CURRENT_STATUS_UPDATE,
        ),
    ),
    refresh_after_days=30,
    columns=(
        RESOURCE_TYPE,
        text("title", "Title of the status update."),
        text(
            "resource_subtype",
            "Kind of parent: project_status_update, portfolio_status_update or goal_status_update.",
        ),
        text("text", "Text of the status update."),
        text("html_text", "Text of the status update as HTML."),
        text(
            "status_type",
            "Reported status: on_track, at_risk, off_track, on_hold or complete, or how it ended: "
            "achieved, partial, missed or dropped.",
        ),
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
