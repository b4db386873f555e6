"""Whom to ask: each parent that is to be asked, once, whatever the parents' tables hold."""

from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from asana_assets.asana.endpoints import (
    ATTACHMENTS,
    ENDPOINTS,
    SECTIONS,
    STORIES,
    SUBTASKS,
    TASKS,
    TEAMS,
    WORKSPACES,
)
from asana_assets.asana.model import Endpoint
from asana_assets.sync.parents import (
    Parents,
    UnknownWorkspaceError,
    choose_parents,
    compact_gids,
    count_duplicates,
    eligible_parents,
    listing_request,
    mask_owned_by,
    mask_references,
    record_request,
)

UNHURRIED = settings(deadline=None)  # the machine may be busy
GIDS = st.sampled_from([str(gid) for gid in range(8)])
Values = list[str | None]
Lists = list[list[str | None] | None]


def table(endpoint: Endpoint, **columns: list[Any]) -> pa.Table:
    """Build rows of an endpoint's table with these columns, of the types that the table has."""
    schema = pa.schema([endpoint.schema.field(name) for name in columns])
    return pa.table(columns, schema=schema)


def upstream(endpoint: Endpoint, **parents: dict[str, list[Any]]) -> dict[str, pa.Table]:
    """Give the rows of an endpoint's parents, by parent and column; what is not given is null, or no row at all."""
    tables: dict[str, pa.Table] = {}
    for name, needed in endpoint.upstream.items():
        [parent] = [other for other in ENDPOINTS if other.name == name]
        given = parents.get(name, {})
        count = max(map(len, given.values()), default=0)
        tables[name] = table(parent, **{column: given.get(column, [None] * count) for column in needed})
    return tables


def asked(parents: Parents) -> list[tuple[str, dict[str, str]]]:
    return [(one.api_request.path, dict(one.api_request.params)) for one in parents.requests()]


def gids_asked(parents: Parents) -> list[str]:
    return [one.parent_gid for one in parents.requests()]


# --- choosing


def test_an_endpoint_that_stands_above_workspaces_is_asked_once() -> None:
    parents = choose_parents(WORKSPACES, "", {})
    assert len(parents) == 1
    assert asked(parents) == [("/workspaces", {})]


def test_the_parent_and_the_workspace_fill_path_and_query() -> None:
    rows = upstream(TASKS, projects={"gid": ["10"]}, users={"gid": ["20"]})
    assert asked(choose_parents(TASKS, "7", rows)) == [
        ("/tasks", {"project": "10"}),
        ("/tasks", {"assignee": "20", "workspace": "7"}),
    ]
    rows = upstream(SECTIONS, projects={"gid": ["10", "11"]})
    assert asked(choose_parents(SECTIONS, "7", rows)) == [("/projects/10/sections", {}), ("/projects/11/sections", {})]


@pytest.mark.parametrize(("is_organization", "count"), [(True, 1), (False, 0), (None, 0)])
def test_a_parent_is_asked_only_if_its_flag_is_true(is_organization: bool | None, count: int) -> None:  # noqa: FBT001
    rows = upstream(TEAMS, workspaces={"gid": ["7"], "is_organization": [is_organization]})
    assert len(choose_parents(TEAMS, "7", rows)) == count


def test_a_parent_is_asked_only_if_its_number_is_above_nought() -> None:
    rows = upstream(SUBTASKS, tasks={"gid": ["1", "2", "3", "4"], "num_subtasks": [0, 3, None, 1]})
    assert gids_asked(choose_parents(SUBTASKS, "7", rows)) == ["2", "4"]


def test_what_a_parents_column_names_is_asked_and_a_null_is_not() -> None:
    rows = upstream(ATTACHMENTS, projects={"gid": ["1", "2"], "project_brief_gid": [None, "20"]})
    parents = choose_parents(ATTACHMENTS, "7", rows)
    assert asked(parents) == [("/attachments", {"parent": gid}) for gid in ("1", "2", "20")]


