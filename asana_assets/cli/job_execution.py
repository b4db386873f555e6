"""Executes a job with the executor of its code location, in this process.

`execute_in_process` replaces the executor, so that a rejected token would fail one step after the other. Dagster
executes a job with its own executor only through a reference, with which other processes could build it again.
"""

from collections.abc import Generator, Mapping, Sequence
from contextlib import contextmanager
from uuid import uuid4

import dagster as dg

_jobs: dict[str, dg.JobDefinition] = {}  # that are being executed, for `find_job`


def find_job(key: str) -> dg.JobDefinition:
    """Return the job that is being executed under this key. Dagster calls this by its name."""
    return _jobs[key]


def execute_here(
    job: dg.JobDefinition,
    run_config: Mapping[str, object],
    *,
    instance: dg.DagsterInstance,
    tags: Mapping[str, str],
    assets: Sequence[dg.AssetKey] | None = None,
) -> dg.JobExecutionResult:
    """Execute the job, or these of its assets, in this process; return its result, even if it failed."""
    with _registered(job) as key:
        reference = dg.build_reconstructable_job(__name__, find_job.__name__, (key,))
        return dg.execute_job(reference, instance, run_config, tags, asset_selection=assets)


@contextmanager
def _registered(job: dg.JobDefinition) -> Generator[str]:
    key = uuid4().hex
    _jobs[key] = job
    try:
        yield key
    finally:
        del _jobs[key]
