"""The facade: what it adds to the operations behind it."""

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa
import pytest

from asana_assets.lake.errors import ConflictError
from asana_assets.lake.lake import Lake
from asana_assets_tests.support.lake_tables import SCHEMA, batch, gids, replace, row


@pytest.fixture
def lake(data_dir: Path) -> Iterator[Lake]:
    opened = Lake(data_dir=data_dir, namespace="asana")
    yield opened
    opened.close()


def test_importing_the_facade_does_not_import_pyiceberg() -> None:
    program = "import sys, asana_assets.lake.lake; print('pyiceberg' in sys.modules)"
    result = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)  # noqa: S603 - our own program
    assert result.stdout == "False\n"


def test_the_catalog_is_opened_at_first_use_and_again_after_closing(lake: Lake, data_dir: Path) -> None:
    lake.close()
    assert not data_dir.exists()
    lake.ensure_table("tasks", SCHEMA)
    lake.close()
    table = lake.load_table("tasks")
    assert table is not None
    assert lake.column_names(table) == SCHEMA.names


def test_rows_are_written_scanned_and_counted_by_table_and_workspace(lake: Lake) -> None:
    table = lake.ensure_table("tasks", SCHEMA)
    lake.replace_partition(table, "w", batch([row(1), row(2)]).to_batches(), sort_by=("gid",))
    lake.replace_partition(table, "v", batch([row(3)]).to_batches(), sort_by=("gid",), properties={"run": "r1"})
    lake.replace_parents(
        table, "w", parent_column="gid", parents=pa.array(["1"]), rows=[batch([row(4)])], sort_by=("gid",)
    )
    assert (lake.count(table), lake.count(table, workspace="w")) == (3, 2)
    assert lake.scan(table, workspace="w", columns=["gid"])["gid"].to_pylist() == ["2", "4"]
    assert sum(part.num_rows for part in lake.scan_batches(table)) == 3
    lake.drop_table(table)
    assert lake.load_table("tasks") is None


def test_a_scan_is_limited_to_values_that_start_with_any_of_the_texts(lake: Lake) -> None:
    table = lake.ensure_table("tasks", SCHEMA)
    replace(table, "w", [row(gid) for gid in ("a/1", "a/2", "b/1", "c/1")], rows_per_file=1)
    for prefix, expected in (("a/", ["a/1", "a/2"]), (("a/2", "c"), ["a/2", "c/1"]), ("d", [])):
        found = lake.scan(table, workspace="w", columns=["gid"], prefix=("gid", prefix))
        assert sorted(map(str, found["gid"].to_pylist())) == expected


def test_a_column_may_contain_nulls_unless_the_files_statistics_exclude_it(lake: Lake) -> None:
    table = lake.ensure_table("tasks", SCHEMA)
    assert not lake.may_contain_null(table, "parent_gid", workspace="w")
    replace(table, "w", [row(1, parent=7)])
    replace(table, "v", [row(2)])
    assert not lake.may_contain_null(table, "parent_gid", workspace="w")
    assert lake.may_contain_null(table, "parent_gid", workspace="v")
    wider = lake.ensure_table("tasks", SCHEMA.append(pa.field("color", pa.string())))
    assert lake.may_contain_null(wider, "color", workspace="w")


@pytest.mark.parametrize("last_writer_wins", [True, False])
def test_a_conflict_is_retried_only_if_the_last_writer_wins(
    lake: Lake, monkeypatch: pytest.MonkeyPatch, *, last_writer_wins: bool
) -> None:
    table, other = lake.ensure_table("tasks", SCHEMA), lake.ensure_table("tasks", SCHEMA)
    send = lake.catalog.commit_table

    def commit_after_another(*arguments: object) -> object:
        monkeypatch.undo()
        replace(other, "w", [row(9)])
        return send(*arguments)  # pyright: ignore[reportArgumentType] - passed through

    monkeypatch.setattr(lake.catalog, "commit_table", commit_after_another)
    batches = batch([row(1)]).to_batches()
    if last_writer_wins:
        lake.replace_partition(table, "w", batches, sort_by=("gid",), last_writer_wins=True)
        assert gids(table, "w") == ["1"]
    else:
        with pytest.raises(ConflictError):
            lake.replace_partition(table, "w", batches, sort_by=("gid",))
        assert gids(table.refresh(), "w") == ["9"]
