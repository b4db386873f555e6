"""A small table and its rows, used by all tests of the lake."""

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pyarrow as pa
import pytest
from pyiceberg.catalog import Catalog
from pyiceberg.manifest import DataFile
from pyiceberg.table import Table

from asana_assets.lake.commit import swap_files
from asana_assets.lake.table import ensure_table, live_files, scan
from asana_assets.lake.writer import PartitionWriter

SCHEMA = pa.schema(
    [
        pa.field("workspace_gid", pa.string(), nullable=False),
        pa.field("gid", pa.string(), nullable=False, metadata={b"doc": b"Asana's key"}),
        pa.field("parent_gid", pa.string()),
        pa.field("name", pa.string()),
        pa.field("points", pa.float64()),
        pa.field("custom_fields", pa.list_(pa.struct([("gid", pa.string()), ("number_value", pa.float64())]))),
        pa.field("_synced_at", pa.timestamp("us", "UTC")),
    ]
)
START = datetime(2026, 1, 1, tzinfo=UTC)
Row = dict[str, object]


def row(gid: int | str, *, parent: int | str | None = None, name: str = "", second: int | None = 0) -> Row:
    return {
        "gid": str(gid),
        "parent_gid": None if parent is None else str(parent),
        "name": name,
        "points": 0.5,
        "custom_fields": [{"gid": f"f{gid}", "number_value": 1.5}],
        "_synced_at": None if second is None else START + timedelta(seconds=second),
    }


def batch(rows: Sequence[Row]) -> pa.Table:
    return pa.Table.from_pylist(list(rows), schema=pa.schema([f for f in SCHEMA if f.name != "workspace_gid"]))


def tasks(catalog: Catalog) -> Table:
    return ensure_table(catalog, "asana", "tasks", SCHEMA)


def replace_files(
    table: Table, workspace: str, files: Sequence[DataFile], properties: Mapping[str, str] | None = None
) -> int | None:
    """Replace all files of a workspace with these, in one commit."""
    table.refresh()
    base = live_files(table, workspace)
    removed = [task.file for task in base.values()]
    return swap_files(table, workspace, base, removed=removed, added=files, properties=properties)


def replace(
    table: Table,
    workspace: str,
    rows: Sequence[Row],
    *,
    sort_by: Sequence[str] = ("gid",),
    rows_per_file: int = 100_000,
) -> int | None:
    with PartitionWriter(table, workspace=workspace, sort_by=sort_by, rows_per_file=rows_per_file) as writer:
        writer.write(batch(rows))
        return replace_files(table, workspace, writer.finish())


def append(catalog: Catalog, workspace: str, gid: int, *, parent: int | None = None) -> None:
    """Append a file with one row, whether or not the table has its key."""
    table = tasks(catalog)
    with PartitionWriter(table, workspace=workspace, sort_by=("gid",)) as writer:
        writer.write(batch([row(gid, parent=parent, name=f"{gid}")]))
        swap_files(table, workspace, live_files(table, workspace), removed=(), added=writer.finish())


def gids(table: Table, workspace: str | None) -> list[str]:
    return sorted(map(str, scan(table, workspace=workspace, columns=["gid"]).column("gid").to_pylist()))


def numbers(values: Iterable[int]) -> list[str]:
    return sorted(map(str, values))


def data_files(directory: Path) -> set[str]:
    """Return the Parquet files on disk, whether or not a snapshot references them."""
    return {str(path) for path in directory.rglob("*.parquet")}


def run_before_commit(
    monkeypatch: pytest.MonkeyPatch, table: Table, action: Callable[[], object], at: Collection[int] = (1,)
) -> list[None]:
    """Run `action` between the moment a commit was planned and the moment it is sent.

    Args:
        monkeypatch: Pytest's.
        table: A table of the catalog whose commits are intercepted.
        action: What to run, such as a commit of another writer.
        at: Numbers of the commits before which to run it; commits of `action` count, too.

    Returns:
        A list that grows by one with every commit that is sent, including those of `action`.
    """
    send = table.catalog.commit_table
    sent: list[None] = []

    def commit_table(*arguments: object, **named: object) -> object:
        sent.append(None)
        if len(sent) in at:
            action()
        return send(*arguments, **named)  # pyright: ignore[reportArgumentType] - passed through

    monkeypatch.setattr(table.catalog, "commit_table", commit_table)
    return sent
