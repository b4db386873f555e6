"""Where the window of a listing starts, and which stored rows are missing from it. Pure, except for reading rows."""

import datetime as dt
from typing import cast

import pyarrow as pa
import pyarrow.compute as pc

from asana_assets.asana.field_types import DATE, Array, Chunked
from asana_assets.asana.listing_requests import EVERYTHING
from asana_assets.asana.window import Window
from asana_assets.sync.change_detection import Sync
from asana_assets.sync.extract import StoredRows
from asana_assets.sync.search_bound import on_asanas_clock
from asana_assets.sync.sync_state import INSTANT, SyncState


def decide_start(
    window: Window, stored: StoredRows, state: SyncState, sync: Sync, clock_skew: dt.timedelta, *, is_stale: bool
) -> dt.datetime:
    """Return where the window of a sync starts, by Asana's clock; `EVERYTHING` if all records are fetched.

    Args:
        window: The window.
        stored: The rows that the last sync stored.
        state: The sync state of the endpoint.
        sync: The sync.
        clock_skew: Asana's time minus local time.
        is_stale: Whether all records have to be fetched, as they never were, or too long ago, or by a full refresh.
    """
    if window.retention:
        # Not from the sync state: an interrupted first sync of months of records then goes on where it ended.
        newest = None if is_stale and sync.full_refresh else _newest(window, stored)
        return min(newest, on_asanas_clock(sync.started_at, clock_skew)) - window.overlap if newest else EVERYTHING
    # Without rows, they may have been deleted since, as those of a former plan are.
    search_from = state.search_from(clock_skew) if len(stored) and not is_stale else None
    return search_from - window.overlap if search_from else EVERYTHING


def rows_within(window: Window, rows: pa.Table, start: dt.datetime) -> pa.Table:
    """Return the rows, given with the window's column, that a window with this start has; all for `EVERYTHING`."""
    if start == EVERYTHING:
        return rows
    lowest = start.replace(hour=0, minute=0, second=0, microsecond=0) if window.column.type is DATE else start
    is_within = pc.greater_equal(_instants(rows[window.column.name]), pa.scalar(lowest, INSTANT))
    return rows.filter(cast("Array", pc.fill_null(is_within, pa.scalar(value=False))))


def divide(values: Array, start: dt.datetime, end: dt.datetime | None) -> list[tuple[dt.datetime, dt.datetime | None]]:
    """Return two windows that together are a truncated one, and have about as many records; none if it is too short.

    Args:
        values: Values of the window's column in records that were listed, also outside of it.
        start: The window's start.
        end: The window's end; None if it has none.
    """
    instants = _instants(values)
    instants = instants.filter(pc.greater(instants, pa.scalar(start, INSTANT)))
    if end is not None:
        instants = instants.filter(pc.less(instants, pa.scalar(end, INSTANT)))
    if not len(instants):
        return []
    middle = cast("dt.datetime", instants.sort()[len(instants) // 2].as_py())
    return [(start, middle), (middle, end)]


def missed_period(
    window: Window, state: SyncState, sync: Sync, clock_skew: dt.timedelta
) -> tuple[dt.datetime, dt.datetime] | None:
    """Return the period whose records Asana deleted before any sync fetched them; None without any."""
    fetched_to = state.search_from(clock_skew) if state.parents.num_rows else None
    if window.retention is None or fetched_to is None:
        return None
    kept_from = on_asanas_clock(sync.started_at, clock_skew) - window.retention
    return (fetched_to, kept_from) if fetched_to < kept_from else None


def _newest(window: Window, stored: StoredRows) -> dt.datetime | None:
    name = window.column.name
    newest = (pc.max(_instants(batch[name])).as_py() for batch in stored.batches((name,)))
    return max((cast("dt.datetime", one) for one in newest if one), default=None)


def _instants(values: Array | Chunked) -> Chunked:
    return cast("Chunked", values.cast(pa.timestamp("us")).cast(INSTANT))
