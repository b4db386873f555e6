"""Behaviors by name, from Python and from the command line."""

from __future__ import annotations

import re
import sys
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import TypeAlias

import pytest
import requests

from asana_assets.sandbox import MISBEHAVIORS, Sandbox
from asana_assets.sandbox.__main__ import main
from asana_assets_tests.support.sandbox_client import SandboxClient

_Responses: TypeAlias = list[tuple[int, bytes]]

_ONCE = {
    "empty_workspaces": {200},
    "empty_projects": {200},
    "empty_tasks": {200},
    "empty_children": {200},
    "parents_not_found": {404},
    "lost_records": {200},
    "lost_pages": {200},
    "empty_pages": {200},
}
"""The statuses of the wrong responses of behaviors that affect each listing once."""
_FROM_THEN_ON = {"no_custom_fields": {200}, "no_num_subtasks": {200}, "no_memberships": {200}}
_FROM_THE_START = {
    "failing_parents": {500},
    "rejected_parents": {400},
    "hanging_parents": {504},
    "failing_project": {500},
    "broken_records": {200},
    "cut_emojis": {200},
    "invalid_utf8": {200},
    "truncated_listings": {400},
    "expired_offsets": {400},
    "endless_listings": {200},
    "endless_empty_pages": {200},
    "unusual_statuses": {408, 507, 520, 521, 522, 523, 524, 529, 598},
    "broken_responses": {0, 200},
    "maintenance": {503},
    "small_pages_only": {504},
    "costly_pages": {429},
    "slow_projects": {504},
    "login_page": {302},
    "no_section_scope": {403},
    "no_story_scope": {403},
    "guest": {403},
    "no_search": {403},
    "unsorted_search": {200},
}
_CLOCK = {"clock_ahead": 600, "clock_behind": -600}


def _fetch(sandbox: Sandbox) -> _Responses:
    """Fetch something of each kind; 0 is the status of a broken connection."""
    gids = sandbox.organization.edge_cases
    paid, project = gids["paid_organization"], gids["main_project"]
    paths = [
        "/workspaces?limit=100",
        f"/users?workspace={paid}&limit=100",
        f"/projects?workspace={paid}&limit=100",
        f"/tasks?project={project}&limit=100&opt_fields=name,custom_fields,num_subtasks,memberships",
        f"/projects/{project}/sections?limit=100",
        f"/workspaces/{paid}/tasks/search?sort_by=modified_at",
        *(f"/tasks/{task['gid']}/stories?limit=100" for task in sandbox.truth("tasks", paid)),
    ]
    fetched: _Responses = []
    for path in paths:
        fetched.append(_get(sandbox, path))
        if (offset := re.search(rb'"offset":"([^"]+)"', fetched[-1][1])) is not None:
            fetched.append(_get(sandbox, f"{path}&offset={offset[1].decode()}"))
    return [(status, re.sub(rb'"next_page":{[^}]*}', b'"next_page":{}', body)) for status, body in fetched]


def _get(sandbox: Sandbox, path: str) -> tuple[int, bytes]:
    headers = {"Authorization": f"Bearer {sandbox.token}"}
    try:
        response = requests.get(f"{sandbox.url}{path}", headers=headers, timeout=10, allow_redirects=False)
    except requests.RequestException:
        return 0, b""
    return response.status_code, response.content


def _wrong_statuses(correct: _Responses, fetched: _Responses) -> set[int]:
    """Return the statuses of the responses that no correct one equals."""
    return {response[0] for response in fetched if response not in correct}


def _truth(sandbox: Sandbox) -> list[object]:
    paid = sandbox.organization.edge_cases["paid_organization"]
    return [sandbox.truth(endpoint, paid) for endpoint in ("tasks", "stories", "projects", "users", "sections")]


@pytest.fixture(scope="module")
def correct() -> _Responses:
    with Sandbox() as sandbox:
        return _fetch(sandbox)


def test_every_behavior_is_tested() -> None:
    assert list(MISBEHAVIORS) == [*_ONCE, *_FROM_THEN_ON, *_FROM_THE_START, *_CLOCK]


@pytest.mark.parametrize(("name", "statuses"), _ONCE.items())
def test_what_happens_once_happens_to_the_second_fetch(correct: _Responses, name: str, statuses: set[int]) -> None:
    with Sandbox(misbehavior=[name]) as sandbox:
        first, second, third = (_fetch(sandbox) for _ in range(3))
        assert (first, third) == (correct, correct)
        assert _wrong_statuses(correct, second) | {200} == statuses | {200}
        assert second != correct


