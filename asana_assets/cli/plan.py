"""`asana-assets plan`: estimate the cost of the next sync."""

from collections.abc import Sequence

import click
from rich.console import Console

from asana_assets.cli.errors import print_warnings, report_errors
from asana_assets.cli.estimate_report import EstimateReport, WorkspaceEstimate
from asana_assets.cli.help_texts import asset_names
from asana_assets.cli.interrupted_sync import find_interrupted_sync
from asana_assets.cli.options import json_option, print_json, selected_endpoints, selection_options
from asana_assets.settings import Settings


@click.command(epilog=asset_names())
@selection_options
@json_option
def plan(
    *,
    workspaces: Sequence[str],
    selected: Sequence[str],
    full_refresh: bool,
    refresh_after_days: float | None,
    as_json: bool,
) -> None:
    """Estimate the cost of the next sync without running it.

    Prints the requests of each asset in each workspace, and how long they take at the configured rate and at the one
    that Asana's plan allows; if projects are chosen, also the requests without that choice. Sends at most 30 requests
    for each workspace, twice as many if projects are chosen, and stores nothing.
    """
    with report_errors():
        from asana_assets import definitions  # noqa: PLC0415 - raises if a setting is invalid

        settings = Settings()
        print_warnings(settings)
        lake = definitions.build_lake_resource(settings)
        endpoints = selected_endpoints(settings, selected)
        names = [endpoint.name for endpoint in endpoints]
        with definitions.build_asana_resource(settings).process_config_and_initialize_cm() as asana:
            report = EstimateReport(
                asana=asana,
                lake=lake,
                endpoints=endpoints,
                interrupted_sync=lambda gid: find_interrupted_sync(lake, gid, names),
                full_refresh=full_refresh,
                refresh_after_days=refresh_after_days,
            )

            def show(workspace: WorkspaceEstimate) -> None:
                for renderable in workspace.render(asana.requests_per_second):
                    Console().print(renderable)

            if as_json:
                print_json(report.estimate(workspaces).document())
            else:
                Console().print(report.estimate(workspaces, show).describe_total())
