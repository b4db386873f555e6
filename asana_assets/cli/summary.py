"""The figures of a sync: a table of what was materialized."""

from collections.abc import Sequence
from dataclasses import dataclass

from rich.table import Table


@dataclass(frozen=True, slots=True)
class SummaryLine:
    """One materialization.

    Attributes:
        asset: The asset's name.
        workspace_gid: The partition; empty for `workspaces`.
        rows: The rows stored in the partition.
        requests: The requests sent.
        saved: The requests not sent, because a parent was unchanged.
        seconds: The duration of the step.
    """

    asset: str
    workspace_gid: str
    rows: int
    requests: int
    saved: int
    seconds: float


def summary_table(lines: Sequence[SummaryLine]) -> Table:
    """Build the table that `sync` prints: one row per materialization, then the totals."""
    table = Table("asset", "workspace", header_style="bold")
    for heading in ("rows", "requests", "saved", "seconds"):
        table.add_column(heading, justify="right")
    for line in lines:
        figures = (f"{line.rows:,}", f"{line.requests:,}", f"{line.saved:,}", f"{line.seconds:.1f}")
        table.add_row(line.asset, line.workspace_gid, *figures)
    table.add_section()
    table.add_row(
        "total",
        "",
        f"{sum(line.rows for line in lines):,}",
        f"{sum(line.requests for line in lines):,}",
        f"{sum(line.saved for line in lines):,}",
        f"{sum(line.seconds for line in lines):.1f}",
    )
    return table
