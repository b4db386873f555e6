"""Which sync a run belongs to."""

import datetime as dt

from asana_assets.sync.resume import RESUME_WINDOW, decide_start, is_resumable

NOW = dt.datetime(2026, 11, 26, 3, 0, tzinfo=dt.UTC)
RECENT = NOW - RESUME_WINDOW + dt.timedelta(seconds=1)


def test_a_run_without_a_tag_starts_a_sync() -> None:
    assert decide_start(None, run_started_at=NOW) == NOW


def test_a_run_with_a_recent_tag_resumes_that_sync() -> None:
    assert decide_start(RECENT.isoformat(), run_started_at=NOW) == RECENT


def test_a_run_with_an_old_tag_starts_a_sync() -> None:
    assert decide_start((NOW - RESUME_WINDOW).isoformat(), run_started_at=NOW) == NOW


def test_a_sync_is_resumable_until_the_window_has_passed() -> None:
    assert is_resumable(RECENT, now=NOW)
    assert not is_resumable(NOW - RESUME_WINDOW, now=NOW)
