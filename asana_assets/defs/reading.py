"""Loading tables as inputs of downstream assets: which rows and columns, and as which type.

An input has the rows of the partitions that Dagster's partition mapping assigns to it; an asset without partitions is
loaded whole. The input's metadata can choose columns and workspaces instead, and its type annotation the library.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import dagster as dg
import pyarrow as pa

from asana_assets.asana.endpoints import WORKSPACES
from asana_assets.asana.model import GID, ROW_HASH
from asana_assets.defs.failures import dagster_failures
from asana_assets.defs.resources import LakeResource
from asana_assets.defs.table_metadata import endpoint_name
from asana_assets.defs.workspace_names import find_workspaces
from asana_assets.lake.lake import Lake

if TYPE_CHECKING:
    import duckdb
    import polars as pl
    from pyiceberg.table import Table

COLUMNS = "columns"
"""Metadata of an input: the names of the columns to load."""

WORKSPACES_TO_LOAD = "workspaces"
"""Metadata of an input: the gids or names of the workspaces to load, whatever the partition mapping says."""

ALLOW_MISSING = "allow_missing_partitions"
"""Metadata of an input, named as for Dagster's own IO managers: whether workspaces may have never been synced."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredRows:
    """Rows of a table, not read yet.

    Attributes:
        lake: The lake that the table belongs to.
        table: The table as loaded; later commits do not change the rows.
        workspaces: The gids of the workspaces; None for all rows.
        columns: The columns to read.
    """

    lake: Lake
    table: "Table"
    workspaces: Sequence[str] | None
    columns: Sequence[str]

    @property
    def schema(self) -> pa.Schema:
        schema = self.lake.arrow_schema(self.table)
        return pa.schema([schema.field(name) for name in self.columns])

    def read(self) -> pa.Table:
        parts = [
            self.lake.scan(self.table, workspace=workspace, columns=self.columns).select(list(self.columns))
            for workspace in self._scanned
        ]
        return pa.concat_tables(parts) if parts else self.schema.empty_table()

    def batches(self, columns: Sequence[str] | None = None) -> Iterator[pa.RecordBatch]:
        """Yield the rows in batches of bounded size, with only these of the columns."""
        names = list(self.columns if columns is None else columns)
        name = self.table.name()[-1].lower()
        for workspace in self._scanned:
            with dagster_failures(endpoint=name, workspace_gid=workspace or ""):
                for batch in self.lake.scan_batches(self.table, workspace=workspace, columns=names):
                    yield batch.select(names)

    @property
    def _scanned(self) -> Sequence[str | None]:
        return [None] if self.workspaces is None else self.workspaces


def load_input(lake: LakeResource, context: dg.InputContext) -> object:
    """Load the rows that a downstream asset depends on, as the type that its input is annotated with.

    Raises:
        Failure: The upstream asset was not materialized, the table cannot be read, or the input asks for a column, a
            workspace or a type that does not exist.
    """
    name = endpoint_name(context)
    with dagster_failures(endpoint=name, workspace_gid=""):
        convert = _find_conversion(context)
        table = require_table(lake, name)
        columns = _choose_columns(context, name, lake.iceberg.column_names(table))
        workspaces = _choose_workspaces(context, name, lake)
        if context.has_asset_partitions and not _metadata(context).get(ALLOW_MISSING):
            for workspace in workspaces or ():
                if not lake.iceberg.count(table, workspace=workspace):
                    require_synced(lake, name, workspace)
        return convert(StoredRows(lake=lake.iceberg, table=table, workspaces=workspaces, columns=columns))


def require_table(lake: LakeResource, name: str) -> "Table":
    """Load an endpoint's table.

    Raises:
        Failure: The endpoint was never materialized.
        LakeError: The catalog cannot be used.
    """
    table = lake.table(name)
    if table is None:
        raise dg.Failure(f"There is no table {name} yet: materialize {name} first.")
    return table


def require_synced(lake: LakeResource, name: str, workspace_gid: str) -> None:
    """Check that an endpoint without rows in a workspace was synced there.

    Raises:
        Failure: The endpoint was never materialized in this workspace.
        LakeError: The catalog cannot be used.
    """
    if lake.load_state(name, workspace_gid).last_sync_id is None:
        raise dg.Failure(f"{name} of workspace {workspace_gid} was never synced: materialize {name} first.")


def _metadata(context: dg.InputContext) -> Mapping[str, Any]:
    return context.definition_metadata or {}


def _names_in_metadata(context: dg.InputContext, key: str) -> list[str] | None:
    """Return the names that the input's metadata lists, without duplicates; None if it has no such key.

    Raises:
        Failure: The value is not a list of texts.
    """
    value = _metadata(context).get(key)
    if value is None:
        return None
    if isinstance(value, str) or not (isinstance(value, Iterable) and all(isinstance(one, str) for one in value)):
        raise dg.Failure(f"The metadata {key} of the input {context.name} is {value!r}, but must be a list of names.")
    return list(dict.fromkeys(value))


