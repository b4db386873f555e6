"""Runs on Celery workers, one of whom may die: dagster-celery's launcher, which asks the worker whether it is alive.

Celery says of a task whose worker was killed that it is STARTED, for ever. This launcher asks the worker itself; once
that has not known of the run for a while, run monitoring ends the run, and run retries start another.
"""

import time
from collections.abc import Mapping
from typing import Any, cast

import dagster as dg

# No public module of Dagster has these two, which every launcher gives.
from dagster._core.launcher import CheckRunHealthResult, WorkerStatus
from dagster_celery.launcher import CeleryRunLauncher
from dagster_celery.tags import DAGSTER_CELERY_TASK_ID_TAG


class WatchedCeleryRunLauncher(CeleryRunLauncher):
    """Of those above, with a field of its own: `patience_seconds`.

    A worker that is alive and silent for longer is taken for dead, and its run is started again while it goes on: that
    costs requests, and of two that write the same at once one fails; the tables stay right.
    """

    def __init__(self, patience_seconds: int, **settings: Any) -> None:
        super().__init__(**settings)
        self._patience_seconds = patience_seconds
        self._missing_since: dict[str, float] = {}

    @classmethod
    def config_type(cls) -> dict[str, Any]:
        fields = cast("dict[str, Any]", super().config_type())
        description = "How long a worker may not know of its run before it is lost."
        return fields | {"patience_seconds": dg.Field(dg.IntSource, default_value=60, description=description)}

    def check_run_worker_health(self, run: dg.DagsterRun) -> CheckRunHealthResult:
        health = super().check_run_worker_health(run)
        if health.status != WorkerStatus.RUNNING or self._knows(run):
            self._missing_since.pop(run.run_id, None)
            return health
        missing_since = self._missing_since.setdefault(run.run_id, time.monotonic())
        seconds = time.monotonic() - missing_since
        if seconds < self._patience_seconds:
            return health
        del self._missing_since[run.run_id]
        return CheckRunHealthResult(WorkerStatus.FAILED, f"Its worker has not known of it for {seconds:.0f} seconds.")

    def terminate(self, run_id: str) -> bool:
        """End a run at somebody's wish: without the note, Dagster takes it for a failure and starts it again."""
        run = self._instance.get_run_by_id(run_id)
        if run is None or DAGSTER_CELERY_TASK_ID_TAG not in run.tags:
            return False
        self._instance.report_run_canceling(run)
        return super().terminate(run_id)

    def _knows(self, run: dg.DagsterRun) -> bool:
        """Ask the worker whether it works on the run."""
        task_id = run.tags[DAGSTER_CELERY_TASK_ID_TAG]
        info = self.celery.AsyncResult(task_id).info
        if not isinstance(info, Mapping):  # it has ended in the meantime
            return True
        worker = str(info["hostname"])
        active = self.celery.control.inspect(destination=[worker], timeout=5).active() or {}
        return task_id in [task["id"] for task in active.get(worker, [])]
