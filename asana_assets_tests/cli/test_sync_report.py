"""What `asana-assets sync` says about everything that was not clean, and its exit code; over real HTTP."""

from pathlib import Path
from typing import Any

import dagster as dg
import pytest
from click.testing import Result

from asana_assets_tests.support.mutations import name_of
from asana_assets_tests.support.plan_command import command_environment, dagster_home, invoke, paid
from asana_assets_tests.support.sync_harness import MakeWarehouse, Warehouse
from asana_assets_tests.support.terminal import COLUMNS, run_in_terminal

LEVELS = ("Error", "Warning", "Note")
NO_PERMISSION = (
    "The token's user lacks the permission for it or, if it is an OAuth token, the token lacks the scope {scope}. Ask "
    "an admin of the workspace for access, use another token, or do not materialize this asset."
)


def sync(
    warehouse: Warehouse, *assets: str, workspace: str = "", options: tuple[str, ...] = (), **settings: str
) -> Result:
    """Sync these assets of one workspace, by default the paid organization."""
    selection = [argument for name in assets for argument in ("--select", name)]
    return invoke(warehouse, "sync", "--workspace", workspace or paid(warehouse), *selection, *options, **settings)


def notes(result: Result) -> list[str]:
    return [line for line in result.stdout.splitlines() if line.startswith("Note: ")]


def test_a_clean_sync_prints_nothing_on_stderr(make_warehouse: MakeWarehouse) -> None:
    result = sync(make_warehouse(), "tags", "webhooks", options=("--strict",))
    assert (result.exit_code, result.stderr) == (0, "")


def test_a_refused_parent_is_a_warning_that_strict_makes_an_error(make_warehouse: MakeWarehouse) -> None:
    warehouse = make_warehouse()
    assets = ("projects", "sections")
    assert sync(warehouse, *assets).exit_code == 0
    project = warehouse.rows("sections", paid(warehouse))[0]["project_gid"]
    warehouse.asana.add_fault(f"/projects/{project}/sections", 403)
    result = sync(warehouse, *assets)
    assert result.exit_code == 0
    [line] = result.stderr.splitlines()
    assert line.startswith(f"Warning: sections of workspace {name_of(warehouse)} (all_parents_fetched): ")
    names = [str(one["name"]) for one in warehouse.asana.truth("projects", paid(warehouse)) if one["gid"] == project]
    assert f'The token\'s user has no access to project "{names[0]}" ({project}), so' in line
    strict = sync(warehouse, *assets, options=("--strict",))
    assert (strict.exit_code, strict.stderr) == (1, result.stderr)


def test_values_that_were_not_mapped_are_a_warning(make_warehouse: MakeWarehouse) -> None:
    warehouse = make_warehouse()
    tag = str(warehouse.asana.truth("tags", paid(warehouse))[0]["gid"])
    warehouse.asana.organization.get(tag, "tag").fields["created_at"] = "soon"
    warehouse.asana.organization.mark_changed()
    result = sync(warehouse, "tags")
    assert result.exit_code == 0
    assert result.stderr.startswith(
        f"Warning: tags of workspace {name_of(warehouse)} (no_unmapped_values): "
        "Values did not fit their columns in 1 of "
    )


@pytest.mark.slow
@pytest.mark.parametrize(
    ("asset", "path", "fault", "report"),
    [
        ("sections", "/projects/{project}/sections", {"kind": 400}, "Error: sections (all_parents_fetched)"),
        ("tasks", "/tasks?project={project}", {"kind": 422}, "Error: tasks (all_parents_fetched)"),
        ("tasks", "/tasks?project={project}", {"kind": 403}, "Warning: tasks (all_parents_fetched)"),
        ("users", "/users", {"kind": 403}, "Error: users (all_parents_fetched)"),
        ("tags", "/tags", {"kind": "replaced_record", "position": 0}, "Error: tags (all_records_stored)"),
        ("projects", "/projects", {"kind": "missing_field", "field": "gid", "position": 0}, "Error: projects ("),
        ("tags", "/tags", {"kind": "lone_surrogate", "field": "name", "position": 0}, "Warning: tags (no_unm"),
        ("users", "/users", {"kind": "replaced_field", "field": "name", "value": {}}, "Warning: users (no_unmapped_"),
        ("project_templates", "/project_templates", {"kind": 402}, "Warning: project_templates (available_on_plan)"),
        ("tags", "/tags", {"kind": 410}, "Error: tags: GET /tags returned 410"),
    ],
)
def test_nothing_that_was_not_clean_is_silent(
    make_warehouse: MakeWarehouse, asset: str, path: str, fault: dict[str, Any], report: str
) -> None:
    warehouse = make_warehouse()
    assets = dict.fromkeys(["users", "projects", asset])
    assert sync(warehouse, *assets).exit_code == 0
    project = warehouse.asana.organization.edge_cases["main_project"]
    warehouse.asana.add_fault(path.replace("{project}", project), **fault)
    result = sync(warehouse, *assets)
    lines = [line for line in (result.stderr + result.stdout).splitlines() if line.split(":")[0] in LEVELS]
    workspace = f" of workspace {name_of(warehouse)}"
    of_workspace = [line.replace(workspace, "") for line in lines if "its API" not in line]
    assert [line for line in of_workspace if line.startswith(report)], lines
    assert result.exit_code == report.startswith("Error")


