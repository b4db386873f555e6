"""The asset `workspaces`, over real HTTP: a workspace is removed only if two responses agree that it is gone."""

import json
from typing import Any, cast

import dagster as dg
import pytest

from asana_assets.definitions import defs
from asana_assets.sandbox import STANDARD, Sandbox
from asana_assets.sandbox.data.model import JSON
from asana_assets_tests.support.sync_harness import MakeWarehouse, Warehouse, failures, metadata

EMPTY = {"data": [], "next_page": None}


def requests(asana: Sandbox) -> int:
    return sum(entry.path == "/workspaces" for entry in asana.log)


def refreshed(make_warehouse: MakeWarehouse) -> tuple[Warehouse, list[str]]:
    """Return a warehouse with synced workspaces, and their gids."""
    warehouse = make_warehouse()
    assert warehouse.run("refresh_workspaces").success
    return warehouse, registered(warehouse)


def registered(warehouse: Warehouse) -> list[str]:
    return list(warehouse.instance.get_dynamic_partitions("asana_workspaces"))


def stored(warehouse: Warehouse) -> list[str]:
    return sorted(row["gid"] for row in warehouse.rows("workspaces"))


def without(warehouse: Warehouse, *gids: str) -> JSON:
    """Return the response that lacks these workspaces."""
    records = [record for record in warehouse.asana.truth("workspaces") if record["gid"] not in gids]
    return {"data": records, "next_page": None}


def test_if_no_workspace_is_missing_the_list_is_requested_once(make_warehouse: MakeWarehouse) -> None:
    warehouse, _ = refreshed(make_warehouse)
    assert requests(warehouse.asana) == 1
    result = warehouse.run("refresh_workspaces")
    assert requests(warehouse.asana) == 2
    assert metadata(result, "workspaces")["requests"] == 1


@pytest.mark.parametrize("missing", [1, 3])
def test_one_response_that_lacks_workspaces_deletes_nothing(make_warehouse: MakeWarehouse, missing: int) -> None:
    warehouse, gids = refreshed(make_warehouse)
    before = warehouse.rows("workspaces")
    warehouse.asana.add_fault("/workspaces", 200, times=1, body=without(warehouse, *gids[:missing]))
    result = warehouse.run("refresh_workspaces")
    assert result.success
    assert registered(warehouse) == gids
    after = warehouse.rows("workspaces")
    assert sorted(row["name"] for row in after) == sorted(row["name"] for row in before)
    assert requests(warehouse.asana) == 3
    assert metadata(result, "workspaces")["requests"] == 2


def test_responses_that_disagree_delete_nothing(make_warehouse: MakeWarehouse) -> None:
    warehouse, gids = refreshed(make_warehouse)
    for gid in gids[:2]:
        warehouse.asana.add_fault("/workspaces", 200, times=1, body=without(warehouse, gid))
    assert warehouse.run("refresh_workspaces").success
    assert registered(warehouse) == gids
    assert stored(warehouse) == sorted(gids)


def test_a_workspace_that_two_responses_lack_is_removed(make_warehouse: MakeWarehouse) -> None:
    warehouse, gids = refreshed(make_warehouse)
    warehouse.asana.add_fault("/workspaces", 200, times=2, body=without(warehouse, gids[0]))
    assert warehouse.run("refresh_workspaces").success
    assert registered(warehouse) == gids[1:]
    assert stored(warehouse) == sorted(gids[1:])


@pytest.mark.parametrize("status", [403, 404, 500])
def test_a_confirmation_that_fails_deletes_nothing_and_is_logged(make_warehouse: MakeWarehouse, status: int) -> None:
    warehouse, gids = refreshed(make_warehouse)
    warehouse.asana_fields["max_attempts"] = 1
    warehouse.asana.add_fault("/workspaces", 200, times=1, body=without(warehouse, gids[0]))
    warehouse.asana.add_fault("/workspaces", status)
    result = warehouse.run("refresh_workspaces")
    assert result.success
    messages = [entry.user_message for entry in warehouse.instance.all_logs(result.run_id)]
    assert any(message.startswith(f"Whether {gids[0]} are gone is not known: GET /workspaces ") for message in messages)
    assert registered(warehouse) == gids
    assert stored(warehouse) == sorted(gids)


def test_a_workspace_whose_record_cannot_be_identified_is_kept(make_warehouse: MakeWarehouse) -> None:
    warehouse, gids = refreshed(make_warehouse)
    warehouse.asana.add_fault("/workspaces", "replaced_record", position=0)
    assert warehouse.run("refresh_workspaces").success
    assert registered(warehouse) == gids
    assert stored(warehouse) == sorted(gids)


