"""Dagster's metadata of a table's columns, derived from the endpoint."""

import dagster as dg
import pyarrow as pa

from asana_assets.asana.model import Endpoint
from asana_assets.defs.names import Names

LINEAGE_KEY = "dagster/column_lineage"


def column_schema(endpoint: Endpoint) -> dg.TableSchema:
    """Return the table's columns with types and descriptions, for Dagster's UI."""
    columns = [
        dg.TableColumn(field.name, _type_name(field.type), (field.metadata or {}).get(b"doc", b"").decode() or None)
        for field in endpoint.schema
    ]
    return dg.TableSchema(columns)


def _type_name(arrow_type: pa.DataType) -> str:
    """Return the type's name in Iceberg; a struct's fields are left out, as they would fill the page."""
    if pa.types.is_list(arrow_type):
        return f"list<{_type_name(arrow_type.value_type)}>"
    if pa.types.is_struct(arrow_type):
        return "struct"
    return {"bool": "boolean", "date32[day]": "date", "int64": "long", "timestamp[us, tz=UTC]": "timestamptz"}.get(
        str(arrow_type), str(arrow_type)
    )


def column_lineage(endpoint: Endpoint, names: Names) -> dg.TableColumnLineage:
    """Return which columns reference gids of upstream tables."""
    dependencies: dict[str, dict[dg.TableColumnDep, None]] = {}  # several listings can have one kind of parents
    for listing in endpoint.listings:
        if listing.parent is not None:
            asset_key = names.asset_key(listing.parent.name)
            dependency = dg.TableColumnDep(asset_key=asset_key, column_name=listing.parent_column)
            dependencies.setdefault(listing.parent_ref, {})[dependency] = None
    return dg.TableColumnLineage({column: list(parents) for column, parents in dependencies.items()})
