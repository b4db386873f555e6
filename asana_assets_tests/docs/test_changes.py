"""The queries of the page about the history of changes return what the sandbox held."""

import datetime as dt
from pathlib import Path

import duckdb
import pytest

from asana_assets.lake.lake import Lake
from asana_assets.sandbox import Sandbox, build_organization
from asana_assets_tests.support.doc_answers import tables
from asana_assets_tests.support.doc_pages import blocks, quoted, table

PAGE = "docs/changes.md"
NAMES = ("tasks", "projects")
DAY = "2026-03-01 00:00:00+00"
UTC = dt.UTC


class History:
    """The tables of the demo's paid organization, stored again after each change."""

    def __init__(self, data_dir: Path) -> None:
        self.asana = Sandbox(organization=build_organization(scale="demo"))
        self.workspace = self.asana.organization.edge_cases["paid_organization"]
        self.lake = Lake(data_dir=data_dir, namespace="asana")
        self._syncs = 0

    def sync(self) -> dt.datetime:
        """Store what the organization holds; return an instant before the next sync."""
        for name, rows in tables(self.asana).items():
            if name in NAMES:
                mine = rows.filter([gid == self.workspace for gid in rows["workspace_gid"].to_pylist()])
                stored = self.lake.ensure_table(name, rows.schema)
                sync_id = str(self._syncs) if self._syncs else None
                self.lake.replace_partition(stored, self.workspace, [mine], sort_by=["gid"], record_as=sync_id)
        self._syncs += 1
        return dt.datetime.now(UTC)

    def tasks(self) -> list[tuple[object, ...]]:
        records = self.asana.truth("tasks", self.workspace)
        rows = [(one["gid"], one["name"], one["completed"], one["due_on"]) for one in records]
        return sorted((*row, dt.date.fromisoformat(str(due)) if due else None) for *row, due in rows)

    def query(self, number: int, day: dt.datetime | None = None) -> list[tuple[object, ...]]:
        with duckdb.connect() as connection:
            connection.execute("set timezone = 'UTC'")
            for name in (*NAMES, "changes"):
                stored = self.lake.load_table(name)
                assert stored is not None
                connection.register(name, self.lake.scan(stored))
            sql = blocks(PAGE, "sql")[number].text
            assert day is None or DAY in sql
            return connection.execute(sql.replace(DAY, str(day))).fetchall()

    def set_due(self, gid: str, due_on: str | None) -> None:
        self.asana.organization.get(gid, "task").fields["due_on"] = due_on
        self.asana.organization.mark_changed()


@pytest.fixture
def history(tmp_path: Path) -> History:
    return History(tmp_path)


@pytest.mark.slow
def test_the_queries_return_what_was_deleted_and_moved_and_what_a_table_contained(history: History) -> None:
    organization = history.asana.organization
    moments = [(history.sync(), history.tasks())]
    moved, deleted = (organization.edge_cases[name] for name in ("task_without_project", "task_in_two_projects"))
    name = organization.get(deleted, "task").text("name")
    [first] = [due for gid, _, _, due in moments[0][1] if gid == moved]
    for due in ("2031-01-01", None):
        history.set_due(moved, due)
        organization.rename_task(moved, f"Due {due}")
        moments.append((history.sync(), history.tasks()))
    organization.delete_task(deleted)
    organization.add_task(organization.edge_cases["main_project"], "New")
    moments.append((history.sync(), history.tasks()))

    removed = [row[:3] for row in history.query(0)]
    assert ("tasks", deleted, name) in removed
    before, after = ({row[0] for row in rows} for _, rows in moments[-2:])
    assert {row[1] for row in removed if row[0] == "tasks"} == before - after
    moves = [(row[2], row[3]) for row in history.query(1) if row[0] == moved]
    assert moves == [(first, dt.date(2031, 1, 1)), (dt.date(2031, 1, 1), None)]
    for instant, rows in moments:
        assert sorted(history.query(2, instant)) == rows


def test_the_page_names_every_column() -> None:
    from asana_assets.lake.change_log import CHANGES_SCHEMA  # noqa: PLC0415 - imports PyIceberg

    assert [quoted(row[0])[0] for row in table(PAGE, "column")] == CHANGES_SCHEMA.names
