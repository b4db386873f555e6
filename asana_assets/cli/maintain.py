"""`asana-assets maintain`: keep the tables small and fast over years."""

import datetime as dt
from collections.abc import Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING

import click
from rich.console import Console
from rich.table import Table

from asana_assets.cli.errors import print_warnings, report_errors
from asana_assets.cli.options import json_option, print_json
from asana_assets.lake.lake import REMOVE_OLDER_THAN
from asana_assets.settings import Settings

if TYPE_CHECKING:
    from asana_assets.lake.lake import TableMaintenance

_KILOBYTE = 1000


@click.command()
@click.option("--dry-run", is_flag=True, help="Only show what would be done.")
@click.option(
    "--older-than",
    "older_than_days",
    type=click.FloatRange(min=0),
    metavar="DAYS",
    default=REMOVE_OLDER_THAN / dt.timedelta(days=1),
    show_default=True,
    help="Remove unreferenced files only if they are older. Less than a day is safe only while nothing writes.",
)
@json_option
def maintain(*, dry_run: bool, older_than_days: float, as_json: bool) -> None:
    """Merge small files, expire old snapshots and remove unreferenced files.

    Works on all tables of the namespace and sends no request to Asana. It is safe beside a running sync, and so is
    interrupting it. Every sync does the first two to the tables that it writes; unreferenced files are what killed
    writers left. With ICEBERG_EXPIRE_SNAPSHOTS=false, only small files are merged.
    """
    with report_errors():
        from asana_assets.definitions import build_lake_resource  # noqa: PLC0415 - raises if a setting is invalid

        settings = Settings()
        print_warnings(settings)
        lake = build_lake_resource(settings)
        age = dt.timedelta(days=older_than_days)
        results = list(lake.iceberg.maintain(remove_older_than=age, dry_run=dry_run))
    for note in (note for result in results for note in result.notes):
        click.echo(note, err=True)
    if as_json:
        print_json({"dry_run": dry_run, "tables": [asdict(one) for one in results]})
    elif not results:
        click.echo(f"There is nothing to maintain: the namespace {lake.namespace} has no table. Run asana-assets sync.")
    else:
        Console().print(_render(results))
        if dry_run:
            click.echo("This is what would be done: nothing was changed.")


def _render(results: "Sequence[TableMaintenance]") -> Table:
    table = Table(header_style="bold")
    table.add_column("table", overflow="fold", min_width=max(len(one.table) for one in results))
    for header in ("files merged", "snapshots expired", "their files", "unreferenced files", "freed"):
        table.add_column(header, justify="right")
    for one in results:
        counts = (one.merged.files, one.expired.snapshots, one.expired.files, one.removed.files)
        table.add_row(one.table, *map("{:,}".format, counts), format_bytes(one.expired.bytes + one.removed.bytes))
    return table


def format_bytes(size: float) -> str:
    """Format a number of bytes in the largest decimal unit of which there is at least one."""
    for unit in ("B", "kB", "MB"):
        if size < _KILOBYTE:
            return f"{size:.0f} {unit}"
        size /= _KILOBYTE
    return f"{size:.1f} GB"
