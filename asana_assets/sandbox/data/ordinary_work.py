"""Ordinary projects, tasks and stories, which fill a workspace up to the counts of a scale."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from asana_assets.sandbox.data.custom_fields import build_custom_fields
from asana_assets.sandbox.data.tables import table_objects
from asana_assets.sandbox.data.task_factory import Dates, NewTask

if TYPE_CHECKING:
    from asana_assets.sandbox.data.builder import Builder
    from asana_assets.sandbox.data.model import Object, Struct
    from asana_assets.sandbox.data.scale import Scale

GENERATED_PROJECT = "Generated"
"""Name of the project with the generated tasks."""

_AREA = ("Website", "Hiring", "Q3 launch", "Support", "Data platform", "Events", "Catalogue", "Office move", "Research")
_COMMENT = (
    "Done on my side.",
    "Can we do this on Monday?",
    "Sieht gut aus 👍",
    "See the attachment.",
    "Blocked, sorry.",
)
_SYSTEM_STORY = (
    ("assigned", "assigned this task"),
    ("due_date_changed", "changed the due date"),
    ("section_changed", "moved this task"),
    ("follower_added", "added a follower"),
)


def add_ordinary_work(builder: Builder, workspace: Object, scale: Scale) -> None:
    """Add what the workspace, with its edge cases, lacks to reach the scale."""
    _Filler(builder, workspace, scale).fill()


class _Filler:
    def __init__(self, builder: Builder, workspace: Object, scale: Scale) -> None:
        self.builder = builder
        self.organization = builder.organization
        self.random = builder.random
        self.workspace = workspace
        self.scale = scale
        self.people = self.organization.users(workspace.gid)
        custom_fields = build_custom_fields(self.organization, tuple(self.people), ())
        self.priority = custom_fields["enum"]
        self.project_fields = [custom_fields[kind] for kind in ("text", "enum", "multi_enum", "number")]

    def fill(self) -> None:
        organization, workspace, scale = self.organization, self.workspace, self.scale
        teams = self._add_teams()
        tags = organization.workspace_objects(workspace.gid, "tag")
        while len(tags) < scale.tags:
            organization.new_tag(workspace, f"tag {len(tags)}", self.builder.random_instant(), "light-blue")
        while len(organization.projects(workspace.gid)) < scale.projects:
            self._add_project(self.random.choice(teams))
        projects = organization.projects(workspace.gid)
        edge_cases = organization.edge_cases.values()
        ordinary = [project for project in projects if project.gid not in edge_cases] or projects
        tasks = self._add_tasks(ordinary)
        work = [*tasks, *self._add_subtasks(tasks)]
        self._add_stories(work)
        for _ in range(round(scale.attachments_per_task * len(work))):
            task = self.random.choice(work)
            created_at, size = self.builder.random_instant(), self.random.randint(100, 10**7)
            organization.new_attachment(task, f"notes {self.random.randint(1, 99)}.txt", created_at, size=size)
        if scale.generated_tasks:
            organization.new_generated_project(workspace, GENERATED_PROJECT, self.builder.at(0), scale.generated_tasks)

    def _add_teams(self) -> list[Object]:
        organization = self.organization
        teams = list(organization.workspace_objects(self.workspace.gid, "team").values())
        while len(teams) < self.scale.teams:
            name = f"{self.random.choice(_AREA)} team"
            teams.append(organization.new_team(self.workspace, name, "Ordinary work"))
            for user in self.random.sample(self.people, min(3, len(self.people))):
                organization.new_team_membership(teams[-1], user)
        return teams

    def _add_project(self, team: Object) -> None:
        count = len(self.organization.projects(self.workspace.gid))
        hours = self.builder.random_hours()
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
                "is_important": custom_field is self.priority,
                "project": project,
                "parent": project,
                "custom_field": custom_field.definition,
            }
            for custom_field in self.project_fields
        )
        if self.builder.chance(0.6):
            author, created_at = self.random.choice(self.people), self.builder.at(hours + 100)
            self.organization.new_status(project, "on_track", "Weekly status", author=author, created_at=created_at)

    def _add_tasks(self, projects: list[Object]) -> list[Object]:
        target = round(self.scale.projects * self.scale.tasks_per_project)
        existing = self._count("tasks")
        without_project = self.scale.tasks_without_project
        tasks = [
            self.builder.add_task(
                self.workspace, self.builder.task_name(), projects[number % len(projects)], self._new_task()
            )
            for number in range(max(0, target - existing - without_project))
        ]
        for _ in range(without_project):
            new = replace(self._new_task(), assignee=self.random.choice(self.people))
            tasks.append(self.builder.add_task(self.workspace, self.builder.task_name(), None, new))
        return tasks

    def _add_subtasks(self, tasks: list[Object]) -> list[Object]:
        target = round(self.scale.projects * self.scale.tasks_per_project * self.scale.subtasks_per_task)
        existing = self._count("subtasks")
        parents = tasks[: max(1, len(tasks) // 3)]
        subtasks: list[Object] = []
        for number in range(max(0, target - existing) if parents else 0):
            parent = parents[number % len(parents)]
            new = replace(self._new_task(), parent=parent, assignee=None, assigner=None)
            subtasks.append(self.builder.add_task(self.workspace, self.builder.task_name(), None, new))
        return subtasks

    def _add_stories(self, tasks: list[Object]) -> None:
        existing = self._count("stories")
        target = round((self._count("tasks") + self._count("subtasks")) * self.scale.stories_per_task)
        for number in range(max(0, target - existing) if tasks else 0):
            self._add_story(tasks[number % len(tasks)], self.builder.random_instant())

    def _add_story(self, task: Object, created_at: str) -> None:
        creator = self.random.choice(self.people)
        if self.builder.chance(0.4):
            comment = self.random.choice(_COMMENT)
            self.organization.new_story(task, "comment_added", comment, created_at, creator)
        else:
            subtype, text = self.random.choice(_SYSTEM_STORY)
            self.organization.new_story(task, subtype, text, created_at, creator)
        task.fields["modified_at"] = max(created_at, task.text("modified_at"))

    def _count(self, endpoint: str) -> int:
        self.organization.mark_changed()  # otherwise cached listings would be counted
        return len(table_objects(self.organization, endpoint, self.workspace.gid))

    def _new_task(self) -> NewTask:
        hours = self.builder.random_hours()
        assignee = self.random.choice(self.people) if self.builder.chance(0.7) else None
        creator = self.random.choice(self.people)
        completed_at = self.builder.at(hours + self.random.randint(1, 900)) if self.builder.chance(0.5) else None
        tags = list(self.organization.workspace_objects(self.workspace.gid, "tag").values())
        return NewTask(
            created_at=self.builder.at(hours),
            creator=creator,
            assignee=assignee,
            assigner=creator if assignee is not None else None,
            notes="As discussed.\nSee the brief." if self.builder.chance(0.3) else "",
            dates=Dates(due_on=self.builder.day(hours + self.random.randint(24, 2000))),
            completed_at=completed_at,
            completed_by=assignee if completed_at is not None else None,
            custom_fields=self._custom_field_values(),
            followers=(creator,),
            likers=(creator,) if self.builder.chance(0.1) else (),
            tags=(self.random.choice(tags),) if tags and self.builder.chance(0.2) else (),
            actual_time_minutes=self.random.choice((None, None, 0, 30, 95)),
        )

    def _custom_field_values(self) -> tuple[Struct, ...]:
        return tuple(self.random.choice(custom_field.values) for custom_field in self.project_fields)
