"""Only differences are written: which tables a change touches, and how rows that differ from Asana are repaired."""

from pathlib import Path
from urllib.parse import urlparse

import pytest
from pyiceberg.table import Table

from asana_assets.lake.writer import PartitionWriter
from asana_assets.sandbox import STANDARD
from asana_assets_tests.support.lake_tables import replace_files
from asana_assets_tests.support.mutations import mutate, mutate_hidden, paid
from asana_assets_tests.support.sync_harness import Warehouse, failed_checks, failures, metadata

pytestmark = pytest.mark.slow


def snapshots(warehouse: Warehouse) -> dict[str, int]:
    """Return the number of snapshots of each endpoint's table."""
    return {name: len(warehouse.iceberg_table(name).snapshots()) for name in STANDARD}


def fetched_at(warehouse: Warehouse, name: str) -> dict[str, object]:
    return {row["gid"]: row["_synced_at"] for row in warehouse.rows(name)}


def files(table: Table) -> list[Path]:
    return [Path(urlparse(task.file.file_path).path) for task in table.scan().plan_files()]


def full_refresh(warehouse: Warehouse, *names: str) -> None:
    result = warehouse.run("sync_workspace", paid(warehouse), names, full_refresh=True)
    assert result.success, failures(result)


def test_a_renamed_task_and_a_comment_are_written_to_two_tables_and_to_no_other_row(warehouse: Warehouse) -> None:
    before = snapshots(warehouse)
    instants = {name: fetched_at(warehouse, name) for name in STANDARD}
    task = next(row["gid"] for row in warehouse.rows("tasks") if row["project_gids"] and not row["num_subtasks"])
    warehouse.asana.organization.rename_task(task, "Renamed")
    warehouse.asana.organization.add_comment(task, "A comment")
    result = warehouse.run("sync_workspace", paid(warehouse))
    assert result.success, failures(result)
    assert {name for name, count in snapshots(warehouse).items() if count != before[name]} == {"tasks", "stories"}
    changed = {
        name: {gid for gid, instant in fetched_at(warehouse, name).items() if instants[name].get(gid) != instant}
        for name in ("tasks", "stories")
    }
    assert changed["tasks"] == {task}
    added = set(fetched_at(warehouse, "stories")) - set(instants["stories"])
    assert changed["stories"] == added
    figures = {name: metadata(result, name) for name in ("tasks", "stories", "projects")}
    counts = {name: [one[f"rows_{kind}"] for kind in ("added", "changed", "removed")] for name, one in figures.items()}
    assert counts == {"tasks": [0, 1, 0], "stories": [len(added), 0, 0], "projects": [0, 0, 0]}
    assert figures["projects"]["dagster/row_count"] == len(warehouse.rows("projects"))
    warehouse.assert_matches_asana(paid(warehouse))


@pytest.mark.parametrize("name", ["tasks", "stories"])
def test_a_row_that_was_changed_by_hand_is_repaired_by_a_full_refresh(warehouse: Warehouse, name: str) -> None:
    table = warehouse.iceberg_table(name)
    rows = warehouse.table(name)
    instants = fetched_at(warehouse, name)
    edited = rows["gid"][0].as_py()
    column = rows.schema.get_field_index("resource_subtype")
    values = ["edited", *rows["resource_subtype"].to_pylist()[1:]]
    with PartitionWriter(table, workspace=paid(warehouse), sort_by=["gid"]) as writer:
        writer.write(rows.set_column(column, rows.schema.field(column), [values]))
        replace_files(table, paid(warehouse), writer.finish())
    full_refresh(warehouse, name)
    warehouse.assert_matches_asana(paid(warehouse))
    now = fetched_at(warehouse, name)
    assert {gid for gid, instant in now.items() if instants[gid] != instant} == {edited}


@pytest.mark.parametrize("name", ["tasks", "stories", "sync_state"])
def test_after_the_loss_of_a_data_file_a_sync_says_what_to_do_and_a_full_refresh_repairs_it(
    warehouse: Warehouse, name: str
) -> None:
    for lost in files(warehouse.iceberg_table(name)):
        lost.unlink()
    result = warehouse.run("sync_workspace", paid(warehouse))
    assert not result.success
    assert f"Table asana.{name} has lost the data file" in str(failures(result))
    full_refresh(warehouse, *(endpoint for endpoint in STANDARD if endpoint != "workspaces"))
    warehouse.assert_matches_asana(paid(warehouse))


def test_the_tables_of_an_earlier_release_are_taken_over(warehouse: Warehouse) -> None:
    for name in STANDARD:
        with warehouse.iceberg_table(name).update_schema() as update:
            update.delete_column("_row_hash")
    mutate(warehouse)
    mutate_hidden(warehouse)
    result = warehouse.run("sync_workspace", paid(warehouse))
    assert result.success, failures(result)
    assert not [check for _, check in failed_checks(result) if check == "schema_unchanged"]
    warehouse.assert_matches_asana(paid(warehouse))
    assert warehouse.iceberg_table("tasks").scan(row_filter="_row_hash is null").count() == 0
    before = snapshots(warehouse)
    warehouse.sync()
    assert {name: count for name, count in snapshots(warehouse).items() if count != before[name]} == {"workspaces": 2}
    full_refresh(warehouse, *(endpoint for endpoint in STANDARD if endpoint != "workspaces"))
    for name in STANDARD:
        assert warehouse.iceberg_table(name).scan(row_filter="_row_hash is null").count() == 0, name
    warehouse.assert_matches_asana(paid(warehouse))
