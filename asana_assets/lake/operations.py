"""The operations of `Lake` that need PyIceberg, gathered so that a single import loads them all."""

from asana_assets.lake.catalog import open_catalog
from asana_assets.lake.comments import update_comments
from asana_assets.lake.commit import replace_parents, replace_partition
from asana_assets.lake.maintenance import expire_snapshots
from asana_assets.lake.statistics import count_values
from asana_assets.lake.table import count, ensure_table, load_table, may_contain_null, scan, scan_batches
from asana_assets.lake.writer import PartitionWriter

__all__ = [
    "PartitionWriter",
    "count",
    "count_values",
    "ensure_table",
    "expire_snapshots",
    "load_table",
    "may_contain_null",
    "open_catalog",
    "replace_parents",
    "replace_partition",
    "scan",
    "scan_batches",
    "update_comments",
]
