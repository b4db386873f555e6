"""Fixtures for the tests of the API: a sandbox with a large project, and databases for pacers."""

from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from asana_assets.asana.database_pacer import DatabasePacer
from asana_assets.sandbox import Sandbox, build_organization
from asana_assets_tests.support.client_harness import LargeProject
from asana_assets_tests.support.pacer_harness import CreateDatabase, OpenPacer
from asana_assets_tests.support.pacer_process import TOKEN
from asana_assets_tests.support.postgres_server import Postgres


@pytest.fixture(scope="module")
def large_project() -> LargeProject:
    organization = build_organization()
    project = organization.add_project(organization.edge_cases["paid_organization"], "Large")
    return LargeProject(organization, project, [organization.add_task(project, f"Task {at}") for at in range(250)])


@pytest.fixture
def sandbox(large_project: LargeProject) -> Iterator[Sandbox]:
    with Sandbox(organization=large_project.organization) as sandbox:
        yield sandbox


@pytest.fixture
def open_pacer() -> Iterator[OpenPacer]:
    """A function that opens a pacer, as another process would."""
    with ExitStack() as stack:

        def open_pacer(url: str, token: str = TOKEN, **options: float) -> DatabasePacer:
            pacer = DatabasePacer(url, token, **options)
            stack.callback(pacer.close)
            return pacer

        yield open_pacer


@pytest.fixture(params=["sqlite", "postgresql"])
def create_database(request: pytest.FixtureRequest, tmp_path: Path) -> CreateDatabase:
    """A function that returns the URL of another empty database each time."""
    if request.param == "sqlite":
        directories = (tmp_path / str(number) for number in range(1000))
        return lambda: f"sqlite:///{next(directories)}/deep/pacer.db"
    server: Postgres = request.getfixturevalue("postgres")
    return lambda: server.url(server.create_database())


@pytest.fixture
def url(create_database: CreateDatabase) -> str:
    return create_database()
