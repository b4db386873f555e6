"""The operations of `Lake` that need PyIceberg, gathered so that a single import loads them all."""

from asana_assets.lake.catalog import open_catalog
from asana_assets.lake.change_log import CHANGES_SCHEMA, ChangeLog
from asana_assets.lake.comments import update_comments
from asana_assets.lake.difference import ChangeRecorder, write_rows
from asana_assets.lake.forgetting import forget_workspace
from asana_assets.lake.index_reader import Parents
from asana_assets.lake.maintenance import drop_lost_files, expire_snapshots
from asana_assets.lake.merging import merge_small_files
from asana_assets.lake.statistics import content_version, count_values
from asana_assets.lake.table import count, ensure_table, load_table, may_contain_null, scan, scan_batches, scan_schema
from asana_assets.lake.table_properties import add_missing_properties
from asana_assets.lake.upkeep import maintain_table, maintained_tables, stored_workspaces

__all__ = [
    "CHANGES_SCHEMA",
    "ChangeLog",
    "ChangeRecorder",
    "Parents",
    "add_missing_properties",
    "content_version",
    "count",
    "count_values",
    "drop_lost_files",
    "ensure_table",
    "expire_snapshots",
    "forget_workspace",
    "load_table",
    "maintain_table",
    "maintained_tables",
    "may_contain_null",
    "merge_small_files",
    "open_catalog",
    "scan",
    "scan_batches",
    "scan_schema",
    "stored_workspaces",
    "update_comments",
    "write_rows",
]
