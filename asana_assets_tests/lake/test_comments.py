"""Comments of tables and columns: created with the table, and updated in place if they differ."""

import logging
from collections.abc import Iterator, Mapping
from pathlib import Path

import pyarrow as pa
import pytest
from pyiceberg.catalog import Catalog
from pyiceberg.exceptions import ForbiddenError
from pyiceberg.table import Table

from asana_assets.asana.endpoints import ENDPOINTS, STORIES
from asana_assets.lake.catalog import open_catalog
from asana_assets.lake.comments import comment_properties, update_comments
from asana_assets.lake.lake import Lake
from asana_assets.lake.pyiceberg_internals import names_by_id
from asana_assets.lake.table import ensure_table, load_table
from asana_assets.sync.sync_state import SYNC_STATE_SCHEMA
from asana_assets_tests.support.lake_tables import SCHEMA, gids, replace, row, run_before_commit, tasks

OPTION = pa.struct(
    [
        pa.field("gid", pa.string(), metadata={"doc": "Gid of the field."}),
        pa.field("number_value", pa.float64(), metadata={"doc": "Value of the field."}),
    ]
)
COMMENTED = (
    SCHEMA.set(SCHEMA.get_field_index("gid"), SCHEMA.field("gid").with_metadata({"doc": "Gid of the task."}))
    .set(SCHEMA.get_field_index("name"), SCHEMA.field("name").with_metadata({"doc": "Name of the task."}))
    .set(
        SCHEMA.get_field_index("custom_fields"),
        pa.field("custom_fields", pa.list_(OPTION), metadata={"doc": "Values."}),
    )
    .with_metadata({"comment": "Each row is a task."})
)
DOCS = {
    "gid": "Gid of the task.",
    "name": "Name of the task.",
    "custom_fields": "Values.",
    "custom_fields.element.gid": "Gid of the field.",
    "custom_fields.element.number_value": "Value of the field.",
}


def docs(table: Table) -> dict[str, str]:
    schema = table.schema()
    found = {path: schema.find_field(field_id).doc for field_id, path in names_by_id(schema).items()}
    return {path: doc for path, doc in found.items() if doc}


def arrow_docs(fields: Iterator["pa.Field[pa.DataType]"], prefix: str = "") -> Iterator[tuple[str, str]]:
    for field in fields:
        metadata: Mapping[bytes, bytes] = field.metadata or {}
        yield f"{prefix}{field.name}", metadata[b"doc"].decode()
        path, item = f"{prefix}{field.name}", field.type
        if isinstance(item, pa.ListType):
            path, item = f"{path}.element", item.value_type
        if isinstance(item, pa.StructType):
            yield from arrow_docs(iter(item), f"{path}.")


@pytest.mark.parametrize(
    ("name", "schema"),
    [*((endpoint.name, endpoint.schema) for endpoint in ENDPOINTS), ("sync_state", SYNC_STATE_SCHEMA)],
)
def test_a_new_table_has_the_comments_of_its_schema(catalog: Catalog, name: str, schema: pa.Schema) -> None:
    table = ensure_table(catalog, "asana", name, schema)
    assert docs(table) == dict(arrow_docs(iter(schema)))
    assert table.properties["comment"] == (schema.metadata or {})[b"comment"].decode()
    location = table.metadata_location
    update_comments(table, schema)
    assert table.metadata_location == location


def test_an_existing_table_gets_comments_in_one_commit_and_keeps_everything_else(
    catalog: Catalog, monkeypatch: pytest.MonkeyPatch
) -> None:
    table = tasks(catalog)
    replace(table, "w", [row(1), row(2)])
    before = table.metadata
    commits = run_before_commit(monkeypatch, table, lambda: None)
    update_comments(table, COMMENTED)
    update_comments(table, COMMENTED)
    assert len(commits) == 1
    stored = load_table(catalog, "asana", "tasks")
    assert stored is not None
    assert docs(stored) == DOCS
    assert stored.properties == {**before.properties, "comment": "Each row is a task."}
    assert stored.metadata.table_uuid == before.table_uuid
    assert stored.metadata.snapshots == before.snapshots
    assert names_by_id(stored.schema()) == names_by_id(before.schema())
    assert [field.required for field in stored.schema().fields] == [field.required for field in before.schema().fields]
    assert gids(stored, "w") == ["1", "2"]


def test_only_columns_of_both_table_and_schema_get_comments(catalog: Catalog) -> None:
    table = ensure_table(catalog, "asana", "tasks", COMMENTED)
    update_comments(
        table, pa.schema([pa.field(name, pa.string(), metadata={"doc": "Key."}) for name in ("gid", "GID")])
    )
    assert docs(table) == {**DOCS, "gid": "Key."}
    assert table.properties["comment"] == "Each row is a task."


def test_new_columns_and_new_comments_are_added_together(catalog: Catalog) -> None:
    old = pa.schema([field.remove_metadata() for field in STORIES.schema if field.name not in {"text", "previews"}])
    ensure_table(catalog, "asana", "stories", old)
    update_comments(table := ensure_table(catalog, "asana", "stories", STORIES.schema), STORIES.schema)
    assert docs(table) == dict(arrow_docs(iter(STORIES.schema)))


def test_a_concurrent_update_is_repeated(catalog: Catalog, monkeypatch: pytest.MonkeyPatch) -> None:
    table, other = tasks(catalog), tasks(catalog)
    later = COMMENTED.with_metadata({"comment": "Each row is a task of a project."})
    run_before_commit(monkeypatch, table, lambda: update_comments(other, COMMENTED))
    update_comments(table, later)
    assert docs(table) == DOCS
    assert table.properties["comment"] == "Each row is a task of a project."


def test_an_update_that_the_catalog_refuses_is_logged_and_tried_once_for_each_lake(
    data_dir: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    Lake(data_dir=data_dir, namespace="asana").ensure_table("tasks", SCHEMA)
    lake = Lake(data_dir=data_dir, namespace="asana")
    refused: list[object] = []

    def refuse(*arguments: object) -> object:
        refused.append(arguments)
        raise ForbiddenError("OWNERSHIP is required")

    monkeypatch.setattr(lake.catalog, "commit_table", refuse)
    with caplog.at_level(logging.WARNING):
        lake.ensure_table("tasks", COMMENTED)
        lake.ensure_table("tasks", COMMENTED)
    [message] = [record.getMessage() for record in caplog.records if "comments" in record.getMessage()]
    assert "asana.tasks" in message
    assert "OWNERSHIP" in message
    assert len(refused) == 1


def test_upper_case_columns_get_comments_too(data_dir: Path) -> None:
    upper = open_catalog(data_dir=data_dir, name_case="upper")
    update_comments(table := tasks(upper), COMMENTED)
    assert docs(table) == {path.replace(top := path.split(".")[0], top.upper(), 1): doc for path, doc in DOCS.items()}
    upper.close()


def test_glue_gets_the_comment_as_its_description(catalog: Catalog, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(catalog.properties, "type", "glue")
    assert comment_properties(catalog, COMMENTED) == dict.fromkeys(("comment", "Description"), "Each row is a task.")
    assert comment_properties(catalog, SCHEMA) == {}
