"""The expected rows of the ten questions in the analysts' guide, computed from Asana's records without SQL."""

import datetime as dt
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from statistics import median
from typing import Any, Self, TypeAlias

import pyarrow as pa
import pytest

from asana_assets.asana.endpoints import STANDARD_ENDPOINTS
from asana_assets.sandbox import STANDARD, Sandbox
from asana_assets_tests.support.sync_harness import expected_row

Record: TypeAlias = dict[str, Any]
Row: TypeAlias = tuple[Any, ...]


def tables(asana: Sandbox) -> dict[str, pa.Table]:
    """Return every table with the rows of a completed sync."""
    return {
        endpoint.name: pa.Table.from_pylist(
            [
                {**expected_row(record, endpoint.schema), "workspace_gid": gid}
                for gid in gids(asana)
                for record in asana.truth(endpoint.name, gid)
            ],
            endpoint.schema,
        )
        for endpoint in STANDARD_ENDPOINTS
    }


def gids(asana: Sandbox) -> list[str]:
    return [str(record["gid"]) for record in asana.truth("workspaces")]


def answers(asana: Sandbox) -> list[list[Row]]:
    """Return the rows of each question, unordered."""
    workspaces = [Workspace.load(asana, gid) for gid in gids(asana)]

    def each(question: Callable[[Workspace], Iterator[Row]]) -> list[Row]:
        return [row for workspace in workspaces for row in question(workspace)]

    return [
        each(Workspace.overdue),
        each(Workspace.workload),
        by_month(each(Workspace.flow)),
        each(Workspace.days_to_complete),
        each(Workspace.days_in_sections),
        each(Workspace.board),
        each(Workspace.choices),
        ten_longest(each(Workspace.discussed)),
        each(Workspace.progress),
        each(Workspace.statuses),
    ]


