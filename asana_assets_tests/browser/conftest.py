"""A sandbox, `dagster dev` and a browser for the whole session; a page for each test; pictures if they are wanted."""

import os
import shutil
from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, FloatRect, Locator, Page, expect, sync_playwright

from asana_assets.sandbox import Sandbox
from asana_assets_tests.support.dagster_dev import PROJECT, DagsterDev
from asana_assets_tests.support.dagster_ui import TIMEOUT_SECONDS, Shoot
from asana_assets_tests.support.requirements import installed

_MARGIN = 16.0
"""Around what a picture is of."""

_FLAGS = [
    "--no-sandbox",  # Chromium's own sandbox refuses to be root's
    "--disable-gpu",
    "--disable-quic",
    "--disable-background-networking",  # it looks for updates at hosts that tests have no business with
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
]


@pytest.fixture(scope="session")
def asana() -> Iterator[Sandbox]:
    with Sandbox("demo", latency=0.02) as asana:
        yield asana


@pytest.fixture(autouse=True)
def no_faults_stay(asana: Sandbox) -> Iterator[None]:
    yield
    asana.faults.clear()


@pytest.fixture(scope="session")
def paid(asana: Sandbox) -> str:
    """Give the gid of the large workspace, which is on a paid plan."""
    return asana.organization.edge_cases["paid_organization"]


@pytest.fixture(scope="session")
def free(asana: Sandbox) -> str:
    """Give the gid of the small workspace, which is on a free plan."""
    return asana.organization.edge_cases["free_organization"]


@pytest.fixture(scope="session")
def chromium() -> str:
    """Give the path of Debian's Chromium; Playwright's own would be a download."""
    return installed(shutil.which("chromium"), "Chromium (Debian's package `chromium`)")


@pytest.fixture(scope="session")
def dev(
    chromium: str,  # noqa: ARG001 # without it nothing needs to start
    asana: Sandbox,
    paid: str,
    free: str,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[DagsterDev]:
    settings = {
        "ASANA_WORKSPACES": f"{paid},{free}",
        "ASANA_REQUESTS_PER_SECOND": "200",
        "ASANA_MAX_IN_FLIGHT": "4",  # so that little is read ahead of its step
    }
    directory = tmp_path_factory.mktemp("dagster_dev")
    # The sensor would sync everything by itself before anybody can click.
    with DagsterDev(asana, directory, settings, stopped_sensors=["watch_workspaces"]) as dev:
        yield dev


@pytest.fixture
def registered(dev: DagsterDev) -> None:
    """Have the workspaces registered, should no test have done it before."""
    if not dev.partitions():
        dev.run("asana-assets", "sync", "--select", "workspaces")


@pytest.fixture
def synced(dev: DagsterDev) -> None:
    """Have everything synced, should no test have done it before."""
    if not dev.partitions() or dev.missing():
        dev.run("asana-assets", "sync")


@pytest.fixture(scope="session")
def browser(chromium: str) -> Iterator[Browser]:
    expect.set_options(timeout=TIMEOUT_SECONDS * 1000)
    with sync_playwright() as playwright, playwright.chromium.launch(executable_path=chromium, args=_FLAGS) as browser:
        yield browser


@pytest.fixture
def page(browser: Browser, dev: DagsterDev) -> Iterator[Page]:
    """Give a page as high as the whole lineage: what is outside is not drawn."""
    with browser.new_context(
        base_url=dev.url, viewport={"width": 1700, "height": 1850}, locale="en-US", timezone_id="UTC"
    ) as context:
        context.set_default_timeout(TIMEOUT_SECONDS * 1000)
        yield context.new_page()


@pytest.fixture
def shoot() -> Shoot:
    """Give a function that takes pictures into the directory that SCREENSHOTS names; without it, none."""
    wanted = os.environ.get("SCREENSHOTS")

    def shoot(
        page: Page,
        name: str,
        size: tuple[int, int] | None = None,
        *,
        around: Locator | None = None,
        above: Locator | None = None,
        below: Locator | None = None,
    ) -> None:
        if not wanted:
            return
        before = page.viewport_size or {"width": 0, "height": 0}
        width, height = size or (before["width"], before["height"])
        page.set_viewport_size({"width": width, "height": height})
        if below:
            below.evaluate("it => it.scrollIntoView({block: 'start'})")
        page.wait_for_timeout(1500)  # charts are drawn anew and move, and tell nobody when they are done
        clip: FloatRect = {"x": 0, "y": 0, "width": width, "height": height}
        if above and (box := above.bounding_box()):
            clip["height"] = box["y"]
        if around:
            boxes = [box for one in around.all() if (box := one.bounding_box())]
            clip["x"] = min(box["x"] for box in boxes) - _MARGIN
            clip["y"] = min(box["y"] for box in boxes) - _MARGIN
            clip["width"] = max(box["x"] + box["width"] for box in boxes) + _MARGIN - clip["x"]
            clip["height"] = max(box["y"] + box["height"] for box in boxes) + _MARGIN - clip["y"]
        page.screenshot(path=PROJECT / wanted / f"{name}.png", clip=clip)
        page.set_viewport_size(before)

    return shoot
