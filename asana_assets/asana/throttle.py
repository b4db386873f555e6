"""When the next request may be sent: steady pacing for the whole token, and a rate that yields to 429.

Asana allows 150 requests a minute on free plans and 1,500 on paid ones, per token, counts rejected requests too, and
looks more often than once a minute (https://developers.asana.com/docs/rate-limits). So requests are spread evenly, and
a process that starts has no burst to spend.

The pace is shared: each request reserves the token's next free slot, in one atomic step, and waits for it. The rate
belongs to the process: it rises by a constant per second while requests succeed, up to the ceiling, and is halved by a
429. What keeps rejected requests few is `Retry-After`, which pauses the whole token; the rate sees to it that the token
comes back gently, and soon.
"""

import logging
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Protocol

log = logging.getLogger(__name__)

RECOVERY_SECONDS = 20.0
"""Seconds of steady success that take the rate from nothing to the ceiling. A pause can take all of Asana's minute; the
way back must not take another."""

MIN_RATE_FRACTION = 1 / 32
"""Of the ceiling, what any number of cuts leaves. Otherwise each slot would be twice as far away as the last one, and
long after the trouble nothing could succeed."""

_STEADY_GAP_SLOTS = 4
"""Between two successes; what took longer was idle. More than one, as rivals for the token have their slots, too."""

SLOT_GRACE_SECONDS = 0.05
"""How far in the past the free slot may lie and still be taken. On a busy host a process is often some hundredths of a
second late to ask, and at 25 requests/s each time would cost a slot. Who comes later was idle: nothing was saved up. A
minute can hold so many slots more; a ceiling of 99 % of the limit leaves room for 0.6 seconds of them."""

_POLL_SECONDS = 0.2
"""How often a wait looks whether it was stopped, or a pause began."""


class WaitTooLongError(Exception):
    """The next slot is not worth waiting for; `seconds` is how far away it is."""

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds
        super().__init__(f"the next slot is {seconds:.0f} s away")


class Pacer(Protocol):
    """The token's timetable, shared by all that use the token."""

    def reserve(self, step: float) -> float:
        """Take the next free slot, `step` seconds long; give the seconds until it begins."""
        ...

    def pause(self, seconds: float) -> None:
        """Let no slot begin for `seconds`."""
        ...

    def pause_remaining(self) -> float:
        """Give the seconds until the pause ends, 0 without one."""
        ...

    def close(self) -> None:
        """Let go of what it holds open."""
        ...


class LocalPacer:
    """A timetable for one process."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._next = self._pause = float("-inf")

    def reserve(self, step: float) -> float:
        with self._lock:
            now = self._clock()
            free = self._next if self._next > now - SLOT_GRACE_SECONDS else now
            slot = max(free, self._pause)
            self._next = slot + step
            return max(0.0, slot - now)

    def pause(self, seconds: float) -> None:
        with self._lock:
            self._pause = max(self._pause, self._clock() + seconds)

    def pause_remaining(self) -> float:
        return max(0.0, self._pause - self._clock())

    def close(self) -> None:
        pass


@dataclass(slots=True)
class Throttle:
    """Says when to send.

    Attributes:
        ceiling: Requests per second; where the rate starts and what it never exceeds.
        pace: The timetable.
        clock: Seconds.
        wait: Waits for so many seconds, or until stopped; true if stopped.
    """

    ceiling: float
    pacer: Pacer = field(default_factory=LocalPacer)
    clock: Callable[[], float] = time.monotonic
    sleep: Callable[[threading.Event, float], bool] = threading.Event.wait
    _rate: float = field(init=False)
    _cut_at: float = field(default=float("-inf"), init=False)
    _rose_at: float = field(default=float("-inf"), init=False)
    _gate: threading.Lock = field(default_factory=threading.Lock, init=False)
    _lock: threading.Lock = field(default_factory=threading.Lock, init=False)

    def __post_init__(self) -> None:
        self._rate = self.ceiling

    @property
    def rate(self) -> float:
        """Requests per second, at present."""
        return self._rate

    def acquire(self, stop: threading.Event, longest: float = float("inf")) -> float | None:
        """Wait for a slot and give the instant it began, by `clock`; None if `stop` was set first.

        One thread at a time reserves and waits: a process never holds more than one slot ahead of its need, so a small
        reader in another process gets its turn within a slot or two.

        Raises:
            TooLongError: the slot is more than `longest` seconds away.
        """
        while not self._gate.acquire(timeout=_POLL_SECONDS):
            if stop.is_set():
                return None
        try:
            while not stop.is_set():
                seconds = self.pacer.reserve(1 / self._rate)
                if seconds > longest:
                    raise WaitTooLongError(seconds)
                if seconds <= 0:
                    return self.clock()
                self._sleep(stop, seconds)
                # A pause may have begun while we waited: then this slot is void, and the next lies behind the pause.
                if not stop.is_set() and self.pacer.pause_remaining() <= 0:
                    return self.clock()
            return None
        finally:
            self._gate.release()

    def on_success(self) -> None:
        """Take a success into account: the rate rises by the time since the last one, or since the pause ended."""
        with self._lock:
            now = self.clock()
            seconds = max(0.0, min(now - self._rose_at, _STEADY_GAP_SLOTS / self._rate))
            self._rate = min(self.ceiling, self._rate + self.ceiling / RECOVERY_SECONDS * seconds)
            self._rose_at = max(self._rose_at, now)

    def on_rate_limited(self, sent_at: float, retry_after: float | None) -> None:
        """Take a 429 into account, of a request sent at `sent_at`.

        Requests that were on their way when the rate was cut belong to the same congestion and do not cut again.
        Without `Retry-After` (seconds) the cut is all there is to go by.
        """
        if retry_after:
            self.pacer.pause(retry_after)
        with self._lock:
            if sent_at <= self._cut_at:
                return
            self._cut_at = self.clock()
            self._rose_at = self._cut_at + (retry_after or 0)
            self._rate = max(self._rate / 2, self.ceiling * MIN_RATE_FRACTION)
            log.warning(
                "Asana is limiting this token (429): now %.2f requests/s, after a pause of %.0f s",
                self._rate,
                retry_after or 0,
            )

    def _sleep(self, stop: threading.Event, seconds: float) -> None:
        until = self.clock() + seconds
        while (left := until - self.clock()) > 0:
            if self.sleep(stop, min(left, _POLL_SECONDS)):
                return