@dataclass(frozen=True, slots=True)
class Workspace:
    """The records of one workspace, by endpoint and gid."""

    records: dict[str, dict[str, Record]]

    @classmethod
    def load(cls, asana: Sandbox, gid: str) -> Self:
        return cls({name: {str(record["gid"]): record for record in asana.truth(name, gid)} for name in STANDARD})

    @property
    def tasks(self) -> Iterable[Record]:
        return self.records["tasks"].values()

    @property
    def work(self) -> dict[str, Record]:
        return self.records["subtasks"] | self.records["tasks"]

    def name(self, endpoint: str, gid: str) -> str:
        return str(self.records[endpoint][gid]["name"])

    def user(self, gid: str) -> str:
        """Return the user's name, or the gid if the name is empty or the user is not listed."""
        return str(self.records["users"].get(gid, {}).get("name") or gid)

    def overdue(self) -> Iterator[Row]:
        late: dict[str, list[dt.date]] = defaultdict(list)
        for task in self.tasks:
            if not task["completed"] and task["due_on"] and dt.date.fromisoformat(task["due_on"]) < today():
                for project in task["projects"]:
                    late[project["gid"]].append(dt.date.fromisoformat(task["due_on"]))
        for gid, days in late.items():
            project = self.records["projects"][gid]
            if not project["archived"]:
                yield project["name"], len(days), min(days)

    def workload(self) -> Iterator[Row]:
        active = {one["user"]["gid"]: one["is_active"] for one in self.records["workspace_memberships"].values()}
        work: dict[str, list[Record]] = defaultdict(list)
        for task in self.work.values():
            if task["assignee"] and not task["completed"]:
                work[task["assignee"]["gid"]].append(task)
        for gid, tasks in work.items():
            late = [task for task in tasks if task["due_on"] and dt.date.fromisoformat(task["due_on"]) < today()]
            yield self.user(gid), active.get(gid, False), len(tasks), len(late)

    def flow(self) -> Iterator[Row]:
        for task in self.work.values():
            yield month(task["created_at"]), 1, 0
            if task["completed"]:
                yield month(task["completed_at"]), 0, 1

    def days_to_complete(self) -> Iterator[Row]:
        times: dict[str, list[float]] = defaultdict(list)
        for task in self.tasks:
            for project in task["projects"] if task["completed"] else ():
                times[project["gid"]].append(days(instant(task["created_at"]), instant(task["completed_at"])))
        for gid, each in times.items():
            yield self.name("projects", gid), len(each), median(each)

    def days_in_sections(self) -> Iterator[Row]:
        projects = {gid: section["project"]["gid"] for gid, section in self.records["sections"].items()}
        moves: dict[tuple[str, str], list[Record]] = defaultdict(list)
        for story in self.records["stories"].values():
            to = story.get("new_section")
            if story["resource_subtype"] == "section_changed" and to and to["gid"] in projects:
                moves[story["target"]["gid"], projects[to["gid"]]].append(story)
        stays: dict[str, list[float]] = defaultdict(list)
        for (task_gid, _), each in moves.items():
            task = self.work[task_gid]
            end = instant(task["completed_at"]) if task["completed"] else now()
            since, where = instant(task["created_at"]), None
            for move in sorted(each, key=lambda move: move["created_at"]):
                at = instant(move["created_at"])
                where = where or move["old_section"]["gid"]
                if since < min(at, end):
                    stays[where].append(days(since, min(at, end)))
                since, where = at, move["new_section"]["gid"]
            if where and since < end:
                stays[where].append(days(since, end))
        for gid, each in stays.items():
            yield self.name("projects", projects[gid]), self.name("sections", gid), len(each), median(each)

    def board(self) -> Iterator[Row]:
        places: Counter[tuple[str, str]] = Counter()
        free: Counter[tuple[str, str]] = Counter()
        for task in self.tasks:
            for place in task["memberships"] if not task["completed"] else ():
                at = place["project"]["gid"], place["section"]["gid"]
                places[at] += 1
                free[at] += task["assignee"] is None
        for (project, section), count in places.items():
            yield self.name("projects", project), self.name("sections", section), count, free[project, section]

    def choices(self) -> Iterator[Row]:
        counts: Counter[tuple[str, str, str]] = Counter()
        for task in self.work.values():
            for field in task.get("custom_fields", ()) if not task["completed"] else ():
                if field["resource_subtype"] == "enum" and field["enabled"]:
                    value = field["enum_value"]["name"] if field["enum_value"] else "(empty)"
                    counts[field["gid"], field["name"], value] += 1
        for (_, name, value), count in counts.items():
            yield name, value, count

    def discussed(self) -> Iterator[Row]:
        comments: dict[str, list[Record]] = defaultdict(list)
        for story in self.records["stories"].values():
            if story["resource_subtype"] == "comment_added":
                comments[story["target"]["gid"]].append(story)
        for gid, each in comments.items():
            people = {story["created_by"]["gid"] for story in each if story["created_by"]}
            latest = max(instant(story["created_at"]) for story in each)
            yield self.work[gid]["name"], len(each), len(people), latest

    def progress(self) -> Iterator[Row]:
        children: dict[str, list[Record]] = defaultdict(list)
        for subtask in self.records["subtasks"].values():
            children[subtask["parent"]["gid"]].append(subtask)

        def below(gid: str) -> Iterator[Record]:
            for child in children[gid]:
                yield child
                yield from below(str(child["gid"]))

        for gid, task in self.records["tasks"].items():
            under = [one for one in below(gid) if not one["is_rendered_as_separator"]] if not task["parent"] else []
            if under:
                yield task["name"], len(under), sum(one["completed"] for one in under)

    def statuses(self) -> Iterator[Row]:
        updates = self.records["status_updates"]
        for project in self.records["projects"].values():
            if project["archived"]:
                continue
            latest = updates.get((project["current_status_update"] or {}).get("gid", ""))
            if latest is None:
                yield project["name"], None, None, None, None
                continue
            age = (today() - instant(latest["created_at"]).date()).days
            author = self.user(latest["created_by"]["gid"])
            yield project["name"], latest["status_type"], latest["title"], author, age


def by_month(rows: list[Row]) -> list[Row]:
    """Return the number of tasks created and completed in each month."""
    created: Counter[dt.datetime] = Counter()
    completed: Counter[dt.datetime] = Counter()
    for at, created_count, completed_count in rows:
        created[at] += created_count
        completed[at] += completed_count
    return [(at, created[at], completed[at]) for at in created | completed]


def ten_longest(rows: list[Row]) -> list[Row]:
    """Return the ten rows with the most comments, the latest first among equals."""
    return sorted(rows, key=lambda row: (row[1], row[3]), reverse=True)[:10]


def instant(text: str) -> dt.datetime:
    return dt.datetime.fromisoformat(text)


def month(text: str) -> dt.datetime:
    return instant(text).replace(day=1, hour=0, minute=0, second=0, microsecond=0)


def days(since: dt.datetime, until: dt.datetime) -> float:
    return (until - since) / dt.timedelta(days=1)


def now() -> dt.datetime:
    return dt.datetime.now(dt.UTC)


def today() -> dt.date:
    return now().date()


def assert_same(rows: list[Row], expected_rows: list[Row]) -> None:
    """Compare rows in any order: floats to one decimal, to which the guide rounds, and everything else exactly."""
    assert rows
    assert len(rows) == len(expected_rows)
    for row, wanted in zip(sorted(rows, key=_order), sorted(expected_rows, key=_order), strict=True):
        assert row == tuple(pytest.approx(value, abs=0.051) if isinstance(value, float) else value for value in wanted)


def _order(row: Row) -> str:
    return repr([value for value in row if not isinstance(value, float)])
