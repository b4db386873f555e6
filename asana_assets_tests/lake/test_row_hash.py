"""Laws of the hashes of rows: equal exactly if the contents are, however the rows are batched and stored."""

import datetime as dt

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from asana_assets.lake.row_hash import content_hash, content_texts, row_hashes

_SEPARATORS = "a\x00\x1f\xff"
_text = st.none() | st.text(_SEPARATORS, max_size=2)
_SCHEMA = pa.schema(
    [
        pa.field("gid", pa.string()),
        pa.field("name", pa.string()),
        pa.field("number", pa.float64()),
        pa.field("other_number", pa.float64()),
        pa.field("completed", pa.bool_()),
        pa.field("due_on", pa.date32()),
        pa.field("created_at", pa.timestamp("us", "UTC")),
        pa.field("tags", pa.list_(pa.string())),
        pa.field("likes", pa.int64()),
        pa.field("hidden", pa.bool_()),
        pa.field("place", pa.struct([("after", pa.int64()), ("before", pa.int64())])),
        pa.field(
            "fields",
            pa.list_(
                pa.struct(
                    [
                        ("gid", pa.string()),
                        ("values", pa.list_(pa.string())),
                        ("options", pa.list_(pa.struct([("name", pa.string()), ("enabled", pa.bool_())]))),
                    ]
                )
            ),
        ),
    ]
)
_columns: dict[str, st.SearchStrategy[object]] = {
    "gid": _text,
    "name": _text,
    "number": st.none() | st.sampled_from([0.0, 1.0, 0.1]),
    "other_number": st.none() | st.sampled_from([0.0, 1.0, 0.1]),
    "completed": st.none() | st.booleans(),
    "due_on": st.none() | st.sampled_from([dt.date(2026, 1, 1), dt.date(2026, 1, 2)]),
    "created_at": st.none() | st.sampled_from([dt.datetime(2026, 1, 1, 0, 0, 0, n, dt.UTC) for n in (0, 1)]),
    "tags": st.none() | st.lists(_text, max_size=2),
    "likes": st.none() | st.integers(-1, 1),
    "hidden": st.none() | st.booleans(),
    "place": st.none()
    | st.fixed_dictionaries({"after": st.none() | st.integers(0, 1), "before": st.none() | st.integers(0, 1)}),
    "fields": st.none()
    | st.lists(
        st.none()
        | st.fixed_dictionaries(
            {
                "gid": _text,
                "values": st.none() | st.lists(_text, max_size=2),
                "options": st.none()
                | st.lists(
                    st.none() | st.fixed_dictionaries({"name": _text, "enabled": st.none() | st.booleans()}),
                    max_size=2,
                ),
            }
        ),
        max_size=2,
    ),
}


@st.composite
def _similar_rows(draw: st.DrawFn) -> list[dict[str, object]]:
    """Return rows of which each differs from the first in one column at most."""
    first = draw(st.fixed_dictionaries(_columns))
    names = draw(st.lists(st.sampled_from(_SCHEMA.names), max_size=5))
    return [first, *({**first, name: draw(_columns[name])} for name in names)]


def hashes(rows: list[dict[str, object]], schema: pa.Schema = _SCHEMA) -> list[int | None]:
    return row_hashes(pa.Table.from_pylist(rows, schema=schema)).to_pylist()


@settings(deadline=None)
@given(_similar_rows())
def test_hashes_are_equal_exactly_if_the_contents_are(rows: list[dict[str, object]]) -> None:
    found = hashes(rows)
    for one, one_hash in zip(rows, found, strict=True):
        for other, other_hash in zip(rows, found, strict=True):
            assert (one_hash == other_hash) == (one == other)


@settings(deadline=None)
@given(_similar_rows(), st.sampled_from(_SCHEMA.names))
def test_texts_of_values_are_equal_exactly_if_the_values_are(rows: list[dict[str, object]], name: str) -> None:
    column = pa.Table.from_pylist(rows, schema=_SCHEMA)[name].combine_chunks()
    texts = content_texts(column).to_pylist()
    for one, one_text in zip(rows, texts, strict=True):
        for other, other_text in zip(rows, texts, strict=True):
            assert (one_text == other_text) == (one[name] == other[name])


@pytest.mark.parametrize("name", ["number", "completed", "due_on", "created_at", "likes"])
def test_the_hash_of_a_set_changes_if_two_rows_swap_values(name: str) -> None:
    values = {
        "number": (0.0, 0.5),
        "completed": (False, True),
        "due_on": (dt.date(2026, 1, 1), dt.date(2026, 1, 2)),
        "created_at": (dt.datetime(2026, 1, 1, tzinfo=dt.UTC), dt.datetime(2026, 1, 2, tzinfo=dt.UTC)),
        "likes": (0, 1),
    }

    def rows(first: object, second: object) -> pa.Table:
        return pa.Table.from_pylist([{"gid": "1", name: first}, {"gid": "2", name: second}], schema=_SCHEMA)

    low, high = values[name]
    assert content_hash(row_hashes(rows(low, high))) != content_hash(row_hashes(rows(high, low)))


def test_hashes_of_pairs_of_numbers_with_few_digits_differ() -> None:
    numbers = [number / 4 for number in range(-250, 250)]
    rows: list[dict[str, object]] = [{"number": one, "other_number": other} for one in numbers for other in numbers]
    assert len(set(hashes(rows))) == len(rows)


@settings(deadline=None)
@given(_similar_rows(), st.data())
def test_hashes_do_not_depend_on_batches_columns_order_or_what_is_not_content(
    rows: list[dict[str, object]], data: st.DataObject
) -> None:
    start = data.draw(st.integers(0, len(rows) - 1))
    table = pa.Table.from_pylist(rows, schema=_SCHEMA)
    assert row_hashes(table.combine_chunks().slice(start)).to_pylist() == hashes(rows)[start:]
    more = [
        pa.field("_synced_at", pa.timestamp("us", "UTC")),
        pa.field("_row_hash", pa.int64()),
        pa.field("workspace_gid", pa.string()),
        pa.field("new_column", pa.list_(pa.string())),
    ]
    columns = data.draw(st.permutations([*_SCHEMA, *more]))
    extended = [{**one, "_synced_at": dt.datetime.now(dt.UTC), "_row_hash": 5, "workspace_gid": "w"} for one in rows]
    assert hashes(extended, pa.schema(columns)) == hashes(rows)
