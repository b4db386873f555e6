"""What one token may do: requests per rolling minute, and requests in flight. The clock is an argument.

Requests that are refused count like those that are answered, as the documentation says.
"""

from __future__ import annotations

import math
from collections import deque

_ROUNDING = 1e-6  # seconds; adding floats loses less


class Window:
    """A rolling window of at most `limit` requests (None: any number) within `seconds`."""

    def __init__(self, limit: int | None, seconds: float = 60) -> None:
        self.limit = limit
        self.seconds = seconds
        self._received: deque[float] = deque()
        self._lowered: tuple[int, float] | None = None

    def lower(self, limit: int, until: float) -> None:
        """Another limit up to an instant of the clock that `admit` is given."""
        self._lowered = (limit, until)

    def admit(self, now: float) -> float:
        """Seconds until a further request would be admitted, counting this one; 0 if this one is."""
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
    """Whole seconds, such that waiting them suffices."""
    return max(1, math.ceil(seconds + _ROUNDING))
