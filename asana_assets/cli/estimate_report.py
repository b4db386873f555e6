"""The preview of a sync's cost: what the next one will ask for in each workspace, and how long that takes.

For who reads it at a terminal; the figures are those of `sync.plan`. No table is written and no partition registered.
"""

import datetime as dt
from collections.abc import Callable, Iterator, Sequence
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
from asana_assets.sync.parents import listing_request, to_gid_list
from asana_assets.sync.rows import FetchedPage, RowBuilder

InterruptedSync: TypeAlias = tuple[dt.datetime, Sequence[str]]
"""When an interrupted sync began (UTC), and the names of the assets that it finished."""


@dataclass(frozen=True, slots=True, kw_only=True)
class EstimateReport:
    """What is to be told of the next sync.

    Attributes:
        asana: Initialized.
        lake: The tables of the last sync.
        endpoints: What is to be synced in each workspace, in the order of the catalogue.
        unfinished: Gives the interrupted sync of a workspace that the next one will go on with, if there is one.
        full: Whether every parent is asked, changed or not.
        after_days: The age at which a parent is asked in any case; None for each endpoint's own, 0 for never.
    """

    asana: AsanaResource
    lake: LakeResource
    endpoints: Sequence[Endpoint]
    unfinished: Callable[[str], InterruptedSync | None]
    full_refresh: bool = False
    refresh_after_days: float | None = None

    def render(self, wanted: Sequence[str]) -> Iterator[RenderableType]:
        """Give what to print: of each wanted workspace, or of all, a table and a sentence; then the total.

        Raises:
            Failure: it cannot be told; its description says why.
        """
        usage = RequestStats()
        with dagster_failures(endpoint=WORKSPACES.name, workspace_gid=""):
            rows = self._workspaces(usage)
        known = to_gid_list(rows[GID.name])
        unknown = [gid for gid in wanted if gid not in known]
        if unknown:
            raise dg.Failure(f"--workspace names {', '.join(unknown)}, which this token cannot see")
        requests = sent = usage.requests
        for gid in wanted or known:
            workspace = rows.filter(pc.equal(rows[GID.name], pa.scalar(gid)))
            unfinished, plan = self._plan(gid, workspace)
            requests += plan.requests
            sent += plan.request_stats.requests
            yield self._table(f"\nWorkspace {gid}: {escape(str(workspace['name'][0]))}", plan)
            yield plan.confidence_note
            if unfinished:
                began, done = unfinished
                yield (
                    f"It goes on with the sync that began at {began:%Y-%m-%d %H:%M} UTC and has finished "
                    f"{', '.join(done) or 'nothing'}."
                )
        yield (
            f"\nIn all, with the list of workspaces: {requests:,} requests, {self._time(requests)} at "
            f"{self.asana.requests_per_second:g} requests/s. To tell this took {sent:,}."
        )

    def _plan(self, gid: str, workspace: pa.Table) -> tuple[InterruptedSync | None, SyncEstimate]:
        with dagster_failures(endpoint="plan", workspace_gid=gid):
            unfinished = self.unfinished(gid)
            began, done = unfinished or (dt.datetime.now(dt.UTC), ())
            planner = SyncEstimator(
                workspace=workspace,
                workspace_endpoint=WORKSPACES,
                endpoints=[endpoint for endpoint in self.endpoints if endpoint.name not in done],
                lake=self.lake,
                client=self.asana.client,
                search=self.asana.search,
                started_at=began,
                full_refresh=self.full_refresh,
                refresh_after_days=self.refresh_after_days,
            )
            return unfinished, planner.estimate()

    def _workspaces(self, usage: RequestStats) -> pa.Table:
        request = listing_request(WORKSPACES.listings[0], "", "").api_request
        pages = self.asana.client.iter_pages(request, opt_fields=WORKSPACES.opt_fields, stats=usage, stop=Event())
        found = RowBuilder(WORKSPACES).build([FetchedPage(page, "") for page in pages], None)
        return choose_workspaces(pa.Table.from_batches([found]), self.asana.workspaces)

    def _table(self, title: str, plan: SyncEstimate) -> Table:
        table = Table("asset", title=title, title_justify="left", title_style="bold", header_style="bold")
        for heading in ("parents", "due", "requests", "time"):
            table.add_column(heading, justify="right")
        for cost in plan.costs:
            figures = (f"{cost.parents:,}", f"{cost.stale:,}", f"{cost.requests:,}", self._time(cost.requests))
            table.add_row(cost.endpoint.name, *figures)
        table.add_section()
        table.add_row("total", "", "", f"{plan.requests:,}", self._time(plan.requests))
        return table

    def _time(self, requests: int) -> str:
        """Say how long so many requests take at the configured rate."""
        seconds = requests / self.asana.requests_per_second
        minutes = round(seconds / 60)
        if seconds < 60:  # noqa: PLR2004 # a minute
            return f"{seconds:.0f} s"
        return f"{minutes} min" if minutes < 60 else f"{minutes // 60} h {minutes % 60} min"  # noqa: PLR2004 # an hour