def test_a_plan_limit_is_a_note_even_if_strict(make_warehouse: MakeWarehouse) -> None:
    warehouse = make_warehouse()
    free = warehouse.asana.organization.edge_cases["free_organization"]
    result = sync(warehouse, "project_templates", workspace=free, options=("--strict",))
    assert (result.exit_code, result.stderr) == (0, "")
    [limit] = [note for note in notes(result) if "its API" not in note]
    assert limit == (
        f"Note: The plan of workspace {name_of(warehouse, free)} does not include project_templates (402), so there "
        "are no rows of it. There is nothing to do, unless you upgrade the plan."
    )


def test_all_limits_of_the_plan_are_one_note(make_warehouse: MakeWarehouse) -> None:
    warehouse = make_warehouse()
    faults = [warehouse.asana.add_fault(path, 402) for path in ("/tags", "/webhooks")]
    result = sync(warehouse, "tags", "users", "webhooks")
    assert (result.exit_code, result.stderr) == (0, "")
    assert all(fault.hits == 1 for fault in faults)
    [limit] = [note for note in notes(result) if "its API" not in note]
    assert limit.startswith(f"Note: The plan of workspace {name_of(warehouse)} does not include tags, webhooks (402)")


def test_what_only_service_accounts_may_read_is_no_limit_of_the_plan(make_warehouse: MakeWarehouse) -> None:
    warehouse = make_warehouse()
    warehouse.endpoints = ("workspaces", "audit_log_events", "time_tracking_entries")
    free = warehouse.asana.organization.edge_cases["free_organization"]
    result = sync(warehouse, "audit_log_events", "time_tracking_entries", workspace=free)
    assert (result.exit_code, result.stderr) == (0, "")
    limits = sorted(note for note in notes(result) if "its API" not in note)
    assert limits[0].startswith(
        f"Note: The plan of workspace {name_of(warehouse, free)} does not include time_tracking_"
    )
    assert "Asana lists this endpoint for service accounts only" in limits[1]
    assert len(limits) == 2


@pytest.mark.slow
def test_announced_api_changes_are_one_note_a_day(make_warehouse: MakeWarehouse, tmp_path: Path) -> None:
    warehouse, home = make_warehouse(), str(dagster_home(tmp_path))
    first, again = (sync(warehouse, "tags", options=("--strict",), DAGSTER_HOME=home) for _ in range(2))
    assert (first.exit_code, notes(again)) == (0, [])
    [note] = notes(first)
    assert note.startswith("Note: Asana announced changes of its API: cross_workspace_deprecation (https://forum.")
    assert (
        "; new_goal_memberships (https://forum.asana.com/t/378601), which affects the requests of this integration; "
    ) in note


def test_a_failed_asset_is_an_error_and_its_downstream_assets_were_not_started(make_warehouse: MakeWarehouse) -> None:
    warehouse = make_warehouse()
    warehouse.asana.add_fault("/projects", 403, message="Not\nfor\x1b[2J you.")
    result = sync(warehouse, "projects", "sections", "status_updates", "tags")
    assert result.exit_code == 1
    assert result.stderr.splitlines() == [
        f"Error: projects of workspace {name_of(warehouse)}: GET /projects returned 403: Not for [2J you. "
        + NO_PERMISSION.format(scope="projects:read"),
        f"Not started: sections, status_updates of workspace {name_of(warehouse)}, because projects failed.",
    ]
    assert "tags" in result.stdout


def test_assets_behind_several_failures_name_each_of_them(make_warehouse: MakeWarehouse) -> None:
    warehouse = make_warehouse()
    for path in ("/projects", "/workspaces/{gid}/teams"):
        warehouse.asana.add_fault(path, 404)
    result = sync(warehouse, "teams", "team_memberships", "projects", "tasks")
    assert {line for line in result.stderr.splitlines() if line.startswith("Not started")} == {
        f"Not started: tasks of workspace {name_of(warehouse)}, because projects failed.",
        f"Not started: team_memberships of workspace {name_of(warehouse)}, because teams failed.",
    }


