"""One sandbox for all tests that only read, and a new one for each test that changes data or adds faults."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from asana_assets.sandbox import Sandbox
from asana_assets_tests.support.sandbox_client import SandboxClient

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture(scope="session")
def shared_client() -> Iterator[SandboxClient]:
    """A client of a sandbox that no test may change."""
    with Sandbox() as sandbox:
        yield SandboxClient(sandbox=sandbox)


@pytest.fixture
def client() -> Iterator[SandboxClient]:
    """A client of a new sandbox."""
    with Sandbox() as sandbox:
        yield SandboxClient(sandbox=sandbox)
