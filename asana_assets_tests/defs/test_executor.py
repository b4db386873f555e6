"""What ends a run with one failed step, as the Dagster UI and daemon execute runs."""

import dagster as dg
import pytest

from asana_assets.definitions import build_definitions
from asana_assets_tests.support.mutations import name_of, paid
from asana_assets_tests.support.sync_harness import MakeWarehouse, Warehouse, failures


def build_job(_data_dir: str) -> dg.JobDefinition:
    """Build the job from the environment; Dagster builds it once for each argument."""
    return build_definitions().resolve_job_def("asana_sync_workspace")


def execute(warehouse: Warehouse, monkeypatch: pytest.MonkeyPatch, gid: str = "") -> dg.JobExecutionResult:
    """Execute the job with the executor of the code location, which `execute_in_process` replaces by its own."""
    gid = gid or paid(warehouse)
    for name, value in warehouse.environment.items():
        monkeypatch.setenv(name, value)
    return dg.execute_job(
        dg.build_reconstructable_job(__name__, build_job.__name__, (str(warehouse.data_dir),)),
        warehouse.instance,
        run_config={"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}},
        tags={"dagster/partition": gid},
        asset_selection=[dg.AssetKey(["asana", name]) for name in ("projects", "users", "tags", "webhooks")],
    )


def started_steps(result: dg.JobExecutionResult) -> list[str | None]:
    return [event.step_key for event in result.filter_events(lambda event: event.is_step_start)]


def test_after_a_401_no_further_step_starts_and_no_further_request_is_sent(
    make_warehouse: MakeWarehouse, monkeypatch: pytest.MonkeyPatch
) -> None:
    warehouse = make_warehouse()
    warehouse.run("refresh_workspaces")
    warehouse.settings["ASANA_REQUESTS_PER_SECOND"] = "4"  # the response arrives before the next request slot
    warehouse.asana.revoke_token()
    before = len(warehouse.asana.log)
    result = execute(warehouse, monkeypatch)
    assert started_steps(result) == ["asana__projects"]
    assert failures(result) == {
        "projects": "Asana rejected the token (GET /projects returned 401: Not Authorized). Check the token in "
        "ASANA_ACCESS_TOKEN, or in the secret that ASANA_TOKEN_SECRET_ID names."
    }
    assert len(warehouse.asana.log) == before + 1


def test_a_missing_setting_ends_the_run_with_one_failed_step(
    make_warehouse: MakeWarehouse, monkeypatch: pytest.MonkeyPatch
) -> None:
    warehouse = make_warehouse()
    warehouse.run("refresh_workspaces")
    warehouse.settings["ASANA_ACCESS_TOKEN"] = ""
    assert failures(execute(warehouse, monkeypatch)) == {
        "projects": "There is no access token: set ASANA_ACCESS_TOKEN to a personal access token of Asana, or "
        "ASANA_TOKEN_SECRET_ID to a secret in AWS Secrets Manager that contains one."
    }


@pytest.mark.slow
def test_a_workspace_that_leaves_between_launch_and_run_ends_the_run_with_one_sentence_and_keeps_its_rows(
    make_warehouse: MakeWarehouse, monkeypatch: pytest.MonkeyPatch
) -> None:
    warehouse = make_warehouse()
    warehouse.run("refresh_workspaces")
    gid, name = paid(warehouse), name_of(warehouse)
    assert warehouse.run("sync_workspace", gid, ["projects"]).success
    rows = warehouse.rows("projects", gid)
    job = warehouse.definitions.resolve_job_def("asana_sync_workspace")
    launched = dg.DagsterRunStatus.NOT_STARTED
    warehouse.instance.create_run_for_job(job, status=launched, tags={"dagster/partition": gid})
    warehouse.asana.organization.remove_workspace(gid)
    warehouse.run("refresh_workspaces")
    sent = len(warehouse.asana.log)
    result = execute(warehouse, monkeypatch, gid)
    assert started_steps(result) == ["asana__projects"]
    assert failures(result) == {
        "projects": f"Workspace {name} is not one of this token's, or was not when workspaces was last materialized. "
        "Stored rows are kept. To sync it, check that the token's user belongs to it and that ASANA_WORKSPACES does "
        "not leave it out, then materialize workspaces."
    }
    assert len(warehouse.asana.log) == sent
    assert warehouse.rows("projects", gid) == rows


@pytest.mark.slow
def test_other_failures_do_not_end_the_run(make_warehouse: MakeWarehouse, monkeypatch: pytest.MonkeyPatch) -> None:
    warehouse = make_warehouse()
    warehouse.run("refresh_workspaces")
    warehouse.asana.add_fault("/projects", 403)
    result = execute(warehouse, monkeypatch)
    assert set(failures(result)) == {"projects"}
    assert {"asana__users", "asana__tags", "asana__webhooks"} <= set(started_steps(result))
