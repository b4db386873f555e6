"""Random changes of the sandbox's paid organization, as Hypothesis draws them.

A change refers to objects by a number, so that it stays valid while the organization changes and when Hypothesis
shrinks. All of them show in a sync without a full refresh on a paid plan. Those that only a daily listing shows, such
as the deletion of a task without a project, are left out.
"""

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from hypothesis import strategies as st

from asana_assets.sandbox import Sandbox


def paid_organization(asana: Sandbox) -> str:
    return asana.organization.edge_cases["paid_organization"]


def list_gids(asana: Sandbox, *endpoints: str) -> list[str]:
    """Return the gids of what the token's user can see of these endpoints."""
    gid = paid_organization(asana)
    return list(dict.fromkeys(str(record["gid"]) for name in endpoints for record in asana.truth(name, gid)))


@dataclass(frozen=True, slots=True)
class Change:
    """A change of the organization.

    Attributes:
        name: A key of `CHANGES`.
        first: Number of the object to change.
        second: Number of the object that it is to refer to.
    """

    name: str
    first: int
    second: int

    def apply_to(self, asana: Sandbox) -> None:
        """Apply the change; do nothing if the organization has no such object."""
        CHANGES[self.name](asana, self.first, self.second)


def _pick(gids: Sequence[str], number: int) -> str | None:
    return gids[number % len(gids)] if gids else None


def _projects_of(asana: Sandbox, task: str) -> list[str]:
    visible = list_gids(asana, "projects")
    return [gid for gid in asana.organization.task_projects.get(task, ()) if gid in visible]


def _placed(asana: Sandbox) -> list[str]:
    """Return the tasks of visible projects: any change of them shows in a listing of every sync."""
    return [gid for gid in list_gids(asana, "tasks") if _projects_of(asana, gid)]


def _seen_subtasks(asana: Sandbox) -> list[str]:
    """Return the subtasks whose deletion shows in a listing of every sync: the number of its task's subtasks."""
    placed = _placed(asana)
    return [one.gid for gid in placed for one in asana.organization.subtasks.get(gid, ())]


def _leaves(asana: Sandbox) -> list[str]:
    return [gid for gid in _placed(asana) if not asana.organization.subtasks.get(gid)]


def _counted_parents(asana: Sandbox) -> list[str]:
    """Return the tasks and subtasks whose number of subtasks is not known from a daily listing only."""
    tasks, placed = list_gids(asana, "tasks"), _placed(asana)
    return [gid for gid in _work(asana) if gid in placed or gid not in tasks]


def _seen_attachments(asana: Sandbox) -> list[str]:
    """Return the attachments whose deletion modifies their parent; that of a project brief does not."""
    parents = list_gids(asana, "tasks", "subtasks", "projects")
    return [one.gid for gid in parents for one in asana.organization.attachments.get(gid, ())]


def _on(
    candidates: Callable[[Sandbox], Sequence[str]], change: Callable[[Sandbox, str, int], object]
) -> Callable[[Sandbox, int, int], None]:
    def apply(asana: Sandbox, first: int, second: int) -> None:
        if gid := _pick(candidates(asana), first):
            change(asana, gid, second)

    return apply


def _work(asana: Sandbox) -> list[str]:
    return list_gids(asana, "tasks", "subtasks")


def _move(asana: Sandbox, task: str, number: int) -> None:
    project = _projects_of(asana, task)[0]
    current = asana.organization.placements[project][task].section
    others = [one.gid for one in asana.organization.sections[project] if one is not current]
    if section := _pick(others, number):
        asana.organization.move_task(task, section, touch=bool(number % 2))


def _add_to_project(asana: Sandbox, task: str, number: int) -> None:
    project = _pick([gid for gid in list_gids(asana, "projects") if gid not in _projects_of(asana, task)], number)
    if project:
        asana.organization.add_to_project(task, project, touch=bool(number % 2))


def _tag(asana: Sandbox, task: str, number: int) -> None:
    tagged = [tag.gid for tag in asana.organization.get(task, "task").refs("tags")]
    if tag := _pick([gid for gid in list_gids(asana, "tags") if gid not in tagged], number):
        asana.organization.tag_task(task, tag, touch=bool(number % 2))


