"""Which columns can be omitted or hashed, and what is built of them."""

import datetime as dt
import hmac
import json
from collections.abc import Mapping

import pytest

from asana_assets.asana.client import Page
from asana_assets.asana.column_choice import choose_columns
from asana_assets.asana.endpoints import TAGS, TASKS, WORKSPACES
from asana_assets.asana.errors import ConfigurationError
from asana_assets.asana.model import Endpoint
from asana_assets.sync.hidden_columns import CHANGING, convert_stored, must_fetch
from asana_assets.sync.rows import BuiltRows, FetchedPage, RowBuilder

SECRET = "a secret of the tests"


def digest(text: str) -> str:
    return hmac.new(SECRET.encode(), text.encode(), "sha256").hexdigest()


def build(endpoint: Endpoint, *records: Mapping[str, object]) -> BuiltRows:
    page = Page(body=json.dumps({"data": records}).encode(), count=len(records), requested_at=dt.datetime.now(dt.UTC))
    return RowBuilder(endpoint).build([FetchedPage(page, "")], "1")


@pytest.mark.parametrize(
    "column",
    [
        "tasks.gid",
        "tasks.workspace_gid",
        "tasks._unmapped",
        "tasks.modified_at",
        "tasks.num_subtasks",
        "tasks.custom_fields",
        "tasks.project_gids",
        "tasks.assignee_gid",
        "subtasks.parent_gid",
        "subtasks.created_at",
        "projects.project_brief_gid",
        "projects.current_status_update_gid",
        "sections.project_gid",
        "workspaces.name",
        "workspaces.is_organization",
    ],
)
def test_columns_that_syncs_need_are_refused(column: str) -> None:
    message = f"ASANA_OMIT_COLUMNS names {column}, but syncs need the values of this column"
    with pytest.raises(ConfigurationError, match=message):
        choose_columns([column], [], None)


def test_columns_of_the_projects_filter_are_refused() -> None:
    with pytest.raises(ConfigurationError, match=r"projects\.name, but syncs need"):
        choose_columns([], ["projects.name"], SECRET, needed={"projects": ("name",)})
    assert choose_columns([], ["projects.name"], SECRET).hides("projects", "name")


@pytest.mark.parametrize(
    ("omit", "hashed", "secret", "message"),
    [
        (["email"], [], None, "columns are written endpoint.column, and the endpoints are workspaces, users"),
        (["people.email"], [], None, "ASANA_OMIT_COLUMNS names people.email, but columns are written"),
        (["users.mail"], [], None, "the columns of users are resource_type, name, email"),
        ([], ["users.photo"], SECRET, "only texts can be hashed: use ASANA_OMIT_COLUMNS"),
        ([], ["tasks.assigned_by_gid"], SECRET, "only texts can be hashed"),
        (["users.email"], ["users.email"], SECRET, "both name users.email"),
        ([], ["users.email"], None, "which needs ASANA_HASH_SECRET"),
    ],
)
def test_other_wrong_choices_are_one_sentence(
    omit: list[str], hashed: list[str], secret: str | None, message: str
) -> None:
    with pytest.raises(ConfigurationError, match=message):
        choose_columns(omit, hashed, secret)


def test_the_secret_is_in_no_representation() -> None:
    assert SECRET not in repr(choose_columns([], ["users.email"], SECRET))


def test_values_are_hidden_whether_or_not_all_records_fit() -> None:
    choice = choose_columns(["tags.notes"], ["tags.name", "workspaces.email_domains"], SECRET)
    tags, workspaces = choice.apply(TAGS), choice.apply(WORKSPACES)
    assert "notes" not in tags.opt_fields.split(",")
    assert "name" in tags.opt_fields.split(",")
    fitting = {"gid": "1", "name": "urgent", "notes": "secret notes"}
    for others in ([], [{"gid": "2", "name": ["secret", "list"], "notes": ["secret notes"], "color": 5}]):
        built = build(tags, fitting, *others).batch.to_pylist()
        assert (built[0]["name"], built[0]["notes"]) == (digest("urgent"), None)
    unmapped = json.loads(built[1]["_unmapped"])
    assert unmapped == {"name": digest('["secret","list"]'), "color": 5}
    domains = [
        build(workspaces, {"gid": "1", "email_domains": ["a.example", None]}, *others).batch["email_domains"][0].as_py()
        for others in ([], [{"gid": "2", "is_organization": "perhaps"}])
    ]
    assert domains == [[digest("a.example"), None]] * 2


def test_stored_rows_become_what_a_sync_would_store_as_far_as_it_is_known() -> None:
    choice = choose_columns(["tags.notes"], ["tags.name"], SECRET)
    after = choice.of(TAGS)
    assert choice.of(TASKS) == {}
    record = {"gid": "1", "name": "urgent", "notes": "secret", "color": 5}
    misfit = {"gid": "2", "name": {"a": 1}, "notes": ["secret"]}
    stored, expected = build(TAGS, record, misfit).batch, build(choice.apply(TAGS), record, misfit).batch.to_pylist()
    [*rows] = convert_stored(stored, TAGS, {}, after, choice.hasher).to_pylist()
    for row, one in zip(rows, expected, strict=True):
        assert {name: row[name] for name in ("name", "notes", "_unmapped")} == {
            name: one[name] for name in ("name", "notes", "_unmapped")
        }
    assert not must_fetch({}, after)
    for before in ({"name": CHANGING}, {"name": "hashed with another secret"}, {"name": "omitted"}):
        [*rows] = convert_stored(stored, TAGS, before, after, choice.hasher).to_pylist()
        assert [row["name"] for row in rows] == [None, None]
        assert must_fetch(before, after)
        assert must_fetch(before, {})
    assert not must_fetch({"name": "hashed with another secret"}, {"name": "omitted"})
