"""Laws of the throttle on top of a local pacer, in virtual time."""

import threading
from collections.abc import Callable
from dataclasses import dataclass, field

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from asana_assets.asana.pacer import SLOT_GRACE_SECONDS, LocalPacer
from asana_assets.asana.throttle import MIN_RATE_FRACTION, RECOVERY_SECONDS, Throttle
from asana_assets.sandbox.api.limits import Window, retry_after


@dataclass
class VirtualClock:
    """A clock that only `sleep` advances.

    Attributes:
        now: Current time, in seconds.
        events: Callbacks by the time at which they run.
    """

    now: float = 1000.0
    events: dict[float, Callable[[], None]] = field(default_factory=dict[float, Callable[[], None]])

    def __call__(self) -> float:
        return self.now

    def sleep(self, stop: threading.Event, seconds: float) -> bool:
        self.now += seconds
        for time in sorted(self.events):
            if time <= self.now:
                self.events.pop(time)()
        return stop.is_set()


def throttle_at(clock: VirtualClock, ceiling: float, pacer: LocalPacer | None = None) -> Throttle:
    return Throttle(ceiling=ceiling, pacer=pacer or LocalPacer(clock), clock=clock, sleep=clock.sleep)


def acquire(throttle: Throttle) -> float:
    sent_at = throttle.acquire(threading.Event())
    assert sent_at is not None
    return sent_at


def seconds_to_ceiling(clock: VirtualClock, *throttles: Throttle) -> float:
    started_at = clock.now
    while any(throttle.rate < throttle.ceiling for throttle in throttles):
        for throttle in throttles:
            acquire(throttle)
            throttle.on_success()
    return clock.now - started_at


@dataclass
class Server:
    """An Asana that responds after a latency.

    Attributes:
        clock: Time of throttle and server.
        window: Decides which requests are rejected.
        latency: Seconds until a response.
        rejected: When the rejected requests were sent.
        paused_until: End of the last `Retry-After`.
    """

    clock: VirtualClock
    window: Window
    latency: float
    rejected: list[float] = field(default_factory=list[float])
    paused_until: float = 0.0

    def fetch(self, throttle: Throttle) -> None:
        sent_at = acquire(throttle)
        wait = self.window.admit(sent_at)

        def reject() -> None:
            self.rejected.append(sent_at)
            self.paused_until = self.clock.now + retry_after(wait)
            throttle.on_rate_limited(sent_at, retry_after(wait))

        self.clock.events[sent_at + self.latency] = reject if wait > 0 else throttle.on_success


def fetch_until(end: float, server: Server, throttles: list[Throttle]) -> None:
    while server.clock.now < end:
        for throttle in throttles:
            server.fetch(throttle)


@given(ceiling=st.floats(0.5, 50), idle=st.lists(st.floats(0, 30), min_size=20, max_size=60))
def test_no_minute_has_more_requests_than_the_rate_allows(ceiling: float, idle: list[float]) -> None:
    clock = VirtualClock()
    throttle = throttle_at(clock, ceiling)
    sent: list[float] = []
    for pause in idle:
        clock.now += pause
        sent.append(acquire(throttle))
        throttle.on_success()
    for start in sent:
        in_minute = sum(start <= sent_at < start + 60 for sent_at in sent)
        assert in_minute <= (60 + SLOT_GRACE_SECONDS) * ceiling + 1


def test_requests_are_evenly_spaced_from_the_first_on() -> None:
    clock = VirtualClock()
    throttle = throttle_at(clock, 1.25)
    sent = [acquire(throttle) for _ in range(10)]
    assert sent == pytest.approx([1000 + 0.8 * at for at in range(10)])


def test_idle_time_is_not_saved_up() -> None:
    clock = VirtualClock()
    throttle = throttle_at(clock, 2)
    acquire(throttle)
    clock.now += 100
    first, second = acquire(throttle), acquire(throttle)
    assert second - first == pytest.approx(0.5)


def test_a_slightly_late_caller_may_use_the_free_slot() -> None:
    clock = VirtualClock()
    throttle = throttle_at(clock, 25)
    acquire(throttle)
    clock.now += 0.04 + 0.9 * SLOT_GRACE_SECONDS
    sent = [acquire(throttle) for _ in range(11)]
    assert sent[-1] - 1000 == pytest.approx(11 / 25)


def test_a_rejection_halves_the_rate_and_pauses_for_retry_after() -> None:
    clock = VirtualClock()
    throttle = throttle_at(clock, 20)
    sent_at = acquire(throttle)
    throttle.on_rate_limited(sent_at, 30)
    assert throttle.rate == 10
    assert acquire(throttle) >= sent_at + 30


def test_requests_in_flight_at_a_cut_do_not_cut_again() -> None:
    clock = VirtualClock()
    throttle = throttle_at(clock, 20)
    sent = [acquire(throttle) for _ in range(5)]
    for sent_at in sent:
        throttle.on_rate_limited(sent_at, 1)
    assert throttle.rate == 10


