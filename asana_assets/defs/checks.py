"""The asset checks, which say whether a materialization is complete."""

import warnings
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

import dagster as dg

from asana_assets.asana.model import Endpoint
from asana_assets.defs import check_messages
from asana_assets.defs.check_inputs import MIN_ROWS_FOR_DROP, CheckInputs

AVAILABLE_ON_PLAN = "available_on_plan"
"""The name of the check that passes with a note for an endpoint that the plan does not include."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    """An asset check.

    Attributes:
        name: The check's name in Dagster.
        description: What is true when it passes.
        evaluate: Returns what is wrong and what to do, or "" if the check passes.
        severity: Of a failure; a function if it depends on the inputs.
        blocking: Whether a failure keeps downstream assets from being materialized in the same run.
        is_note: Whether what `evaluate` returns is nothing to fix: the check passes with it.
        can_fail: Whether it can fail for an endpoint; it is declared only if so.
        count: Returns by name how many things are wrong. Zeros are part of the result, so that the UI plots a line.
    """

    name: str
    description: str
    evaluate: Callable[[CheckInputs], str]
    severity: dg.AssetCheckSeverity | Callable[[CheckInputs], dg.AssetCheckSeverity] = dg.AssetCheckSeverity.WARN
    blocking: bool = False
    is_note: Callable[[CheckInputs], bool] = lambda _: False
    can_fail: Callable[[Endpoint], bool] = lambda _: True
    count: Callable[[CheckInputs], Mapping[str, int]] = lambda _: {}


def _unfetched_parents_severity(inputs: CheckInputs) -> dg.AssetCheckSeverity:
    """A refusal may be intended; anything else is a gap that another sync may close."""
    stats = inputs.stats
    refused_as_a_whole = inputs.workspace_gid in stats.forbidden
    return _ERROR if stats.failed or stats.truncated or refused_as_a_whole else dg.AssetCheckSeverity.WARN


_ERROR = dg.AssetCheckSeverity.ERROR

CHECKS = (
    Check(
        name="unique_key",
        description="No gid is null or occurs twice in a workspace.",
        evaluate=check_messages.duplicate_keys,
        count=lambda inputs: {"duplicate_keys": inputs.duplicate_keys},
        severity=_ERROR,
        can_fail=lambda endpoint: endpoint.is_child,  # a write of all rows of a workspace leaves no key twice
    ),
    Check(
        name="no_orphaned_rows",
        description="The parent of every row is in the upstream table.",
        evaluate=check_messages.orphaned_rows,
        count=lambda inputs: {"orphans": len(inputs.orphaned_gids)},
        can_fail=lambda endpoint: endpoint.has_parents_in_workspace,
    ),
    Check(
        name=AVAILABLE_ON_PLAN,
        description="The workspace's plan includes this endpoint, or the table has no rows of a former plan.",
        evaluate=check_messages.unavailable,
        count=lambda inputs: {"rows_kept": inputs.rows if inputs.stats.not_on_plan else 0},
        is_note=lambda inputs: not inputs.rows,
    ),
    Check(
        name="listing_limited",
        description="Passes with a note on which objects Asana lists, as it does not list all that exist.",
        evaluate=check_messages.limited_listing,
        is_note=lambda _: True,
        can_fail=lambda endpoint: bool(endpoint.limited_to),
    ),
    Check(
        name="all_parents_fetched",
        description="Every parent was fetched completely, and the search for changed ones did not fail.",
        evaluate=check_messages.unfetched_parents,
        count=lambda inputs: {"unfetched_parents": len({*inputs.stats.skipped, *inputs.stats.truncated})},
        severity=_unfetched_parents_severity,
    ),
    Check(
        name="no_missed_period",
        description="Every record was fetched before Asana deleted it.",
        evaluate=check_messages.missed_period,
        count=lambda inputs: {"missed_periods": int(inputs.stats.missed_period is not None)},
        can_fail=lambda endpoint: bool(endpoint.window and endpoint.window.retention),
    ),
    Check(
        name="all_records_stored",
        description="Every record that Asana returned has a gid and is stored.",
        evaluate=check_messages.skipped_records,
        count=lambda inputs: {"records_skipped": inputs.stats.records_skipped},
        severity=_ERROR,
    ),
    Check(
        name="no_unmapped_values",
        description="Every value fits its column, and every text is valid Unicode.",
        evaluate=check_messages.unmapped_values,
        count=lambda inputs: {
            "rows_with_unmapped_values": inputs.stats.unmapped,
            "texts_repaired": inputs.stats.texts_repaired,
        },
    ),
    Check(
        name="row_count_not_dropped",
        description=f"A table of at least {MIN_ROWS_FOR_DROP} rows has not lost more than half of them. If it has, "
        "downstream assets are not materialized.",
        evaluate=check_messages.row_count_drop,
        count=lambda inputs: {"rows_lost": max(0, inputs.rows_before - inputs.rows)},
        severity=_ERROR,
        blocking=True,
    ),
    Check(
        name="columns_still_filled",
        description="No column that had values went empty in all or nearly all fetched rows.",
        evaluate=check_messages.empty_columns,
        count=lambda inputs: {"empty_columns": len(inputs.reported_columns)},
    ),
    Check(
        name="schema_unchanged",
        description="No columns were added.",
        evaluate=check_messages.new_columns,
        count=lambda inputs: {"new_columns": len(inputs.new_columns)},
    ),
)
"""The checks of all assets."""


def checks_of(endpoint: Endpoint) -> list[Check]:
    """Return the checks of the endpoint's asset: those that can fail for it."""
    return [check for check in CHECKS if check.can_fail(endpoint)]


def build_check_specs(
    endpoint: Endpoint, asset_key: dg.AssetKey, partitions_def: dg.PartitionsDefinition[str] | None
) -> list[dg.AssetCheckSpec]:
    """Build the specs of the endpoint's checks, partitioned like its asset."""
    with warnings.catch_warnings():
        # Partitioned checks are in preview; without them, one workspace's pass would hide another's warning.
        warnings.simplefilter("ignore", dg.PreviewWarning)
        return [
            dg.AssetCheckSpec(
                check.name,
                asset=asset_key,
                description=check.description,
                blocking=check.blocking,
                partitions_def=partitions_def,
            )
            for check in checks_of(endpoint)
        ]


def evaluate_checks(
    endpoint: Endpoint, asset_key: dg.AssetKey, workspace_gid: str, inputs: CheckInputs
) -> Iterator[dg.AssetCheckResult]:
    """Yield the result of every check of one materialization."""
    for check in checks_of(endpoint):
        message = check.evaluate(inputs)
        workspace = {"workspace": workspace_gid} if workspace_gid else {}
        yield dg.AssetCheckResult(
            check_name=check.name,
            asset_key=asset_key,
            passed=not message or check.is_note(inputs),
            severity=check.severity(inputs) if callable(check.severity) else check.severity,
            description=message or None,
            metadata={**workspace, **check.count(inputs)},
        )
