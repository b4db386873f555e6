"""Whom to ask for what: from the parents' rows to requests, each parent once."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import pyarrow as pa
import pyarrow.compute as pc

from asana_assets.asana.client import Request
from asana_assets.asana.columns import Array, Chunked
from asana_assets.asana.endpoint import WORKSPACE_GID, Endpoint, Listing
from asana_assets.asana.errors import AsanaError

_SLICE = 1_000
"""Gids made Python objects at a time: a million of them would weigh 100 MB."""


class UnknownWorkspaceError(AsanaError):
    """The partition is none of the token's workspaces."""


@dataclass(frozen=True, slots=True)
class Ask:
    """One listing of one parent; or, as `single`, one record by its own gid."""

    listing: Listing
    parent_gid: str
    request: Request
    single: bool = False


def ask(listing: Listing, parent_gid: str, workspace_gid: str) -> Ask:
    """Build the request of a listing for one parent."""
    values = {"parent": parent_gid, "workspace": workspace_gid}
    params = {name: value.format_map(values) for name, value in listing.params.items()}
    return Ask(listing, parent_gid, Request(template=listing.path, values=values, params=params))


def single(endpoint: Endpoint, gid: str) -> Ask:
    """Build the request of one record of an endpoint that has `single`."""
    request = Request(template=endpoint.single or "", values={"gid": gid})
    return Ask(endpoint.listings[0], gid, request, single=True)


@dataclass(frozen=True, slots=True)
class Parents:
    """The parents of one endpoint in one workspace: `gids` by listing, each gid once for the same path and query."""

    workspace_gid: str
    gids: tuple[tuple[Listing, Array], ...]

    def __len__(self) -> int:
        return sum(len(gids) for _, gids in self.gids)

    def of(self, listing: Listing) -> Array:
        """Give the gids that are asked with this listing's path and query."""
        return next(gids for other, gids in self.gids if _same_request(other) == _same_request(listing))

    def without(self, parent_gids: list[str]) -> "Parents":
        excluded: Array = pa.array(parent_gids, pa.string())
        return Parents(
            self.workspace_gid,
            tuple((listing, gids.filter(pc.invert(pc.is_in(gids, value_set=excluded)))) for listing, gids in self.gids),
        )

    def asks(self) -> Iterator[Ask]:
        """Give the asks, in the order of the catalogue and of the parents' rows."""
        for listing, gids in self.gids:
            for start in range(0, len(gids), _SLICE):
                for gid in gids_of(gids.slice(start, _SLICE)):
                    yield ask(listing, gid, self.workspace_gid)


def choose_parents(endpoint: Endpoint, workspace_gid: str, upstream: Mapping[str, pa.Table]) -> Parents:
    """Choose whom to ask.

    Args:
        endpoint: What is to be read.
        workspace_gid: The partition; "" for an endpoint that stands above workspaces.
        upstream: By endpoint name, its rows in this workspace, with the columns that `Endpoint.upstream` names.

    Raises:
        UnknownWorkspaceError: the workspace itself is not among the rows.
    """
    groups: dict[tuple[str, ...], tuple[Listing, list[Array]]] = {}
    for listing in endpoint.listings:
        if listing.parent is None:
            gids: Array = pa.array([""])
        else:
            rows = upstream[listing.parent.name]
            if listing.within == WORKSPACE_GID.name and not rows.num_rows:
                raise UnknownWorkspaceError(
                    f"{workspace_gid} is not a workspace of this token, or was not when {listing.parent.name} was "
                    f"last materialized; materialize {listing.parent.name}"
                )
            gids = eligible(listing, rows)
        groups.setdefault(_same_request(listing), (listing, []))[1].append(gids)
    return Parents(
        workspace_gid,
        tuple((listing, pc.unique(pa.concat_arrays(arrays))) for listing, arrays in groups.values()),
    )


def _same_request(listing: Listing) -> tuple[str, ...]:
    return (listing.path, *listing.params, *listing.params.values())


def gids_of(values: Array | Chunked) -> list[str]:
    """Give an array of gids as Python strings; none is null."""
    return [str(gid) for gid in values.to_pylist()]


def eligible(listing: Listing, rows: pa.Table | pa.RecordBatch) -> Array:
    """Give the gids to ask with, of those rows of the parent that the listing is for."""
    gids = rows[listing.parent_column]
    if listing.where:
        wanted = rows[listing.where]
        if not pa.types.is_boolean(wanted.type):
            wanted = pc.greater(wanted, pa.scalar(0))
        gids = gids.filter(wanted)  # a null is no
    gids = pc.drop_null(gids)
    return gids.combine_chunks() if isinstance(gids, pa.ChunkedArray) else gids


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
    return pc.is_in(pa.array(range(len(values)), pa.int64()), value_set=hits.cast(pa.int64()))
