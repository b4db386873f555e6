"""The size of a generated organization."""

from __future__ import annotations

from dataclasses import dataclass, replace


@dataclass(frozen=True, slots=True, kw_only=True)
class Scale:
    """Size of the paid workspace. Counts include its edge cases, which are created whatever the counts are.

    Attributes:
        tasks_per_project: On average, including tasks without a project.
        subtasks_per_task: On average.
        stories_per_task: On average, per task and subtask.
        attachments_per_task: On average, per task and subtask, beyond those of the edge cases.
        tasks_without_project: Beyond those of the edge cases.
        generated_tasks: Tasks in a further project, beyond the counts above. They occupy no memory, so that there may
            be millions.
        small_workspaces: Whether to add a free workspace and a personal one.
    """

    users: int = 6
    teams: int = 3
    projects: int = 5
    tasks_per_project: float = 6
    subtasks_per_task: float = 0.6
    stories_per_task: float = 3
    attachments_per_task: float = 0.2
    sections_per_project: int = 3
    tags: int = 5
    tasks_without_project: int = 3
    generated_tasks: int = 0
    small_workspaces: bool = True


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
"""Scales by name. `reference`, for the benchmarks, has 246 tasks, 196 subtasks and 1,889 stories."""


def resolve_scale(scale: str | Scale, **overrides: float) -> Scale:
    """Return the scale, looked up if it is a name, with the given fields replaced.

    Raises:
        ValueError: There is no scale of this name.
    """
    if isinstance(scale, str):
        if scale not in SCALES:
            raise ValueError(f"there is no scale {scale!r}; choose one of {', '.join(SCALES)}")
        scale = SCALES[scale]
    return replace(scale, **overrides)  # pyright: ignore[reportArgumentType] - the names of fields are not checked
