"""Change detection: which parents to fetch again, decided from the sync state without any request.

A parent is stale if its version differs from the one at its last successful fetch, if it is named as changed, or if
that fetch is too old. Versions are compared for equality only: with a clock, or one bookmark for all parents, an old
project that was shared only yesterday would be missed. What a version contains is in `versions`.
"""

import datetime as dt
from dataclasses import dataclass
from typing import cast

import pyarrow as pa
import pyarrow.compute as pc

from asana_assets.asana.field_types import Array
from asana_assets.sync.versions import accepts

# Age limits are spread over the last 1/3 of the configured age, so that parents that were first fetched on the same day
# do not all become stale on the same day. A gid's limit differs from fetch to fetch: with one that is its own, all gids
# whose limits are of 21, 24 or 28 days meet again on day 168, whenever they started.
_AGE_JITTER = 3

_MULTIPLIERS = (0x9E3779B97F4A7C15, 0xD6E8FEB86659FD93)  # odd and irregular, as in hash functions


@dataclass(frozen=True, slots=True, kw_only=True)
class Sync:
    """A sync of a workspace: its identity, and what it fetches in addition to changes.

    Attributes:
        id: Identifies the sync. A run that resumes an interrupted sync inherits its id and its start.
        started_at: When it started (UTC).
        max_age: Parents fetched longer ago than this are stale; None for no limit.
        full_refresh: Whether every parent not fetched since `started_at` is stale.
    """

    id: str
    started_at: dt.datetime
    max_age: dt.timedelta | None = None
    full_refresh: bool = False


def decide_stale(
    parents: pa.Table, state: pa.Table, changed: Array, *, now: dt.datetime, max_age: dt.timedelta | None
) -> Array:
    """Return a boolean mask of the parents to fetch.

    Args:
        parents: `gid` and `version`; one row per gid.
        state: `parent_gid`, `version` and `_synced_at` of the last fetches; one row per gid.
        changed: Gids that are stale in any case.
        now: Current time (UTC).
        max_age: Parents fetched longer ago than this are stale; None for no limit. The limit of a fetch is up to a
            third shorter.
    """
    gids = parents["gid"].combine_chunks().cast(pa.string())
    positions = pc.index_in(gids, value_set=state["parent_gid"].combine_chunks())
    stored = state["version"].combine_chunks().take(positions)
    stale = pc.or_(pc.is_null(positions), pc.is_in(gids, value_set=changed))
    accepted = accepts(parents["version"].combine_chunks(), stored)
    stale = pc.or_(stale, pc.invert(pc.fill_null(accepted, pa.scalar(value=False))))
    if max_age is not None:
        fetched_at = state["_synced_at"].combine_chunks().take(positions)
        age = pc.subtract(pa.scalar(now, fetched_at.type), fetched_at).cast(pa.int64())
        limit = pc.multiply(_age_limit_fraction(gids, fetched_at), pa.scalar(max_age / dt.timedelta(microseconds=1)))
        stale = pc.or_(stale, pc.fill_null(pc.greater_equal(age.cast(pa.float64()), limit), pa.scalar(value=True)))
    return cast("Array", stale)


def outdated_state(parents: pa.Table, state: pa.Table) -> pa.Table:
    """Return the `state` of the parents whose stored version an earlier release saved, with their current version.

    Args:
        parents: Parents that are not stale, otherwise as for `decide_stale`.
        state: As for `decide_stale`.
    """
    gids = parents["gid"].combine_chunks().cast(pa.string())
    positions = pc.index_in(gids, value_set=state["parent_gid"].combine_chunks())
    current = parents["version"].combine_chunks()
    differs = pc.not_equal(current, state["version"].combine_chunks().take(positions))
    outdated = cast("Array", pc.fill_null(differs, pa.scalar(value=False)))
    rows = state.take(positions.filter(outdated))
    return rows.set_column(rows.schema.get_field_index("version"), "version", current.filter(outdated))


def _age_limit_fraction(gids: Array, fetched_at: Array) -> Array:
    """Return the fraction of the age limit for each fetch of each gid, above 1 - 1/`_AGE_JITTER` and up to 1."""
    last_digits = pc.utf8_slice_codeunits(gids, -9)
    digits = pc.if_else(pc.string_is_ascii(last_digits), pc.replace_substring_regex(last_digits, "[^0-9]", "0"), "0")
    mixed = pc.add(digits.cast(pa.uint64()), fetched_at.cast(pa.int64()).cast(pa.uint64()))
    for multiplier in _MULTIPLIERS:
        mixed = pc.multiply(mixed, pa.scalar(multiplier, pa.uint64()))  # modulo 2**64
        mixed = pc.bit_wise_xor(mixed, pc.shift_right(mixed, pa.scalar(32, pa.uint64())))
    random_bits = pc.bit_wise_and(mixed, pa.scalar(1023, pa.uint64())).cast(pa.float64())
    return pc.subtract(pa.scalar(1.0), pc.divide(random_bits, pa.scalar(1024.0 * _AGE_JITTER)))
