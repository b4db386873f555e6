"""What tests do and look at in the UI: the lineage, the dialog that launches runs, a run's page."""

import re
import time
from collections.abc import Callable
from typing import Any, Protocol

from playwright.sync_api import Locator, Page, expect

TIMEOUT_SECONDS = 60.0
"""For what a page should show soon; much, for a busy machine."""

RUN_SECONDS = 180.0
"""A run of all assets takes a fifth of it when nothing else runs."""


class Shoot(Protocol):
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
        """Take a picture of the page, in a window of another size if that is given, or of a part of it."""
        ...


LINEAGE = "/asset-groups?expanded=" + ",".join(
    f"global@global:{group}" for group in ("activity", "people", "work", "administration")
)
READ_BY = {
    "workspaces": {
        "users", "teams", "workspace_memberships", "projects", "tags", "webhooks", "project_templates",
    },
    "teams": {"team_memberships"},
    "projects": {"sections", "tasks", "status_updates", "attachments"},
    "users": {"tasks"},
    "tasks": {"subtasks", "stories", "attachments"},
    "subtasks": {"stories", "attachments"},
}  # fmt: skip
ASSETS = {*READ_BY, *(name for names in READ_BY.values() for name in names)}

NODES = """boxes => boxes.map(box => ({
    text: box.firstElementChild.innerText,
    x: +box.getAttribute('x'), y: +box.getAttribute('y'),
    width: +box.getAttribute('width'), height: +box.getAttribute('height'),
    borders: [...box.querySelectorAll('*')].map(part => getComputedStyle(part).borderTopColor),
})).filter(box => box.text)"""
DRAWN = """plots => plots.filter(plot =>
    plot.getContext('2d').getImageData(0, 0, plot.width, plot.height).data.some(value => value))"""
CURVES = "paths => paths.map(path => path.getAttribute('d')).filter(d => d.includes('C'))"


def eventually(page: Page, ask: Callable[[], object], wanted: object, seconds: float = TIMEOUT_SECONDS) -> None:
    """Ask until the answer is the wanted one.

    Raises:
        AssertionError: the time is over.
    """
    give_up_at = time.monotonic() + seconds
    while (answer := ask()) != wanted:
        if time.monotonic() > give_up_at:
            raise AssertionError(f"{answer} and not {wanted}")
        page.wait_for_timeout(200)


def nodes(page: Page) -> dict[str, Any]:
    """Give, by asset, the boxes of the lineage; long names are drawn with their middle left out."""
    found: dict[str, Any] = {}
    for box in page.locator("foreignObject").evaluate_all(NODES):
        pattern = re.escape(box["text"].strip()).replace("…", ".*")
        found |= {name: box for name in ASSETS if re.fullmatch(pattern, name)}
    return found


def edges(page: Page) -> set[tuple[str, str]]:
    """Give the pairs that a curve connects: from the middle of a box's right side to that of another's left side."""
    starts: dict[tuple[float, float], str] = {}
    ends: dict[tuple[float, float], str] = {}
    for name, box in nodes(page).items():
        middle = box["y"] + box["height"] / 2
        starts[box["x"] + box["width"], middle] = name
        ends[box["x"], middle] = name
    found: set[tuple[str, str]] = set()
    curves: list[str] = page.locator("svg path[marker-end]").evaluate_all(CURVES)
    for curve in curves:
        x1, y1, *_, x2, y2 = (float(number) for number in re.findall(r"[\d.]+", curve))
        found.add((starts.get((x1, y1), curve), ends.get((x2 + 5, y2), curve)))  # 5: the arrow's head
    return found


def green(page: Page) -> set[str]:
    """Give the assets of the lineage that are drawn in green."""
    return {name for name, box in nodes(page).items() if any(map(is_green, box["borders"]))}


def is_green(color: str) -> bool:
    red, green, blue = (float(number) for number in re.findall(r"[\d.]+", color)[:3])
    return green > 1.2 * red and green > 1.2 * blue


def plots(page: Page) -> int:
    """Give how many plots have something drawn in them."""
    return len(page.locator("canvas").evaluate_all(DRAWN))


def open_lineage(page: Page) -> None:
    page.goto(LINEAGE)
    eventually(page, lambda: nodes(page).keys(), ASSETS)


def launch(page: Page, button: str, partition: str = "", shoot: Shoot | None = None) -> None:
    """Launch a run, of one workspace if it is named, and go to its page."""
    page.get_by_role("button", name=button).click()
    if partition:
        dialog = page.get_by_role("dialog").first
        while dialog.get_by_role("img", name="close").count():  # chosen already
            dialog.get_by_role("img", name="close").first.click()
        dialog.get_by_text("Select a partition or create one").click()
        page.get_by_role("menuitem", name=partition).click()
        expect(dialog.get_by_text("1 partition", exact=True)).to_be_visible()
        if shoot:
            shoot(page, "launch", around=page.get_by_role("dialog"))
        dialog.get_by_text("Launch runs to materialize").click()  # closes the menu
        dialog.get_by_role("button", name="Launch 1 run").click()
    page.get_by_role("region", name="Notifications").get_by_role("link", name="View").click()
    page.wait_for_url("**/runs/*")


def wait_for_status(page: Page, status: str) -> None:
    """Wait until the run of a run's page has ended, and as it should."""
    end = page.get_by_text(re.compile("^(Success|Failure|Canceled)$")).first
    expect(end).to_be_visible(timeout=RUN_SECONDS * 1000)
    expect(end).to_have_text(status)
