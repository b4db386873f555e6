"""Versions: what changes them, what does not, and which stored ones stand for the same parent."""

import datetime as dt
from copy import deepcopy
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from asana_assets.asana.endpoints import ATTACHMENTS, STORIES, SUBTASKS, TASKS
from asana_assets.sync.parent_rows import needed_columns, reduce_rows, reduced_columns
from asana_assets.sync.parents import eligible_parents
from asana_assets.sync.versions import accepts, versions

UNHURRIED = settings(deadline=None)  # the machine may be busy
LISTING = SUBTASKS.listings[0]
COLUMNS = LISTING.version_columns or ()
AT = dt.datetime(2026, 3, 1, 12, tzinfo=dt.UTC)
Row = dict[str, Any]

ROW: Row = {
    "gid": "1",
    "modified_at": AT,
    "num_subtasks": 3,
    "memberships": [{"project_gid": "10", "section_gid": "11"}, {"project_gid": "20", "section_gid": "21"}],
    "tag_gids": ["31", "32"],
    "follower_gids": ["41", "42"],
    "dependency_gids": ["51"],
    "custom_fields": [
        {"gid": "61", "name": "Customer", "text_value": "Ünal 🥐"},
        {"gid": "62", "name": "Cost", "number_value": 0.0},
        {"gid": "63", "name": "Priority", "enum_value": {"gid": "631", "name": "High"}},
        {"gid": "64", "multi_enum_values": [{"gid": "641", "name": "a"}, {"gid": "642", "name": "b"}]},
        {"gid": "65", "date_value": {"date": dt.date(2026, 3, 1), "date_time": AT}},
        {"gid": "66", "people_gids": ["71", "72"]},
        {"gid": "67", "reference_gids": ["81"]},
        {"gid": "68", "name": "Cost per day", "number_value": 0.5, "is_formula_field": True},
        {"gid": "69", "name": "Empty", "text_value": None},
    ],
}

gids = st.lists(st.sampled_from("123456"), max_size=4)
tasks = st.fixed_dictionaries(
    {
        "gid": st.just("1"),
        "modified_at": st.none() | st.sampled_from([AT, AT + dt.timedelta(milliseconds=1)]),
        "num_subtasks": st.none() | st.integers(0, 3),
        "memberships": st.none()
        | st.lists(st.fixed_dictionaries({"project_gid": st.sampled_from("12"), "section_gid": st.sampled_from("34")})),
        "tag_gids": st.none() | gids,
        "follower_gids": st.none() | gids,
        "dependency_gids": st.none() | gids,
        "custom_fields": st.none()
        | st.lists(
            st.fixed_dictionaries(
                {"gid": st.sampled_from("56"), "text_value": st.none() | st.text(max_size=2), "people_gids": gids}
            ),
            max_size=3,
        ),
    }
)


def table(*rows: Row) -> pa.Table:
    return pa.Table.from_pylist(list(rows), schema=pa.schema([TASKS.schema.field(name) for name in ROW]))


def version(row: Row) -> str:
    return versions_of(row)[0]


def versions_of(*rows: Row) -> list[str]:
    return [str(one) for one in versions(table(*rows), COLUMNS).to_pylist()]


def changed(path: str, value: object) -> Row:
    """Return the row with another value at a path such as `custom_fields.0.text_value`."""
    row = deepcopy(ROW)
    *parents, last = [int(name) if name.isdigit() else name for name in path.split(".")]
    target: Any = row
    for name in parents:
        target = target[name]
    target[last] = value
    return row


