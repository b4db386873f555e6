"""Tables of the lake: creating, evolving, reading.

All look alike: identity partition on `workspace_gid`, a key `gid`, a `_synced_at`; format v2 (PyIceberg cannot write
v3). A table is never dropped or recreated, because readers follow its UUID, and its location is the catalog's choice.
Writing rows is `writer` and `commit`.
"""

import random
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import chain

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
from pyiceberg.expressions import AlwaysTrue, And, BooleanExpression
from pyiceberg.partitioning import PartitionField, PartitionSpec
from pyiceberg.schema import Schema
from pyiceberg.table import DataScan, FileScanTask, Table
from pyiceberg.transforms import IdentityTransform
from pyiceberg.types import ListType, MapType, StructType

from asana_assets.lake.catalog import apply_name_case
from asana_assets.lake.error_translation import translate_error, translate_errors, translates_errors
from asana_assets.lake.errors import CatalogRefusedError, LakeError, SchemaError
from asana_assets.lake.pyiceberg_internals import (
    arrow_schema,
    iceberg_schema,
    names_by_id,
    read_file,
    where_equal,
    where_starts_with,
)

WORKSPACE_COLUMN = "workspace_gid"
SYNCED_AT = "_synced_at"

SCAN_THREADS = 8  # files read at once; on an object store the latency is the cost

_EVOLVE_ATTEMPTS = 10
_PROPERTIES = {
    "format-version": "2",
    "write.parquet.compression-codec": "zstd",
    # Commits to different workspaces meet on the table's one head. With PyIceberg's 4 retries 1 in 20 failed.
    "commit.retry.num-retries": "20",
    "commit.retry.min-wait-ms": "50",
    "commit.retry.max-wait-ms": "2000",
    # A commit's cost follows the metadata it reads: keep 10 old metadata files, and few manifests.
    "write.metadata.delete-after-commit.enabled": "true",
    "write.metadata.previous-versions-max": "10",
    "commit.manifest-merge.enabled": "true",
    "commit.manifest.min-count-to-merge": "20",
}


@translates_errors
def load_table(catalog: Catalog, namespace: str, name: str) -> Table | None:
    """The table at its newest state, or None when it or its namespace does not exist yet.

    Here and in `ensure_table` names are given in lower case; which case they have there is the catalog's setting.
    """
    try:
        return catalog.load_table((apply_name_case(catalog, namespace), apply_name_case(catalog, name)))
    except (NoSuchTableError, NoSuchNamespaceError):
        return None


@translates_errors
def ensure_table(catalog: Catalog, namespace: str, name: str, schema: pa.Schema) -> Table:
    """The table with at least the columns of `schema`, created or evolved in place, at its newest state.

    Columns and nested fields that the table lacks are added (old rows read null); nothing is ever dropped. Several
    processes may ask for one table at once. A field's `doc` metadata becomes the column's doc.

    Raises:
        SchemaError: `schema` has no `workspace_gid`, or a column's type cannot become the asked one.
    """
    if WORKSPACE_COLUMN not in schema.names:
        raise SchemaError(f"Table {namespace}.{name} needs a column {WORKSPACE_COLUMN}: it is the partition.")
    table = load_table(catalog, namespace, name)
    if table is None:
        table = _create(catalog, namespace, name, schema)  # or another process did, with other columns
    _check_table(table)
    if set(_columns(schema)) <= set(_columns(arrow_schema(table.schema(), field_ids=False))):
        return table
    return _evolve(table, _in_case(catalog, schema))


def _in_case(catalog: Catalog, schema: pa.Schema) -> pa.Schema:
    """Fields inside of columns keep their names: Snowflake, whose case it is, tells their cases apart."""
    return pa.schema([field.with_name(apply_name_case(catalog, field.name)) for field in schema])


def _create(catalog: Catalog, namespace: str, name: str, schema: pa.Schema) -> Table:
    namespace, name, workspace = (apply_name_case(catalog, word) for word in (namespace, name, WORKSPACE_COLUMN))
    try:
        if not catalog.namespace_exists(namespace):
            catalog.create_namespace(namespace)
    except NamespaceAlreadyExistsError:
        pass
    except Exception as error:  # the SQL catalog lets the database's own error through when two processes race
        known = translate_error(error, catalog.properties)
        if isinstance(known, CatalogRefusedError):
            raise CatalogRefusedError(
                f"There is no namespace {namespace} that can be used, nor may it be created; check ICEBERG_NAMESPACE, "
                f"or have it created: {str(known)[0].lower()}{str(known)[1:]}"
            ) from None
        if not catalog.namespace_exists(namespace):
            raise
    iceberg = iceberg_schema(_in_case(catalog, schema))
    partition = PartitionField(iceberg.find_field(workspace).field_id, 1000, IdentityTransform(), workspace)
    # Gids outgrow the default of 16 characters, and truncated bounds prune nothing among gids of one length.
    exact = {
        f"write.metadata.metrics.column.{apply_name_case(catalog, column)}": "full"
        for column in schema.names
        if column.endswith("gid")
    }
    try:
        return catalog.create_table(
            (namespace, name),
            schema=iceberg,
            partition_spec=PartitionSpec(partition),
            properties={**_PROPERTIES, **exact},
        )
    except TableAlreadyExistsError:
        return catalog.load_table((namespace, name))


