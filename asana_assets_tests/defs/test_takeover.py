"""A warehouse of the version before rows had hashes and changes were recorded is taken over as it is."""

from collections import Counter
from pathlib import Path

import pytest

from asana_assets_tests.support.change_history import assert_history_leads_to, contents
from asana_assets_tests.support.command import run
from asana_assets_tests.support.mutations import mutate, mutate_hidden, paid
from asana_assets_tests.support.previous_version import unpack
from asana_assets_tests.support.sync_harness import MakeWarehouse, Warehouse


def requests(warehouse: Warehouse, directory: Path, *options: str) -> Counter[str]:
    """Sync, without fetching anything again for its age alone; return how often each path was requested."""
    before = len(warehouse.asana.log)
    environment = warehouse.environment
    result = run(directory, warehouse.asana, "sync", "--strict", "--refresh-after-days", "0", *options, **environment)
    assert result.returncode == 0, result.stderr
    return Counter(entry.path for entry in warehouse.asana.log[before:])


@pytest.mark.slow
def test_a_sync_over_the_previous_version_requests_and_records_what_an_unchanged_one_does(
    make_warehouse: MakeWarehouse, tmp_path: Path
) -> None:
    warehouse = make_warehouse()
    gid = paid(warehouse)
    warehouse.settings["ASANA_WORKSPACES"] = gid
    requests(warehouse, tmp_path)
    unchanged = requests(warehouse, tmp_path)

    warehouse.data_dir = unpack(tmp_path)
    before = contents(warehouse)
    columns = warehouse.table("tasks").schema.names
    assert "_row_hash" not in columns
    assert requests(warehouse, tmp_path) == unchanged
    assert requests(warehouse, tmp_path) == unchanged
    assert warehouse.table("tasks").schema.names == [*columns, "_row_hash"]
    requests(warehouse, tmp_path, "--full-refresh")
    warehouse.assert_matches_asana(gid)
    assert contents(warehouse) == before
    assert not list(warehouse.data_dir.rglob("changes"))

    mutate(warehouse)
    mutate_hidden(warehouse)
    requests(warehouse, tmp_path)
    warehouse.assert_matches_asana(gid)
    assert_history_leads_to(warehouse, before)
