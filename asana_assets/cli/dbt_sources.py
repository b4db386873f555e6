"""`asana-assets dbt-sources`: print the tables as sources of a dbt project."""

from collections.abc import Mapping
from typing import Any

import click
import yaml

from asana_assets.asana.model import Endpoint
from asana_assets.cli.errors import report_errors
from asana_assets.settings import Settings


@click.command()
@click.option(
    "--name",
    default="asana",
    show_default=True,
    help="Give the source the name of this integration, so that Dagster links dbt's models to its assets.",
)
@click.option("--schema", default="asana", show_default=True, help="Read the tables in this schema.")
@click.option("--database", help="Read the tables in this database.  [default: that of the dbt profile]")
def dbt_sources(name: str, schema: str, database: str | None) -> None:
    """Print a sources.yml for dbt, with a description of each table and column.

    Save it in the folder of your models. It needs no changes: print it again after an upgrade, and after a change of
    ASANA_ENDPOINTS.
    """
    with report_errors():
        endpoints = Settings().endpoints
    source = {
        "name": name,
        "description": "Asana, synced by Dagster.",
        **({"database": database} if database else {}),
        "schema": schema,
        "tables": [_table(endpoint) for endpoint in endpoints],
    }
    document = {"version": 2, "sources": [source]}
    click.echo(yaml.safe_dump(document, sort_keys=False, allow_unicode=True, width=120), nl=False)


def _table(endpoint: Endpoint) -> dict[str, Any]:
    columns = [{"name": field.name, "description": _text(field.metadata, b"doc")} for field in endpoint.schema]
    return {
        "name": endpoint.name,
        "description": _text(endpoint.schema.metadata, b"comment"),
        "columns": columns,
    }


def _text(metadata: Mapping[bytes, bytes] | None, key: bytes) -> str:
    return (metadata or {}).get(key, b"").decode()
