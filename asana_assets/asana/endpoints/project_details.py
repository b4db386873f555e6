"""What belongs to a project besides work: its brief, its members, its portfolios and requests for access."""

from asana_assets.asana.endpoints.work import PROJECTS
from asana_assets.asana.field_types import boolean, reference, text
from asana_assets.asana.model import RESOURCE_TYPE, Endpoint, Listing
from asana_assets.asana.shared_columns import CREATED_AT, MEMBER, PERMALINK_URL

PROJECT_BRIEFS = Endpoint(
    name="project_briefs",
    group="work",
    grain="the brief of one project",
    notes="Its attachments are in `attachments`.\n\nKnown gap: A change of the brief that does not modify its project "
    "may be up to a day late.",
    reference="project-briefs",
    listings=(
        Listing(
            path="/project_briefs/{parent}",
            parent=PROJECTS,
            parent_column="project_brief_gid",
            parent_ref="gid",
            version_columns=("modified_at",),
            single=True,
        ),
    ),
    refresh_after_days=1,
    columns=(
        RESOURCE_TYPE,
        text("title", "Title of the brief."),
        text("html_text", "Text of the brief as HTML."),
        text("text", "Text of the brief."),
        PERMALINK_URL,
        reference("project", "The project that the brief describes."),
    ),
)

PROJECT_MEMBERSHIPS = Endpoint(
    name="project_memberships",
    group="people",
    grain="one user or team that is a member of one project",
    notes="`parent_gid` is the project; `member.gid` is a `gid` of `users` or `teams`, as `member.resource_type` says."
    "\n\nKnown gap: A changed access level, and a team that was added or removed, may be up to a day late.",
    reference="memberships",
    listings=(
        Listing(
            path="/memberships",
            params={"parent": "{parent}"},
            parent=PROJECTS,
            parent_ref="parent_gid",
            version_columns=("modified_at", "team_gid", "privacy_setting", "default_access_level", "member_gids"),
        ),
    ),
    refresh_after_days=1,
    # The specification has no opt_fields for this listing; Asana applies them to every response.
    columns=(
        RESOURCE_TYPE,
        text("resource_subtype", "Kind of membership: project_membership."),
        MEMBER,
        text("access_level", "What the member may do in the project: admin, editor, commenter or viewer."),
    ),
)

PROJECT_PORTFOLIO_SETTINGS = Endpoint(
    name="project_portfolio_settings",
    group="reporting",
    grain="one project in one portfolio, as far as access is concerned",
    notes="`portfolio_gid` can be a portfolio that is not in `portfolios`.\n\nKnown gap: What does not modify the "
    "project may be up to a day late.",
    reference="project-portfolio-settings",
    oauth_scope="project_portfolio_settings:read",
    plan="Advanced",
    listings=(
        Listing(
            path="/projects/{parent}/project_portfolio_settings",
            parent=PROJECTS,
            parent_ref="project_gid",
            version_columns=("modified_at",),
        ),
    ),
    refresh_after_days=1,
    columns=(
        RESOURCE_TYPE,
        reference("project", "The project that is in the portfolio."),
        reference("portfolio", "The portfolio that contains the project."),
        boolean("is_access_control_inherited", "True if members of the portfolio have access to the project."),
        CREATED_AT,
    ),
)

ACCESS_REQUESTS = Endpoint(
    name="access_requests",
    group="administration",
    grain="one pending request of a user for access to a project",
    notes="Requests for access to portfolios are not included.\n\nKnown gap: A request, and its end, may be up to a "
    "day late.",
    reference="access-requests",
    listings=(
        Listing(
            path="/access_requests",
            params={"target": "{parent}"},
            parent=PROJECTS,
            parent_ref="target_gid",
            version_columns=("modified_at",),
            paged=False,
        ),
    ),
    refresh_after_days=1,
    columns=(
        RESOURCE_TYPE,
        text("message", "What the user wrote; null without a message."),
        text("approval_status", "Status of the request: pending, approved or denied."),
        reference("requester", "The user who requests access."),
        reference("target", "The project to which the user requests access."),
    ),
)
