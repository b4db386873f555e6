"""Faults: which requests they hit, and what the client receives."""

from __future__ import annotations

import time
from collections import Counter
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING

import pytest
import requests

from asana_assets.sandbox import FIRST_ATTEMPT_KINDS, FaultPlan, ReceivedRequest, Sandbox
from asana_assets.sandbox.api.faults import Faults, matches
from asana_assets_tests.support.sandbox_client import SandboxClient

if TYPE_CHECKING:
    from asana_assets.sandbox import FaultKind


@pytest.mark.parametrize(
    "status", [400, 401, 402, 403, 404, 408, 410, 422, 424, 429, 451, 500, 502, 503, 504, 520, 529, 598, 599]
)
def test_a_status_fault_hits_the_given_number_of_times(client: SandboxClient, status: int) -> None:
    fault = client.sandbox.add_fault("/users/me", status, times=2)
    assert [client.get("/users/me").status_code for _ in range(3)] == [status, status, 200]
    assert fault.hits == 2
    assert [entry.fault for entry in client.sandbox.log] == [str(status), str(status), ""]


def test_a_server_error_has_a_phrase(client: SandboxClient) -> None:
    client.sandbox.add_fault("*", 500, times=1)
    error = client.get("/users/me").json()["errors"][0]
    assert error == {"message": "Server Error", "phrase": "6 sad squid snuggle softly"}


def test_message_body_and_header_of_an_error_can_be_chosen(client: SandboxClient) -> None:
    client.sandbox.add_fault("*", 403, times=1, message="You do not have access to this project.")
    assert client.error("/users/me") == (403, "You do not have access to this project.")
    client.sandbox.add_fault("*", 418, times=1, body={"teapot": True}, retry_after=7)
    response = client.get("/users/me")
    assert (response.status_code, response.json(), response.headers["Retry-After"]) == (418, {"teapot": True}, "7")


def test_an_error_can_be_an_html_page_with_any_header(client: SandboxClient) -> None:
    client.sandbox.add_fault("*", 502, content=b"<html>Bad gateway</html>", headers={"Server": "a proxy"})
    response = client.get("/users/me")
    assert (response.status_code, response.text) == (502, "<html>Bad gateway</html>")
    assert [response.headers[name] for name in ("Content-Type", "Server")] == ["text/html", "a proxy"]


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_a_redirect_leads_to_a_login_page_or_a_given_location(client: SandboxClient, status: int) -> None:
    client.sandbox.add_fault("*", status, times=1)
    client.sandbox.add_fault("*", status, times=1, headers={"Location": "https://elsewhere.example.com/"})
    headers = {"Authorization": f"Bearer {client.sandbox.token}"}
    url = f"{client.sandbox.url}/users/me"
    responses = [requests.get(url, headers=headers, timeout=10, allow_redirects=False) for _ in range(2)]
    assert [response.status_code for response in responses] == [status, status]
    assert [response.headers["Location"] for response in responses] == [
        "https://login.example.com/sso",
        "https://elsewhere.example.com/",
    ]


def test_a_204_has_no_body(client: SandboxClient) -> None:
    client.sandbox.add_fault("*", 204, times=1)
    response = client.get("/users/me")
    assert (response.status_code, response.content) == (204, b"")
    assert client.get("/users/me").status_code == 200


@pytest.mark.parametrize("value", [0, -5, "soon", 10**9, 1.5, "Wed, 21 Oct 2015 07:28:00 GMT"])
@pytest.mark.parametrize("status", [429, 503, 400])
def test_retry_after_can_be_absurd_with_any_status(client: SandboxClient, status: int, value: float | str) -> None:
    client.sandbox.add_fault("*", status, retry_after=value)
    response = client.get("/users/me")
    assert (response.status_code, response.headers["Retry-After"]) == (status, str(value))


def test_retry_after_can_be_omitted_or_a_date(client: SandboxClient) -> None:
    client.sandbox.add_fault("*", 429, times=1)
    client.sandbox.add_fault("*", 429, times=1, retry_after=timedelta(seconds=90))
    assert "Retry-After" not in client.get("/users/me").headers
    retry_at = parsedate_to_datetime(client.get("/users/me").headers["Retry-After"])
    assert timedelta(seconds=85) < retry_at - datetime.now(UTC) <= timedelta(seconds=90)


@pytest.mark.parametrize("kind", ["reset", "disconnect"])
def test_a_reset_breaks_the_connection(client: SandboxClient, kind: FaultKind) -> None:
    client.sandbox.add_fault("*", kind, times=1)
    with pytest.raises((requests.ConnectionError, requests.exceptions.ChunkedEncodingError)):
        client.get("/workspaces")
    assert client.get("/workspaces").status_code == 200


def test_truncated_json_has_a_matching_content_length(client: SandboxClient) -> None:
    client.sandbox.add_fault("*", "truncated", times=1)
    response = client.get("/workspaces")
    assert response.status_code == 200
    assert int(response.headers["Content-Length"]) == len(response.content)
    assert client.get("/workspaces").text.startswith(response.text)
    with pytest.raises(requests.JSONDecodeError):
        response.json()


