"""Laws of permanent errors: they are not retried, and a 401 stops everything that uses the token."""

from concurrent.futures import ThreadPoolExecutor

import pytest

from asana_assets.asana.client import ApiRequest
from asana_assets.asana.errors import (
    AsanaError,
    PermanentError,
    UnauthorizedError,
)
from asana_assets.asana.retry_policy import RetryPolicy
from asana_assets.sandbox import FaultKind, Sandbox
from asana_assets_tests.support.client_harness import (
    PERMANENT_STATUSES,
    WORKSPACES,
    LargeProject,
    client_of,
    error_texts,
    pages,
)


@pytest.mark.parametrize(("status", "error_class"), PERMANENT_STATUSES)
def test_a_permanent_status_is_not_retried(sandbox: Sandbox, status: int, error_class: type[PermanentError]) -> None:
    sandbox.add_fault("*", status, message="No.")
    with client_of(sandbox) as client, pytest.raises(PermanentError) as caught:
        list(pages(client))
    assert type(caught.value) is error_class
    assert str(caught.value) == f"GET /workspaces returned {status}: No."
    assert len(sandbox.log) == 1


def test_no_request_is_sent_with_a_token_that_was_rejected(sandbox: Sandbox, large_project: LargeProject) -> None:
    sandbox.add_fault("/workspaces", 401, times=1)
    with client_of(sandbox) as client:
        with pytest.raises(UnauthorizedError):
            list(pages(client))
        for request in (WORKSPACES, large_project.request):
            with pytest.raises(UnauthorizedError, match="returned 401: Not Authorized"):
                list(pages(client, request))
    assert len(sandbox.log) == 1


def test_a_401_fails_the_requests_that_wait_for_a_slot(sandbox: Sandbox) -> None:
    """The second slot is half a second after the first: by then the response has arrived."""
    sandbox.add_fault("*", 401)

    def fetch(_: int) -> str:
        with pytest.raises(UnauthorizedError) as caught:
            list(pages(client))
        return str(caught.value)

    with client_of(sandbox, ceiling=2) as client, ThreadPoolExecutor(2) as pool:
        assert set(pool.map(fetch, range(2))) == {"GET /workspaces returned 401: Not Authorized"}
    assert len(sandbox.log) == 1


@pytest.mark.parametrize("kind", [400, 403, 500, "disconnect", "garbage", "reset"])
def test_messages_contain_method_template_and_asanas_message_but_no_gid_or_url(
    sandbox: Sandbox, large_project: LargeProject, kind: FaultKind
) -> None:
    sandbox.add_fault("/projects/{gid}/sections", kind, message="project: That is not yours.")
    request = ApiRequest(template="/projects/{parent}/sections", values={"parent": large_project.gid})
    with (
        client_of(sandbox, retry=RetryPolicy(max_attempts=2, max_backoff_seconds=0.01)) as client,
        pytest.raises(AsanaError, match=r"^GET /projects/\{parent\}/sections (returned|failed)") as caught,
    ):
        list(pages(client, request))
    assert sandbox.log[0].path == f"/projects/{large_project.gid}/sections"
    assert large_project.gid not in error_texts(caught.value)
    assert sandbox.url not in error_texts(caught.value)
    if isinstance(caught.value, PermanentError):
        assert str(caught.value).endswith("project: That is not yours.")
        assert (caught.value.method, caught.value.template) == ("GET", "/projects/{parent}/sections")
