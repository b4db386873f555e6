"""Whom to ask for what: from the parents' rows to requests, each parent once."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import cast

import pyarrow as pa
import pyarrow.compute as pc

from asana_assets.asana.client import ApiRequest
from asana_assets.asana.errors import AsanaError
from asana_assets.asana.field_types import Array, Chunked
from asana_assets.asana.model import WORKSPACE_GID, Endpoint, Listing
from asana_assets.sync.change_detection import versions

_SLICE = 1_000
"""Gids made Python objects at a time: a million of them would weigh 100 MB."""


class UnknownWorkspaceError(AsanaError):
    """The partition is none of the token's workspaces."""


@dataclass(frozen=True, slots=True)
class FetchRequest:
    """One listing of one parent of some version; or, as `single`, one record by its own gid."""

    listing: Listing
    parent_gid: str
    api_request: ApiRequest
    version: str = ""
    is_record: bool = False


def listing_request(listing: Listing, parent_gid: str, workspace_gid: str, version: str = "") -> FetchRequest:
    """Build the request of a listing for one parent, which has this version."""
    values = {"parent": parent_gid, "workspace": workspace_gid}
    params = {name: value.format_map(values) for name, value in listing.params.items()}
    return FetchRequest(listing, parent_gid, ApiRequest(template=listing.path, values=values, params=params), version)


def record_request(endpoint: Endpoint, gid: str) -> FetchRequest:
    """Build the request of one record of an endpoint that has `single`."""
    request = ApiRequest(template=endpoint.record_path or "", values={"gid": gid})
    return FetchRequest(endpoint.listings[0], gid, request, is_record=True)


@dataclass(frozen=True, slots=True)
class Parents:
    """The parents of one endpoint in one workspace.

    Attributes:
        workspace_gid: The partition.
        groups: By listing, `gid` and `version` of its parents, by gid; once each for the same path and query.
    """

    workspace_gid: str
    groups: tuple[tuple[Listing, pa.Table], ...]

    def __len__(self) -> int:
        return sum(rows.num_rows for _, rows in self.groups)

    def gids(self, listing: Listing) -> Array:
        """Give the gids that are asked with this listing's path and query."""
        rows = next(rows for other, rows in self.groups if _same_request(other) == _same_request(listing))
        return pc.unique(rows["gid"].combine_chunks())

    def without(self, parent_gids: list[str]) -> "Parents":
        excluded: Array = pa.array(parent_gids, pa.string())
        return self.where(lambda _, rows: pc.invert(pc.is_in(rows["gid"], value_set=excluded)))

    def where(self, chosen: Callable[[Listing, pa.Table], Array]) -> "Parents":
        """Give those that `chosen` says true of, for each listing."""
        groups = ((listing, rows.filter(chosen(listing, rows))) for listing, rows in self.groups)
        return Parents(self.workspace_gid, tuple(groups))

    def requests(self) -> Iterator[FetchRequest]:
        """Give the asks, in the order of the catalogue and of the gids."""
        for listing, rows in self.groups:
            for start in range(0, rows.num_rows, _SLICE):
                some = rows.slice(start, _SLICE)
                for gid, version in zip(to_gid_list(some["gid"]), to_gid_list(some["version"]), strict=True):
                    yield listing_request(listing, gid, self.workspace_gid, version)