def test_401_during_the_confirmation_fails_the_run_and_deletes_nothing(make_warehouse: MakeWarehouse) -> None:
    warehouse, gids = refreshed(make_warehouse)
    warehouse.asana.add_fault("/workspaces", 200, times=1, body=EMPTY)
    warehouse.asana.add_fault("/workspaces", 401)
    result = warehouse.run("refresh_workspaces")
    assert "ASANA_ACCESS_TOKEN" in failures(result)["workspaces"]
    assert registered(warehouse) == gids
    assert stored(warehouse) == sorted(gids)


def test_a_new_workspace_that_one_response_lacks_is_synced_nevertheless(make_warehouse: MakeWarehouse) -> None:
    warehouse = make_warehouse()
    gid = warehouse.asana.organization.edge_cases["personal_workspace"]
    warehouse.instance.add_dynamic_partitions("asana_workspaces", [gid])  # by the sensor
    warehouse.asana.add_fault("/workspaces", 200, times=1, body=EMPTY)
    assert warehouse.run("sync_workspace", gid, STANDARD).success
    warehouse.assert_matches_asana(gid)


def test_asana_workspaces_still_removes_other_workspaces_without_an_extra_request(
    make_warehouse: MakeWarehouse,
) -> None:
    warehouse, gids = refreshed(make_warehouse)
    warehouse.settings["ASANA_WORKSPACES"] = gids[1]
    assert warehouse.run("refresh_workspaces").success
    assert registered(warehouse) == [gids[1]]
    assert stored(warehouse) == [gids[1]]
    assert requests(warehouse.asana) == 2


def test_a_workspace_that_asana_workspaces_names_fails_the_asset_only_if_two_responses_lack_it(
    make_warehouse: MakeWarehouse,
) -> None:
    warehouse, gids = refreshed(make_warehouse)
    warehouse.settings["ASANA_WORKSPACES"] = ",".join(gids[:2])
    warehouse.asana.add_fault("/workspaces", 200, times=1, body=without(warehouse, gids[0]))
    assert warehouse.run("refresh_workspaces").success
    assert registered(warehouse) == gids[:2]
    warehouse.asana.add_fault("/workspaces", 200, times=2, body=without(warehouse, gids[0]))
    message = failures(warehouse.run("refresh_workspaces"))["workspaces"]
    assert f"ASANA_WORKSPACES names {gids[0]}, which this token cannot see" in message
    assert registered(warehouse) == gids[:2]
    assert stored(warehouse) == sorted(gids[:2])


@pytest.mark.parametrize("status", [dg.DagsterRunStatus.NOT_STARTED, dg.DagsterRunStatus.CANCELING])
def test_a_partition_is_kept_while_a_run_uses_it(make_warehouse: MakeWarehouse, status: dg.DagsterRunStatus) -> None:
    warehouse, gids = refreshed(make_warehouse)
    warehouse.instance.add_dynamic_partitions("asana_workspaces", ["5"])
    job = defs.resolve_job_def("asana_sync_essentials")
    run = warehouse.instance.create_run_for_job(job, status=status, tags={"dagster/partition": "5"})
    assert warehouse.run("refresh_workspaces").success
    assert registered(warehouse) == [*gids, "5"]
    warehouse.instance.report_run_canceled(run)
    assert warehouse.run("refresh_workspaces").success
    assert registered(warehouse) == gids


@pytest.mark.parametrize(
    ("target", "kept"),
    [
        ({"asset_selection": [{"__class__": "AssetKey", "path": ["asana", "tasks"]}]}, ["5"]),
        ({"asset_selection": [{"__class__": "AssetKey", "path": ["an asset of the host"]}]}, []),
        ({"partition_names": ["5"]}, ["5"]),
        ({"partition_names": ["6"]}, []),
    ],
)
def test_a_partition_is_kept_while_a_backfill_may_need_it(
    make_warehouse: MakeWarehouse, target: dict[str, object], kept: list[str]
) -> None:
    warehouse, gids = refreshed(make_warehouse)
    warehouse.instance.add_dynamic_partitions("asana_workspaces", ["5"])
    for backfill_id, status in (("running", "REQUESTED"), ("ended", "COMPLETED_SUCCESS")):
        fields = {
            "__class__": "PartitionBackfill",
            "backfill_id": backfill_id,
            "status": {"__enum__": f"BulkActionStatus.{status}"},
            "from_failure": False,
            "tags": {},
            "backfill_timestamp": 0.0,
        }
        backfill = dg.deserialize_value(json.dumps(fields | target))
        warehouse.instance.add_backfill(cast("Any", backfill))
    assert warehouse.run("refresh_workspaces").success
    assert registered(warehouse) == [*gids, *kept]
