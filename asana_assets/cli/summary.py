"""The result of a sync: a table of what was materialized, and a message for each failure."""

from collections.abc import Sequence
from dataclasses import dataclass

import dagster as dg
from dagster_shared.error import SerializableErrorInfo
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


def summarize(result: dg.ExecuteInProcessResult, workspace_gid: str) -> tuple[list[SummaryLine], list[str]]:
    """Return a line for each materialization of a run and a message for each failed step."""
    seconds = {
        event.step_key: event.step_success_data.duration_ms / 1000
        for event in result.filter_events(lambda event: event.is_step_success)
    }
    lines: list[SummaryLine] = []
    for event in result.get_asset_materialization_events():
        metadata = event.materialization.metadata
        lines.append(
            SummaryLine(
                asset=event.materialization.asset_key.path[-1],
                workspace_gid=workspace_gid,
                rows=int(str(metadata["rows"].value)),
                requests=int(str(metadata["requests"].value)),
                saved=int(str(metadata["requests_saved"].value)),
                seconds=seconds.get(event.step_key, 0.0),
            )
        )
    errors: list[str] = []
    for event in result.filter_events(lambda event: event.is_step_failure):
        failure = event.step_failure_data
        description = failure.user_failure_data and failure.user_failure_data.description
        errors.append(description or f"{event.step_key}: {_root_cause(failure.error)}")
    if not result.success and not errors:
        errors.append("the run failed outside of its steps; set DAGSTER_HOME and inspect the run in the Dagster UI")
    return lines, errors


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


def _root_cause(error: SerializableErrorInfo | None) -> str:
    """Describe an unexpected error by its root cause."""
    while error and error.cause:
        error = error.cause
    if error is None or error.cls_name == dg.DagsterExecutionInterruptedError.__name__:
        return "stopped"
    return f"{error.cls_name}: {error.message.strip().splitlines()[-1]}"
