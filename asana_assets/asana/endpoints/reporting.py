"""Goals, their time periods, and portfolios."""

from asana_assets.asana.endpoints.people import WORKSPACES
from asana_assets.asana.field_types import (
    TEXT,
    Column,
    boolean,
    date,
    integer,
    number,
    reference,
    references,
    struct,
    text,
)
from asana_assets.asana.model import GID, RESOURCE_TYPE, Endpoint, Listing
from asana_assets.asana.shared_columns import (
    COLOR,
    CREATED_AT,
    CURRENT_STATUS_UPDATE,
    CUSTOM_FIELD_SETTINGS,
    CUSTOM_FIELDS,
    DEFAULT_ACCESS_LEVEL,
    FOLLOWERS,
    HTML_NOTES,
    LIKED,
    LIKES,
    MEMBER,
    NAME,
    NOTES,
    NUM_LIKES,
    PERMALINK_URL,
)

PORTFOLIOS = Endpoint(
    name="portfolios",
    group="reporting",
    grain="one portfolio",
    notes="What a portfolio contains is in `portfolio_items`.",
    limited_to="the portfolios that the token's user owns; with the token of a service account, those of all users",
    reference="portfolios",
    oauth_scope="portfolios:read",
    plan="Advanced",
    listings=(Listing(path="/portfolios", params={"workspace": "{workspace}"}, parent=WORKSPACES),),
    columns=(
        RESOURCE_TYPE,
        NAME,
        boolean("archived", "True if the portfolio is archived."),
        COLOR,
        date("start_on", "Day on which work for the portfolio begins; null without a start date."),
        date("due_on", "Day on which the portfolio is due; null without a due date."),
        text("default_access_level", "Access of new members: admin, editor or viewer."),
        CREATED_AT,
        reference("created_by", "The user who created the portfolio."),
        CUSTOM_FIELD_SETTINGS,
        CURRENT_STATUS_UPDATE,
        CUSTOM_FIELDS,
        references("members", "The users who are members of the portfolio."),
        reference("owner", "The user who owns the portfolio."),
        PERMALINK_URL,
        boolean("public", "True if all members of the workspace may see the portfolio."),
        text("privacy_setting", "Who may see the portfolio: public_to_domain or members_only."),
        references("project_templates", "The project templates that are in the portfolio."),
    ),
)

PORTFOLIO_ITEMS = Endpoint(
    name="portfolio_items",
    group="reporting",
    grain="one item of one portfolio: a project, or a portfolio within it",
    notes="`parent_gid` is the portfolio; `item_gid` is a `gid` of `projects` or `portfolios`, as its `resource_type` "
    "says. An item of several portfolios has a row for each. Portfolios of other users can be items, too; what these "
    "contain is only here if Asana lists them in `portfolios`.",
    reference="portfolios",
    oauth_scope="portfolios:read",
    plan="Advanced",
    listings=(Listing(path="/portfolios/{parent}/items", parent=PORTFOLIOS, parent_ref="parent_gid"),),
    columns=(
        Column(name="item_gid", field="gid", type=TEXT, doc="The project or portfolio that is in the portfolio."),
        RESOURCE_TYPE,
        NAME,
    ),
)

PORTFOLIO_MEMBERSHIPS = Endpoint(
    name="portfolio_memberships",
    group="reporting",
    grain="one user or team that is a member of one portfolio",
    notes="`parent_gid` is the portfolio; `member.gid` is a `gid` of `users` or `teams`, as `member.resource_type` "
    "says.",
    reference="memberships",
    plan="Advanced",
    # `/portfolio_memberships` lists users only.
    listings=(Listing(path="/memberships", params={"parent": "{parent}"}, parent=PORTFOLIOS, parent_ref="parent_gid"),),
    # The specification has no opt_fields for this listing; Asana applies them to every response.
    columns=(
        RESOURCE_TYPE,
        text("resource_subtype", "Kind of membership: portfolio_membership."),
        MEMBER,
        text("access_level", "What the member may do in the portfolio: admin, editor or viewer."),
    ),
)

