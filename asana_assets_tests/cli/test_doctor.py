"""`asana-assets doctor`, against the sandbox: what it finds before a sync does."""

import json
from pathlib import Path

import pytest

from asana_assets.cli.endpoint_probe import MAX_FURTHER_REQUESTS
from asana_assets.sandbox import STANDARD, Sandbox
from asana_assets_tests.support.command import run

pytestmark = pytest.mark.slow

PAID = "Catnip & Co."
NO_PERMISSION = (
    "The token's user lacks the permission for it or, if it is an OAuth token, the token lacks {scope}. Ask an admin "
    "of the workspace for access, use another token, or do not materialize this asset."
)


def diagnose(directory: Path, asana: Sandbox) -> tuple[int, list[str]]:
    """Return the exit code and what was found besides the successes."""
    result = run(directory, asana, "doctor", ASANA_ACCESS_TOKEN=asana.token)
    ignored = ("ok ", "note request rate: ")
    return result.returncode, [line for line in result.stdout.splitlines() if not line.startswith(ignored)]


def paid(asana: Sandbox) -> str:
    return asana.organization.edge_cases["paid_organization"]


def in_paid(lines: list[str]) -> list[str]:
    """Return the findings in the paid organization."""
    return [line for line in lines if f" of workspace {PAID}: " in line]


def test_each_endpoint_is_requested_with_a_bounded_number_of_requests(tmp_path: Path) -> None:
    with Sandbox() as asana:
        status, found = diagnose(tmp_path, asana)
        paths = [entry.path for entry in asana.log]
    assert (status, in_paid(found)) == (0, [])
    assert len(paths) <= 2 + 3 * (len(STANDARD) + MAX_FURTHER_REQUESTS)
    for name in ("sections", "subtasks", "stories", "team_memberships", "attachments", "status_updates", "search"):
        assert any(path.endswith(f"/{name}") for path in paths), name


def test_a_plan_limit_is_a_note(tmp_path: Path) -> None:
    with Sandbox() as asana:
        status, found = diagnose(tmp_path, asana)
    assert status == 0
    search, templates = (line for line in found if "of workspace Cat lovers: " in line)
    assert search == (
        "note search of workspace Cat lovers: GET /workspaces/{workspace}/tasks/search returned 402: Search is only "
        "available to premium users. Without it, changes of subtasks and tasks without a project are found within a "
        "day."
    )
    assert templates == (
        "note project_templates of workspace Cat lovers: GET /project_templates returned 402: Project Templates are "
        "not available for free users. The workspace's plan does not include it."
    )


@pytest.mark.parametrize(
    ("path", "name", "scope"),
    [
        ("/tasks/{gid}/stories", "stories", "the scope stories:read"),
        ("/projects/{gid}/sections", "sections", "full permissions"),
        ("/tasks/{gid}/subtasks", "subtasks", "the scope tasks:read"),
        ("/attachments", "attachments", "the scope attachments:read"),
        ("/teams/{gid}/team_memberships", "team_memberships", "the scope team_memberships:read"),
    ],
)
def test_a_missing_scope_of_a_child_endpoint_is_named(tmp_path: Path, path: str, name: str, scope: str) -> None:
    with Sandbox() as asana:
        asana.add_fault(path, 403, message="Insufficient scope.")
        status, found = diagnose(tmp_path, asana)
    [line] = in_paid(found)
    assert status == 1
    assert line.startswith(f"FAIL {name} of workspace {PAID}: GET /")
    assert line.endswith(f" returned 403: Insufficient scope. {NO_PERMISSION.format(scope=scope)}")


@pytest.mark.parametrize("status", [403, 404])
def test_a_refused_endpoint_names_what_could_not_be_tried_without_it(tmp_path: Path, status: int) -> None:
    with Sandbox() as asana:
        asana.add_fault(f"/projects?workspace={paid(asana)}", status)
        exit_code, found = diagnose(tmp_path, asana)
    [line] = in_paid(found)
    assert exit_code == 1
    assert f"GET /projects returned {status}: " in line
    assert line.endswith(" Not tried without it: sections, status_updates.")


def test_one_private_parent_is_not_a_missing_scope(tmp_path: Path) -> None:
    with Sandbox() as asana:
        first = str(asana.truth("projects", paid(asana))[0]["gid"])
        asana.add_fault(f"/projects/{first}/sections", 403)
        asana.add_fault(f"/tasks?project={first}", 404)
        status, found = diagnose(tmp_path, asana)
    assert (status, in_paid(found)) == (0, [])


