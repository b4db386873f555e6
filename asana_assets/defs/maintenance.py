"""An optional job and weekly schedule that maintain the tables as `asana-assets maintain` does."""

import dagster as dg

from asana_assets.defs.failures import explain
from asana_assets.defs.names import LAKE, MAINTAIN_TABLES, WEEKLY_MAINTENANCE, Names
from asana_assets.defs.resources import LakeResource
from asana_assets.lake.errors import LakeError
from asana_assets.lake.lake import Lake

CRON = "0 6 * * 0"
"""When the schedule runs: on Sundays, some hours after the nightly sync."""


def build_maintenance_job(names: Names) -> dg.JobDefinition:
    """Build a job with one op that maintains all tables of the namespace."""
    lake = names.of(LAKE)

    @dg.op(
        name=names.op(MAINTAIN_TABLES),
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

    @dg.job(
        name=names.of(MAINTAIN_TABLES),
        description="Keeps all tables small and fast over years; sends no request to Asana.",
    )
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
    names: Names, job: dg.JobDefinition, timezone: str, default_status: dg.DefaultScheduleStatus
) -> dg.ScheduleDefinition:
    """Build a schedule that requests a run of the job."""
    return dg.ScheduleDefinition(
        name=names.of(WEEKLY_MAINTENANCE),
        job=job,
        cron_schedule=CRON,
        execution_timezone=timezone,
        default_status=default_status,
        description="Maintains all tables every Sunday.",
    )
