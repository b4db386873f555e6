"""`asana-assets plan`: estimate the cost of the next sync."""

from collections.abc import Sequence

import click
from rich.console import Console

from asana_assets.cli.errors import report_errors
from asana_assets.cli.estimate_report import EstimateReport
from asana_assets.cli.interrupted_sync import find_interrupted_sync
from asana_assets.cli.options import selected_endpoints, selection_options
from asana_assets.defs.resources import LakeResource


@click.command()
@selection_options
def plan(
    workspaces: Sequence[str],
    selected: Sequence[str],
    full_refresh: bool,  # noqa: FBT001 - click passes it by name
    refresh_after_days: float | None,
) -> None:
    """Estimate the cost of the next sync without running it.

    Prints the requests of each asset in each workspace, and how long they take at the configured rate. Sends at most 30
    requests for each workspace, and stores nothing.
    """
    with report_errors():
        from asana_assets.definitions import build_definitions  # noqa: PLC0415 - raises if a setting is invalid

        resources = build_definitions().resources or {}
        lake: LakeResource = resources["lake"]
        endpoints = selected_endpoints(selected)
        names = [endpoint.name for endpoint in endpoints]
        out = Console()
        with resources["asana"].process_config_and_initialize_cm() as asana:
            report = EstimateReport(
                asana=asana,
                lake=lake,
                endpoints=endpoints,
                interrupted_sync=lambda gid: find_interrupted_sync(lake, gid, names),
                full_refresh=full_refresh,
                refresh_after_days=refresh_after_days,
            )
            for renderable in report.render(workspaces):
                out.print(renderable)
