"""`asana-assets maintain` and the job that does the same, on tables with something to maintain."""

import json
import os
from pathlib import Path

import dagster as dg
import pytest
from pyiceberg.table import Table

from asana_assets.defs.maintenance import build_maintenance_job, build_maintenance_schedule
from asana_assets.defs.resources import LakeResource
from asana_assets.lake.lake import Lake
from asana_assets.sandbox import Sandbox
from asana_assets_tests.support.command import run
from asana_assets_tests.support.lake_tables import SCHEMA, batch, gids, row

DAY = 24 * 3600


def grow(data_dir: Path) -> Table:
    """Create a table with 8 small files, one of them of a deleted row, and an unreferenced file of 4 days."""
    lake = Lake(data_dir=data_dir, namespace="asana")
    table = lake.ensure_table("tasks", SCHEMA)
    for number in range(7):
        lake.replace_parents(
            table, "w", parent_column="parent_gid", parents=_none(), rows=[batch([row(number)])], sort_by=["gid"]
        )
    lost = data_dir / "warehouse" / "asana" / "tasks" / "data" / "lost.parquet"
    lost.write_text("12345")
    os.utime(lost, (lost.stat().st_mtime - 4 * DAY,) * 2)
    return table