def test_a_200_can_be_empty_or_garbage(client: SandboxClient) -> None:
    client.sandbox.add_fault("*", "empty", times=1)
    client.sandbox.add_fault("*", "garbage", times=1)
    assert client.get("/workspaces").content == b""
    assert client.get("/workspaces").text.startswith("<!DOCTYPE html>")


def test_a_hang_outlasts_the_client_timeout_and_does_not_block_later_requests(client: SandboxClient) -> None:
    client.sandbox.add_fault("*", "hang", times=1, hang_seconds=20)
    headers = {"Authorization": f"Bearer {client.sandbox.token}"}
    with pytest.raises(requests.ReadTimeout):
        requests.get(f"{client.sandbox.url}/workspaces", headers=headers, timeout=0.1)
    assert client.get("/workspaces").status_code == 200


@pytest.mark.parametrize("kind", ["slow", "trickle"])
def test_a_correct_response_can_be_late_or_slow(client: SandboxClient, kind: FaultKind) -> None:
    correct = client.get("/workspaces").content
    client.sandbox.add_fault("*", kind, hang_seconds=0.4)
    started = time.monotonic()
    assert client.get("/workspaces").content == correct
    assert time.monotonic() - started >= 0.4


def test_a_repeated_offset_leads_back_to_the_same_page(client: SandboxClient) -> None:
    client.sandbox.add_fault("/tasks", "repeated_offset")
    project = client.gid("main_project")
    first = client.body("/tasks", project=project, limit=2)["next_page"]["offset"]
    again = client.body("/tasks", project=project, limit=2, offset=first)
    assert again["next_page"]["offset"] == first
    assert len(again["data"]) == 2


def test_an_offset_can_expire_between_two_pages(client: SandboxClient) -> None:
    client.sandbox.add_fault("/tasks", "expired_offset", skip=1, times=1)
    pages = client.pages("/tasks", project=client.gid("main_project"), limit=2)
    next(pages)
    next(pages)
    with pytest.raises(AssertionError, match="Your pagination token has expired"):
        next(pages)


def test_a_revoked_token_is_401(client: SandboxClient) -> None:
    assert client.get("/users/me").status_code == 200
    client.sandbox.revoke_token()
    assert [client.get("/users/me").status_code for _ in range(2)] == [401, 401]


def test_cancelled_and_cleared_faults_hit_no_request(client: SandboxClient) -> None:
    fault = client.sandbox.add_fault("/users/me", 500)
    client.sandbox.add_fault("/workspaces", 500)
    assert [client.get(path).status_code for path in ("/users/me", "/workspaces")] == [500, 500]
    fault.cancel()
    assert [client.get(path).status_code for path in ("/users/me", "/workspaces")] == [200, 500]
    client.sandbox.faults.clear()
    assert client.get("/workspaces").status_code == 200


@pytest.mark.parametrize(
    ("match", "expected"),
    [
        ("*", True),
        ("/attachments", True),
        ("/attachments?parent=12", True),
        ("/attachments?parent=13", False),
        ("/{anything}", True),
        ("/attachments/{gid}", False),
        ("/stories", False),
        (lambda request: request.query["parent"] == "12", True),
    ],
)
def test_a_fault_matches_by_template_query_or_predicate(match: str, expected: bool) -> None:  # noqa: FBT001 - a parameter of the test
    request = ReceivedRequest(method="GET", path="/attachments", query={"parent": "12", "limit": "100"}, token="")
    assert matches(match, request) is expected


def test_a_plan_hits_its_fraction_of_first_attempts_and_no_second_attempt() -> None:
    faults = Faults(FaultPlan(fraction=0.2))
    first_attempts = [ReceivedRequest(method="GET", path=f"/tasks/{n}", query={}, token="") for n in range(2000)]
    hit = Counter(fault.kind for request in first_attempts for fault in faults.take(request))
    assert 340 < hit.total() < 460
    assert set(hit) == set(FIRST_ATTEMPT_KINDS)
    assert max(hit.values()) - min(hit.values()) <= 1
    assert [faults.take(request) for request in first_attempts] == [[]] * 2000


def test_a_plan_hits_the_same_requests_with_the_same_seed() -> None:
    def hit(seed: int) -> list[int]:
        faults = Faults(FaultPlan(fraction=0.3, seed=seed))
        first_attempts = (ReceivedRequest(method="GET", path=f"/tasks/{n}", query={}, token="") for n in range(100))
        return [number for number, request in enumerate(first_attempts) if faults.take(request)]

    assert hit(1) == hit(1)
    assert hit(1) != hit(2)


def test_a_plan_hits_requests_over_http_and_is_not_counted_as_rejections() -> None:
    with Sandbox(faults=FaultPlan(fraction=1, kinds=(500, 429))) as sandbox:
        client = SandboxClient(sandbox=sandbox)
        paths = ("/users/me", "/users/me", "/workspaces", "/workspaces")
        assert [client.get(path).status_code for path in paths] == [500, 200, 429, 200]
        assert sandbox.rejection_count == 0
