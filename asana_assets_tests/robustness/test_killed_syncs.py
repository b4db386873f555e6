"""Syncs and maintenance that are killed at any operation, with changes in between: tables and history stay true."""

import random
import subprocess
import sys

import pytest

from asana_assets_tests.support.change_history import assert_history_leads_to, contents
from asana_assets_tests.support.mutations import paid
from asana_assets_tests.support.random_changes import change_at_random
from asana_assets_tests.support.sync_harness import MakeWarehouse, Warehouse
from asana_assets_tests.support.unreferenced import assert_maintenance_leaves_nothing, unreferenced_files

MODULE = "asana_assets_tests.support.killed_process"
KILLS = 20
CRITICAL = [
    "before commit of changes",
    "after commit of changes",
    "before commit of sync_state",
    "after commit of tasks",
    "after remove",
]


def run(warehouse: Warehouse, moment: str = "0") -> str:
    """Sync and maintain; return at what the process was killed, or the number of moments if it was not."""
    process = subprocess.run(  # noqa: S603 - our own script
        [sys.executable, "-m", MODULE, moment],
        env={"HOME": str(warehouse.data_dir), **warehouse.environment},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert process.returncode in {0, -9}, process.stderr
    return process.stdout.splitlines()[-1]


@pytest.mark.slow
@pytest.mark.timeout(1200)  # seconds; several times what it takes on an idle machine
def test_tables_and_history_are_true_after_syncs_and_maintenance_were_killed_at_random_operations(
    make_warehouse: MakeWarehouse,
) -> None:
    warehouse = make_warehouse()
    warehouse.settings["ASANA_WORKSPACES"] = paid(warehouse)
    run(warehouse)
    warehouse.assert_matches_asana(paid(warehouse))
    before = contents(warehouse)
    generator = random.Random(1)  # noqa: S311 - a seeded test
    moments, left_over = list[str](), 0
    while len(moments) < KILLS:
        change_at_random(warehouse.asana, generator)
        is_random = len(moments) >= len(CRITICAL)
        outcome = run(warehouse, str(generator.randint(1, 300)) if is_random else CRITICAL[len(moments)])
        if not outcome.isdecimal():
            moments.append(outcome)
            left_over += bool(unreferenced_files(warehouse.data_dir))
    run(warehouse)  # resumes the sync that was interrupted last, whose completed assets may be older than changes
    run(warehouse)
    warehouse.assert_matches_asana(paid(warehouse))
    assert_history_leads_to(warehouse, before)
    assert_maintenance_leaves_nothing(warehouse.data_dir)
    warehouse.assert_matches_asana(paid(warehouse))
    assert_history_leads_to(warehouse, before)
    assert {moment.split()[1] for moment in moments} >= {"write", "commit", "delete"}, moments
    assert left_over
