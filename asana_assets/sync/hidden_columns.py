"""Stored rows after the choice of columns has changed: what a sync of all parents would store, as far as it is known.

Values that were stored as Asana sent them are hashed or removed without a request. What is not known, such as a value
that was omitted or hashed with another secret, is null until it is fetched.
"""

from collections.abc import Mapping
from typing import cast

import msgspec
import pyarrow as pa

from asana_assets.asana.column_choice import OMITTED, Hasher, hash_json, hash_values
from asana_assets.asana.field_types import Json
from asana_assets.asana.model import ROW_HASH, UNMAPPED, Endpoint

CHANGING = "changing"
"""How a column is stored while its rows are rewritten: in which of two ways is not known."""


def changed_columns(before: Mapping[str, str], after: Mapping[str, str]) -> set[str]:
    """Return the columns that are stored in different ways; those that neither contains are stored as sent."""
    return {name for name in {*before, *after} if before.get(name) != after.get(name)}


def must_fetch(before: Mapping[str, str], after: Mapping[str, str]) -> bool:
    """Return whether values have to be fetched to be stored as in `after`."""
    return any(
        after.get(name) != OMITTED and not _can_hash(name, before, after) for name in changed_columns(before, after)
    )


def convert_stored(
    rows: pa.RecordBatch, endpoint: Endpoint, before: Mapping[str, str], after: Mapping[str, str], hasher: Hasher | None
) -> pa.RecordBatch:
    """Return stored rows as they are to be stored.

    Args:
        rows: All columns of the rows.
        endpoint: Their endpoint.
        before: How the hidden columns are stored, by name.
        after: How they are to be stored.
        hasher: Hashes values that are stored as sent.
    """
    changed = changed_columns(before, after)
    columns = dict(zip(rows.schema.names, rows.columns, strict=True))
    hashers = {name: hasher if _can_hash(name, before, after) else None for name in changed}
    for name in changed & columns.keys():
        one = hashers[name]
        columns[name] = hash_values(columns[name], one) if one else pa.nulls(rows.num_rows, columns[name].type)
    fields = {column.field: hashers[column.name] for column in endpoint.columns if column.name in changed}
    unmapped = [text and _convert_unmapped(text, fields) for text in columns[UNMAPPED.name].to_pylist()]
    columns[UNMAPPED.name] = pa.array(unmapped, pa.string())
    columns.pop(ROW_HASH.name, None)
    return pa.RecordBatch.from_pydict(columns)


def _can_hash(name: str, before: Mapping[str, str], after: Mapping[str, str]) -> bool:
    """Return whether a column is to be hashed and its values are stored as sent."""
    return name not in before and after.get(name, OMITTED) != OMITTED


def _convert_unmapped(text: str, fields: Mapping[str, Hasher | None]) -> str | None:
    """Hash the values of these fields, or remove them where there is no hasher."""
    values = cast("dict[str, Json]", msgspec.json.decode(text))
    kept: dict[str, Json] = {}
    for path, value in values.items():
        field = path.partition(".")[0].partition("[")[0]
        if field not in fields:
            kept[path] = value
        elif hasher := fields[field]:
            kept[path] = hash_json(value, hasher)
    return msgspec.json.encode(kept).decode() if kept else None
