"""Confirmation of absence: what one response claims to be gone is requested again before its rows are deleted.

Asana has answered listings with nothing, and objects that exist with 404, for one request; and since it paginates by
rank (https://developers.asana.com/docs/pagination), a record that moves while its listing is fetched can be skipped.
The second request is sent after all others of the extract. Nothing is requested again if nothing is missing.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import pyarrow as pa
import pyarrow.compute as pc

from asana_assets.asana.client import Page
from asana_assets.asana.field_types import Array
from asana_assets.asana.model import GID, PARENT_GID
from asana_assets.sync.gids import to_gid_list
from asana_assets.sync.rows import raw_records


def prefers_records(*, missing: int, pages: int) -> bool:
    """Return whether fetching missing records by gid costs no more than listing their parents again.

    Only a record's own response shows where it is now, so that a record that moved is not taken for deleted.

    Args:
        missing: Stored records that their parents no longer list.
        pages: Pages of these parents' listings.
    """
    return missing <= pages


@dataclass(frozen=True, slots=True)
class StoredChildren:
    """The stored children of some parents, by parent.

    Attributes:
        gids: The children's gids, sorted by parent.
        ranges: For each parent, the start and the length of its children in `gids`.
    """

    gids: Array
    ranges: dict[str, tuple[int, int]]

    @classmethod
    def select(cls, batches: Iterable[pa.RecordBatch], parent_gids: Array, gid: str = GID.name) -> "StoredChildren":
        """Select the children of `parent_gids` from stored rows.

        Args:
            batches: The rows, with the columns `gid` and `parent_gid`.
            parent_gids: The parents.
            gid: The column that holds the gids of the children.
        """
        selected = [batch.filter(pc.is_in(batch[PARENT_GID.name], value_set=parent_gids)) for batch in batches]
        names = [gid, PARENT_GID.name]
        schema = pa.schema([(name, pa.string()) for name in names])
        rows = pa.Table.from_batches([batch.select(names) for batch in selected], schema).sort_by(PARENT_GID.name)
        ranges: dict[str, tuple[int, int]] = {}
        start = 0
        counts = pc.value_counts(rows[PARENT_GID.name].combine_chunks())  # in order of appearance
        parents, lengths = counts.field("values").to_pylist(), counts.field("counts").to_pylist()
        for parent, length in zip(parents, lengths, strict=True):
            ranges[str(parent)] = (start, int(length or 0))
            start += int(length or 0)
        return cls(rows[gid].combine_chunks(), ranges)

    def of(self, parent_gid: str) -> set[str]:
        """Return the stored children of a parent."""
        start, length = self.ranges.get(parent_gid, (0, 0))
        return set(to_gid_list(self.gids.slice(start, length)))


def listed_gids(pages: Iterable[Page]) -> Iterator[str]:
    """Yield the gids of the records on the pages."""
    for page in pages:
        for record in raw_records(page):
            if isinstance(record, dict) and isinstance(gid := record.get(GID.field), str):
                yield gid
