"""The time tracking entries and the audit log of a generated organization."""

from __future__ import annotations

from random import Random
from typing import TYPE_CHECKING

from asana_assets.sandbox.data.streams_factory import NewEvent

if TYPE_CHECKING:
    from asana_assets.sandbox.data.builder import Builder
    from asana_assets.sandbox.data.model import Object

_ENTRIES = 130  # two pages
_EVENTS = 210  # three pages
_HOURS_BETWEEN_EVENTS = 7
_EVENT_TYPES = (
    ("user_login_succeeded", "logins"),
    ("task_deleted", "deletion"),
    ("workspace_export_started", "exports"),
    ("user_invited", "user_updates"),
)


def add_streams(builder: Builder, workspace: Object) -> None:
    """Add time tracking entries and an audit log, with randomness of their own."""
    organization = builder.organization
    random = Random(f"streams {organization.seed}")  # noqa: S311 - not a secret
    users = organization.users(workspace.gid)
    tasks = [one for project in organization.projects(workspace.gid) for one in _some_tasks(builder, project)]
    category = organization.new_category(workspace, "Development")
    for number in range(_ENTRIES):
        hours = random.uniform(0, 12_000)
        organization.new_time_entry(
            random.choice(tasks),
            random.choice(users),
            random.randrange(5, 480),
            entered_on=builder.day(hours),
            created_at=builder.at(hours),
            categories=(category,) if number % 3 == 0 else (),
            approval_status=("DRAFT", "SUBMITTED", "APPROVED", None)[number % 4],
            billable_status=("billable", "nonBillable")[number % 2],
            description=f"Worked on it, part {number}" if number % 5 == 0 else None,
        )
    organization.service_accounts.add(workspace.gid)
    for number in range(_EVENTS):
        event_type, category_name = _EVENT_TYPES[number % len(_EVENT_TYPES)]
        user = random.choice(users)
        organization.new_audit_event(
            workspace,
            NewEvent(
                event_type=event_type,
                event_category=category_name,
                created_at=builder.at(10_000 + number * _HOURS_BETWEEN_EVENTS),
                actor=None if number % 10 == 0 else user,
                resource=user if category_name in {"logins", "user_updates"} else random.choice(tasks),
                details={"old_value": None, "new_value": "member"} if number % 4 == 0 else {},
            ),
        )


def _some_tasks(builder: Builder, project: Object) -> list[Object]:
    return list(builder.organization.tasks_of_project(project.gid).objects[:10])
