"""The page of all endpoints: its table equals the registry, and what is left out is not in it."""

from asana_assets.asana.endpoints import ENDPOINTS, STANDARD_ENDPOINTS
from asana_assets_tests.support.doc_pages import quoted, read, table
from asana_assets_tests.support.endpoint_table import endpoint_rows

PAGE = "docs/endpoints.md"


def test_the_table_has_a_row_for_each_endpoint_as_in_the_registry() -> None:
    assert table(PAGE, "table") == endpoint_rows()  # python -m asana_assets_tests.support.endpoint_table prints them


def test_what_is_left_out_is_not_synced_and_has_a_reason() -> None:
    left_out = {name: reason for names, reason in table(PAGE, "of Asana's API") for name in quoted(names)}
    assert left_out.keys().isdisjoint(endpoint.name for endpoint in ENDPOINTS)
    assert all(len(reason) > 10 for reason in left_out.values())


def test_the_readme_says_how_many_there_are() -> None:
    standard, further = len(STANDARD_ENDPOINTS), len(ENDPOINTS) - len(STANDARD_ENDPOINTS)
    assert f"{standard} by default, and {further} [more]({PAGE}) if you choose them" in read("README.md")
