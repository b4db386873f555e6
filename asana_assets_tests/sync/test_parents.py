"""Parent selection: one request per parent, whatever the parents' tables hold."""

from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from asana_assets.asana.endpoints import (
    ACCESS_REQUESTS,
    ATTACHMENTS,
    CUSTOM_FIELD_SETTINGS,
    CUSTOM_FIELDS,
    ENDPOINTS,
    PROJECT_BRIEFS,
    SECTIONS,
    STORIES,
    SUBTASKS,
    TASKS,
    TEAMS,
    WORKSPACES,
)
from asana_assets.asana.model import Endpoint
from asana_assets.sync.fallback import mask_unfetched, only_unlisted
from asana_assets.sync.parents import (
    Parents,
    UnknownWorkspaceError,
    choose_parents,
    eligible_parents,
    listing_request,
    mask_owned_by,
    nested_parents,
    record_request,
)

UNHURRIED = settings(deadline=None)  # the machine may be busy
GIDS = st.sampled_from([str(gid) for gid in range(8)])


def table(endpoint: Endpoint, **columns: list[Any]) -> pa.Table:
    """Build rows of an endpoint's table with these columns, in the table's types."""
    schema = pa.schema([endpoint.schema.field(name) for name in columns])
    return pa.table(columns, schema=schema)


def upstream(endpoint: Endpoint, **parents: dict[str, list[Any]]) -> dict[str, pa.Table]:
    """Build the rows of an endpoint's parents; columns not given are null, parents not given empty."""
    tables: dict[str, pa.Table] = {}
    for name, needed in endpoint.upstream.items():
        [parent] = [other for other in ENDPOINTS if other.name == name]
        given = parents.get(name, {})
        count = max(map(len, given.values()), default=0)
        tables[name] = table(parent, **{column: given.get(column, [None] * count) for column in needed})
    return tables


def paths_and_params(parents: Parents) -> list[tuple[str, dict[str, str]]]:
    return [(request.api_request.path, dict(request.api_request.params)) for request in parents.requests()]


def requested_gids(parents: Parents) -> list[str]:
    return [request.parent_gid for request in parents.requests()]


def test_an_endpoint_without_parents_is_one_request() -> None:
    parents = choose_parents(WORKSPACES, "", {})
    assert len(parents) == 1
    assert paths_and_params(parents) == [("/workspaces", {})]


def test_the_gids_of_parent_and_workspace_fill_path_and_query() -> None:
    rows = upstream(TASKS, projects={"gid": ["10"]}, users={"gid": ["20"]})
    assert paths_and_params(choose_parents(TASKS, "7", rows)) == [
        ("/tasks", {"project": "10"}),
        ("/tasks", {"assignee": "20", "workspace": "7"}),
    ]
    rows = upstream(SECTIONS, projects={"gid": ["10", "11"]})
    assert paths_and_params(choose_parents(SECTIONS, "7", rows)) == [
        ("/projects/10/sections", {}),
        ("/projects/11/sections", {}),
    ]


@pytest.mark.parametrize(("is_organization", "count"), [(True, 1), (False, 0), (None, 0)])
def test_a_parent_is_selected_only_if_its_flag_is_true(is_organization: bool | None, count: int) -> None:  # noqa: FBT001 - a test parameter
    rows = upstream(TEAMS, workspaces={"gid": ["7"], "is_organization": [is_organization]})
    assert len(choose_parents(TEAMS, "7", rows)) == count


def test_a_parent_is_selected_only_if_its_count_is_positive() -> None:
    rows = upstream(SUBTASKS, tasks={"gid": ["1", "2", "3", "4"], "num_subtasks": [0, 3, None, 1]})
    assert requested_gids(choose_parents(SUBTASKS, "7", rows)) == ["2", "4"]


def test_a_parent_is_selected_only_if_its_list_is_not_empty() -> None:
    lists = [[{"gid": "5"}], [], None]
    rows = upstream(CUSTOM_FIELD_SETTINGS, teams={"gid": ["1", "2", "3"], "custom_field_settings": lists})
    assert requested_gids(choose_parents(CUSTOM_FIELD_SETTINGS, "7", rows)) == ["1"]


