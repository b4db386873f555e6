"""Fixtures for tests of resources."""

from collections.abc import Iterator

import pytest

from asana_assets.sandbox import Sandbox
from asana_assets_tests.support.asana_resource import DIGITS, SECRET


@pytest.fixture
def asana() -> Iterator[Sandbox]:
    """A sandbox that accepts two tokens."""
    with Sandbox(tokens=(SECRET, DIGITS)) as sandbox:
        yield sandbox
