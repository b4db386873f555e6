"""Endpoints of which most syncs fetch a window: time tracking entries, and the audit log."""

import datetime as dt
import json
from collections.abc import Callable
from typing import Any

import pytest

from asana_assets.defs.resources import LakeResource
from asana_assets.lake.errors import CatalogUnavailableError
from asana_assets.sync.change_detection import Sync
from asana_assets.sync.gids import NO_GIDS
from asana_assets.sync.sync_state import SyncState
from asana_assets_tests.support.mutations import paid
from asana_assets_tests.support.plan_command import invoke
from asana_assets_tests.support.sync_harness import MakeWarehouse, Warehouse, failed_checks, failures, metadata

pytestmark = pytest.mark.slow

ENTRIES, EVENTS = "time_tracking_entries", "audit_log_events"


@pytest.fixture(name="make_streams")
def _make_streams(make_warehouse: MakeWarehouse) -> Callable[..., Warehouse]:
    """Return a function that makes a warehouse with these endpoints only, of the paid organization."""

    def make(**sandbox_options: object) -> Warehouse:
        warehouse = make_warehouse(**sandbox_options)
        warehouse.endpoints = ("workspaces", ENTRIES, EVENTS)
        warehouse.settings["ASANA_WORKSPACES"] = paid(warehouse)
        return warehouse

    return make


def day(days_ago: int) -> str:
    return f"{dt.datetime.now(dt.UTC) - dt.timedelta(days=days_ago):%Y-%m-%d}"


def some_task(warehouse: Warehouse) -> str:
    return str(warehouse.asana.truth("tasks", paid(warehouse))[0]["gid"])


def requests_of(warehouse: Warehouse, path: str, since: int) -> list[dict[str, str]]:
    return [entry.query for entry in warehouse.asana.log[since:] if path in entry.path]


def test_a_first_sync_is_exact_with_the_minimum_of_requests(make_streams: MakeWarehouse) -> None:
    warehouse = make_streams()
    warehouse.sync()
    warehouse.assert_matches_asana(paid(warehouse))
    minimum = warehouse.asana.minimal_requests(paid(warehouse), warehouse.endpoints)
    for name in (ENTRIES, EVENTS):
        assert len(requests_of(warehouse, name, 0)) == minimum[name] > 1, name


def test_a_quiet_sync_fetches_the_windows_and_writes_nothing(make_streams: MakeWarehouse) -> None:
    warehouse = make_streams()
    warehouse.sync()
    snapshots = {name: warehouse.iceberg_table(name).current_snapshot() for name in (ENTRIES, EVENTS)}
    start = len(warehouse.asana.log)
    warehouse.sync()
    assert {name: warehouse.iceberg_table(name).current_snapshot() for name in (ENTRIES, EVENTS)} == snapshots
    [entries] = requests_of(warehouse, ENTRIES, start)
    assert entries["entered_on_start_date"] == day(31)  # a day earlier than the window
    assert len(requests_of(warehouse, EVENTS, start)) == 2  # the newest events again, and an empty page


def test_changes_within_the_window_are_found(make_streams: MakeWarehouse) -> None:
    warehouse = make_streams()
    organization, task = warehouse.asana.organization, some_task(warehouse)
    edited, deleted, moved = (organization.add_time_entry(task, 30, day(days)) for days in (3, 29, 10))
    planned = organization.add_time_entry(task, 60, day(-14))
    warehouse.sync()
    organization.change_time_entry(edited, duration_minutes=45)
    organization.delete_time_entry(deleted)
    organization.change_time_entry(moved, entered_on=day(200))  # it leaves the window
    organization.delete_time_entry(planned)
    organization.add_time_entry(task, 15, day(0))
    start = len(warehouse.asana.log)
    warehouse.sync()
    warehouse.assert_matches_asana(paid(warehouse))
    # Those that are missing are fetched one by one, unless the whole listing has fewer pages.
    assert 2 <= len(requests_of(warehouse, ENTRIES, start)) <= 4
    changes = warehouse.table("changes").to_pylist()
    kinds = {(one["gid"], one["kind"]) for one in changes if one["endpoint"] == ENTRIES}
    assert {(edited, "changed"), (deleted, "removed"), (moved, "changed"), (planned, "removed")} <= kinds
    assert len(kinds) == 5


