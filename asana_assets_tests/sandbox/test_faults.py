"""Failures to order."""

from __future__ import annotations

from collections import Counter
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING

import pytest
import requests

from asana_assets.sandbox import FIRST_ATTEMPT_KINDS, FaultPlan, ReceivedRequest, Sandbox
from asana_assets.sandbox.faults import Faults, matches
from asana_assets_tests.support.sandbox_client import Client

if TYPE_CHECKING:
    from asana_assets.sandbox import FaultKind


@pytest.mark.parametrize("status", [400, 401, 402, 403, 404, 429, 451, 500, 502, 503, 504])
def test_a_status_strikes_as_often_as_ordered(asana: Client, status: int) -> None:
    fault = asana.sandbox.add_fault("/users/me", status, times=2)
    assert [asana.get("/users/me").status_code for _ in range(3)] == [status, status, 200]
    assert fault.hits == 2
    assert [entry.fault for entry in asana.sandbox.log] == [str(status), str(status), ""]


def test_a_server_error_has_a_phrase(asana: Client) -> None:
    asana.sandbox.add_fault("*", 500, times=1)
    error = asana.get("/users/me").json()["errors"][0]
    assert error == {"message": "Server Error", "phrase": "6 sad squid snuggle softly"}


def test_message_body_and_header_are_as_ordered(asana: Client) -> None:
    asana.sandbox.add_fault("*", 403, times=1, message="You do not have access to this project.")
    assert asana.error("/users/me") == (403, "You do not have access to this project.")
    asana.sandbox.add_fault("*", 418, times=1, body={"teapot": True}, retry_after=7)
    answer = asana.get("/users/me")
    assert (answer.status_code, answer.json(), answer.headers["Retry-After"]) == (418, {"teapot": True}, "7")


def test_retry_after_can_be_missing_or_a_date(asana: Client) -> None:
    asana.sandbox.add_fault("*", 429, times=1)
    asana.sandbox.add_fault("*", 429, times=1, retry_after=timedelta(seconds=90))
    assert "Retry-After" not in asana.get("/users/me").headers
    told = parsedate_to_datetime(asana.get("/users/me").headers["Retry-After"])
    assert timedelta(seconds=85) < told - datetime.now(UTC) <= timedelta(seconds=90)


@pytest.mark.parametrize("kind", ["reset", "disconnect"])
def test_a_reset_breaks_the_connection(asana: Client, kind: FaultKind) -> None:
    asana.sandbox.add_fault("*", kind, times=1)
    with pytest.raises((requests.ConnectionError, requests.exceptions.ChunkedEncodingError)):
        asana.get("/workspaces")
    assert asana.get("/workspaces").status_code == 200


def test_truncated_json_has_a_correct_length(asana: Client) -> None:
    asana.sandbox.add_fault("*", "truncated", times=1)
    answer = asana.get("/workspaces")
    assert answer.status_code == 200
    assert int(answer.headers["Content-Length"]) == len(answer.content)
    assert asana.get("/workspaces").text.startswith(answer.text)
    with pytest.raises(requests.JSONDecodeError):
        answer.json()


def test_a_200_can_be_empty_or_garbage(asana: Client) -> None:
    asana.sandbox.add_fault("*", "empty", times=1)
    asana.sandbox.add_fault("*", "garbage", times=1)
    assert asana.get("/workspaces").content == b""
    assert asana.get("/workspaces").text.startswith("<!DOCTYPE html>")


def test_a_hang_outlasts_the_client_and_is_forgotten(asana: Client) -> None:
    asana.sandbox.add_fault("*", "hang", times=1, hang_seconds=20)
    headers = {"Authorization": f"Bearer {asana.sandbox.token}"}
    with pytest.raises(requests.ReadTimeout):
        requests.get(f"{asana.sandbox.url}/workspaces", headers=headers, timeout=0.1)
    assert asana.get("/workspaces").status_code == 200


def test_a_repeated_offset_leads_in_a_circle(asana: Client) -> None:
    asana.sandbox.add_fault("/tasks", "repeated_offset")
    project = asana.trap("main_project")
    first = asana.body("/tasks", project=project, limit=2)["next_page"]["offset"]
    again = asana.body("/tasks", project=project, limit=2, offset=first)
    assert again["next_page"]["offset"] == first
    assert len(again["data"]) == 2


def test_an_offset_can_expire_in_the_middle_of_a_walk(asana: Client) -> None:
    asana.sandbox.add_fault("/tasks", "expired_offset", skip=1, times=1)
    pages = asana.pages("/tasks", project=asana.trap("main_project"), limit=2)
    next(pages)
    next(pages)
    with pytest.raises(AssertionError, match="Your pagination token has expired"):
        next(pages)


def test_a_revoked_token_is_401_from_then_on(asana: Client) -> None:
    assert asana.get("/users/me").status_code == 200
    asana.sandbox.revoke_token()
    assert [asana.get("/users/me").status_code for _ in range(2)] == [401, 401]


def test_a_cancelled_fault_and_cleared_faults_strike_no_more(asana: Client) -> None:
    fault = asana.sandbox.add_fault("/users/me", 500)
    asana.sandbox.add_fault("/workspaces", 500)
    assert [asana.get(path).status_code for path in ("/users/me", "/workspaces")] == [500, 500]
    fault.cancel()
    assert [asana.get(path).status_code for path in ("/users/me", "/workspaces")] == [200, 500]
    asana.sandbox.faults.clear()
    assert asana.get("/workspaces").status_code == 200


@pytest.mark.parametrize(
    ("match", "meant"),
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
def test_a_fault_is_aimed_by_template_query_or_predicate(match: str, meant: bool) -> None:  # noqa: FBT001
    request = ReceivedRequest(method="GET", path="/attachments", query={"parent": "12", "limit": "100"}, token="")
    assert matches(match, request) is meant


def test_a_plan_fails_that_fraction_of_first_attempts_and_no_second() -> None:
    faults = Faults(FaultPlan(fraction=0.2))
    requests_ = [ReceivedRequest(method="GET", path=f"/tasks/{n}", query={}, token="") for n in range(2000)]
    struck = Counter(fault.kind for request in requests_ if (fault := faults.find(request)) is not None)
    assert 340 < struck.total() < 460
    assert set(struck) == set(FIRST_ATTEMPT_KINDS)
    assert max(struck.values()) - min(struck.values()) <= 1
    assert [faults.find(request) for request in requests_] == [None] * 2000


def test_a_plan_is_the_same_for_the_same_seed() -> None:
    def struck(seed: int) -> list[int]:
        faults = Faults(FaultPlan(fraction=0.3, seed=seed))
        tries = (ReceivedRequest(method="GET", path=f"/tasks/{n}", query={}, token="") for n in range(100))
        return [number for number, request in enumerate(tries) if faults.find(request) is not None]

    assert struck(1) == struck(1)
    assert struck(1) != struck(2)


def test_a_plan_strikes_over_http() -> None:
    with Sandbox(faults=FaultPlan(fraction=1, kinds=(500, 429))) as sandbox:
        asana = Client(sandbox=sandbox)
        paths = ("/users/me", "/users/me", "/workspaces", "/workspaces")
        assert [asana.get(path).status_code for path in paths] == [500, 200, 429, 200]
        assert sandbox.rejection_count == 0
