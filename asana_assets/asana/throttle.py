"""Rate limiting: evenly spaced request slots per token, and a rate per process that adapts to 429s.

Asana allows 150 requests a minute on free plans and 1,500 on paid ones, per token. Rejected requests count as well, and
the limit is enforced over less than a minute (https://developers.asana.com/docs/rate-limits). So requests are evenly
spaced, and a process that starts has no burst to spend.

Slots are shared: for each request the token's next free slot is reserved, in one atomic step (`pacer`). The rate
belongs to the process (AIMD): it rises by a constant per second while requests succeed, up to the ceiling, and a 429
halves it. `Retry-After`, which pauses the whole token, is what keeps rejections rare; the reduced rate makes the
return from a pause gentle and short.
"""

import logging
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field

from asana_assets.asana.pacer import LocalPacer, Pacer

log = logging.getLogger(__name__)

RECOVERY_SECONDS = 20.0
"""Seconds of steady success in which the rate rises from zero to the ceiling.

A pause can use up all of Asana's one-minute window; recovery must not take another minute.
"""

MIN_RATE_FRACTION = 1 / 32
"""Lower bound of the rate, as a fraction of the ceiling.

Without it, each further 429 would double the distance to the next slot, and no request could succeed for long after
Asana has recovered.
"""

LOW_RATE = 1.25
"""Requests per second that no plan's request limit rejects: half of the smallest limit, 150 a minute."""

MAX_PAUSE_SECONDS = 3600.0
"""Longest pause of the token, so that an absurd `Retry-After` does not block it for good.

A request whose own budget is shorter than its `Retry-After` fails in any case.
"""

_STEADY_GAP_SLOTS = 4  # longest gap between successes that is not idle time; >1, as other processes take slots, too
_POLL_SECONDS = 0.2  # how often a wait checks whether it was cancelled


class WaitTooLongError(Exception):
    """The next slot is further away than the caller is willing to wait.

    Attributes:
        seconds: Seconds until the slot starts.
    """

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds
        super().__init__(f"the next request slot is {seconds:.0f} s away")


@dataclass(slots=True)
class Throttle:
    """An AIMD rate controller on top of a pacer. Thread-safe.

    Attributes:
        ceiling: Initial and maximum rate, in requests per second.
        pacer: Hands out the slots.
        clock: Returns the current time in seconds.
        sleep: Waits for the event or for the seconds to pass, and returns whether the event is set.
    """

    ceiling: float
    pacer: Pacer = field(default_factory=LocalPacer)
    clock: Callable[[], float] = time.monotonic
    sleep: Callable[[threading.Event, float], bool] = threading.Event.wait
    _rate: float = field(init=False)
    _last_cut_at: float = field(default=float("-inf"), init=False)
    _last_increase_at: float = field(default=float("-inf"), init=False)
    _paused_until: float = field(default=float("-inf"), init=False)
    _acquire_lock: threading.Lock = field(default_factory=threading.Lock, init=False)
    _rate_lock: threading.Lock = field(default_factory=threading.Lock, init=False)

    def __post_init__(self) -> None:
        self._rate = self.ceiling

    @property
    def rate(self) -> float:
        """Current rate, in requests per second."""
        return self._rate

    @property
    def rate_is_low(self) -> bool:
        """Whether too many requests are an unlikely reason for a 429."""
        return self._rate <= max(LOW_RATE, self.ceiling / 2)

    def acquire(self, stop: threading.Event, *, max_wait_seconds: float = float("inf")) -> float | None:
        """Wait for a slot and return when it started, by `clock`; None if `stop` was set first.

        Threads reserve and wait one at a time. So a process holds at most one slot in advance, and another process
        that sends little gets its slot after one or two others.

        Raises:
            WaitTooLongError: The slot is more than `max_wait_seconds` away.
        """
        while not self._acquire_lock.acquire(timeout=_POLL_SECONDS):
            if stop.is_set():
                return None
        try:
            while not stop.is_set():
                seconds = self.pacer.reserve(1 / self._rate)
                if seconds > max_wait_seconds:
                    raise WaitTooLongError(seconds)
                if seconds <= 0:
                    return self.clock()
                self._sleep(stop, seconds)
                # A pause that started in the meantime voids this slot; the next one is behind the pause.
                if not stop.is_set() and self.pacer.pause_remaining() <= 0:
                    return self.clock()
            return None
        finally:
            self._acquire_lock.release()

    def on_success(self) -> None:
        """Raise the rate in proportion to the time since the last success, or since the end of the pause."""
        with self._rate_lock:
            now = self.clock()
            seconds = max(0.0, min(now - self._last_increase_at, _STEADY_GAP_SLOTS / self._rate))
            self._rate = min(self.ceiling, self._rate + self.ceiling / RECOVERY_SECONDS * seconds)
            self._last_increase_at = max(self._last_increase_at, now)

    def pause(self, seconds: float) -> None:
        """Pause the token for the seconds of a `Retry-After`; the rate does not change."""
        seconds = min(seconds, MAX_PAUSE_SECONDS)
        self.pacer.pause(seconds)
        with self._rate_lock:
            paused_until = self.clock() + seconds
            is_extension = paused_until > self._paused_until + 1  # the responses to requests in flight repeat it
            self._paused_until = max(self._paused_until, paused_until)
        if is_extension:
            log.warning("Asana requested a pause (Retry-After): no request is sent for %.0f s", seconds)

    def on_rate_limited(self, sent_at: float, retry_after: float | None) -> None:
        """Halve the rate after a 429, and pause the token for `retry_after` seconds, if given.

        Requests that were in flight when the rate was cut belong to the same congestion and do not cut it again.

        Args:
            sent_at: When the rejected request was sent, by `clock`.
            retry_after: Seconds to pause according to Asana.
        """
        retry_after = min(retry_after or 0.0, MAX_PAUSE_SECONDS)
        if retry_after:
            self.pacer.pause(retry_after)
        with self._rate_lock:
            if sent_at <= self._last_cut_at:
                return
            self._last_cut_at = self.clock()
            self._last_increase_at = self._last_cut_at + retry_after
            self._rate = max(self._rate / 2, self.ceiling * MIN_RATE_FRACTION)
            log.warning(
                "Asana returned 429: pausing for %.0f s, then continuing at %.2f requests/s",
                retry_after,
                self._rate,
            )

    def _sleep(self, stop: threading.Event, seconds: float) -> None:
        until = self.clock() + seconds
        while (remaining := until - self.clock()) > 0:
            if self.sleep(stop, min(remaining, _POLL_SECONDS)):
                return
