"""What every materialization says about its own completeness, as asset checks, the same for every asset.

They are decided from what the reading reports and from a few columns of what is stored: no second read of Asana.
"""

import warnings
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import dagster as dg

from asana_assets.asana.endpoint import Endpoint
from asana_assets.partitions import WORKSPACES
from asana_assets.sync.reading import Report

_NAMED = 20
"""Objects that a check names; it counts all."""

_WORTH_WATCHING = 100
"""Rows below which a table may shrink as it likes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """What is known of one materialization.

    Attributes:
        report: The reading's.
        rows: Stored now, in the workspace.
        rows_before: Stored when the last sync was that nobody doubted.
        accepted: Whether whoever asked for it knows that there are fewer rows.
        repeated: Rows whose key is missing, or not theirs alone.
        orphans: Gids that name what should be in a table above and is not.
        new_columns: Columns that the table got by this.
    """

    report: Report
    rows: int
    rows_before: int
    accepted: bool
    repeated: int
    orphans: Sequence[str]
    new_columns: Sequence[str]

    @property
    def collapsed(self) -> bool:
        """Whether more than half of the rows went, and nobody said that this is right."""
        return self.rows_before >= _WORTH_WATCHING and self.rows < self.rows_before / 2 and not self.accepted


@dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    """A check; `complaint` gives what is wrong, or "". A blocking one keeps what is below from being read."""

    name: str
    description: str
    complaint: Callable[[Facts], str]
    severity: dg.AssetCheckSeverity = dg.AssetCheckSeverity.WARN
    blocking: bool = False


def _repeated(facts: Facts) -> str:
    return f"{facts.repeated} rows have a gid that is missing or not theirs alone." if facts.repeated else ""


def _orphans(facts: Facts) -> str:
    return f"Not in the tables above: {_some(facts.orphans)}." if facts.orphans else ""


def _skipped(facts: Facts) -> str:
    forbidden = facts.report.forbidden
    return f"No access any more to {_some(forbidden)}: their rows are those of the last sync." if forbidden else ""


def _not_on_plan(facts: Facts) -> str:
    return "Not on this plan (402): the rows that Asana does not give are not here." if facts.report.not_on_plan else ""


def _unmapped(facts: Facts) -> str:
    unmapped = facts.report.unmapped
    return f"{unmapped} rows have values that did not fit their columns: see `_unmapped`." if unmapped else ""


def _collapsed(facts: Facts) -> str:
    if not facts.collapsed:
        return ""
    return (
        f"{facts.rows:,} rows, and {facts.rows_before:,} before. What is read by them was left as it is. If this is "
        "right, materialize again with accept_fewer_rows (asana-assets sync --accept-fewer-rows)."
    )


def _new_columns(facts: Facts) -> str:
    if not facts.new_columns:
        return ""
    return (
        f"New: {', '.join(facts.new_columns)}. Rows that were not read again have null there; full_refresh "
        "(asana-assets sync --full-refresh) reads them all."
    )


def _some(gids: Sequence[str]) -> str:
    more = f" and {len(gids) - _NAMED} more" if len(gids) > _NAMED else ""
    return f"{', '.join(gids[:_NAMED])}{more}"


_ERROR = dg.AssetCheckSeverity.ERROR

CHECKS = (
    Check(
        name="key_unique",
        description="In each workspace a gid is there, and there once.",
        complaint=_repeated,
        severity=_ERROR,
    ),
    Check(name="parents_exist", description="What a row was listed under is in its table.", complaint=_orphans),
    Check(name="on_plan", description="The workspace's plan has it.", complaint=_not_on_plan),
    Check(name="no_skipped_parents", description="Every parent could be read.", complaint=_skipped),
    Check(name="all_values_mapped", description="Every value fits its column.", complaint=_unmapped),
    Check(
        name="rows_did_not_collapse",
        description="Of 100 rows or more, not more than half went. Else what is read by them is left as it is.",
        complaint=_collapsed,
        severity=_ERROR,
        blocking=True,
    ),
    Check(name="columns_unchanged", description="The table has the columns it had.", complaint=_new_columns),
)


def build_check_specs(endpoint: Endpoint) -> list[dg.AssetCheckSpec]:
    by_workspace = WORKSPACES if endpoint.upstream else None
    with warnings.catch_warnings():
        # Without partitions, which are in preview here, what one workspace warns of is hidden by the next one's pass.
        warnings.simplefilter("ignore", dg.PreviewWarning)
        return [
            dg.AssetCheckSpec(
                check.name,
                asset=endpoint.name,
                description=check.description,
                blocking=check.blocking,
                partitions_def=by_workspace,
            )
            for check in CHECKS
        ]


def results(endpoint: Endpoint, workspace_gid: str, facts: Facts) -> Iterator[dg.AssetCheckResult]:
    """Decide every check of one materialization."""
    for check in CHECKS:
        complaint = check.complaint(facts)
        yield dg.AssetCheckResult(
            check_name=check.name,
            asset_key=endpoint.name,
            passed=not complaint,
            severity=check.severity,
            description=complaint or None,
            metadata={"workspace": workspace_gid} if workspace_gid else None,
        )
