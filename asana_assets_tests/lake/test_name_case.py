"""A catalog with upper-case names such as Snowflake's; names outside of it are lower-case."""

from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from pyiceberg.catalog import Catalog

from asana_assets.lake.catalog import open_catalog
from asana_assets.lake.difference import write_rows
from asana_assets.lake.errors import SchemaError
from asana_assets.lake.index_reader import Parents
from asana_assets.lake.table import count, ensure_table, load_table, scan
from asana_assets_tests.support.lake_tables import SCHEMA, batch, gids, replace, row, tasks


@pytest.fixture
def upper(data_dir: Path) -> Iterator[Catalog]:
    opened = open_catalog(data_dir=data_dir, name_case="upper")
    yield opened
    opened.close()


def test_namespace_table_columns_and_partition_are_upper_case_but_nested_fields_are_not(upper: Catalog) -> None:
    table = tasks(upper)
    assert upper.list_tables("ASANA") == [("ASANA", "TASKS")]
    assert [field.name for field in table.schema().fields] == [name.upper() for name in SCHEMA.names]
    assert [field.name for field in table.spec().fields] == ["WORKSPACE_GID"]
    assert table.schema().find_type("CUSTOM_FIELDS.element.number_value")
    assert table.properties["write.metadata.metrics.column.PARENT_GID"] == "full"


def test_data_files_have_the_tables_upper_case_column_names(upper: Catalog, data_dir: Path) -> None:
    replace(tasks(upper), "w", [row(1)])
    [file] = data_dir.rglob("*.parquet")
    assert pq.read_schema(file).names == [name.upper() for name in SCHEMA.names]


def test_rows_are_written_replaced_and_scanned_by_lower_case_names(upper: Catalog) -> None:
    table = tasks(upper)
    replace(table, "w", [row(1, parent="a"), row(2, parent="b"), row(3, parent="b")])
    replace(table, "v", [row(4)])
    write_rows(
        table,
        "w",
        [batch([row(5, parent="b")])],
        parents=Parents("parent_gid", pa.array(["b"])),
        sort_by=("gid",),
    )
    assert gids(table, "w") == ["1", "5"]
    assert scan(table).schema.equals(SCHEMA)
    assert scan(table, workspace="w", columns=["name"], prefix=None).schema.names == ["name"]
    assert scan(table, workspace="w", columns=["gid"], prefix=("gid", "5"))["gid"].to_pylist() == ["5"]
    assert count(table, workspace="v") == 1


def test_new_columns_are_added_in_upper_case_and_only_once(upper: Catalog) -> None:
    tasks(upper)
    wider = SCHEMA.append(pa.field("note", pa.string()))
    location = ensure_table(upper, "asana", "tasks", wider).metadata_location
    again = ensure_table(upper, "asana", "tasks", wider)
    assert again.metadata_location == location
    assert [field.name for field in again.schema().fields][-1] == "NOTE"
    with pytest.raises(SchemaError, match=r"(?i)note"):
        ensure_table(upper, "asana", "tasks", SCHEMA.append(pa.field("note", pa.list_(pa.string()))))


def test_each_name_case_has_its_own_tables(upper: Catalog, catalog: Catalog) -> None:
    replace(tasks(upper), "w", [row(1)])
    assert load_table(catalog, "asana", "tasks") is None
    assert count(tasks(catalog)) == 0
