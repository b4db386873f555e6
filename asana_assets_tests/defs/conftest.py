"""Fixtures shared by tests of the Dagster layer."""

from collections.abc import Iterator

import pytest

from asana_assets.sandbox import Sandbox
from asana_assets_tests.support.asana_resource import DIGITS, SECRET
from asana_assets_tests.support.mutations import paid
from asana_assets_tests.support.sync_harness import MakeWarehouse, Warehouse


@pytest.fixture
def asana() -> Iterator[Sandbox]:
    """A sandbox that accepts two tokens."""
    with Sandbox(tokens=(SECRET, DIGITS)) as sandbox:
        yield sandbox


@pytest.fixture
def warehouse(make_warehouse: MakeWarehouse) -> Warehouse:
    """A warehouse with the paid organization, synced once."""
    synced = make_warehouse()
    synced.settings["ASANA_WORKSPACES"] = paid(synced)
    synced.sync()
    return synced