def _choose_columns(context: dg.InputContext, name: str, stored: Sequence[str]) -> list[str]:
    columns = _names_in_metadata(context, COLUMNS)
    if columns is None:
        return [column for column in stored if column != ROW_HASH.name]
    unknown = [column for column in columns if column not in stored]
    if unknown or not columns:
        raise dg.Failure(
            f"The input {context.name} selects the columns {', '.join(unknown) or '(none)'}, which {name} does not "
            f"have. It has {', '.join(stored)}."
        )
    return columns


def _choose_workspaces(context: dg.InputContext, name: str, lake: LakeResource) -> list[str] | None:
    """Return the gids of the workspaces to load, None for all rows."""
    wanted = _names_in_metadata(context, WORKSPACES_TO_LOAD)
    if wanted is not None:
        return _find_gids(context, wanted, lake)
    if not context.has_asset_partitions:
        return None
    gids = list(context.asset_partition_keys)
    if not gids and not _metadata(context).get(ALLOW_MISSING):
        raise dg.Failure(
            f"The input {context.name} depends on no partition of {name}. If no workspace is registered yet, "
            f"materialize {WORKSPACES.name} first."
        )
    return gids


def _find_gids(context: dg.InputContext, wanted: Sequence[str], lake: LakeResource) -> list[str]:
    rows = lake.iceberg.scan(require_table(lake, WORKSPACES.name), columns=(GID.name, "name")).to_pylist()
    names = {str(row[GID.name]): str(row["name"] or "") for row in rows}
    gids = find_workspaces(wanted, names, f"The input {context.name}")
    unknown = [gid for gid in gids if gid not in names]
    if unknown or not gids:
        known = ", ".join(f"{name} ({gid})" for gid, name in names.items())
        raise dg.Failure(
            f"The input {context.name} selects the workspaces {', '.join(unknown) or '(none)'}, which are not stored. "
            f"Stored are {known or 'none'}."
        )
    return list(dict.fromkeys(gids))


# --- types


def _find_conversion(context: dg.InputContext) -> Callable[[StoredRows], object]:
    """Return the function that reads rows as the type that the input is annotated with; without one, as `pa.Table`.

    Raises:
        Failure: Tables cannot be loaded as this type.
    """
    wanted: object = context.dagster_type.typing_type
    if wanted is Any:
        return StoredRows.read
    name = f"{getattr(wanted, '__module__', '').partition('.')[0]}.{getattr(wanted, '__qualname__', wanted)}"
    if name not in CONVERSIONS:
        raise dg.Failure(
            f"The input {context.name} is annotated with {name}, but tables are loaded as {', '.join(CONVERSIONS)}."
        )
    return CONVERSIONS[name]


def _to_reader(rows: StoredRows) -> pa.RecordBatchReader:
    return pa.RecordBatchReader.from_batches(rows.schema, rows.batches())


def _to_polars(rows: StoredRows) -> "pl.DataFrame":
    import polars as pl  # noqa: PLC0415 - installed if an input is annotated with its types

    return pl.DataFrame(rows.read())


def _to_lazy_polars(rows: StoredRows) -> "pl.LazyFrame":
    """Return a frame that reads the columns of a query, in batches, when it is collected."""
    import polars as pl  # noqa: PLC0415 - installed if an input is annotated with its types
    from polars.io.plugins import register_io_source  # noqa: PLC0415 - as above

    def frames(
        columns: list[str] | None, predicate: pl.Expr | None, limit: int | None, _batch_rows: int | None
    ) -> "Iterator[pl.DataFrame]":
        for batch in rows.batches(columns):
            frame = pl.DataFrame(pa.table(batch))
            frame = frame if predicate is None else frame.filter(predicate)
            frame = frame if limit is None else frame.head(limit)
            limit = limit and limit - frame.height
            yield frame
            if limit == 0:
                return

    return register_io_source(frames, schema=pl.DataFrame(rows.schema.empty_table()).schema)


def _to_duckdb(rows: StoredRows) -> "duckdb.DuckDBPyRelation":
    """Return a relation of the default connection, so that relations can be joined and named in `duckdb.sql`."""
    import duckdb  # noqa: PLC0415 - installed if an input is annotated with its types

    return duckdb.from_arrow(rows.read())  # not from a reader, which only the first query could consume


CONVERSIONS: Mapping[str, Callable[[StoredRows], object]] = {  # by the name of the type that an input is annotated with
    "pyarrow.Table": StoredRows.read,
    "pyarrow.RecordBatchReader": _to_reader,
    "polars.DataFrame": _to_polars,
    "polars.LazyFrame": _to_lazy_polars,
    "duckdb.DuckDBPyRelation": _to_duckdb,
}