def test_a_failed_blocking_check_is_one_error_and_its_downstream_assets_were_not_started(
    make_warehouse: MakeWarehouse,
) -> None:
    warehouse = make_warehouse()
    organization = warehouse.asana.organization
    workspace = organization.edge_cases["personal_workspace"]
    project = organization.add_project(workspace, "Soon empty")
    tasks = [organization.add_task(project, f"Task {number}") for number in range(120)]
    assets = ("users", "projects", "tasks", "subtasks")
    assert sync(warehouse, *assets, workspace=workspace).exit_code == 0
    for task in tasks:
        organization.delete_task(task)
    result = sync(warehouse, *assets, workspace=workspace)
    assert result.exit_code == 1
    error, not_started = result.stderr.splitlines()
    assert error.startswith(
        f"Error: tasks of workspace {name_of(warehouse, workspace)} (row_count_not_dropped): The table has 2 rows, "
    )
    assert not_started == (
        f"Not started: subtasks of workspace {name_of(warehouse, workspace)}, "
        "because the check row_count_not_dropped of tasks failed."
    )


@pytest.mark.slow
def test_a_workspace_that_is_gone_is_a_warning(make_warehouse: MakeWarehouse) -> None:
    warehouse = make_warehouse()
    gone = warehouse.asana.organization.edge_cases["personal_workspace"]
    assert sync(warehouse, "tags").exit_code == 0
    warehouse.asana.organization.remove_workspace(gone)
    result = sync(warehouse, "tags")
    assert result.exit_code == 0
    assert result.stderr == (
        f"Warning: workspaces: the token can no longer see {gone}, or ASANA_WORKSPACES no longer names it. It is not "
        "synced any more; its rows are kept.\n"
    )
    assert sync(warehouse, "tags").stderr == ""


@pytest.mark.parametrize("rejected", ["/projects", "/users"])
def test_after_a_401_one_error_names_the_request_and_the_rest_was_not_started(
    make_warehouse: MakeWarehouse, rejected: str
) -> None:
    """The rejected request is that of the step that runs first, or one that was prefetched meanwhile."""
    warehouse = make_warehouse()
    warehouse.settings["ASANA_REQUESTS_PER_SECOND"] = "2"  # the response arrives before the next request slot
    warehouse.asana.add_fault(rejected, 401)
    names = [str(record["name"]) for record in warehouse.asana.truth("workspaces")]
    result = invoke(warehouse, "sync", "--select", "users", "--select", "projects", "--select", "tags")
    assert result.exit_code == 1
    name = rejected.removeprefix("/")
    error, *not_started = result.stderr.splitlines()
    assert error == (
        f"Error: Asana rejected the token (GET /{name} returned 401: Not Authorized). Check the token in "
        "ASANA_ACCESS_TOKEN, or in the secret that ASANA_TOKEN_SECRET_ID names."
    )
    assert not_started[-1] == f"Not started: workspaces {', '.join(names[1:])}, because Asana rejected the token."
    assert len(not_started) == 2
    assert not_started[0].endswith(f"tags of workspace {names[0]}, because Asana rejected the token.")


@pytest.mark.slow
@pytest.mark.parametrize("rejected", ["/users", "/projects/{gid}/sections"])
def test_after_a_401_the_dagster_instance_shows_one_failed_step(
    make_warehouse: MakeWarehouse, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, rejected: str
) -> None:
    """Dagster's own in-process execution would fail one step after the other."""
    warehouse = make_warehouse()
    warehouse.asana.add_fault(rejected, 401)
    home = dagster_home(tmp_path)
    assert sync(warehouse, "users", "projects", "sections", "tags", "webhooks", DAGSTER_HOME=str(home)).exit_code == 1
    monkeypatch.setenv("DAGSTER_HOME", str(home))
    with dg.DagsterInstance.get() as instance:
        run_ids = [run.run_id for run in instance.get_runs()]
        failures = [log for one in run_ids for log in instance.all_logs(one, of_type=dg.DagsterEventType.STEP_FAILURE)]
    [failure] = [log.get_dagster_event().step_failure_data.user_failure_data for log in failures]
    assert failure
    assert failure.description
    assert failure.description.startswith("Asana rejected the token (GET /")


@pytest.mark.slow
def test_in_a_terminal_messages_are_wrapped_beside_their_level(make_warehouse: MakeWarehouse) -> None:
    warehouse = make_warehouse()
    warehouse.asana.add_fault("/projects", 403, message="Not for you.")
    gid = paid(warehouse)
    arguments = ["sync", "--workspace", gid, "--select", "projects", "--select", "sections"]
    status, lines = run_in_terminal(arguments, command_environment(warehouse))
    assert status == 1
    assert max(map(len, lines)) <= COLUMNS
    block = lines[next(number for number, line in enumerate(lines) if line.startswith("Error ")) :]
    assert block == [
        "Error        projects of workspace Catnip & Co.: GET /projects returned 403: Not",
        "             for you. The token's user lacks the permission for it or, if it is",
        "             an OAuth token, the token lacks the scope projects:read. Ask an",
        "             admin of the workspace for access, use another token, or do not",
        "             materialize this asset.",
        "Not started  sections of workspace Catnip & Co., because projects failed.",
    ]