def test_a_request_sent_after_a_cut_cuts_again() -> None:
    clock = VirtualClock()
    throttle = throttle_at(clock, 20)
    throttle.on_rate_limited(acquire(throttle), 1)
    throttle.on_rate_limited(acquire(throttle), 1)
    assert throttle.rate == 5


def test_recovery_takes_no_longer_after_many_rejections() -> None:
    clock = VirtualClock()
    throttle = throttle_at(clock, 20)
    for _ in range(100):
        throttle.on_rate_limited(acquire(throttle), 1)
    assert throttle.rate == 20 * MIN_RATE_FRACTION
    assert seconds_to_ceiling(clock, throttle) == pytest.approx(1 + RECOVERY_SECONDS, rel=0.2)


def test_successes_raise_the_rate_linearly_up_to_the_ceiling() -> None:
    clock = VirtualClock()
    throttle = throttle_at(clock, 20)
    throttle.on_rate_limited(acquire(throttle), 0)
    started_at = clock.now
    while throttle.rate < 20:
        acquire(throttle)
        throttle.on_success()
        increase = (clock.now - started_at) * 20 / RECOVERY_SECONDS
        assert throttle.rate == pytest.approx(min(20, 10 + increase))
    assert clock.now - started_at == pytest.approx(RECOVERY_SECONDS / 2, rel=0.1)
    acquire(throttle)
    throttle.on_success()
    assert throttle.rate == 20


def test_other_users_of_the_token_do_not_slow_recovery() -> None:
    clock = VirtualClock()
    pacer = LocalPacer(clock)
    throttles = [throttle_at(clock, 20, pacer) for _ in range(3)]
    for throttle in throttles:
        throttle.on_rate_limited(acquire(throttle), 0)
    assert seconds_to_ceiling(clock, *throttles) == pytest.approx(RECOVERY_SECONDS / 2, rel=0.1)


def test_idle_time_does_not_count_as_success() -> None:
    clock = VirtualClock()
    throttle = throttle_at(clock, 20)
    throttle.on_rate_limited(acquire(throttle), 0)
    clock.now += 1000
    acquire(throttle)
    throttle.on_success()
    assert 10 < throttle.rate < 11


def test_requests_in_flight_at_a_pause_do_not_raise_the_rate() -> None:
    clock = VirtualClock()
    throttle = throttle_at(clock, 20)
    throttle.on_rate_limited(acquire(throttle), 30)
    clock.now += 10
    throttle.on_success()
    assert throttle.rate == 10


@settings(max_examples=20, deadline=None)
@given(
    limit=st.integers(60, 1400),
    seconds=st.floats(1, 100),
    latency=st.floats(0, 1.5),
    processes=st.integers(1, 3),
)
def test_after_the_server_recovers_nothing_is_rejected_and_the_rate_recovers_in_time(
    limit: int, seconds: float, latency: float, processes: int
) -> None:
    clock = VirtualClock()
    pacer = LocalPacer(clock)
    throttles = [throttle_at(clock, 24.75, pacer) for _ in range(processes)]
    server = Server(clock, Window(1500), latency)
    fetch_until(clock.now + 65, server, throttles)
    assert not server.rejected
    recovered_at = clock.now + seconds
    server.window.lower(limit, recovered_at)
    fetch_until(recovered_at + latency, server, throttles)  # until the last rejection has arrived
    fetch_until(max(recovered_at, server.paused_until) + RECOVERY_SECONDS + latency, server, throttles)
    assert all(sent_at < recovered_at for sent_at in server.rejected)
    assert all(throttle.rate >= 0.95 * 24.75 for throttle in throttles)


def test_a_pause_that_starts_during_a_wait_extends_it() -> None:
    clock = VirtualClock()
    pacer = LocalPacer(clock)
    throttle = throttle_at(clock, 0.5, pacer)
    acquire(throttle)
    clock.events[1000.5] = lambda: pacer.pause(60)
    assert acquire(throttle) >= 1060.5


def test_a_pause_applies_to_all_users_of_a_pacer() -> None:
    clock = VirtualClock()
    pacer = LocalPacer(clock)
    first, other = throttle_at(clock, 20, pacer), throttle_at(clock, 20, pacer)
    first.on_rate_limited(acquire(first), 30)
    assert acquire(other) >= 1030
    assert other.rate == 20


def test_two_throttles_with_one_pacer_send_no_more_than_one() -> None:
    clock = VirtualClock()
    pacer = LocalPacer(clock)
    first, other = throttle_at(clock, 10, pacer), throttle_at(clock, 10, pacer)
    sent = [acquire(throttle) for _ in range(50) for throttle in (first, other)]
    assert sent[-1] - sent[0] == pytest.approx(9.9)


def test_stop_ends_the_wait() -> None:
    clock = VirtualClock()
    throttle = throttle_at(clock, 0.001)
    acquire(throttle)
    stop = threading.Event()
    clock.events[1001.0] = stop.set
    assert throttle.acquire(stop) is None
    assert clock.now < 1002