def _add_section(asana: Sandbox, project: str, _number: int) -> None:
    organization = asana.organization
    organization.new_section(organization.get(project, "project"), "A section", organization.now())
    organization.mark_changed()


def _of(endpoint: str) -> Callable[[Sandbox], list[str]]:
    return lambda asana: list_gids(asana, endpoint)


CHANGES: dict[str, Callable[[Sandbox, int, int], None]] = {
    "rename task": _on(_work, lambda asana, gid, _: asana.organization.rename_task(gid, "Renamed")),
    "complete task": _on(_placed, lambda asana, gid, _: asana.organization.complete_task(gid)),
    "comment": _on(_work, lambda asana, gid, _: asana.organization.add_comment(gid, "A comment")),
    "delete story": _on(_of("stories"), lambda asana, gid, _: asana.organization.delete_story(gid)),
    "add task": _on(_of("projects"), lambda asana, gid, _: asana.organization.add_task(gid, "New")),
    "add subtask": _on(
        _counted_parents,
        lambda asana, gid, _: asana.organization.add_subtask(gid, "New"),
    ),
    "delete task": _on(_placed, lambda asana, gid, _: asana.organization.delete_task(gid)),
    "delete leaf": _on(_leaves, lambda asana, gid, _: asana.organization.delete_task(gid)),
    "delete subtask": _on(_seen_subtasks, lambda asana, gid, _: asana.organization.delete_task(gid)),
    "move task": _on(_placed, _move),
    "add to project": _on(_placed, _add_to_project),
    "remove from project": _on(
        _placed,
        lambda asana, gid, number: asana.organization.remove_from_project(
            gid, _projects_of(asana, gid)[0], touch=bool(number % 2)
        ),
    ),
    "assign": _on(
        _work, lambda asana, gid, number: asana.organization.assign_task(gid, _pick(list_gids(asana, "users"), number))
    ),
    "unassign": _on(_placed, lambda asana, gid, _: asana.organization.assign_task(gid, None)),
    "tag": _on(_placed, _tag),
    "rename project": _on(_of("projects"), lambda asana, gid, _: asana.organization.rename_project(gid, "Renamed")),
    "add project": _on(
        lambda asana: [paid_organization(asana)], lambda asana, gid, _: asana.organization.add_project(gid, "New")
    ),
    "delete project": _on(_of("projects"), lambda asana, gid, _: asana.organization.delete_project(gid)),
    "hide project": _on(_of("projects"), lambda asana, gid, _: asana.organization.make_project_private(gid)),
    "share project": _on(
        lambda asana: sorted(asana.organization.hidden_projects),
        lambda asana, gid, _: asana.organization.share_project(gid),
    ),
    "add section": _on(_of("projects"), _add_section),
    "post status": _on(_of("projects"), lambda asana, gid, _: asana.organization.post_status(gid, "On track")),
    "attach": _on(
        lambda asana: list_gids(asana, "tasks", "subtasks", "projects"),
        lambda asana, gid, _: asana.organization.add_attachment(gid, "plan.pdf"),
    ),
    "remove attachment": _on(_seen_attachments, lambda asana, gid, _: asana.organization.delete_attachment(gid)),
    "remove user": _on(
        lambda asana: [gid for gid in list_gids(asana, "users") if gid != asana.organization.me.gid],
        lambda asana, gid, _: asana.organization.remove_user(paid_organization(asana), gid),
    ),
    "rename user": _on(_of("users"), lambda asana, gid, _: asana.organization.rename_user(gid, "Renamed")),
}

RANDOM_CHANGES = st.builds(Change, st.sampled_from(list(CHANGES)), st.integers(0, 60), st.integers(0, 9))

_LASTING = {
    *("rename task", "complete task", "comment", "delete story", "add task", "add subtask", "delete leaf", "move task"),
    *("add to project", "tag", "rename project", "add project", "add section", "post status", "attach"),
    *("remove attachment", "rename user"),
}


def change_at_random(asana: Sandbox, generator: random.Random, count: int = 6) -> None:
    """Apply random changes that keep most rows, however many there are, and need no daily listing even together."""
    for _ in range(count):
        CHANGES[generator.choice(sorted(_LASTING))](asana, generator.randint(0, 60), generator.randint(0, 9))
