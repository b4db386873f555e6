"""Columns that went empty, and their rows in the table `sync_state`."""

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass

import pyarrow as pa

from asana_assets.sync.sync_state import INSTANT, RowKind, build_entries, no_entries, of_kind


@dataclass(frozen=True, slots=True, kw_only=True)
class EmptyColumn:
    """A column or nested field that went empty.

    Attributes:
        name: Its name, dotted if nested.
        rows_emptied: The number of rows that had a value before the sync which found this, and none after it.
        rows_fetched: The number of rows that this sync fetched.
        found_at: When this was found (UTC).
        accepted: Whether it was accepted.
    """

    name: str
    rows_emptied: int
    rows_fetched: int
    found_at: dt.datetime
    accepted: bool = False


def encode_empty_columns(columns: Sequence[EmptyColumn]) -> pa.Table:
    """Return the rows to save for columns that went empty."""
    return pa.concat_tables([no_entries(), *map(_encode, columns)])


def _encode(column: EmptyColumn) -> pa.Table:
    kind = RowKind.ACCEPTED_EMPTY_COLUMN if column.accepted else RowKind.EMPTY_COLUMN
    columns = {
        "column_name": pa.array([column.name]),
        "row_count": pa.array([column.rows_emptied], pa.int64()),
        "rows_fetched": pa.array([column.rows_fetched], pa.int64()),
        "_synced_at": pa.array([column.found_at], INSTANT),
    }
    return build_entries(kind, 1, columns)


def decode_empty_columns(rows: pa.Table) -> dict[str, list[EmptyColumn]]:
    """Return the columns that went empty, by endpoint."""
    columns: dict[str, list[EmptyColumn]] = {}
    for kind in (RowKind.EMPTY_COLUMN, RowKind.ACCEPTED_EMPTY_COLUMN):
        for row in of_kind(rows, kind).to_pylist():
            column = EmptyColumn(
                name=row["column_name"],
                rows_emptied=row["row_count"],
                rows_fetched=row["rows_fetched"],
                found_at=row["_synced_at"],
                accepted=kind is RowKind.ACCEPTED_EMPTY_COLUMN,
            )
            columns.setdefault(str(row["endpoint"]), []).append(column)
    return columns