TIME_PERIODS = Endpoint(
    name="time_periods",
    group="reporting",
    grain="one period of a fiscal year for which goals are set",
    notes="A quarter belongs to a half year, and a half year to a year: see `parent_gid`.",
    reference="time-periods",
    plan="Advanced",
    listings=(Listing(path="/time_periods", params={"workspace": "{workspace}"}, parent=WORKSPACES),),
    columns=(
        RESOURCE_TYPE,
        date("end_on", "Last day of the period."),
        date("start_on", "First day of the period."),
        text("period", "Which part of the year: FY for all of it, H1 or H2, or Q1 to Q4."),
        text("display_name", "Part of the year and the fiscal year, such as Q1 FY22."),
        reference("parent", "The longer period that contains this one; null for a year."),
    ),
)

GOALS = Endpoint(
    name="goals",
    group="reporting",
    grain="one goal that is visible to the token",
    notes="Closed goals are included. What supports a goal is in `goal_relationships`.",
    reference="goals",
    oauth_scope="goals:read",
    plan="Advanced",
    listings=(Listing(path="/goals", params={"workspace": "{workspace}"}, parent=WORKSPACES),),
    columns=(
        RESOURCE_TYPE,
        NAME,
        HTML_NOTES,
        NOTES,
        date("due_on", "Day on which the goal is due; null without a due date."),
        date("start_on", "Day on which work for the goal begins; null without a start date."),
        boolean(
            "is_workspace_level", "True if the goal is one of the whole organization, false if it is one of a team."
        ),
        LIKED,
        LIKES,
        NUM_LIKES,
        reference("team", "The team whose goal it is; null for a goal of the whole organization."),
        FOLLOWERS,
        reference("time_period", "The period for which the goal is set; null without one."),
        struct(
            "metric",
            GID,
            text("resource_subtype", "Type of the metric: number."),
            integer("precision", "Decimal places with which the values are displayed, in percent if that is the unit."),
            text("unit", "Unit of the values: none, currency or percentage."),
            text("currency_code", "ISO 4217 code of values in a currency; otherwise null."),
            number("initial_number_value", "Value at the start, 0.25 for 25 percent."),
            number("target_number_value", "Value at which the goal is achieved, 0.25 for 25 percent."),
            number("current_number_value", "Latest value, 0.25 for 25 percent."),
            text("current_display_value", "Latest value as Asana displays it."),
            text(
                "progress_source",
                "Source of the latest value: manual, subgoal_progress, project_task_completion, "
                "project_milestone_completion, task_completion or external.",
            ),
            boolean("is_custom_weight", "True if what supports the goal contributes with weights that users set."),
            boolean("can_manage", "True if the token's user may change the metric."),
            doc="How the progress of the goal is measured; null without a metric.",
        ),
        reference("owner", "The user who owns the goal; null without an owner."),
        CURRENT_STATUS_UPDATE,
        text(
            "status",
            "Status of an open goal: green, yellow or red; of a closed one: achieved, partial, missed or dropped.",
        ),
        text("privacy_setting", "Who may see the goal: public_to_workspace or members_only."),
        DEFAULT_ACCESS_LEVEL,
        CUSTOM_FIELDS,
        CUSTOM_FIELD_SETTINGS,
    ),
)

GOAL_RELATIONSHIPS = Endpoint(
    name="goal_relationships",
    group="reporting",
    grain="one goal, project, portfolio or task that supports one goal",
    notes="`supporting_resource.gid` is a `gid` of `goals`, `projects`, `portfolios` or `tasks`, as its "
    "`resource_type` says.",
    reference="goal-relationships",
    plan="Advanced",
    listings=(
        Listing(
            path="/goal_relationships",
            params={"supported_goal": "{parent}"},
            parent=GOALS,
            parent_ref="supported_goal_gid",
        ),
    ),
    columns=(
        RESOURCE_TYPE,
        text("resource_subtype", "What supports the goal: subgoal, or supporting_work for anything else."),
        struct(
            "supporting_resource",
            GID,
            RESOURCE_TYPE,
            doc="The goal, project, portfolio or task that supports the goal, and its type.",
        ),
        number("contribution_weight", "Share with which its progress counts in that of the goal, from 0 to 1."),
        reference("supported_goal", "The goal that is supported."),
    ),
)
