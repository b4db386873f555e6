"""`asana-assets status`: how old the tables are, and which warnings are open."""

import datetime as dt
from collections.abc import Iterator

import click
from rich.console import Console, RenderableType
from rich.table import Table
from rich.text import Text

from asana_assets.cli.automation_advice import describe_automation
from asana_assets.cli.dagster_instance import open_configured_instance
from asana_assets.cli.errors import print_warnings, report_errors
from asana_assets.cli.options import json_option, print_json
from asana_assets.cli.sync_status import TableStatus, WorkspaceStatus, read_status
from asana_assets.settings import Settings

_LEVELS = {"warn": "Warning"}
_HOUR = dt.timedelta(hours=1)
_DAY = dt.timedelta(days=1)


@click.command()
@json_option
def status(*, as_json: bool) -> None:
    """Show the last sync, the rows and the open warnings of each table.

    Sends no request to Asana. Rows come from the tables, the times of syncs from the table sync_state, and warnings
    from the Dagster instance in DAGSTER_HOME, if that is set. Exits with 0 whatever it shows.
    """
    with report_errors():
        from asana_assets.definitions import build_lake_resource  # noqa: PLC0415 - raises if a setting is invalid

        settings = Settings()
        print_warnings(settings)
        lake = build_lake_resource(settings)
        with open_configured_instance(settings) as instance:
            workspaces = list(read_status(lake, settings.endpoints, instance))
            automation = describe_automation(instance)
    sources = _describe_sources(lake.namespace, settings.dagster_home)
    now = dt.datetime.now(dt.UTC)
    if as_json:
        documents = [_document(one, now) for one in workspaces]
        print_json({"workspaces": documents, "sources": sources, "automation": automation})
        return
    if not workspaces:
        click.echo(f"Nothing was synced yet: the namespace {lake.namespace} has no workspace. Run asana-assets sync.")
        return
    for workspace in workspaces:
        for renderable in _render(workspace, now):
            Console().print(renderable)
    for source in sources:
        click.echo(source)
    Console().print(automation, highlight=False)


def _describe_sources(namespace: str, dagster_home: str | None) -> list[str]:
    warnings = (
        f"Warnings: the checks in the latest runs of the Dagster instance in {dagster_home}."
        if dagster_home
        else "Warnings: unknown but for dropped row counts, as DAGSTER_HOME is not set; the output of sync has them."
    )
    return [f"Rows and last syncs: the tables in the namespace {namespace}, including sync_state.", warnings]


def _render(workspace: WorkspaceStatus, now: dt.datetime) -> Iterator[RenderableType]:
    title = f"\n{workspace.name} ({workspace.gid})" if workspace.name else f"\n{workspace.gid}"
    if not any(one.synced_at or one.rows for one in workspace.tables):
        yield Text(f"{title}: never synced")
        return
    table = Table(title=Text(title, "bold"), title_justify="left", header_style="bold")
    table.add_column("asset", overflow="fold", min_width=max(len(one.asset) for one in workspace.tables))
    table.add_column("rows", justify="right")
    table.add_column("last sync (UTC)", min_width=len("2026-01-01 00:00"))
    table.add_column("age", justify="right")
    if any(one.problems for one in workspace.tables):
        table.add_column("warnings", overflow="fold")
    for one in workspace.tables:
        last = f"{one.synced_at:%Y-%m-%d %H:%M}" if one.synced_at else "never"
        age = format_age(now - one.synced_at) if one.synced_at else ""
        table.add_row(one.asset, f"{one.rows:,}", last, age, *([", ".join(one.problems)] if one.problems else []))
    yield table
    if workspace.interrupted_at:
        yield (
            f"A sync that started at {workspace.interrupted_at:%Y-%m-%d %H:%M} UTC is running or was interrupted; "
            "asana-assets sync resumes it within 12 hours."
        )
    for check in workspace.failed_checks:
        yield Text(f"{_LEVELS.get(check.severity, 'Error')}: {check.asset} ({check.name}): {check.message}")


def format_age(age: dt.timedelta) -> str:
    """Format an age: minutes below two hours, hours below two days, then days."""
    if age < 2 * _HOUR:
        return f"{age.total_seconds() / 60:.0f} min"
    return f"{age / _HOUR:.0f} h" if age < 2 * _DAY else f"{age / _DAY:.0f} days"


def _document(workspace: WorkspaceStatus, now: dt.datetime) -> dict[str, object]:
    return {
        "gid": workspace.gid,
        "name": workspace.name,
        "interrupted_sync_started_at": _isoformat(workspace.interrupted_at),
        "tables": [_table_document(one, now) for one in workspace.tables],
        "failed_checks": [
            {"asset": one.asset, "check": one.name, "severity": one.severity, "message": one.message}
            for one in workspace.failed_checks
        ],
    }


def _table_document(table: TableStatus, now: dt.datetime) -> dict[str, object]:
    return {
        "asset": table.asset,
        "rows": table.rows,
        "synced_at": _isoformat(table.synced_at),
        "age_seconds": round((now - table.synced_at).total_seconds()) if table.synced_at else None,
        "problems": list(table.problems),
    }


def _isoformat(instant: dt.datetime | None) -> str | None:
    return instant.isoformat() if instant else None