def test_a_version_is_the_text_of_plain_columns_and_a_digest_of_the_others() -> None:
    assert version(ROW) == "2026-03-01 12:00:00.000000Z|3|" + version(ROW)[-16:]
    assert int(version(ROW)[-16:], 16)
    assert versions(table(ROW), ("modified_at",)).to_pylist() == ["2026-03-01 12:00:00.000000Z"]
    assert versions(table(ROW, ROW), ()).to_pylist() == ["", ""]


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("modified_at", AT + dt.timedelta(milliseconds=1)),
        ("modified_at", None),
        ("num_subtasks", 4),
        ("num_subtasks", None),
        ("memberships.0.section_gid", "12"),
        ("memberships.0.section_gid", None),
        ("memberships", []),
        ("tag_gids", ["31"]),
        ("tag_gids", ["31", "32", "33"]),
        ("follower_gids", ["41"]),
        ("dependency_gids", None),
        ("dependency_gids", ["52"]),
        ("custom_fields.0.text_value", "Ünal"),
        ("custom_fields.0.text_value", None),
        ("custom_fields.1.number_value", 0.1),
        ("custom_fields.1.number_value", None),
        ("custom_fields.2.enum_value", {"gid": "632", "name": "High"}),
        ("custom_fields.3.multi_enum_values", [{"gid": "641", "name": "a"}]),
        ("custom_fields.4.date_value.date", dt.date(2026, 3, 2)),
        ("custom_fields.4.date_value.date_time", None),
        ("custom_fields.5.people_gids", ["71"]),
        ("custom_fields.6.reference_gids", ["82"]),
        ("custom_fields.8.text_value", "No longer empty"),
    ],
)
def test_whatever_users_change_is_part_of_the_version(path: str, value: object) -> None:
    assert version(changed(path, value)) != version(ROW)


def test_a_version_distinguishes_null_from_a_value_and_columns_from_each_other() -> None:
    rows = pa.table({"at": pa.array([AT, AT, None], pa.timestamp("us", tz="UTC")), "count": pa.array([1, None, 1])})
    assert len(set(versions(rows, ("at", "count")).to_pylist())) == 3


def test_moving_between_columns_is_a_change() -> None:
    assert version({**ROW, "tag_gids": [], "follower_gids": ["31"]}) != version(
        {**ROW, "tag_gids": ["31"], "follower_gids": []}
    )


@pytest.mark.parametrize(
    "row",
    [
        changed("custom_fields.2.enum_value.name", "Highest"),
        changed("custom_fields.3.multi_enum_values.0.name", "A"),
        changed("custom_fields.0.name", "Client"),
        changed("custom_fields.7.number_value", 0.75),
        changed("custom_fields", ROW["custom_fields"][:-1]),
        changed("custom_fields", ROW["custom_fields"] + [{"gid": "60", "text_value": ""}]),
    ],
    ids=["option renamed", "options renamed", "field renamed", "formula computed", "field removed", "field added"],
)
def test_a_change_of_a_custom_field_for_all_tasks_makes_none_of_them_stale(row: Row) -> None:
    assert version(row) == version(ROW)


@UNHURRIED
@given(task=tasks, random=st.randoms(use_true_random=False))
def test_the_order_of_a_list_does_not_matter(task: Row, random: Any) -> None:
    shuffled = {
        name: random.sample(value, len(value)) if isinstance(value, list) else value for name, value in task.items()
    }
    assert version(shuffled) == version(task)


@pytest.mark.parametrize("name", [name for name, value in ROW.items() if isinstance(value, list)])
def test_a_list_that_is_missing_equals_an_empty_one(name: str) -> None:
    assert version({**ROW, name: None}) == version({**ROW, name: []})


def normal(task: Row) -> list[object]:
    """Return what a version must distinguish, in plain Python."""
    lists = [sorted(map(str, task[name] or ())) for name in ("memberships", "tag_gids", "follower_gids")]
    fields = sorted(
        (field["gid"], field["text_value"] or "", sorted(field["people_gids"]))
        for field in task["custom_fields"] or ()
        if field["text_value"] or field["people_gids"]
    )
    return [task["modified_at"], task["num_subtasks"], *lists, sorted(task["dependency_gids"] or ()), fields]


