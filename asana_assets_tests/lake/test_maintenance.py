from datetime import timedelta
from pathlib import Path

import pyarrow as pa
import pytest
from pyiceberg.catalog import Catalog

from asana_assets.lake.commit import replace_parents
from asana_assets.lake.maintenance import ExpireResult, expire_snapshots
from asana_assets.lake.table import live_files, scan
from asana_assets_tests.support.lake_tables import batch, data_files, gids, replace, row, tasks

_NOTHING = timedelta(0) - timedelta(seconds=5)  # a cutoff in the future: only the current snapshot is kept


def _metadata_files(directory: Path) -> set[Path]:
    return set(directory.rglob("*.avro"))


def test_expiring_deletes_old_snapshots_and_exactly_the_files_that_only_they_hold(
    catalog: Catalog, data_dir: Path
) -> None:
    table = tasks(catalog)
    replace(table, "v", [row(7)])
    for number in range(5):
        replace(table, "w", [row(number), row(number + 1)], rows_per_file=1)
    before = scan(table)
    expired = expire_snapshots(table, keep=_NOTHING)
    assert expired.snapshots == 5
    assert expired.files >= 8 + 5  # 4 generations of 2 data files, 5 manifest lists, and manifests
    assert len(table.snapshots()) == 1
    assert data_files(data_dir) == {path.removeprefix("file://") for w in "vw" for path in live_files(table, w)}
    assert scan(table).equals(before)
    current = table.current_snapshot()
    assert current is not None
    held = {manifest.manifest_path for manifest in current.manifests(table.io)} | {current.manifest_list}
    assert {str(path) for path in _metadata_files(data_dir)} == {path.removeprefix("file://") for path in held}


def test_a_file_that_lives_on_in_a_rewritten_manifest_stays(catalog: Catalog) -> None:
    """Two files in one manifest, one replaced: the old manifest dies, the other file must not."""
    table = tasks(catalog)
    rows = [row(parent, parent=parent) for parent in (1, 2)]
    replace(table, "w", rows, sort_by=["parent_gid", "gid"], rows_per_file=1)
    replace_parents(
        table,
        "w",
        parent_column="parent_gid",
        parents=pa.array(["1"]),
        rows=[batch([row(9, parent=1)])],
        sort_by=["parent_gid", "gid"],
    )
    expire_snapshots(table, keep=_NOTHING)
    assert gids(table, "w") == ["2", "9"]


def test_a_table_goes_on_after_expiry(catalog: Catalog) -> None:
    table = tasks(catalog)
    replace(table, "w", [row(1)])
    replace(table, "w", [row(2)])
    expire_snapshots(table, keep=_NOTHING)
    replace(table, "v", [row(3)])
    expire_snapshots(table, keep=_NOTHING)
    assert (gids(table, "w"), gids(table, "v")) == (["2"], ["3"])


def test_young_snapshots_stay(catalog: Catalog, data_dir: Path) -> None:
    table = tasks(catalog)
    first = replace(table, "w", [row(1)])
    replace(table, "w", [row(2)])
    files = data_files(data_dir)
    assert expire_snapshots(table, keep=timedelta(days=1)) == ExpireResult(snapshots=0, files=0)
    assert data_files(data_dir) == files
    assert table.scan(snapshot_id=first).to_arrow().num_rows == 1


def test_a_table_without_snapshots_has_nothing_to_expire(catalog: Catalog) -> None:
    assert expire_snapshots(tasks(catalog), keep=_NOTHING) == ExpireResult(snapshots=0, files=0)


def test_a_tag_keeps_its_snapshot_and_its_files(catalog: Catalog) -> None:
    table = tasks(catalog)
    first = replace(table, "w", [row(1)])
    assert first is not None
    table.manage_snapshots().create_tag(snapshot_id=first, tag_name="audit").commit()
    replace(table, "w", [row(2)])
    replace(table, "w", [row(3)])
    assert expire_snapshots(table, keep=_NOTHING).snapshots == 1
    assert table.scan(snapshot_id=first).to_arrow().column("gid").to_pylist() == ["1"]


def test_a_writer_that_planned_before_the_expiry_still_commits(
    catalog: Catalog, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its starting snapshot is gone when PyIceberg validates; a new plan finds the workspace unchanged."""
    table, other = tasks(catalog), tasks(catalog)
    replace(table, "w", [row(1)])
    replace(table, "v", [row(5)])
    send = catalog.commit_table

    def commit_table(*arguments: object) -> object:
        monkeypatch.setattr(catalog, "commit_table", send)
        replace(other, "v", [row(6)])
        expire_snapshots(other, keep=_NOTHING)
        return send(*arguments)  # pyright: ignore[reportArgumentType] - passed through

    monkeypatch.setattr(catalog, "commit_table", commit_table)
    replace(table, "w", [row(2)])
    assert (gids(table, "w"), gids(table, "v")) == (["2"], ["6"])


def test_a_table_that_forbids_garbage_collection_keeps_its_files(catalog: Catalog, data_dir: Path) -> None:
    table = tasks(catalog)
    table.transaction().set_properties({"gc.enabled": "false"}).commit_transaction()
    replace(table, "w", [row(1)])
    replace(table, "w", [row(2)])
    assert expire_snapshots(table, keep=_NOTHING) == ExpireResult(snapshots=1, files=0)
    assert len(data_files(data_dir)) == 2
