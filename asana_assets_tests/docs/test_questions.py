"""The analysts' guide: it lists every table, its joins match rows, and its queries return the expected rows."""

import datetime as dt
import re
from collections.abc import Iterator

import duckdb
import pyarrow as pa
import pyarrow.compute as pc
import pytest

from asana_assets.asana.endpoints import STANDARD_ENDPOINTS
from asana_assets.sandbox import Organization, Sandbox, build_organization
from asana_assets.sandbox.data.model import Object
from asana_assets_tests.support.doc_answers import answers, assert_same, tables
from asana_assets_tests.support.doc_pages import GUIDE, questions, quoted, table, views

INCOMPLETE = {"users"}
"""Tables in which a referenced gid can be missing: people leave."""


def add_edge_cases(organization: Organization) -> Organization:
    """Add edge cases, so that each condition in the queries makes a difference."""
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
    for weeks, project in enumerate(boards, 1):
        add_moves(organization, project, weeks)
    organization.mark_changed()
    return organization


def add_moves(organization: Organization, project: Object, weeks: int) -> None:
    """Move the project's tasks through its sections and back every `weeks` weeks, some after their completion."""
    sections = organization.sections[project.gid]
    for number, task in enumerate(organization.tasks_of_project(project.gid).objects):
        created = dt.datetime.fromisoformat(task.text("created_at"))
        for move in range(1, 2 + number % 4):
            at = created + dt.timedelta(days=7 * weeks * move, hours=number)
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
    """The demo's organization with edge cases, without a server."""
    return Sandbox(organization=add_edge_cases(build_organization(scale="demo")))


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


def test_the_queries_return_the_expected_rows(asana: Sandbox, database: duckdb.DuckDBPyConnection) -> None:
    expected = answers(asana)
    assert len(questions()) == len(expected) == 10
    for sql, rows in zip(questions(), expected, strict=True):
        assert_same(database.execute(sql).fetchall(), rows)


def test_rows_are_in_the_order_of_the_query(database: duckdb.DuckDBPyConnection) -> None:
    overdue, workload, months, *_ = (database.execute(sql).fetchall() for sql in questions())
    assert [row[1] for row in overdue] == sorted((row[1] for row in overdue), reverse=True)
    assert [row[2] for row in workload] == sorted((row[2] for row in workload), reverse=True)
    assert [row[0] for row in months] == sorted(row[0] for row in months)


def test_the_guide_has_every_table_and_its_key() -> None:
    names = [quoted(row[0])[0] for row in table(GUIDE, "table")]
    assert sorted(names) == sorted(endpoint.name for endpoint in STANDARD_ENDPOINTS)


def test_keys_are_unique_and_joins_find_every_referenced_row(stored: dict[str, pa.Table]) -> None:
    for name, _, key, joins in table(GUIDE, "table"):
        rows = stored[quoted(name)[0]]
        assert rows.num_rows
        keys = [tuple(row.values()) for row in rows.select(quoted(key)).to_pylist()]
        assert len(set(keys)) == len(keys), name
        for column, targets in re.findall(r"`([\w.]+)` → ((?:`[\w.]+`(?: or )?)+)", joins):
            referenced = values(rows, column)
            existing = {gid for target in quoted(targets) for gid in values(stored, target)}
            assert referenced & existing, (name, column)
            if not INCOMPLETE.intersection(quoted(targets)):
                assert referenced <= existing, (name, column)


def values(source: pa.Table | dict[str, pa.Table], path: str) -> set[str]:
    """Return the gids at a path.

    In a table, the path is `column` or `column.field` of its structs. In a dict of tables, it is `table`, which stands
    for its `gid`, or `table.column`.
    """
    first, _, rest = path.partition(".")
    if isinstance(source, dict):
        return values(source[first], rest or "gid")
    column = source[first].combine_chunks()
    if pa.types.is_list(column.type):
        column = pc.list_flatten(column)
    if rest:
        column = pc.struct_field(column, rest)
    return {str(gid) for gid in column.to_pylist() if gid is not None}
