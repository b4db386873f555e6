"""All uses of PyIceberg 0.12's private and semi-private APIs, with reasons.

PyIceberg's public API writes a partitioned table only from one whole `pa.Table` in memory and replaces rows in two
snapshots. Streaming files and one-snapshot swaps are built from its internal parts. These may change in any release,
hence the version pin; the tests of the lake show whether a new minor version still works.
"""

import uuid
from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import TYPE_CHECKING, Any, TypeAlias

import pyarrow as pa
import pyarrow.parquet as pq
from pyiceberg.expressions import AlwaysTrue
from pyiceberg.io.pyarrow import (
    ArrowScan,
    ParquetFormatWriter,
    _ConvertToIcebergWithoutIDs,  # pyright: ignore[reportPrivateUsage] - this module's purpose
    parquet_file_to_data_file,
    schema_to_pyarrow,
    visit_pyarrow,
)
from pyiceberg.manifest import DataFile, DataFileContent, FileFormat, ManifestFile
from pyiceberg.partitioning import PartitionFieldValue, PartitionKey
from pyiceberg.schema import Schema, assign_fresh_schema_ids
from pyiceberg.table import FileScanTask, Table, TableProperties, Transaction
from pyiceberg.table.metadata import TableMetadata
from pyiceberg.table.snapshots import Operation, Summary
from pyiceberg.table.update.snapshot import (
    _ManifestMergeManager,  # pyright: ignore[reportPrivateUsage] - this module's purpose
    _OverwriteFiles,  # pyright: ignore[reportPrivateUsage] - this module's purpose
)
from pyiceberg.typedef import EMPTY_DICT, Record
from pyiceberg.utils.properties import property_as_bool, property_as_int

from asana_assets.lake.errors import LostFileError

if TYPE_CHECKING:  # these classes are generic in the stubs but not at run time
    AnyArray: TypeAlias = pa.Array[Any]
    AnyField: TypeAlias = pa.Field[Any]
else:
    AnyArray, AnyField = pa.Array, pa.Field

_BATCH_ROWS = 10_000


def names_by_id(schema: Schema) -> dict[int, str]:
    """Return the dotted name of every column and nested field by id; PyIceberg has no public list of them."""
    return schema._lazy_id_to_name  # noqa: SLF001  # pyright: ignore[reportPrivateUsage] - this module's purpose


def iceberg_schema(schema: pa.Schema) -> Schema:
    """Convert `schema` to Iceberg with fresh field ids; `doc` field metadata becomes column docs."""
    return assign_fresh_schema_ids(visit_pyarrow(schema, _ConvertToIcebergWithoutIDs()))


def arrow_schema(schema: Schema, *, field_ids: bool) -> pa.Schema:
    """Return the Arrow schema in which the lake writes and scans rows; `field_ids` adds field ids as metadata.

    It uses `string` and `list` instead of `large_*`. A record batch therefore holds at most 2 GB of text per column;
    the writer's batches are bounded far below that. Column names are lower-case whatever the table's case: columns are
    matched to the table's by field id and position.
    """
    fields = [_without_large_types(field) for field in schema_to_pyarrow(schema, include_field_ids=field_ids)]
    return pa.schema([field.with_name(field.name.lower()) for field in fields])


def _without_large_types(field: "pa.Field[pa.DataType]") -> "pa.Field[pa.DataType]":
    """Return `field` without large types; PyIceberg's own conversion loses the ids of list elements."""
    field_type = field.type
    if isinstance(field_type, pa.LargeListType):
        return field.with_type(pa.list_(_without_large_types(field_type.value_field)))
    if isinstance(field_type, pa.StructType):
        children = [field_type.field(index) for index in range(field_type.num_fields)]
        return field.with_type(pa.struct([_without_large_types(child) for child in children]))
    if pa.types.is_large_string(field_type):
        return field.with_type(pa.string())
    return field


