"""`asana-assets forget`: delete everything that is stored of a workspace."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import click
import dagster as dg

from asana_assets.asana.endpoints import WORKSPACES
from asana_assets.asana.errors import ConfigurationError
from asana_assets.cli.dagster_instance import open_configured_instance
from asana_assets.cli.errors import print_warnings, report_errors
from asana_assets.defs.names import Names
from asana_assets.defs.partitions import registered_workspaces, remove_partition
from asana_assets.defs.progress import count
from asana_assets.defs.resources import LakeResource
from asana_assets.defs.workspace_names import find_workspaces, load_workspace_names, stored_workspace_names
from asana_assets.settings import Settings

if TYPE_CHECKING:
    from pyiceberg.table import Table


@click.command()
@click.option("--workspace", "wanted", required=True, metavar="NAME", help="Forget this workspace, by name or gid.")
@click.option("--dry-run", is_flag=True, help="Show what would be deleted, and delete nothing.")
@click.option("--yes", is_flag=True, help="Do not ask for confirmation.")
def forget(*, wanted: str, dry_run: bool, yes: bool) -> None:
    """Delete everything that is stored of a workspace.

    Deletes its rows from every table, its sync state, the earlier snapshots of these tables, which contain the rows as
    well, and its partition in the Dagster instance in DAGSTER_HOME, if that is set. Sends no request to Asana. A
    workspace that the token can see and that ASANA_WORKSPACES does not exclude returns with the next sync.
    """
    with report_errors():
        from asana_assets.definitions import build_lake_resource  # noqa: PLC0415 - raises if a setting is invalid

        settings = Settings()
        print_warnings(settings)
        lake = build_lake_resource(settings)
        with open_configured_instance(settings) as instance:
            names = _stored_names(lake, instance)
            gid = _find(wanted, names)
            label = f"{names[gid]} ({gid})" if names[gid] else gid
            counted = [(table, lake.iceberg.count(table, workspace=gid)) for table in lake.iceberg.list_tables()]
            tables = [(table, rows) for table, rows in counted if rows]
            _print_plan(label, tables, expires=lake.expire_snapshots)
            if dry_run:
                click.echo("Nothing was deleted: this is a dry run.")
                return
            if not yes:
                click.confirm(f"Delete everything that is stored of {label}?", abort=True)
            _forget(lake, instance, gid, label)
    deleted = count(sum(rows for _, rows in tables), "row")
    click.echo(f"Deleted {deleted} of {label}. {_how_to_keep_it_away(settings, gid, names)}")


def _stored_names(lake: LakeResource, instance: dg.DagsterInstance | None) -> dict[str, str]:
    """Return the names by gid of all workspaces that have rows or a partition, even if Asana no longer lists them."""
    names = load_workspace_names(instance, Names()) if instance else {}
    names |= stored_workspace_names(lake.stored_rows(WORKSPACES, ""))
    gids = dict.fromkeys([*names, *(registered_workspaces(instance, Names()) if instance else ())])
    for table in lake.iceberg.list_tables():
        gids |= dict.fromkeys(lake.iceberg.workspaces(table))
    return {gid: names.get(gid, "") for gid in gids}


def _find(wanted: str, names: Mapping[str, str]) -> str:
    [gid] = find_workspaces([wanted], names, "--workspace")
    if gid not in names:
        stored = ", ".join(f"{name} ({gid})" if name else gid for gid, name in names.items()) or "none"
        raise ConfigurationError(f"--workspace names {wanted}, of which nothing is stored. Stored are: {stored}")
    return gid


def _print_plan(label: str, tables: "Sequence[tuple[Table, int]]", *, expires: bool) -> None:
    click.echo(f"Stored of {label}:")
    for table, rows in tables:
        click.echo(f"  {table.name()[-1]:<24}{count(rows, 'row'):>17}")
    click.echo(
        "All earlier snapshots of these tables, of all workspaces, are deleted as well: they contain the rows."
        if expires
        else "Earlier snapshots contain the rows until the catalog expires them (ICEBERG_EXPIRE_SNAPSHOTS is false)."
    )


def _forget(lake: LakeResource, instance: dg.DagsterInstance | None, gid: str, label: str) -> None:
    if instance and not remove_partition(instance, Names(), gid):
        raise click.ClickException(
            f"A run or a backfill of {label} is queued or in progress. Cancel it, or wait for it, then run this "
            "command again. Nothing was deleted."
        )
    lake.iceberg.forget_workspace(gid)  # after a crash, the next attempt finds the rows that are left


def _how_to_keep_it_away(settings: Settings, gid: str, names: Mapping[str, str]) -> str:
    wanted = find_workspaces(settings.asana_workspaces, names, "ASANA_WORKSPACES")
    if gid in wanted:
        return "ASANA_WORKSPACES still names it: remove it there, or the next sync fetches it again."
    if wanted:
        return "ASANA_WORKSPACES does not name it, so it is not fetched again."
    others = ",".join(names[one] or one for one in names if one != gid)
    setting = f"set ASANA_WORKSPACES to those that you keep ({others})" if others else "remove the token's access to it"
    return f"If the token can still see it, the next sync fetches it again: {setting}."