def test_a_parent_with_stored_rows_is_selected_although_its_list_is_empty() -> None:
    rows = upstream(CUSTOM_FIELD_SETTINGS, projects={"gid": ["1", "2"], "custom_field_settings": [[], []]})
    parents = choose_parents(CUSTOM_FIELD_SETTINGS, "7", rows, pa.array(["2"]))
    assert requested_gids(parents) == ["2"]


def test_requests_say_whether_the_response_is_one_record_and_whether_it_has_pages() -> None:
    [brief] = choose_parents(
        PROJECT_BRIEFS, "7", upstream(PROJECT_BRIEFS, projects={"project_brief_gid": ["1"]})
    ).requests()
    [access] = choose_parents(ACCESS_REQUESTS, "7", upstream(ACCESS_REQUESTS, projects={"gid": ["1"]})).requests()
    [sections] = choose_parents(SECTIONS, "7", upstream(SECTIONS, projects={"gid": ["1"]})).requests()
    kinds = [(one.api_request.single, one.api_request.paged) for one in (brief, access, sections)]
    assert kinds == [(True, True), (False, False), (False, True)]


def test_only_the_single_records_that_no_other_listing_contains_are_left() -> None:
    rows = upstream(
        CUSTOM_FIELDS, workspaces={"gid": ["7"]}, custom_field_settings={"custom_field_gid": ["1", "2", "2"]}
    )
    parents = choose_parents(CUSTOM_FIELDS, "7", rows)
    assert requested_gids(parents) == ["7", "1", "2"]
    unlisted = only_unlisted(CUSTOM_FIELDS, parents, pa.array(["1", "9"]))
    assert requested_gids(unlisted) == ["7", "2"]
    stored = pa.table({"gid": ["1", "2", "9"], "workspace_gid": ["7", "7", "7"]})
    assert mask_unfetched(CUSTOM_FIELDS, stored, unlisted).to_pylist() == [False, True, False]


def test_a_gid_from_another_column_is_requested_unless_it_is_null() -> None:
    rows = upstream(ATTACHMENTS, projects={"gid": ["1", "2"], "project_brief_gid": [None, "20"]})
    parents = choose_parents(ATTACHMENTS, "7", rows)
    assert paths_and_params(parents) == [("/attachments", {"parent": gid}) for gid in ("1", "2", "20")]


@pytest.mark.parametrize("endpoint", [STORIES, ATTACHMENTS], ids=["stories", "attachments"])
def test_a_parent_in_two_tables_is_one_request_if_path_and_query_are_the_same(endpoint: Endpoint) -> None:
    rows = upstream(endpoint, tasks={"gid": ["1", "2", "1"]}, subtasks={"gid": ["2", "3"]})
    assert requested_gids(choose_parents(endpoint, "7", rows)) == ["1", "2", "3"]


def test_a_gid_in_two_tables_is_two_requests_if_the_queries_differ() -> None:
    rows = upstream(TASKS, projects={"gid": ["1"]}, users={"gid": ["1"]})
    assert len(choose_parents(TASKS, "7", rows)) == 2


def test_a_partition_that_is_not_a_workspace_of_the_token_is_an_error_naming_it() -> None:
    for endpoint in ENDPOINTS:
        if "workspaces" in endpoint.upstream:
            with pytest.raises(UnknownWorkspaceError, match=r"^workspace 12345 is not one of this token's"):
                choose_parents(endpoint, "12345", upstream(endpoint))


def test_a_workspace_without_parents_needs_no_request() -> None:
    for endpoint in ENDPOINTS:
        if endpoint.listings[0].parent and "workspaces" not in endpoint.upstream:
            parents = choose_parents(endpoint, "7", upstream(endpoint))
            assert (len(parents), list(parents.requests())) == (0, [])


def test_thousands_of_parents_are_requested_once_each_in_the_order_of_their_gids() -> None:
    gids = [str(gid) for gid in range(2_500)]
    parents = choose_parents(SECTIONS, "7", upstream(SECTIONS, projects={"gid": [*gids, *gids]}))
    assert len(parents) == 2_500
    assert requested_gids(parents) == sorted(gids)


