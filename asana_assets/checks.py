"""What every materialization says about its own completeness, as asset checks that warn.

Each is decided from the reading's report, so it costs nothing.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import dagster as dg

from asana_assets.asana.endpoint import Endpoint
from asana_assets.sync.reading import Report

_NAMED = 20
"""Parents that a check names; it counts all."""


@dataclass(frozen=True, slots=True)
class ReportCheck:
    """A check of the report; `complaint` gives what is wrong, or ""."""

    name: str
    description: str
    complaint: Callable[[Report], str]


def _skipped(report: Report) -> str:
    if not report.forbidden:
        return ""
    named = ", ".join(report.forbidden[:_NAMED])
    more = f" and {len(report.forbidden) - _NAMED} more" if len(report.forbidden) > _NAMED else ""
    return f"No access any more to {named}{more}: their rows are those of the last sync."


def _not_on_plan(report: Report) -> str:
    return "Not on this plan (402): the rows that Asana does not give are not here." if report.not_on_plan else ""


def _unmapped(report: Report) -> str:
    if not report.unmapped:
        return ""
    return f"{report.unmapped} rows have values that did not fit their columns: see `_unmapped`."


CHECKS = (
    ReportCheck("on_plan", "The workspace's plan has it.", _not_on_plan),
    ReportCheck("no_skipped_parents", "Every parent could be read.", _skipped),
    ReportCheck("all_values_mapped", "Every value fits its column.", _unmapped),
)


def build_check_specs(endpoint: Endpoint) -> list[dg.AssetCheckSpec]:
    return [dg.AssetCheckSpec(check.name, asset=endpoint.name, description=check.description) for check in CHECKS]


def results(endpoint: Endpoint, workspace_gid: str, report: Report) -> Iterator[dg.AssetCheckResult]:
    """Decide every check of one materialization."""
    for check in CHECKS:
        complaint = check.complaint(report)
        yield dg.AssetCheckResult(
            check_name=check.name,
            asset_key=endpoint.name,
            passed=not complaint,
            severity=dg.AssetCheckSeverity.WARN,
            description=complaint or None,
            metadata={"workspace": workspace_gid} if workspace_gid else None,
        )
