"""Where a search starts: no change between two searches is missed, whatever the clocks say."""

import datetime as dt

import pytest
from hypothesis import given
from hypothesis import strategies as st

from asana_assets.sync.change_detection import Sync
from asana_assets.sync.search_bound import decide_search_from, on_asanas_clock
from asana_assets.sync.sync_state import SyncState

START = dt.datetime(2026, 6, 1, tzinfo=dt.UTC)
HOUR = dt.timedelta(hours=1)
DAY = 24 * HOUR
NO_SKEW = dt.timedelta()

skews = st.timedeltas(-3 * DAY, 3 * DAY)


def sync(max_age: dt.timedelta | None = DAY) -> Sync:
    return Sync(id="s", started_at=START, max_age=max_age)


@given(skews)
def test_a_search_starts_no_later_than_the_sync_by_either_clock(skew: dt.timedelta) -> None:
    search_from = decide_search_from(None, sync(), skew, missed_changes=False)
    assert search_from <= START
    assert search_from <= START + skew
    assert search_from in {START, START + skew}


def test_a_local_clock_that_is_ahead_is_corrected() -> None:
    assert on_asanas_clock(START, -HOUR) == START - HOUR


@pytest.mark.parametrize(
    ("previous", "max_age", "expected"),
    [
        (START - HOUR, DAY, START - HOUR),
        (START - 5 * DAY, DAY, START - DAY),
        (START - 5 * DAY, None, START - 5 * DAY),
        (None, DAY, START),
    ],
    ids=["searched for again", "found by age", "never found by age", "nothing was searched before"],
)
def test_changes_that_a_search_missed_are_searched_for_again_unless_they_were_found_by_age(
    previous: dt.datetime | None, max_age: dt.timedelta | None, expected: dt.datetime
) -> None:
    assert decide_search_from(previous, sync(max_age), NO_SKEW, missed_changes=True) == expected


def test_what_a_sync_saved_is_used_whatever_the_skew_is_now() -> None:
    state = SyncState(last_sync=sync(), saved_search_from=START - HOUR)
    assert state.search_from(-5 * HOUR) == state.search_from(NO_SKEW) == START - HOUR


def test_a_start_that_an_earlier_release_saved_is_corrected_by_the_current_skew() -> None:
    assert SyncState(last_sync=sync()).search_from(-HOUR) == START - HOUR
    assert SyncState(last_sync=sync()).search_from(HOUR) == START
    assert SyncState().search_from(-HOUR) is None
