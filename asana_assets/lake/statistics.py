"""What the statistics of data files, which are part of a table's metadata, say about its columns."""

from collections import Counter

from pyiceberg.table import Table

from asana_assets.lake.error_translation import translates_errors
from asana_assets.lake.pyiceberg_internals import names_by_id
from asana_assets.lake.table import live_files


@translates_errors
def count_values(table: Table, *, workspace: str | None = None) -> dict[str, int]:
    """Return how many values of each column in a workspace's rows (None: in all) are not null, from metadata alone.

    Nested fields are counted on their own, under their dotted name: once for each element of a list that has them.
    """
    schema = table.schema()
    counts: Counter[int] = Counter()
    for task in live_files(table, workspace).values():
        file = task.file
        counts.update(file.value_counts)
        counts.subtract({field_id: file.null_value_counts.get(field_id, 0) for field_id in file.value_counts})
    return {
        ".".join(part for part in path.lower().split(".") if part != "element"): counts[field_id]
        for field_id, path in names_by_id(schema).items()
        if schema.find_type(field_id).is_primitive
    }
