"""The server's clock, which clients see in `Date`, `Retry-After` and `modified_at`."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime

import pytest

from asana_assets.sandbox import Sandbox
from asana_assets_tests.support.sandbox_client import SandboxClient

_TOLERANCE = timedelta(seconds=5)


def _date(client: SandboxClient) -> datetime:
    return parsedate_to_datetime(client.get("/users/me").headers["Date"])


@pytest.mark.parametrize("skew", [0, 600, -3600])
def test_the_clock_of_the_server_can_be_wrong(skew: int) -> None:
    with Sandbox(clock_skew=skew) as sandbox:
        client = SandboxClient(sandbox=sandbox)
        expected = datetime.now(UTC) + timedelta(seconds=skew)
        sandbox.organization.rename_task(client.gid("my_task"), "renamed")
        modified_at = client.record(f"/tasks/{client.gid('my_task')}")["modified_at"]
        sandbox.add_fault("*", 429, times=1, retry_after=timedelta(seconds=90))
        retry_at = parsedate_to_datetime(client.get("/users/me").headers["Retry-After"])
        seen = [_date(client), datetime.fromisoformat(modified_at), retry_at - timedelta(seconds=90)]
        assert all(abs(instant - expected) < _TOLERANCE for instant in seen)


def test_the_clock_can_be_set_while_the_server_runs(client: SandboxClient) -> None:
    before = _date(client)
    client.sandbox.misbehave("clock_ahead")
    assert abs(_date(client) - before - timedelta(seconds=600)) < _TOLERANCE
    client.sandbox.organization.clock_skew = 0
    assert abs(_date(client) - before) < _TOLERANCE


def test_the_date_can_be_replaced(client: SandboxClient) -> None:
    client.sandbox.add_fault("*", "headers", headers={"Date": "yesterday"})
    assert client.get("/users/me").headers["Date"] == "yesterday"
