"""Pacers, which hand out the request slots of a token.

A slot is the time at which one request may be sent; slots are evenly spaced, and a pause moves the following ones back.
The rate that decides their spacing belongs to `throttle`.
"""

import threading
import time
from collections.abc import Callable
from typing import Protocol

SLOT_GRACE_SECONDS = 0.05
"""How far in the past the next slot may lie and still be used.

On a busy host a process is often some hundredths of a second late to reserve; at 25 requests/s each delay would cost a
slot. A caller that is later than this was idle, and idle time is not saved up. Within any minute the grace adds at most
as many requests as fit in its own length; a ceiling of 99 % of Asana's limit has room for those of 0.6 seconds.
"""


class Pacer(Protocol):
    """Hands out the request slots of one token to everything that uses the token."""

    def reserve(self, interval_seconds: float) -> float:
        """Reserve the next free slot and return the seconds until it starts; the one after it is an interval later."""
        ...

    def pause(self, seconds: float) -> None:
        """Delay all slots until `seconds` from now; a longer pause remains in effect."""
        ...

    def pause_remaining(self) -> float:
        """Return the seconds until the pause ends, 0 without a pause."""
        ...

    def close(self) -> None:
        """Release connections; a later use opens them again."""
        ...


class LocalPacer:
    """A pacer for one process."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._next_slot_at = self._paused_until = float("-inf")

    def reserve(self, interval_seconds: float) -> float:
        with self._lock:
            now = self._clock()
            free_at = self._next_slot_at if self._next_slot_at > now - SLOT_GRACE_SECONDS else now
            slot_at = max(free_at, self._paused_until)
            self._next_slot_at = slot_at + interval_seconds
            return max(0.0, slot_at - now)

    def pause(self, seconds: float) -> None:
        with self._lock:
            self._paused_until = max(self._paused_until, self._clock() + seconds)

    def pause_remaining(self) -> float:
        return max(0.0, self._paused_until - self._clock())

    def close(self) -> None:
        pass
