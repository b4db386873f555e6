"""Rows from pages: both paths agree, and no value that does not fit its column is lost."""

import datetime as dt
import json
from collections.abc import Sequence

import msgspec
import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from asana_assets.asana.client import Page
from asana_assets.asana.endpoints import ATTACHMENTS, ENDPOINTS, STORIES, TASKS, WORKSPACES
from asana_assets.asana.field_types import (
    BOOLEAN,
    DATE,
    INSTANT,
    INTEGER,
    NUMBER,
    REFERENCE,
    TEXT,
    FieldType,
    ListOf,
    Struct,
    reference,
    structs,
)
from asana_assets.asana.model import Endpoint
from asana_assets.sync.rows import FetchedPage, RowBuilder

UNHURRIED = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])  # the machine may be busy
REQUESTED_AT = dt.datetime(2026, 1, 2, 3, 4, 5, tzinfo=dt.UTC)


def page(*records: object) -> Page:
    return Page(
        body=json.dumps({"data": records, "next_page": None}).encode(), count=len(records), requested_at=REQUESTED_AT
    )


def rows(endpoint: Endpoint, *pages: Page) -> list[dict[str, object]]:
    batch = (
        RowBuilder(endpoint).build([FetchedPage(one, f"parent {index}") for index, one in enumerate(pages)], "1").batch
    )
    assert batch.schema.equals(endpoint.schema)
    return batch.to_pylist()


def json_values(field_type: FieldType) -> st.SearchStrategy[object]:
    """Values of a field type as Asana sends them, null included."""
    text = st.text(st.characters(codec="utf-8", exclude_categories=("Cs",)), max_size=5)
    value: st.SearchStrategy[object]
    match field_type:
        case Struct():
            value = st.fixed_dictionaries({}, optional={c.field: json_values(c.type) for c in field_type.columns})
        case ListOf():
            value = st.lists(json_values(field_type.item), max_size=3)
        case _ if field_type is REFERENCE:
            value = st.fixed_dictionaries({"gid": text}, optional={"resource_type": text, "name": text})
        case _ if field_type is BOOLEAN:
            value = st.booleans()
        case _ if field_type is INTEGER:
            value = st.integers(-(2**63), 2**63 - 1)
        case _ if field_type is NUMBER:
            value = st.floats(allow_nan=False, allow_infinity=False) | st.integers(-(2**50), 2**50)
        case _ if field_type is INSTANT:
            value = st.datetimes(dt.datetime(1970, 1, 1), dt.datetime(2200, 1, 1)).map(  # noqa: DTZ001 - the Z is added here
                lambda instant: instant.isoformat(timespec="milliseconds") + "Z"
            )
        case _ if field_type is DATE:
            value = st.dates().map(dt.date.isoformat)
        case _:
            assert field_type is TEXT
            value = text
    return st.none() | value


def records(endpoint: Endpoint) -> st.SearchStrategy[dict[str, object]]:
    some_columns = st.lists(st.sampled_from(endpoint.columns), max_size=5, unique_by=lambda column: column.name)
    gid = st.integers(1, 2**53).map(str)
    return some_columns.flatmap(
        lambda columns: st.fixed_dictionaries({c.field: json_values(c.type) for c in columns} | {"gid": gid})
    )


@UNHURRIED
@given(st.data())
def test_the_fast_and_the_slow_path_agree(data: st.DataObject) -> None:
    endpoint = data.draw(st.sampled_from(ENDPOINTS))
    pages = [
        page(*some) for some in data.draw(st.lists(st.lists(records(endpoint), max_size=3), min_size=1, max_size=3))
    ]
    builder = RowBuilder(endpoint)
    coerced, unmapped, counts = builder.coerce(pages)
    assert not any(unmapped)
    assert counts == [page.count for page in pages]
    assert builder.convert(pages).equals(coerced)


@UNHURRIED
@given(st.data())
def test_rows_do_not_depend_on_page_boundaries(data: st.DataObject) -> None:
    endpoint = data.draw(st.sampled_from(ENDPOINTS))
    some = data.draw(st.lists(records(endpoint), max_size=6))
    boundary = data.draw(st.integers(0, len(some)))
    whole = RowBuilder(endpoint).build([FetchedPage(page(*some), "7")], "1").batch
    parts = (
        RowBuilder(endpoint)
        .build([FetchedPage(page(*some[:boundary]), "7"), FetchedPage(page(*some[boundary:]), "7")], "1")
        .batch
    )
    assert whole.equals(parts)


