"""Comments of tables and columns, which other engines show to their users.

A column's comment is Iceberg's `doc`; a table's is the property `comment`, which Spark, Trino and Flink read. They come
from the metadata of an Arrow schema: `doc` of its fields, `comment` of the schema.
"""

import logging

import pyarrow as pa
from pyiceberg.catalog import Catalog
from pyiceberg.exceptions import CommitFailedException, CommitStateUnknownException
from pyiceberg.schema import Schema
from pyiceberg.table import Table

from asana_assets.lake.catalog import schema_in_catalog_case
from asana_assets.lake.error_translation import translate_errors
from asana_assets.lake.errors import LakeError
from asana_assets.lake.pyiceberg_internals import iceberg_schema, names_by_id

_COMMENT = "comment"
_GLUE_COMMENT = "Description"  # PyIceberg stores this property as the description of the table in Glue
_ATTEMPTS = 5

_log = logging.getLogger(__name__)


def comment_properties(catalog: Catalog, schema: pa.Schema) -> dict[str, str]:
    """Return the table properties that hold the comment of a table with this schema."""
    comment = (schema.metadata or {}).get(_COMMENT.encode(), b"").decode()
    names = (_COMMENT, _GLUE_COMMENT) if catalog.properties.get("type", "").lower() == "glue" else (_COMMENT,)
    return dict.fromkeys(names, comment) if comment else {}


def update_comments(table: Table, schema: pa.Schema) -> None:
    """Set the comments of an existing table to those of `schema`, in one commit; commit nothing if none differ.

    Comments are no reason to fail a sync: if the catalog refuses the change, log a warning.
    """
    try:
        with translate_errors(table):
            _update(table, schema)
    except (CommitFailedException, CommitStateUnknownException, LakeError) as error:
        _log.warning(
            "The comments of table %s could not be updated; its rows are not affected: %s",
            ".".join(table.name()),
            error,
        )


def _update(table: Table, schema: pa.Schema) -> None:
    wanted = _docs(iceberg_schema(schema_in_catalog_case(table.catalog, schema)))
    for attempt in range(1, _ATTEMPTS + 1):
        stored = _docs(table.schema())
        docs = {path: doc for path, doc in wanted.items() if doc and stored.get(path, doc) != doc}
        properties = dict(comment_properties(table.catalog, schema).items() - table.properties.items())
        if not docs and not properties:
            return
        try:
            with table.transaction() as transaction:
                if docs:
                    with transaction.update_schema() as update:
                        for path, doc in docs.items():
                            update.update_column(tuple(path.split(".")), doc=doc)
                if properties:
                    transaction.set_properties(properties)
        except CommitFailedException:  # several runs start at once after an upgrade
            if attempt == _ATTEMPTS:
                raise
            table.refresh()
        else:
            return


def _docs(schema: Schema) -> dict[str, str | None]:
    """Return the doc of every column and nested field by its dotted name."""
    return {path: schema.find_field(field_id).doc for field_id, path in names_by_id(schema).items()}
