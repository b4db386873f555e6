"""Whom to ask for what: from the parents' rows to requests, each parent once."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import cast

import pyarrow as pa
import pyarrow.compute as pc

from asana_assets.asana.client import Request
from asana_assets.asana.columns import Array, Chunked
from asana_assets.asana.endpoint import WORKSPACE_GID, Endpoint, Listing
from asana_assets.asana.errors import AsanaError
from asana_assets.sync.due import versions

_SLICE = 1_000
"""Gids made Python objects at a time: a million of them would weigh 100 MB."""


class UnknownWorkspaceError(AsanaError):
    """The partition is none of the token's workspaces."""


@dataclass(frozen=True, slots=True)
class Ask:
    """One listing of one parent of some version; or, as `single`, one record by its own gid."""

    listing: Listing
    parent_gid: str
    request: Request
    version: str = ""
    single: bool = False


def ask(listing: Listing, parent_gid: str, workspace_gid: str, version: str = "") -> Ask:
    """Build the request of a listing for one parent, which has this version."""
    values = {"parent": parent_gid, "workspace": workspace_gid}
    params = {name: value.format_map(values) for name, value in listing.params.items()}
    return Ask(listing, parent_gid, Request(template=listing.path, values=values, params=params), version)


def single(endpoint: Endpoint, gid: str) -> Ask:
    """Build the request of one record of an endpoint that has `single`."""
    request = Request(template=endpoint.single or "", values={"gid": gid})
    return Ask(endpoint.listings[0], gid, request, single=True)


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

    def of(self, listing: Listing) -> Array:
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

    def asks(self) -> Iterator[Ask]:
        """Give the asks, in the order of the catalogue and of the gids."""
        for listing, rows in self.groups:
            for start in range(0, rows.num_rows, _SLICE):
                some = rows.slice(start, _SLICE)
                for gid, version in zip(gids_of(some["gid"]), gids_of(some["version"]), strict=True):
                    yield ask(listing, gid, self.workspace_gid, version)


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
            if listing.within == WORKSPACE_GID.name and not rows.num_rows:
                raise UnknownWorkspaceError(
                    f"{workspace_gid} is not a workspace of this token, or was not when {listing.parent.name} was "
                    f"last materialized; materialize {listing.parent.name}"
                )
            parents = eligible(listing, rows)
        groups.setdefault(_same_request(listing), (listing, []))[1].append(parents)
    return Parents(workspace_gid, tuple((listing, once_each(tables)) for listing, tables in groups.values()))


def eligible(listing: Listing, rows: pa.Table | pa.RecordBatch) -> pa.Table:
    """Give `gid`, to ask with, and `version` of those rows of the parent that the listing is for."""
    gids = rows[listing.parent_column]
    wanted: Array = pc.is_valid(gids)
    if listing.where:
        flag = rows[listing.where]
        flag = flag if pa.types.is_boolean(flag.type) else pc.greater(flag, pa.scalar(0))
        wanted = cast("Array", pc.and_(wanted, pc.fill_null(flag, pa.scalar(value=False))))
    return pa.table({"gid": gids, "version": versions(rows, listing.version or ())}).filter(wanted)


def once_each(tables: list[pa.Table]) -> pa.Table:
    """Put parents together, by gid; of those with one gid, the first."""
    grouped = pa.concat_tables(tables).group_by("gid", use_threads=False).aggregate([("version", "first")])
    return grouped.select(["gid", "version_first"]).rename_columns(["gid", "version"]).sort_by("gid")


def _same_request(listing: Listing) -> tuple[str, ...]:
    return (listing.path, *listing.params, *listing.params.values())


def gids_of(values: Array | Chunked) -> list[str]:
    """Give an array of gids as Python strings; none is null."""
    return [str(gid) for gid in values.to_pylist()]


def listed_by(endpoint: Endpoint, rows: pa.Table | pa.RecordBatch, parents: Parents) -> Array:
    """Say of each row of the endpoint's own whether a listing of one of `parents` has it: booleans."""
    found: Array = pa.repeat(pa.scalar(value=False), rows.num_rows)
    for listing in endpoint.listings:
        found = pc.or_(found, names_any(rows[listing.within], parents.of(listing)))
    return found


def names_any(column: Array | Chunked, gids: Array) -> Array:
    """Say of each value of `column`, a gid or a list of gids, whether it is, or holds, one of `gids`."""
    values: Array = column.combine_chunks() if isinstance(column, pa.ChunkedArray) else column
    if not pa.types.is_list(values.type):
        return pc.is_in(values, value_set=gids)
    hits = pc.list_parent_indices(values).filter(pc.is_in(pc.list_flatten(values), value_set=gids))
    numbers = pc.cumulative_sum(pa.repeat(pa.scalar(1, pa.int64()), len(values)), start=pa.scalar(-1, pa.int64()))
    return pc.is_in(numbers, value_set=hits.cast(pa.int64()))


def compact(gids: Array) -> Array:
    """Give gids as numbers, which they nearly always are: a third of the memory."""
    try:
        return gids.cast(pa.int64())
    except pa.ArrowInvalid:
        return gids


def repeated(gids: Sequence[Array]) -> int:
    """Count the gids, in parts as `compact` gives them, that are missing, or there a second time."""
    kind = pa.int64() if all(pa.types.is_integer(part.type) for part in gids) else pa.string()
    everyone = cast("Array", pa.chunked_array([part.cast(kind) for part in gids], kind).combine_chunks())
    ordered = everyone.drop_null().sort()
    same = pc.equal(ordered.slice(1), ordered.slice(0, max(0, len(ordered) - 1)))
    return everyone.null_count + same.true_count
