"""Which columns went empty: nearly all fetched rows lack a value that the same rows had before.

Statistics decide whether rows need to be compared, and nearly always they do not. The comparison is by row, so that
neither deleted rows nor new ones count. It is of the fetched rows, since where few parents were fetched, most of a
table's rows still have the values of earlier syncs.
"""

import datetime as dt
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

import pyarrow as pa
import pyarrow.compute as pc

from asana_assets.asana.field_types import Array
from asana_assets.asana.model import GID, PARENT_GID, Endpoint
from asana_assets.sync.empty_column_rows import EmptyColumn
from asana_assets.sync.extract import StoredRows
from asana_assets.sync.extract_stats import ExtractStats
from asana_assets.sync.gids import NO_GIDS
from asana_assets.sync.values import has_value

WARNING_PERIOD = dt.timedelta(days=7)
"""How long an empty column is reported: a change that was not reverted by then is taken to be intended."""

_MIN_ROWS = 20  # as many rows are emptied by hand
_MIN_PARENTS = 5  # children are fetched by parent, and those of one are often edited together
_NEARLY_ALL = 20  # one value in 20 rows that had one is as good as none


def is_reported(column: EmptyColumn, now: dt.datetime) -> bool:
    """Return whether a column that went empty is still to be reported."""
    return not column.accepted and now - column.found_at < WARNING_PERIOD


def count_by_column(values: Mapping[str, int]) -> dict[str, int]:
    """Return counts of values with one for each column that has nested fields: that of the field with most values."""
    counts = dict(values)
    for path, count in values.items():
        column = path.partition(".")[0]
        counts[column] = max(counts.get(column, 0), count)
    return counts


def decide_suspects(*, before: Mapping[str, int], after: Mapping[str, int], fetched: Mapping[str, int]) -> list[str]:
    """Return the columns and nested fields that may have gone empty, given how many values of each there are.

    Args:
        before: In all stored rows before the sync.
        after: In all stored rows after it.
        fetched: In the rows that it fetched.
    """
    suspects: list[str] = []
    for path, count in before.items():
        replaced = count - after.get(path, 0) + fetched.get(path, 0)  # values of rows that were replaced or deleted
        if decide_is_empty(replaced, fetched.get(path, 0)):
            suspects.append(path)
    return suspects


def decide_is_empty(values_before: int, values_after: int) -> bool:
    """Return whether so few of so many values are left that the column is as good as empty."""
    return values_before >= _MIN_ROWS and values_after * _NEARLY_ALL < values_before


def find_empty_columns(
    endpoint: Endpoint, previous: StoredRows, stored: StoredRows, stats: ExtractStats, *, now: dt.datetime
) -> list[EmptyColumn]:
    """Return the columns that a sync's rows show to have gone empty.

    Args:
        endpoint: The endpoint.
        previous: The rows stored before the sync.
        stored: The rows stored after it.
        stats: The statistics of the extract.
        now: The current time (UTC).
    """
    if not stats.rows:
        return []
    fetched = count_by_column(stats.values)
    columns = {column.name for column in endpoint.columns}
    suspects = [
        path
        for path in decide_suspects(
            before=count_by_column(previous.count_values()),
            after=count_by_column(stored.count_values()),
            fetched=fetched,
        )
        if path.partition(".")[0] in columns
    ]
    if not suspects:
        return []
    emptied = _find_emptied_rows(previous, stored, suspects, by_parent=endpoint.is_child)
    return [
        EmptyColumn(name=path, rows_emptied=rows.count, rows_fetched=stats.rows, found_at=now)
        for path, rows in emptied.items()
        if decide_is_empty(rows.count, fetched.get(path, 0)) and (not endpoint.is_child or rows.parents >= _MIN_PARENTS)
    ]


def update_empty_columns(
    known: Sequence[EmptyColumn],
    found: Sequence[EmptyColumn],
    stats: ExtractStats,
    *,
    accepted: bool,
) -> list[EmptyColumn]:
    """Return the columns that are empty: the known ones without those whose values returned, and the found ones."""
    fetched = count_by_column(stats.values)
    columns = {column.name: column for column in found}
    columns |= {column.name: column for column in known if not _has_returned(column, fetched, stats.rows)}
    return [replace(column, accepted=True) if accepted else column for column in columns.values()]


def _has_returned(column: EmptyColumn, fetched: Mapping[str, int], rows: int) -> bool:
    """Return whether the fetched rows have values again, in the proportion in which rows were emptied."""
    count = fetched.get(column.name, 0)
    return count > 0 and count * _NEARLY_ALL * column.rows_fetched >= column.rows_emptied * rows


@dataclass(slots=True)
class _EmptiedRows:
    """Rows that lack a value which they had before."""

    gids_before: list[Array] = field(default_factory=lambda: [NO_GIDS])  # of rows with the value
    gids_after: list[Array] = field(default_factory=lambda: [NO_GIDS])  # of rows without it
    parent_gids: list[Array] = field(default_factory=lambda: [NO_GIDS])  # of the latter
    count: int = 0
    parents: int = 0

    def compare(self) -> None:
        emptied = pc.is_in(pa.concat_arrays(self.gids_after), value_set=pa.concat_arrays(self.gids_before))
        self.count = emptied.true_count
        if len(self.parent_gids) > 1:
            self.parents = pc.count_distinct(pa.concat_arrays(self.parent_gids).filter(emptied)).as_py()


def _find_emptied_rows(
    previous: StoredRows, stored: StoredRows, paths: Sequence[str], *, by_parent: bool
) -> dict[str, _EmptiedRows]:
    """Return, by column or nested field, how many stored rows had a value before and have none now.

    A list that has no elements now is not empty in its nested fields.
    """
    columns = list(dict.fromkeys(path.partition(".")[0] for path in paths))
    emptied = {path: _EmptiedRows() for path in paths}
    for batch in previous.batches((GID.name, *columns)):
        for path, rows in emptied.items():
            column, *nested = path.split(".")
            rows.gids_before.append(batch[GID.name].filter(has_value(batch[column], nested)))
    parent = (PARENT_GID.name,) if by_parent else ()
    for batch in stored.batches((GID.name, *parent, *columns)):
        for path, rows in emptied.items():
            column, *nested = path.split(".")
            lacks_value = pc.invert(has_value(batch[column], nested))
            if nested:
                lacks_value = pc.and_(lacks_value, has_value(batch[column]))
            rows.gids_after.append(batch[GID.name].filter(lacks_value))
            rows.parent_gids += [batch[name].filter(lacks_value) for name in parent]
    for rows in emptied.values():
        rows.compare()
    return emptied
