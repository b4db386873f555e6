"""The table `sync_state` as the first version wrote it, before rows had a column `kind`."""

import pyarrow as pa

FIRST_LAYOUT = pa.schema(
    [
        pa.field("gid", pa.string()),
        pa.field("workspace_gid", pa.string()),
        pa.field("endpoint", pa.string()),
        pa.field("parent_gid", pa.string()),
        pa.field("version", pa.string()),
        pa.field("_synced_at", pa.timestamp("us", tz="UTC")),
    ]
)
"""The columns that the first version created."""