def read_file(table: Table, task: FileScanTask, projection: Schema) -> Iterator[pa.RecordBatch]:
    """Yield one data file's rows in batches, with the projection's columns; absent columns are null.

    PyIceberg's own reader holds the whole file in memory and turns a null list of structs into an empty one. It is used
    only for files with row-level deletes, which only another engine can have written.

    Raises:
        LostFileError: The file does not exist.
    """
    try:
        yield from _read_file(table, task, projection)
    except FileNotFoundError:
        raise LostFileError(
            f"Table {'.'.join(table.name())} has lost the data file {task.file.file_path}. "
            "Run asana-assets sync --full-refresh to fetch its rows again."
        ) from None


def _read_file(table: Table, task: FileScanTask, projection: Schema) -> Iterator[pa.RecordBatch]:
    target = arrow_schema(projection, field_ids=False)
    if task.delete_files:
        arrow = ArrowScan(table.metadata, table.io, projection, AlwaysTrue())
        for batch in arrow.to_record_batches([task]):
            yield from pa.Table.from_batches([batch]).rename_columns(target.names).cast(target).to_batches()
        return
    with (
        table.io.new_input(task.file.file_path).open() as stream,
        pq.ParquetFile(
            stream,  # pyright: ignore[reportArgumentType] - PyIceberg returns an Arrow file
            pre_buffer=True,
        ) as file,
    ):
        stored = {field_id(field): field for field in file.schema_arrow}
        columns = [(stored.get(field_id(field)), field) for field in arrow_schema(projection, field_ids=True)]
        names = [field.name for field, _ in columns if field is not None]
        for batch in file.iter_batches(_BATCH_ROWS, columns=names, use_threads=False):
            arrays = [
                pa.nulls(batch.num_rows, new.type) if old is None else cast_to_schema(batch[old.name], old, new)
                for old, new in columns
            ]
            yield pa.RecordBatch.from_arrays(arrays, schema=target)


def field_id(field: AnyField) -> bytes:
    """Return the field's id as text."""
    return (field.metadata or {})[b"PARQUET:field_id"]


def cast_to_schema(array: AnyArray, old: AnyField, new: AnyField) -> AnyArray:
    """Cast a file's `array` to the schema's current type: fields are matched by id, new ones are null."""
    if old.type.equals(new.type):
        return array
    if array.offset:
        array = pa.concat_arrays([array, array.slice(0, 0)])  # a copy: lists with nulls cannot be built from a slice
    nulls = array.is_null() if array.null_count else None
    if isinstance(array, pa.ListArray) and isinstance(old.type, pa.ListType) and isinstance(new.type, pa.ListType):
        items = cast_to_schema(array.values, old.type.value_field, new.type.value_field)
        return pa.ListArray.from_arrays(array.offsets, items, type=new.type, mask=nulls)
    if (
        isinstance(array, pa.StructArray)
        and isinstance(old.type, pa.StructType)
        and isinstance(new.type, pa.StructType)
    ):
        index_of = {field_id(field): index for index, field in enumerate(old.type)}
        children = [
            cast_to_schema(array.field(index_of[field_id(field)]), old.type.field(index_of[field_id(field)]), field)
            if field_id(field) in index_of
            else pa.nulls(len(array), field.type)
            for field in new.type
        ]
        return pa.StructArray.from_arrays(children, fields=list(new.type), mask=nulls)
    return array.cast(new.type)


def stored_data_file(table: Table, path: str) -> DataFile:
    """Return the manifest entry of a file that `DataFileWriter` wrote to the table's location."""
    return parquet_file_to_data_file(table.io, table.metadata, path)


def refresh_vended_credentials(table: Table) -> None:
    """Renew credentials that the catalog vended with the table, perhaps hours ago; keep the table's metadata as is."""
    if table.config:
        table.io = table.catalog.load_table(table.name()).io


