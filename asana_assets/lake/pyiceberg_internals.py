"""Every semi-private part of PyIceberg 0.12 that the lake leans on, in one place, with the reason.

PyIceberg writes a partitioned table only from one whole `pa.Table` in memory and replaces rows in two snapshots.
Streaming files and one-snapshot swaps are made of the pieces it is built from. They carry no promise, hence the
version pin; a new PyIceberg minor is judged by this module's tests.
"""

import uuid
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from typing import TYPE_CHECKING, Any, TypeAlias

import pyarrow as pa
import pyarrow.parquet as pq
from pyiceberg.expressions import AlwaysTrue, BooleanExpression, EqualTo, StartsWith
from pyiceberg.io.pyarrow import (
    ArrowScan,
    ParquetFormatWriter,
    _ConvertToIcebergWithoutIDs,  # pyright: ignore[reportPrivateUsage] - this module's purpose
    schema_to_pyarrow,
    visit_pyarrow,
)
from pyiceberg.manifest import DataFile, DataFileContent, FileFormat, ManifestFile
from pyiceberg.partitioning import PartitionFieldValue, PartitionKey
from pyiceberg.schema import Schema, assign_fresh_schema_ids
from pyiceberg.table import FileScanTask, Table, TableProperties, Transaction
from pyiceberg.table.metadata import TableMetadata
from pyiceberg.table.snapshots import Operation
from pyiceberg.table.update.snapshot import (
    _ManifestMergeManager,  # pyright: ignore[reportPrivateUsage] - this module's purpose
    _OverwriteFiles,  # pyright: ignore[reportPrivateUsage] - this module's purpose
)
from pyiceberg.typedef import Record
from pyiceberg.utils.properties import property_as_bool, property_as_int

if TYPE_CHECKING:  # the stubs' classes are generic, Arrow's own are not
    AnyArray: TypeAlias = pa.Array[Any]
    AnyField: TypeAlias = pa.Field[Any]
else:
    AnyArray, AnyField = pa.Array, pa.Field

_BATCH_ROWS = 10_000


def where_equal(column: str, value: str) -> BooleanExpression:
    """`EqualTo`, whose real signature pydantic hides from the type checker."""
    return EqualTo(column, value)  # pyright: ignore[reportCallIssue]


def where_starts_with(column: str, prefix: str) -> BooleanExpression:
    """`StartsWith`, as above."""
    return StartsWith(column, prefix)  # pyright: ignore[reportCallIssue]


def names_by_id(schema: Schema) -> dict[int, str]:
    """Every column's dotted name, nested ones included; PyIceberg has no public list of them."""
    return schema._lazy_id_to_name  # noqa: SLF001  # pyright: ignore[reportPrivateUsage] - this module's purpose


def iceberg_schema(schema: pa.Schema) -> Schema:
    """`schema` with fresh field ids; `doc` field metadata becomes column docs."""
    return assign_fresh_schema_ids(visit_pyarrow(schema, _ConvertToIcebergWithoutIDs()))


def arrow_schema(schema: Schema, *, field_ids: bool) -> pa.Schema:
    """The Arrow form that the lake writes (with field ids as metadata) and returns: `string` and `list`, not `large_*`.

    A record batch therefore holds at most 2 GB of one column's text; the writer's are bounded far below that. Columns
    are called in lower case, whatever the table's case: between the two stand field ids and positions.
    """
    fields = [_without_large_types(field) for field in schema_to_pyarrow(schema, include_field_ids=field_ids)]
    return pa.schema([field.with_name(field.name.lower()) for field in fields])


def _without_large_types(field: "pa.Field[pa.DataType]") -> "pa.Field[pa.DataType]":
    """`field` without large types. PyIceberg's own conversion loses the ids of list elements."""
    kind = field.type
    if isinstance(kind, pa.LargeListType):
        return field.with_type(pa.list_(_without_large_types(kind.value_field)))
    if isinstance(kind, pa.StructType):
        return field.with_type(pa.struct([_without_large_types(kind.field(index)) for index in range(kind.num_fields)]))
    if pa.types.is_large_string(kind):
        return field.with_type(pa.string())
    return field