def choose_parents(endpoint: Endpoint, workspace_gid: str, upstream: Mapping[str, pa.Table]) -> Parents:
    """Find who may be asked.

    Args:
        endpoint: What is to be read.
        workspace_gid: The partition; "" for an endpoint that stands above workspaces.
        upstream: By endpoint name, its rows in this workspace, with the columns that `Endpoint.upstream` names.

    Raises:
        UnknownWorkspaceError: the workspace itself is not among the rows.
    """
    groups: dict[tuple[str, ...], tuple[Listing, list[pa.Table]]] = {}
    for listing in endpoint.listings:
        if listing.parent is None:
            parents = pa.table({"gid": pa.array([""]), "version": pa.array([""])})
        else:
            rows = upstream[listing.parent.name]
            if listing.parent_ref == WORKSPACE_GID.name and not rows.num_rows:
                raise UnknownWorkspaceError(
                    f"{workspace_gid} is not a workspace of this token, or was not when {listing.parent.name} was "
                    f"last materialized; materialize {listing.parent.name}"
                )
            parents = eligible_parents(listing, rows)
        groups.setdefault(_same_request(listing), (listing, []))[1].append(parents)
    return Parents(workspace_gid, tuple((listing, merge_parents(tables)) for listing, tables in groups.values()))


def eligible_parents(listing: Listing, rows: pa.Table | pa.RecordBatch) -> pa.Table:
    """Give `gid`, to ask with, and `version` of those rows of the parent that the listing is for."""
    gids = rows[listing.parent_column]
    wanted: Array = pc.is_valid(gids)
    if listing.only_if:
        flag = rows[listing.only_if]
        flag = flag if pa.types.is_boolean(flag.type) else pc.greater(flag, pa.scalar(0))
        wanted = cast("Array", pc.and_(wanted, pc.fill_null(flag, pa.scalar(value=False))))
    return pa.table({"gid": gids, "version": versions(rows, listing.version_columns or ())}).filter(wanted)


def merge_parents(tables: list[pa.Table]) -> pa.Table:
    """Put parents together, by gid; of those with one gid, the first."""
    grouped = pa.concat_tables(tables).group_by("gid", use_threads=False).aggregate([("version", "first")])
    return grouped.select(["gid", "version_first"]).rename_columns(["gid", "version"]).sort_by("gid")


def _same_request(listing: Listing) -> tuple[str, ...]:
    return (listing.path, *listing.params, *listing.params.values())


def to_gid_list(values: Array | Chunked) -> list[str]:
    """Give an array of gids as Python strings; none is null."""
    return [str(gid) for gid in values.to_pylist()]


def mask_owned_by(endpoint: Endpoint, rows: pa.Table | pa.RecordBatch, parents: Parents) -> Array:
    """Say of each row of the endpoint's own whether a listing of one of `parents` has it: booleans."""
    found: Array = pa.repeat(pa.scalar(value=False), rows.num_rows)
    for listing in endpoint.listings:
        found = pc.or_(found, mask_references(rows[listing.parent_ref], parents.gids(listing)))
    return found


def mask_references(column: Array | Chunked, gids: Array) -> Array:
    """Say of each value of `column`, a gid or a list of gids, whether it is, or holds, one of `gids`."""
    values: Array = column.combine_chunks() if isinstance(column, pa.ChunkedArray) else column
    if not pa.types.is_list(values.type):
        return pc.is_in(values, value_set=gids)
    hits = pc.list_parent_indices(values).filter(pc.is_in(pc.list_flatten(values), value_set=gids))
    numbers = pc.cumulative_sum(pa.repeat(pa.scalar(1, pa.int64()), len(values)), start=pa.scalar(-1, pa.int64()))
    return pc.is_in(numbers, value_set=hits.cast(pa.int64()))


def compact_gids(gids: Array) -> Array:
    """Give gids as numbers, which they nearly always are: a third of the memory."""
    try:
        return gids.cast(pa.int64())
    except pa.ArrowInvalid:
        return gids


def count_duplicates(gids: Sequence[Array]) -> int:
    """Count the gids, in parts as `compact` gives them, that are missing, or there a second time."""
    kind = pa.int64() if all(pa.types.is_integer(part.type) for part in gids) else pa.string()
    everyone = cast("Array", pa.chunked_array([part.cast(kind) for part in gids], kind).combine_chunks())
    ordered = everyone.drop_null().sort()
    same = pc.equal(ordered.slice(1), ordered.slice(0, max(0, len(ordered) - 1)))
    return everyone.null_count + same.true_count
