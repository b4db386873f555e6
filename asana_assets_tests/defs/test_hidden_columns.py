"""Columns that are omitted or hashed: their values are nowhere, whenever the choice is made."""

import hmac
import logging
from collections.abc import Iterator, Mapping
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from pyiceberg.table import Table

from asana_assets.asana.field_types import Array
from asana_assets.asana.model import Endpoint
from asana_assets.defs import hidden_columns
from asana_assets.defs.resources import LakeResource
from asana_assets.lake.catalog import open_catalog
from asana_assets.sync.hidden_columns import CHANGING
from asana_assets_tests.support.mutations import paid
from asana_assets_tests.support.sync_harness import MakeWarehouse, Warehouse, failed_checks, failures

SECRET = "a secret of the tests"
CHOICE = {
    "ASANA_OMIT_COLUMNS": "users.email,stories.html_text,stories.previews,workspaces.email_domains",
    "ASANA_HASH_COLUMNS": "users.name,stories.text",
    "ASANA_HASH_SECRET": SECRET,
}
MARK = "0private0"


def digest(text: str | None) -> str | None:
    return text and hmac.new(SECRET.encode(), text.encode(), "sha256").hexdigest()


@pytest.fixture
def warehouse(make_warehouse: MakeWarehouse) -> Warehouse:
    """A warehouse whose sandbox has a mark in every value to hide; not synced."""
    made = make_warehouse()
    organization = made.asana.organization
    for user in organization.users(paid(made)):
        user.fields |= {"name": f"{MARK} {user.gid}", "email": f"{MARK}@{user.gid}.example"}
    for stories in organization.stories.values():
        for story in stories:
            story.fields |= {"text": f"{MARK} {story.gid}", "html_text": f"<body>{MARK}</body>"}
    return made


def sync(warehouse: Warehouse, choice: dict[str, str], *, full_refresh: bool = False) -> int:
    """Sync the paid organization with this choice only; return the number of requests for stories."""
    warehouse.settings = {"ASANA_WORKSPACES": paid(warehouse), **choice}
    with pytest.MonkeyPatch.context() as patch:  # Dagster reads secrets by name
        for name, value in choice.items():
            patch.setenv(name, value)
        since = len(warehouse.asana.log)
        assert warehouse.run("refresh_workspaces").success
        result = warehouse.run("sync_workspace", paid(warehouse), full_refresh=full_refresh)
        assert result.success, failures(result)
        assert failed_checks(result) == {}
    return sum(entry.path.endswith("/stories") for entry in warehouse.asana.log[since:])


def texts_of_files(data_dir: Path) -> Iterator[tuple[str, str]]:
    """Yield everything in all files: as it is, and the values of Parquet files and bounds in manifests."""
    for path in data_dir.rglob("*"):
        if path.is_file():
            yield str(path), path.read_bytes().decode("latin-1")
            if path.suffix == ".parquet":
                yield str(path), str(pq.read_table(path).to_pylist())
    catalog = open_catalog(data_dir=data_dir)
    for identifier in catalog.list_tables("asana"):
        yield from bounds(catalog.load_table(identifier))


def bounds(table: Table) -> Iterator[tuple[str, str]]:
    for snapshot in table.snapshots():
        for manifest in snapshot.manifests(table.io):
            for entry in manifest.fetch_manifest_entry(table.io, discard_deleted=False):
                file = entry.data_file
                yield str(table.name()), str([file.lower_bounds, file.upper_bounds])


def assert_hidden(warehouse: Warehouse) -> None:
    """Assert that rows are as the choice says, and all others as in Asana."""
    for name, omitted, hashed in (("users", "email", "name"), ("stories", "html_text", "text")):
        records = {str(one["gid"]): one for one in warehouse.asana.truth(name, paid(warehouse))}
        rows = warehouse.rows(name, paid(warehouse))
        assert {row["gid"] for row in rows} == records.keys()
        for row in rows:
            assert row[omitted] is None
            assert row[hashed] == digest(str(records[row["gid"]][hashed]))
            assert row["_unmapped"] is None