@UNHURRIED
@given(st.lists(tasks, max_size=6))
def test_versions_are_equal_exactly_if_everything_shown_is(rows: list[Row]) -> None:
    found = versions_of(*rows)
    for one, first in zip(rows, found, strict=True):
        for other, second in zip(rows, found, strict=True):
            assert (first == second) == (normal(one) == normal(other))


@UNHURRIED
@given(rows=st.lists(tasks, min_size=1, max_size=8), start=st.integers(0, 7), cut=st.integers(0, 8))
def test_versions_do_not_depend_on_chunks_and_slices(rows: list[Row], start: int, cut: int) -> None:
    whole = table(*rows)
    expected = versions_of(*rows)
    assert versions(pa.concat_tables([whole.slice(0, cut), whole.slice(cut)]), COLUMNS).to_pylist() == expected
    assert versions(whole.slice(start), COLUMNS).to_pylist() == expected[start:]
    [batch] = whole.combine_chunks().to_batches()
    assert versions(batch.slice(start), COLUMNS).to_pylist() == expected[start:]


def test_a_field_that_the_table_does_not_have_yet_counts_as_null() -> None:
    kept = [{"gid": field["gid"], "text_value": field.get("text_value")} for field in ROW["custom_fields"]]
    narrow = pa.array([kept], pa.list_(pa.struct([("gid", pa.string()), ("text_value", pa.string())])))
    rows = table(ROW)
    old = rows.set_column(rows.schema.get_field_index("custom_fields"), "custom_fields", narrow)
    assert versions(old, COLUMNS).to_pylist() == versions_of({**ROW, "custom_fields": kept})


def test_an_equal_version_is_accepted() -> None:
    assert accepted(version(ROW), version(ROW))


@pytest.mark.parametrize("stored", ["2026-03-01 12:00:00.000000Z", "2026-03-01 12:00:00.000000Z|3"])
def test_a_version_of_an_earlier_release_is_accepted_if_its_columns_are_unchanged(stored: str) -> None:
    assert accepted(version(ROW), stored)
    assert not accepted(version(changed("modified_at", AT + dt.timedelta(seconds=1))), stored)


def test_a_changed_count_is_not_accepted_because_an_earlier_release_stored_it() -> None:
    stored = "2026-03-01 12:00:00.000000Z|3"
    assert not accepted(version(changed("num_subtasks", 4)), stored)
    assert not accepted(version(changed("num_subtasks", 30)), stored)


@pytest.mark.parametrize("stored", [version(changed("tag_gids", [])), "", "2026", "2026-03-01 12:00:00.000000Z|3|0"])
def test_any_other_version_is_not_accepted(stored: str) -> None:
    assert not accepted(version(ROW), stored)


def accepted(current: str, stored: str) -> bool:
    return bool(accepts(pa.array([current]), pa.array([stored]))[0].as_py())


def test_reduced_rows_select_the_same_parents_at_the_same_versions() -> None:
    rows = table(ROW, {**ROW, "gid": "2", "num_subtasks": 0}, {**ROW, "gid": "3", "tag_gids": None})
    listings = [LISTING, STORIES.listings[0], ATTACHMENTS.listings[2]]
    reduced = reduce_rows(TASKS, rows.to_batches(), listings)
    assert tuple(reduced.column_names) == reduced_columns(listings)
    assert len(reduced.column_names) == 3  # gid, num_subtasks, and one version for all three
    assert needed_columns(listings) == ("gid", "num_subtasks", "modified_at", *tuple(ROW)[3:])
    for listing in listings:
        assert eligible_parents(listing, reduced).equals(eligible_parents(listing, rows))


def test_without_rows_reduced_rows_have_their_columns_and_types() -> None:
    reduced = reduce_rows(TASKS, iter(()), [LISTING], ("gid", "project_gids"))
    assert reduced.num_rows == 0
    assert reduced.schema.field("project_gids").type == TASKS.schema.field("project_gids").type
    assert eligible_parents(LISTING, reduced).num_rows == 0
