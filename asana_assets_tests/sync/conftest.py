"""Fixtures for tests of fetching."""

from collections.abc import Iterator

import pytest

from asana_assets.sandbox import Sandbox
from asana_assets_tests.support.fetching import FetchTargets, worker_threads


@pytest.fixture(scope="session")
def targets() -> FetchTargets:
    """An organization with enough to fetch; not to be changed by tests."""
    return FetchTargets.build()


@pytest.fixture
def asana(targets: FetchTargets) -> Iterator[Sandbox]:
    """A sandbox of this organization; afterwards no fetcher may be running."""
    with Sandbox(organization=targets.organization) as sandbox:
        yield sandbox
    assert worker_threads() == []
