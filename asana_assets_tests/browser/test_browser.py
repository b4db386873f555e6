"""What the README promises about the UI, tested by clicking.

The tests share one instance and build on one another in this order. A test that is run alone sets up its preconditions
by the command line; what it is about is done by clicks.
"""

import dagster as dg
import pytest
from playwright.sync_api import Page, expect

from asana_assets.asana.endpoints import TASKS
from asana_assets.defs.checks import checks_of
from asana_assets.sandbox import Sandbox
from asana_assets_tests.support.dagster_dev import DagsterDev
from asana_assets_tests.support.dagster_ui import (
    ASSETS,
    DOWNSTREAM,
    RUN_SECONDS,
    TakeScreenshot,
    count_drawn_plots,
    expand_lineage,
    green_assets,
    launch_run,
    lineage_edges,
    open_lineage,
    wait_for_status,
    wait_until_equal,
)
from asana_assets_tests.support.sync_harness import Warehouse

pytestmark = pytest.mark.browser


def warehouse(dev: DagsterDev) -> Warehouse:
    return Warehouse(dev.asana, dev.data_dir, dg.DagsterInstance.ephemeral())


def parents_fetched(dev: DagsterDev, workspace_gid: str) -> set[str]:
    """Return the gids of the tasks whose stories are up to date in the sync state."""
    state = warehouse(dev).rows("sync_state", workspace_gid)
    return {str(row["parent_gid"]) for row in state if (row["endpoint"], row["kind"]) == ("stories", "parent_version")}


def parents_requested(asana: Sandbox, since: int) -> set[str]:
    """Return the gids of the tasks whose stories were requested, from the log entry `since` on."""
    paths = [entry.path.split("/") for entry in asana.log[since:]]
    return {path[-2] for path in paths if path[-1] == "stories"}


def test_the_lineage_opens_as_groups_that_expand_to_15_assets_and_their_dependencies(page: Page) -> None:
    expand_lineage(page)
    assert len(ASSETS) == 15
    wait_until_equal(
        page,
        lambda: lineage_edges(page),
        {(name, downstream) for name, names in DOWNSTREAM.items() for downstream in names},
    )


def test_materializing_workspaces_registers_each_as_a_partition(
    page: Page, dev: DagsterDev, paid: str, free: str
) -> None:
    open_lineage(page)
    page.locator("foreignObject").get_by_text("workspaces", exact=True).click()
    launch_run(page, "Materialize selected")
    wait_for_status(page, "Success")
    assert dev.partition_keys() == [paid, free]
    open_lineage(page)
    wait_until_equal(page, lambda: green_assets(page), {"workspaces"})


@pytest.mark.usefixtures("registered")
def test_one_workspace_is_materialized_from_the_lineage(
    page: Page, dev: DagsterDev, free: str, take_screenshot: TakeScreenshot
) -> None:
    open_lineage(page)
    launch_run(page, "Materialize all…", free, take_screenshot)
    wait_for_status(page, "Success")
    warehouse(dev).assert_matches_asana(free)
    page.goto("/assets/asana/tasks?view=partitions")
    expect(page.get_by_text("Materialized (1)")).to_be_visible()
    expect(page.get_by_text("Missing (1)")).to_be_visible()


@pytest.mark.usefixtures("registered")
def test_a_terminated_run_is_resumed_by_the_next(page: Page, dev: DagsterDev, asana: Sandbox, paid: str) -> None:
    hang = asana.add_fault("/tasks/{gid}/stories", "hang", skip=60, hang_seconds=2)
    open_lineage(page)
    launch_run(page, "Materialize all…", paid)
    wait_until_equal(page, lambda: hang.hits > 0, expected=True, seconds=RUN_SECONDS)
    expect(page.get_by_text("Succeeded (15)")).to_be_visible()
    page.get_by_role("button", name="Terminate").click()
    page.get_by_role("dialog").get_by_role("button", name="Terminate 1 run").click()
    wait_for_status(page, "Canceled")
    hang.cancel()
    fetched = parents_fetched(dev, paid)
    assert len(fetched) > 30

    since = len(asana.log)
    page.goto("/assets/asana/stories")
    launch_run(page, "Materialize…", paid)
    wait_for_status(page, "Success")
    requested = parents_requested(asana, since)
    assert requested
    assert not requested & fetched
    assert requested | fetched == parents_fetched(dev, paid)
    page.goto("/assets/asana/stories")
    expect(page.get_by_role("row", name="requests_saved")).to_contain_text(str(len(fetched)))


@pytest.mark.usefixtures("synced")
def test_every_asset_is_green_and_matches_asana(
    page: Page, dev: DagsterDev, paid: str, free: str, take_screenshot: TakeScreenshot
) -> None:
    open_lineage(page)
    wait_until_equal(page, lambda: green_assets(page), ASSETS)
    take_screenshot(page, "lineage", around=page.locator("foreignObject"))
    warehouse(dev).assert_matches_asana(paid, free)


