"""What the generators of an organization share: one source of randomness, names and instants."""

from __future__ import annotations

from random import Random
from typing import TYPE_CHECKING

from asana_assets.sandbox.data.model import format_date, format_instant
from asana_assets.sandbox.data.task_factory import NewTask

if TYPE_CHECKING:
    from asana_assets.sandbox.data.model import Object
    from asana_assets.sandbox.data.organization import Organization

_START = 1_704_099_600_000  # 2024-01-01T09:00Z, in milliseconds
_HOUR = 3_600_000
_DURATION_HOURS = 500 * 24

_FIRST = ("Ann", "Bo", "Chidi", "Dörte", "Eun-ji", "Farah", "Goran", "Hana", "Íris", "João", "Kofi", "Léa", "Mei")
_LAST = ("Abe", "Braun", "Costa", "Díaz", "Eze", "Fischer", "Gupta", "Hansen", "Ito", "Jansen", "Kowalski", "Lund")
_VERB = ("Draft", "Review", "Ship", "Test", "Fix", "Translate", "Plan", "Measure", "Order", "Call about", "Clean up")
_NOUN = (
    "the invoice",
    "landing page",
    "release notes",
    "catnip order",
    "onboarding",
    "API client",
    "budget 💶",
    "logo",
)


class Builder:
    """Fills an organization reproducibly.

    Time is counted in hours since 2024-01-01T09:00Z; everything generated happened within 500 days of it.
    """

    def __init__(self, organization: Organization) -> None:
        self.organization = organization
        self.random = Random(organization.seed)  # noqa: S311 - not a secret

    def at(self, hours: float) -> str:
        """Return the instant that many hours after the start."""
        return format_instant(_START + round(hours * _HOUR))

    def day(self, hours: float) -> str:
        """Return the date that many hours after the start."""
        return format_date(_START + round(hours * _HOUR))

    def random_hours(self) -> float:
        """Return a random time, precise to the millisecond."""
        return self.random.randrange(_DURATION_HOURS * _HOUR) / _HOUR

    def random_instant(self) -> str:
        return self.at(self.random_hours())

    def chance(self, probability: float) -> bool:
        """Return true with this probability."""
        return self.random.random() < probability

    def person_name(self) -> str:
        return f"{self.random.choice(_FIRST)} {self.random.choice(_LAST)}"

    def task_name(self) -> str:
        return f"{self.random.choice(_VERB)} {self.random.choice(_NOUN)}"

    def add_member(self, workspace: Object, name: str, hours: float = 0, *, admin: bool = False) -> Object:
        """Create a user and the user's membership in the workspace."""
        email = f"user{len(self.organization.workspace_memberships)}@example.com"
        user = self.organization.new_user(name, email, photo=self.chance(0.5))
        self.organization.new_membership(workspace, user, self.at(hours), admin=admin)
        return user

    def add_task(
        self, workspace: Object, name: str, project: Object | None = None, new: NewTask | None = None
    ) -> Object:
        """Create a task, in a random section of the project if one is given."""
        task = self.organization.new_task(workspace, name, new or NewTask(created_at=self.random_instant()))
        if project is not None:
            section = self.random.choice(self.organization.sections[project.gid])
            self.organization.place(task, project, section, self.organization.new_rank())
        return task
