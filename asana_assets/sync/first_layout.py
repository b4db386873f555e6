"""The first layout of the table `sync_state`, which had no kinds of rows, and its conversion to the current one."""

import pyarrow as pa
import pyarrow.compute as pc

from asana_assets.sync.sync_state import SYNC_STATE_SCHEMA, RowKind, row_keys

# Its markers were rows of these endpoints, see `convert_first_layout`.
_FIRST_LAYOUT_INTERRUPTED = "sync"
_FIRST_LAYOUT_DROP = "doubt"

FIRST_LAYOUT_INTERRUPTED_PREFIX = f"{_FIRST_LAYOUT_INTERRUPTED}/"
"""Start of the key of an interrupted sync in the table's first layout."""

FIRST_LAYOUT_DROP_PREFIX = f"{_FIRST_LAYOUT_DROP}/"
"""Start of the keys of row-count drops in the table's first layout."""


def split_by_layout(rows: pa.Table) -> tuple[pa.Table, pa.Table]:
    """Return the rows of the current and those of the first layout, both with all columns."""
    columns = [
        rows[column.name] if column.name in rows.column_names else pa.nulls(rows.num_rows, column.type)
        for column in SYNC_STATE_SCHEMA
    ]
    complete = pa.table(columns, schema=SYNC_STATE_SCHEMA)
    is_first = pc.is_null(complete["kind"])
    return complete.filter(pc.invert(is_first)), complete.filter(is_first)


def convert_first_layout(rows: pa.Table, workspace_gid: str) -> pa.Table:
    """Convert rows of the table's first layout, which have no kind, to the current one.

    The endpoint `sync` marked an interrupted sync, and `doubt` a row-count drop whose endpoint was in `parent_gid` and
    whose row count was in `version`. A parent that is the workspace marked a completed sync. The id of a sync was in
    `version`.
    """
    endpoint, parent, version = rows["endpoint"], rows["parent_gid"], rows["version"]
    null = pa.scalar(None, pa.string())
    kind = pc.if_else(pc.equal(parent, pa.scalar(workspace_gid)), RowKind.COMPLETED_SYNC, RowKind.PARENT_VERSION)
    kind = pc.if_else(pc.equal(endpoint, pa.scalar(_FIRST_LAYOUT_DROP)), RowKind.ROW_COUNT_DROP, kind)
    kind = pc.if_else(pc.equal(endpoint, pa.scalar(_FIRST_LAYOUT_INTERRUPTED)), RowKind.INTERRUPTED_SYNC, kind)
    is_parent, is_drop, is_interrupted = (
        pc.equal(kind, pa.scalar(one.value))
        for one in (RowKind.PARENT_VERSION, RowKind.ROW_COUNT_DROP, RowKind.INTERRUPTED_SYNC)
    )
    endpoint = pc.if_else(is_drop, parent, pc.if_else(is_interrupted, null, endpoint))
    parent = pc.if_else(is_parent, parent, null)
    columns = {
        "gid": row_keys(kind, endpoint, parent),
        "workspace_gid": rows["workspace_gid"],
        "kind": kind,
        "endpoint": endpoint,
        "parent_gid": parent,
        "version": pc.if_else(is_parent, version, null),
        "sync_id": pc.if_else(pc.or_(is_parent, is_drop), null, version),
        "row_count": pc.if_else(is_drop, version, null).cast(pa.int64()),
        "_synced_at": rows["_synced_at"],
    }
    arrays = [columns.get(column.name, pa.nulls(rows.num_rows, column.type)) for column in SYNC_STATE_SCHEMA]
    return pa.table(arrays, schema=SYNC_STATE_SCHEMA)
