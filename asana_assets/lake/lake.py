"""The lake's single entry point: the tables of one namespace in one Iceberg catalog.

Importing this module does not import PyIceberg, which takes half a second; the first operation does.
"""

import random
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

import pyarrow as pa

from asana_assets.lake.errors import ConflictError

if TYPE_CHECKING:
    from pyiceberg.catalog import Catalog
    from pyiceberg.table import Table

    from asana_assets.lake.catalog import NameCase
    from asana_assets.lake.difference import WriteResult
    from asana_assets.lake.pyiceberg_internals import AnyArray
    from asana_assets.lake.table import Prefix

_MAX_SNAPSHOTS = 100  # more make commits noticeably slower
_KEEP_SNAPSHOTS = timedelta(days=7)
_CONFLICT_ATTEMPTS = 20

_T = TypeVar("_T")


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
        namespace: The Iceberg namespace.
        name_case: Case of namespace, tables and columns in the catalog.
        expire_snapshots: Whether `expire_old_snapshots` may do so; false where the catalog does it.
    """

    def __init__(
        self, *, data_dir: Path, namespace: str, name_case: "NameCase" = "lower", expire_snapshots: bool = True
    ) -> None:
        self.namespace = namespace
        self._data_dir = data_dir
        self._name_case: NameCase = name_case
        self._expire_snapshots = expire_snapshots
        self._catalog: Catalog | None = None
        self._commented: set[str] = set()  # tables whose comments were compared

    @property
    def catalog(self) -> "Catalog":
        """The catalog, opened at first use.

        Raises:
            CatalogUnavailableError: The catalog cannot be opened; the message names the setting to check.
        """
        if self._catalog is None:
            self._catalog = _operations().open_catalog(data_dir=self._data_dir, name_case=self._name_case)
        return self._catalog

    def close(self) -> None:
        """Close the catalog's connections; the next operation opens it again."""
        if self._catalog is not None:
            self._catalog.close()
            self._catalog = None

    def load_table(self, name: str) -> "Table | None":
        """Load a table's current metadata; return None if it does not exist yet."""
        return _operations().load_table(self.catalog, self.namespace, name)

    def ensure_table(self, name: str, schema: pa.Schema) -> "Table":
        """Load a table, created or evolved in place to have at least the columns of `schema`.

        A field's `doc` metadata is the column's comment, the schema's `comment` metadata the table's. Comments that
        differ are updated once per lake, because a catalog may not store all of them.

        Raises:
            SchemaError: A column's type cannot be changed to the given one.
        """
        table = _operations().ensure_table(self.catalog, self.namespace, name, schema)
        if name not in self._commented:
            self._commented.add(name)
            _operations().update_comments(table, schema)
        return table

    def drop_table(self, table: "Table") -> None:
        """Drop a table that was created as a probe; tables of endpoints are never dropped."""
        self.catalog.drop_table(table.name())

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

    def may_contain_null(self, table: "Table", column: str, *, workspace: str) -> bool:
        """Return whether a workspace's rows may have nulls in a column, from file statistics alone."""
        return _operations().may_contain_null(table, column, workspace=workspace)

    def replace_partition(
        self,
        table: "Table",
        workspace: str,
        batches: Iterable[pa.RecordBatch],
        *,
        sort_by: Sequence[str],
        properties: Mapping[str, str] | None = None,
        compare_contents: bool = False,
        last_writer_wins: bool = False,
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

        Raises:
            SchemaError: A row does not fit the table.
            LostFileError: A data file that is read is missing.
            ConflictError: Another writer changed this workspace in the meantime.
            CommitUnknownError: The catalog's response was lost.
        """

        def write() -> "WriteResult":
            return _operations().write_rows(
                table, workspace, batches, sort_by=sort_by, properties=properties, compare_contents=compare_contents
            )

        return _retry_on_conflict(write) if last_writer_wins else write()

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
            )

        return _retry_on_conflict(write) if last_writer_wins else write()

    def drop_lost_files(self, table: "Table", *, workspace: str | None = None) -> int:
        """Remove data files of a workspace (None: of all) that are missing from the store; return their number."""
        return _operations().drop_lost_files(table, workspace)

    def expire_old_snapshots(self, table: "Table", *, keep: timedelta = _KEEP_SNAPSHOTS) -> None:
        """Expire snapshots older than `keep` if this lake may and the table has more than 100 of them."""
        if self._expire_snapshots and len(table.metadata.snapshots) > _MAX_SNAPSHOTS:
            _operations().expire_snapshots(table, keep=keep)


def _retry_on_conflict(write: Callable[[], _T]) -> _T:
    """Repeat `write` after conflicts; the last of several concurrent writers then wins.

    Raises:
        ConflictError: Conflicts persisted.
    """
    for attempt in range(1, _CONFLICT_ATTEMPTS):
        try:
            return write()
        except ConflictError:
            time.sleep(random.uniform(0, 0.2 * attempt))  # noqa: S311 - jitter, not a secret
    return write()
