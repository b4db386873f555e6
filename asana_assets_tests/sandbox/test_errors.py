"""What Asana says when it refuses."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
import requests

if TYPE_CHECKING:
    from asana_assets_tests.support.sandbox_client import Client

_HELP = (
    "For more information on API status codes and how to handle them, "
    "read the docs on errors: https://developers.asana.com/docs/errors"
)
_ONE_FILTER = "Must specify exactly one of project, tag, section, user task list, or assignee + workspace"


@pytest.mark.parametrize("header", [None, "Bearer nonsense", "Basic MTox", "Bearer"])
def test_no_or_a_bad_token_is_401(calm: Client, header: str | None) -> None:
    headers = {"Authorization": header} if header is not None else {}
    answer = requests.get(f"{calm.sandbox.url}/users/me", headers=headers, timeout=10)
    assert answer.status_code == 401
    assert answer.json() == {"errors": [{"message": "Not Authorized", "help": _HELP}]}


def test_no_route_and_no_method_are_404(calm: Client) -> None:
    body = {"errors": [{"message": "No matching route for request", "help": _HELP}]}
    headers = {"Authorization": f"Bearer {calm.sandbox.token}"}
    for method, path in (("GET", "/organizations/1/teams"), ("POST", "/workspaces"), ("GET", "/tasks/1/2/3/4")):
        answer = requests.request(method, f"{calm.sandbox.url}{path}", headers=headers, timeout=10)
        assert (answer.status_code, answer.json()) == (404, body)
    outside = requests.get(calm.sandbox.url.removesuffix("/api/1.0") + "/workspaces", headers=headers, timeout=10)
    assert outside.status_code == 404


@pytest.mark.parametrize(
    ("path", "message"),
    [
        ("/tasks/3354727812411525", "task: Not a recognized ID: 3354727812411525"),
        ("/projects/1/sections", "project: Not a recognized ID: 1"),
        ("/tasks?project=1", "project: Not a recognized ID: 1"),
        ("/attachments?parent=1", "parent: Not a recognized ID: 1"),
        ("/status_updates?parent=1", "parent: Not a recognized ID: 1"),
        ("/users?workspace=1", "workspace: Not a recognized ID: 1"),
        ("/stories/1", "story: Not a recognized ID: 1"),
    ],
)
def test_an_unknown_gid_is_404(calm: Client, path: str, message: str) -> None:
    assert calm.error(path) == (404, message)


def test_a_gid_of_another_kind_is_unknown(calm: Client) -> None:
    assert calm.error(f"/tasks/{calm.trap('main_project')}")[0] == 404


def test_a_gid_that_is_no_number_is_400(calm: Client) -> None:
    assert calm.error("/tasks/abc/stories") == (400, "task: Not a Long: abc")


@pytest.mark.parametrize(
    "query", ["", "workspace={w}", "assignee=me", "project={p}&section=1", "project={p}&workspace={w}"]
)
def test_tasks_want_exactly_one_filter(calm: Client, query: str) -> None:
    query = query.format(w=calm.trap("paid_organization"), p=calm.trap("main_project"))
    assert calm.error(f"/tasks?{query}") == (400, _ONE_FILTER)


@pytest.mark.parametrize("path", ["/users", "/projects", "/tags", "/webhooks", "/project_templates"])
def test_a_token_of_several_workspaces_says_which(calm: Client, path: str) -> None:
    assert calm.error(path) == (400, "workspace: Missing input")


@pytest.mark.parametrize("path", ["/attachments", "/status_updates"])
def test_a_parent_is_required(calm: Client, path: str) -> None:
    assert calm.error(path) == (400, "parent: Missing input")


def test_search_and_templates_are_paid(calm: Client) -> None:
    free = calm.trap("free_organization")
    search = calm.get(f"/workspaces/{free}/tasks/search")
    assert (search.status_code, search.json()) == (
        402,
        {"errors": [{"message": "Search is only available to premium users.", "help": _HELP}]},
    )
    assert calm.error("/project_templates", workspace=free)[0] == 402


def test_a_personal_workspace_has_no_teams(calm: Client) -> None:
    assert calm.error(f"/workspaces/{calm.trap('personal_workspace')}/teams")[0] == 400


@pytest.mark.parametrize(
    "path", ["/projects/{p}", "/projects/{p}/sections", "/projects/{p}/tasks", "/tasks?project={p}"]
)
def test_what_is_not_shared_is_403(calm: Client, path: str) -> None:
    answer = calm.get(path.format(p=calm.trap("unshared_project")))
    assert answer.status_code == 403
    assert answer.json() == {"errors": [{"message": "You do not have access to this project."}]}
    task = calm.trap("task_in_unshared_project")
    assert calm.error(f"/tasks/{task}/stories") == (403, "You do not have access to this task.")


def test_a_date_that_is_none_is_400(calm: Client) -> None:
    assert calm.error("/tasks", project=calm.trap("main_project"), modified_since="yesterday")[0] == 400


def test_announced_deprecations_come_as_repeated_headers(calm: Client) -> None:
    answer = calm.get("/users/me")
    changes = answer.raw.headers.getlist("Asana-Change")
    assert len(changes) == 10
    assert len(set(changes)) == 5
    assert "name=new_goal_memberships;info=https://forum.asana.com/t/378601;affected=true" in changes
    assert not [name for name in answer.headers if "ratelimit" in name.lower()]