def read_file(table: Table, task: FileScanTask, projection: Schema) -> Iterator[pa.RecordBatch]:
    """One data file's rows with the projection's columns, absent ones null, some at a time.

    PyIceberg's reader holds the whole file in memory and makes an empty list of a null one where its items are
    structs. It is used only for files with row-level deletes, which some other engine must have written.
    """
    target = arrow_schema(projection, field_ids=False)
    if task.delete_files:
        arrow = ArrowScan(table.metadata, table.io, projection, AlwaysTrue())
        for batch in arrow.to_record_batches([task]):
            yield from pa.Table.from_batches([batch]).rename_columns(target.names).cast(target).to_batches()
        return
    with (
        table.io.new_input(task.file.file_path).open() as stream,
        pq.ParquetFile(
            stream,  # pyright: ignore[reportArgumentType] - PyIceberg gives Arrow's own file
            pre_buffer=True,
        ) as file,
    ):
        stored = {_field_id(field): field for field in file.schema_arrow}
        wanted = [(stored.get(_field_id(field)), field) for field in arrow_schema(projection, field_ids=True)]
        names = [field.name for field, _ in wanted if field is not None]
        for batch in file.iter_batches(_BATCH_ROWS, columns=names, use_threads=False):
            arrays = [
                pa.nulls(batch.num_rows, new.type) if old is None else _cast_to_schema(batch[old.name], old, new)
                for old, new in wanted
            ]
            yield pa.RecordBatch.from_arrays(arrays, schema=target)


def _field_id(field: AnyField) -> bytes:
    return (field.metadata or {})[b"PARQUET:field_id"]


def _cast_to_schema(array: AnyArray, old: AnyField, new: AnyField) -> AnyArray:
    """`array`, as a file has it, in the type that the schema has since: fields found by id, new ones null."""
    if old.type.equals(new.type):
        return array
    if array.offset:
        array = pa.concat_arrays([array, array.slice(0, 0)])  # lists with nulls cannot be built from a slice
    nulls = array.is_null() if array.null_count else None
    if isinstance(array, pa.ListArray) and isinstance(old.type, pa.ListType) and isinstance(new.type, pa.ListType):
        items = _cast_to_schema(array.values, old.type.value_field, new.type.value_field)
        return pa.ListArray.from_arrays(array.offsets, items, type=new.type, mask=nulls)
    if (
        isinstance(array, pa.StructArray)
        and isinstance(old.type, pa.StructType)
        and isinstance(new.type, pa.StructType)
    ):
        at = {_field_id(field): index for index, field in enumerate(old.type)}
        children = [
            _cast_to_schema(array.field(at[_field_id(field)]), old.type.field(at[_field_id(field)]), field)
            if _field_id(field) in at
            else pa.nulls(len(array), field.type)
            for field in new.type
        ]
        return pa.StructArray.from_arrays(children, fields=list(new.type), mask=nulls)
    return array.cast(new.type)


def refresh_vended_credentials(table: Table) -> None:
    """Have keys that the catalog vended with the table, which may be hours ago, be new; the table stays as it was."""
    if table.config:
        table.io = table.catalog.load_table(table.name()).io


def delete_files(table: Table, files: Iterable[DataFile]) -> None:
    """Delete what no snapshot will hold; never raises: the error under way says more than a file left over."""
    for file in files:
        with suppress(Exception):
            table.io.delete(file.file_path)


