"""Parent selection: from upstream rows to one request per parent.

Whether a parent is stale is decided in `change_detection`; requests are sent by `fetcher`.
"""

import datetime as dt
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import cast

import pyarrow as pa
import pyarrow.compute as pc

from asana_assets.asana.client import ApiRequest
from asana_assets.asana.errors import AsanaError
from asana_assets.asana.field_types import Array, Chunked
from asana_assets.asana.listing_requests import EVERYTHING, listing_api_request
from asana_assets.asana.model import PARENT_GID, WORKSPACE_GID, Endpoint, Listing
from asana_assets.sync.gids import NO_GIDS, mask_references, to_gid_list, unknown_references
from asana_assets.sync.versions import versions

_SLICE_ROWS = 1_000  # gids converted to Python strings at a time; a million of them would take 100 MB


class UnknownWorkspaceError(AsanaError):
    """The partition key is not a workspace of this token."""


@dataclass(frozen=True, slots=True)
class FetchRequest:
    """A request for one listing of one parent, or for one record.

    Attributes:
        listing: The listing; for a record, the first one of its endpoint.
        parent_gid: The parent's gid; for a record, the record's own.
        api_request: The request to send.
        version: The parent's version that the fetched rows will reflect.
        is_record: Whether this is a request for one record.
        is_confirmation: Whether this repeats a request whose response lacked stored rows.
        is_optional: Whether a rejected listing of the workspace does not fail the extract.
        window: The start and the end of the listing's window; None as the end for all that follows.
    """

    listing: Listing
    parent_gid: str
    api_request: ApiRequest
    version: str = ""
    is_record: bool = False
    is_confirmation: bool = False
    is_optional: bool = False
    window: tuple[dt.datetime, dt.datetime | None] = (EVERYTHING, None)


def listing_request(
    listing: Listing,
    parent_gid: str,
    workspace_gid: str,
    version: str = "",
    window: tuple[dt.datetime, dt.datetime | None] = (EVERYTHING, None),
) -> FetchRequest:
    """Build the request for a listing of one parent at this version, from the start of its window to the end."""
    request = listing_api_request(listing, parent_gid, workspace_gid, window)
    return FetchRequest(listing, parent_gid, request, version, window=window)


def record_request(endpoint: Endpoint, gid: str) -> FetchRequest:
    """Build the request for one record of an endpoint that has a `record_path`."""
    request = ApiRequest(template=endpoint.record_path or "", values={"gid": gid}, single=True)
    return FetchRequest(endpoint.listings[0], gid, request, is_record=True)


@dataclass(frozen=True, slots=True)
class Parents:
    """The parents of one endpoint in one workspace.

    Attributes:
        workspace_gid: The partition.
        groups: For each listing, the `gid` and `version` of its parents, unique and sorted by gid. Listings with the
            same path and query share one group.
    """

    workspace_gid: str
    groups: tuple[tuple[Listing, pa.Table], ...]

    def __len__(self) -> int:
        return sum(rows.num_rows for _, rows in self.groups)

    def gids(self, listing: Listing) -> Array:
        """Return the gids that are fetched with this listing's path and query."""
        rows = next(rows for other, rows in self.groups if _path_and_query(other) == _path_and_query(listing))
        return pc.unique(rows["gid"].combine_chunks())

    @property
    def rows(self) -> pa.Table:
        """The `gid` and `version` of the parents of all listings."""
        return pa.concat_tables([pa.table({"gid": NO_GIDS, "version": NO_GIDS}), *(rows for _, rows in self.groups)])

    def without(self, parent_gids: list[str]) -> "Parents":
        """Return the parents without those of `parent_gids`."""
        excluded: Array = pa.array(parent_gids, pa.string())
        return self.filter(lambda _, rows: pc.invert(pc.is_in(rows["gid"], value_set=excluded)))

    def prioritized_requests(self, first: Array) -> Iterator[FetchRequest]:
        """Yield one request per parent, those of the parents in `first` before all others."""
        is_first = self.filter(lambda _, rows: pc.is_in(rows["gid"], value_set=first))
        yield from is_first.requests()
        yield from self.filter(lambda _, rows: pc.invert(pc.is_in(rows["gid"], value_set=first))).requests()

    def filter(self, mask: Callable[[Listing, pa.Table], Array]) -> "Parents":
        """Return the parents for which `mask`, called once for each group, is true."""
        groups = ((listing, rows.filter(mask(listing, rows))) for listing, rows in self.groups)
        return Parents(self.workspace_gid, tuple(groups))

    def of(self, includes: Callable[[Listing], bool]) -> "Parents":
        """Return only the parents of the listings for which `includes` is true."""
        return self.filter(lambda listing, rows: pa.repeat(pa.scalar(includes(listing)), rows.num_rows))

    def requests(self) -> Iterator[FetchRequest]:
        """Yield one request per parent, in the order of the listings and then of the gids."""
        for listing, rows in self.groups:
            for start in range(0, rows.num_rows, _SLICE_ROWS):
                part = rows.slice(start, _SLICE_ROWS)
                for gid, version in zip(to_gid_list(part["gid"]), to_gid_list(part["version"]), strict=True):
                    yield listing_request(listing, gid, self.workspace_gid, version)


