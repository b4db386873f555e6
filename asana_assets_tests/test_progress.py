"""What is said of a reading that takes long."""

from dataclasses import dataclass, field

import pytest

from asana_assets.asana.endpoint import Endpoint
from asana_assets.asana.endpoints import STORIES
from asana_assets.progress import MinuteLine, Speed, left
from asana_assets.sync.reading import Report


@dataclass
class Clock:
    now: float = 0.0

    def __call__(self) -> float:
        return self.now


@dataclass
class Read:
    """A reading of 80,000 parents at 25 requests a second, each a parent."""

    endpoint: Endpoint = STORIES
    report: Report = field(default_factory=lambda: Report(parents_due=80_000))
    clock: Clock = field(default_factory=Clock)

    def go_on(self, seconds: int) -> None:
        for _ in range(seconds):
            self.clock.now += 1
            self.report.parents_done += 25
            self.report.usage.requests += 25
            self.report.listener()


def test_a_line_a_minute_says_how_far_how_fast_and_how_long() -> None:
    reading = Read()
    lines: list[str] = []
    reading.report.listener = MinuteLine(reading, lines.append, reading.clock)
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
    reading.report.usage.requests = reading.report.parents_done = 1_000
    speed = Speed(reading.report, reading.clock)
    assert speed.seconds_left is None
    reading.go_on(10)
    speed.look()
    assert speed.rate == pytest.approx(25)
    assert speed.seconds_left == pytest.approx((80_000 - 1_250) / 25)


def test_parents_with_several_pages_take_longer() -> None:
    reading = Read()
    speed = Speed(reading.report, reading.clock)
    reading.go_on(10)
    reading.report.usage.requests *= 2
    speed.look()
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
    assert left(seconds) == words
