"""`asana-assets snowflake-setup`: print the SQL that an administrator of Snowflake runs."""

import click

from asana_assets.cli.errors import report_errors
from asana_assets.lake.lake import CHANGES_TABLE
from asana_assets.settings import Settings
from asana_assets.snowflake.setup import SetupOptions, create_tables_sql, following_settings, setup_sql
from asana_assets.snowflake.sql import Route


@click.command()
@click.option(
    "--route",
    required=True,
    type=click.Choice([route.value for route in Route]),
    help="Set up this route, by which Snowflake sees commits.",
)
@click.option(
    "--create-tables",
    "tables_only",
    is_flag=True,
    help="Print instead the statements that create the tables of route tables.",
)
@click.option("--database", default="ASANA", show_default=True, help="Create this database for the tables.")
@click.option("--schema", default="RAW", show_default=True, help="Create this schema in the database.")
@click.option(
    "--role", default="LAKE_WRITER", show_default=True, help="Create this role, which writes or refreshes the tables."
)
@click.option(
    "--user", default="LAKE_SERVICE", show_default=True, help="Create this service user, which has that role."
)
@click.option("--reader-role", help="Create this role, which may read the tables.")
@click.option(
    "--warehouse",
    default="LAKE_WAREHOUSE",
    show_default=True,
    help="Create this warehouse, which counts rows on route tables.",
)
@click.option(
    "--volume", help="Use this external volume.  [default: LAKE_VOLUME, or Snowflake's own storage on route horizon]"
)
@click.option(
    "--integration", default="LAKE_CATALOG", show_default=True, help="Create this catalog integration for AWS Glue."
)
@click.option("--namespace", default="asana", show_default=True, help="Read the tables of this AWS Glue database.")
@click.option("--bucket", metavar="URL", help="Read the files of the tables in this folder, s3://bucket/folder/.")
@click.option("--storage-role-arn", metavar="ARN", help="Let Snowflake read the bucket with this IAM role.")
@click.option("--glue-role-arn", metavar="ARN", help="Let Snowflake read AWS Glue with this IAM role.")
@click.option("--region", help="Use AWS Glue in this region.")
def snowflake_setup(route: str, tables_only: bool, **options: str) -> None:  # noqa: FBT001 - click passes it by name
    """Print the SQL that sets up Snowflake.

    Nothing is executed. Running the statements a second time changes nothing. Prints to stderr the settings that must
    follow.
    """
    with report_errors():
        setup, chosen = SetupOptions(**options), Route(route)
        if tables_only:
            names = [endpoint.name for endpoint in Settings().endpoints]
            click.echo(create_tables_sql(setup, [*names, CHANGES_TABLE]), nl=False)
            return
        click.echo(setup_sql(chosen, setup), nl=False)
    click.echo("Once these statements have run, set:", err=True)
    for name, value in following_settings(chosen, setup).items():
        click.echo(f"  export {name}={value}", err=True)