def test_changes_before_the_window_are_found_by_age(make_streams: MakeWarehouse) -> None:
    warehouse = make_streams()
    organization, task = warehouse.asana.organization, some_task(warehouse)
    edited, deleted = (organization.add_time_entry(task, 30, day(days)) for days in (60, 400))
    warehouse.sync()
    organization.change_time_entry(edited, duration_minutes=45)
    organization.delete_time_entry(deleted)
    late = organization.add_time_entry(task, 15, day(90))
    before = {row["gid"]: row["duration_minutes"] for row in warehouse.rows(ENTRIES)}
    warehouse.sync()
    assert {row["gid"]: row["duration_minutes"] for row in warehouse.rows(ENTRIES)} == before
    assert late not in before
    result = warehouse.run("sync_workspace", paid(warehouse), [ENTRIES], refresh_after_days=1e-9)
    assert result.success, failures(result)
    warehouse.assert_matches_asana(paid(warehouse))


def test_a_full_refresh_is_exact_and_keeps_what_asana_no_longer_has(make_streams: MakeWarehouse) -> None:
    warehouse = make_streams()
    warehouse.sync()
    organization, task = warehouse.asana.organization, some_task(warehouse)
    organization.add_time_entry(task, 15, day(90))
    organization.expire_audit_log(paid(warehouse))
    organization.log_event(paid(warehouse), "workspace_name_changed", old_value="A", new_value="B")
    result = warehouse.run("sync_workspace", paid(warehouse), [ENTRIES, EVENTS], full_refresh=True)
    assert result.success, failures(result)
    warehouse.assert_matches_asana(paid(warehouse))
    assert not failed_checks(result)


def test_the_log_grows_by_each_event_once(make_streams: MakeWarehouse) -> None:
    warehouse = make_streams()
    warehouse.sync()
    organization = warehouse.asana.organization
    for number in range(3):
        organization.log_event(paid(warehouse), "workspace_name_changed", new_value=str(number))
        if number == 1:
            organization.expire_audit_log(paid(warehouse))
        warehouse.sync()
    late = dt.datetime.now(dt.UTC) - dt.timedelta(minutes=30)  # Asana lists an event after newer ones
    organization.log_event(paid(warehouse), "user_invited", created_at=f"{late:%Y-%m-%dT%H:%M:%S}.000Z")
    warehouse.sync()
    rows = warehouse.rows(EVENTS, paid(warehouse))
    expired = organization.expired_events
    assert len(rows) == len({row["gid"] for row in rows})
    truth = {str(record["gid"]) for record in warehouse.asana.truth(EVENTS, paid(warehouse))}
    # Event 1 was deleted before a sync fetched it.
    assert len(truth - {row["gid"] for row in rows}) == 1
    assert truth - {row["gid"] for row in rows} <= expired


def test_a_log_that_was_not_fetched_for_too_long_has_a_warning(make_streams: MakeWarehouse) -> None:
    warehouse = make_streams()
    warehouse.sync()
    long_ago = dt.datetime.now(dt.UTC) - dt.timedelta(days=100)
    lake = LakeResource(data_dir=str(warehouse.data_dir))
    marker = SyncState.completed_marker(Sync(id="0", started_at=long_ago), long_ago)
    lake.save_state(EVENTS, paid(warehouse), marker, NO_GIDS)
    result = warehouse.run("sync_workspace", paid(warehouse), [EVENTS])
    assert result.success, failures(result)
    expected = f"Asana deleted the records from {long_ago:%Y-%m-%d %H:%M} to "
    assert failed_checks(result)[EVENTS, "no_missed_period"].startswith(expected)
    assert len(metadata(result, EVENTS)["missed_period"]) == 2
    result = warehouse.run("sync_workspace", paid(warehouse), [EVENTS])
    assert not failed_checks(result)


