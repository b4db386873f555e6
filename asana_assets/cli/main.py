"""The command group `asana-assets`: the same assets without the Dagster UI. Each command has its own module."""

import click

from asana_assets.cli.connect import connect
from asana_assets.cli.dbt_sources import dbt_sources
from asana_assets.cli.doctor import doctor
from asana_assets.cli.forget import forget
from asana_assets.cli.help_texts import MAIN_EPILOG
from asana_assets.cli.maintain import maintain
from asana_assets.cli.plan import plan
from asana_assets.cli.snowflake_setup import snowflake_setup
from asana_assets.cli.status import status
from asana_assets.cli.sync import sync


@click.group(
    commands=[sync, plan, status, connect, doctor, maintain, forget, snowflake_setup, dbt_sources], epilog=MAIN_EPILOG
)
@click.version_option(package_name="asana-assets", message="asana-assets %(version)s")
def main() -> None:
    """Sync Asana into Apache Iceberg tables."""
