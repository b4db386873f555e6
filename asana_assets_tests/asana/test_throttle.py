"""The throttle and the pace, in virtual time."""

import threading
from collections.abc import Callable
from dataclasses import dataclass, field

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from asana_assets.asana.throttle import MIN_RATE_FRACTION, RECOVERY_SECONDS, SLOT_GRACE_SECONDS, LocalPacer, Throttle
from asana_assets.sandbox.api.limits import Window, retry_after


@dataclass
class Time:
    """A clock that only waiting moves; `at` can hold what happens when it passes an instant."""

    now: float = 1000.0
    events: dict[float, Callable[[], None]] = field(default_factory=dict[float, Callable[[], None]])

    def __call__(self) -> float:
        return self.now

    def wait(self, stop: threading.Event, seconds: float) -> bool:
        self.now += seconds
        for instant in sorted(self.events):
            if instant <= self.now:
                self.events.pop(instant)()
        return stop.is_set()


def throttle(time: Time, ceiling: float, pace: LocalPacer | None = None) -> Throttle:
    return Throttle(ceiling=ceiling, pacer=pace or LocalPacer(time), clock=time, sleep=time.wait)


def acquire(throttle: Throttle) -> float:
    sent_at = throttle.acquire(threading.Event())
    assert sent_at is not None
    return sent_at


def seconds_to_ceiling(time: Time, *throttles: Throttle) -> float:
    began = time.now
    while any(limited.rate < limited.ceiling for limited in throttles):
        for limited in throttles:
            acquire(limited)
            limited.on_success()
    return time.now - began


@dataclass
class Server:
    """Answers after `latency` seconds."""

    time: Time
    window: Window
    latency: float
    rejected: list[float] = field(default_factory=list[float])
    paused_until: float = 0.0

    def ask(self, limited: Throttle) -> None:
        sent_at = acquire(limited)
        wait = self.window.admit(sent_at)

        def reject() -> None:
            self.rejected.append(sent_at)
            self.paused_until = self.time.now + retry_after(wait)
            limited.on_rate_limited(sent_at, retry_after(wait))

        self.time.events[sent_at + self.latency] = reject if wait > 0 else limited.on_success


def ask_until(instant: float, server: Server, throttles: list[Throttle]) -> None:
    while server.time.now < instant:
        for limited in throttles:
            server.ask(limited)


@given(ceiling=st.floats(0.5, 50), idle=st.lists(st.floats(0, 30), min_size=20, max_size=60))
def test_no_minute_holds_more_than_the_rate_allows(ceiling: float, idle: list[float]) -> None:
    time = Time()
    limited = throttle(time, ceiling)
    sent: list[float] = []
    for pause in idle:
        time.now += pause
        sent.append(acquire(limited))
        limited.on_success()
    for instant in sent:
        in_this_minute = sum(instant <= other < instant + 60 for other in sent)
        assert in_this_minute <= (60 + SLOT_GRACE_SECONDS) * ceiling + 1


def test_requests_are_spread_evenly_from_the_first_on() -> None:
    time = Time()
    limited = throttle(time, 1.25)
    sent = [acquire(limited) for _ in range(10)]
    assert sent == pytest.approx([1000 + 0.8 * at for at in range(10)])


def test_idle_time_saves_nothing_up() -> None:
    time = Time()
    limited = throttle(time, 2)
    acquire(limited)
    time.now += 100
    first, second = acquire(limited), acquire(limited)
    assert second - first == pytest.approx(0.5)


def test_who_is_a_little_late_takes_the_slot_that_is_free() -> None:
    time = Time()
    limited = throttle(time, 25)
    acquire(limited)
    time.now += 0.04 + 0.9 * SLOT_GRACE_SECONDS
    sent = [acquire(limited) for _ in range(11)]
    assert sent[-1] - 1000 == pytest.approx(11 / 25)


def test_a_rejection_halves_the_rate_and_waits_as_told() -> None:
    time = Time()
    limited = throttle(time, 20)
    sent_at = acquire(limited)
    limited.on_rate_limited(sent_at, 30)
    assert limited.rate == 10
    assert acquire(limited) >= sent_at + 30


def test_what_was_on_its_way_when_the_rate_was_cut_does_not_cut_again() -> None:
    time = Time()
    limited = throttle(time, 20)
    sent = [acquire(limited) for _ in range(5)]
    for sent_at in sent:
        limited.on_rate_limited(sent_at, 1)
    assert limited.rate == 10


