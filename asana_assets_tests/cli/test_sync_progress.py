"""Where a sync is, and how many requests follow, as the progress displays show them."""

import io
import re
from dataclasses import dataclass, field

import pytest
from rich.console import Console, Group

from asana_assets.asana.endpoints import SECTIONS, STANDARD_ENDPOINTS, STORIES, SUBTASKS, TASKS
from asana_assets.asana.model import Endpoint
from asana_assets.cli.line_log import LineLog
from asana_assets.cli.line_progress import LineProgress
from asana_assets.cli.live_progress import LiveProgress
from asana_assets.cli.sync_progress import Outlook
from asana_assets.sync.extract_stats import ExtractStats
from asana_assets_tests.support.clock import Clock


def outlook(*pending: Endpoint, never_synced: bool = True, **rows: int) -> Outlook:
    names = [endpoint.name for endpoint in STANDARD_ENDPOINTS] if never_synced else []
    return Outlook({endpoint.name: endpoint for endpoint in pending}, names, rows)


def test_in_a_first_sync_each_parent_takes_one_request() -> None:
    assert outlook(STORIES, SECTIONS, tasks=1_000, subtasks=200, goals=0, projects=7).requests() == 1_207


@pytest.mark.parametrize(
    "unknown",
    [
        outlook(STORIES, tasks=1_000),
        outlook(STORIES, never_synced=False, tasks=1_000, subtasks=200),
        outlook(SUBTASKS, tasks=1_000),
    ],
    ids=["parents that are not synced yet", "parents that may be unchanged", "parents of any level"],
)
def test_what_only_requests_can_show_is_unknown(unknown: Outlook) -> None:
    assert unknown.requests() is None


def test_a_listing_that_every_sync_fetches_is_known_later_too() -> None:
    assert outlook(SECTIONS, never_synced=False, projects=7).requests() == 7


@dataclass
class FakeExtract:
    """An extract of 600 parents that is fetched at one request per second, with two rows each."""

    endpoint: Endpoint = STORIES
    stats: ExtractStats = field(default_factory=lambda: ExtractStats(parents=600, parents_stale=600))
    clock: Clock = field(default_factory=Clock)

    def fetch(self, seconds: int) -> None:
        for _ in range(seconds):
            self.clock.now += 1
            self.stats.parents_fetched += 1
            self.stats.rows += 2
            self.stats.request_stats.requests += 1
            self.stats.request_stats.record_page(2)
            self.stats.on_progress()


def test_as_lines_an_asset_is_one_line_and_at_most_one_per_minute_in_between(
    capsys: pytest.CaptureFixture[str],
) -> None:
    extract = FakeExtract()
    progress = LineProgress(LineLog(), clock=extract.clock)
    progress.start_workspace("Cats", [TASKS, STORIES], ())
    with progress.track_extract(extract):
        extract.fetch(150)
    assert [line[20:] for line in capsys.readouterr().out.splitlines()] == [
        "Cats: stories (1 of 2): 60 of 600 tasks, subtasks and goals, 1.0 requests/s, 9 min left",
        "Cats: stories (1 of 2): 120 of 600 tasks, subtasks and goals, 1.0 requests/s, 8 min left",
        "Cats: stories (1 of 2): 0 rows, unchanged, 150 requests, 2 min",
    ]


def test_an_asset_whose_context_is_never_closed_is_not_completed(capsys: pytest.CaptureFixture[str]) -> None:
    progress = LineProgress(LineLog())
    progress.start_workspace("Cats", [TASKS, STORIES], ())
    abandoned = progress.track_extract(FakeExtract(TASKS))
    abandoned.__enter__()
    with progress.track_extract(FakeExtract()):
        pass
    lines = capsys.readouterr().out.splitlines()
    assert [line[20:] for line in lines] == [
        "Cats: tasks (1 of 2): not completed",
        "Cats: stories (2 of 2): 0 rows, unchanged, 0 requests, 0.0 s",
    ]


def test_live_a_line_shows_the_sync_and_another_the_asset() -> None:
    extract = FakeExtract()
    console = Console(file=io.StringIO(), width=80, color_system=None)
    progress = LiveProgress(console)
    progress.start_workspace("Catnip & Co.", [STORIES, SECTIONS], ())
    with progress.track_extract(extract):
        extract.fetch(150)
        with console.capture() as capture:
            console.print(Group(*progress.get_renderables()))
    assert [re.sub("[━╸╺ ]+", " ", line.rstrip()) for line in capture.get().splitlines()] == [
        "Catnip & Co.: asset 1 of 2, 150 requests",
        " stories 150/600 300 rows",
    ]