@UNHURRIED
@given(tasks=st.lists(GIDS), subtasks=st.lists(GIDS), projects=st.lists(st.tuples(GIDS, st.none() | GIDS)))
def test_every_parent_is_requested_once_whatever_the_tables_hold(
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
    expected = sorted({*gids, *(gid for gid in briefs if gid), *tasks, *subtasks})
    assert requested_gids(parents) == expected
    assert len(parents) == len(expected)
    for listing in ATTACHMENTS.listings:
        assert parents.gids(listing).to_pylist() == expected


def test_parents_are_grouped_by_listing() -> None:
    rows = upstream(TASKS, projects={"gid": ["1", "2"]}, users={"gid": ["3"]})
    parents = choose_parents(TASKS, "7", rows)
    of_projects, of_users = TASKS.listings
    assert (parents.gids(of_projects).to_pylist(), parents.gids(of_users).to_pylist()) == (["1", "2"], ["3"])


def test_excluding_parents_keeps_the_others() -> None:
    rows = upstream(TASKS, projects={"gid": ["1", "2"]}, users={"gid": ["2", "3"]})
    parents = choose_parents(TASKS, "7", rows)
    assert requested_gids(parents.without(["2", "9"])) == ["1", "3"]
    assert requested_gids(parents.without([])) == requested_gids(parents) == ["1", "2", "2", "3"]


def test_a_record_is_requested_by_its_own_gid() -> None:
    request = record_request(TASKS, "5")
    assert (request.api_request.path, dict(request.api_request.params), request.parent_gid, request.is_record) == (
        "/tasks/5",
        {},
        "5",
        True,
    )
    assert not listing_request(TASKS.listings[0], "5", "7").is_record


def test_a_request_has_a_path_template_without_gids_for_messages() -> None:
    assert listing_request(SECTIONS.listings[0], "5", "7").api_request.template == "/projects/{parent}/sections"
    assert record_request(TASKS, "5").api_request.template == "/tasks/{gid}"


@UNHURRIED
@given(rows=st.lists(st.tuples(GIDS, st.none() | st.integers(-1, 3))), cut=st.integers(0, 5))
def test_eligibility_does_not_depend_on_chunks(rows: list[tuple[str, int | None]], cut: int) -> None:
    listing = SUBTASKS.listings[0]
    columns = {"gid": [gid for gid, _ in rows], "num_subtasks": [count for _, count in rows]}
    whole = upstream(SUBTASKS, tasks=columns)["tasks"]
    expected = [gid for gid, count in rows if count and count > 0]
    chunked = pa.concat_tables([whole.slice(0, cut), whole.slice(cut)])
    assert eligible_parents(listing, chunked)["gid"].to_pylist() == expected
    assert [
        gid for batch in chunked.to_batches() for gid in eligible_parents(listing, batch)["gid"].to_pylist()
    ] == expected


@UNHURRIED
@given(
    rows=st.lists(st.tuples(st.none() | GIDS, st.none() | st.lists(GIDS, max_size=3))),
    projects=st.lists(GIDS),
    users=st.lists(GIDS),
)
def test_a_row_belongs_to_every_parent_that_any_of_its_columns_references(
    rows: list[tuple[str | None, list[str] | None]], projects: list[str], users: list[str]
) -> None:
    parents = choose_parents(TASKS, "7", upstream(TASKS, projects={"gid": projects}, users={"gid": users}))
    tasks = table(TASKS, assignee_gid=[user for user, _ in rows], project_gids=[held for _, held in rows])
    expected = [user in users or any(gid in projects for gid in held or ()) for user, held in rows]
    assert mask_owned_by(TASKS, tasks, parents).to_pylist() == expected


@pytest.mark.parametrize(("stored_parents", "nested"), [(["1", "2", "3"], ["2", "3", "4"]), (["9", "2", "3"], [])])
def test_nested_parents_are_followed_to_any_depth_from_the_roots(stored_parents: list[str], nested: list[str]) -> None:
    """Rows below a parent that no longer exists are not parents, however many children they report."""
    roots = eligible_parents(
        SUBTASKS.listings[0], upstream(SUBTASKS, tasks={"gid": ["1"], "num_subtasks": [1]})["tasks"]
    )
    versions = {column: [None] * 3 for column in SUBTASKS.listings[0].version_column_names}
    given = {"gid": ["2", "3", "4"], "parent_gid": stored_parents, "num_subtasks": [1, 1, 1]}
    rows = table(SUBTASKS, **(versions | given))
    assert nested_parents(SUBTASKS.listings[0], roots, rows)["gid"].to_pylist() == nested
