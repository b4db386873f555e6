"""The statistics of an extract, and what they decide: whether it is hopeless, has failed, or is not on the plan."""

import datetime as dt
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field

from asana_assets.asana.client import RequestStats
from asana_assets.asana.errors import ForbiddenError
from asana_assets.asana.model import UNMAPPED
from asana_assets.sync.failure_policy import (
    OutcomeTally,
    decide_to_confirm,
    decide_to_fail,
    decide_to_stop,
    systematic_failure,
)
from asana_assets.sync.fetcher import FetchEvent, Outcome
from asana_assets.sync.plan_limit import decide_not_on_plan
from asana_assets.sync.rows import BuiltRows
from asana_assets.sync.values import count_values
from asana_assets.sync.write_totals import WriteTotals


@dataclass(slots=True)
class ExtractStats:
    """The statistics of an extract, updated while it runs.

    Attributes:
        tries_alone: Whether no second request is sent before one has succeeded, see `decide_to_try_alone`.
        parents: All parents; grows while fetched rows turn out to be parents themselves.
        parents_stale: Parents to fetch.
        parents_fetched: Parents whose fetch ended, whatever the outcome.
        resumed: Parents that an earlier run of the same sync fetched.
        rows: Fetched rows; one that was listed twice counts twice.
        values: Their values by column; see `values.count_values`.
        forbidden: Gids of the parents that are not accessible (403). Their stored rows are kept.
        failed: Parents that cannot be fetched for another reason, by gid with that reason. Their stored rows are kept.
        truncated: Gids of the parents whose listing ended early. None of their stored rows is deleted.
        deleted: Parents that no longer exist (404). Their rows are deleted.
        not_on_plan: Whether the workspace's plan, or the kind of token, does not include the endpoint.
        refused_to_users: Asana's refusal, if it lists the endpoint for service accounts only; otherwise "".
        missing_upstream: Optional upstream endpoints without rows, so that what they list is missing.
        unmapped: Rows with a value that did not fit its column.
        records_skipped: Records that were not stored because they have no gid or are not objects.
        texts_repaired: Texts with characters replaced because they were not valid Unicode.
        search_failure: Why the search for changes did not find all of them; "" if it did, or the plan has no search.
        carried_over: Stored rows that a full extract kept without fetching them.
        excluded: Stored rows that it does not keep, because a row filter excludes them.
        missed_period: The period whose records Asana deleted before they were fetched; None without any.
        tallies: The outcomes by path of the listing.
        request_stats: The cost in requests.
        written: What the IO manager stored; zeros until it has.
        on_progress: Called after each update, by the thread that consumes the extract.
    """

    tries_alone: bool = False
    parents: int = 0
    parents_stale: int = 0
    parents_fetched: int = 0
    resumed: int = 0
    rows: int = 0
    values: Counter[str] = field(default_factory=Counter[str])
    forbidden: list[str] = field(default_factory=list[str])
    failed: dict[str, str] = field(default_factory=dict[str, str])
    truncated: list[str] = field(default_factory=list[str])
    deleted: int = 0
    not_on_plan: bool = False
    refused_to_users: str = ""
    missing_upstream: list[str] = field(default_factory=list[str])
    unmapped: int = 0
    records_skipped: int = 0
    texts_repaired: int = 0
    search_failure: str = ""
    carried_over: int = 0
    excluded: int = 0
    missed_period: tuple[dt.datetime, dt.datetime] | None = None
    tallies: dict[str, OutcomeTally] = field(default_factory=dict[str, OutcomeTally])
    request_stats: RequestStats = field(default_factory=RequestStats)
    written: WriteTotals = field(default_factory=WriteTotals)
    on_progress: Callable[[], None] = lambda: None

    def add_rows(self, built: BuiltRows) -> None:
        """Count fetched rows."""
        batch = built.batch
        self.records_skipped += built.records_skipped
        self.texts_repaired += built.texts_repaired
        self.rows += batch.num_rows
        self.values.update(count_values(batch))
        self.unmapped += batch.num_rows - batch[UNMAPPED.name].null_count
        self.on_progress()

    @property
    def skipped(self) -> list[str]:
        """Gids of the parents whose stored rows are kept because they were refused or failed."""
        return [*self.forbidden, *self.failed]

    def record_outcome(self, event: FetchEvent) -> None:
        """Record the outcome of fetching one parent."""
        outcome = event.outcome
        if outcome is None:
            return
        self.parents_fetched += 1
        self.tallies.setdefault(event.request.listing.path, OutcomeTally()).add(outcome, event.error)
        self.deleted += outcome is Outcome.DELETED
        if outcome is Outcome.NOT_ON_PLAN:
            self.not_on_plan = True
            self.refused_to_users = str(event.error) if isinstance(event.error, ForbiddenError) else ""
        self.record_skipped(event)
        self.on_progress()

    def defer(self, event: FetchEvent) -> bool:
        """Count the outcome of a parent's first response; return whether its second request must be sent at once."""
        tally = self.tallies.setdefault(event.request.listing.path, OutcomeTally())
        if event.outcome is not None:
            tally.deferred[event.outcome] += 1
        return event.outcome is Outcome.DELETED and decide_to_confirm(tally)

    def record_skipped(self, event: FetchEvent) -> None:
        """Record a parent whose stored rows are kept, if the outcome is a refusal, a failure or an early end."""
        gid = event.request.parent_gid
        match event.outcome:
            case Outcome.FORBIDDEN:
                self.forbidden.append(gid)
            case Outcome.FAILED:
                self.failed[gid] = str(event.error)
            case Outcome.TRUNCATED:
                self.truncated.append(gid)
            case _:
                pass

    def is_not_on_plan(self, *, ended: bool = False) -> bool:
        """Return whether the outcomes show that the plan does not include the endpoint, so that no more are needed.

        With `ended`, all outcomes are known, and it is enough that every parent was rejected.
        """
        all_tried = ended and self.parents_fetched == self.parents
        tried_alone = self.tries_alone or all_tried
        return self.not_on_plan and decide_not_on_plan(self.tallies.values(), tried_alone=tried_alone)

    def raise_if_hopeless(self, *, requests_left: bool) -> None:
        """Raise if the outcomes so far show that fetching further parents is pointless.

        Raises:
            SystematicFailureError: A listing fails as a whole.
        """
        for tally in self.tallies.values():
            if decide_to_stop(tally, requests_left=requests_left):
                raise systematic_failure(tally)

    def raise_if_failed(self) -> None:
        """Raise if most parents failed, after all of them were tried.

        Raises:
            SystematicFailureError: A listing failed as a whole.
        """
        unchanged = self.parents - self.parents_stale
        for tally in self.tallies.values():
            if decide_to_fail(tally, unchanged=unchanged):
                raise systematic_failure(tally)
