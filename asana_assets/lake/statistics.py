"""What is said of a table's rows without reading most of them: from the statistics of files, and from rows' hashes."""

from collections import Counter

from pyiceberg.table import Table

from asana_assets.lake.error_translation import translates_errors
from asana_assets.lake.pyiceberg_internals import names_by_id
from asana_assets.lake.row_hash import ROW_HASH, content_hash
from asana_assets.lake.table import live_files, scan


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


def content_version(table: Table, *, workspace: str | None = None) -> str:
    """Return a text that is the same for as long as a workspace's rows (None: all) have the same contents."""
    return content_hash(scan(table, workspace=workspace, columns=(ROW_HASH,))[ROW_HASH])
