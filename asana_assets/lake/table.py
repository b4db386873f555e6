"""Creating, evolving and scanning Iceberg tables; rows are written by `writer` and `commit`.

All tables have an identity partition on `workspace_gid`, a key `gid`, a column `_synced_at`, and format v2 (PyIceberg
cannot write v3). A table is never dropped or recreated, because readers follow its UUID. The catalog chooses its
location.
"""

import random
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import lru_cache, reduce
from itertools import chain
from typing import TypeAlias

import pyarrow as pa
import pyarrow.compute as pc
from pyiceberg.catalog import Catalog
from pyiceberg.exceptions import (
    CommitFailedException,
    NamespaceAlreadyExistsError,
    NoSuchNamespaceError,
    NoSuchTableError,
    TableAlreadyExistsError,
    ValidationError,
)
from pyiceberg.expressions import AlwaysTrue, And, BooleanExpression, Or
from pyiceberg.partitioning import PartitionField, PartitionSpec
from pyiceberg.schema import Schema
from pyiceberg.table import DataScan, FileScanTask, Table
from pyiceberg.transforms import IdentityTransform
from pyiceberg.types import ListType, MapType, StructType

from asana_assets.lake.catalog import apply_name_case, schema_in_catalog_case
from asana_assets.lake.comments import comment_properties
from asana_assets.lake.error_translation import translate_error, translate_errors, translates_errors
from asana_assets.lake.errors import CatalogRefusedError, LakeError, SchemaError
from asana_assets.lake.expressions import where_equal, where_null, where_starts_with
from asana_assets.lake.pyiceberg_internals import (
    arrow_schema,
    iceberg_schema,
    names_by_id,
    read_file,
)
from asana_assets.lake.table_properties import TABLE_PROPERTIES

WORKSPACE_COLUMN = "workspace_gid"
"""The column that every table is partitioned by."""

SYNCED_AT = "_synced_at"
"""The column that decides which of several rows with the same key is the newest."""

SCAN_THREADS = 8
"""Files read concurrently; on an object store, latency dominates."""

Prefix: TypeAlias = tuple[str, str | tuple[str, ...]]
"""A string column, and what its values must start with: one text or any of several."""

_EVOLVE_ATTEMPTS = 10
_CACHED_PLANS = 32  # a run uses about two at once for each of its tables, one before and one after writing


@translates_errors
def load_table(catalog: Catalog, namespace: str, name: str) -> Table | None:
    """Load the table's current metadata; return None if the table or its namespace does not exist yet.

    Here and in `ensure_table`, names are lower-case; the catalog's setting decides their case in the catalog.
    """
    try:
        return catalog.load_table((apply_name_case(catalog, namespace), apply_name_case(catalog, name)))
    except (NoSuchTableError, NoSuchNamespaceError):
        return None


@translates_errors
def ensure_table(catalog: Catalog, namespace: str, name: str, schema: pa.Schema) -> Table:
    """Load the table, created or evolved in place to have at least the columns of `schema`.

    Missing columns and nested fields are added (null in old rows); nothing is ever dropped. Several processes may call
    this for the same table at once. Comments of an existing table are updated by `comments.update_comments`.

    Raises:
        SchemaError: `schema` has no `workspace_gid`, the table is not partitioned by it, or a column's type cannot be
            changed to the given one.
    """
    if WORKSPACE_COLUMN not in schema.names:
        raise SchemaError(f"Table {namespace}.{name} needs a column {WORKSPACE_COLUMN}, its partition column.")
    table = load_table(catalog, namespace, name)
    if table is None:
        table = _create(catalog, namespace, name, schema)  # another process may create it first, with other columns
    _check_table(table)
    stored = _types(arrow_schema(table.schema(), field_ids=False))
    if all(stored.get(name) == column_type for name, column_type in _types(schema).items()):
        return table
    return _evolve(table, schema_in_catalog_case(catalog, schema))


