"""Which snapshots are expired, and that old tables get the properties that bound their metadata."""

import logging
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pyiceberg.catalog import Catalog

from asana_assets.lake.lake import Lake
from asana_assets.lake.maintenance import decide_expired
from asana_assets.lake.table_properties import TABLE_PROPERTIES, add_missing_properties
from asana_assets_tests.support.lake_tables import SCHEMA, tasks

NOW = datetime(2026, 6, 15, 12, tzinfo=UTC)
WEEK, DAY, HOUR = timedelta(days=7), timedelta(days=1), timedelta(hours=1)


def expired(*ages: timedelta, keep: timedelta = WEEK) -> set[int]:
    """Return the positions of the ages of expired snapshots."""
    return decide_expired({number: NOW - age for number, age in enumerate(ages)}, now=NOW, keep=keep)


def test_all_snapshots_of_the_last_day_are_kept_then_the_last_of_each_day_for_a_week() -> None:
    hourly = [number * HOUR for number in range(24 * 10)]
    kept = [age for number, age in enumerate(hourly) if number not in expired(*hourly)]
    assert kept[:25] == hourly[:25]
    assert kept[25:] == [13 * HOUR + number * DAY for number in range(1, 7)]  # at 23:00


def test_with_a_shorter_retention_none_is_kept_beyond_it() -> None:
    assert expired(HOUR, 2 * HOUR, 3 * HOUR, 2 * DAY, keep=2 * HOUR) == {2, 3}


@given(st.lists(st.timedeltas(timedelta(0), timedelta(days=30)), max_size=50))
def test_the_snapshots_that_remain_are_never_expired_before_they_are_a_day_older(ages: list[timedelta]) -> None:
    """Expiring twice in a row expires nothing more."""
    kept = [age for number, age in enumerate(ages) if number not in expired(*ages)]
    assert expired(*kept) == set()


def test_a_table_of_an_earlier_version_gets_the_properties_it_lacks_once(tmp_path: Path) -> None:
    lake = Lake(data_dir=tmp_path, namespace="asana")
    table = lake.ensure_table("tasks", SCHEMA)
    with table.transaction() as transaction:
        transaction.remove_properties("write.metadata.delete-after-commit.enabled")
        transaction.set_properties({"write.metadata.previous-versions-max": "50"})
    lake.close()
    lake = Lake(data_dir=tmp_path, namespace="asana")
    properties = lake.ensure_table("tasks", SCHEMA).properties
    assert properties["write.metadata.delete-after-commit.enabled"] == "true"
    assert properties["write.metadata.previous-versions-max"] == "50"  # a choice of the operator
    location = lake.ensure_table("tasks", SCHEMA).metadata_location
    lake.close()
    assert Lake(data_dir=tmp_path, namespace="asana").ensure_table("tasks", SCHEMA).metadata_location == location


def test_properties_that_another_run_sets_first_are_no_failure(
    catalog: Catalog, caplog: pytest.LogCaptureFixture
) -> None:
    first = tasks(catalog)
    first.transaction().remove_properties(*TABLE_PROPERTIES).commit_transaction()
    second = tasks(catalog)
    first.refresh()
    add_missing_properties(first)
    with caplog.at_level(logging.WARNING):
        add_missing_properties(second)
    assert TABLE_PROPERTIES.items() <= tasks(catalog).properties.items()
