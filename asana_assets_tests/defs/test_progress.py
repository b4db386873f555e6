"""What is said of a reading that takes long."""

from dataclasses import dataclass, field

import pytest

from asana_assets.asana.endpoints import STORIES
from asana_assets.asana.model import Endpoint
from asana_assets.defs.progress import ProgressLogger, RequestRate, format_eta
from asana_assets.sync.extract import ExtractStats


@dataclass
class Clock:
    now: float = 0.0

    def __call__(self) -> float:
        return self.now


@dataclass
class Read:
    """A reading of 80,000 parents at 25 requests a second, each a parent."""

    endpoint: Endpoint = STORIES
    stats: ExtractStats = field(default_factory=lambda: ExtractStats(parents_stale=80_000))
    clock: Clock = field(default_factory=Clock)

    def go_on(self, seconds: int) -> None:
        for _ in range(seconds):
            self.clock.now += 1
            self.stats.parents_fetched += 25
            self.stats.request_stats.requests += 25
            self.stats.on_progress()


def test_a_line_a_minute_says_how_far_how_fast_and_how_long() -> None:
    reading = Read()
    lines: list[str] = []
    reading.stats.on_progress = ProgressLogger(reading, lines.append, reading.clock)
    reading.go_on(59)
    assert lines == []
    reading.go_on(150)
    assert lines == [
        "stories: 1,500 of 80,000 tasks and subtasks, 25.0 requests/s, 52 min left",
        "stories: 3,000 of 80,000 tasks and subtasks, 25.0 requests/s, 51 min left",
        "stories: 4,500 of 80,000 tasks and subtasks, 25.0 requests/s, 50 min left",
    ]


def test_what_was_asked_ahead_does_not_count_as_fast() -> None:
    reading = Read()
    reading.stats.request_stats.requests = reading.stats.parents_fetched = 1_000
    speed = RequestRate(reading.stats, reading.clock)
    assert speed.seconds_left is None
    reading.go_on(10)
    speed.sample()
    assert speed.rate == pytest.approx(25)
    assert speed.seconds_left == pytest.approx((80_000 - 1_250) / 25)


def test_parents_with_several_pages_take_longer() -> None:
    reading = Read()
    speed = RequestRate(reading.stats, reading.clock)
    reading.go_on(10)
    reading.stats.request_stats.requests *= 2
    speed.sample()
    assert speed.seconds_left == pytest.approx((80_000 - 250) * 2 / 50)


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (None, ""),
        (3, ", less than a minute left"),
        (2_700, ", 45 min left"),
        (36_000, ", 10.0 h left"),
    ],
)
def test_times_are_said_in_the_unit_that_fits(seconds: float | None, words: str) -> None:
    assert format_eta(seconds) == words
