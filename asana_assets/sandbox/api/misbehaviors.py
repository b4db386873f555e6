"""Behaviors that have a name: faults that real servers showed, for the command line and for tests.

They affect only responses; the organization, and with it the truth, stays as it is.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

from asana_assets.sandbox.api.faults import Fault

if TYPE_CHECKING:
    from typing import Unpack

    from asana_assets.sandbox.api.fault_kinds import FaultKind, FaultOptions
    from asana_assets.sandbox.data.organization import Organization

_Build: TypeAlias = "Callable[[Organization, int], list[Fault]]"
"""Takes the organization, and how many fetches of each listing are correct before the one that is not."""

_WORKSPACES = "/workspaces"
_USERS = "/users?workspace={gid}"
_PROJECTS = "/projects?workspace={gid}"
_TASKS = "/tasks?project={gid}"
_ASSIGNED_TASKS = "/tasks?assignee={gid}"
_TASK = "/tasks/{gid}"
_SECTIONS = "/projects/{gid}/sections"
_SUBTASKS = "/tasks/{gid}/subtasks"
_STORIES = "/tasks/{gid}/stories"
_ATTACHMENTS = "/attachments?parent={gid}"
_STATUS_UPDATES = "/status_updates?parent={gid}"
_SEARCH = "/workspaces/{gid}/tasks/search"
_TASK_RECORDS = (_TASKS, _ASSIGNED_TASKS, _SUBTASKS, _TASK)
_CHILDREN = (_SECTIONS, _SUBTASKS, _STORIES, _ATTACHMENTS, _STATUS_UPDATES)
_UNUSUAL_STATUSES = (408, 507, 520, 521, 522, 523, 524, 529, 598)
_BROKEN_KINDS: tuple[FaultKind, ...] = ("garbage", "empty", "truncated", "no_data", "reset")
_SCOPE_MESSAGE = "Forbidden: the token lacks the scope that this request requires."
_MAINTENANCE_REQUESTS = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class Misbehavior:
    """A behavior.

    Attributes:
        description: A full sentence.
        build: Builds its faults.
        clock_skew: Seconds that it sets the server's clock ahead.
    """

    description: str
    build: _Build = lambda _organization, _skip: []
    clock_skew: float = 0


def find_misbehavior(name: str) -> Misbehavior:
    """Return the behavior of this name.

    Raises:
        ValueError: There is none.
    """
    if name not in MISBEHAVIORS:
        raise ValueError(f"there is no misbehavior {name!r}; choose from {', '.join(MISBEHAVIORS)}")
    return MISBEHAVIORS[name]


def _always(*matches: str, kind: FaultKind, **options: Unpack[FaultOptions]) -> _Build:
    return lambda _organization, _skip: [Fault(match=match, kind=kind, **options) for match in matches]


def _once(*matches: str, kind: FaultKind, **options: Unpack[FaultOptions]) -> _Build:
    """Hit one fetch of each listing, from its first page to its last."""
    return _from_then_on(*matches, kind=kind, **{**options, "times": 1})


def _from_then_on(*matches: str, kind: FaultKind, **options: Unpack[FaultOptions]) -> _Build:
    """Hit every fetch of each listing after those that are skipped."""

    def build(_organization: Organization, skip: int) -> list[Fault]:
        counted: FaultOptions = {**options, "skip": skip, "counted_per": "listing", "whole_listing": True}
        return [Fault(match=match, kind=kind, **counted) for match in matches]

    return build


def _first_attempts(*kinds: FaultKind, fraction: float) -> _Build:
    """Hit the first request for some pages, with each kind a share of them."""
    share = fraction / len(kinds)

    def build(_organization: Organization, _skip: int) -> list[Fault]:
        return [Fault(match="*", kind=kind, times=1, counted_per="page", fraction=share) for kind in kinds]

    return build


def _failing_project(organization: Organization, _skip: int) -> list[Fault]:
    projects = (one for workspace in organization.workspaces() for one in organization.projects(workspace.gid))
    return [Fault(match=f"/tasks?project={project.gid}", kind=500) for project in list(projects)[:1]]


def _one_workspace_without_search(organization: Organization, _skip: int) -> list[Fault]:
    return [Fault(match=f"/workspaces/{one.gid}/tasks/search", kind=403) for one in organization.workspaces()[:1]]


def _maintenance(_organization: Organization, _skip: int) -> list[Fault]:
    return [Fault(match="*", kind=503, skip=20, times=_MAINTENANCE_REQUESTS, retry_after=5)]


def _broken_records(_organization: Organization, _skip: int) -> list[Fault]:
    return [
        Fault(match=_STORIES, kind="replaced_record", position=1, fraction=0.2),
        Fault(match=_TASKS, kind="missing_field", field="gid", position=1),
        Fault(match=_SECTIONS, kind="replaced_field", field="gid", value=12, position=1),
        Fault(match=_USERS, kind="replaced_record", value="a text", position=0),
    ]


MISBEHAVIORS: dict[str, Misbehavior] = {
    # One wrong response.
    "empty_workspaces": Misbehavior(
        description="The list of workspaces is empty once.", build=_once(_WORKSPACES, kind="empty_listing")
    ),
    "empty_projects": Misbehavior(
        description="Each workspace's list of projects is empty once.", build=_once(_PROJECTS, kind="empty_listing")
    ),
    "empty_tasks": Misbehavior(
        description="Each project's list of tasks is empty once.", build=_once(_TASKS, kind="empty_listing")
    ),
    "empty_children": Misbehavior(
        description="The sections, subtasks, stories, attachments and status updates of each parent are empty once.",
        build=_once(*_CHILDREN, kind="empty_listing"),
    ),
    "parents_not_found": Misbehavior(
        description="The sections, subtasks, stories, attachments and status updates of each parent are 404 once.",
        build=_once(*_CHILDREN, kind=404),
    ),
    "lost_records": Misbehavior(
        description="Every listing lacks nine in ten of its records once.",
        build=_once("*", kind="missing_some", lost=0.9),
    ),
    "lost_pages": Misbehavior(
        description="Every listing ends after its first page once.", build=_once("*", kind="early_end")
    ),
    "empty_pages": Misbehavior(
        description="In every listing, all pages after the first are empty once, although more follow.",
        build=_once("*", kind="empty_page", after_records=1),
    ),
    # Fields.
    "no_custom_fields": Misbehavior(
        description="Tasks lose the field custom_fields and never get it back.",
        build=_from_then_on(*_TASK_RECORDS, kind="missing_field", field="custom_fields"),
    ),
    "no_num_subtasks": Misbehavior(
        description="Tasks lose the field num_subtasks and never get it back.",
        build=_from_then_on(*_TASK_RECORDS, kind="missing_field", field="num_subtasks"),
    ),
    "no_memberships": Misbehavior(
        description="The field memberships of tasks becomes null and stays null.",
        build=_from_then_on(*_TASK_RECORDS, kind="replaced_field", field="memberships"),
    ),
    # One bad object.
    "failing_parents": Misbehavior(
        description="The stories of one task in ten always fail with 500.",
        build=_always(_STORIES, kind=500, fraction=0.1),
    ),
    "rejected_parents": Misbehavior(
        description="The stories of one task in ten are always rejected with 400.",
        build=_always(_STORIES, kind=400, fraction=0.1),
    ),
    "hanging_parents": Misbehavior(
        description="The stories of one task in twenty never arrive.",
        build=_always(_STORIES, kind="hang", fraction=0.05, hang_seconds=600),
    ),
    "failing_project": Misbehavior(
        description="The tasks of the first project always fail with 500.", build=_failing_project
    ),
    "broken_records": Misbehavior(
        description="Some records are null, a text, or have no gid or a number as their gid.", build=_broken_records
    ),
    "cut_emojis": Misbehavior(
        description="The name of the first task of each project ends with half an emoji, as an escaped surrogate.",
        build=_always(_TASKS, kind="lone_surrogate", field="name", position=0),
    ),
    "invalid_utf8": Misbehavior(
        description="The name of the first task of each project ends with bytes that are not UTF-8.",
        build=_always(_TASKS, kind="invalid_utf8", field="name", position=0),
    ),
    # Long listings.
    "truncated_listings": Misbehavior(
        description="Listings of more than 100 records always end in a 400 after the first 100.",
        build=_always("*", kind="too_large", after_records=100),
    ),
    "expired_offsets": Misbehavior(
        description="In every listing, the first offset that is used has expired.",
        build=_always("*", kind="expired_offset", times=1, counted_per="listing"),
    ),
    "endless_listings": Misbehavior(
        description="The stories of one task in ten never end: their first page is sent again and again.",
        build=_always(_STORIES, kind="endless_pages", fraction=0.1),
    ),
    "endless_empty_pages": Misbehavior(
        description="The stories of one task in ten never end: empty pages follow the last one.",
        build=_always(_STORIES, kind="endless_empty_pages", fraction=0.1),
    ),
    # Status codes and pressure.
    "unusual_statuses": Misbehavior(
        description="One request in five fails at first, with 408 or an unusual 5xx such as 520 or 598.",
        build=_first_attempts(*_UNUSUAL_STATUSES, fraction=0.2),
    ),
    "broken_responses": Misbehavior(
        description="One request in five fails at first: HTML, an empty, truncated or incomplete body, or a reset.",
        build=_first_attempts(*_BROKEN_KINDS, fraction=0.2),
    ),
    "maintenance": Misbehavior(
        description="After 20 requests, the next 5 are rejected with 503 and a Retry-After of 5 seconds.",
        build=_maintenance,
    ),
    "small_pages_only": Misbehavior(
        description="Requests for pages of more than 25 records fail with 504.",
        build=_always("*", kind=504, limit_above=25),
    ),
    "costly_pages": Misbehavior(
        description="Requests for pages of more than 25 records are rejected with 429 and a Retry-After of 60 seconds.",
        build=_always("*", kind=429, limit_above=25, retry_after=60),
    ),
    "slow_projects": Misbehavior(
        description="The projects of a workspace always time out with 504, those of a team do not.",
        build=_always(_PROJECTS, kind=504),
    ),
    "login_page": Misbehavior(
        description="Every request is redirected to a login page with 302.", build=_always("*", kind=302)
    ),
    # Permissions.
    "no_section_scope": Misbehavior(
        description="The sections of every project are forbidden with 403, as if the token lacked a scope.",
        build=_always(_SECTIONS, kind=403, message=_SCOPE_MESSAGE),
    ),
    "no_story_scope": Misbehavior(
        description="The stories of every task are forbidden with 403, as if the token lacked a scope.",
        build=_always(_STORIES, kind=403, message=_SCOPE_MESSAGE),
    ),
    "guest": Misbehavior(
        description="The lists of users are forbidden with 403, as for a guest.",
        build=_always("/users", "/workspaces/{gid}/users", kind=403),
    ),
    "no_search": Misbehavior(
        description="The search is forbidden with 403 in the first workspace.", build=_one_workspace_without_search
    ),
    # Search and time.
    "unsorted_search": Misbehavior(
        description="The results of searches are not sorted.", build=_always(_SEARCH, kind="shuffled")
    ),
    "clock_ahead": Misbehavior(description="The server's clock is ten minutes ahead.", clock_skew=600),
    "clock_behind": Misbehavior(description="The server's clock is ten minutes behind.", clock_skew=-600),
}
"""By name, in the order of the help text. Whatever happens once happens to each listing on its own."""