class DataFileWriter:
    """One Parquet data file of one workspace, at the table's own location, written in row groups.

    PyIceberg's `write_file` takes all rows of a file at once; its `ParquetFormatWriter` need not.
    """

    def __init__(self, table: Table, workspace: str) -> None:
        spec, schema = table.spec(), table.schema()
        key = PartitionKey([PartitionFieldValue(spec.fields[0], workspace)], spec, schema)
        self._table = table
        self._names = [field.name for field in schema.fields]
        self._workspace = workspace
        self.path = table.location_provider().new_data_location(f"{uuid.uuid4()}.parquet", key)
        self._writer = ParquetFormatWriter(table.io.new_output(self.path), schema, table.properties)
        self.rows = 0

    def write(self, rows: pa.Table) -> None:
        """Each call makes one row group; columns as `arrow_schema` has them."""
        self._writer.write(rows.rename_columns(self._names))
        self.rows += rows.num_rows

    def close(self) -> DataFile:
        statistics = self._writer.close()
        file = DataFile.from_args(
            content=DataFileContent.DATA,
            file_path=self.path,
            file_format=FileFormat.PARQUET,
            partition=Record(self._workspace),
            file_size_in_bytes=len(self._table.io.new_input(self.path)),
            sort_order_id=None,
            equality_ids=None,
            key_metadata=None,
            **statistics.to_serialized_dict(),
        )
        file.spec_id = self._table.metadata.default_spec_id  # no field of the file, so `from_args` drops it
        return file

    def abort(self) -> None:
        """Close what is open and delete the file; never raises, because it runs beside another exception."""
        with suppress(Exception):
            self._writer.close()
        with suppress(Exception):
            self._table.io.delete(self.path)


class StagedTransaction(Transaction):
    """A transaction whose metadata are worked out once a change, not at each look: PyIceberg copies them whole."""

    _worked_out: TableMetadata | None = None
    _of: tuple[object, object] = (None, None)

    @property
    def table_metadata(self) -> TableMetadata:
        # Both are replaced, never changed, when the table is refreshed for another try or an update is added.
        base, updates = self._table.metadata, self._updates
        if self._worked_out is None or self._of[0] is not base or self._of[1] is not updates:
            self._worked_out, self._of = super().table_metadata, (base, updates)
        return self._worked_out


class SwapFiles(_OverwriteFiles):
    """Data files out and in, one snapshot, and manifests that stay few.

    PyIceberg's own overwrite keeps each manifest that only records deletions for ever and merges none (only its
    append merges), so that planning slows down with every commit.
    """

    def __init__(self, transaction: Transaction, table: Table, properties: dict[str, str]) -> None:
        super().__init__(
            operation=Operation.APPEND if table.current_snapshot() is None else Operation.OVERWRITE,
            transaction=transaction,
            io=table.io,
            snapshot_properties=properties,
        )

    def evaluator(self, spec_id: int) -> Callable[[ManifestFile], bool]:
        """Give what tells whether a manifest may hold files that go; by several threads at once.

        PyIceberg's keeps the manifest that it looks at in itself, and is given to several threads all the same: one
        of them may judge its manifest by another's bounds, and the commit fails for a file that is there.
        """
        build = super()._build_manifest_evaluator

        def concerns(manifest: ManifestFile) -> bool:
            return build(spec_id)(manifest)

        return concerns

    _build_manifest_evaluator = evaluator

    def _process_manifests(self, manifests: list[ManifestFile]) -> list[ManifestFile]:
        properties = self._transaction.table_metadata.properties
        merger = _ManifestMergeManager(
            target_size_bytes=property_as_int(
                properties,
                TableProperties.MANIFEST_TARGET_SIZE_BYTES,
                TableProperties.MANIFEST_TARGET_SIZE_BYTES_DEFAULT,
            )
            or 0,
            min_count_to_merge=property_as_int(
                properties,
                TableProperties.MANIFEST_MIN_MERGE_COUNT,
                TableProperties.MANIFEST_MIN_MERGE_COUNT_DEFAULT,
            )
            or 0,
            merge_enabled=property_as_bool(
                properties,
                TableProperties.MANIFEST_MERGE_ENABLED,
                TableProperties.MANIFEST_MERGE_ENABLED_DEFAULT,
            ),
            snapshot_producer=self,
        )
        return merger.merge_manifests(
            [
                manifest
                for manifest in manifests
                if manifest.has_added_files()
                or manifest.has_existing_files()
                or manifest.added_snapshot_id == self._snapshot_id
            ]
        )

    def discard(self) -> None:
        """Delete the manifests written for a commit that was never sent."""
        self._clean_all_uncommitted()
