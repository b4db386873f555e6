"""When failures of single parents are a failure of the whole endpoint. Pure decisions.

A parent that cannot be fetched keeps its stored rows, and the others are stored. But if a permission is missing, or
Asana is down, every parent fails in the same way; fetching them all would cost a request each and store nothing.
"""

from collections import Counter
from dataclasses import dataclass, field
from typing import Final

from asana_assets.asana.errors import AsanaError
from asana_assets.sync.fetcher import Outcome

MAX_UNIFORM_REFUSALS: Final = 24
"""Refusals (403, 404) without any success after which a listing is considered refused as a whole."""

MAX_CONSECUTIVE_FAILURES: Final = 10
"""Failures in a row, with requests left to send, after which Asana is considered unavailable."""

_MIN_SKIPPED = 3  # fewer skipped parents never fail the endpoint

_SUCCESSES = (Outcome.FETCHED, Outcome.TRUNCATED)


class SystematicFailureError(AsanaError):
    """Nearly all parents of a listing failed; the cause is the last one's error."""


@dataclass(slots=True)
class OutcomeTally:
    """The outcomes of one listing so far.

    Attributes:
        outcomes: The number of parents by outcome.
        deferred: The first outcomes of the parents that are requested a second time.
        consecutive_failures: Failures since the last success.
        last_error: The error of the last parent that was refused or failed.
    """

    outcomes: Counter[Outcome] = field(default_factory=Counter[Outcome])
    deferred: Counter[Outcome] = field(default_factory=Counter[Outcome])
    consecutive_failures: int = 0
    last_error: AsanaError | None = None

    def add(self, outcome: Outcome, error: AsanaError | None) -> None:
        """Count an outcome."""
        self.outcomes[outcome] += 1
        self.consecutive_failures = self.consecutive_failures + 1 if outcome is Outcome.FAILED else 0
        self.last_error = error or self.last_error

    @property
    def successes(self) -> int:
        """The number of parents whose response is usable."""
        return sum(self.outcomes[outcome] for outcome in _SUCCESSES)

    @property
    def refusals(self) -> int:
        """The number of parents that were refused (403) or not found, even if only by their first response."""
        not_found = max(self.outcomes[Outcome.DELETED], self.deferred[Outcome.DELETED])
        return self.outcomes[Outcome.FORBIDDEN] + not_found

    @property
    def only_refusals(self) -> bool:
        """Whether no response was usable, not even the first one of a parent."""
        return not self.successes and not self.deferred[Outcome.FETCHED]

    @property
    def skipped(self) -> int:
        """The number of parents that were refused or failed."""
        return self.outcomes[Outcome.FORBIDDEN] + self.outcomes[Outcome.FAILED]


def decide_to_stop(tally: OutcomeTally, *, requests_left: bool) -> bool:
    """Return whether to stop fetching a listing: all refused so far, or Asana is unavailable.

    Without requests left, consecutive failures prove nothing: retries make broken parents end last.
    """
    confirmed = tally.outcomes[Outcome.FORBIDDEN] + tally.outcomes[Outcome.DELETED]
    all_refused = confirmed > 0 and tally.only_refusals and tally.refusals >= MAX_UNIFORM_REFUSALS
    return all_refused or (requests_left and tally.consecutive_failures >= MAX_CONSECUTIVE_FAILURES)


def decide_to_confirm(tally: OutcomeTally) -> bool:
    """Return whether to send a second request at once: so many parents were not found that no other may exist either.

    Second requests are sent after all others. If every parent is refused, that would be one request for each.
    """
    return tally.only_refusals and tally.refusals == MAX_UNIFORM_REFUSALS


def decide_to_fail(tally: OutcomeTally, *, unchanged: int) -> bool:
    """Return whether a listing whose parents were all tried has failed as a whole.

    Args:
        tally: The outcomes of the parents that were fetched.
        unchanged: Parents that needed no fetch; their rows are up to date.
    """
    if tally.skipped < _MIN_SKIPPED:
        return False
    nothing_fetched = tally.successes + tally.outcomes[Outcome.DELETED] + unchanged == 0
    most_failed = tally.outcomes[Outcome.FAILED] > (sum(tally.outcomes.values()) + unchanged) / 2
    return nothing_fetched or most_failed


def systematic_failure(tally: OutcomeTally) -> SystematicFailureError:
    """Build the error for a listing that has failed as a whole."""
    error = SystematicFailureError(
        f"{tally.last_error}; {tally.skipped + tally.outcomes[Outcome.DELETED]:,} of "
        f"{sum(tally.outcomes.values()):,} parents that were tried were refused or failed"
    )
    error.__cause__ = tally.last_error
    return error
