"""Counters of requests."""

import threading
from dataclasses import dataclass, field


@dataclass(slots=True)
class RequestStats:
    """Counters for a piece of work, shared by its threads.

    Attributes:
        requests: Requests sent, including failed ones.
        retries: The part of `requests` that repeated a failed request.
        throttle_wait_seconds: Time spent waiting for request slots, summed over threads.
        deprecation_notices: API changes that Asana announced in response headers.
        search_failure: Why a search for changes failed, so that it did not find all; "" if none did.
    """

    requests: int = 0
    retries: int = 0
    throttle_wait_seconds: float = 0.0
    deprecation_notices: set[str] = field(default_factory=set[str])
    search_failure: str = ""
    _lock: threading.Lock = field(default_factory=threading.Lock, repr=False)

    def record_request(self, *, is_retry: bool, throttle_wait_seconds: float) -> None:
        with self._lock:
            self.requests += 1
            self.retries += is_retry
            self.throttle_wait_seconds += throttle_wait_seconds

    def add(self, other: "RequestStats") -> None:
        """Add the counters of another piece of work."""
        with self._lock:
            self.requests += other.requests
            self.retries += other.retries
            self.throttle_wait_seconds += other.throttle_wait_seconds
            self.deprecation_notices.update(other.deprecation_notices)
            self.search_failure = self.search_failure or other.search_failure

    def record_deprecations(self, notices: list[str]) -> None:
        if not self.deprecation_notices.issuperset(notices):
            with self._lock:
                self.deprecation_notices.update(notices)
