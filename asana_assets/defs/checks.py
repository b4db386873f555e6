"""The asset checks, which say whether a materialization is complete."""

import warnings
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import dagster as dg

from asana_assets.asana.model import Endpoint
from asana_assets.defs.check_inputs import MIN_ROWS_FOR_DROP, CheckInputs
from asana_assets.sync.empty_columns import WARNING_PERIOD, count_by_column

AVAILABLE_ON_PLAN = "available_on_plan"
"""The name of the check that passes with a note for an endpoint that the plan does not include."""

_MAX_LISTED_GIDS = 20  # in a check result; the rest are counted
_MAX_LISTED_REASONS = 3  # in a check result


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
    """

    name: str
    description: str
    evaluate: Callable[[CheckInputs], str]
    severity: dg.AssetCheckSeverity | Callable[[CheckInputs], dg.AssetCheckSeverity] = dg.AssetCheckSeverity.WARN
    blocking: bool = False
    is_note: Callable[[CheckInputs], bool] = lambda _: False
    can_fail: Callable[[Endpoint], bool] = lambda _: True


def _duplicate_keys_message(inputs: CheckInputs) -> str:
    if not inputs.duplicate_keys:
        return ""
    return (
        f"The gid is null or not unique in {inputs.duplicate_keys:,} of the workspace's {inputs.rows:,} rows. Run a "
        "full refresh (asana-assets sync --full-refresh); if this check still fails, report a bug."
    )


def _orphaned_rows_message(inputs: CheckInputs) -> str:
    if not inputs.orphaned_gids:
        return ""
    return (
        f"Some rows have parents that are missing from the upstream tables (gids of these parents, or of the rows: "
        f"{_list_gids(inputs.orphaned_gids)}). Materialize the upstream assets, then this one."
    )


def _unavailable_message(inputs: CheckInputs) -> str:
    if not inputs.stats.not_on_plan:
        return ""
    if not inputs.rows:
        return (
            "This endpoint is not available on the workspace's plan (402), so the table has no rows for it. There is "
            "nothing to do, unless you upgrade the plan."
        )
    return (
        f"This endpoint is no longer available on the workspace's plan (402), so {inputs.rows:,} rows "
        "are those of an earlier sync. Upgrade the plan, or delete them with accept_row_count_drop (asana-assets sync "
        "--accept-row-count-drop)."
    )


def _unfetched_parents_message(inputs: CheckInputs) -> str:
    stats = inputs.stats
    sentences: list[str] = []
    if stats.failed:
        reasons = dict.fromkeys(stats.failed.values())
        sentences.append(
            f"Asana could not return what belongs to {_list_gids(list(stats.failed))} "
            f"({'; '.join(list(reasons)[:_MAX_LISTED_REASONS])}). Their rows are those of an earlier sync; the next "
            "sync fetches them first."
        )
    if stats.truncated:
        sentences.append(
            f"Asana ended the listing of {_list_gids(stats.truncated)} early. What it returned is stored, and nothing "
            "of them was deleted; rows may be missing."
        )
    if stats.forbidden:
        sentences.append(
            f"The token's user has no access to {_list_gids(stats.forbidden)}, so their rows are those of an earlier "
            "sync. Share these objects with the user to have the rows updated."
        )
    if stats.search_failure:
        sentences.append(
            f"The search for changes failed ({stats.search_failure}). What only search finds, such as changes of "
            "subtasks, may be outdated; the next sync searches again, and everything is fetched again by age at the "
            "latest."
        )
    if stats.missing_upstream:
        sentences.append(
            f"What is listed by {' and '.join(stats.missing_upstream)} is missing, because that table has no rows for "
            "this workspace."
        )
    return " ".join(sentences)


def _unfetched_parents_severity(inputs: CheckInputs) -> dg.AssetCheckSeverity:
    """A refusal may be intended; anything else is a gap that another sync may close."""
    stats = inputs.stats
    refused_as_a_whole = inputs.workspace_gid in stats.forbidden
    return _ERROR if stats.failed or stats.truncated or refused_as_a_whole else dg.AssetCheckSeverity.WARN


def _skipped_records_message(inputs: CheckInputs) -> str:
    if not inputs.stats.records_skipped:
        return ""
    return (
        f"Asana returned {inputs.stats.records_skipped:,} records without a gid or that are not objects. They were "
        "skipped; the other records of their pages are stored. If this persists, report it to Asana."
    )


def _unmapped_values_message(inputs: CheckInputs) -> str:
    stats = inputs.stats
    sentences: list[str] = []
    if stats.unmapped:
        sentences.append(
            f"Values did not fit their columns in {stats.unmapped:,} of {stats.rows:,} fetched rows. They are null "
            "there and kept as JSON in `_unmapped`; if Asana changed a type, report it."
        )
    if stats.texts_repaired:
        sentences.append(
            f"{stats.texts_repaired:,} texts were not valid Unicode; the invalid characters were replaced by U+FFFD."
        )
    return " ".join(sentences)


def _row_count_drop_message(inputs: CheckInputs) -> str:
    if not inputs.row_count_dropped:
        return ""
    return (
        f"The table has {inputs.rows:,} rows, down from {inputs.rows_before:,}. Downstream assets were not "
        "materialized. Check that the token's user has not lost access; if the drop is right, materialize again with "
        "accept_row_count_drop (asana-assets sync --accept-row-count-drop)."
    )


def _empty_columns_message(inputs: CheckInputs) -> str:
    if not inputs.reported_columns:
        return ""
    values = count_by_column(inputs.stats.values)
    columns = [
        f"{column.name} ({column.rows_emptied:,} rows had a value until {column.found_at:%Y-%m-%d}; values in the "
        f"{inputs.stats.rows:,} rows fetched now: {values.get(column.name, 0):,})"
        for column in inputs.reported_columns
    ]
    return (
        f"Asana no longer returns values for columns that had some: {', '.join(columns)}. The stored rows follow "
        "Asana. Check whether the token's user lost a permission, whether custom fields became private, and whether "
        "Asana's API changed; once that is resolved, run a full refresh (asana-assets sync --full-refresh). If the "
        "values are rightly gone, materialize again with accept_empty_columns (asana-assets sync "
        f"--accept-empty-columns); otherwise this warning ends after {WARNING_PERIOD.days} days."
    )


def _new_columns_message(inputs: CheckInputs) -> str:
    if not inputs.new_columns:
        return ""
    return (
        f"The table has new columns: {', '.join(inputs.new_columns)}. They are null in rows that have not been fetched "
        "since; run a full refresh (asana-assets sync --full-refresh) to fill them."
    )


def _list_gids(gids: Sequence[str]) -> str:
    more = len(gids) - _MAX_LISTED_GIDS
    return f"{', '.join(gids[:_MAX_LISTED_GIDS])}{f' and {more:,} more' if more > 0 else ''}"


_ERROR = dg.AssetCheckSeverity.ERROR

CHECKS = (
    Check(
        name="unique_key",
        description="No gid is null or occurs twice in a workspace.",
        evaluate=_duplicate_keys_message,
        severity=_ERROR,
        can_fail=lambda endpoint: endpoint.is_child,  # a write of all rows of a workspace leaves no key twice
    ),
    Check(
        name="no_orphaned_rows",
        description="The parent of every row is in the upstream table.",
        evaluate=_orphaned_rows_message,
        can_fail=lambda endpoint: endpoint.has_parents_in_workspace,
    ),
    Check(
        name=AVAILABLE_ON_PLAN,
        description="The workspace's plan includes this endpoint, or the table has no rows of a former plan.",
        evaluate=_unavailable_message,
        is_note=lambda inputs: not inputs.rows,
    ),
    Check(
        name="all_parents_fetched",
        description="Every parent was fetched completely, and the search for changed ones did not fail.",
        evaluate=_unfetched_parents_message,
        severity=_unfetched_parents_severity,
    ),
    Check(
        name="all_records_stored",
        description="Every record that Asana returned has a gid and is stored.",
        evaluate=_skipped_records_message,
        severity=_ERROR,
    ),
    Check(
        name="no_unmapped_values",
        description="Every value fits its column, and every text is valid Unicode.",
        evaluate=_unmapped_values_message,
    ),
    Check(
        name="row_count_not_dropped",
        description=f"A table of at least {MIN_ROWS_FOR_DROP} rows has not lost more than half of them. If it has, "
        "downstream assets are not materialized.",
        evaluate=_row_count_drop_message,
        severity=_ERROR,
        blocking=True,
    ),
    Check(
        name="columns_still_filled",
        description="No column that had values went empty in all or nearly all fetched rows.",
        evaluate=_empty_columns_message,
    ),
    Check(name="schema_unchanged", description="No columns were added.", evaluate=_new_columns_message),
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
        yield dg.AssetCheckResult(
            check_name=check.name,
            asset_key=asset_key,
            passed=not message or check.is_note(inputs),
            severity=check.severity(inputs) if callable(check.severity) else check.severity,
            description=message or None,
            metadata={"workspace": workspace_gid} if workspace_gid else None,
        )
