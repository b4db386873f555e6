"""The executor of the code location: Dagster's in-process executor, which a rejected token or a wrong setting ends.

Dagster itself would go on with every step that does not depend on the failed one, and all of them would fail alike.
"""

from collections.abc import Generator
from contextlib import closing
from typing import Any, cast

import dagster as dg

from asana_assets.defs.failures import ENDS_RUN_KEY


class _EndingExecutor(dg.Executor):
    """Executes steps with another executor, until one fails for a reason that concerns all of them."""

    def __init__(self, inner: dg.Executor) -> None:
        self._inner = inner

    @property
    def retries(self) -> Any:
        return self._inner.retries

    def execute(self, plan_context: Any, execution_plan: Any) -> Generator[dg.DagsterEvent]:
        inner = cast("Generator[dg.DagsterEvent]", self._inner.execute(plan_context, execution_plan))
        with closing(inner) as events:  # closing it tears down the resources
            for event in events:
                yield event
                if ends_run(event):
                    return


def ends_run(event: dg.DagsterEvent) -> bool:
    """Return whether this is the failure of a step that no other step of the run can avoid."""
    failure = event.step_failure_data.user_failure_data if event.is_step_failure else None
    return bool(failure and ENDS_RUN_KEY in (failure.metadata or {}))


@dg.executor(name=dg.in_process_executor.name, config_schema=cast("Any", dg.in_process_executor.config_schema))
def in_process_executor(context: dg.InitExecutorContext) -> dg.Executor:
    """Execute all steps in one process; start no further step if Asana rejects the token or a setting is missing."""
    create = dg.in_process_executor.executor_creation_fn
    assert create is not None  # noqa: S101 - Dagster's own executor has one
    return _EndingExecutor(create(context))
