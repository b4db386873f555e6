"""The rate limit of one token: requests per rolling window. The clock is an argument.

As documented by Asana, rejected requests count towards the limit.
"""

from __future__ import annotations

import math
from collections import deque

_ROUNDING_SECONDS = 1e-6  # seconds; more than the rounding errors of adding floats


class Window:
    """A limit of `limit` requests within any `seconds`; None is unlimited."""

    def __init__(self, limit: int | None, seconds: float = 60) -> None:
        self.limit = limit
        self.seconds = seconds
        self._received: deque[float] = deque()
        self._lowered: tuple[int, float] | None = None

    def lower(self, limit: int, until: float) -> None:
        """Replace the limit until an instant on the clock that is passed to `admit`."""
        self._lowered = (limit, until)

    def admit(self, now: float) -> float:
        """Count a request and return 0 if it is admitted, otherwise the seconds until the next one would be."""
        limit = self.limit
        if self._lowered is not None:
            if now < self._lowered[1]:
                limit = self._lowered[0]
            else:
                self._lowered = None
        received = self._received
        while received and received[0] <= now - self.seconds:
            received.popleft()
        received.append(now)
        excess = len(received) - limit if limit is not None else 0
        if excess <= 0:
            return 0
        return received[excess] + self.seconds - now


def retry_after(seconds: float) -> int:
    """Round up to whole seconds, so that a request after that wait is admitted."""
    return max(1, math.ceil(seconds + _ROUNDING_SECONDS))
