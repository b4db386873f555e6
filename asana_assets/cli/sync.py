"""`asana-assets sync`: run the Dagster jobs in this process, one workspace after another."""

import logging
import signal
import sys
from collections.abc import Sequence

import click

from asana_assets.cli.automation_advice import describe_automation
from asana_assets.cli.dagster_instance import open_instance
from asana_assets.cli.errors import report_errors
from asana_assets.cli.help_texts import asset_names
from asana_assets.cli.line_log import LogFormat
from asana_assets.cli.notices import Level, Notice, decide_exit_code
from asana_assets.cli.options import json_option, selected_endpoints, selection_options
from asana_assets.cli.output import SyncOutput
from asana_assets.cli.run_events import HOW_TO_RESUME
from asana_assets.cli.sync_command import SyncCommand, SyncReport
from asana_assets.settings import Settings


@click.command(
    epilog=f"{asset_names()}\n"
    "Exit codes: 0 if everything was synced, even with warnings; 1 if something was not synced or, with "
    "--strict, if there are warnings; 2 for wrong usage; 130 if the sync was interrupted."
)
@selection_options
@click.option("--accept-row-count-drop", is_flag=True, help="Accept tables that lose more than half of their rows.")
@click.option("--accept-empty-columns", is_flag=True, help="Accept columns that no longer have values.")
@click.option("--checkpoint-rows", type=click.IntRange(1), help="Commit a checkpoint after this many rows and parents.")
@click.option("--strict", is_flag=True, help="Exit with 1 if there are warnings.")
@click.option("-q", "--quiet", is_flag=True, help="Print warnings and errors only.")
@click.option("-v", "--verbose", is_flag=True, help="Print the start of each asset and what slows requests down, too.")
@click.option(
    "--log-format",
    type=click.Choice([log_format.value for log_format in LogFormat]),
    help="Print lines of text, or one JSON object per line.  [default: live in a terminal, text elsewhere]",
)
@json_option
def sync(
    *,
    workspaces: Sequence[str],
    selected: Sequence[str],
    strict: bool,
    quiet: bool,
    verbose: bool,
    log_format: str | None,
    as_json: bool,
    **config: object,
) -> None:
    """Sync Asana into the tables.

    Syncs the list of workspaces, then the assets of each workspace. Prints what was synced and, below it, everything
    that was not clean: errors, assets that were not started, and warnings on stderr; notes on stdout. A sync that was
    interrupted less than 12 hours ago is resumed: assets that it completed are skipped.
    """
    logging.getLogger("sqlalchemy.pool").addFilter(_is_worth_reading)
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # as Dagster does while a run executes
    output = SyncOutput(
        as_json=as_json, log_format=LogFormat(log_format) if log_format else None, quiet=quiet, verbose=verbose
    )
    report = SyncReport()
    try:
        with report_errors():
            from asana_assets.definitions import build_definitions  # noqa: PLC0415 - raises if a setting is invalid

            settings = Settings()
            report.notices += [Notice(Level.WARNING, warning) for warning in settings.warnings()]
            endpoints = selected_endpoints(settings, selected)
            with open_instance(settings) as instance, output.progress() as progress:
                command = SyncCommand(
                    definitions=build_definitions(settings, progress=progress),
                    instance=instance,
                    endpoints=endpoints,
                    config={name: value for name, value in config.items() if value is not None},
                    report=report,
                    progress=progress,
                )
                command.run(workspaces)
                report.automation = describe_automation(instance if settings.dagster_home else None)
    except KeyboardInterrupt:  # before or after the command ran
        report.notices.append(Notice(Level.INTERRUPTED, f"The sync was stopped. {HOW_TO_RESUME}."))
    exit_code = decide_exit_code(report.notices, strict=strict)
    output.write_report(report, exit_code)
    sys.exit(exit_code)


def _is_worth_reading(record: logging.LogRecord) -> bool:
    """Return False for what SQLAlchemy logs with a traceback if Ctrl-C interrupts the return of a connection."""
    return not str(record.msg).startswith(("Exception during reset or similar", "Exception terminating connection"))
