"""What a sync costs when nothing, or next to nothing, has changed since the last one.

Runs `asana-assets sync` against the sandbox: once to fill the tables, once more so that no search overlaps with the
first, and then once for each part. Files and snapshots are counted in the data directory.
"""

import sys
import tempfile
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from asana_assets.lake.catalog import open_catalog
from asana_assets.sandbox import Organization, Sandbox
from asana_assets.sandbox.data.scale import Scale
from benchmarks.command import sync
from benchmarks.report import Figure, Part, main

STATE_COMMITS: Final = 1
"""Highest number of commits of sync state per workspace."""
CPU_SECONDS: Final = 10.0
"""Highest CPU time of an unchanged sync, start of the command included."""
WALL_RATIO: Final = 1.5
"""Highest ratio of the wall time to the larger of requests / rate and CPU time."""
CHANGED_TABLES: Final = 3
"""Highest number of tables with a new snapshot after a task was renamed and a comment added."""
REWRITTEN_FILES: Final = 1
"""Highest number of data files rewritten in each of them."""

SCALE: Final = Scale(users=12, teams=4, projects=9, tasks_per_project=55, subtasks_per_task=0.8, stories_per_task=4)
"""900 tasks, 400 of them subtasks, in three workspaces."""
RATE: Final = 25.0
"""Requests per second of the client: the limit of Asana's paid plans."""
STATE: Final = "sync_state"
"""The table of the sync state."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Tables:
    """What the data directory holds.

    Attributes:
        files: The files of each table, data and metadata.
        snapshots: The ids of the snapshots of each table.
        data_files: The data files of each table's current snapshot.
    """

    files: dict[str, set[str]]
    snapshots: dict[str, set[int]]
    data_files: dict[str, set[str]]


def read_tables(data_dir: Path) -> Tables:
    """Read which files and snapshots the tables have."""
    catalog = open_catalog(data_dir=data_dir)
    tables = {name: catalog.load_table((namespace, name)) for namespace, name in catalog.list_tables("asana")}
    locations = {name: Path(table.location().removeprefix("file://")) for name, table in tables.items()}
    return Tables(
        files={
            name: {str(path) for path in location.rglob("*") if path.is_file()} for name, location in locations.items()
        },
        snapshots={name: {one.snapshot_id for one in table.snapshots()} for name, table in tables.items()},
        data_files={
            name: {task.file.file_path for task in table.scan().plan_files()} for name, table in tables.items()
        },
    )


def change_nothing(organization: Organization) -> None:
    """Leave the organization as it is."""


def rename_and_comment(organization: Organization) -> None:
    """Rename a task and add a comment to it."""
    workspace = organization.workspaces()[0].gid
    [project, *_] = organization.projects(workspace)
    task = organization.tasks_of_project(project.gid).objects[0].gid
    organization.rename_task(task, "Renamed")
    organization.add_comment(task, "A comment")


def measure(change: Callable[[Organization], None]) -> list[Figure]:
    """Measure the sync after a change."""
    with Sandbox(SCALE) as sandbox, tempfile.TemporaryDirectory(prefix="benchmark-") as scratch:
        data_dir = Path(scratch)
        for _ in range(2):
            sync(sandbox.url, sandbox.token, rate=1_000, data_dir=data_dir)
        change(sandbox.organization)
        before, requests_before = read_tables(data_dir), len(sandbox.log)
        run = sync(sandbox.url, sandbox.token, rate=RATE, data_dir=data_dir)
        after, requests = read_tables(data_dir), len(sandbox.log) - requests_before
        workspaces = len(sandbox.organization.workspaces())
    new_files = {name: len(files - before.files.get(name, set())) for name, files in after.files.items()}
    new_snapshots = {name: len(ids - before.snapshots.get(name, set())) for name, ids in after.snapshots.items()}
    rewritten = Counter(
        {name: len(before.data_files.get(name, set()) - files) for name, files in after.data_files.items()}
    )
    state_files, state_commits, _ = new_files.pop(STATE), new_snapshots.pop(STATE), rewritten.pop(STATE)
    unchanged = change is change_nothing
    changed_tables = sum(map(bool, new_snapshots.values()))
    ideal = max(requests / RATE, run.cpu_seconds)
    return [
        Figure(name="requests", value=requests, digits=0),
        Figure(
            name="new files outside of the sync state",
            value=sum(new_files.values()),
            at_most=0 if unchanged else None,
            digits=0,
        ),
        Figure(name="new files of the sync state", value=state_files, digits=0),
        Figure(
            name="tables with a new snapshot",
            value=changed_tables,
            at_most=0 if unchanged else CHANGED_TABLES,
            digits=0,
        ),
        Figure(
            name="data files rewritten in one table",
            value=max(rewritten.values()),
            at_most=0 if unchanged else REWRITTEN_FILES,
            digits=0,
        ),
        Figure(name="commits of sync state per workspace", value=state_commits / workspaces, at_most=STATE_COMMITS),
        Figure(name="CPU time of the command", value=run.cpu_seconds, at_most=CPU_SECONDS, unit="s", digits=1),
        Figure(name="requests / rate", value=requests / RATE, unit="s", digits=1),
        Figure(name="wall time of the command", value=run.wall_seconds, unit="s", digits=1),
        Figure(name="wall time / max(requests / rate, CPU time)", value=run.wall_seconds / ideal, at_most=WALL_RATIO),
    ]


PARTS: Final = {
    "nothing": Part("a sync in which nothing changed", lambda: measure(change_nothing)),
    "one": Part("a sync in which one task was renamed and one comment added", lambda: measure(rename_and_comment)),
}

if __name__ == "__main__":
    sys.exit(main("benchmarks.unchanged", __doc__, PARTS))
