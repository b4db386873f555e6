"""The operations of `Lake` that need PyIceberg, gathered so that a single import loads them all."""

from asana_assets.lake.catalog import open_catalog
from asana_assets.lake.comments import update_comments
from asana_assets.lake.difference import write_rows
from asana_assets.lake.index_reader import Parents
from asana_assets.lake.maintenance import drop_lost_files, expire_snapshots
from asana_assets.lake.statistics import count_values
from asana_assets.lake.table import count, ensure_table, load_table, may_contain_null, scan, scan_batches, scan_schema

__all__ = [
    "Parents",
    "count",
    "count_values",
    "drop_lost_files",
    "ensure_table",
    "expire_snapshots",
    "load_table",
    "may_contain_null",
    "open_catalog",
    "scan",
    "scan_batches",
    "scan_schema",
    "update_comments",
    "write_rows",
]
