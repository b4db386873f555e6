"""Arrow operations on gids, compared with plain Python."""

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from asana_assets.sync.gids import (
    compact_gids,
    count_duplicates,
    count_references,
    drop_duplicates,
    mask_references,
    unknown_references,
    upsert,
    values_by_gid,
)

UNHURRIED = settings(deadline=None)  # the machine may be busy
GIDS = st.sampled_from([str(gid) for gid in range(8)])
Values = list[str | None]
Lists = list[list[str | None] | None]


def references(value: str | list[str | None] | None, gids: list[str]) -> bool:
    """Return in plain Python what `mask_references` returns for one value."""
    values = value if isinstance(value, list) else [value]
    return any(gid is not None and gid in gids for gid in values)


@UNHURRIED
@given(values=st.lists(st.none() | GIDS), gids=st.lists(GIDS), start=st.integers(0, 5), length=st.integers(0, 9))
def test_references_in_a_column_of_gids_are_found_as_in_plain_python(
    values: Values, gids: list[str], start: int, length: int
) -> None:
    column = pa.array(values, pa.string())
    wanted = pa.array(gids, pa.string())
    expected = [references(value, gids) for value in values]
    assert mask_references(column, wanted).to_pylist() == expected
    assert mask_references(column.slice(start, length), wanted).to_pylist() == expected[start:][:length]
    chunked = pa.chunked_array([column.slice(0, start), column.slice(start)])
    assert mask_references(chunked, wanted).to_pylist() == expected


@UNHURRIED
@given(
    values=st.lists(st.none() | st.lists(st.none() | GIDS, max_size=3)),
    gids=st.lists(GIDS),
    start=st.integers(0, 5),
    length=st.integers(0, 9),
)
def test_references_in_a_column_of_lists_are_found_as_in_plain_python(
    values: Lists, gids: list[str], start: int, length: int
) -> None:
    column = pa.array(values, pa.list_(pa.string()))
    wanted = pa.array(gids, pa.string())
    expected = [references(value, gids) for value in values]
    assert mask_references(column, wanted).to_pylist() == expected
    assert mask_references(column.slice(start, length), wanted).to_pylist() == expected[start:][:length]
    chunked = pa.chunked_array([column.slice(0, start), column.slice(start)])
    assert mask_references(chunked, wanted).to_pylist() == expected


@UNHURRIED
@given(gids=st.lists(GIDS), values=st.lists(st.none() | st.lists(GIDS, max_size=3)))
def test_references_are_counted_as_in_plain_python(gids: list[str], values: list[list[str] | None]) -> None:
    flat = [gid for held in values for gid in held or ()]
    expected = [flat.count(gid) for gid in gids]
    wanted = pa.array(gids, pa.string())
    lists = pa.chunked_array([pa.array(values, pa.list_(pa.string()))])
    assert count_references(wanted, lists).to_pylist() == expected
    assert count_references(wanted, pa.chunked_array([pa.array(flat, pa.string())])).to_pylist() == expected
    assert unknown_references(lists, wanted).to_pylist() == [gid for gid in dict.fromkeys(flat) if gid not in gids]


def test_a_value_is_found_by_gid_and_a_missing_or_null_one_is_the_default() -> None:
    gids, keys = pa.array(["3", "1", "2", "4"]), pa.array(["1", "2", "3"])
    values = pa.array([10, None, 30])
    assert values_by_gid(gids, keys, values).to_pylist() == [30, 10, None, None]
    assert values_by_gid(gids, keys, values, 0).to_pylist() == [30, 10, 0, 0]


def test_the_first_row_of_a_gid_is_kept() -> None:
    rows = pa.table({"gid": ["1", "2", "1"], "name": ["a", "b", "c"]})
    assert drop_duplicates(rows).to_pylist() == [{"gid": "1", "name": "a"}, {"gid": "2", "name": "b"}]


def test_a_new_row_replaces_the_row_with_its_gid() -> None:
    rows = pa.table({"gid": ["1", "2"], "name": ["a", "b"]})
    new = pa.table({"gid": ["2", "3"], "name": ["x", "y"]})
    assert upsert(rows, new).to_pylist() == [
        {"gid": "1", "name": "a"},
        {"gid": "2", "name": "x"},
        {"gid": "3", "name": "y"},
    ]


@pytest.mark.parametrize(
    ("parts", "expected"),
    [
        ([], 0),
        ([[]], 0),
        ([["1", "2"], ["3"]], 0),
        ([["1", "2"], ["2", "1"]], 2),
        ([["7", "7", "7"]], 2),
        ([["1", None], [None]], 2),
        ([["1", "x"], ["2", "x", "1"]], 2),
    ],
)
def test_null_and_repeated_gids_are_counted(parts: list[list[str | None]], expected: int) -> None:
    assert count_duplicates([compact_gids(pa.array(part, pa.string())) for part in parts]) == expected
