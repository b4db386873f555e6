"""The run launcher of a Celery deployment: dagster-celery's, plus a health check of the worker.

Celery reports the task of a killed worker as STARTED forever. This launcher asks the worker itself which tasks are
active. Once the run has been missing for a while, run monitoring marks it as failed and run retries start another.
"""

import time
from collections.abc import Mapping
from typing import Any, cast

import dagster as dg

# Every launcher returns these two types, but no public module of Dagster exports them.
from dagster._core.launcher import CheckRunHealthResult, WorkerStatus
from dagster_celery.launcher import CeleryRunLauncher
from dagster_celery.tags import DAGSTER_CELERY_TASK_ID_TAG


class HealthCheckingCeleryRunLauncher(CeleryRunLauncher):
    """A `CeleryRunLauncher` that detects dead workers.

    A worker that is alive but silent for longer than the timeout counts as dead: its run is started again while the
    first one continues. That costs requests, and one of the two may fail with a commit conflict; the tables stay
    correct.

    Args:
        worker_timeout_seconds: How long a worker may fail to report its run as active.
        settings: The arguments of `CeleryRunLauncher`.
    """

    def __init__(self, worker_timeout_seconds: int, **settings: Any) -> None:
        super().__init__(**settings)
        self._worker_timeout_seconds = worker_timeout_seconds
        self._missing_since: dict[str, float] = {}

    @classmethod
    def config_type(cls) -> dict[str, Any]:
        fields = cast("dict[str, Any]", super().config_type())
        description = "Seconds for which a worker may fail to report its run as active before the run counts as lost."
        return fields | {"worker_timeout_seconds": dg.Field(dg.IntSource, default_value=60, description=description)}

    def check_run_worker_health(self, run: dg.DagsterRun) -> CheckRunHealthResult:
        health = super().check_run_worker_health(run)
        if health.status != WorkerStatus.RUNNING or self._is_active(run):
            self._missing_since.pop(run.run_id, None)
            return health
        missing_since = self._missing_since.setdefault(run.run_id, time.monotonic())
        seconds = time.monotonic() - missing_since
        if seconds < self._worker_timeout_seconds:
            return health
        del self._missing_since[run.run_id]
        return CheckRunHealthResult(
            WorkerStatus.FAILED, f"The worker has not reported this run as active for {seconds:.0f} seconds."
        )

    def terminate(self, run_id: str) -> bool:
        """Terminate a run and report it as canceling.

        Without that report, Dagster counts the termination as a failure and retries the run.
        """
        run = self._instance.get_run_by_id(run_id)
        if run is None or DAGSTER_CELERY_TASK_ID_TAG not in run.tags:
            return False
        self._instance.report_run_canceling(run)
        return super().terminate(run_id)

    def _is_active(self, run: dg.DagsterRun) -> bool:
        """Return whether the worker reports the run's task as active, or the task has already ended."""
        task_id = run.tags[DAGSTER_CELERY_TASK_ID_TAG]
        info = self.celery.AsyncResult(task_id).info
        if not isinstance(info, Mapping):  # the task ended after the parent class looked
            return True
        worker = str(info["hostname"])
        active = self.celery.control.inspect(destination=[worker], timeout=5).active() or {}
        return task_id in [task["id"] for task in active.get(worker, [])]