def _columns(schema: pa.Schema) -> list[tuple[str, pa.DataType]]:
    return [(field.name, field.type) for field in schema]


def _evolve(table: Table, schema: pa.Schema) -> Table:
    for attempt in range(_EVOLVE_ATTEMPTS):
        _check_types(table, iceberg_schema(schema))
        try:
            with table.update_schema() as update:  # no commit when nothing changes
                update.union_by_name(_as_evolution(table, schema))
        except CommitFailedException:
            time.sleep(random.uniform(0, 0.1 * (attempt + 1)))  # noqa: S311 - jitter, not a secret
            table.refresh()
        except (ValidationError, ValueError) as error:
            raise SchemaError(f"Table {_name(table)} cannot take the columns: {error}") from error
        else:
            return table
    raise LakeError(f"Table {_name(table)} could not be evolved: its schema kept changing; run again.")


def _as_evolution(table: Table, schema: pa.Schema) -> pa.Schema:
    """`schema` as optional columns, except those that the table requires already: old rows have no value for them."""
    required = {field.name for field in table.schema().fields if field.required}
    return pa.schema([field.with_nullable(field.name not in required) for field in schema])


def _check_table(table: Table) -> None:
    fields = [(field.name.lower(), type(field.transform)) for field in table.spec().fields]
    if fields != [(WORKSPACE_COLUMN, IdentityTransform)]:
        raise SchemaError(
            f"Table {_name(table)} is not partitioned by {WORKSPACE_COLUMN} alone, so it is not ours to write."
        )


def _check_types(table: Table, wanted: Schema) -> None:
    """A list or struct that became something else is refused here: PyIceberg's own words name no column."""
    have = table.schema()
    for field_id, path in names_by_id(wanted).items():
        try:
            old = have.find_type(path, case_sensitive=False)
        except ValueError:
            continue
        new = wanted.find_type(field_id)
        if type(old) is not type(new) and any(isinstance(kind, ListType | StructType | MapType) for kind in (old, new)):
            raise SchemaError(f"Column {path} of table {_name(table)} cannot change from {old} to {new}.")


@translates_errors
def scan(
    table: Table,
    *,
    workspace: str | None = None,
    columns: Sequence[str] | None = None,
    prefix: tuple[str, str] | None = None,
) -> pa.Table:
    """The rows of a workspace (None: of all) in memory, only the asked columns; `table` as it was last refreshed.

    `prefix`, one of the columns and a text that its values begin with, leaves the other rows and their files out.
    """
    plan = _plan(table, workspace, columns, prefix)
    projection = plan.projection()
    with ThreadPoolExecutor(SCAN_THREADS) as pool:
        files = pool.map(lambda task: list(read_file(table, task, projection)), _tasks(plan, prefix))
        rows = pa.Table.from_batches(chain.from_iterable(files), arrow_schema(projection, field_ids=False))
    return rows if prefix is None else rows.filter(pc.starts_with(rows[prefix[0]], prefix[1]))


def scan_batches(
    table: Table, *, workspace: str | None = None, columns: Sequence[str] | None = None
) -> Iterator[pa.RecordBatch]:
    """As `scan`, some rows in memory at a time, files in no promised order."""
    with translate_errors(table):
        plan = _plan(table, workspace, columns)
        projection = plan.projection()
        for task in _tasks(plan):
            yield from read_file(table, task, projection)


@translates_errors
def count(table: Table, *, workspace: str | None = None) -> int:
    """How many rows, from metadata alone."""
    snapshot = table.current_snapshot()
    if workspace is None and snapshot and snapshot.summary and "total-records" in snapshot.summary:
        return int(snapshot.summary["total-records"] or 0)
    return _plan(table, workspace, None).count()


def live_files(table: Table, workspace: str) -> dict[str, FileScanTask]:
    """The workspace's data files at the table's current snapshot, by path."""
    return {task.file.file_path: task for task in _tasks(_plan(table, workspace, None))}


def _tasks(plan: DataScan, prefix: tuple[str, str] | None = None) -> Iterator[FileScanTask]:
    for task in plan.plan_files():
        if task.residual != AlwaysTrue() and (prefix is None or WORKSPACE_COLUMN in repr(task.residual).lower()):
            raise LakeError(
                f"A file holds rows of several workspaces, which only another program writes: {task.file.file_path}."
            )
        yield task


def _plan(
    table: Table, workspace: str | None, columns: Sequence[str] | None, prefix: tuple[str, str] | None = None
) -> DataScan:
    where: BooleanExpression = AlwaysTrue() if workspace is None else where_equal(WORKSPACE_COLUMN, workspace)
    if prefix is not None:
        where = And(where, where_starts_with(*prefix))
    selected = tuple(columns) if columns is not None else ("*",)
    return table.scan(row_filter=where, selected_fields=selected, case_sensitive=False)


def _name(table: Table) -> str:
    return ".".join(table.name())
