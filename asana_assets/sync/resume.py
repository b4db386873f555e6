"""Decides whether a run starts a sync or resumes an interrupted one."""

import datetime as dt

SYNC_TAG = "asana_assets/sync"
"""Run tag with the id of a sync, which is its start time (ISO 8601); shared by all runs of that sync."""

RESUME_WINDOW = dt.timedelta(hours=12)
"""Age above which an interrupted sync is no longer resumed."""


def decide_sync(
    *,
    run_id: str,
    now: dt.datetime,
    tagged: str | None = None,
    root_run: tuple[str, dt.datetime] | None = None,
) -> tuple[str, dt.datetime]:
    """Return the id and the start time (UTC) of the sync that a run belongs to.

    Args:
        run_id: The run.
        now: UTC.
        tagged: The value of the run's `SYNC_TAG`, which takes precedence.
        root_run: If the run is a retry, the id and the start time (UTC) of the first run that it retries.
    """
    if tagged:
        return tagged, dt.datetime.fromisoformat(tagged)
    if root_run:
        root_run_id, started_at = root_run
        if now - started_at < RESUME_WINDOW:
            return root_run_id, started_at
    return run_id, now