@pytest.mark.parametrize("endpoint", [STORIES, ATTACHMENTS], ids=["stories", "attachments"])
def test_a_parent_that_two_tables_hold_is_asked_once_for_the_same_request(endpoint: Endpoint) -> None:
    rows = upstream(endpoint, tasks={"gid": ["1", "2", "1"]}, subtasks={"gid": ["2", "3"]})
    assert gids_asked(choose_parents(endpoint, "7", rows)) == ["1", "2", "3"]


def test_a_gid_in_two_tables_is_asked_twice_for_different_requests() -> None:
    rows = upstream(TASKS, projects={"gid": ["1"]}, users={"gid": ["1"]})
    assert len(choose_parents(TASKS, "7", rows)) == 2


def test_a_partition_that_is_no_workspace_of_the_token_is_an_error_that_names_it() -> None:
    for endpoint in ENDPOINTS:
        if "workspaces" in endpoint.upstream:
            with pytest.raises(UnknownWorkspaceError, match=r"^12345 is not a workspace of this token"):
                choose_parents(endpoint, "12345", upstream(endpoint))


def test_a_workspace_without_parents_is_no_error_and_nobody_is_asked() -> None:
    for endpoint in ENDPOINTS:
        if endpoint.listings[0].parent and "workspaces" not in endpoint.upstream:
            parents = choose_parents(endpoint, "7", upstream(endpoint))
            assert (len(parents), list(parents.requests())) == (0, [])


def test_thousands_of_parents_are_asked_once_each_by_gid() -> None:
    gids = [str(gid) for gid in range(2_500)]
    parents = choose_parents(SECTIONS, "7", upstream(SECTIONS, projects={"gid": [*gids, *gids]}))
    assert len(parents) == 2_500
    assert gids_asked(parents) == sorted(gids)


@UNHURRIED
@given(tasks=st.lists(GIDS), subtasks=st.lists(GIDS), projects=st.lists(st.tuples(GIDS, st.none() | GIDS)))
def test_of_any_tables_every_parent_is_asked_once(
    tasks: list[str], subtasks: list[str], projects: list[tuple[str, str | None]]
) -> None:
    gids, briefs = [gid for gid, _ in projects], [brief for _, brief in projects]
    rows = upstream(
        ATTACHMENTS,
        tasks={"gid": tasks},
        subtasks={"gid": subtasks},
        projects={"gid": gids, "project_brief_gid": briefs},
    )
    parents = choose_parents(ATTACHMENTS, "7", rows)
    wanted = sorted({*gids, *(gid for gid in briefs if gid), *tasks, *subtasks})
    assert gids_asked(parents) == wanted
    assert len(parents) == len(wanted)
    for listing in ATTACHMENTS.listings:
        assert parents.gids(listing).to_pylist() == wanted


def test_parents_are_kept_apart_by_the_listing_that_asks_them() -> None:
    rows = upstream(TASKS, projects={"gid": ["1", "2"]}, users={"gid": ["3"]})
    parents = choose_parents(TASKS, "7", rows)
    of_projects, of_users = TASKS.listings
    assert (parents.gids(of_projects).to_pylist(), parents.gids(of_users).to_pylist()) == (["1", "2"], ["3"])


def test_without_some_the_others_are_left() -> None:
    rows = upstream(TASKS, projects={"gid": ["1", "2"]}, users={"gid": ["2", "3"]})
    parents = choose_parents(TASKS, "7", rows)
    assert gids_asked(parents.without(["2", "9"])) == ["1", "3"]
    assert gids_asked(parents.without([])) == gids_asked(parents) == ["1", "2", "2", "3"]


def test_one_record_is_asked_for_by_its_own_gid() -> None:
    one = record_request(TASKS, "5")
    assert (one.api_request.path, dict(one.api_request.params), one.parent_gid, one.is_record) == (
        "/tasks/5",
        {},
        "5",
        True,
    )
    assert not listing_request(TASKS.listings[0], "5", "7").is_record


