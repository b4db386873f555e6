"""Which sync a run belongs to, so that a run resumes an interrupted sync.

A sync is identified by its start time, which its runs carry as the tag `SYNC_TAG`. Dagster copies the tag to retries
and re-executions of a run. `asana-assets sync`, whose Dagster instance may not outlive the process, also saves the
start time in the sync state, and tags the run that resumes.
"""

import datetime as dt

SYNC_TAG = "asana_assets/sync"
"""Run tag with the start time of the run's sync (ISO 8601, UTC); shared by all runs of that sync."""

RESUME_WINDOW = dt.timedelta(hours=12)
"""Age from which an interrupted sync is no longer resumed."""


def is_resumable(started_at: dt.datetime, *, now: dt.datetime) -> bool:
    """Return whether a sync that started at this time may still be resumed."""
    return now - started_at < RESUME_WINDOW


def decide_start(tag: str | None, *, run_started_at: dt.datetime) -> dt.datetime:
    """Return when the run's sync started (UTC): the time in its tag if that is recent, otherwise the run's own start.

    Args:
        tag: The value of the run's `SYNC_TAG`, if it has one.
        run_started_at: When the run itself started (UTC).
    """
    started_at = dt.datetime.fromisoformat(tag) if tag else run_started_at
    return started_at if is_resumable(started_at, now=run_started_at) else run_started_at
