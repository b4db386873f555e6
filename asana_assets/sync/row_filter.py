"""Row filters: which rows of an endpoint are stored, and what follows for the endpoints below it.

What an endpoint below lists is not requested for a parent that is not stored. A row that is found without its parents,
such as a task in its assignee's listing, is stored if it has a stored parent or none at all.
"""

import datetime as dt
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol, cast

import pyarrow as pa
import pyarrow.compute as pc

from asana_assets.asana.client import Client, RequestStats
from asana_assets.asana.field_types import Array, Chunked
from asana_assets.asana.model import Endpoint
from asana_assets.sync.change_detection import Sync
from asana_assets.sync.gids import mask_references
from asana_assets.sync.parents import Parents


class RowSelection(Protocol):
    """The rows of one listing that a filter includes."""

    def mask(self, rows: pa.RecordBatch | pa.Table) -> Array:
        """Return a boolean mask of the rows to store."""
        ...

    def verify(self) -> None:
        """Check, after the last rows, that the filter's settings fit what was listed.

        Raises:
            ConfigurationError: They do not.
        """
        ...


class RowFilter(Protocol):
    """Decides which rows of an endpoint are stored."""

    @property
    def columns(self) -> tuple[str, ...]:
        """The columns, in addition to `gid`, by which it decides."""
        ...

    def start(self, client: Client, workspace_gids: Sequence[str], stats: RequestStats) -> RowSelection:
        """Start filtering the rows of the first of these workspaces; the others are synced, too."""
        ...


@dataclass(frozen=True, slots=True)
class Exclusion:
    """What a filter has removed from an endpoint's stored rows.

    Attributes:
        gids: The gids of these rows.
        last_at: The start of the last sync that removed any; None without any.
    """

    gids: Array
    last_at: dt.datetime | None


def mask_without_parents(
    endpoint: Endpoint, rows: pa.Table | pa.RecordBatch, parents: Parents, filtered: Collection[str]
) -> Array:
    """Return a boolean mask of the rows that reference rows of filtered endpoints, none of which is a parent.

    Args:
        endpoint: The endpoint of the rows.
        rows: Its rows, fetched or stored.
        parents: All of its parents.
        filtered: The names of the filtered endpoints.
    """
    mask = _nothing(rows)
    for listing in endpoint.listings:
        if listing.parent and listing.parent.name in filtered:
            column = rows[listing.parent_ref]
            is_known = mask_references(column, parents.gids(listing))
            mask = pc.or_(mask, pc.and_(_is_not_empty(column), pc.invert(is_known)))
    return mask


def mask_excluded(
    endpoint: Endpoint, rows: pa.Table | pa.RecordBatch, parents: Parents, exclusions: Mapping[str, Exclusion]
) -> Array:
    """Return a boolean mask of stored rows as of `mask_without_parents` that reference what a filter removed.

    Without such a reference, their parents may be gone in Asana, so that the rows may have none by now.
    """
    mask = _nothing(rows)
    for listing in endpoint.listings:
        if listing.parent and listing.parent.name in exclusions:
            excluded = exclusions[listing.parent.name].gids
            mask = pc.or_(mask, mask_references(rows[listing.parent_ref], excluded))
    return pc.and_(mask, mask_without_parents(endpoint, rows, parents, exclusions.keys()))


def removed_since(exclusions: Mapping[str, Exclusion], sync: Sync | None) -> bool:
    """Return whether any filter removed stored rows in a later sync than this one; None is before all others."""
    removed_at = [one.last_at for one in exclusions.values() if one.last_at]
    return any(sync is None or instant > sync.started_at for instant in removed_at)


def _nothing(rows: pa.Table | pa.RecordBatch) -> Array:
    return pa.repeat(pa.scalar(value=False), rows.num_rows)


def _is_not_empty(column: Array | Chunked) -> Array:
    values = column.combine_chunks() if isinstance(column, pa.ChunkedArray) else column
    if not pa.types.is_list(values.type):
        return values.is_valid()
    lengths = cast("Array", pc.list_value_length(values))
    return cast("Array", pc.fill_null(pc.greater(lengths, pa.scalar(0)), pa.scalar(value=False)))