@pytest.mark.parametrize(("name", "statuses"), _FROM_THEN_ON.items())
def test_what_starts_at_some_point_does_not_end(correct: _Responses, name: str, statuses: set[int]) -> None:
    with Sandbox(misbehavior=[name]) as sandbox:
        first, second, third = (_fetch(sandbox) for _ in range(3))
        assert first == correct
        assert second == third
        assert _wrong_statuses(correct, second) == statuses


@pytest.mark.parametrize(("name", "statuses"), _FROM_THE_START.items())
def test_other_behaviors_start_at_once_and_the_truth_stays(correct: _Responses, name: str, statuses: set[int]) -> None:
    with Sandbox() as sandbox:
        truth = _truth(sandbox)
        for fault in sandbox.misbehave(name):
            fault.hang_seconds = 0.1
        wrong = _wrong_statuses(correct, _fetch(sandbox))
        assert wrong
        assert wrong <= statuses
        assert _truth(sandbox) == truth


@pytest.mark.parametrize("name", ["empty_projects", "lost_records"])
def test_a_behavior_that_is_added_later_affects_the_next_fetch(correct: _Responses, name: str) -> None:
    with Sandbox() as sandbox:
        assert _fetch(sandbox) == correct
        sandbox.misbehave(name)
        assert _fetch(sandbox) != correct
        assert _fetch(sandbox) == correct


@pytest.mark.parametrize(("name", "seconds"), _CLOCK.items())
def test_the_clock_can_be_ahead_or_behind(name: str, seconds: int) -> None:
    with Sandbox(misbehavior=[name]) as sandbox:
        date = parsedate_to_datetime(SandboxClient(sandbox=sandbox).get("/users/me").headers["Date"])
        assert abs(date - datetime.now(UTC) - timedelta(seconds=seconds)) < timedelta(seconds=5)


def test_the_projects_of_a_team_do_not_time_out_with_those_of_a_workspace() -> None:
    with Sandbox(misbehavior=["slow_projects"]) as sandbox:
        client = SandboxClient(sandbox=sandbox)
        assert client.get("/projects", workspace=client.gid("paid_organization")).status_code == 504
        assert client.records(f"/teams/{client.gid('team')}/projects", limit=100)


def test_smaller_pages_work_where_larger_ones_fail() -> None:
    with Sandbox(misbehavior=["costly_pages"]) as sandbox:
        client = SandboxClient(sandbox=sandbox)
        refused = client.get("/workspaces", limit=100)
        assert (refused.status_code, refused.headers["Retry-After"]) == (429, "60")
        assert client.records("/workspaces", limit=25)


def test_the_search_is_forbidden_in_one_workspace_only() -> None:
    with Sandbox(misbehavior=["no_search"]) as sandbox:
        sandbox.organization.paid_workspaces.update(one.gid for one in sandbox.organization.workspaces())
        client = SandboxClient(sandbox=sandbox)
        paths = [f"/workspaces/{one.gid}/tasks/search" for one in sandbox.organization.workspaces()]
        assert [client.get(path).status_code for path in paths] == [403, 200, 200]


def test_an_unknown_behavior_is_a_value_error() -> None:
    with pytest.raises(ValueError, match="there is no misbehavior 'kind'; choose from empty_workspaces, "):
        Sandbox(misbehavior=["kind"])


def test_descriptions_are_sentences_in_the_help_text(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["--help"])
    text = re.sub(r"\s+", " ", capsys.readouterr().out)
    for name, behavior in MISBEHAVIORS.items():
        assert re.fullmatch(r"[A-Z].*[^.]\.", behavior.description)
        assert f" {name} {behavior.description} " in f"{text} "


_STATUSES = """
import os, urllib.error, urllib.request
for path in ("/users", "/projects?workspace=1", "/workspaces"):
    headers = {"Authorization": "Bearer " + os.environ["ASANA_ACCESS_TOKEN"]}
    try:
        request = urllib.request.Request(os.environ["ASANA_BASE_URL"] + path, headers=headers)
        print(urllib.request.urlopen(request).status)
    except urllib.error.HTTPError as error:
        print(error.code)
"""


def test_behaviors_combine_on_the_command_line(capfd: pytest.CaptureFixture[str]) -> None:
    arguments = ["--scale", "tiny", "--latency", "0", "--misbehave", "guest", "--misbehave", "slow_projects"]
    assert main([*arguments, "--", sys.executable, "-c", _STATUSES]) == 0
    assert capfd.readouterr().out.split() == ["403", "504", "200"]


def test_an_unknown_behavior_is_a_usage_error(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stopped:
        main(["--misbehave", "kind"])
    assert stopped.value.code == 2
    assert "invalid choice: 'kind'" in capsys.readouterr().err
