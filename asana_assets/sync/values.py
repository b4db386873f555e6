"""Which values of rows are not null, by column and by nested field. Pure functions.

A nested field is named by its dotted path, and has a value for each element of its list. An empty list has no value.
"""

from collections.abc import Iterator, Sequence
from functools import reduce

import pyarrow as pa
import pyarrow.compute as pc

from asana_assets.asana.field_types import Array


def count_values(rows: pa.RecordBatch) -> dict[str, int]:
    """Return the number of values of each column without nested fields, and of each nested field."""
    fields = (field for name in rows.schema.names for field in _fields(name, rows[name]))
    return {path: len(values) - values.null_count for path, values in fields}


def _fields(path: str, values: Array) -> Iterator[tuple[str, Array]]:
    if isinstance(values, pa.ListArray):
        yield from _fields(path, values.flatten())
    elif isinstance(values, pa.StructArray):
        for field, nested in zip(values.type, values.flatten(), strict=True):
            yield from _fields(f"{path}.{field.name}", nested)
    else:
        yield path, values


def has_value(values: Array, nested: Sequence[str] = ()) -> Array:
    """Return a boolean mask of the rows in which a column, or its field at the path `nested`, has any value."""
    if isinstance(values, pa.ListArray):
        rows = pc.list_parent_indices(values).filter(has_value(values.flatten(), nested)).cast(pa.int64())
        indices = pa.array(range(len(values)), pa.int64())
        return pc.is_in(indices, value_set=rows)
    if isinstance(values, pa.StructArray):
        fields = dict(zip((field.name for field in values.type), values.flatten(), strict=True))
        if nested:
            return has_value(fields[nested[0]], nested[1:])
        return reduce(pc.or_, map(has_value, fields.values()))
    return values.is_valid()
