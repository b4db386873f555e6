"""An optional job and weekly schedule that maintain the tables as `asana-assets maintain` does."""

import dagster as dg

from asana_assets.defs.failures import explain
from asana_assets.defs.resources import LakeResource
from asana_assets.lake.errors import LakeError
from asana_assets.lake.lake import Lake

CRON = "0 6 * * 0"
"""When the schedule runs: on Sundays, some hours after the nightly sync."""


def build_maintenance_job(name: str = "maintain_tables", *, lake: str = "lake") -> dg.JobDefinition:
    """Build a job with one op that maintains all tables of the namespace.

    Args:
        name: Name of the job and of its op.
        lake: Key of the `LakeResource`.
    """

    @dg.op(
        name=name,
        required_resource_keys={lake},
        description="Merges small files, expires old snapshots and removes files that nothing references, in every "
        "table. Safe beside a running sync.",
    )
    def maintain_tables(context: dg.OpExecutionContext) -> None:
        resource: LakeResource = getattr(context.resources, lake)
        try:
            _maintain(context, resource.iceberg)
        except LakeError as error:
            raise dg.Failure(f"Maintenance failed. {explain(error)}") from None

    @dg.job(name=name, description="Keeps all tables small and fast over years; sends no request to Asana.")
    def job() -> None:
        maintain_tables()

    return job


def _maintain(context: dg.OpExecutionContext, lake: Lake) -> None:
    for result in lake.maintain():
        context.log.info(
            "%s: merged %d files, expired %d snapshots with %d files, removed %d unreferenced files; freed %d bytes",
            result.table,
            result.merged.files,
            result.expired.snapshots,
            result.expired.files,
            result.removed.files,
            result.expired.bytes + result.removed.bytes,
        )
        for note in result.notes:
            context.log.warning(note)


def build_maintenance_schedule(
    job: dg.JobDefinition, name: str = "weekly_maintenance", cron: str = CRON
) -> dg.ScheduleDefinition:
    """Build a schedule, stopped by default, that requests a run of the job."""
    return dg.ScheduleDefinition(
        name=name, job=job, cron_schedule=cron, description="Maintains all tables every Sunday."
    )


maintain_tables = build_maintenance_job()
weekly_maintenance = build_maintenance_schedule(maintain_tables)
