"""A deterministic organization: the same seed and scale give the same gids, names and instants, always.

`traps` holds the fixtures that a naive sync stumbles over; here is everything around them.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from random import Random
from typing import TYPE_CHECKING

from asana_assets.sandbox.custom_fields import build_custom_fields
from asana_assets.sandbox.edge_cases import add_paid_traps, add_small_workspaces
from asana_assets.sandbox.expected import truth_objects
from asana_assets.sandbox.factory import Dates, NewTask
from asana_assets.sandbox.model import date, instant
from asana_assets.sandbox.organization import Organization

if TYPE_CHECKING:
    from asana_assets.sandbox.model import Object, Struct

_START = 1_704_099_600_000  # 2024-01-01T09:00Z
_HOUR = 3_600_000
_HOURS = 500 * 24

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
_AREA = ("Website", "Hiring", "Q3 launch", "Support", "Data platform", "Events", "Catalogue", "Office move", "Research")
_COMMENT = (
    "Done on my side.",
    "Can we do this on Monday?",
    "Sieht gut aus 👍",
    "See the attachment.",
    "Blocked, sorry.",
)
_SYSTEM = (
    ("assigned", "assigned this task"),
    ("due_date_changed", "changed the due date"),
    ("section_changed", "moved this task"),
    ("follower_added", "added a follower"),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Scale:
    """How much the paid organization holds. Counts include its fixtures, so that none is below them."""

    users: int = 6
    teams: int = 3
    projects: int = 5
    tasks_per_project: float = 6
    subtasks_per_task: float = 0.6
    stories_per_task: float = 3
    """Per task and subtask."""
    attachments_per_task: float = 0.2
    sections_per_project: int = 3
    tags: int = 5
    tasks_without_project: int = 3
    generated_tasks: int = 0
    """In one more project, beyond the counts above: as many as you like, for they take no memory."""
    small_workspaces: bool = True
    """Whether there are a free organization and a personal workspace beside the paid one."""


SCALES: dict[str, Scale] = {
    "tiny": Scale(),
    "demo": Scale(users=12, teams=4, projects=9, tasks_per_project=12, subtasks_per_task=0.8, stories_per_task=4),
    "reference": Scale(
        users=10,
        projects=12,
        tasks_per_project=20.5,
        subtasks_per_task=196 / 246,
        stories_per_task=1889 / 442,
        small_workspaces=False,
    ),
}


def scale_of(scale: str | Scale, **knobs: float) -> Scale:
    """A named scale, or one given, with some numbers replaced.

    Raises:
        ValueError: no scale has that name.
    """
    if isinstance(scale, str):
        if scale not in SCALES:
            raise ValueError(f"no scale {scale!r}: one of {', '.join(SCALES)}")
        scale = SCALES[scale]
    return replace(scale, **knobs)  # type: ignore[arg-type]


class Builder:
    """What the generator and the fixtures share: the organization, its randomness, its people and instants."""

    def __init__(self, organization: Organization) -> None:
        self.organization = organization
        self.random = Random(organization.seed)  # noqa: S311 - not a secret

    def at(self, hours: float) -> str:
        """That many hours after the generated past begins."""
        return instant(_START + round(hours * _HOUR))

    def day(self, hours: float) -> str:
        return date(_START + round(hours * _HOUR))

    def hours(self) -> float:
        """A random point of the generated past, to the millisecond."""
        return self.random.randrange(_HOURS * _HOUR) / _HOUR

    def person(self) -> str:
        return f"{self.random.choice(_FIRST)} {self.random.choice(_LAST)}"

    def title(self) -> str:
        return f"{self.random.choice(_VERB)} {self.random.choice(_NOUN)}"

    def add_member(self, workspace: Object, name: str, hours: float = 0, *, admin: bool = False) -> Object:
        mail = f"user{len(self.organization.memberships)}@example.com"
        user = self.organization.new_user(name, mail, photo=self.random.random() < 0.5)  # noqa: PLR2004
        self.organization.new_membership(workspace, user, self.at(hours), admin=admin)
        return user

    def task(self, workspace: Object, name: str, project: Object | None = None, new: NewTask | None = None) -> Object:
        """A task, in a section of the project if one is given."""
        task = self.organization.new_task(workspace, name, new or NewTask(created_at=self.at(self.hours())))
        if project is not None:
            section = self.random.choice(self.organization.sections[project.gid])
            self.organization.place(task, project, section, self.organization.new_rank())
        return task


class _Filler:
    """Ordinary work in the paid organization, up to the numbers of the scale."""

    def __init__(self, builder: Builder, workspace: Object, scale: Scale) -> None:
        self.builder = builder
        self.organization = builder.organization
        self.random = builder.random
        self.workspace = workspace
        self.scale = scale
        self.people = self.organization.users(workspace.gid)
        self.fields = build_custom_fields(self.organization, tuple(self.people), ())

    def fill(self) -> None:
        scale, workspace = self.scale, self.workspace
        organization = self.organization
        teams = list(organization.listed(workspace.gid, "team").values())
        while len(teams) < scale.teams:
            teams.append(organization.new_team(workspace, f"{self.random.choice(_AREA)} team", "Ordinary work"))
            for user in self.random.sample(self.people, min(3, len(self.people))):
                organization.new_team_membership(teams[-1], user)
        while len(organization.listed(workspace.gid, "tag")) < scale.tags:
            at = self.builder.at(self.builder.hours())
            organization.new_tag(workspace, f"tag {len(organization.listed(workspace.gid, 'tag'))}", at, "light-blue")
        while len(organization.projects(workspace.gid)) < scale.projects:
            self._project(self.random.choice(teams))
        projects = organization.projects(workspace.gid)
        ordinary = [project for project in projects if project.gid not in organization.edge_cases.values()] or projects
        tasks = self._tasks(ordinary)
        subtasks = self._subtasks(tasks)
        self._stories([*tasks, *subtasks])
        work = [*tasks, *subtasks]
        for _ in range(round(scale.attachments_per_task * len(work))):
            task = self.random.choice(work)
            at, size = self.builder.at(self.builder.hours()), self.random.randint(100, 10**7)
            organization.new_attachment(task, f"notes {self.random.randint(1, 99)}.txt", at, size=size)
        if scale.generated_tasks:
            organization.new_bulk_project(workspace, "Bulk", self.builder.at(0), scale.generated_tasks)

    def _project(self, team: Object) -> None:
        count = len(self.organization.projects(self.workspace.gid))
        hours = self.builder.hours()
        members = tuple(self.random.sample(self.people, min(3, len(self.people))))
        sections = [f"Step {number}" for number in range(1, self.scale.sections_per_project + 1)]
        project = self.organization.new_project(
            self.workspace,
            f"{self.random.choice(_AREA)} {count}",
            self.builder.at(hours),
            team=team,
            owner=members[0],
            members=members,
            notes="What we do here.",
            sections=sections,
        )
        project.fields |= {"due_on": self.builder.day(hours + 2000), "start_on": self.builder.day(hours + 10)}
        project.fields["custom_field_settings"] = tuple(
            {
                "gid": self.organization.new_gid(),
                "resource_type": "custom_field_setting",
                "is_important": custom is self.fields[1],
                "project": project,
                "parent": project,
                "custom_field": custom.definition,
            }
            for custom in self.fields[:4]
        )
        if self.random.random() < 0.6:  # noqa: PLR2004
            author, at = self.random.choice(self.people), self.builder.at(hours + 100)
            self.organization.new_status(project, "on_track", "Weekly status", author=author, created_at=at)

    def _tasks(self, projects: list[Object]) -> list[Object]:
        total = round(self.scale.projects * self.scale.tasks_per_project)
        known = self._count("tasks")
        free = self.scale.tasks_without_project
        tasks = [
            self.builder.task(self.workspace, self.builder.title(), projects[number % len(projects)], self._new())
            for number in range(max(0, total - known - free))
        ]
        for _ in range(free):
            new = replace(self._new(), assignee=self.random.choice(self.people))
            tasks.append(self.builder.task(self.workspace, self.builder.title(), None, new))
        return tasks

    def _subtasks(self, tasks: list[Object]) -> list[Object]:
        total = round(self.scale.projects * self.scale.tasks_per_project * self.scale.subtasks_per_task)
        known = self._count("subtasks")
        parents = tasks[: max(1, len(tasks) // 3)]
        made: list[Object] = []
        for number in range(max(0, total - known) if parents else 0):
            new = replace(self._new(), parent=parents[number % len(parents)], assignee=None, assigner=None)
            made.append(self.builder.task(self.workspace, self.builder.title(), None, new))
        return made

    def _stories(self, tasks: list[Object]) -> None:
        known = self._count("stories")
        total = round((self._count("tasks") + self._count("subtasks")) * self.scale.stories_per_task)
        for number in range(max(0, total - known) if tasks else 0):
            self._story(tasks[number % len(tasks)], self.builder.at(self.builder.hours()))

    def _story(self, task: Object, at: str) -> None:
        creator = self.random.choice(self.people)
        if self.random.random() < 0.4:  # noqa: PLR2004
            self.organization.new_story(task, "comment_added", self.random.choice(_COMMENT), at, creator)
        else:
            subtype, text = self.random.choice(_SYSTEM)
            self.organization.new_story(task, subtype, text, at, creator)
        task.fields["modified_at"] = max(at, task.text("modified_at"))

    def _count(self, endpoint: str) -> int:
        self.organization.mark_changed()  # listings are remembered until then
        return len(truth_objects(self.organization, endpoint, self.workspace.gid))

    def _new(self) -> NewTask:
        hours = self.builder.hours()
        assignee = self.random.choice(self.people) if self.random.random() < 0.7 else None  # noqa: PLR2004
        creator = self.random.choice(self.people)
        done = self.builder.at(hours + self.random.randint(1, 900)) if self.random.random() < 0.5 else None  # noqa: PLR2004
        tags = list(self.organization.listed(self.workspace.gid, "tag").values())
        return NewTask(
            created_at=self.builder.at(hours),
            creator=creator,
            assignee=assignee,
            assigner=creator if assignee is not None else None,
            notes="As discussed.\nSee the brief." if self.random.random() < 0.3 else "",  # noqa: PLR2004
            dates=Dates(due_on=self.builder.day(hours + self.random.randint(24, 2000))),
            completed_at=done,
            completed_by=assignee if done is not None else None,
            custom_fields=self._custom_values(),
            followers=(creator,),
            likers=(creator,) if self.random.random() < 0.1 else (),  # noqa: PLR2004
            tags=(self.random.choice(tags),) if tags and self.random.random() < 0.2 else (),  # noqa: PLR2004
            minutes=self.random.choice((None, None, 0, 30, 95)),
        )

    def _custom_values(self) -> tuple[Struct, ...]:
        return tuple(self.random.choice(custom.values) for custom in self.fields[:4])


def build_organization(*, seed: int = 1, scale: str | Scale = "tiny", **knobs: float) -> Organization:
    """What one token sees: a paid organization of that scale, a free organization, a personal workspace."""
    scale = scale_of(scale, **knobs)
    organization = Organization(seed)
    builder = Builder(organization)
    paid = organization.new_workspace("Catnip & Co.", organization=True, paid=True, domains=("example.com",))
    organization.edge_cases["paid_organization"] = paid.gid
    organization.me = builder.add_member(paid, "Token Owner", admin=True)
    organization.edge_cases["me"] = organization.me.gid
    for _ in range(scale.users - 3):  # the token's user is one, the fixtures bring two
        builder.add_member(paid, builder.person(), builder.hours())
    add_paid_traps(builder, paid)
    _Filler(builder, paid, scale).fill()
    if scale.small_workspaces:
        add_small_workspaces(builder)
    organization.mark_changed()
    return organization
