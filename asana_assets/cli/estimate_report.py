"""The report of `asana-assets plan`: requests and duration of the next sync, for the terminal.

Words only: the figures come from `sync.estimate`. Writes no table and registers no partition.
"""

import datetime as dt
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from threading import Event
from typing import TypeAlias

import dagster as dg
import pyarrow as pa
import pyarrow.compute as pc
from rich.console import RenderableType
from rich.table import Table
from rich.text import Text

from asana_assets.asana.client import RequestStats
from asana_assets.asana.endpoints import WORKSPACES
from asana_assets.asana.model import GID, Endpoint
from asana_assets.cli.estimate_savings import Saving, find_savings
from asana_assets.cli.rates import PAID_RATE, SETTING, other_rate
from asana_assets.defs.assets import choose_workspaces
from asana_assets.defs.failures import dagster_failures
from asana_assets.defs.progress import enumerate_words, format_duration
from asana_assets.defs.resources import AsanaResource, LakeResource
from asana_assets.defs.workspace_names import find_workspaces, unknown_workspaces_message, workspace_names
from asana_assets.sync.estimate import SyncEstimate, SyncEstimator
from asana_assets.sync.parents import listing_request
from asana_assets.sync.row_filter import RowFilter
from asana_assets.sync.rows import FetchedPage, RowBuilder

