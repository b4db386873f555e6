"""`asana-assets plan` before the first sync: an estimate from listings and samples."""

import re
from dataclasses import replace
from random import Random
from statistics import median
from typing import Any

import msgspec
import pytest
import requests

from asana_assets.sandbox import SCALES, Sandbox
from asana_assets.sync.row_prediction import MAX_REQUESTS
from asana_assets_tests.support.plan_command import paid, plan
from asana_assets_tests.support.sync_harness import MakeWarehouse

pytestmark = pytest.mark.slow


@pytest.mark.parametrize("scale", ["tiny", "demo", "reference"])
def test_a_first_sync_is_predicted_except_for_deeper_levels(make_warehouse: MakeWarehouse, scale: str) -> None:
    warehouse = make_warehouse(scale=scale)
    gid = paid(warehouse)
    planned = plan(warehouse, gid)
    minimum = warehouse.asana.minimal_requests(gid)
    assert planned.requests.keys() == minimum.keys()
    assert 0.94 * sum(minimum.values()) < planned.total <= sum(minimum.values())
    assert planned.note == (
        "Estimated from first pages; assets that were never synced may need more, for deeper levels and for lists of "
        "more than 100."
    )
    assert len(planned.sent) <= 1 + MAX_REQUESTS


def test_the_size_of_a_long_listing_is_requested(make_warehouse: MakeWarehouse) -> None:
    warehouse = make_warehouse(scale=replace(SCALES["tiny"], generated_tasks=5_000))
    gid = paid(warehouse)
    planned = plan(warehouse, gid)
    minimum = warehouse.asana.minimal_requests(gid)
    assert planned.requests["tasks"] == minimum["tasks"] > 50
    assert planned.total == pytest.approx(sum(minimum.values()), rel=0.05)
    assert sum(path.endswith("/task_counts") for path in planned.sent) == 1


def add_projects(asana: Sandbox, gid: str, *, projects: int, users: int, seed: int) -> None:
    """Add projects of very different sizes: one of a hundred tasks for many of ten."""
    random = Random(seed)  # noqa: S311 - the same in every run
    organization = asana.organization
    members = [organization.add_user(gid, f"User {number}") for number in range(users)]
    for number in range(projects):
        project = organization.add_project(gid, f"Project {number}")
        for _ in range(int(random.lognormvariate(2.5, 1.0))):
            task = organization.add_task(project, "Task")
            organization.assign_task(task, random.choice(members))
            if random.random() < 0.1:
                organization.add_subtask(task, "Subtask")


def test_many_projects_are_estimated_from_a_sample_with_a_margin(make_warehouse: MakeWarehouse) -> None:
    """The margin is two standard errors; with sizes as uneven as these, it holds the truth in four of five cases."""
    within_margin: list[bool] = []
    errors: list[float] = []
    for seed in range(8):
        warehouse = make_warehouse()
        gid = paid(warehouse)
        add_projects(warehouse.asana, gid, projects=60, users=15, seed=seed)
        planned = plan(warehouse, gid)
        match = re.match(
            r"Estimated from \d+ of 65 projects and \d+ of 21 users: ([\d,]+) tasks, likely within (\d+)%;",
            planned.note,
        )
        assert match, planned.note
        tasks, percent = (int(group.replace(",", "")) for group in match.groups())
        within_margin.append(abs(len(warehouse.asana.truth("tasks", gid)) - tasks) <= tasks * percent / 100)
        errors.append(abs(planned.total / sum(warehouse.asana.minimal_requests(gid).values()) - 1))
        assert len(planned.sent) <= 1 + MAX_REQUESTS
    assert sum(within_margin) >= 6
    assert median(errors) < 0.3


def test_a_large_workspace_takes_no_more_requests(make_warehouse: MakeWarehouse) -> None:
    warehouse = make_warehouse()
    gid = paid(warehouse)
    for number in range(1_200):
        warehouse.asana.organization.add_project(gid, f"Project {number}")
        warehouse.asana.organization.add_user(gid, f"User {number}")
    planned = plan(warehouse, gid)
    assert len(planned.sent) <= 1 + MAX_REQUESTS
    assert "there are more than 800 users and 700 projects" in planned.note
    assert planned.requests["sections"] == 700


def task_counts(asana: Sandbox, gid: str, **query: str) -> Any:
    response = requests.get(
        f"{asana.url}/projects/{gid}/task_counts",
        params=query,
        headers={"Authorization": f"Bearer {asana.token}"},
        timeout=10,
    )
    return msgspec.json.decode(response.content)


def test_the_sandbox_returns_only_the_requested_counts() -> None:
    with Sandbox() as asana:
        project = asana.organization.edge_cases["main_project"]
        tasks = asana.organization.tasks_of_project(project).objects
        assert task_counts(asana, project) == {"data": {}}
        assert task_counts(asana, project, opt_fields="num_tasks") == {"data": {"num_tasks": len(tasks)}}
        requested = "num_tasks,num_completed_tasks,num_incomplete_tasks,num_milestones,num_completed_milestones"
        data = task_counts(asana, project, opt_fields=requested)["data"]
        assert data["num_completed_tasks"] + data["num_incomplete_tasks"] == data["num_tasks"]
        assert data["num_milestones"] == sum(task.text("resource_subtype") == "milestone" for task in tasks) > 0
        assert "errors" in task_counts(asana, "5", opt_fields="num_tasks")
