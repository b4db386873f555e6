"""Descriptions of columns and tables, which Dagster and the tables' readers show to analysts."""

import re
from collections.abc import Iterable, Iterator

import pytest

from asana_assets.asana.endpoints import ENDPOINTS
from asana_assets.asana.field_types import BOOLEAN, INSTANT, Column, ListOf, Struct
from asana_assets.asana.model import GID, PARENT_GID, SYNCED_AT, UNMAPPED, WORKSPACE_GID, Endpoint

COMMON_COLUMNS = (GID, WORKSPACE_GID, PARENT_GID, SYNCED_AT, UNMAPPED)
MAX_LENGTH = 200  # characters; Glue stores at most 255 of a column's comment


def with_nested(columns: Iterable[Column], prefix: str = "") -> Iterator[tuple[str, Column]]:
    for column in columns:
        yield f"{prefix}{column.name}", column
        item = column.type.item if isinstance(column.type, ListOf) else column.type
        if isinstance(item, Struct):
            yield from with_nested(item.columns, f"{prefix}{column.name}.")


every_endpoint = pytest.mark.parametrize("endpoint", ENDPOINTS, ids=lambda endpoint: endpoint.name)


@every_endpoint
def test_every_column_and_nested_field_has_a_description_that_adds_to_its_name(endpoint: Endpoint) -> None:
    for path, column in with_nested((*COMMON_COLUMNS, *endpoint.columns)):
        assert re.fullmatch(r"[A-Z].*[^.]\.", column.doc), path
        assert len(column.doc) <= MAX_LENGTH, path
        words = set(re.findall(r"[a-z]+", column.doc.lower())) - {"the", "a", "an", "of"}
        assert words - set(column.name.split("_")), path
        if column.type is BOOLEAN:
            assert column.doc.startswith("True if "), path
        if column.type is INSTANT:
            assert "(UTC)" in column.doc, path


def test_a_column_of_several_endpoints_is_defined_once() -> None:
    defined: dict[tuple[str, str], Column] = {}
    for endpoint in ENDPOINTS:
        for column in endpoint.columns:
            assert defined.setdefault((column.name, column.doc), column) is column, column.name


@every_endpoint
def test_every_table_has_a_comment_that_starts_with_its_grain_and_key(endpoint: Endpoint) -> None:
    comment = (endpoint.schema.metadata or {})[b"comment"].decode()
    assert comment.startswith(f"Each row is {endpoint.grain}. The key is ")
    assert re.fullmatch(r"[^*\n]*[^.]\.", comment)