def _create(catalog: Catalog, namespace: str, name: str, schema: pa.Schema) -> Table:
    namespace, name, workspace = (apply_name_case(catalog, word) for word in (namespace, name, WORKSPACE_COLUMN))
    try:
        if not catalog.namespace_exists(namespace):
            catalog.create_namespace(namespace)
    except NamespaceAlreadyExistsError:
        pass
    except Exception as error:  # the SQL catalog raises the database's own error when two processes race
        known = translate_error(error, catalog.properties)
        if isinstance(known, CatalogRefusedError):
            raise CatalogRefusedError(
                f"Namespace {namespace} does not exist and cannot be created; check ICEBERG_NAMESPACE, or have the "
                f"namespace created: {str(known)[0].lower()}{str(known)[1:]}"
            ) from None
        if not catalog.namespace_exists(namespace):
            raise
    iceberg = iceberg_schema(schema_in_catalog_case(catalog, schema))
    partition = PartitionField(iceberg.find_field(workspace).field_id, 1000, IdentityTransform(), workspace)
    # Gids are longer than the default bounds of 16 characters, and bounds truncated to that prune almost nothing.
    full_bounds = {
        f"write.metadata.metrics.column.{apply_name_case(catalog, column)}": "full"
        for column in schema.names
        if column.endswith("gid")
    }
    try:
        return catalog.create_table(
            (namespace, name),
            schema=iceberg,
            partition_spec=PartitionSpec(partition),
            properties={
                "format-version": "2",
                **TABLE_PROPERTIES,
                **full_bounds,
                **comment_properties(catalog, schema),
            },
        )
    except TableAlreadyExistsError:
        return catalog.load_table((namespace, name))


def _types(schema: pa.Schema) -> dict[str, pa.DataType]:
    return {field.name: field.type for field in schema}  # types are equal, but not their hashes, if only docs differ


def _evolve(table: Table, schema: pa.Schema) -> Table:
    for attempt in range(_EVOLVE_ATTEMPTS):
        _check_types(table, iceberg_schema(schema))
        try:
            with table.update_schema() as update:  # commits only if something changes
                update.union_by_name(_with_optional_columns(table, schema))
        except CommitFailedException:
            time.sleep(random.uniform(0, 0.1 * (attempt + 1)))  # noqa: S311 - jitter, not a secret
            table.refresh()
        except (ValidationError, ValueError) as error:
            raise SchemaError(f"Table {_name(table)} cannot be changed to the given columns: {error}") from error
        else:
            return table
    raise LakeError(f"Table {_name(table)} could not be evolved: its schema kept changing; run this one again.")


def _with_optional_columns(table: Table, schema: pa.Schema) -> pa.Schema:
    """Return `schema` with optional columns, as old rows have no value for new ones; required columns stay required."""
    required = {field.name for field in table.schema().fields if field.required}
    return pa.schema([field.with_nullable(field.name not in required) for field in schema])


def is_partitioned_by_workspace(table: Table) -> bool:
    """Return whether the workspace's gid alone partitions the table; otherwise it belongs to another program."""
    fields = [(field.name.lower(), type(field.transform)) for field in table.spec().fields]
    return fields == [(WORKSPACE_COLUMN, IdentityTransform)]


def _check_table(table: Table) -> None:
    if not is_partitioned_by_workspace(table):
        raise SchemaError(
            f"Table {_name(table)} is not partitioned by {WORKSPACE_COLUMN} only, so it belongs to another program; "
            "it is left unchanged."
        )


def _check_types(table: Table, schema: Schema) -> None:
    """Reject changes from or to a list, struct or map; PyIceberg's own error would not name the column."""
    current = table.schema()
    for field_id, path in names_by_id(schema).items():
        try:
            old = current.find_type(path, case_sensitive=False)
        except ValueError:
            continue
        new = schema.find_type(field_id)
        if type(old) is not type(new) and any(isinstance(one, ListType | StructType | MapType) for one in (old, new)):
            raise SchemaError(f"Column {path} of table {_name(table)} cannot change from {old} to {new}.")


def scan_schema(table: Table) -> pa.Schema:
    """Return the Arrow schema of the rows that a scan of all columns returns."""
    return arrow_schema(table.schema(), field_ids=False)


