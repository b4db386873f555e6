"""Error responses."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
import requests

if TYPE_CHECKING:
    from asana_assets_tests.support.sandbox_client import SandboxClient

_HELP = (
    "For more information on API status codes and how to handle them, "
    "read the docs on errors: https://developers.asana.com/docs/errors"
)
_ONE_FILTER = "Must specify exactly one of project, tag, section, user task list, or assignee + workspace"


@pytest.mark.parametrize("header", [None, "Bearer nonsense", "Basic MTox", "Bearer"])
def test_a_missing_or_invalid_token_is_401(shared_client: SandboxClient, header: str | None) -> None:
    headers = {"Authorization": header} if header is not None else {}
    response = requests.get(f"{shared_client.sandbox.url}/users/me", headers=headers, timeout=10)
    assert response.status_code == 401
    assert response.json() == {"errors": [{"message": "Not Authorized", "help": _HELP}]}


def test_an_unknown_route_or_method_is_404(shared_client: SandboxClient) -> None:
    body = {"errors": [{"message": "No matching route for request", "help": _HELP}]}
    headers = {"Authorization": f"Bearer {shared_client.sandbox.token}"}
    for method, path in (("GET", "/organizations/1/teams"), ("POST", "/workspaces"), ("GET", "/tasks/1/2/3/4")):
        response = requests.request(method, f"{shared_client.sandbox.url}{path}", headers=headers, timeout=10)
        assert (response.status_code, response.json()) == (404, body)
    outside = requests.get(
        shared_client.sandbox.url.removesuffix("/api/1.0") + "/workspaces", headers=headers, timeout=10
    )
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
def test_an_unknown_gid_is_404(shared_client: SandboxClient, path: str, message: str) -> None:
    assert shared_client.error(path) == (404, message)


def test_a_gid_of_another_kind_is_404(shared_client: SandboxClient) -> None:
    assert shared_client.error(f"/tasks/{shared_client.gid('main_project')}")[0] == 404


def test_a_gid_that_is_not_a_number_is_400(shared_client: SandboxClient) -> None:
    assert shared_client.error("/tasks/abc/stories") == (400, "task: Not a Long: abc")


@pytest.mark.parametrize(
    "query", ["", "workspace={w}", "assignee=me", "project={p}&section=1", "project={p}&workspace={w}"]
)
def test_tasks_require_exactly_one_filter(shared_client: SandboxClient, query: str) -> None:
    query = query.format(w=shared_client.gid("paid_organization"), p=shared_client.gid("main_project"))
    assert shared_client.error(f"/tasks?{query}") == (400, _ONE_FILTER)


@pytest.mark.parametrize("path", ["/users", "/projects", "/tags", "/webhooks", "/project_templates"])
def test_a_token_of_several_workspaces_must_specify_one(shared_client: SandboxClient, path: str) -> None:
    assert shared_client.error(path) == (400, "workspace: Missing input")


@pytest.mark.parametrize("path", ["/attachments", "/status_updates"])
def test_a_parent_is_required(shared_client: SandboxClient, path: str) -> None:
    assert shared_client.error(path) == (400, "parent: Missing input")


def test_search_and_templates_are_402_on_a_free_plan(shared_client: SandboxClient) -> None:
    free = shared_client.gid("free_organization")
    search = shared_client.get(f"/workspaces/{free}/tasks/search")
    assert (search.status_code, search.json()) == (
        402,
        {"errors": [{"message": "Search is only available to premium users.", "help": _HELP}]},
    )
    assert shared_client.error("/project_templates", workspace=free)[0] == 402


def test_teams_of_a_personal_workspace_are_400(shared_client: SandboxClient) -> None:
    assert shared_client.error(f"/workspaces/{shared_client.gid('personal_workspace')}/teams")[0] == 400


@pytest.mark.parametrize(
    "path", ["/projects/{p}", "/projects/{p}/sections", "/projects/{p}/tasks", "/tasks?project={p}"]
)
def test_a_project_that_is_not_shared_is_403(shared_client: SandboxClient, path: str) -> None:
    response = shared_client.get(path.format(p=shared_client.gid("unshared_project")))
    assert response.status_code == 403
    assert response.json() == {"errors": [{"message": "You do not have access to this project."}]}
    task = shared_client.gid("task_in_unshared_project")
    assert shared_client.error(f"/tasks/{task}/stories") == (403, "You do not have access to this task.")


def test_an_invalid_date_is_400(shared_client: SandboxClient) -> None:
    assert (
        shared_client.error("/tasks", project=shared_client.gid("main_project"), modified_since="yesterday")[0] == 400
    )


def test_announced_deprecations_are_repeated_headers(shared_client: SandboxClient) -> None:
    response = shared_client.get("/users/me")
    changes = response.raw.headers.getlist("Asana-Change")
    assert len(changes) == 10
    assert len(set(changes)) == 5
    assert "name=new_goal_memberships;info=https://forum.asana.com/t/378601;affected=true" in changes
    assert not [name for name in response.headers if "ratelimit" in name.lower()]