def test_a_missing_field_is_null() -> None:
    [row] = rows(TASKS, page({"gid": "5"}))
    assert {name for name, value in row.items() if value is not None} == {"gid", "workspace_gid", "_synced_at"}


def test_every_row_has_its_parent_and_request_time() -> None:
    assert [
        (row["gid"], row["parent_gid"]) for row in rows(STORIES, page({"gid": "1"}), page(), page({"gid": "2"}))
    ] == [
        ("1", "parent 0"),
        ("2", "parent 2"),
    ]
    assert {row["_synced_at"] for row in rows(STORIES, page({"gid": "1"}))} == {REQUESTED_AT}


def test_a_workspace_is_its_own_partition() -> None:
    batch = RowBuilder(WORKSPACES).build([FetchedPage(page({"gid": "8"}, {"gid": "9"}), "")], "").batch
    assert batch["workspace_gid"].to_pylist() == ["8", "9"]


MISFITS: Sequence[tuple[str, object, str]] = [
    ("completed", "yes", "completed"),
    ("num_likes", 1.5, "num_likes"),
    ("num_likes", 2**70, "num_likes"),
    ("name", 5, "name"),
    ("due_on", "tomorrow", "due_on"),
    ("due_at", "2026-01-01T00:00:00", "due_at"),
    ("assignee", "someone", "assignee"),
    ("followers", {"gid": "1"}, "followers"),
]


@pytest.mark.parametrize(("field", "value", "path"), MISFITS)
def test_a_value_that_does_not_fit_is_unmapped_and_its_row_is_kept(field: str, value: object, path: str) -> None:
    good, bad, other = rows(
        TASKS, page({"gid": "1", "name": "a"}, {"gid": "2", "notes": "b", field: value}), page({"gid": "3"})
    )
    assert (good["name"], bad["notes"], other["gid"]) == ("a", "b", "3")
    assert msgspec.json.decode(str(bad["_unmapped"])) == {path: value}
    assert good["_unmapped"] is None


def test_a_reference_whose_gid_is_not_text_is_unmapped() -> None:
    [row] = rows(TASKS, page({"gid": "1", "assignee": {"gid": 5}}))
    assert (row["assignee_gid"], row["_unmapped"]) == (None, '{"assignee.gid":5}')


def test_a_task_keeps_the_parent_that_asana_sends() -> None:
    [row] = rows(TASKS, page({"gid": "1", "parent": {"gid": "9"}}))
    assert row["parent_gid"] == "9"


def test_only_the_list_item_that_does_not_fit_is_unmapped() -> None:
    fields = [{"gid": "1", "number_value": 2.5}, {"gid": "2", "number_value": "many", "name": "n"}]
    [row] = rows(TASKS, page({"gid": "1", "custom_fields": fields}))
    assert msgspec.json.decode(str(row["_unmapped"])) == {"custom_fields[1].number_value": "many"}
    values = row["custom_fields"]
    assert isinstance(values, list)
    assert [(value["gid"], value["number_value"], value["name"]) for value in values] == [
        ("1", 2.5, None),
        ("2", None, "n"),
    ]


def test_whole_numbers_written_as_decimals_are_integers() -> None:
    assert [row["size"] for row in rows(ATTACHMENTS, page({"gid": "1", "size": 3.0}, {"gid": "2", "size": 4}))] == [
        3,
        4,
    ]


def test_unknown_fields_are_ignored() -> None:
    [row] = rows(TASKS, page({"gid": "1", "brand_new": {"a": [1]}, "assignee": {"gid": "2", "more": 1}}))
    assert (row["assignee_gid"], row["_unmapped"]) == ("2", None)


@pytest.mark.parametrize("record", [{"name": "no gid"}, {"gid": None}, None, {"gid": 5}, {"gid": ""}, "text", [1]])
def test_a_record_without_a_gid_is_skipped_and_counted(record: object) -> None:
    pages = [page({"gid": "1"}), page({"gid": "2"}, record, {"gid": "3"}), page({"gid": "4"})]
    fetched = [FetchedPage(one, f"parent {index}") for index, one in enumerate(pages)]
    built = RowBuilder(STORIES).build(fetched, "1")
    assert built.batch["gid"].to_pylist() == ["1", "2", "3", "4"]
    assert built.batch["parent_gid"].to_pylist() == ["parent 0", "parent 1", "parent 1", "parent 2"]
    assert built.records_skipped == 1


def test_a_list_of_structs_has_the_arrow_type_that_the_table_stores() -> None:
    column = structs("x", reference("y", "A reference."), doc="A list.")
    assert column.arrow_field.type == pa.list_(pa.field("element", pa.struct([pa.field("y_gid", pa.string())])))
