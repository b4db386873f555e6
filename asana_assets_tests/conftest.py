"""Fixtures shared by all tests: a warehouse synced from its own sandbox, and a PostgreSQL server."""

import gc
import os
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import dagster as dg
import pytest

from asana_assets.sandbox import Sandbox
from asana_assets.settings import Settings
from asana_assets_tests.support.postgres_server import Postgres, find_binaries
from asana_assets_tests.support.requirements import require_installed
from asana_assets_tests.support.sync_harness import MakeWarehouse, Warehouse

gc.set_threshold(200_000)  # objects, as in the command; the default costs a tenth of the suite's time


def pytest_xdist_auto_num_workers() -> int:
    """Return two workers per core, as many tests wait for a server or a pause."""
    return 2 * (os.cpu_count() or 1)


@pytest.fixture(autouse=True)
def _no_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    """Remove settings of the machine's user from the environment."""
    for name in Settings.model_fields:
        monkeypatch.delenv(name.upper(), raising=False)


@pytest.fixture
def make_warehouse(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[MakeWarehouse]:
    """A function that starts a sandbox with the given options and returns a warehouse for it."""
    with ExitStack() as stack:

        def make(settings: dict[str, str] | None = None, **options: Any) -> Warehouse:
            asana = stack.enter_context(Sandbox(**options))
            monkeypatch.setenv("ASANA_ACCESS_TOKEN", asana.token)
            instance = stack.enter_context(dg.DagsterInstance.ephemeral())
            return Warehouse(asana, tmp_path, instance, settings or {})

        yield make


@pytest.fixture(scope="session")
def postgres() -> Iterator[Postgres]:
    """A PostgreSQL server. Each test creates its own database; one that stops the server starts it again."""
    with Postgres(require_installed(find_binaries(), "PostgreSQL (Debian's package `postgresql`)")) as server:
        yield server
