"""The difference between Asana's clock and the local one, from the `Date` headers of responses."""

import datetime as dt
import threading
from collections import deque
from email.utils import parsedate_to_datetime
from statistics import median_low
from typing import Final

ACCURACY: Final = dt.timedelta(seconds=1)
"""How much the estimate differs from the real skew, if responses take less than a second."""

_SAMPLES: Final = 31
_SAMPLES_FOR_MEDIAN: Final = 3  # fewer cannot outvote an absurd value
_PLAUSIBLE_SKEW: Final = dt.timedelta(days=1)
_HALF_A_SECOND: Final = dt.timedelta(seconds=0.5)  # `Date` is truncated to seconds


class ServerClock:
    """A running estimate of the clock skew. Thread-safe."""

    def __init__(self) -> None:
        self._samples: deque[dt.timedelta] = deque(maxlen=_SAMPLES)
        self._lock = threading.Lock()

    @property
    def skew(self) -> dt.timedelta:
        """Server time minus local time; zero until it is known.

        The median of the latest responses: a single absurd date, such as that of a cached response, has no effect.
        """
        with self._lock:
            samples = list(self._samples)
        if len(samples) < _SAMPLES_FOR_MEDIAN:
            plausible = [sample for sample in samples if abs(sample) < _PLAUSIBLE_SKEW]
            return min(plausible, key=abs, default=dt.timedelta())
        return median_low(samples)

    def record(self, date_header: str | None, *, sent_at: dt.datetime, received_at: dt.datetime) -> None:
        """Record the `Date` header of a response; a missing or invalid one is ignored.

        Args:
            date_header: Value of the header.
            sent_at: When the request was sent, by the local clock (UTC).
            received_at: When the response was received, by the local clock (UTC).
        """
        try:
            date = parsedate_to_datetime(date_header or "")
            sample = (
                date.replace(tzinfo=date.tzinfo or dt.UTC) + _HALF_A_SECOND - (sent_at + (received_at - sent_at) / 2)
            )
        except (ValueError, OverflowError):
            return
        with self._lock:
            self._samples.append(sample)
