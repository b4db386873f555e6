"""One sandbox for all tests that only read, and one each for those that disturb."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from asana_assets.sandbox import Sandbox
from asana_assets_tests.support.sandbox_client import Client

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture(scope="session")
def calm() -> Iterator[Client]:
    """Nobody changes this one."""
    with Sandbox() as sandbox:
        yield Client(sandbox=sandbox)


@pytest.fixture
def asana() -> Iterator[Client]:
    with Sandbox() as sandbox:
        yield Client(sandbox=sandbox)
