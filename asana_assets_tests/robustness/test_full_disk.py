"""Syncs on a disk that is full again and again: once there is room, one plain run makes everything true."""

import os
import random
import sys
from pathlib import Path

import pytest

from asana_assets_tests.support.change_history import assert_history_leads_to, contents
from asana_assets_tests.support.mutations import paid
from asana_assets_tests.support.random_changes import change_at_random
from asana_assets_tests.support.requirements import require_installed
from asana_assets_tests.support.small_disk import SmallDisk, can_mount
from asana_assets_tests.support.sync_harness import MakeWarehouse
from asana_assets_tests.support.unreferenced import assert_maintenance_leaves_nothing

COMMAND = str(Path(sys.executable).with_name("asana-assets"))
SYNCS = 10


@pytest.mark.slow
@pytest.mark.timeout(900)  # seconds; several times what it takes on an idle machine
def test_tables_and_history_are_true_after_the_disk_was_full_in_syncs_of_changes(
    make_warehouse: MakeWarehouse, tmp_path: Path
) -> None:
    require_installed(can_mount(), "A way to mount a file system of limited size (`unshare --map-root-user --mount`)")
    warehouse = make_warehouse()
    warehouse.data_dir = tmp_path / "tables"
    warehouse.settings["ASANA_WORKSPACES"] = paid(warehouse)
    warehouse.sync()
    before = contents(warehouse)
    generator = random.Random(28)  # noqa: S311 - a seeded test
    environment = {"PATH": os.environ["PATH"], "HOME": str(tmp_path), **warehouse.environment}
    outcomes = list[tuple[int, str]]()
    with SmallDisk(warehouse.data_dir) as disk:
        for _ in range(SYNCS):
            change_at_random(warehouse.asana, generator)
            disk.leave_free(generator.randint(0, 400))
            outcomes.append(disk.run([COMMAND, "sync", "--quiet"], environment))
    for code, output in outcomes:
        assert code in {0, 1}
        assert "Traceback" not in output
    assert sum("No space left on device" in output for _, output in outcomes) > SYNCS // 2
    warehouse.sync()
    warehouse.assert_matches_asana(paid(warehouse))
    assert_history_leads_to(warehouse, before)
    assert_maintenance_leaves_nothing(warehouse.data_dir)
    warehouse.assert_matches_asana(paid(warehouse))
