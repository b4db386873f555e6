"""Laws of the hashes of rows: equal exactly if the contents are, however the rows are batched and stored."""

import datetime as dt

import pyarrow as pa
from hypothesis import given, settings
from hypothesis import strategies as st

from asana_assets.lake.row_hash import row_hashes

_SEPARATORS = "a\x00\x1f\xff"
_text = st.none() | st.text(_SEPARATORS, max_size=2)
_SCHEMA = pa.schema(
    [
        pa.field("gid", pa.string()),
        pa.field("name", pa.string()),
        pa.field("number", pa.float64()),
        pa.field("completed", pa.bool_()),
        pa.field("due_on", pa.date32()),
        pa.field("created_at", pa.timestamp("us", "UTC")),
        pa.field("tags", pa.list_(pa.string())),
        pa.field("fields", pa.list_(pa.struct([("gid", pa.string()), ("values", pa.list_(pa.string()))]))),
    ]
)
_content = st.fixed_dictionaries(
    {
        "gid": _text,
        "name": _text,
        "number": st.none() | st.sampled_from([0.0, 1.0, 0.1]),
        "completed": st.none() | st.booleans(),
        "due_on": st.none() | st.sampled_from([dt.date(2026, 1, 1), dt.date(2026, 1, 2)]),
        "created_at": st.none() | st.sampled_from([dt.datetime(2026, 1, 1, 0, 0, 0, n, dt.UTC) for n in (0, 1)]),
        "tags": st.none() | st.lists(_text, max_size=2),
        "fields": st.none()
        | st.lists(
            st.none() | st.fixed_dictionaries({"gid": _text, "values": st.none() | st.lists(_text, max_size=2)}),
            max_size=2,
        ),
    }
)


def hashes(rows: list[dict[str, object]], schema: pa.Schema = _SCHEMA) -> list[int | None]:
    return row_hashes(pa.Table.from_pylist(rows, schema=schema)).to_pylist()


@settings(deadline=None)
@given(st.lists(_content, max_size=6))
def test_hashes_are_equal_exactly_if_the_contents_are(rows: list[dict[str, object]]) -> None:
    found = hashes(rows)
    for one, one_hash in zip(rows, found, strict=True):
        for other, other_hash in zip(rows, found, strict=True):
            assert (one_hash == other_hash) == (one == other)


@settings(deadline=None)
@given(st.lists(_content, min_size=1, max_size=6), st.data())
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
