"""A sandbox, the Dagster UI and a browser for the session, a page for each test, and screenshots on request."""

import os
import shutil
from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, FloatRect, Locator, Page, expect, sync_playwright

from asana_assets.sandbox import Sandbox
from asana_assets_tests.support.dagster_dev import PROJECT, DagsterDev
from asana_assets_tests.support.dagster_ui import TIMEOUT_SECONDS, TakeScreenshot
from asana_assets_tests.support.requirements import require_installed

_MARGIN = 16.0
"""Pixels around the subject of a screenshot."""

_FLAGS = [
    "--no-sandbox",  # Chromium's own sandbox does not run as root
    "--disable-gpu",
    "--disable-quic",
    "--disable-background-networking",  # would contact update servers
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
]


@pytest.fixture(scope="session")
def asana() -> Iterator[Sandbox]:
    with Sandbox("demo", latency=0.02) as asana:
        yield asana


@pytest.fixture(autouse=True)
def _clear_faults(asana: Sandbox) -> Iterator[None]:
    yield
    asana.faults.clear()


@pytest.fixture(scope="session")
def paid(asana: Sandbox) -> str:
    """The gid of the large workspace, which is on a paid plan."""
    return asana.organization.edge_cases["paid_organization"]


@pytest.fixture(scope="session")
def free(asana: Sandbox) -> str:
    """The gid of the small workspace, which is on a free plan."""
    return asana.organization.edge_cases["free_organization"]


@pytest.fixture(scope="session")
def chromium() -> str:
    """The path of Debian's Chromium; Playwright's own would have to be downloaded."""
    return require_installed(shutil.which("chromium"), "Chromium (Debian's package `chromium`)")


@pytest.fixture(scope="session")
def dev(
    chromium: str,  # noqa: ARG001 - skips before anything is started
    asana: Sandbox,
    paid: str,
    free: str,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[DagsterDev]:
    settings = {
        "ASANA_WORKSPACES": f"{paid},{free}",
        "ASANA_REQUESTS_PER_SECOND": "200",
        "ASANA_MAX_IN_FLIGHT": "4",  # limits how much is prefetched
    }
    directory = tmp_path_factory.mktemp("dagster_dev")
    # The sensor would sync everything before a test can click.
    with DagsterDev(asana, directory, settings, stopped_sensors=["asana_watch_workspaces"]) as dev:
        yield dev


@pytest.fixture
def registered(dev: DagsterDev) -> None:
    """Register the workspaces unless an earlier test has done so."""
    if not dev.partition_keys():
        dev.run("asana-assets", "sync", "--select", "workspaces")


@pytest.fixture
def synced(dev: DagsterDev) -> None:
    """Sync everything unless an earlier test has done so."""
    if not dev.partition_keys() or dev.unmaterialized_assets():
        dev.run("asana-assets", "sync")


@pytest.fixture(scope="session")
def browser(chromium: str) -> Iterator[Browser]:
    expect.set_options(timeout=TIMEOUT_SECONDS * 1000)
    with sync_playwright() as playwright, playwright.chromium.launch(executable_path=chromium, args=_FLAGS) as browser:
        yield browser


@pytest.fixture
def page(browser: Browser, dev: DagsterDev) -> Iterator[Page]:
    """A page as high as the whole lineage: the UI does not draw what is outside."""
    with browser.new_context(
        base_url=dev.url, viewport={"width": 1700, "height": 1850}, locale="en-US", timezone_id="UTC"
    ) as context:
        context.set_default_timeout(TIMEOUT_SECONDS * 1000)
        yield context.new_page()


@pytest.fixture
def take_screenshot() -> TakeScreenshot:
    """A function that saves screenshots in the directory that SCREENSHOTS names; without that, it does nothing."""
    directory = os.environ.get("SCREENSHOTS")

    def take(
        page: Page,
        name: str,
        size: tuple[int, int] | None = None,
        *,
        around: Locator | None = None,
        above: Locator | None = None,
        below: Locator | None = None,
    ) -> None:
        if not directory:
            return
        before = page.viewport_size or {"width": 0, "height": 0}
        width, height = size or (before["width"], before["height"])
        page.set_viewport_size({"width": width, "height": height})
        if below:
            below.evaluate("element => element.scrollIntoView({block: 'start'})")
        page.wait_for_timeout(1500)  # charts are redrawn with an animation that has no end event
        clip: FloatRect = {"x": 0, "y": 0, "width": width, "height": height}
        if above and (box := above.bounding_box()):
            clip["height"] = box["y"]
        if around:
            boxes = [box for one in around.all() if (box := one.bounding_box())]
            clip["x"] = min(box["x"] for box in boxes) - _MARGIN
            clip["y"] = min(box["y"] for box in boxes) - _MARGIN
            clip["width"] = max(box["x"] + box["width"] for box in boxes) + _MARGIN - clip["x"]
            clip["height"] = max(box["y"] + box["height"] for box in boxes) + _MARGIN - clip["y"]
        page.screenshot(path=PROJECT / directory / f"{name}.png", clip=clip)
        page.set_viewport_size(before)

    return take
