"""The UI as its user sees it: what the README promises of it, by clicking.

The tests are chapters of one story, told in this order on one instance. Run alone, one brings about by the command line
what it needs; what it tells of is done by clicks.
"""

import dagster as dg
import pytest
from playwright.sync_api import Page, expect

from asana_assets.defs.checks import CHECKS
from asana_assets.sandbox import Sandbox
from asana_assets_tests.support.dagster_dev import DagsterDev
from asana_assets_tests.support.dagster_ui import (
    ASSETS,
    READ_BY,
    RUN_SECONDS,
    Shoot,
    edges,
    eventually,
    green,
    launch,
    open_lineage,
    plots,
    wait_for_status,
)
from asana_assets_tests.support.sync_harness import Warehouse

pytestmark = pytest.mark.browser


def warehouse(dev: DagsterDev) -> Warehouse:
    return Warehouse(dev.asana, dev.data_dir, dg.DagsterInstance.ephemeral())


def parents_fetched(dev: DagsterDev, workspace_gid: str) -> set[str]:
    """Give those whose stories need not be asked for again."""
    state = warehouse(dev).rows("sync_state", workspace_gid)
    return {str(row["parent_gid"]) for row in state if (row["endpoint"], row["kind"]) == ("stories", "parent_version")}


def parents_asked(asana: Sandbox, since: int) -> set[str]:
    """Give those whose stories were asked for after so many requests."""
    paths = [entry.path.split("/") for entry in asana.log[since:]]
    return {path[-2] for path in paths if path[-1] == "stories"}


def test_the_lineage_shows_15_assets_and_what_each_is_read_by(page: Page) -> None:
    open_lineage(page)
    assert len(ASSETS) == 15
    eventually(page, lambda: edges(page), {(name, below) for name, names in READ_BY.items() for below in names})


def test_materializing_workspaces_registers_each_as_a_partition(
    page: Page, dev: DagsterDev, paid: str, free: str
) -> None:
    open_lineage(page)
    page.locator("foreignObject").get_by_text("workspaces", exact=True).click()
    launch(page, "Materialize selected")
    wait_for_status(page, "Success")
    assert dev.partitions() == [paid, free]
    open_lineage(page)
    eventually(page, lambda: green(page), {"workspaces"})


@pytest.mark.usefixtures("registered")
def test_one_workspace_is_materialized_from_the_lineage(page: Page, dev: DagsterDev, free: str, shoot: Shoot) -> None:
    open_lineage(page)
    launch(page, "Materialize all…", free, shoot)
    wait_for_status(page, "Success")
    warehouse(dev).assert_true(free)
    page.goto("/assets/tasks?view=partitions")
    expect(page.get_by_text("Materialized (1)")).to_be_visible()
    expect(page.get_by_text("Missing (1)")).to_be_visible()


@pytest.mark.usefixtures("registered")
def test_a_terminated_run_is_gone_on_with_by_the_next(page: Page, dev: DagsterDev, asana: Sandbox, paid: str) -> None:
    silence = asana.fault("/tasks/{gid}/stories", "hang", skip=60, hang_seconds=2)
    open_lineage(page)
    launch(page, "Materialize all…", paid)
    eventually(page, lambda: silence.hits > 0, wanted=True, seconds=RUN_SECONDS)
    expect(page.get_by_text("Succeeded (14)")).to_be_visible()
    page.get_by_role("button", name="Terminate").click()
    page.get_by_role("dialog").get_by_role("button", name="Terminate 1 run").click()
    wait_for_status(page, "Canceled")
    silence.cancel()
    kept = parents_fetched(dev, paid)
    assert len(kept) > 30

    since = len(asana.log)
    page.goto("/assets/stories")
    launch(page, "Materialize…", paid)
    wait_for_status(page, "Success")
    asked = parents_asked(asana, since)
    assert asked
    assert not asked & kept
    assert asked | kept == parents_fetched(dev, paid)
    page.goto("/assets/stories")
    expect(page.get_by_role("row", name="parents_unchanged")).to_contain_text(str(len(kept)))


