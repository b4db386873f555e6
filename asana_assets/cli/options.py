"""Options shared by `sync` and `plan`."""

from collections.abc import Callable, Sequence

import click
import msgspec

from asana_assets.asana.endpoints import ENDPOINTS, WORKSPACES
from asana_assets.asana.model import Endpoint
from asana_assets.settings import Settings


def selection_options(command: Callable[..., None]) -> Callable[..., None]:
    """Add the options that select workspaces, assets and what is fetched again."""
    for option in (
        click.option(
            "--select",
            "selected",
            multiple=True,
            metavar="ASSET",
            type=click.Choice([endpoint.name for endpoint in ENDPOINTS]),
            help="Include only this asset, besides workspaces, of those that ASANA_ENDPOINTS chooses. Can be given "
            "more than once.",
        ),
        click.option(
            "--refresh-after-days",
            type=click.FloatRange(min=0),
            metavar="DAYS",
            help="Re-fetch children after this many days, even if their parent is unchanged; 0 means never.  "
            "[default: per endpoint]",
        ),
        click.option("--full-refresh", is_flag=True, help="Re-fetch everything, even if unchanged."),
        click.option(
            "--workspace",
            "workspaces",
            multiple=True,
            metavar="NAME",
            help="Include only this workspace, given by name or gid. Can be given more than once.",
        ),
    ):
        command = option(command)
    return command


json_option = click.option("--json", "as_json", is_flag=True, help="Print one JSON document to stdout, and no table.")
"""Option of every command with a result that programs read."""


def print_json(document: object) -> None:
    """Print a JSON document to stdout."""
    click.echo(msgspec.json.format(msgspec.json.encode(document)).decode())


def selected_endpoints(settings: Settings, names: Sequence[str]) -> list[Endpoint]:
    """Return the endpoints to sync in each workspace: of those that the settings choose, the named ones, or all.

    Raises:
        ConfigurationError: There is no endpoint of a name in ASANA_ENDPOINTS.
        UsageError: A named endpoint is not chosen.
    """
    chosen = settings.endpoints
    if missing := sorted(set(names).difference(endpoint.name for endpoint in chosen)):
        raise click.UsageError(
            f"--select names {', '.join(missing)}, which ASANA_ENDPOINTS does not choose. It chooses "
            f"{', '.join(endpoint.name for endpoint in chosen)}."
        )
    return [endpoint for endpoint in chosen if endpoint is not WORKSPACES and (endpoint.name in names or not names)]
