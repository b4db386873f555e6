"""The report of `asana-assets plan`: requests and duration of the next sync, for the terminal.

Words only: the figures come from `sync.estimate`. Writes no table and registers no partition.
"""

import datetime as dt
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from threading import Event
from typing import TypeAlias

import dagster as dg
import pyarrow as pa
import pyarrow.compute as pc
from rich.console import RenderableType
from rich.markup import escape
from rich.table import Table

from asana_assets.asana.client import RequestStats
from asana_assets.asana.endpoints import WORKSPACES
from asana_assets.asana.model import GID, Endpoint
from asana_assets.defs.assets import choose_workspaces
from asana_assets.defs.failures import dagster_failures
from asana_assets.defs.resources import AsanaResource, LakeResource
from asana_assets.sync.estimate import SyncEstimate, SyncEstimator
from asana_assets.sync.gids import to_gid_list
from asana_assets.sync.parents import listing_request
from asana_assets.sync.rows import FetchedPage, RowBuilder

InterruptedSync: TypeAlias = tuple[dt.datetime, Sequence[str]]
"""The start (UTC) of an interrupted sync and the names of the assets that it completed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class EstimateReport:
    """The report of the next sync's cost.

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

    def render(self, workspace_gids: Sequence[str]) -> Iterator[RenderableType]:
        """Yield a table and a note for each of these workspaces, or for all if none is given; then the total.

        Raises:
            Failure: The estimate cannot be computed; its description gives the reason.
        """
        stats = RequestStats()
        with dagster_failures(endpoint=WORKSPACES.name, workspace_gid=""):
            workspaces = self._fetch_workspaces(stats)
        available = to_gid_list(workspaces[GID.name])
        unknown = [gid for gid in workspace_gids if gid not in available]
        if unknown:
            raise dg.Failure(f"--workspace names {', '.join(unknown)}, which this token cannot see")
        requests = sent = stats.requests
        for gid in workspace_gids or available:
            workspace = workspaces.filter(pc.equal(workspaces[GID.name], pa.scalar(gid)))
            interrupted, estimate = self._estimate(gid, workspace)
            requests += estimate.requests
            sent += estimate.request_stats.requests
            yield self._table(f"\nWorkspace {gid}: {escape(str(workspace['name'][0]))}", estimate)
            yield accuracy_note(estimate)
            if interrupted:
                started_at, completed = interrupted
                yield (
                    f"Resumes the sync that was started at {started_at:%Y-%m-%d %H:%M} UTC and completed "
                    f"{', '.join(completed) or 'no asset'}."
                )
        yield (
            f"\nTotal, including the list of workspaces: {requests:,} requests, {self._duration(requests)} at "
            f"{self.asana.requests_per_second:g} requests/s. This estimate took {sent:,}."
        )

    def _estimate(self, gid: str, workspace: pa.Table) -> tuple[InterruptedSync | None, SyncEstimate]:
        with dagster_failures(endpoint="plan", workspace_gid=gid):
            interrupted = self.interrupted_sync(gid)
            started_at, completed = interrupted or (dt.datetime.now(dt.UTC), ())
            estimator = SyncEstimator(
                workspace=workspace,
                workspace_endpoint=WORKSPACES,
                endpoints=[endpoint for endpoint in self.endpoints if endpoint.name not in completed],
                lake=self.lake,
                client=self.asana.client,
                search=self.asana.search,
                started_at=started_at,
                full_refresh=self.full_refresh,
                refresh_after_days=self.refresh_after_days,
            )
            return interrupted, estimator.estimate()

    def _fetch_workspaces(self, stats: RequestStats) -> pa.Table:
        request = listing_request(WORKSPACES.listings[0], "", "").api_request
        pages = self.asana.client.iter_pages(request, opt_fields=WORKSPACES.opt_fields, stats=stats, stop=Event())
        rows = RowBuilder(WORKSPACES).build([FetchedPage(page, "") for page in pages], None).batch
        return choose_workspaces(pa.Table.from_batches([rows]), self.asana.workspaces)

    def _table(self, title: str, estimate: SyncEstimate) -> Table:
        table = Table("asset", title=title, title_justify="left", title_style="bold", header_style="bold")
        for heading in ("parents", "stale", "requests", "time"):
            table.add_column(heading, justify="right")
        for cost in estimate.costs:
            figures = (f"{cost.parents:,}", f"{cost.stale:,}", f"{cost.requests:,}", self._duration(cost.requests))
            table.add_row(cost.endpoint.name, *figures)
        table.add_section()
        table.add_row("total", "", "", f"{estimate.requests:,}", self._duration(estimate.requests))
        return table

    def _duration(self, requests: int) -> str:
        """Format how long requests take at the configured rate."""
        seconds = requests / self.asana.requests_per_second
        minutes = round(seconds / 60)
        if seconds < 60:  # noqa: PLR2004 - a minute
            return f"{seconds:.0f} s"
        return f"{minutes} min" if minutes < 60 else f"{minutes // 60} h {minutes % 60} min"  # noqa: PLR2004 - an hour


def accuracy_note(estimate: SyncEstimate) -> str:
    """Describe how accurate an estimate is, in one sentence."""
    accuracy = estimate.accuracy
    limits: list[str] = []
    if accuracy.truncated:
        counts = (f"{rows:,} {name}" for name, rows in accuracy.truncated.items())
        limits.append(f"there are more than {_enumerate(counts)}")
    if accuracy.never_synced:
        limits.append("assets that were never synced may need more, for deeper levels and for lists of more than 100")
    if accuracy.search_unavailable:
        limits.append(
            "changes since the last sync are unknown, because search, which is for paid plans, is unavailable"
        )
    if accuracy.search_truncated:
        names = _enumerate(accuracy.search_truncated)
        limits.append(f"more {names} changed since the last sync than this estimate fetched")
    samples = [f"{one.sampled:,} of {one.population:,} {name}" for name, one in accuracy.sampled.items()]
    if accuracy.never_synced or samples:
        margins = [f"{one.rows:,} {name}, likely within {one.relative:.0%}" for name, one in accuracy.margins.items()]
        basis = ": ".join([f"Estimated from {_enumerate(samples or ['first pages'])}", *margins])
        return f"{'; '.join([basis, *limits])}."
    if limits:
        return f"At least this many requests: {'; '.join(limits)}."
    searched = [cost.endpoint.name for cost in estimate.costs if cost.endpoint.search]
    if searched:
        return (
            "Exact, as far as search finds the changes since the last sync; each deleted record of "
            f"{_enumerate(searched)} takes one more request."
        )
    return "Exact, if nothing changes before the sync."


def _enumerate(words: Iterable[str]) -> str:
    """Join words as in "one, two and three"."""
    *others, last = words
    return f"{', '.join(others)} and {last}" if others else last
