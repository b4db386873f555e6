"""Actions and observations in the Dagster UI: the lineage, the dialog that launches runs, the page of a run."""

import re
import time
from collections.abc import Callable
from typing import Any, Protocol

from playwright.sync_api import Locator, Page, expect

TIMEOUT_SECONDS = 60.0
"""Time for a page to show something; generous, for busy machines."""

RUN_SECONDS = 180.0
"""Time for a run of all assets; five times what it takes on an idle machine."""


class TakeScreenshot(Protocol):
    def __call__(
        self,
        page: Page,
        name: str,
        size: tuple[int, int] | None = None,
        *,
        around: Locator | None = None,
        above: Locator | None = None,
        below: Locator | None = None,
    ) -> None:
        """Save a screenshot of the page, or of the part around, above or below a locator, at a window size."""
        ...


GROUPS = ("activity", "administration", "people", "work")
_LINEAGE_PATH = "/asset-groups?expanded=" + ",".join(f"global@global:{group}" for group in GROUPS)
DOWNSTREAM = {
    "workspaces": {
        "users", "teams", "workspace_memberships", "projects", "tags", "webhooks", "project_templates",
    },
    "teams": {"team_memberships"},
    "projects": {"sections", "tasks", "status_updates", "attachments"},
    "users": {"tasks"},
    "tasks": {"subtasks", "stories", "attachments"},
    "subtasks": {"stories", "attachments"},
}  # fmt: skip
ASSETS = {*DOWNSTREAM, *(name for names in DOWNSTREAM.values() for name in names)}

_READ_NODES = """boxes => boxes.map(box => ({
    text: box.firstElementChild.innerText,
    x: +box.getAttribute('x'), y: +box.getAttribute('y'),
    width: +box.getAttribute('width'), height: +box.getAttribute('height'),
    borders: [...box.querySelectorAll('*')].map(part => getComputedStyle(part).borderTopColor),
})).filter(box => box.text)"""
_FILTER_DRAWN = """plots => plots.filter(plot =>
    plot.getContext('2d').getImageData(0, 0, plot.width, plot.height).data.some(value => value))"""
_READ_CURVES = "paths => paths.map(path => path.getAttribute('d')).filter(d => d.includes('C'))"


def wait_until_equal(
    page: Page, observe: Callable[[], object], expected: object, seconds: float = TIMEOUT_SECONDS
) -> None:
    """Wait until `observe()` returns the expected value.

    Raises:
        AssertionError: The value still differs after `seconds`.
    """
    deadline = time.monotonic() + seconds
    while (observed := observe()) != expected:
        if time.monotonic() > deadline:
            raise AssertionError(f"{observed} is not {expected}")
        page.wait_for_timeout(200)


def lineage_nodes(page: Page) -> dict[str, Any]:
    """Return the boxes of the lineage by asset; the UI shortens long names with an ellipsis."""
    found: dict[str, Any] = {}
    for box in page.locator("foreignObject").evaluate_all(_READ_NODES):
        pattern = re.escape(box["text"].strip()).replace("…", ".*")
        found |= {name: box for name in ASSETS if re.fullmatch(pattern, name)}
    return found


def lineage_edges(page: Page) -> set[tuple[str, str]]:
    """Return the pairs of assets that a curve connects, from the right side of a box to the left side of another."""
    starts: dict[tuple[float, float], str] = {}
    ends: dict[tuple[float, float], str] = {}
    for name, box in lineage_nodes(page).items():
        middle = box["y"] + box["height"] / 2
        starts[box["x"] + box["width"], middle] = name
        ends[box["x"], middle] = name
    found: set[tuple[str, str]] = set()
    curves: list[str] = page.locator("svg path[marker-end]").evaluate_all(_READ_CURVES)
    for curve in curves:
        x1, y1, *_, x2, y2 = (float(number) for number in re.findall(r"[\d.]+", curve))
        found.add((starts.get((x1, y1), curve), ends.get((x2 + 5, y2), curve)))  # 5: the arrowhead
    return found


def green_assets(page: Page) -> set[str]:
    """Return the assets whose boxes in the lineage are green."""
    return {name for name, box in lineage_nodes(page).items() if any(map(_is_green, box["borders"]))}


def _is_green(color: str) -> bool:
    red, green, blue = (float(number) for number in re.findall(r"[\d.]+", color)[:3])
    return green > 1.2 * red and green > 1.2 * blue


def count_drawn_plots(page: Page) -> int:
    """Return the number of plots in which something is drawn."""
    return len(page.locator("canvas").evaluate_all(_FILTER_DRAWN))


def open_lineage(page: Page) -> None:
    """Open the lineage with all groups expanded."""
    page.goto(_LINEAGE_PATH)
    wait_until_equal(page, lambda: lineage_nodes(page).keys(), ASSETS)


def expand_lineage(page: Page) -> None:
    """Open the lineage as a user does, with its groups, and expand them."""
    page.goto("/asset-groups")
    for group in GROUPS:
        expect(page.locator("foreignObject").get_by_text(group, exact=True)).to_be_visible()
    box = page.locator("foreignObject").get_by_text("work", exact=True).bounding_box()
    assert box
    page.mouse.click(box["x"], box["y"] + 200, button="right")
    page.get_by_role("menuitem", name="Expand all groups").click()
    wait_until_equal(page, lambda: lineage_nodes(page).keys(), ASSETS)


def launch_run(page: Page, button: str, partition: str = "", take_screenshot: TakeScreenshot | None = None) -> None:
    """Launch a run, for one workspace if `partition` is given, and open its page."""
    page.get_by_role("button", name=button).click()
    if partition:
        dialog = page.get_by_role("dialog").first
        while dialog.get_by_role("img", name="close").count():  # already selected
            dialog.get_by_role("img", name="close").first.click()
        dialog.get_by_text("Select a partition or create one").click()
        page.get_by_role("menuitem", name=partition).click()
        expect(dialog.get_by_text("1 partition", exact=True)).to_be_visible()
        if take_screenshot:
            take_screenshot(page, "launch", around=page.get_by_role("dialog"))
        dialog.get_by_text("Launch runs to materialize").click()  # closes the menu
        dialog.get_by_role("button", name="Launch 1 run").click()
    page.get_by_role("region", name="Notifications").get_by_role("link", name="View").click()
    page.wait_for_url("**/runs/*")


def wait_for_status(page: Page, status: str) -> None:
    """Wait until the run on the current page has finished and assert its status."""
    end = page.get_by_text(re.compile("^(Success|Failure|Canceled)$")).first
    expect(end).to_be_visible(timeout=RUN_SECONDS * 1000)
    expect(end).to_have_text(status)
