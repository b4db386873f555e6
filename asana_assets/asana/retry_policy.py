"""Limits on retries, and the waits between them."""

import random
from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class RetryPolicy:
    """Limits on the retries of one request.

    The backoff is exponential (1, 2, 4, … seconds) with full jitter, so that threads do not retry in lockstep. A wait
    that `Retry-After` demands counts towards the seconds, not the attempts.

    Attributes:
        max_attempts: Maximum number of attempts.
        attempts_before_first_response: Maximum number of attempts until the client has received its first response;
            without any response, a wrong setting is likely.
        budget_seconds: Time from the first failure until the request is given up.
        max_backoff_seconds: Maximum backoff between two attempts.
    """

    max_attempts: int = 8
    attempts_before_first_response: int = 3
    budget_seconds: float = 900.0
    max_backoff_seconds: float = 60.0

    def backoff(self, failures: int) -> float:
        """Return the seconds to wait after this number of failures, at least 1."""
        return random.uniform(0, min(self.max_backoff_seconds, 2.0 ** (failures - 1)))  # noqa: S311 - jitter, not a secret
