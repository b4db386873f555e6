"""When a column counts as empty, and for how long: pure decisions."""

import datetime as dt
from collections import Counter
from dataclasses import replace

import pyarrow as pa
import pytest

from asana_assets.sync.empty_column_rows import EmptyColumn
from asana_assets.sync.empty_columns import (
    WARNING_PERIOD,
    count_by_column,
    decide_suspects,
    is_reported,
    update_empty_columns,
)
from asana_assets.sync.extract_stats import ExtractStats
from asana_assets.sync.values import has_value

NOW = dt.datetime(2026, 5, 9, tzinfo=dt.UTC)
FOUND = EmptyColumn(name="due_on", rows_emptied=600, rows_fetched=1_000, found_at=NOW)


@pytest.mark.parametrize(
    ("before", "after", "fetched", "is_suspect"),
    [
        pytest.param(1_000, 0, 0, True, id="all values are gone"),
        pytest.param(1_000, 40, 40, True, id="nearly all values are gone"),
        pytest.param(1_000, 60, 60, False, id="some values are left"),
        pytest.param(1_000, 970, 0, True, id="few rows were fetched, and none of them has a value"),
        pytest.param(1_000, 990, 0, False, id="too few rows were fetched to tell"),
        pytest.param(19, 0, 0, False, id="there were few values"),
        pytest.param(1_000, 500, 500, False, id="half of the rows were deleted"),
        pytest.param(1_000, 1_000, 0, False, id="no row was replaced"),
        pytest.param(1_000, 1_200, 1_200, False, id="there are more values"),
        pytest.param(0, 500, 500, False, id="the column is new"),
    ],
)
def test_a_column_is_suspect_if_nearly_all_fetched_rows_lack_a_value_that_they_had(
    before: int, after: int, fetched: int, *, is_suspect: bool
) -> None:
    suspects = decide_suspects(before={"due_on": before}, after={"due_on": after}, fetched={"due_on": fetched})
    assert bool(suspects) == is_suspect


def test_a_column_with_nested_fields_has_as_many_values_as_the_fullest_of_them() -> None:
    assert count_by_column({"name": 3, "memberships.project_gid": 5, "memberships.section_gid": 2}) == {
        "name": 3,
        "memberships": 5,
        "memberships.project_gid": 5,
        "memberships.section_gid": 2,
    }


def test_a_row_has_a_value_if_any_element_has_one() -> None:
    element = pa.struct([("gid", pa.string()), ("people", pa.list_(pa.string()))])
    rows = pa.array(
        [None, [], [{"gid": None, "people": []}], [{"gid": "1", "people": []}, {"gid": "2", "people": ["8"]}], [None]],
        pa.list_(element),
    )
    for values in (rows, pa.concat_arrays([rows, rows])[5:]):
        assert has_value(values).to_pylist() == [False, False, False, True, False]
        assert has_value(values, ["people"]).to_pylist() == [False, False, False, True, False]
    assert has_value(rows[3:4], ["gid"]).to_pylist() == [True]


def stats(*, rows: int, values: int) -> ExtractStats:
    return ExtractStats(rows=rows, values=Counter({"due_on": values}))


def test_an_empty_column_is_reported_until_it_is_accepted_or_old() -> None:
    last = NOW + WARNING_PERIOD
    assert is_reported(FOUND, last - dt.timedelta(seconds=1))
    assert not is_reported(FOUND, last)
    assert not is_reported(replace(FOUND, accepted=True), NOW)


@pytest.mark.parametrize(
    ("rows", "values", "is_empty"),
    [(0, 0, True), (1_000, 0, True), (1_000, 29, True), (1_000, 30, False), (5, 0, True), (5, 1, False)],
)
def test_a_column_is_empty_until_fetched_rows_have_values_in_the_former_proportion(
    rows: int, values: int, *, is_empty: bool
) -> None:
    """It had values in 60% of the rows, so a twentieth of that is 3%."""
    columns = update_empty_columns([FOUND], [], stats(rows=rows, values=values), accepted=False)
    assert columns == ([FOUND] if is_empty else [])


def test_a_column_that_goes_on_losing_values_was_found_at_the_first_loss_and_stays_accepted() -> None:
    again = replace(FOUND, rows_emptied=50, found_at=NOW + dt.timedelta(days=1))
    known = replace(FOUND, accepted=True)
    assert update_empty_columns([known], [again], stats(rows=60, values=0), accepted=False) == [known]
    assert update_empty_columns([FOUND], [again], stats(rows=60, values=0), accepted=False) == [FOUND]


def test_accepting_concerns_known_and_new_losses() -> None:
    other = replace(FOUND, name="notes")
    columns = update_empty_columns([FOUND], [other], stats(rows=60, values=0), accepted=True)
    assert {(column.name, column.accepted) for column in columns} == {("due_on", True), ("notes", True)}