def test_an_endpoint_that_times_out_does_not_hide_the_others(tmp_path: Path) -> None:
    with Sandbox() as asana:
        asana.add_fault(f"/projects?workspace={paid(asana)}", 504)
        asana.add_fault("/webhooks", 302)
        status, found = diagnose(tmp_path, asana)
    projects, webhooks = in_paid(found)
    assert status == 1
    assert projects.startswith(f"FAIL projects of workspace {PAID}: GET /projects failed 2 times: ")
    assert "smaller pages were tried" in projects
    assert "a proxy or a sign-in page responded" in webhooks


def test_search_that_is_refused_is_a_note(tmp_path: Path) -> None:
    with Sandbox() as asana:
        asana.add_fault("/workspaces/{gid}/tasks/search", 403)
        status, found = diagnose(tmp_path, asana)
    assert status == 0
    assert [line[:11] for line in in_paid(found)] == ["note search"]


def test_doctor_reports_each_problem_and_what_to_do(tmp_path: Path) -> None:
    (tmp_path / "not_a_directory").write_text("")
    with Sandbox() as asana:
        names = [str(record["name"]) for record in asana.truth("workspaces")]
        asana.add_fault("/tags", 403)
        diagnosed = run(
            tmp_path,
            asana,
            "doctor",
            ASANA_ACCESS_TOKEN=asana.token,
            ASANA_WORKSPACES="5",
            ASANA_PACER_URL=f"sqlite:///{tmp_path}/not_a_directory/pace.db",
            ASANA_DATA_DIR=str(tmp_path / "not_a_directory"),
        )
    assert diagnosed.returncode == 1
    failed = [line for line in diagnosed.stdout.splitlines() if line.startswith("FAIL")]
    assert [line.split(":")[0] for line in failed] == [
        *(f"FAIL tags of workspace {name}" for name in names),
        "FAIL workspaces",
        "FAIL rate limit",
        "FAIL catalog",
    ]
    assert failed[0] == (
        f"FAIL tags of workspace {names[0]}: GET /tags returned 403: Forbidden. "
        f"{NO_PERMISSION.format(scope='the scope tags:read')}"
    )
    assert "ASANA_WORKSPACES names 5" in failed[3]
    assert "ASANA_PACER_URL" in failed[4]
    assert "ASANA_DATA_DIR" in failed[5]
    assert asana.token not in diagnosed.stdout + diagnosed.stderr


def test_without_a_token_doctor_names_the_setting_and_sends_nothing(tmp_path: Path) -> None:
    with Sandbox() as asana:
        diagnosed = run(tmp_path, asana, "doctor")
        assert len(asana.log) == 0
    assert diagnosed.returncode == 1
    assert diagnosed.stdout.startswith("FAIL token: There is no access token: set ASANA_ACCESS_TOKEN")


def test_a_token_that_asana_rejects_names_the_setting(tmp_path: Path) -> None:
    with Sandbox() as asana:
        asana.revoke_token()
        diagnosed = run(tmp_path, asana, "doctor", ASANA_ACCESS_TOKEN=asana.token)
    assert diagnosed.returncode == 1
    assert diagnosed.stdout.splitlines()[0] == (
        "FAIL token: Asana rejected the token (GET /users/me returned 401: Not Authorized). Check the token in "
        "ASANA_ACCESS_TOKEN, or in the "
        "secret that ASANA_TOKEN_SECRET_ID names."
    )


def test_as_json_the_findings_are_one_document_and_name_the_right_rate(tmp_path: Path) -> None:
    with Sandbox() as asana:
        options = {"ASANA_ACCESS_TOKEN": asana.token, "ASANA_REQUESTS_PER_SECOND": "5", "ASANA_DATADIR": "x"}
        diagnosed = run(tmp_path, asana, "doctor", "--json", **options)
    document = json.loads(diagnosed.stdout)
    assert document["ok"]
    notes = {one["subject"]: one["message"] for one in document["findings"] if one["status"] == "note"}
    assert notes["request rate"] == "paid plan: set ASANA_REQUESTS_PER_SECOND=24, you run at 5"
    assert notes["settings"] == "ASANA_DATADIR is set, but there is no such setting: did you mean ASANA_DATA_DIR?"
