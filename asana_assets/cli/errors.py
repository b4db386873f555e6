"""Known errors as the command line reports them: one line and exit code 1, without a traceback."""

from collections.abc import Generator
from contextlib import contextmanager

import click
import dagster as dg

from asana_assets.asana.errors import AsanaError
from asana_assets.defs.failures import explain
from asana_assets.lake.errors import LakeError
from asana_assets.settings import Settings


def print_warnings(settings: Settings) -> None:
    """Print what is probably wrong with the settings, one line each, to stderr."""
    for warning in settings.warnings():
        click.echo(f"Warning: {warning}", err=True)


@contextmanager
def report_errors() -> Generator[None]:
    """Convert known errors to click's exception, which prints the message and exits with 1.

    Raises:
        ClickException: Asana, the lake, a setting or an asset failed.
    """
    try:
        yield
    except (AsanaError, LakeError) as error:
        raise click.ClickException(explain(error)) from error
    except dg.Failure as failure:
        raise click.ClickException(str(failure.description)) from failure