def test_a_workspace_without_the_plan_or_a_service_account_has_notes(make_streams: MakeWarehouse) -> None:
    warehouse = make_streams()
    free = warehouse.asana.organization.edge_cases["free_organization"]
    warehouse.settings["ASANA_WORKSPACES"] = free
    warehouse.sync()
    result = warehouse.run("sync_workspace", free)
    assert result.success, failures(result)
    assert not failed_checks(result)
    notes = {one.asset_key.path[-1]: one.description for one in result.get_asset_check_evaluations() if one.description}
    assert "(402)" in notes[ENTRIES]
    assert "for service accounts only and refused it" in notes[EVENTS]
    assert "returned 403" in notes[EVENTS]
    assert [len(requests_of(warehouse, name, 0)) for name in (ENTRIES, EVENTS)] == [2, 2]


def test_rows_survive_a_time_without_the_plan_and_nothing_is_missed_afterwards(make_streams: MakeWarehouse) -> None:
    warehouse = make_streams()
    organization, gid = warehouse.asana.organization, paid(warehouse)
    warehouse.sync()
    before = {name: warehouse.rows(name) for name in (ENTRIES, EVENTS)}
    organization.paid_workspaces.discard(gid)
    organization.service_accounts.discard(gid)
    organization.log_event(gid, "user_invited")
    result = warehouse.run("sync_workspace", gid, [ENTRIES, EVENTS])
    assert result.success, failures(result)
    assert {name: warehouse.rows(name) for name in before} == before
    assert failed_checks(result).keys() == {(ENTRIES, "available_on_plan"), (EVENTS, "available_on_plan")}
    result = warehouse.run("sync_workspace", gid, [ENTRIES, EVENTS], accept_row_count_drop=True)
    assert result.success, failures(result)
    assert not warehouse.rows(ENTRIES)  # the plan's; those of the log cannot be fetched again
    assert warehouse.rows(EVENTS) == before[EVENTS]
    organization.paid_workspaces.add(gid)
    organization.service_accounts.add(gid)
    organization.add_time_entry(some_task(warehouse), 15, day(0))
    warehouse.sync()
    warehouse.assert_matches_asana(gid)


@pytest.mark.parametrize("kind", ["empty_listing", "missing_some"])
def test_a_window_that_loses_records_once_deletes_nothing(make_streams: MakeWarehouse, kind: Any) -> None:
    warehouse = make_streams()
    for number in range(20):
        warehouse.asana.organization.add_time_entry(some_task(warehouse), 15, day(number))
    warehouse.sync()
    before = warehouse.rows(ENTRIES)
    for times in (1, 3):  # also while all records are fetched
        warehouse.asana.add_fault("/time_tracking_entries?workspace={gid}", kind, times=1)
        refresh = {"refresh_after_days": 1e-9} if times > 1 else {}
        result = warehouse.run("sync_workspace", paid(warehouse), [ENTRIES], **refresh)
        assert result.success, failures(result)
        assert warehouse.rows(ENTRIES) == before
        assert not failed_checks(result)


def test_a_truncated_listing_is_divided_until_it_is_not(make_streams: MakeWarehouse) -> None:
    warehouse = make_streams()
    fault = warehouse.asana.add_fault("/time_tracking_entries", "too_large", after_records=100, limit_above=0)
    warehouse.sync()
    assert fault.hits
    warehouse.assert_matches_asana(paid(warehouse))
    entries = requests_of(warehouse, ENTRIES, 0)
    windows = [(one.get("entered_on_start_date"), one.get("entered_on_end_date")) for one in entries]
    assert len(set(windows)) == 3
    gid = str(warehouse.rows(ENTRIES)[0]["gid"])
    warehouse.asana.organization.delete_time_entry(gid)
    warehouse.sync()
    assert gid in {row["gid"] for row in warehouse.rows(ENTRIES)}
    result = warehouse.run("sync_workspace", paid(warehouse), [ENTRIES], refresh_after_days=1e-9)
    assert result.success, failures(result)
    assert not failed_checks(result)
    warehouse.assert_matches_asana(paid(warehouse))


