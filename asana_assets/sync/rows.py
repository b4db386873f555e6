"""Conversion of JSON pages to Arrow rows by an endpoint's columns.

Nearly every page fits its columns and takes the fast path: Arrow's JSON reader on the bytes as received. A page that
does not fit is decoded value by value: values that do not fit are moved to `_unmapped`, and records that cannot be
identified are skipped and counted.
"""

import io
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, cast

import msgspec
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.json as pj

from asana_assets.asana.client import Page
from asana_assets.asana.field_types import Array, Struct, Unmapped
from asana_assets.asana.model import GID, PARENT_GID, ROW_HASH, SYNCED_AT, UNMAPPED, WORKSPACE_GID, Endpoint
from asana_assets.sync.gids import to_gid_list


@dataclass(frozen=True, slots=True)
class FetchedPage:
    """A page and the gid of the parent it was listed under."""

    page: Page
    parent_gid: str


@dataclass(frozen=True, slots=True, kw_only=True)
class BuiltRows:
    """The rows of some pages.

    Attributes:
        batch: The rows, in the table's schema.
        records_skipped: Records without a gid, and those that are not objects.
        incomplete_parents: Gids of the parents to which these records belong.
        texts_repaired: Texts whose invalid Unicode was replaced.
    """

    batch: pa.RecordBatch
    records_skipped: int
    incomplete_parents: frozenset[str]
    texts_repaired: int


class _Records(msgspec.Struct):
    data: list[Any]  # any JSON


_RECORDS_DECODER = msgspec.json.Decoder(_Records, float_hook=float)  # without it, 1e999 is an error


class RowBuilder:
    """Builds the rows of one endpoint from its pages."""

    def __init__(self, endpoint: Endpoint) -> None:
        self._endpoint = endpoint
        self._gid = endpoint.record_gid.name
        self._record = Struct(endpoint.api_columns)
        self._options = pj.ParseOptions(
            explicit_schema=pa.schema([pa.field("data", pa.list_(self._record.json_type))]),
            newlines_in_values=True,
            unexpected_field_behavior="ignore",
        )

    def build(self, fetched: Sequence[FetchedPage], workspace_gid: str | None) -> BuiltRows:
        """Build the rows of the pages, in the table's schema.

        Args:
            fetched: The pages.
            workspace_gid: The partition; empty or None where each record is a workspace itself.
        """
        pages = [item.page for item in fetched]
        counts, unmapped = [page.count for page in pages], None
        try:
            records = self.convert(pages)
            if records[self._gid].null_count or pc.any(pc.equal(records[self._gid], pa.scalar(""))).as_py():
                raise pa.ArrowInvalid("a record has no gid")  # noqa: TRY301 - the slow path skips the record
        except pa.ArrowInvalid:
            records, unmapped, counts = self.coerce(pages)
        gids = records[self._gid]
        columns = dict(zip(records.schema.names, records.columns, strict=True))
        columns[WORKSPACE_GID.name] = pa.repeat(pa.scalar(workspace_gid), records.num_rows) if workspace_gid else gids
        if self._endpoint.is_child:
            parents = _per_record([item.parent_gid for item in fetched], counts, pa.string())
            columns[PARENT_GID.name] = parents
            if self._gid != GID.name:
                columns[GID.name] = _joined(parents, gids)
        columns[SYNCED_AT.name] = _per_record([page.requested_at for page in pages], counts, SYNCED_AT.type.arrow_type)
        columns[UNMAPPED.name] = pa.array(unmapped, pa.string()) if unmapped else pa.nulls(len(gids), pa.string())
        columns[ROW_HASH.name] = pa.nulls(len(gids), pa.int64())  # computed when the rows are stored
        schema = self._endpoint.schema
        return BuiltRows(
            batch=pa.RecordBatch.from_arrays([columns[name] for name in schema.names], schema=schema),
            records_skipped=sum(page.count for page in pages) - records.num_rows,
            incomplete_parents=frozenset(
                item.parent_gid for item, count in zip(fetched, counts, strict=True) if count < item.page.count
            ),
            texts_repaired=sum(page.repairs for page in pages),
        )

    def convert(self, pages: Sequence[Page]) -> pa.RecordBatch:
        """Return the records of all pages by the fast path.

        Raises:
            pa.ArrowInvalid: A value does not fit its column.
        """
        body = b"\n".join(page.body for page in pages)
        # One block, so that no page is split; one thread, since pages are small and the other core is busy.
        read_options = pj.ReadOptions(use_threads=False, block_size=len(body) + 1)
        data = pj.read_json(io.BytesIO(body), read_options=read_options, parse_options=self._options)["data"]
        records = pc.list_flatten(data.combine_chunks())
        if len(records) != sum(page.count for page in pages):
            raise pa.ArrowInvalid("some pages were not read as one list each")
        return _to_batch(self._record.convert(records))

    def coerce(self, pages: Sequence[Page]) -> tuple[pa.RecordBatch, list[str | None], list[int]]:
        """Return the records of all pages, value by value.

        Returns:
            The records, without those that have no gid or are not objects; for each record the values that do not fit,
            as a JSON object, or None; and for each page the number of its records.
        """
        rows: list[object] = []
        unmapped: list[str | None] = []
        counts: list[int] = []
        for page in pages:
            before = len(rows)
            for record in raw_records(page):
                if not isinstance(record, dict) or not isinstance(gid := record.get(GID.field), str) or not gid:
                    continue
                misfits: Unmapped = {}
                rows.append(
                    {c.name: c.type.coerce(record.get(c.field), c.field, misfits) for c in self._record.columns}
                )
                unmapped.append(msgspec.json.encode(misfits).decode() if misfits else None)
            counts.append(len(rows) - before)
        return _to_batch(pa.array(rows, self._record.arrow_type)), unmapped, counts


def raw_records(page: Page) -> list[Any]:
    """Return the records on a page as decoded JSON, whatever they are."""
    return _RECORDS_DECODER.decode(page.body).data


def _joined(parents: Array, gids: Array) -> Array:
    """Return values of `JOINED_GID`."""
    pairs = zip(to_gid_list(parents), to_gid_list(gids), strict=True)
    return pa.array([f"{parent}-{gid}" for parent, gid in pairs], pa.string())


def _to_batch(records: Array) -> pa.RecordBatch:
    return pa.RecordBatch.from_struct_array(cast("pa.StructArray", records))


def _per_record(values: Sequence[object], counts: Sequence[int], arrow_type: pa.DataType) -> Array:
    """Return the value of each page once for each of its records."""
    page_indices = [index for index, count in enumerate(counts) for _ in range(count)]
    return pa.array(values, arrow_type).take(pa.array(page_indices, pa.int32()))
