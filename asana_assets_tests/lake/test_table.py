import pyarrow as pa
import pytest
from pyiceberg.catalog import Catalog

from asana_assets.lake.errors import SchemaError
from asana_assets.lake.table import count, ensure_table, load_table, scan, scan_batches
from asana_assets.lake.writer import PartitionWriter
from asana_assets_tests.support.lake_tables import SCHEMA, batch, gids, replace, replace_files, row, tasks


def test_a_table_is_v2_partitioned_by_workspace_and_documented(catalog: Catalog) -> None:
    table = tasks(catalog)
    assert table.format_version == 2
    assert [(field.name, str(field.transform)) for field in table.spec().fields] == [("workspace_gid", "identity")]
    assert table.schema().find_field("gid").doc == "Asana's key"
    assert table.schema().find_field("gid").required


def test_loading_a_missing_table_returns_none(catalog: Catalog) -> None:
    assert load_table(catalog, "asana", "tasks") is None
    tasks(catalog)
    assert load_table(catalog, "asana", "stories") is None
    assert load_table(catalog, "asana", "tasks") is not None


def test_ensuring_a_table_twice_changes_nothing(catalog: Catalog) -> None:
    first = tasks(catalog)
    assert tasks(catalog).metadata_location == first.metadata_location


def test_new_columns_and_nested_fields_are_added_in_place_and_are_null_in_old_rows(catalog: Catalog) -> None:
    old = tasks(catalog)
    replace(old, "w", [row(1)])
    wider = SCHEMA.set(
        SCHEMA.get_field_index("custom_fields"),
        pa.field(
            "custom_fields",
            pa.list_(pa.struct([("gid", pa.string()), ("text", pa.string()), ("number_value", pa.float64())])),
        ),
    ).append(pa.field("color", pa.string(), nullable=False))
    new = ensure_table(catalog, "asana", "tasks", wider)
    assert new.metadata.table_uuid == old.metadata.table_uuid
    [kept] = scan(new, workspace="w").to_pylist()
    assert kept["color"] is None
    assert kept["custom_fields"] == [{"gid": "f1", "number_value": 1.5, "text": None}]
    with PartitionWriter(new, workspace="v", sort_by=["gid"]) as writer:
        fields = [{"text": "hi", "gid": "f2", "number_value": 2.0}]
        writer.write(pa.table({"gid": ["2"], "color": ["red"], "custom_fields": [fields]}))
        writer.write(batch([row(3)]))
        replace_files(new, "v", writer.finish())
    rows = [(r["gid"], r["color"], r["custom_fields"][0]["text"]) for r in scan(new, workspace="v").to_pylist()]
    assert rows == [
        ("2", "red", "hi"),
        ("3", None, None),
    ]


def test_a_narrower_schema_drops_no_column(catalog: Catalog) -> None:
    tasks(catalog)
    narrow = pa.schema([SCHEMA.field("workspace_gid"), SCHEMA.field("gid")])
    kept = ensure_table(catalog, "asana", "tasks", narrow)
    assert [field.name for field in kept.schema().fields] == SCHEMA.names


@pytest.mark.parametrize(
    ("column", "new_type"),
    [
        ("name", pa.float64()),
        ("name", pa.list_(pa.string())),
        ("custom_fields", pa.string()),
        ("custom_fields", pa.list_(pa.string())),
        ("points", pa.string()),
    ],
)
def test_an_incompatible_column_type_is_an_error_that_names_table_and_column(
    catalog: Catalog, column: str, new_type: pa.DataType
) -> None:
    tasks(catalog)
    changed = SCHEMA.set(SCHEMA.get_field_index(column), pa.field(column, new_type))
    with pytest.raises(SchemaError, match=rf"asana\.tasks.*{column}|{column}.*asana\.tasks"):
        ensure_table(catalog, "asana", "tasks", changed)


def test_a_schema_without_a_workspace_column_is_rejected(catalog: Catalog) -> None:
    with pytest.raises(SchemaError, match="workspace_gid"):
        ensure_table(catalog, "asana", "tasks", pa.schema([("gid", pa.string())]))


def test_a_table_with_another_partitioning_is_rejected(catalog: Catalog) -> None:
    catalog.create_namespace("asana")
    catalog.create_table("asana.tasks", SCHEMA)
    with pytest.raises(SchemaError, match=r"asana\.tasks is not partitioned"):
        tasks(catalog)


def test_a_scan_reads_only_the_given_workspace_and_columns(catalog: Catalog) -> None:
    table = tasks(catalog)
    replace(table, "w", [row(1), row(2)])
    replace(table, "v", [row(3)])
    rows = scan(table, workspace="w", columns=["gid", "name"])
    assert rows.schema.names == ["gid", "name"]
    assert rows.schema.field("gid").type == pa.string()
    assert rows.column("gid").to_pylist() == ["1", "2"]
    assert gids(table, None) == ["1", "2", "3"]
    assert scan(table, workspace="absent").num_rows == 0


def test_batches_have_the_rows_and_types_of_a_scan(catalog: Catalog) -> None:
    table = tasks(catalog)
    replace(table, "w", [row(number) for number in range(10)], rows_per_file=4)
    batches = list(scan_batches(table, workspace="w"))
    assert len(batches) == 3
    scanned = scan(table, workspace="w")
    assert pa.Table.from_batches(batches).sort_by("gid").equals(scanned.sort_by("gid"))
    assert scanned.schema.equals(SCHEMA)
    assert list(scan_batches(table, workspace="absent")) == []


def test_rows_are_counted_per_workspace_and_in_total(catalog: Catalog) -> None:
    table = tasks(catalog)
    assert count(table) == 0
    replace(table, "w", [row(1), row(2)])
    replace(table, "v", [row(3)])
    assert (count(table, workspace="w"), count(table), count(table, workspace="absent")) == (2, 3, 0)