@pytest.mark.slow
def test_omitted_and_hashed_values_are_nowhere(warehouse: Warehouse, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.DEBUG):
        sync(warehouse, CHOICE)
        story = next(iter(warehouse.rows("stories")))
        warehouse.asana.organization.edit_comment(story["gid"], f"{MARK} edited")
        sync(warehouse, CHOICE, full_refresh=True)
    assert_hidden(warehouse)
    requested = {
        (entry.path.rpartition("/")[2], field)
        for entry in warehouse.asana.log
        for field in entry.query.get("opt_fields", "").split(",")
    }
    assert ("stories", "text") in requested
    assert ("users", "name") in requested
    hidden = {
        ("users", "email"),
        ("stories", "html_text"),
        ("stories", "previews.text"),
        ("workspaces", "email_domains"),
    }
    assert not requested & hidden
    assert MARK not in caplog.text
    events = [str(entry) for run in warehouse.instance.get_runs() for entry in warehouse.instance.all_logs(run.run_id)]
    assert not [event for event in events if MARK in event]
    assert not [name for name, text in texts_of_files(warehouse.data_dir) if MARK in text]
    changed = [row for row in warehouse.rows("changes") if row["gid"] == story["gid"]]
    assert [row["changed_columns"] for row in changed if "text" in (row["changed_columns"] or [])]


@pytest.mark.slow
def test_a_later_choice_hides_stored_values_without_requests_and_can_be_undone(warehouse: Warehouse) -> None:
    sync(warehouse, {})
    assert sync(warehouse, CHOICE) == 0
    assert_hidden(warehouse)
    assert LakeResource(data_dir=str(warehouse.data_dir)).table("changes") is None
    stories = len(warehouse.rows("stories"))
    other_secret = {**CHOICE, "ASANA_HASH_SECRET": "another"}
    assert sync(warehouse, other_secret) > 0
    assert not {digest(f"{MARK} {row['gid']}") for row in warehouse.rows("stories")} & {
        row["text"] for row in warehouse.rows("stories")
    }
    sync(warehouse, CHOICE)
    assert_hidden(warehouse)
    sync(warehouse, {})
    warehouse.assert_matches_asana(paid(warehouse))
    assert len(warehouse.rows("stories")) == stories


@pytest.mark.slow
def test_forgetting_the_workspace_removes_former_values(warehouse: Warehouse) -> None:
    """As the page on choosing columns says; before it, old snapshots have them."""
    sync(warehouse, {})
    sync(warehouse, CHOICE)
    marked = {name for name, text in texts_of_files(warehouse.data_dir) if MARK in text}
    assert marked
    LakeResource(data_dir=str(warehouse.data_dir)).iceberg.forget_workspace(paid(warehouse))
    sync(warehouse, CHOICE)
    assert_hidden(warehouse)
    assert not [name for name, text in texts_of_files(warehouse.data_dir) if MARK in text]


@pytest.mark.slow
@pytest.mark.parametrize("rewritten", [False, True])
def test_an_interrupted_change_of_the_choice_is_completed(
    warehouse: Warehouse, monkeypatch: pytest.MonkeyPatch, *, rewritten: bool
) -> None:
    """Whether or not the rows were rewritten: a hash is never hashed again, and no value is left."""
    sync(warehouse, {})
    save = hidden_columns.save_hidden_columns

    def save_and_die(
        lake: LakeResource, endpoint: Endpoint, workspace_gid: str, hidden: Mapping[str, str], deleted: Array
    ) -> None:
        is_first = CHANGING in hidden.values()
        if is_first or endpoint.name != "stories":
            save(lake, endpoint, workspace_gid, hidden, deleted)
        if endpoint.name == "stories" and is_first is not rewritten:
            raise RuntimeError("killed")

    with monkeypatch.context() as patch:
        patch.setattr(hidden_columns, "save_hidden_columns", save_and_die)
        with pytest.raises(AssertionError, match="killed"):
            sync(warehouse, CHOICE)
    assert sync(warehouse, CHOICE) > 0
    assert_hidden(warehouse)
    assert sync(warehouse, CHOICE) == 0
