"""The analysts' guide: its tables are ours, its joins join, and its SQL gives the right answers."""

import datetime as dt
import re
from collections.abc import Iterator

import duckdb
import pyarrow as pa
import pyarrow.compute as pc
import pytest

from asana_assets.asana.endpoints import ENDPOINTS
from asana_assets.sandbox import Organization, Sandbox, build_organization
from asana_assets.sandbox.data.model import Object
from asana_assets_tests.support.doc_answers import answers, assert_same, tables
from asana_assets_tests.support.doc_pages import GUIDE, questions, quoted, table, views

MANY = {"users"}
"""Where a gid can be in no row: people leave."""


def made_harder(organization: Organization) -> Organization:
    """Put in what the questions could stumble over, so that each condition in them counts."""
    traps = organization.edge_cases
    boards = [
        one
        for one in organization.projects(traps["paid_organization"])
        if len(organization.sections[one.gid]) > 1 and organization.tasks_of_project(one.gid).objects
    ]
    tasks = [organization.tasks_of_project(project.gid).objects for project in boards]
    for (task, *_), other in zip(tasks, boards[1:], strict=False):
        organization.add_to_project(task.gid, other.gid)
    organization.rename_project(boards[0].gid, boards[1].text("name"))
    organization.archive_project(boards[-1].gid)
    tasks[0][1].fields |= {"completed": False, "completed_at": None, "due_on": "2999-12-31"}
    full = organization.get(traps["task_with_every_custom_field"], "task")
    fields = full.fields["custom_fields"]
    assert isinstance(fields, tuple)
    full.fields["custom_fields"] = tuple({**field, "enabled": False} for field in fields if isinstance(field, dict))
    organization.assign_task(traps["level_3"], traps["absent_user"])
    for number in range(150):
        organization.add_comment(traps["level_3"], f"Word {number}")
    organization.add_subtask(traps["subtask_in_project"], "Below a subtask")
    for pace, project in enumerate(boards, 1):
        add_moves(organization, project, pace)
    organization.mark_changed()
    return organization


def add_moves(organization: Organization, project: Object, pace: int) -> None:
    """Have the project's tasks walk through its sections, there and back, some past their completion."""
    sections = organization.sections[project.gid]
    for number, task in enumerate(organization.tasks_of_project(project.gid).objects):
        created = dt.datetime.fromisoformat(task.text("created_at"))
        for move in range(1, 2 + number % 4):
            at = created + dt.timedelta(days=7 * pace * move, hours=number)
            organization.new_story(
                task,
                "section_changed",
                "moved",
                f"{at:%Y-%m-%dT%H:%M:%S}.000Z",
                organization.me,
                old_section=sections[(move - 1) % len(sections)],
                new_section=sections[move % len(sections)],
            )


@pytest.fixture(scope="module")
def asana() -> Sandbox:
    """Give the demo's data, and more; nothing is served."""
    return Sandbox(organization=made_harder(build_organization(scale="demo")))


@pytest.fixture(scope="module")
def stored(asana: Sandbox) -> dict[str, pa.Table]:
    return tables(asana)


@pytest.fixture(scope="module")
def database(stored: dict[str, pa.Table]) -> Iterator[duckdb.DuckDBPyConnection]:
    with duckdb.connect() as connection:
        connection.execute("set timezone = 'UTC'")
        for name, rows in stored.items():
            connection.register(name, rows)
        for view in views():
            connection.execute(view)
        yield connection


def test_the_questions_are_answered_rightly(asana: Sandbox, database: duckdb.DuckDBPyConnection) -> None:
    wanted = answers(asana)
    assert len(questions()) == len(wanted) == 10
    for sql, rows in zip(questions(), wanted, strict=True):
        assert_same(database.execute(sql).fetchall(), rows)


def test_answers_are_in_the_order_that_they_say(database: duckdb.DuckDBPyConnection) -> None:
    overdue, workload, months, *_ = (database.execute(sql).fetchall() for sql in questions())
    assert [row[1] for row in overdue] == sorted((row[1] for row in overdue), reverse=True)
    assert [row[2] for row in workload] == sorted((row[2] for row in workload), reverse=True)
    assert [row[0] for row in months] == sorted(row[0] for row in months)


def test_the_guide_has_every_table_and_its_key() -> None:
    names = [quoted(row[0])[0] for row in table(GUIDE, "table")]
    assert sorted(names) == sorted(endpoint.name for endpoint in ENDPOINTS)


def test_keys_are_unique_and_joins_find_what_they_name(stored: dict[str, pa.Table]) -> None:
    for name, _, key, joins in table(GUIDE, "table"):
        rows = stored[quoted(name)[0]]
        assert rows.num_rows
        keys = [tuple(row.values()) for row in rows.select(quoted(key)).to_pylist()]
        assert len(set(keys)) == len(keys), name
        for column, targets in re.findall(r"`([\w.]+)` → ((?:`[\w.]+`(?: or )?)+)", joins):
            named = values(rows, column)
            there = {gid for target in quoted(targets) for gid in values(stored, target)}
            assert named & there, (name, column)
            if not MANY.intersection(quoted(targets)):
                assert named <= there, (name, column)


def values(where: pa.Table | dict[str, pa.Table], path: str) -> set[str]:
    """Give the gids in a column, or in a field of its structs; of all tables, in one's column, or else its `gid`."""
    first, _, rest = path.partition(".")
    if isinstance(where, dict):
        return values(where[first], rest or "gid")
    column = where[first].combine_chunks()
    if pa.types.is_list(column.type):
        column = pc.list_flatten(column)
    if rest:
        column = pc.struct_field(column, rest)
    return {str(gid) for gid in column.to_pylist() if gid is not None}
