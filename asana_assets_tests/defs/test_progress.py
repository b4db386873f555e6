"""Progress and remaining time of a long extract."""

from dataclasses import dataclass, field

import pytest

from asana_assets.asana.endpoints import STORIES
from asana_assets.asana.model import Endpoint
from asana_assets.defs.progress import ProgressLogger, RequestRate, describe_result, format_eta
from asana_assets.sync.extract_stats import ExtractStats
from asana_assets.sync.write_totals import WriteTotals
from asana_assets_tests.support.clock import Clock


@dataclass
class FakeExtract:
    """An extract of 80,000 parents at 25 requests per second, one request per parent."""

    endpoint: Endpoint = STORIES
    stats: ExtractStats = field(default_factory=lambda: ExtractStats(parents_stale=80_000))
    clock: Clock = field(default_factory=Clock)

    def fetch(self, seconds: int) -> None:
        for _ in range(seconds):
            self.clock.now += 1
            self.stats.parents_fetched += 25
            self.stats.request_stats.requests += 25
            self.stats.on_progress()


def test_a_line_per_minute_reports_progress_rate_and_remaining_time() -> None:
    extract = FakeExtract()
    lines: list[str] = []
    extract.stats.on_progress = ProgressLogger(extract, lines.append, extract.clock)
    extract.fetch(59)
    assert lines == []
    extract.fetch(150)
    assert lines == [
        "1,500 of 80,000 tasks, subtasks and goals, 25.0 requests/s, 52 min left",
        "3,000 of 80,000 tasks, subtasks and goals, 25.0 requests/s, 51 min left",
        "4,500 of 80,000 tasks, subtasks and goals, 25.0 requests/s, 50 min left",
    ]


def test_prefetched_parents_do_not_inflate_the_rate() -> None:
    extract = FakeExtract()
    extract.stats.request_stats.requests = extract.stats.parents_fetched = 1_000
    rate = RequestRate(extract.stats, extract.clock)
    assert rate.seconds_left is None
    extract.fetch(10)
    rate.sample()
    assert rate.rate == pytest.approx(25)
    assert rate.seconds_left == pytest.approx((80_000 - 1_250) / 25)


def test_parents_with_several_pages_prolong_the_remaining_time() -> None:
    extract = FakeExtract()
    rate = RequestRate(extract.stats, extract.clock)
    extract.fetch(10)
    extract.stats.request_stats.requests *= 2
    rate.sample()
    assert rate.seconds_left == pytest.approx((80_000 - 250) * 2 / 50)


@pytest.mark.parametrize(
    ("seconds", "formatted"),
    [
        (None, ""),
        (3, ", less than a minute left"),
        (2_700, ", 45 min left"),
        (36_000, ", 10.0 h left"),
    ],
)
def test_the_remaining_time_has_a_suitable_unit(seconds: float | None, formatted: str) -> None:
    assert format_eta(seconds) == formatted


@pytest.mark.parametrize(
    ("written", "text"),
    [
        (WriteTotals(rows=108, changed=3), "108 rows, 3 changed, 0 requests, 0.9 s"),
        (WriteTotals(rows=1, added=1, removed=1_234), "1 row, 1 added, 1,234 removed, 0 requests, 0.9 s"),
        (WriteTotals(), "0 rows, unchanged, 0 requests, 0.9 s"),
    ],
)
def test_a_finished_asset_is_described_by_what_was_stored_of_it(written: WriteTotals, text: str) -> None:
    assert describe_result(ExtractStats(written=written), 0.9) == text
