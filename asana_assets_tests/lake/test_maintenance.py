from datetime import timedelta
from pathlib import Path

import pyarrow as pa
import pytest
from pyiceberg.catalog import Catalog

from asana_assets.lake.difference import write_rows
from asana_assets.lake.index_reader import Parents
from asana_assets.lake.maintenance import ExpireResult, expire_snapshots
from asana_assets.lake.table import live_files, scan
from asana_assets_tests.support.lake_tables import batch, data_files, gids, replace, row, tasks

_KEEP_NOTHING = timedelta(seconds=-5)  # a cutoff in the future: only the current snapshot is kept


def _metadata_files(directory: Path) -> set[Path]:
    return set(directory.rglob("*.avro"))


def test_expiration_deletes_old_snapshots_and_exactly_the_files_that_only_they_reference(
    catalog: Catalog, data_dir: Path
) -> None:
    table = tasks(catalog)
    replace(table, "v", [row(7)])
    for number in range(5):
        replace(table, "w", [row(number), row(number + 1)], rows_per_file=1)
    before = scan(table)
    expired = expire_snapshots(table, keep=_KEEP_NOTHING)
    assert expired.snapshots == 5
    assert expired.files >= 8 + 5  # 4 generations of 2 data files, 5 manifest lists, and manifests
    assert len(table.snapshots()) == 1
    assert data_files(data_dir) == {path.removeprefix("file://") for w in "vw" for path in live_files(table, w)}
    assert scan(table).equals(before)
    current = table.current_snapshot()
    assert current is not None
    referenced = {manifest.manifest_path for manifest in current.manifests(table.io)} | {current.manifest_list}
    assert {str(path) for path in _metadata_files(data_dir)} == {path.removeprefix("file://") for path in referenced}


def test_a_file_that_a_rewritten_manifest_still_references_is_kept(catalog: Catalog) -> None:
    """Two files in one manifest, one replaced: the old manifest is deleted, the other file must not be."""
    table = tasks(catalog)
    rows = [row(parent, parent=parent) for parent in (1, 2)]
    replace(table, "w", rows, sort_by=["parent_gid", "gid"], rows_per_file=1)
    write_rows(
        table,
        "w",
        [batch([row(9, parent=1)])],
        parents=Parents("parent_gid", pa.array(["1"])),
        sort_by=["parent_gid", "gid"],
    )
    expire_snapshots(table, keep=_KEEP_NOTHING)
    assert gids(table, "w") == ["2", "9"]


def test_a_table_accepts_commits_after_expiration(catalog: Catalog) -> None:
    table = tasks(catalog)
    replace(table, "w", [row(1)])
    replace(table, "w", [row(2)])
    expire_snapshots(table, keep=_KEEP_NOTHING)
    replace(table, "v", [row(3)])
    expire_snapshots(table, keep=_KEEP_NOTHING)
    assert (gids(table, "w"), gids(table, "v")) == (["2"], ["3"])


def test_recent_snapshots_are_kept(catalog: Catalog, data_dir: Path) -> None:
    table = tasks(catalog)
    first = replace(table, "w", [row(1)])
    replace(table, "w", [row(2)])
    files = data_files(data_dir)
    assert expire_snapshots(table, keep=timedelta(days=1)) == ExpireResult(snapshots=0, files=0)
    assert data_files(data_dir) == files
    assert table.scan(snapshot_id=first).to_arrow().num_rows == 1


def test_a_table_without_snapshots_has_nothing_to_expire(catalog: Catalog) -> None:
    assert expire_snapshots(tasks(catalog), keep=_KEEP_NOTHING) == ExpireResult(snapshots=0, files=0)


def test_a_tag_keeps_its_snapshot_and_its_files(catalog: Catalog) -> None:
    table = tasks(catalog)
    first = replace(table, "w", [row(1)])
    assert first is not None
    table.manage_snapshots().create_tag(snapshot_id=first, tag_name="audit").commit()
    replace(table, "w", [row(2)])
    replace(table, "w", [row(3)])
    assert expire_snapshots(table, keep=_KEEP_NOTHING).snapshots == 1
    assert table.scan(snapshot_id=first).to_arrow().column("gid").to_pylist() == ["1"]


def test_a_commit_that_was_planned_before_an_expiration_succeeds(
    catalog: Catalog, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its base snapshot no longer exists when PyIceberg validates; a new plan finds the workspace unchanged."""
    table, other = tasks(catalog), tasks(catalog)
    replace(table, "w", [row(1)])
    replace(table, "v", [row(5)])
    send = catalog.commit_table

    def commit_table(*arguments: object) -> object:
        monkeypatch.setattr(catalog, "commit_table", send)
        replace(other, "v", [row(6)])
        expire_snapshots(other, keep=_KEEP_NOTHING)
        return send(*arguments)  # pyright: ignore[reportArgumentType] - passed through

    monkeypatch.setattr(catalog, "commit_table", commit_table)
    replace(table, "w", [row(2)])
    assert (gids(table, "w"), gids(table, "v")) == (["2"], ["6"])


def test_a_table_with_garbage_collection_disabled_keeps_its_files(catalog: Catalog, data_dir: Path) -> None:
    table = tasks(catalog)
    table.transaction().set_properties({"gc.enabled": "false"}).commit_transaction()
    replace(table, "w", [row(1)])
    replace(table, "w", [row(2)])
    assert expire_snapshots(table, keep=_KEEP_NOTHING) == ExpireResult(snapshots=1, files=0)
    assert len(data_files(data_dir)) == 2