def test_a_rejection_after_the_cut_cuts_again() -> None:
    time = Time()
    limited = throttle(time, 20)
    limited.on_rate_limited(acquire(limited), 1)
    limited.on_rate_limited(acquire(limited), 1)
    assert limited.rate == 5


def test_after_any_number_of_rejections_the_way_back_is_no_longer() -> None:
    time = Time()
    limited = throttle(time, 20)
    for _ in range(100):
        limited.on_rate_limited(acquire(limited), 1)
    assert limited.rate == 20 * MIN_RATE_FRACTION
    assert seconds_to_ceiling(time, limited) == pytest.approx(1 + RECOVERY_SECONDS, rel=0.2)


def test_success_raises_the_rate_by_a_constant_up_to_the_ceiling() -> None:
    time = Time()
    limited = throttle(time, 20)
    limited.on_rate_limited(acquire(limited), 0)
    began = time.now
    while limited.rate < 20:
        acquire(limited)
        limited.on_success()
        risen = (time.now - began) * 20 / RECOVERY_SECONDS
        assert limited.rate == pytest.approx(min(20, 10 + risen))
    assert time.now - began == pytest.approx(RECOVERY_SECONDS / 2, rel=0.1)
    acquire(limited)
    limited.on_success()
    assert limited.rate == 20


def test_rivals_for_the_token_do_not_slow_the_rise() -> None:
    time = Time()
    pace = LocalPacer(time)
    rivals = [throttle(time, 20, pace) for _ in range(3)]
    for limited in rivals:
        limited.on_rate_limited(acquire(limited), 0)
    assert seconds_to_ceiling(time, *rivals) == pytest.approx(RECOVERY_SECONDS / 2, rel=0.1)


def test_idle_time_is_no_success() -> None:
    time = Time()
    limited = throttle(time, 20)
    limited.on_rate_limited(acquire(limited), 0)
    time.now += 1000
    acquire(limited)
    limited.on_success()
    assert 10 < limited.rate < 11


def test_what_was_on_its_way_when_the_pause_began_does_not_raise_the_rate() -> None:
    time = Time()
    limited = throttle(time, 20)
    limited.on_rate_limited(acquire(limited), 30)
    time.now += 10
    limited.on_success()
    assert limited.rate == 10


@settings(max_examples=20, deadline=None)
@given(
    limit=st.integers(60, 1400),
    seconds=st.floats(1, 100),
    latency=st.floats(0, 1.5),
    rivals=st.integers(1, 3),
)
def test_when_the_server_has_recovered_nothing_is_rejected_and_the_rate_is_back_as_soon_as_it_can(
    limit: int, seconds: float, latency: float, rivals: int
) -> None:
    time = Time()
    pace = LocalPacer(time)
    throttles = [throttle(time, 24.75, pace) for _ in range(rivals)]
    server = Server(time, Window(1500), latency)
    ask_until(time.now + 65, server, throttles)
    assert not server.rejected
    well_again = time.now + seconds
    server.window.lower(limit, well_again)
    ask_until(well_again + latency, server, throttles)  # now the last rejection is known, and how long to wait
    ask_until(max(well_again, server.paused_until) + RECOVERY_SECONDS + latency, server, throttles)
    assert all(sent_at < well_again for sent_at in server.rejected)
    assert all(limited.rate >= 0.95 * 24.75 for limited in throttles)


def test_a_pause_that_begins_while_a_thread_waits_holds_it() -> None:
    time = Time()
    pace = LocalPacer(time)
    limited = throttle(time, 0.5, pace)
    acquire(limited)
    time.events[1000.5] = lambda: pace.pause(60)
    assert acquire(limited) >= 1060.5


def test_a_pause_holds_for_all_that_share_the_pace() -> None:
    time = Time()
    pace = LocalPacer(time)
    one, other = throttle(time, 20, pace), throttle(time, 20, pace)
    one.on_rate_limited(acquire(one), 30)
    assert acquire(other) >= 1030
    assert other.rate == 20


def test_two_that_share_the_pace_send_no_more_than_one() -> None:
    time = Time()
    pace = LocalPacer(time)
    one, other = throttle(time, 10, pace), throttle(time, 10, pace)
    sent = [acquire(limited) for _ in range(50) for limited in (one, other)]
    assert sent[-1] - sent[0] == pytest.approx(9.9)


def test_a_stop_ends_the_wait() -> None:
    time = Time()
    limited = throttle(time, 0.001)
    acquire(limited)
    stop = threading.Event()
    time.events[1001.0] = stop.set
    assert limited.acquire(stop) is None
    assert time.now < 1002