def test_an_inconclusive_listing_deletes_nothing_and_is_fetched_again(make_streams: MakeWarehouse) -> None:
    warehouse = make_streams()
    warehouse.sync()
    day_of_many = day(3)
    for _ in range(102):  # a day cannot be divided
        warehouse.asana.organization.add_time_entry(some_task(warehouse), 15, day_of_many)
    warehouse.sync()
    before = warehouse.rows(ENTRIES)
    fault = warehouse.asana.add_fault("/time_tracking_entries", "too_large", after_records=100)
    result = warehouse.run("sync_workspace", paid(warehouse), [ENTRIES], refresh_after_days=1e-9)
    assert result.success, failures(result)
    assert failed_checks(result).keys() == {(ENTRIES, "all_parents_fetched")}
    assert warehouse.rows(ENTRIES) == before
    fault.cancel()
    warehouse.asana.organization.delete_time_entry(str(before[0]["gid"]))
    result = warehouse.run("sync_workspace", paid(warehouse), [ENTRIES], refresh_after_days=1e-9)
    assert result.success, failures(result)
    warehouse.endpoints = ("workspaces", ENTRIES)
    warehouse.assert_matches_asana(paid(warehouse))


@pytest.mark.parametrize("status", [400, 401])
def test_a_first_sync_of_a_log_that_ends_early_or_fails_is_continued(make_streams: MakeWarehouse, status: int) -> None:
    warehouse = make_streams()
    fault = warehouse.asana.add_fault("/workspaces/{gid}/audit_log_events", status, after_records=100)
    assert warehouse.run("refresh_workspaces").success
    result = warehouse.run("sync_workspace", paid(warehouse), [EVENTS])
    assert bool(failures(result)) != bool(failed_checks(result))
    assert len(warehouse.rows(EVENTS)) == 100
    fault.cancel()
    start = len(warehouse.asana.log)
    result = warehouse.run("sync_workspace", paid(warehouse))
    assert result.success, failures(result)
    warehouse.assert_matches_asana(paid(warehouse))
    assert len(requests_of(warehouse, EVENTS, start)) == 3  # the last 110 and one again, and an empty page


def test_a_crash_between_rows_and_state_repeats_and_neither_loses_nor_doubles(
    make_streams: MakeWarehouse, monkeypatch: pytest.MonkeyPatch
) -> None:
    warehouse = make_streams()
    organization, task = warehouse.asana.organization, some_task(warehouse)
    doomed = organization.add_time_entry(task, 30, day(2))
    assert warehouse.run("refresh_workspaces").success
    for number in range(3):
        with monkeypatch.context() as patch:
            patch.setattr(LakeResource, "save_state", fail)
            assert failures(warehouse.run("sync_workspace", paid(warehouse))).keys() == {ENTRIES, EVENTS}
        assert {doomed} <= {row["gid"] for row in warehouse.rows(ENTRIES)} or number
        if number == 0:
            organization.delete_time_entry(doomed)
        organization.add_time_entry(task, 45, day(1))
        organization.log_event(paid(warehouse), "user_invited")
        result = warehouse.run("sync_workspace", paid(warehouse))
        assert result.success, failures(result)
        warehouse.assert_matches_asana(paid(warehouse))
        organization.add_time_entry(task, 60, day(1))


def fail(*_: object, **__: object) -> None:
    raise CatalogUnavailableError("killed")


def test_the_estimate_of_an_unchanged_workspace_is_exact(make_streams: MakeWarehouse) -> None:
    warehouse = make_streams()
    organization, gid = warehouse.asana.organization, paid(warehouse)
    organization.add_time_entry(some_task(warehouse), 30, day(2))
    organization.expire_audit_log(gid)
    organization.log_event(gid, "user_invited")
    warehouse.sync()
    for full_refresh in (False, True):
        options = ["--full-refresh"] if full_refresh else []
        result = invoke(warehouse, "plan", "--json", "--select", ENTRIES, "--select", EVENTS, *options)
        assert result.exit_code == 0, result.output
        [workspace] = json.loads(result.stdout)["workspaces"]
        planned = {asset["asset"]: asset["requests"] for asset in workspace["assets"]}
        run = warehouse.run("sync_workspace", gid, [ENTRIES, EVENTS], full_refresh=full_refresh)
        assert run.success, failures(run)
        assert planned == {name: metadata(run, name)["requests"] for name in (ENTRIES, EVENTS)}
