"""Rewriting stored rows when the choice of columns has changed, before the endpoint is fetched."""

from collections.abc import Iterator, Mapping
from functools import partial

import pyarrow as pa

from asana_assets.asana.column_choice import ColumnChoice
from asana_assets.asana.field_types import Array
from asana_assets.asana.model import Endpoint
from asana_assets.defs.resources import LakeResource
from asana_assets.sync.gids import NO_GIDS
from asana_assets.sync.hidden_columns import CHANGING, changed_columns, convert_stored, must_fetch
from asana_assets.sync.sync_state import RowKind, SyncState, build_entries


def hide_stored_values(
    lake: LakeResource,
    endpoint: Endpoint,
    workspace_gid: str,
    choice: ColumnChoice,
    state: SyncState,
    *,
    integration: str,
) -> SyncState:
    """Rewrite the endpoint's stored rows as the choice demands, unless its state says that they are stored that way.

    `changes` records nothing of it. Where values must be fetched, all parents are stale afterwards. An interruption
    leaves the columns marked: as no one can tell their values from hashes, the next call replaces them with nulls.

    Returns:
        The endpoint's sync state afterwards.

    Raises:
        LakeError: The table or the sync state cannot be read or written.
    """
    before, after = state.hidden, choice.of(endpoint)
    changed = changed_columns(before, after)
    if not changed:
        return state
    if lake.table(endpoint.name) is not None:
        stale = _parents(state) if must_fetch(before, after) else NO_GIDS
        save_hidden_columns(lake, endpoint, workspace_gid, dict.fromkeys(changed, CHANGING), stale)
        convert = partial(convert_stored, endpoint=endpoint, before=before, after=after, hasher=choice.hasher)
        table = lake.iceberg.ensure_table(endpoint.name, endpoint.schema, integration=integration)
        for gid in [workspace_gid] if endpoint.upstream else lake.iceberg.workspaces(table):
            rows: Iterator[pa.RecordBatch] = map(convert, lake.stored_rows(endpoint, gid).batches())
            lake.iceberg.replace_partition(table, gid, rows, sort_by=endpoint.sort_by)
    shown = pa.array([f"{RowKind.HIDDEN_COLUMN}/{name}" for name in changed.difference(after)], pa.string())
    save_hidden_columns(lake, endpoint, workspace_gid, {name: after[name] for name in changed & after.keys()}, shown)
    return lake.load_state(endpoint.name, workspace_gid)


def _parents(state: SyncState) -> Array:
    return pa.concat_arrays([state.parents["parent_gid"].combine_chunks(), state.failed])


def save_hidden_columns(
    lake: LakeResource, endpoint: Endpoint, workspace_gid: str, hidden: Mapping[str, str], deleted: Array
) -> None:
    columns = {
        "column_name": pa.array(list(hidden), pa.string()),
        "version": pa.array(list(hidden.values()), pa.string()),
    }
    rows = build_entries(RowKind.HIDDEN_COLUMN, len(hidden), columns)
    lake.save_state(endpoint.name, workspace_gid, rows, deleted)
    lake.sync_states.flush(workspace_gid)
