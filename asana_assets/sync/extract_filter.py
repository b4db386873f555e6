"""Row filters in a full extract: what of the fetched and of the stored rows is kept, and what is remembered of it."""

import pyarrow as pa
import pyarrow.compute as pc

from asana_assets.asana.field_types import Array
from asana_assets.asana.model import GID
from asana_assets.sync.extract import ExtractContext
from asana_assets.sync.extract_stats import ExtractStats
from asana_assets.sync.gids import NO_GIDS
from asana_assets.sync.parents import Parents
from asana_assets.sync.row_filter import RowSelection, mask_excluded, mask_without_parents
from asana_assets.sync.sync_state import INSTANT, RowKind, build_entries, no_entries


class ExtractFilter:
    """Keeps out of one extract what the endpoint's filter, or that of one above, excludes. Single use.

    A row that a response shows to be excluded, or whose stored parents are, needs no confirmation to be deleted.
    """

    def __init__(self, context: ExtractContext, parents: Parents, stats: ExtractStats) -> None:
        self._context = context
        self._parents = parents
        self._stats = stats
        workspaces = (context.workspace_gid, *context.other_workspaces)
        self._selection: RowSelection | None = None
        if context.row_filter:
            self._selection = context.row_filter.start(context.client, workspaces, stats.request_stats)
        self._excluded = [NO_GIDS]  # fetched
        self._removed = NO_GIDS  # stored until now

    def include(self, rows: pa.RecordBatch) -> pa.RecordBatch:
        """Return the fetched rows that are to be stored."""
        context = self._context
        if not (self._selection or context.exclusions):
            return rows
        excluded = mask_without_parents(context.endpoint, rows, self._parents, context.exclusions.keys())
        if self._selection:
            excluded = pc.or_(excluded, pc.invert(self._selection.mask(rows)))
        self._excluded.append(rows[GID.name].filter(excluded))
        return rows.filter(pc.invert(excluded))

    def verify(self) -> None:
        """Check, after the last rows of the listings, that the filter's settings fit them.

        Raises:
            ConfigurationError: They do not.
        """
        if self._selection:
            self._selection.verify()

    def keep_stored(self, unlisted: pa.Table) -> pa.Table:
        """Return the stored rows that were not listed without those that are excluded, which are counted."""
        by_response: Array = pc.is_in(unlisted[GID.name].combine_chunks(), value_set=pa.concat_arrays(self._excluded))
        by_parents = mask_excluded(self._context.endpoint, unlisted, self._parents, self._context.exclusions)
        is_excluded = pc.or_(by_response, by_parents)
        self._removed = unlisted[GID.name].combine_chunks().filter(is_excluded)
        self._stats.excluded = len(self._removed)
        return unlisted.filter(pc.invert(is_excluded))

    def sync_state(self) -> pa.Table:
        """Return the sync state to save for the rows that the endpoint's own filter has removed."""
        if not self._selection:
            return no_entries()
        known = self._context.state.excluded["parent_gid"].combine_chunks()
        new = self._removed.filter(pc.invert(pc.is_in(self._removed, value_set=known)))
        started_at = pa.repeat(pa.scalar(self._context.sync.started_at, INSTANT), len(new))
        return build_entries(RowKind.EXCLUDED_ROW, len(new), {"parent_gid": new, "_synced_at": started_at})

    def obsolete_state(self) -> Array:
        """Return the keys, in place of gids of parents, of the state of rows that are not excluded any more."""
        known = self._context.state.excluded["parent_gid"].combine_chunks()
        included = known.filter(pc.invert(pc.is_in(known, value_set=pa.concat_arrays(self._excluded))))
        return pa.array([f"{RowKind.EXCLUDED_ROW}/{gid}" for gid in included.to_pylist()], pa.string())
