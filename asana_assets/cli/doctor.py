"""`asana-assets doctor`: check everything that a sync needs."""

import sys

import click
import dagster as dg

from asana_assets.cli.diagnostics import diagnose
from asana_assets.cli.errors import report_errors


@click.command()
def doctor() -> None:
    """Check everything that a sync needs.

    Checks the token, the shared rate limit, the catalog and, on route tables, the login to Snowflake. Requests each
    endpoint in each workspace, with at most 20 requests, and says what will be missing from the tables and why. Exits
    with 1 if a check fails; what a plan does not include is a note.
    """
    with report_errors():
        from asana_assets.definitions import build_definitions  # noqa: PLC0415 - raises if a setting is invalid

        resources = build_definitions().resources or {}
    ok = True
    required = {name: resources[name] for name in ("asana", "lake", "snowflake") if name in resources}
    with dg.build_resources(required) as opened:
        for finding in diagnose(opened.asana, opened.lake, getattr(opened, "snowflake", None)):
            ok = ok and finding.ok
            click.echo(f"{finding.status:<4} {finding.subject}: {finding.message}")
    sys.exit(0 if ok else 1)