@pytest.mark.usefixtures("synced")
def test_everything_is_green_and_as_asana_has_it(
    page: Page, dev: DagsterDev, paid: str, free: str, shoot: Shoot
) -> None:
    open_lineage(page)
    eventually(page, lambda: green(page), ASSETS)
    shoot(page, "lineage", around=page.locator("foreignObject"))
    warehouse(dev).assert_true(paid, free)


@pytest.mark.usefixtures("synced")
def test_an_asset_shows_its_description_columns_plots_and_checks(
    page: Page, dev: DagsterDev, asana: Sandbox, paid: str, shoot: Shoot
) -> None:
    for number in range(20):
        asana.organization.add_task(asana.organization.traps["main_project"], f"Task {number} of a new week")
    dev.run("asana-assets", "sync", "--workspace", paid, "--select", "tasks")
    tasks = warehouse(dev).table("tasks")

    page.goto("/assets/tasks")
    expect(page.get_by_text("One row is one task of a visible project")).to_be_visible()
    expect(page.get_by_text("Row count", exact=True).locator("..")).to_contain_text(str(tasks.num_rows))
    columns = page.get_by_role("table").first.locator("tr td:first-child")
    eventually(page, lambda: set(tasks.schema.names).difference(columns.all_inner_texts()), set())
    shoot(page, "asset-tasks", (1800, 1000))

    page.get_by_role("button", name="Plots").click()
    page.get_by_role("button", name="Events").click()
    expect(page.get_by_text("rows_fetched", exact=True).first).to_be_visible()
    eventually(page, lambda: plots(page) > 10, wanted=True)
    shoot(page, "plots", (1700, 900), below=page.get_by_role("button", name="Plots"))

    page.get_by_role("tab", name="Checks").click()
    expect(page.get_by_text(f"Checks ({len(CHECKS)})")).to_be_visible()
    for check in CHECKS:
        expect(page.get_by_text(check.name, exact=True).first).to_be_visible()
    expect(page.get_by_text("Succeeded", exact=True)).to_have_count(len(CHECKS))
    shoot(page, "checks", (1500, 750))


@pytest.mark.usefixtures("registered")
def test_the_schedule_is_switched_on_and_asks_for_a_run_of_each_workspace(page: Page, shoot: Shoot) -> None:
    page.goto("/automation")
    page.get_by_role("link", name="daily").click()
    switch = page.get_by_role("row", name="Running")
    switch.get_by_role("img").click()
    expect(page.get_by_role("row", name="Next tick")).to_contain_text("3:00:00 AM UTC")
    page.reload()
    expect(switch.get_by_role("checkbox")).to_be_checked()
    shoot(page, "schedule", (1500, 500))

    page.get_by_role("button", name="Preview tick result").click()
    page.get_by_role("dialog").get_by_role("button", name="Continue").click()
    expect(page.get_by_role("dialog")).to_contain_text("2 run requests")
    page.get_by_role("dialog").get_by_role("button", name="Close").click()
    switch.get_by_role("img").click()
    expect(switch.get_by_role("checkbox")).not_to_be_checked()


def test_a_token_that_is_refused_is_told_once_and_with_the_setting_to_check(
    page: Page, asana: Sandbox, shoot: Shoot
) -> None:
    refusal = asana.fault("*", 401)
    since = len(asana.log)
    page.goto("/assets/workspaces")
    launch(page, "Materialize")
    wait_for_status(page, "Failure")
    refusal.cancel()
    expect(page.get_by_text("answered 401: Not Authorized. Check the token in ASANA_").first).to_be_visible()
    assert [entry.status for entry in asana.log[since:]] == [401]
    assert asana.token not in page.content()
    page.get_by_placeholder("Filter…").fill("type:STEP_FAILURE")
    shoot(page, "failure", (1500, 900), above=page.get_by_role("button", name="View full message").first)
