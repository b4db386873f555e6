"""Time and money: categories of tracked time, timesheets, allocations, budgets and rates."""

from asana_assets.asana.endpoints.people import WORKSPACES
from asana_assets.asana.endpoints.work import PROJECTS
from asana_assets.asana.field_types import boolean, date, number, reference, struct, text
from asana_assets.asana.model import RESOURCE_TYPE, Endpoint, Listing
from asana_assets.asana.shared_columns import COLOR, CREATED_AT, NAME

_CATEGORIES = {"workspace": "{workspace}"}
_STATUS_FILTER = text("billable_status_filter", "Which time counts: billable, non_billable or any.")
_UNITS = text("units", "Unit of the value: minutes, or an ISO 4217 currency code; null if the value is disabled.")

TIME_TRACKING_CATEGORIES = Endpoint(
    name="time_tracking_categories",
    group="resourcing",
    grain="one category of tracked time, archived ones included",
    reference="time-tracking-categories",
    oauth_scope="time_tracking_categories:read",
    plan="Advanced",
    listings=(  # without `is_archived`, archived categories are left out
        Listing(path="/time_tracking_categories", params={**_CATEGORIES, "is_archived": "false"}, parent=WORKSPACES),
        Listing(path="/time_tracking_categories", params={**_CATEGORIES, "is_archived": "true"}, parent=WORKSPACES),
    ),
    columns=(
        RESOURCE_TYPE,
        NAME,
        COLOR,
        boolean("is_archived", "True if the category can no longer be chosen for new entries."),
    ),
)

TIMESHEET_APPROVAL_STATUSES = Endpoint(
    name="timesheet_approval_statuses",
    group="resourcing",
    grain="one timesheet: the week of one user, and whether it is approved",
    reference="timesheet-approval-statuses",
    oauth_scope="timesheet_approval_statuses:read",
    plan="Advanced",
    listings=(Listing(path="/timesheet_approval_statuses", params={"workspace": "{workspace}"}, parent=WORKSPACES),),
    columns=(
        RESOURCE_TYPE,
        CREATED_AT,
        reference("user", "The user whose timesheet it is."),
        date("start_date", "First day of the week."),
        date("end_date", "Last day of the week."),
        text("approval_status", "Status of the timesheet: DRAFT, SUBMITTED, APPROVED or REJECTED."),
    ),
)

ALLOCATIONS = Endpoint(
    name="allocations",
    group="resourcing",
    grain="one period for which one user or placeholder is allocated to one project",
    notes="`parent_gid` is the project. A placeholder stands for a person who is not known yet, and is not in `users`.",
    reference="allocations",
    plan="Advanced",
    listings=(Listing(path="/allocations", params={"workspace": "{workspace}"}, parent=WORKSPACES),),
    columns=(
        RESOURCE_TYPE,
        date("start_date", "First day of the allocation."),
        date("end_date", "Last day of the allocation."),
        struct(
            "effort",
            text("type", "Unit of the value: hours or percent."),
            number("value", "Number of hours, or percentage."),
            doc="How much of the person's time is allocated; null if it was not entered.",
        ),
        reference("assignee", "The user or placeholder who is allocated."),
        reference("created_by", "The user who created the allocation."),
        reference("parent", "The project to which the person is allocated."),
        text("resource_subtype", "Kind of allocation: project_allocation."),
    ),
)

BUDGETS = Endpoint(
    name="budgets",
    group="resourcing",
    grain="the budget of one project",
    notes="`parent_gid` is the project.\n\nKnown gap: A changed budget that does not modify its project, such as by "
    "tracked time, may be up to a day late.",
    reference="budgets",
    plan="Advanced",
    listings=(
        Listing(
            path="/budgets",
            params={"parent": "{parent}"},
            parent=PROJECTS,
            parent_ref="parent_gid",
            version_columns=("modified_at",),
            paged=False,
        ),
    ),
    refresh_after_days=1,
    # The specification has no opt_fields for this listing; Asana applies them to every response.
    columns=(
        RESOURCE_TYPE,
        text("budget_type", "What the budget limits: cost or time."),
        struct(
            "estimate",
            _STATUS_FILTER,
            text("source", "Source of the estimate: tasks, capacity_plans or none."),
            boolean("enabled", "True if the budget has an estimate."),
            _UNITS,
            number("value", "Estimated time or cost; null if it is disabled."),
            doc="What the work is estimated to take, which Asana computes.",
        ),
        struct(
            "actual",
            _STATUS_FILTER,
            number("value", "Tracked time, or its cost at the users' rates; null without any."),
            _UNITS,
            doc="What the work took so far, from the tracked time.",
        ),
        struct(
            "total",
            boolean("enabled", "True if the budget has a limit."),
            number("value", "Time or cost that users entered as the limit; null if it is disabled."),
            _UNITS,
            doc="The limit that users set.",
        ),
    ),
)

RATES = Endpoint(
    name="rates",
    group="resourcing",
    grain="the hourly rate of one user or placeholder in one project",
    notes="`parent_gid` is the project.\n\nKnown gap: A changed rate that does not modify its project may be up to a "
    "day late.",
    reference="rates",
    plan="Advanced",
    listings=(
        Listing(
            path="/rates",
            params={"parent": "{parent}"},
            parent=PROJECTS,
            parent_ref="parent_gid",
            version_columns=("modified_at",),
        ),
    ),
    refresh_after_days=1,
    # The specification has no opt_fields for this listing; Asana applies them to every response.
    columns=(
        RESOURCE_TYPE,
        reference("resource", "The user or placeholder to whom the rate applies."),
        number("rate", "Amount of money for an hour."),
        text("currency_code", "ISO 4217 code of the organization's currency."),
        reference("created_by", "The user who entered the rate."),
    ),
)
