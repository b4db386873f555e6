"""Regular maintenance of whole tables: merging small files, expiring snapshots, removing unreferenced files.

All of it may run beside writers. Whichever of two conflicting commits comes second has no effect.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from pyiceberg.catalog import Catalog
from pyiceberg.exceptions import NoSuchNamespaceError
from pyiceberg.table import Table

from asana_assets.lake.catalog import apply_name_case
from asana_assets.lake.error_translation import translate_errors
from asana_assets.lake.errors import ConflictError
from asana_assets.lake.maintenance import ExpireResult, expire_snapshots
from asana_assets.lake.merging import MergeResult, merge_small_files
from asana_assets.lake.table import is_partitioned_by_workspace, live_files, load_table
from asana_assets.lake.unreferenced_files import UnreferencedFiles, remove_unreferenced_files


@dataclass(frozen=True, slots=True, kw_only=True)
class TableMaintenance:
    """What was done to a table, or would be.

    Attributes:
        table: The table's name.
        merged: The small files that were merged, of all workspaces.
        expired: The snapshots that were expired, and the files that only they referenced.
        removed: The files that nothing referenced.
        notes: What was not done and why, as full sentences.
    """

    table: str
    merged: MergeResult
    expired: ExpireResult
    removed: UnreferencedFiles
    notes: tuple[str, ...] = ()


def maintained_tables(catalog: Catalog, namespace: str) -> Iterator[Table]:
    """Yield the tables of a namespace, by name, except those that another program created."""
    with translate_errors(catalog):
        try:
            identifiers = catalog.list_tables(apply_name_case(catalog, namespace))
        except NoSuchNamespaceError:
            return
    for name in sorted(identifier[-1].lower() for identifier in identifiers):
        table = load_table(catalog, namespace, name)
        if table is not None and is_partitioned_by_workspace(table):
            yield table


def stored_workspaces(table: Table) -> list[str]:
    """Return the gids of the workspaces with rows in a table, from metadata alone."""
    with translate_errors(table):
        return sorted({str(task.file.partition[0]) for task in live_files(table, None).values()})


def maintain_table(
    table: Table, *, keep: timedelta, remove_older_than: timedelta, may_delete: bool, dry_run: bool
) -> TableMaintenance:
    """Merge a table's small files, expire its snapshots and remove its unreferenced files.

    Args:
        table: As loaded; refreshed in place.
        keep: As for `decide_expired`.
        remove_older_than: The minimum age of unreferenced files.
        may_delete: Whether snapshots and files may be deleted.
        dry_run: Only return what would be done.
    """
    name = table.name()[-1].lower()
    merged, notes = _merge(table, dry_run=dry_run)
    if not may_delete:
        notes.append(f"Snapshots and files of table {name} are left to the catalog (ICEBERG_EXPIRE_SNAPSHOTS).")
        return TableMaintenance(
            table=name, merged=merged, expired=ExpireResult(), removed=UnreferencedFiles(), notes=tuple(notes)
        )
    expired = expire_snapshots(table, keep=keep, dry_run=dry_run)
    older_than = datetime.now(UTC) - remove_older_than
    removed = remove_unreferenced_files(table, older_than=older_than, dry_run=dry_run)
    if removed.skipped:
        notes.append(f"Unreferenced files of table {name} are kept: {removed.skipped}.")
    return TableMaintenance(table=name, merged=merged, expired=expired, removed=removed, notes=tuple(notes))


def _merge(table: Table, *, dry_run: bool) -> tuple[MergeResult, list[str]]:
    total, notes = MergeResult(), list[str]()
    for workspace in stored_workspaces(table):
        try:
            total += merge_small_files(table, workspace, dry_run=dry_run)
        except ConflictError:
            notes.append(
                f"Files of workspace {workspace} in table {table.name()[-1].lower()} were not merged, because another "
                "run wrote to it."
            )
    return total, notes
