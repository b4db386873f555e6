"""Which sync a run belongs to."""

import datetime as dt

from asana_assets.sync.resume import RESUME_WINDOW, decide_sync

NOW = dt.datetime(2026, 1, 2, 3, tzinfo=dt.UTC)


def test_a_run_that_is_no_retry_starts_a_sync() -> None:
    assert decide_sync(run_id="b", now=NOW) == ("b", NOW)


def test_a_retry_resumes_the_sync_of_the_first_run_within_the_window() -> None:
    started_at = NOW - RESUME_WINDOW + dt.timedelta(seconds=1)
    assert decide_sync(run_id="b", now=NOW, root_run=("a", started_at)) == ("a", started_at)
    assert decide_sync(run_id="b", now=NOW, root_run=("a", NOW - RESUME_WINDOW)) == ("b", NOW)


def test_a_tagged_run_belongs_to_the_sync_of_its_tag_whatever_it_retries() -> None:
    started_at = NOW - 2 * RESUME_WINDOW
    tag = started_at.isoformat()
    assert decide_sync(run_id="b", now=NOW, tagged=tag, root_run=("a", NOW)) == (tag, started_at)