@translates_errors
def scan(
    table: Table,
    *,
    workspace: str | None = None,
    columns: Sequence[str] | None = None,
    prefix: Prefix | None = None,
) -> pa.Table:
    """Return the rows of a workspace (None: of all) from `table` as last refreshed.

    Args:
        table: The table.
        workspace: The workspace's gid.
        columns: The columns to read; None for all.
        prefix: Limits the rows, and prunes files; its column must be among `columns`.
    """
    plan = _plan(table, workspace, columns, prefix)
    projection = plan.projection()
    tasks = live_files(table, workspace).values() if prefix is None else _tasks(plan, prefix)
    with ThreadPoolExecutor(SCAN_THREADS) as pool:
        files = pool.map(lambda task: list(read_file(table, task, projection)), tasks)
        rows = pa.Table.from_batches(chain.from_iterable(files), arrow_schema(projection, field_ids=False))
    if prefix is None:
        return rows
    matches = (pc.starts_with(rows[prefix[0]], text) for text in _texts(prefix))
    return rows.filter(reduce(pc.or_, matches))


def scan_batches(
    table: Table, *, workspace: str | None = None, columns: Sequence[str] | None = None
) -> Iterator[pa.RecordBatch]:
    """Yield the rows of `scan` in batches of bounded size, file by file in no guaranteed order."""
    with translate_errors(table):
        projection = _plan(table, workspace, columns).projection()
        for task in live_files(table, workspace).values():
            yield from read_file(table, task, projection)


@translates_errors
def count(table: Table, *, workspace: str | None = None) -> int:
    """Return the number of rows of a workspace (None: of all), from metadata alone."""
    snapshot = table.current_snapshot()
    if workspace is None and snapshot and snapshot.summary and "total-records" in snapshot.summary:
        return int(snapshot.summary["total-records"] or 0)
    files = live_files(table, workspace).values()
    if any(task.delete_files for task in files):
        return _plan(table, workspace, None).count()
    return sum(task.file.record_count for task in files)


@translates_errors
def may_contain_null(table: Table, column: str, *, workspace: str) -> bool:
    """Return whether a workspace's rows may have nulls in a column, from file statistics alone."""
    where = And(where_equal(WORKSPACE_COLUMN, workspace), where_null(column))
    return any(True for _ in table.scan(row_filter=where, case_sensitive=False).plan_files())


def live_files(table: Table, workspace: str | None) -> dict[str, FileScanTask]:
    """Return the data files of a workspace (None: of all) in the table's current snapshot, by path."""
    snapshot = table.current_snapshot()
    if snapshot is None:
        return {}
    key = _SnapshotPart(str(table.metadata.table_uuid), snapshot.snapshot_id, workspace, table)
    return {task.file.file_path: task for task in _plan_files(key)}


@dataclass(frozen=True, slots=True)
class _SnapshotPart:
    """A workspace's files in one snapshot of a table, which never change; equal whatever object the table is."""

    table_uuid: str
    snapshot_id: int
    workspace: str | None
    table: Table = field(compare=False)


@lru_cache(_CACHED_PLANS)
def _plan_files(part: _SnapshotPart) -> tuple[FileScanTask, ...]:
    return tuple(_tasks(_plan(part.table, part.workspace, None)))


def _tasks(plan: DataScan, prefix: Prefix | None = None) -> Iterator[FileScanTask]:
    for task in plan.plan_files():
        if task.residual != AlwaysTrue() and (prefix is None or WORKSPACE_COLUMN in repr(task.residual).lower()):
            raise LakeError(
                f"A data file contains rows of several workspaces, so another program wrote it: {task.file.file_path}."
            )
        yield task


def _plan(table: Table, workspace: str | None, columns: Sequence[str] | None, prefix: Prefix | None = None) -> DataScan:
    where: BooleanExpression = AlwaysTrue() if workspace is None else where_equal(WORKSPACE_COLUMN, workspace)
    if prefix is not None:
        matches = (where_starts_with(prefix[0], text) for text in _texts(prefix))
        where = And(where, reduce(Or, matches))
    selected = tuple(columns) if columns is not None else ("*",)
    return table.scan(row_filter=where, selected_fields=selected, case_sensitive=False)


def _texts(prefix: Prefix) -> tuple[str, ...]:
    return (prefix[1],) if isinstance(prefix[1], str) else prefix[1]


def _name(table: Table) -> str:
    return ".".join(table.name())
