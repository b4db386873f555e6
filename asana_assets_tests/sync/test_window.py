"""Laws of windows: none loses a record at its edges, and a log starts where its rows end."""

import datetime as dt
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import pyarrow as pa
from hypothesis import given
from hypothesis import strategies as st

from asana_assets.asana.field_types import date, instant
from asana_assets.asana.listing_requests import EVERYTHING, with_margin
from asana_assets.asana.window import Window
from asana_assets.sync.change_detection import Sync
from asana_assets.sync.sync_state import RowKind, SyncState, of_kind
from asana_assets.sync.window import decide_start, divide, missed_period, rows_within

NOW = dt.datetime(2026, 11, 26, 12, tzinfo=dt.UTC)
HOUR, DAY = dt.timedelta(hours=1), dt.timedelta(days=1)
NO_SKEW = dt.timedelta()
DAYS = Window(param="from", column=date("day", "A day."), overlap=30 * DAY)
LOG = Window(param="from", column=instant("at", "A time."), overlap=HOUR, retention=90 * DAY)
SYNC = Sync(id="1", started_at=NOW)
REFRESH = Sync(id="1", started_at=NOW, full_refresh=True)
instants = st.datetimes(dt.datetime(2000, 1, 1), dt.datetime(2100, 1, 1), timezones=st.just(dt.UTC))  # noqa: DTZ001


@dataclass(frozen=True)
class Rows:
    """Stored rows in memory."""

    table: pa.Table

    @property
    def names(self) -> set[str]:
        return set(self.table.column_names)

    def __len__(self) -> int:
        return self.table.num_rows

    def count_values(self) -> Mapping[str, int]:
        return {}

    def columns(self, names: Sequence[str]) -> pa.Table:
        return self.table.select(list(names))

    def batches(self, names: Sequence[str] | None = None) -> Iterator[pa.RecordBatch]:
        yield from self.table.select(list(names or self.table.column_names)).to_batches(max_chunksize=2)


def log_of(*times: dt.datetime) -> Rows:
    return Rows(pa.table({"at": pa.array(times, pa.timestamp("us", tz="UTC"))}))


def fetched(at: dt.datetime) -> SyncState:
    """Return the state after a sync at this time that fetched the workspace."""
    state = SyncState.rows(pa.array(["workspace"]), pa.array([""]), at)
    return SyncState(
        parents=of_kind(state, RowKind.PARENT_VERSION).select(["parent_gid", "version", "_synced_at"]),
        last_sync=Sync(id="0", started_at=at),
        saved_search_from=at,
    )


@given(start=instants, offset=st.integers(-400, 400))
def test_every_day_of_a_window_is_requested_with_a_margin(start: dt.datetime, offset: int) -> None:
    day = start.date() + offset * DAY
    rows = pa.table({"day": pa.array([day, None], pa.date32())})
    is_within = rows_within(DAYS, rows, start).num_rows == 1
    requested = dt.date.fromisoformat(DAYS.params(*with_margin(DAYS, start, None))["from"])
    assert is_within == (day >= start.date())
    assert not is_within or day > requested  # so that an exclusive bound, or that of another time zone, lists it, too


@given(start=instants, offset=st.timedeltas(-DAY, DAY))
def test_every_time_of_a_window_is_requested(start: dt.datetime, offset: dt.timedelta) -> None:
    rows = pa.table({"at": pa.array([start + offset], pa.timestamp("us", tz="UTC"))})
    requested = dt.datetime.fromisoformat(LOG.params(*with_margin(LOG, start, None))["from"])
    assert rows_within(LOG, rows, start).num_rows == (offset >= NO_SKEW)
    assert not rows_within(LOG, rows, start).num_rows or start + offset >= requested


def test_everything_has_rows_without_a_date() -> None:
    rows = pa.table({"day": pa.array([None, dt.date(1960, 1, 1)], pa.date32())})
    assert rows_within(DAYS, rows, EVERYTHING).num_rows == 2
    assert DAYS.params(*with_margin(DAYS, EVERYTHING, None)) == {"from": "1970-01-01"}


def test_a_window_starts_before_the_last_sync_by_asanas_clock() -> None:
    state, rows = fetched(NOW - 3 * DAY), Rows(pa.table({"day": pa.array([NOW.date()])}))
    assert decide_start(DAYS, rows, state, SYNC, NO_SKEW, is_stale=False) == NOW - 33 * DAY
    assert decide_start(DAYS, rows, state, SYNC, NO_SKEW, is_stale=True) == EVERYTHING
    assert decide_start(DAYS, rows, SyncState(), SYNC, NO_SKEW, is_stale=True) == EVERYTHING
    no_rows = Rows(rows.table.slice(1))  # they were deleted
    assert decide_start(DAYS, no_rows, state, SYNC, NO_SKEW, is_stale=False) == EVERYTHING


def test_a_log_starts_before_its_newest_row_even_if_its_first_sync_was_interrupted() -> None:
    rows = log_of(NOW - 5 * DAY, NOW - 2 * DAY, NOW - 4 * DAY)
    for is_stale in (True, False):
        assert decide_start(LOG, rows, SyncState(), SYNC, NO_SKEW, is_stale=is_stale) == NOW - 2 * DAY - HOUR


def test_a_log_without_rows_and_one_that_is_refreshed_start_with_everything() -> None:
    assert decide_start(LOG, log_of(), SyncState(), SYNC, NO_SKEW, is_stale=True) == EVERYTHING
    assert decide_start(LOG, log_of(NOW), SyncState(), REFRESH, NO_SKEW, is_stale=True) == EVERYTHING
    # A resumed refresh does not repeat a log that it has fetched.
    assert decide_start(LOG, log_of(NOW), SyncState(), REFRESH, NO_SKEW, is_stale=False) == NOW - HOUR


def test_a_row_of_the_future_does_not_stop_a_log() -> None:
    assert decide_start(LOG, log_of(NOW + 400 * DAY), SyncState(), SYNC, NO_SKEW, is_stale=False) == NOW - HOUR


def test_what_asana_deleted_since_the_last_fetch_is_missed() -> None:
    assert missed_period(LOG, fetched(NOW - 90 * DAY), SYNC, NO_SKEW) is None
    assert missed_period(LOG, fetched(NOW - 100 * DAY), SYNC, NO_SKEW) == (NOW - 100 * DAY, NOW - 90 * DAY)
    assert missed_period(DAYS, fetched(NOW - 100 * DAY), SYNC, NO_SKEW) is None
    assert missed_period(LOG, SyncState(last_sync=Sync(id="0", started_at=NOW - 100 * DAY)), SYNC, NO_SKEW) is None


@given(days=st.lists(st.integers(0, 40), min_size=1), limit=st.integers(1, 5))
def test_dividing_truncated_windows_finds_every_day_and_ends(days: list[int], limit: int) -> None:
    """Windows are divided as long as a listing ends after `limit` records; what is left is of one or two days."""
    dates = pa.array([(NOW + day * DAY).date() for day in days], pa.date32())
    windows: list[tuple[dt.datetime, dt.datetime | None]] = [(EVERYTHING, None)]
    found = set[int]()
    while windows:
        start, end = windows.pop()
        inside = [day for day in days if start.date() <= (NOW + day * DAY).date() <= (end or NOW + 99 * DAY).date()]
        halves = divide(dates, start, end) if len(inside) > limit else []
        windows += halves
        if not halves:
            found.update(inside)
            assert len(inside) <= limit or len(set(inside)) <= 2
    assert found == set(days)
