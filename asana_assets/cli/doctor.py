"""`asana-assets doctor`: check everything that a sync needs."""

import sys
from itertools import chain
from typing import Any

import click
import dagster as dg

from asana_assets.cli.diagnostics import Finding, diagnose
from asana_assets.cli.errors import report_errors
from asana_assets.cli.options import json_option, print_json
from asana_assets.defs.names import API, LAKE, SNOWFLAKE
from asana_assets.settings import Settings


@click.command()
@json_option
def doctor(*, as_json: bool) -> None:
    """Check everything that a sync needs.

    Checks the token, the shared rate limit, the catalog and, on route tables, the login to Snowflake. Requests each
    chosen endpoint in each workspace, with at most five requests more than there are endpoints, and says what will be
    missing from the tables and why. Exits with 1 if a check fails. A limit of the plan is a note, and so is a rate that
    does not suit the plan.
    """
    with report_errors():
        from asana_assets import definitions  # noqa: PLC0415 - raises if a setting is invalid

        settings = Settings()
        endpoints = settings.endpoints
        snowflake = definitions.build_snowflake_resource(settings)
        resources: dict[str, Any] = {
            API: definitions.build_asana_resource(settings),
            LAKE: definitions.build_lake_resource(settings),
            **({SNOWFLAKE: snowflake} if snowflake else {}),
        }
    findings: list[Finding] = []
    with dg.build_resources(resources) as opened:
        doubts = [Finding(subject="settings", ok=True, message=one, is_note=True) for one in settings.warnings()]
        for finding in chain(doubts, diagnose(opened.api, opened.lake, endpoints, getattr(opened, SNOWFLAKE, None))):
            findings.append(finding)
            if not as_json:
                click.echo(f"{finding.status:<4} {finding.subject}: {finding.message}")
    ok = all(finding.ok for finding in findings)
    if as_json:
        found = [{"status": one.status, "subject": one.subject, "message": one.message} for one in findings]
        print_json({"ok": ok, "findings": found})
    sys.exit(0 if ok else 1)