@pytest.mark.usefixtures("synced")
def test_an_asset_shows_its_description_columns_plots_and_checks(
    page: Page, dev: DagsterDev, asana: Sandbox, paid: str, take_screenshot: TakeScreenshot
) -> None:
    organization = asana.organization
    project = organization.edge_cases["main_project"]
    added = [organization.add_task(project, f"Task {number} of a new week") for number in range(20)]
    dev.run("asana-assets", "sync", "--workspace", paid, "--select", "tasks")
    for gid in added[:5]:
        organization.delete_task(gid)
    dev.run("asana-assets", "sync", "--workspace", paid, "--select", "tasks")
    tasks = warehouse(dev).table("tasks")

    page.goto("/assets/asana/tasks")
    expect(page.get_by_text("Each row is one task of a visible project")).to_be_visible()
    expect(page.get_by_text("Row count", exact=True).locator("..")).to_contain_text(str(tasks.num_rows))
    columns = page.get_by_role("table").first.locator("tr td:first-child")
    wait_until_equal(page, lambda: set(tasks.schema.names).difference(columns.all_inner_texts()), set())
    take_screenshot(page, "asset-tasks", (1800, 1000))

    page.get_by_role("button", name="Plots").click()
    page.get_by_role("button", name="Events").click()
    expect(page.get_by_text("rows_fetched", exact=True).first).to_be_visible()
    wait_until_equal(page, lambda: count_drawn_plots(page) > 10, expected=True)
    take_screenshot(page, "plots", (1700, 900), below=page.get_by_role("button", name="Plots"))

    page.get_by_role("tab", name="Checks").click()
    expect(page.get_by_text(f"Checks ({len(checks_of(TASKS))})")).to_be_visible()
    for check in checks_of(TASKS):
        expect(page.get_by_text(check.name, exact=True).first).to_be_visible()
    expect(page.get_by_text("Succeeded", exact=True)).to_have_count(len(checks_of(TASKS)))
    page.get_by_text("row_count_not_dropped", exact=True).first.click()
    expect(page.get_by_role("row", name="rows_lost")).to_contain_text("5")
    wait_until_equal(page, lambda: count_drawn_plots(page), 1)
    take_screenshot(page, "checks", (1500, 1000))


@pytest.mark.usefixtures("synced")
def test_a_healthy_asset_has_no_warning_chip(page: Page, dev: DagsterDev) -> None:
    page.goto("/assets/asana/tasks")
    page.get_by_text("Compute details").click()
    expect(page.get_by_role("link", name="asana_api")).to_be_visible()
    limit = dev.query('{ instance { concurrencyLimit(concurrencyKey: "asana_api") { limit } } }')
    assert limit["instance"]["concurrencyLimit"]["limit"]  # without one, the UI shows the pool in yellow


@pytest.mark.usefixtures("registered")
def test_the_schedule_is_switched_on_and_requests_a_run_for_each_workspace(
    page: Page, take_screenshot: TakeScreenshot
) -> None:
    page.goto("/automation")
    page.get_by_role("link", name="asana_daily").click()
    switch = page.get_by_role("row", name="Running")
    switch.get_by_role("img").click()
    expect(page.get_by_role("row", name="Next tick")).to_contain_text("3:00:00 AM UTC")
    page.reload()
    expect(switch.get_by_role("checkbox")).to_be_checked()
    take_screenshot(page, "schedule", (1500, 500))

    page.get_by_role("button", name="Preview tick result").click()
    page.get_by_role("dialog").get_by_role("button", name="Continue").click()
    expect(page.get_by_role("dialog")).to_contain_text("3 run requests")
    page.get_by_role("dialog").get_by_role("button", name="Close").click()
    switch.get_by_role("img").click()
    expect(switch.get_by_role("checkbox")).not_to_be_checked()


def test_a_rejected_token_is_reported_once_with_the_setting_to_check(
    page: Page, asana: Sandbox, take_screenshot: TakeScreenshot
) -> None:
    fault = asana.add_fault("*", 401)
    since = len(asana.log)
    page.goto("/assets/asana/workspaces")
    launch_run(page, "Materialize")
    wait_for_status(page, "Failure")
    fault.cancel()
    expect(page.get_by_text("returned 401: Not Authorized). Check the token in ASANA_").first).to_be_visible()
    assert [entry.status for entry in asana.log[since:]] == [401]
    assert asana.token not in page.content()
    page.get_by_placeholder("Filter…").fill("type:STEP_FAILURE")
    take_screenshot(page, "failure", (1500, 900), above=page.get_by_role("button", name="View full message").first)
