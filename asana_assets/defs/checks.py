"""What every materialization says about its own completeness, as asset checks, the same for every asset.

They are decided from what the reading reports and from a few columns of what is stored: no second read of Asana.
"""

import warnings
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import dagster as dg

from asana_assets.asana.model import Endpoint
from asana_assets.defs.partitions import workspace_partitions
from asana_assets.sync.extract import ExtractStats

_NAMED = 20
"""Objects that a check names; it counts all."""

_WORTH_WATCHING = 100
"""Rows below which a table may shrink as it likes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckInputs:
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

    stats: ExtractStats
    rows: int
    rows_before: int
    accepted: bool
    duplicate_keys: int
    orphans: Sequence[str]
    new_columns: Sequence[str]

    @property
    def row_count_dropped(self) -> bool:
        """Whether more than half of the rows went, and nobody said that this is right."""
        return self.rows_before >= _WORTH_WATCHING and self.rows < self.rows_before / 2 and not self.accepted


@dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    """A check; `complaint` gives what is wrong, or "". A blocking one keeps what is below from being read."""

    name: str
    description: str
    evaluate: Callable[[CheckInputs], str]
    severity: dg.AssetCheckSeverity = dg.AssetCheckSeverity.WARN
    blocking: bool = False


def _repeated(facts: CheckInputs) -> str:
    return (
        f"{facts.duplicate_keys} rows have a gid that is missing or not theirs alone." if facts.duplicate_keys else ""
    )


def _orphans(facts: CheckInputs) -> str:
    return f"Not in the tables above: {_some(facts.orphans)}." if facts.orphans else ""


def _skipped(facts: CheckInputs) -> str:
    forbidden = facts.stats.forbidden
    return f"No access any more to {_some(forbidden)}: their rows are those of the last sync." if forbidden else ""


def _not_on_plan(facts: CheckInputs) -> str:
    return "Not on this plan (402): the rows that Asana does not give are not here." if facts.stats.not_on_plan else ""


def _unmapped(facts: CheckInputs) -> str:
    unmapped = facts.stats.unmapped
    return f"{unmapped} rows have values that did not fit their columns: see `_unmapped`." if unmapped else ""


def _collapsed(facts: CheckInputs) -> str:
    if not facts.row_count_dropped:
        return ""
    return (
        f"{facts.rows:,} rows, and {facts.rows_before:,} before. What is read by them was left as it is. If this is "
        "right, materialize again with accept_row_count_drop (asana-assets sync --accept-row-count-drop)."
    )


def _new_columns(facts: CheckInputs) -> str:
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
        name="unique_key",
        description="In each workspace a gid is there, and there once.",
        evaluate=_repeated,
        severity=_ERROR,
    ),
    Check(name="no_orphaned_rows", description="What a row was listed under is in its table.", evaluate=_orphans),
    Check(name="available_on_plan", description="The workspace's plan has it.", evaluate=_not_on_plan),
    Check(name="all_parents_fetched", description="Every parent could be read.", evaluate=_skipped),
    Check(name="no_unmapped_values", description="Every value fits its column.", evaluate=_unmapped),
    Check(
        name="row_count_not_dropped",
        description="Of 100 rows or more, not more than half went. Else what is read by them is left as it is.",
        evaluate=_collapsed,
        severity=_ERROR,
        blocking=True,
    ),
    Check(name="schema_unchanged", description="The table has the columns it had.", evaluate=_new_columns),
)


def build_check_specs(endpoint: Endpoint) -> list[dg.AssetCheckSpec]:
    by_workspace = workspace_partitions if endpoint.upstream else None
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


def evaluate_checks(endpoint: Endpoint, workspace_gid: str, facts: CheckInputs) -> Iterator[dg.AssetCheckResult]:
    """Decide every check of one materialization."""
    for check in CHECKS:
        complaint = check.evaluate(facts)
        yield dg.AssetCheckResult(
            check_name=check.name,
            asset_key=endpoint.name,
            passed=not complaint,
            severity=check.severity,
            description=complaint or None,
            metadata={"workspace": workspace_gid} if workspace_gid else None,
        )
