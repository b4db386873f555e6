"""What the asset checks say: each function returns what is wrong and what to do, "" if nothing is."""

from collections.abc import Sequence

from asana_assets.defs.check_inputs import CheckInputs
from asana_assets.sync.empty_columns import WARNING_PERIOD, count_by_column

_MAX_LISTED_GIDS = 20  # the rest are counted
_MAX_LISTED_REASONS = 3


def duplicate_keys(inputs: CheckInputs) -> str:
    if not inputs.duplicate_keys:
        return ""
    return (
        f"The gid is null or not unique in {inputs.duplicate_keys:,} of the workspace's {inputs.rows:,} rows. Run a "
        "full refresh (asana-assets sync --full-refresh); if this check still fails, report a bug."
    )


def orphaned_rows(inputs: CheckInputs) -> str:
    if not inputs.orphaned_gids:
        return ""
    return (
        f"Some rows have parents that are missing from the upstream tables (gids of these parents, or of the rows: "
        f"{_list_gids(inputs.orphaned_gids)}). Materialize the upstream assets, then this one."
    )


def unavailable(inputs: CheckInputs) -> str:
    if not inputs.stats.not_on_plan:
        return ""
    if inputs.stats.refused_to_users:
        kept = f", so {inputs.rows:,} rows are those of an earlier sync" if inputs.rows else ""
        return (
            f"Asana lists this endpoint for service accounts only and refused it to this token "
            f"({inputs.stats.refused_to_users}){kept}. Use the token of a service account, which is part of Asana's "
            "Enterprise plans, or leave the endpoint out of ASANA_ENDPOINTS."
        )
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


def missed_period(inputs: CheckInputs) -> str:
    if not inputs.stats.missed_period:
        return ""
    start, end = inputs.stats.missed_period
    return (
        f"Asana deleted the records from {start:%Y-%m-%d %H:%M} to {end:%Y-%m-%d %H:%M} (UTC) before a sync fetched "
        "them, so the table lacks them for good. Sync more often than Asana deletes them."
    )


def limited_listing(inputs: CheckInputs) -> str:
    if not inputs.limited_to or inputs.stats.not_on_plan:
        return ""
    return f"Asana only lists {inputs.limited_to}. The table has no others."


def unfetched_parents(inputs: CheckInputs) -> str:
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


def skipped_records(inputs: CheckInputs) -> str:
    if not inputs.stats.records_skipped:
        return ""
    return (
        f"Asana returned {inputs.stats.records_skipped:,} records without a gid or that are not objects. They were "
        "skipped; the other records of their pages are stored. If this persists, report it to Asana."
    )


def unmapped_values(inputs: CheckInputs) -> str:
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


def row_count_drop(inputs: CheckInputs) -> str:
    if not inputs.row_count_dropped:
        return ""
    return (
        f"The table has {inputs.rows:,} rows, down from {inputs.rows_before:,}. Downstream assets were not "
        "materialized. Check that the token's user has not lost access; if the drop is right, materialize again with "
        "accept_row_count_drop (asana-assets sync --accept-row-count-drop)."
    )


def empty_columns(inputs: CheckInputs) -> str:
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


def new_columns(inputs: CheckInputs) -> str:
    if not inputs.new_columns:
        return ""
    return (
        f"The table has new columns: {', '.join(inputs.new_columns)}. They are null in rows that have not been fetched "
        "since; run a full refresh (asana-assets sync --full-refresh) to fill them."
    )


def _list_gids(gids: Sequence[str]) -> str:
    more = len(gids) - _MAX_LISTED_GIDS
    return f"{', '.join(gids[:_MAX_LISTED_GIDS])}{f' and {more:,} more' if more > 0 else ''}"