def test_a_message_about_an_ask_can_name_its_path_without_its_gids() -> None:
    assert listing_request(SECTIONS.listings[0], "5", "7").api_request.template == "/projects/{parent}/sections"
    assert record_request(TASKS, "5").api_request.template == "/tasks/{gid}"


@UNHURRIED
@given(rows=st.lists(st.tuples(GIDS, st.none() | st.integers(-1, 3))), cut=st.integers(0, 5))
def test_who_is_eligible_does_not_depend_on_how_rows_come(rows: list[tuple[str, int | None]], cut: int) -> None:
    listing = SUBTASKS.listings[0]
    columns = {"gid": [gid for gid, _ in rows], "num_subtasks": [count for _, count in rows]}
    whole = upstream(SUBTASKS, tasks=columns)["tasks"]
    wanted = [gid for gid, count in rows if count and count > 0]
    chunked = pa.concat_tables([whole.slice(0, cut), whole.slice(cut)])
    assert eligible_parents(listing, chunked)["gid"].to_pylist() == wanted
    assert [
        gid for batch in chunked.to_batches() for gid in eligible_parents(listing, batch)["gid"].to_pylist()
    ] == wanted


# --- finding again


def holds(value: str | list[str | None] | None, gids: list[str]) -> bool:
    """Say in plain Python what `names_any` says of one value."""
    values = value if isinstance(value, list) else [value]
    return any(gid is not None and gid in gids for gid in values)


@UNHURRIED
@given(values=st.lists(st.none() | GIDS), gids=st.lists(GIDS), start=st.integers(0, 5), length=st.integers(0, 9))
def test_a_column_of_gids_is_searched_as_in_plain_python(
    values: Values, gids: list[str], start: int, length: int
) -> None:
    column = pa.array(values, pa.string())
    sought = pa.array(gids, pa.string())
    wanted = [holds(value, gids) for value in values]
    assert mask_references(column, sought).to_pylist() == wanted
    assert mask_references(column.slice(start, length), sought).to_pylist() == wanted[start:][:length]
    chunked = pa.chunked_array([column.slice(0, start), column.slice(start)])
    assert mask_references(chunked, sought).to_pylist() == wanted


@UNHURRIED
@given(
    values=st.lists(st.none() | st.lists(st.none() | GIDS, max_size=3)),
    gids=st.lists(GIDS),
    start=st.integers(0, 5),
    length=st.integers(0, 9),
)
def test_a_column_of_lists_is_searched_as_in_plain_python(
    values: Lists, gids: list[str], start: int, length: int
) -> None:
    column = pa.array(values, pa.list_(pa.string()))
    sought = pa.array(gids, pa.string())
    wanted = [holds(value, gids) for value in values]
    assert mask_references(column, sought).to_pylist() == wanted
    assert mask_references(column.slice(start, length), sought).to_pylist() == wanted[start:][:length]
    chunked = pa.chunked_array([column.slice(0, start), column.slice(start)])
    assert mask_references(chunked, sought).to_pylist() == wanted


@UNHURRIED
@given(
    rows=st.lists(st.tuples(st.none() | GIDS, st.none() | st.lists(GIDS, max_size=3))),
    projects=st.lists(GIDS),
    users=st.lists(GIDS),
)
def test_a_row_is_listed_by_any_parent_that_any_of_its_columns_names(
    rows: list[tuple[str | None, list[str] | None]], projects: list[str], users: list[str]
) -> None:
    parents = choose_parents(TASKS, "7", upstream(TASKS, projects={"gid": projects}, users={"gid": users}))
    tasks = table(TASKS, assignee_gid=[user for user, _ in rows], project_gids=[held for _, held in rows])
    wanted = [user in users or any(gid in projects for gid in held or ()) for user, held in rows]
    assert mask_owned_by(TASKS, tasks, parents).to_pylist() == wanted


@pytest.mark.parametrize(
    ("parts", "doubtful"),
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
def test_gids_that_are_missing_or_there_again_are_counted(parts: list[list[str | None]], doubtful: int) -> None:
    assert count_duplicates([compact_gids(pa.array(part, pa.string())) for part in parts]) == doubtful