InterruptedSync: TypeAlias = tuple[dt.datetime, Sequence[str]]
"""The start (UTC) of an interrupted sync and the names of the assets that it completed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class EstimateReport:
    """Estimates the next sync's cost.

    Attributes:
        asana: The initialized resource.
        lake: The tables that the last sync stored.
        endpoints: The endpoints to sync in each workspace, parents before children.
        interrupted_sync: Returns the interrupted sync of a workspace that the next one will resume, if there is one.
        full_refresh: Whether the sync fetches every parent, changed or not.
        refresh_after_days: The age at which an unchanged parent is stale; None for each endpoint's own, 0 for never.
    """

    asana: AsanaResource
    lake: LakeResource
    endpoints: Sequence[Endpoint]
    interrupted_sync: Callable[[str], InterruptedSync | None]
    full_refresh: bool = False
    refresh_after_days: float | None = None

    def estimate(
        self, workspaces: Sequence[str], on_estimate: Callable[["WorkspaceEstimate"], object] = lambda _: None
    ) -> "Estimates":
        """Estimate these workspaces, given by gid or name, or all if none is given.

        Each estimate is passed to `on_estimate` at once, as the next may take a minute.

        Raises:
            Failure: The estimate cannot be computed; its description gives the reason.
            ConfigurationError: Several workspaces have a given name.
        """
        stats = RequestStats()
        with dagster_failures(endpoint=WORKSPACES.name, workspace_gid=""):
            rows = self._fetch_workspaces(stats)
        names = workspace_names(rows)
        gids = find_workspaces(workspaces, names, "--workspace")
        unknown = [gid for gid in gids if gid not in names]
        if unknown:
            raise dg.Failure(unknown_workspaces_message(unknown, names, "--workspace"))
        found: list[WorkspaceEstimate] = []
        for gid in dict.fromkeys(gids or names):
            row = rows.filter(pc.equal(rows[GID.name], pa.scalar(gid)))
            others = [other for other in names if other != gid]
            found.append(self._estimate(gid, names[gid], row, others))
            on_estimate(found[-1])
        return Estimates(
            workspaces=found, listing_requests=stats.requests, requests_per_second=self.asana.requests_per_second
        )

    def _estimate(self, gid: str, name: str, workspace: pa.Table, others: Sequence[str]) -> "WorkspaceEstimate":
        with dagster_failures(endpoint="plan", workspace_gid=gid):
            interrupted = self.interrupted_sync(gid)
            started_at, completed = interrupted or (dt.datetime.now(dt.UTC), ())

            def estimate(filters: Mapping[str, RowFilter]) -> SyncEstimate:
                return SyncEstimator(
                    workspace=workspace,
                    workspace_endpoint=WORKSPACES,
                    endpoints=[endpoint for endpoint in self.endpoints if endpoint.name not in completed],
                    lake=self.lake,
                    client=self.asana.client,
                    search=self.asana.search,
                    started_at=started_at,
                    full_refresh=self.full_refresh,
                    refresh_after_days=self.refresh_after_days,
                    filters=filters,
                    other_workspaces=others,
                ).estimate()

            filters = self.asana.project_filter.by_endpoint
            return WorkspaceEstimate(
                gid=gid,
                name=name,
                interrupted_sync=interrupted,
                estimate=estimate(filters),
                unfiltered=estimate({}) if filters else None,
            )

    def _fetch_workspaces(self, stats: RequestStats) -> pa.Table:
        request = listing_request(WORKSPACES.listings[0], "", "").api_request
        endpoint = self.asana.column_choice.apply(WORKSPACES)
        pages = self.asana.client.iter_pages(request, opt_fields=endpoint.opt_fields, stats=stats, stop=Event())
        rows = RowBuilder(endpoint).build([FetchedPage(page, "") for page in pages], None).batch
        return choose_workspaces(pa.Table.from_batches([rows]), self.asana.workspaces)


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkspaceEstimate:
    """The estimate of one workspace.

    Attributes:
        gid: The workspace's gid.
        name: Its name.
        interrupted_sync: The sync that the next one resumes, if any.
        estimate: The figures.
        unfiltered: Those of a sync of all projects; None if no projects are chosen.
    """

    gid: str
    name: str
    interrupted_sync: InterruptedSync | None
    estimate: SyncEstimate
    unfiltered: SyncEstimate | None = None

    def render(self, requests_per_second: float) -> Iterator[RenderableType]:
        """Yield a table, a note on its accuracy and the sync that is resumed."""
        title = f"\n{self.name} ({self.gid})" if self.name else f"\n{self.gid}"
        table = Table("asset", title=Text(title, "bold"), title_justify="left", header_style="bold")
        for heading in ("parents", "stale", "requests", "time"):
            table.add_column(heading, justify="right")
        for cost in self.estimate.costs:
            duration = format_duration(cost.requests / requests_per_second)
            table.add_row(cost.endpoint.name, f"{cost.parents:,}", f"{cost.stale:,}", f"{cost.requests:,}", duration)
        table.add_section()
        requests = self.estimate.requests
        table.add_row("total", "", "", f"{requests:,}", format_duration(requests / requests_per_second))
        yield table
        yield accuracy_note(self.estimate)
        if self.unfiltered:
            duration = format_duration(self.unfiltered.requests / requests_per_second)
            yield f"With all projects instead of the chosen ones: {self.unfiltered.requests:,} requests, {duration}."
        if self.interrupted_sync:
            started_at, completed = self.interrupted_sync
            yield (
                f"Resumes the sync that was started at {started_at:%Y-%m-%d %H:%M} UTC and completed "
                f"{', '.join(completed) or 'no asset'}."
            )

    def document(self) -> dict[str, object]:
        """Return the estimate as a JSON object."""
        assets = [
            {
                "asset": cost.endpoint.name,
                "parents": cost.parents,
                "parents_stale": cost.stale,
                "requests": cost.requests,
            }
            for cost in self.estimate.costs
        ]
        return {
            "gid": self.gid,
            "name": self.name,
            "assets": assets,
            "requests": self.estimate.requests,
            "requests_of_all_projects": self.unfiltered.requests if self.unfiltered else None,
            "accuracy": accuracy_note(self.estimate),
            "resumes": None if self.interrupted_sync is None else self.interrupted_sync[0].isoformat(),
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Estimates:
    """The estimates of all workspaces.

    Attributes:
        workspaces: One per workspace.
        listing_requests: The requests for the list of workspaces, which the sync sends as well.
        requests_per_second: The configured rate.
    """

    workspaces: Sequence[WorkspaceEstimate]
    listing_requests: int
    requests_per_second: float

    @property
    def requests(self) -> int:
        """The estimated requests of the sync."""
        return self.listing_requests + sum(one.estimate.requests for one in self.workspaces)

    @property
    def sent(self) -> int:
        """The requests that the estimate took."""
        estimates = [done for one in self.workspaces for done in (one.estimate, one.unfiltered) if done]
        return self.listing_requests + sum(estimate.request_stats.requests for estimate in estimates)

    @property
    def allowed_rate(self) -> float | None:
        """The rate that the plan allows, if it is well above the configured one and as far as it is known."""
        free = all(one.estimate.accuracy.search_unavailable for one in self.workspaces)
        return other_rate(self.requests_per_second, may_be_paid=not free)

    @property
    def savings(self) -> list[Saving]:
        """What other choices of endpoints would save."""
        return find_savings([cost for one in self.workspaces for cost in one.estimate.costs])

    def describe_total(self) -> str:
        """Return the total, how long it takes at the configured rate and at the allowed one, and what would save."""
        duration = format_duration(self.requests / self.requests_per_second)
        faster = ""
        if self.allowed_rate:
            plan = "paid" if self.allowed_rate == PAID_RATE else "free"
            fast = format_duration(self.requests / self.allowed_rate)
            faster = f"; {fast} with {SETTING}={self.allowed_rate:g}, which {plan} plans allow"
        savings = f" ASANA_ENDPOINTS can save {enumerate_words(map(str, self.savings))}." if self.savings else ""
        return (
            f"\nTotal, including the list of workspaces: {self.requests:,} requests, {duration} at "
            f"{self.requests_per_second:g} requests/s{faster}.{savings} This estimate took {self.sent:,}."
        )

    def document(self) -> dict[str, object]:
        """Return the estimates as a JSON object."""
        return {
            "workspaces": [one.document() for one in self.workspaces],
            "requests": self.requests,
            "requests_per_second": self.requests_per_second,
            "seconds": round(self.requests / self.requests_per_second),
            "allowed_requests_per_second": self.allowed_rate,
            "requests_sent": self.sent,
            "savings": [{"choice": one.choice, "requests": one.requests} for one in self.savings],
        }


def accuracy_note(estimate: SyncEstimate) -> str:
    """Describe how accurate an estimate is, in one sentence."""
    accuracy = estimate.accuracy
    limits: list[str] = []
    if accuracy.truncated:
        counts = (f"{rows:,} {name}" for name, rows in accuracy.truncated.items())
        limits.append(f"there are more than {enumerate_words(counts)}")
    if accuracy.never_synced:
        limits.append("assets that were never synced may need more, for deeper levels and for lists of more than 100")
    if accuracy.search_unavailable:
        limits.append(
            "changes since the last sync are unknown, because search, which is for paid plans, is unavailable"
        )
    if accuracy.search_truncated:
        names = enumerate_words(accuracy.search_truncated)
        limits.append(f"more {names} changed since the last sync than this estimate fetched")
    samples = [f"{one.sampled:,} of {one.population:,} {name}" for name, one in accuracy.sampled.items()]
    if accuracy.never_synced or samples:
        margins = [f"{one.rows:,} {name}, likely within {one.relative:.0%}" for name, one in accuracy.margins.items()]
        basis = ": ".join([f"Estimated from {enumerate_words(samples or ['first pages'])}", *margins])
        return f"{'; '.join([basis, *limits])}."
    if limits:
        return f"At least this many requests: {'; '.join(limits)}."
    searched = [cost.endpoint.name for cost in estimate.costs if cost.endpoint.search]
    if searched:
        return (
            "Exact, as far as search finds the changes since the last sync; each deleted record of "
            f"{enumerate_words(searched)} takes one more request."
        )
    return "Exact, if nothing changes before the sync."
