"""The settings of route `tables`: which definitions they add, and how invalid ones are reported."""

import re

import dagster as dg
import pytest

from asana_assets.asana.errors import ConfigurationError
from asana_assets.definitions import build_definitions
from asana_assets.sandbox import STANDARD
from asana_assets_tests.support.snowflake_emulator import PASSWORD, SETTINGS
from asana_assets_tests.support.sync_harness import settings_from


@pytest.mark.parametrize("route", ["", "horizon", "linked-database"])
def test_other_routes_have_neither_check_nor_resource(route: str) -> None:
    definitions = build_definitions(settings_from(SETTINGS | {"SNOWFLAKE_ROUTE": route}))
    checks = {
        key.name
        for one in definitions.asset_checks or ()
        if isinstance(one, dg.AssetChecksDefinition)
        for key in one.check_keys
    }
    assert checks == {"workspaces_synced"}
    assert "asana_snowflake" not in (definitions.resources or {})


def test_every_asset_has_a_row_count_check() -> None:
    graph = build_definitions(settings_from(SETTINGS)).resolve_asset_graph()
    checked = [key.asset_key.path[-1] for key in graph.asset_check_keys if key.name == "snowflake_row_count"]
    assert sorted(checked) == sorted(STANDARD)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (
            {"SNOWFLAKE_ROUTE": "table"},
            "SNOWFLAKE_ROUTE is 'table', but must be one of horizon, linked-database, tables",
        ),
        (
            {"SNOWFLAKE_USER": "", "SNOWFLAKE_SCHEMA": ""},
            "SNOWFLAKE_ROUTE is tables, which needs SNOWFLAKE_USER, SNOWFLAKE_SCHEMA",
        ),
        ({"SNOWFLAKE_PASSWORD": ""}, "needs SNOWFLAKE_PRIVATE_KEY_PATH or SNOWFLAKE_PASSWORD, not both"),
        ({"SNOWFLAKE_PRIVATE_KEY_PATH": "key.p8"}, "needs SNOWFLAKE_PRIVATE_KEY_PATH or SNOWFLAKE_PASSWORD, not both"),
        ({"SNOWFLAKE_DATABASE": "my db"}, "SNOWFLAKE_DATABASE is 'my db', which is not a valid Snowflake identifier: "),
        (
            {"SNOWFLAKE_EXTERNAL_VOLUME": "x'; --"},
            'SNOWFLAKE_EXTERNAL_VOLUME is "x\'; --", which is not a valid unquoted Snowflake identifier: ',
        ),
    ],
)
def test_an_invalid_setting_is_named_when_the_definitions_load(changes: dict[str, str], message: str) -> None:
    with pytest.raises(ConfigurationError, match=re.escape(message)):
        build_definitions(settings_from(SETTINGS | changes))


def test_a_secret_is_shown_as_the_name_of_its_setting(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SNOWFLAKE_PASSWORD", PASSWORD)
    shown = repr((build_definitions(settings_from(SETTINGS)).resources or {})["asana_snowflake"])
    assert PASSWORD not in shown
    assert "organization-account" in shown
