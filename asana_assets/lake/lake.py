"""The lake's single entry point: the tables of one namespace in one Iceberg catalog.

Importing this module does not import PyIceberg, which takes half a second; the first operation does.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import pyarrow as pa

from asana_assets.lake.conflict_retry import retry_on_conflict
from asana_assets.lake.errors import ConflictError

if TYPE_CHECKING:
    from pyiceberg.catalog import Catalog
    from pyiceberg.table import Table

    from asana_assets.lake.catalog import NameCase
    from asana_assets.lake.change_log import ChangeLog
    from asana_assets.lake.difference import ChangeRecorder, WriteResult
    from asana_assets.lake.pyiceberg_internals import AnyArray
    from asana_assets.lake.table import Prefix
    from asana_assets.lake.upkeep import TableMaintenance

CHANGES_TABLE = "changes"
"""The table with the history of all others."""

_MAX_SNAPSHOTS = 100  # more make commits noticeably slower
_KEEP_SNAPSHOTS = timedelta(days=7)
_KEEP_ALL_SNAPSHOTS = timedelta(days=1)

REMOVE_OLDER_THAN = timedelta(days=3)
"""The default minimum age of unreferenced files that are removed; a writer commits minutes after its first file."""


def _operations():  # noqa: ANN202 - the type of a module cannot be written as an annotation
    from asana_assets.lake import operations  # noqa: PLC0415 - imports PyIceberg

    return operations


class Lake:
    """The tables of one namespace.

    A table is passed around as PyIceberg's `Table`, which holds the metadata of its last refresh: scans and counts use
    that state, and commits refresh it. Names of tables and columns are lower-case.

    Every operation raises `LakeError` if the catalog or its storage cannot be used.

    Args:
        data_dir: Directory of the embedded catalog, which is used if PyIceberg's catalog `asana` is not configured.
        catalog_name: The catalog's name in PyIceberg's configuration.
        catalog_properties: Properties that take precedence over those in PyIceberg's configuration.
        namespace: The Iceberg namespace.
        name_case: Case of namespace, tables and columns in the catalog.
        expire_snapshots: Whether snapshots and files may be deleted; false where the catalog does it.
        record_changes: Whether writes add entries to the table `changes`.
        keep_changes: The age at which these entries are removed; None to keep them.
    """

    def __init__(
        self,
        *,
        data_dir: Path,
        namespace: str,
        catalog_name: str = "asana",
        catalog_properties: Mapping[str, str] | None = None,
        name_case: "NameCase" = "lower",
        expire_snapshots: bool = True,
        record_changes: bool = True,
        keep_changes: timedelta | None = None,
    ) -> None:
        self.namespace = namespace
        self._data_dir = data_dir
        self._catalog_name = catalog_name
        self._catalog_properties = catalog_properties
        self._name_case: NameCase = name_case
        self._expire_snapshots = expire_snapshots
        self._record_changes = record_changes
        self._keep_changes = keep_changes
        self._change_log: ChangeLog | None = None
        self._catalog: Catalog | None = None
        self._commented: set[str] = set()  # tables whose comments were compared

    @property
    def catalog(self) -> "Catalog":
        """The catalog, opened at first use.

        Raises:
            CatalogUnavailableError: The catalog cannot be opened; the message names the setting to check.
        """
        if self._catalog is None:
            self._catalog = _operations().open_catalog(
                data_dir=self._data_dir,
                name_case=self._name_case,
                name=self._catalog_name,
                properties=self._catalog_properties,
            )
        return self._catalog

    def close(self) -> None:
        """Close the catalog's connections; the next operation opens it again."""
        if self._catalog is not None:
            self._catalog.close()
            self._catalog = None

    def load_table(self, name: str) -> "Table | None":
        """Load a table's current metadata; return None if it does not exist yet."""
        return _operations().load_table(self.catalog, self.namespace, name)

    def ensure_table(self, name: str, schema: pa.Schema, *, integration: str | None = None) -> "Table":
        """Load a table, created or evolved in place to have at least the columns of `schema`.

        A field's `doc` metadata is the column's comment, the schema's `comment` metadata the table's. Comments that
        differ are updated once per lake, because a catalog may not store all of them; so are missing properties. If
        `integration` is given, the table belongs to it from now on.

        Raises:
            OtherIntegrationError: The table belongs to another integration.
            SchemaError: A column's type cannot be changed to the given one.
        """
        table = _operations().ensure_table(self.catalog, self.namespace, name, schema, integration)
        if name not in self._commented:
            self._commented.add(name)
            _operations().update_comments(table, schema)
            _operations().add_missing_properties(table, integration)
        return table

    def drop_table(self, table: "Table") -> None:
        """Drop a table that was created as a probe; tables of endpoints are never dropped."""
        self.catalog.drop_table(table.name())

    def list_tables(self) -> "list[Table]":
        """Return the tables of the namespace by name, except those that another program created."""
        return list(_operations().maintained_tables(self.catalog, self.namespace))

    def workspaces(self, table: "Table") -> list[str]:
        """Return the gids of the workspaces with rows in a table, from metadata alone."""
        return _operations().stored_workspaces(table)

    def forget_workspace(self, workspace: str) -> None:
        """Delete a workspace's rows from every table and, if this lake may expire snapshots, all earlier snapshots.

        Raises:
            ConflictError: Another writer changed this workspace in the meantime.
            CommitUnknownError: The catalog's response was lost.
        """
        self._add_all_missing_changes()  # the snapshots that are expired say which ones of other workspaces are missing
        for table in self.list_tables():
            _operations().forget_workspace(table, workspace, expire=self._expire_snapshots)

    def column_names(self, table: "Table") -> list[str]:
        """Return the names of the table's columns."""
        return [field.name.lower() for field in table.schema().fields]

    def arrow_schema(self, table: "Table") -> pa.Schema:
        """Return the Arrow schema of the rows that a scan of all columns returns."""
        return _operations().scan_schema(table)

    def scan(
        self,
        table: "Table",
        *,
        workspace: str | None = None,
        columns: Sequence[str] | None = None,
        prefix: "Prefix | None" = None,
    ) -> pa.Table:
        """Return the rows of a workspace (None: of all), with these columns (None: with all).

        `prefix`, a column among `columns` and one or more texts, limits the rows to those whose value starts with one.
        """
        return _operations().scan(table, workspace=workspace, columns=columns, prefix=prefix)

    def scan_batches(
        self, table: "Table", *, workspace: str | None = None, columns: Sequence[str] | None = None
    ) -> Iterator[pa.RecordBatch]:
        """Yield the rows of `scan` in batches of bounded size, in no guaranteed order."""
        return _operations().scan_batches(table, workspace=workspace, columns=columns)

    def count(self, table: "Table", *, workspace: str | None = None) -> int:
        """Return the number of rows of a workspace (None: of all), from metadata alone."""
        return _operations().count(table, workspace=workspace)

    def count_values(self, table: "Table", *, workspace: str | None = None) -> dict[str, int]:
        """Return how many values of each column, of a workspace's rows (None: of all), are not null, from metadata.

        Nested fields are counted for each element of their list, under their dotted name.
        """
        return _operations().count_values(table, workspace=workspace)

    def content_version(self, table: "Table", *, workspace: str | None = None) -> str:
        """Return a text that is the same for as long as a workspace's rows (None: all) have the same contents."""
        return _operations().content_version(table, workspace=workspace)

    def may_contain_null(self, table: "Table", column: str, *, workspace: str) -> bool:
        """Return whether a workspace's rows may have nulls in a column, from file statistics alone."""
        return _operations().may_contain_null(table, column, workspace=workspace)

    def replace_partition(
        self,
        table: "Table",
        workspace: str,
        batches: Iterable[pa.RecordBatch | pa.Table],
        *,
        sort_by: Sequence[str],
        properties: Mapping[str, str] | None = None,
        compare_contents: bool = False,
        last_writer_wins: bool = False,
        record_as: str | None = None,
    ) -> "WriteResult":
        """Replace all rows of a workspace with those of `batches`, in bounded memory, and commit one snapshot.

        In a table with the column `_row_hash`, stored rows that have the same content as a new row are left as they
        are. Without any difference nothing is written and nothing is committed.

        Args:
            table: Refreshed in place.
            workspace: The workspace's gid.
            batches: The new rows. Nothing is committed if iterating over them raises.
            sort_by: Columns to sort by.
            properties: Added to the snapshot's summary.
            compare_contents: Whether stored rows are read and compared by their contents instead of by `_row_hash`,
                which finds rows that another program changed.
            last_writer_wins: Write again after a conflict with another writer of the workspace; `batches` must then
                be iterable repeatedly.
            record_as: The sync to which the entries in `changes` belong; None to add none.

        Raises:
            SchemaError: A row does not fit the table.
            LostFileError: A data file that is read is missing.
            ConflictError: Another writer changed this workspace in the meantime.
            CommitUnknownError: The catalog's response was lost.
        """

        def write() -> "WriteResult":
            return _operations().write_rows(
                table,
                workspace,
                batches,
                sort_by=sort_by,
                properties=properties,
                compare_contents=compare_contents,
                recorder=self._recorder(record_as),
            )

        return retry_on_conflict(write) if last_writer_wins else write()

    def replace_parents(
        self,
        table: "Table",
        workspace: str,
        *,
        parent_column: str,
        parents: "AnyArray",
        rows: Iterable[pa.RecordBatch | pa.Table],
        sort_by: Sequence[str],
        properties: Mapping[str, str] | None = None,
        compare_contents: bool = False,
        last_writer_wins: bool = False,
        record_as: str | None = None,
    ) -> "WriteResult":
        """Replace the rows of `parents`, and those with the gid of a new row, with `rows`; keep all others.

        Equal rows are left as they are, as by `replace_partition`.

        Args:
            table: Refreshed in place, before `rows` are iterated.
            workspace: The workspace's gid.
            parent_column: The column that holds the parent's gid.
            parents: Gids of the parents, including those without new rows.
            rows: The new rows.
            sort_by: Columns to sort by.
            properties: Added to the snapshot's summary.
            compare_contents: As for `replace_partition`.
            last_writer_wins: Write again after a conflict with another writer of the workspace; `rows` must then be
                iterable repeatedly.
            record_as: As for `replace_partition`.

        Raises:
            SchemaError: A row does not fit the table.
            LostFileError: A data file that is read is missing.
            ConflictError: Another writer changed this workspace in the meantime.
            CommitUnknownError: The catalog's response was lost.
        """

        def write() -> "WriteResult":
            operations = _operations()
            return operations.write_rows(
                table,
                workspace,
                rows,
                parents=operations.Parents(parent_column, parents),
                sort_by=sort_by,
                properties=properties,
                compare_contents=compare_contents,
                recorder=self._recorder(record_as),
            )

        return retry_on_conflict(write) if last_writer_wins else write()

    def add_missing_changes(self, table: "Table", *, workspace: str | None, after: int | None) -> int | None:
        """Add the entries of `changes` that an interrupted writer of this table's rows did not; see `ChangeLog`.

        Args:
            table: The table of rows, as last refreshed.
            workspace: The workspace's gid; None for all.
            after: What this method returned for these rows before.

        Returns:
            The number of the last snapshot whose entries, and those of all before it, are in `changes`.
        """
        if not self._record_changes:
            return after
        return self._changes.add_missing(table, workspace=workspace, after=after)

    def _add_all_missing_changes(self) -> None:
        for table in self.list_tables():
            self.add_missing_changes(table, workspace=None, after=None)

    @property
    def _changes(self) -> "ChangeLog":
        if self._change_log is None:
            self._change_log = _operations().ChangeLog(self._open_changes, retention=self._keep_changes)
        return self._change_log

    def _open_changes(self) -> "Table":
        table = self.ensure_table(CHANGES_TABLE, _operations().CHANGES_SCHEMA)
        self.expire_old_snapshots(table)
        return table

    def _recorder(self, sync_id: str | None) -> "ChangeRecorder | None":
        if sync_id is None or not self._record_changes:
            return None
        return _operations().ChangeRecorder(self._changes, sync_id)

    def drop_lost_files(self, table: "Table", *, workspace: str | None = None) -> int:
        """Remove data files of a workspace (None: of all) that are missing from the store; return their number."""
        return _operations().drop_lost_files(table, workspace)

    def expire_old_snapshots(self, table: "Table", *, keep: timedelta = _KEEP_SNAPSHOTS) -> None:
        """Expire old snapshots if this lake may and the table has more than 100.

        Of those older than a day one a day is kept, and none older than `keep`.
        """
        if self._expire_snapshots and len(table.metadata.snapshots) > _MAX_SNAPSHOTS:
            if self._record_changes:  # only a snapshot's summary says which entries belong to it
                self._changes.add_missing(
                    table, workspace=None, before=datetime.now(UTC) - min(keep, _KEEP_ALL_SNAPSHOTS)
                )
            _operations().expire_snapshots(table, keep=keep)

    def merge_small_files(self, table: "Table", workspace: str) -> None:
        """Merge a workspace's small data files if that pays, as writing rows does; not if another writer interferes."""
        with suppress(ConflictError):
            _operations().merge_small_files(table, workspace)

    def maintain(
        self, *, remove_older_than: timedelta = REMOVE_OLDER_THAN, dry_run: bool = False
    ) -> "Iterator[TableMaintenance]":
        """Merge small files, expire snapshots and remove unreferenced files in every table; yield the results.

        Entries of `changes` that an interrupted writer did not commit are added first. Snapshots and files are left
        alone if this lake may not expire snapshots.

        Args:
            remove_older_than: The minimum age of unreferenced files; less than a writer needs from its first file to
                its commit is only safe if nothing writes.
            dry_run: Only yield what would be done.
        """
        if not dry_run:
            self._add_all_missing_changes()
        for table in self.list_tables():
            yield _operations().maintain_table(
                table,
                keep=_KEEP_SNAPSHOTS,
                remove_older_than=remove_older_than,
                may_delete=self._expire_snapshots,
                dry_run=dry_run,
            )
