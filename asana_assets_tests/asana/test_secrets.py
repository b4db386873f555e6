"""The token never appears in errors, representations or logs."""

import logging

import pytest

from asana_assets.asana.client import Client
from asana_assets.asana.errors import AsanaError
from asana_assets.asana.retry_policy import RetryPolicy
from asana_assets.asana.throttle import Throttle
from asana_assets.asana.transport import Transport
from asana_assets.sandbox import FaultKind, Sandbox
from asana_assets_tests.support.client_harness import LargeProject, error_texts, pages


def test_the_token_is_in_no_error_representation_or_log(
    large_project: LargeProject, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    caplog.set_level(logging.DEBUG, logger="urllib3.connectionpool")  # other tests' libraries may have raised it
    token = "2/1200000000000777/1200000000000778:c0ffee"
    kinds: tuple[FaultKind, ...] = (400, 401, 402, 403, 404, 429, 451, 500, "reset", "disconnect", "garbage", "hang")
    texts: list[str] = []

    def fetch(sandbox: Sandbox, token: str) -> None:
        transport = Transport(base_url=sandbox.url, token=token, read_timeout_seconds=0.2)
        client = Client(
            transport=transport,
            throttle=Throttle(ceiling=1000),
            retry=RetryPolicy(max_attempts=2, max_backoff_seconds=0.01, budget_seconds=1),
        )
        texts.extend([repr(client), str(client), repr(transport), str(transport)])
        with client:
            list(pages(client, large_project.request))

    def fail(sandbox: Sandbox, token: str) -> None:
        with pytest.raises(AsanaError) as caught:
            fetch(sandbox, token)
        texts.append(error_texts(caught.value))

    with Sandbox(organization=large_project.organization, tokens=(token,)) as sandbox:
        for kind in kinds:
            sandbox.add_fault("*", kind, times=2, retry_after=1000 if kind == 429 else None)
            fail(sandbox, token)
            sandbox.faults.clear()
        sandbox.add_fault("*", "repeated_offset")
        fail(sandbox, token)
        sandbox.revoke_token()
        fail(sandbox, token)
    fail(sandbox, token)  # the server is closed now
    fail(sandbox, f"{token} and more")
    texts.extend(f"{record.getMessage()} {record.args} {record.exc_info}" for record in caplog.records)
    assert len(caplog.records) > 5
    assert not [text for text in texts if "c0ffee" in text or "1200000000000778" in text]