class DataFileWriter:
    """One Parquet data file of one workspace, at the table's location, written in row groups.

    PyIceberg's `write_file` needs all rows of a file at once; its `ParquetFormatWriter` does not.
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
        """Write one row group; columns as in `arrow_schema`."""
        self._writer.write(rows.rename_columns(self._names))
        self.rows += rows.num_rows

    def close(self) -> DataFile:
        """Complete the file and return its entry for a manifest."""
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
        file.spec_id = self._table.metadata.default_spec_id  # `from_args` ignores it
        return file

    def abort(self) -> None:
        """Close and delete the file; never raises, so that an error being handled is not masked."""
        with suppress(Exception):
            self._writer.close()
        with suppress(Exception):
            self._table.io.delete(self.path)


class StagedTransaction(Transaction):
    """A transaction that caches `table_metadata` between updates; PyIceberg rebuilds it on every access."""

    _cached_metadata: TableMetadata | None = None
    _cached_for: tuple[object, object] = (None, None)  # the base metadata and the updates it was built from

    @property
    def table_metadata(self) -> TableMetadata:
        # Identity suffices: a refresh for a retry, or a new update, replaces these objects and never mutates them.
        base, updates = self._table.metadata, self._updates
        if self._cached_metadata is None or self._cached_for[0] is not base or self._cached_for[1] is not updates:
            self._cached_metadata, self._cached_for = super().table_metadata, (base, updates)
        return self._cached_metadata


class SwapFiles(_OverwriteFiles):
    """An overwrite in one snapshot that merges manifests, so that there are never many.

    PyIceberg's own overwrite keeps every manifest that only records deletions and merges none (only its append
    merges), so planning gets slower with every commit.
    """

    def __init__(
        self, transaction: Transaction, table: Table, properties: dict[str, str], *, is_merge: bool = False
    ) -> None:
        self._is_merge = is_merge
        super().__init__(
            operation=Operation.APPEND if table.current_snapshot() is None else Operation.OVERWRITE,
            transaction=transaction,
            io=table.io,
            snapshot_properties=properties,
        )

    def evaluator(self, spec_id: int) -> Callable[[ManifestFile], bool]:
        """Return a thread-safe predicate: whether a manifest may contain files to remove.

        PyIceberg's evaluator stores the manifest being evaluated in itself and is shared between threads. One thread
        may then evaluate its manifest with another's bounds, and the commit fails because an existing file is missed.
        """
        build = super()._build_manifest_evaluator

        def may_match(manifest: ManifestFile) -> bool:
            return build(spec_id)(manifest)

        return may_match

    _build_manifest_evaluator = evaluator

    def _process_manifests(self, manifests: list[ManifestFile]) -> list[ManifestFile]:
        properties, names = self._transaction.table_metadata.properties, TableProperties
        size = (names.MANIFEST_TARGET_SIZE_BYTES, names.MANIFEST_TARGET_SIZE_BYTES_DEFAULT)
        count = (names.MANIFEST_MIN_MERGE_COUNT, names.MANIFEST_MIN_MERGE_COUNT_DEFAULT)
        enabled = (names.MANIFEST_MERGE_ENABLED, names.MANIFEST_MERGE_ENABLED_DEFAULT)
        merger = _ManifestMergeManager(
            target_size_bytes=property_as_int(properties, *size) or 0,
            min_count_to_merge=property_as_int(properties, *count) or 0,
            merge_enabled=property_as_bool(properties, *enabled),
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

    def _summary(self, snapshot_properties: dict[str, str] = EMPTY_DICT) -> Summary:
        """Build the summary; PyIceberg cannot compute one for a replacement of files by files with the same rows."""
        summary = super()._summary(snapshot_properties)
        return Summary(Operation.REPLACE, **summary.additional_properties) if self._is_merge else summary

    def discard(self) -> None:
        """Delete manifests that were written for a commit that was never sent."""
        self._clean_all_uncommitted()