def choose_parents(
    endpoint: Endpoint, workspace_gid: str, upstream: Mapping[str, pa.Table], with_rows: Array | None = None
) -> Parents:
    """Return the parents that the endpoint's listings apply to.

    Args:
        endpoint: The endpoint to fetch.
        workspace_gid: The partition; "" for an endpoint that is not listed within a workspace.
        upstream: The rows of each upstream endpoint in this workspace, with the columns in `Endpoint.upstream`.
        with_rows: The parents of stored rows, see `eligible_parents`.

    Raises:
        UnknownWorkspaceError: The workspace itself is not among the upstream rows.
    """
    groups: dict[tuple[str, ...], tuple[Listing, list[pa.Table]]] = {}
    for listing in endpoint.listings:
        if listing.parent is None:
            parents = pa.table({"gid": pa.array([""]), "version": pa.array([""])})
        else:
            rows = upstream[listing.parent.name]
            if listing.parent_ref == WORKSPACE_GID.name and not rows.num_rows:
                raise UnknownWorkspaceError(
                    f"workspace {workspace_gid} is not one of this token's, or was not when {listing.parent.name} was "
                    "last materialized"
                )
            parents = eligible_parents(listing, rows, with_rows)
        groups.setdefault(_path_and_query(listing), (listing, []))[1].append(parents)
    return Parents(workspace_gid, tuple((listing, merge_parents(tables)) for listing, tables in groups.values()))


def eligible_parents(listing: Listing, rows: pa.Table | pa.RecordBatch, with_rows: Array | None = None) -> pa.Table:
    """Return `gid` and `version` of the parent rows that the listing applies to; the rows may be reduced ones.

    A parent in `with_rows`, which has stored rows, is eligible whatever its `only_if` column says: a count that is
    missing from one response must not delete its rows, and a count of 0 is confirmed by fetching the listing.
    """
    gids = rows[listing.parent_column]
    eligible: Array = pc.is_valid(gids)
    if listing.only_if:
        applies = pc.fill_null(_applies(rows[listing.only_if]), pa.scalar(value=False))
        if with_rows is not None:
            applies = pc.or_(applies, pc.is_in(gids, value_set=with_rows))
        eligible = cast("Array", pc.and_(eligible, applies))
    return pa.table({"gid": gids, "version": versions(rows, listing.version_columns or ())}).filter(eligible)


def childless_gids(listing: Listing, rows: pa.Table | pa.RecordBatch) -> Array:
    """Return the gids of the parent rows that say themselves that the listing is empty."""
    if not listing.only_if:
        return NO_GIDS
    gids = rows[listing.parent_column].filter(pc.invert(_applies(rows[listing.only_if])))
    return gids.combine_chunks() if isinstance(gids, pa.ChunkedArray) else gids


def _applies(flag: Array | Chunked) -> Array | Chunked:
    if pa.types.is_boolean(flag.type):
        return flag
    return pc.greater(pc.list_value_length(flag) if pa.types.is_list(flag.type) else flag, pa.scalar(0))


def nested_parents(listing: Listing, roots: pa.Table, rows: pa.Table) -> pa.Table:
    """Return the rows that are parents themselves and descend from `roots`.

    Args:
        listing: A recursive listing.
        roots: `gid` and `version` of the parents upstream.
        rows: The listing's own rows, with its columns and `parent_gid`.
    """
    with_rows = pc.unique(rows[PARENT_GID.name].combine_chunks())
    level = roots
    levels = [roots.slice(0, 0)]
    while rows.num_rows and level.num_rows:
        children = pc.is_in(rows[PARENT_GID.name], value_set=level["gid"].combine_chunks())
        level = eligible_parents(listing, rows.filter(children), with_rows)
        rows = rows.filter(pc.invert(children))
        levels.append(level)
    return pa.concat_tables(levels)


def merge_parents(tables: list[pa.Table]) -> pa.Table:
    """Merge tables of parents, sorted by gid; the first row of each gid wins."""
    grouped = pa.concat_tables(tables).group_by("gid", use_threads=False).aggregate([("version", "first")])
    return grouped.select(["gid", "version_first"]).rename_columns(["gid", "version"]).sort_by("gid")


def mask_owned_by(endpoint: Endpoint, rows: pa.Table | pa.RecordBatch, parents: Parents) -> Array:
    """Return a boolean mask of the endpoint's rows that belong to any of `parents`."""
    owned: Array = pa.repeat(pa.scalar(value=False), rows.num_rows)
    for listing in endpoint.listings:
        owned = pc.or_(owned, mask_references(rows[listing.parent_ref], parents.gids(listing)))
    return owned


def mask_with_unknown_parents(endpoint: Endpoint, rows: pa.Table | pa.RecordBatch, parents: Parents) -> Array:
    """Return a boolean mask of the endpoint's rows that reference any parent that is not one of `parents`."""
    found: Array = pa.repeat(pa.scalar(value=False), rows.num_rows)
    for listing in endpoint.listings:
        unknown = unknown_references(rows[listing.parent_ref], parents.gids(listing))
        found = pc.or_(found, mask_references(rows[listing.parent_ref], unknown))
    return found


def _path_and_query(listing: Listing) -> tuple[str, ...]:
    return (listing.path, *listing.params, *listing.params.values())
