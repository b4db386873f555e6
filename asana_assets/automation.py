"""What runs by itself: the jobs, the daily schedule, and the sensor that notices new and vanished workspaces."""

import threading
from collections.abc import Sequence

import dagster as dg
import msgspec

from asana_assets.asana.client import Request, Usage
from asana_assets.asana.endpoints import WORKSPACES
from asana_assets.asana.errors import SettingError
from asana_assets.partitions import WORKSPACES as PARTITIONS
from asana_assets.resources import AsanaResource

SENSOR_SECONDS = 600
"""Between two looks of the sensor; each costs one request."""

sync_workspace = dg.define_asset_job(
    "sync_workspace",
    selection=dg.AssetSelection.all() - dg.AssetSelection.assets(WORKSPACES.name),
    description="Everything of one workspace.",
)
refresh_workspaces = dg.define_asset_job(
    "refresh_workspaces",
    selection=dg.AssetSelection.assets(WORKSPACES.name),
    description="The list of workspaces; registers them as partitions.",
)
sync_new_workspace = dg.define_asset_job(
    "sync_new_workspace",
    selection=dg.AssetSelection.all(),
    description="The list of workspaces, then everything of one of them.",
)


@dg.schedule(job=sync_workspace, cron_schedule="0 3 * * *", description="Every registered workspace, one run each.")
def daily(context: dg.ScheduleEvaluationContext) -> list[dg.RunRequest] | dg.SkipReason:
    gids = context.instance.get_dynamic_partitions(str(PARTITIONS.name))
    if not gids:
        return dg.SkipReason("No workspace is registered yet: materialize workspaces first.")
    return [dg.RunRequest(partition_key=gid) for gid in gids]


@dg.sensor(
    jobs=[sync_new_workspace, refresh_workspaces],
    minimum_interval_seconds=SENSOR_SECONDS,
    default_status=dg.DefaultSensorStatus.RUNNING,
    description="Registers workspaces that the token can see anew and asks for their first sync; removes those gone.",
)
def watch_workspaces(context: dg.SensorEvaluationContext, asana: AsanaResource) -> dg.SensorResult | dg.SkipReason:
    try:
        seen = see_workspaces(asana)
    except SettingError as error:
        return dg.SkipReason(f"Nothing was asked: {error}.")
    registered = context.instance.get_dynamic_partitions(str(PARTITIONS.name))
    new, gone = decide_partitions(registered=registered, seen=seen, wanted=asana.workspaces)
    if not new and not gone:
        return dg.SkipReason(f"The same {len(registered)} workspaces as before.")
    first_syncs = [dg.RunRequest(job_name=sync_new_workspace.name, partition_key=gid) for gid in new]
    return dg.SensorResult(
        run_requests=first_syncs or [dg.RunRequest(job_name=refresh_workspaces.name)],
        dynamic_partitions_requests=[
            *([PARTITIONS.build_add_request(new)] if new else []),
            *([PARTITIONS.build_delete_request(gone)] if gone else []),
        ],
    )


def decide_partitions(
    *, registered: Sequence[str], seen: Sequence[str], wanted: Sequence[str]
) -> tuple[list[str], list[str]]:
    """Give the workspaces to register and those to remove; with `wanted`, no others count."""
    current = [gid for gid in seen if not wanted or gid in wanted]
    return [gid for gid in current if gid not in registered], [gid for gid in registered if gid not in current]


class _Gid(msgspec.Struct):
    gid: str


class _Gids(msgspec.Struct):
    data: list[_Gid]


def see_workspaces(asana: AsanaResource) -> list[str]:
    """Ask Asana for the gids of the token's workspaces.

    Raises:
        AsanaError: it could not be asked.
    """
    request = Request(template=WORKSPACES.listings[0].path)
    with asana.quick_client() as client:
        pages = client.pages(request, opt_fields="gid", usage=Usage(), stop=threading.Event())
        return [item.gid for page in pages for item in msgspec.json.decode(page.body, type=_Gids).data]
