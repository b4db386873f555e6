"""The Dagster instance that the commands use: the one in DAGSTER_HOME, if that is set."""

from collections.abc import Generator
from contextlib import contextmanager

import click
import dagster as dg

from asana_assets.settings import Settings


@contextmanager
def open_instance(settings: Settings) -> Generator[dg.DagsterInstance]:
    """Yield the Dagster instance in DAGSTER_HOME, or an ephemeral one if it is unset."""
    with open_configured_instance(settings) as instance:
        if instance is not None:
            yield instance
            return
    with dg.DagsterInstance.ephemeral() as instance:
        yield instance


@contextmanager
def open_configured_instance(settings: Settings) -> Generator[dg.DagsterInstance | None]:
    """Yield the Dagster instance in DAGSTER_HOME, or None if it is unset.

    Raises:
        ClickException: DAGSTER_HOME holds no usable instance.
    """
    if settings.dagster_home is None:
        yield None
        return
    try:
        instance = dg.DagsterInstance.get()
    except dg.DagsterError as error:
        first_line = str(error).strip().splitlines()[0]
        raise click.ClickException(f"DAGSTER_HOME is {settings.dagster_home!r}: {first_line}") from None
    with instance:
        yield instance
