"""What is recorded over time: tracked hours, and the audit log."""

import datetime as dt

from asana_assets.asana.endpoints.people import WORKSPACES
from asana_assets.asana.field_types import date, integer, reference, references, struct, text
from asana_assets.asana.model import GID, RESOURCE_TYPE, Endpoint, Listing
from asana_assets.asana.shared_columns import CREATED_AT
from asana_assets.asana.window import Window

_ENTERED_ON = date("entered_on", "Day on which the time was spent, as the user entered it.")

TIME_TRACKING_ENTRIES = Endpoint(
    name="time_tracking_entries",
    group="activity",
    grain="one entry of time that a user spent on a task",
    notes="A task's total is the sum of `duration_minutes`; `entered_on` has no time of day and is in the time zone of "
    "the user.\n\nKnown gap: An entry for a day more than 30 days ago that is added, edited or deleted today may be up "
    "to 30 days late.",
    reference="time-tracking-entries",
    oauth_scope="time_tracking_entries:read",
    plan="Advanced",
    record_path="/time_tracking_entries/{gid}",
    refresh_after_days=30,
    listings=(
        Listing(
            path="/time_tracking_entries",
            params={"workspace": "{workspace}"},
            parent=WORKSPACES,
            version_columns=(),
            window=Window(
                param="entered_on_start_date",
                end_param="entered_on_end_date",
                column=_ENTERED_ON,
                overlap=dt.timedelta(days=30),
            ),
        ),
    ),
    columns=(
        RESOURCE_TYPE,
        integer("duration_minutes", "Time spent, in minutes."),
        _ENTERED_ON,
        reference("attributable_to", "The project to whose budget the time counts; null if the task has none."),
        reference("created_by", "The user who entered the time."),
        references("categories", "The time tracking categories of the entry.", name="category_gids"),
        # The specification has the rest for single entries only; Asana applies `opt_fields` to every response.
        reference("task", "The task on which the time was spent."),
        CREATED_AT,
        text("approval_status", "Approval of the entry: DRAFT, SUBMITTED, APPROVED or REJECTED; null without one."),
        text("billable_status", "Whether the time is billable, nonBillable or notApplicable; null if it is not set."),
        text("description", "What was done, as the user described it; null without a description."),
    ),
)

AUDIT_LOG_EVENTS = Endpoint(
    name="audit_log_events",
    group="administration",
    grain="one event of the organization's audit log, such as a login, an export or a change of a setting",
    notes="Asana keeps events for 90 days, so the first sync starts 90 days ago at most. Rows are never deleted, "
    "and an event is never changed. Only the token of a service account can read the audit log, of an organization on "
    "Enterprise+ or with the compliance add-on.\n\nKnown gap: `details` has the values that most types of events have "
    "in common; others are not stored.",
    reference="audit-log-api",
    plan="Enterprise+, with a service account",
    listings=(
        Listing(
            path="/workspaces/{parent}/audit_log_events",
            parent=WORKSPACES,
            only_if="is_organization",
            version_columns=(),
            window=Window(
                param="start_at", column=CREATED_AT, overlap=dt.timedelta(hours=1), retention=dt.timedelta(days=90)
            ),
            service_accounts_only=True,
        ),
    ),
    # The specification has no `opt_fields` for this listing.
    columns=(
        CREATED_AT,
        text("event_type", "What happened, such as task_deleted or user_login_succeeded."),
        text("event_category", "Category of `event_type`, such as deletion or logins."),
        struct(
            "actor",
            text("actor_type", "Kind of actor: user, asana, asana_support, anonymous or external_administrator."),
            GID,
            text("name", "Name of the user; null for other actors."),
            text("email", "Email address of the user; null for other actors."),
            doc="Who caused the event.",
        ),
        struct(
            "resource",
            text("resource_type", "Type of the object, such as task, user or workspace."),
            text("resource_subtype", "Subtype of the object; null for types without any."),
            GID,
            text("name", "Name of the object; null without one."),
            text("email", "Email address, if the object is a user."),
            doc="The object that the event affects most.",
        ),
        struct(
            "details",
            text("old_value", "Value before a change; null for other events."),
            text("new_value", "Value after a change; null for other events."),
            reference("group", "The group that the event concerns, such as a team; null for other events."),
            text("saml_response", "Response of the identity provider to a login; null for other events."),
            doc="Values that depend on the type of event.",
            atomic=True,
        ),
        struct(
            "context",
            text("context_type", "Where it happened: web, desktop, mobile, asana_support, asana, email or api."),
            text(
                "api_authentication_method",
                "How a request to the API was authenticated: cookie, oauth, personal_access_token or service_account.",
            ),
            text("client_ip_address", "IP address of the actor; null if it is unknown."),
            text("user_agent", "User agent of the actor's browser or app; null if it is unknown."),
            text("oauth_app_name", "Name of the OAuth app; null for other contexts."),
            text("rule_name", "Name of the rule that caused the event; null for other contexts."),
            integer("on_behalf_of_user_id", "User on whose behalf Asana's support acted; null for other contexts."),
            doc="How and from where the event was caused.",
        ),
    ),
)
