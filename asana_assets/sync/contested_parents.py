"""Parents that two syncs fetched at the same time.

The rows of the sync that commits them last are stored, whichever has fetched them first. So neither sync's state is
believed: a parent whose row in the sync state has changed since the sync loaded it is fetched again.
"""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

import pyarrow as pa
import pyarrow.compute as pc

from asana_assets.asana.field_types import Array
from asana_assets.sync.gids import NO_GIDS
from asana_assets.sync.sync_state import SYNC_STATE_SCHEMA, RowKind, SyncState, of_kind, parent_keys

LOADED_SCHEMA = pa.schema([SYNC_STATE_SCHEMA.field(name) for name in ("gid", "version", "_synced_at")])
"""What identifies a row of the sync state: its key, and what differs after each fetch."""


def loaded_rows(endpoint_name: str, loaded: SyncState, entries: pa.Table) -> pa.Table:
    """Return what `loaded` has of the parents that `entries` replace, as in `LOADED_SCHEMA`."""
    gids = of_kind(entries, RowKind.PARENT_VERSION)["parent_gid"].combine_chunks()
    rows = loaded.parents.filter(pc.is_in(loaded.parents["parent_gid"], value_set=gids))
    keys = parent_keys(endpoint_name, rows["parent_gid"].combine_chunks())
    return pa.table([keys, rows["version"], rows["_synced_at"]], schema=LOADED_SCHEMA)


@dataclass(frozen=True, slots=True)
class UncontestedRows:
    """New rows of the sync state without those of contested parents; can be iterated repeatedly.

    Attributes:
        rows: The rows, with their keys.
        loaded: What the sync loaded of the rows that these replace, as in `LOADED_SCHEMA`.
        scan: Yields the stored rows of the workspace, with the columns in `LOADED_SCHEMA`. It is called while this is
            iterated, which is after the commit refreshed the table.
    """

    rows: pa.Table
    loaded: pa.Table
    scan: Callable[[], Iterable[pa.RecordBatch]]

    def __iter__(self) -> Iterator[pa.Table]:
        keys, contested = self.keys, [NO_GIDS]
        for batch in self.scan() if len(keys) else ():
            stored = pa.Table.from_batches([batch]).select(LOADED_SCHEMA.names)
            stored = stored.filter(pc.is_in(stored["gid"], value_set=keys))
            others = stored.join(self.loaded, keys=LOADED_SCHEMA.names, join_type="left anti", use_threads=False)
            contested += others["gid"].chunks
        yield self.rows.filter(pc.invert(pc.is_in(self.rows["gid"], value_set=pa.concat_arrays(contested))))

    @property
    def keys(self) -> Array:
        """The keys of the parents' new rows."""
        return of_kind(self.rows, RowKind.PARENT_VERSION)["gid"].combine_chunks()
