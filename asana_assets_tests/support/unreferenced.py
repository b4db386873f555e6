"""Which files on disk no table of a data directory references, found without the code under test."""

from datetime import timedelta
from pathlib import Path

from pyiceberg.table import Table

from asana_assets.lake.catalog import open_catalog
from asana_assets.lake.lake import Lake


def unreferenced_files(data_dir: Path) -> set[str]:
    """Return the files in the directory of the embedded catalog's tables that nothing references."""
    catalog = open_catalog(data_dir=data_dir)
    referenced = set[str]()
    for identifier in catalog.list_tables("asana"):
        referenced |= _references(catalog.load_table(identifier))
    catalog.close()
    found = {str(path) for path in (data_dir / "warehouse").rglob("*") if path.is_file()}
    assert referenced - found == set(), "referenced files are missing"
    return found - referenced


def assert_maintenance_leaves_nothing(data_dir: Path) -> None:
    """Maintain the tables, to which nothing writes, and assert that no unreferenced file is left."""
    lake = Lake(data_dir=data_dir, namespace="asana")
    list(lake.maintain(remove_older_than=timedelta(seconds=-5)))  # the clocks of the store and of Python may differ
    lake.close()
    assert unreferenced_files(data_dir) == set()


def _references(table: Table) -> set[str]:
    files = {table.metadata_location} | {snapshot.manifest_list for snapshot in table.snapshots()}
    files |= set(table.inspect.all_manifests()["path"].to_pylist()) if table.snapshots() else set()
    files |= set(table.inspect.all_files()["file_path"].to_pylist()) if table.snapshots() else set()
    kept = {entry.metadata_file for entry in table.metadata.metadata_log}
    return {str(file).removeprefix("file://") for file in files | kept}
