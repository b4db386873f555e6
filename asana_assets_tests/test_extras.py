"""Optional dependencies that are not installed. `test_wheel` repeats this with a real installation."""

import sys

import pytest

from asana_assets.asana.errors import ConfigurationError
from asana_assets.defs.secrets import read_token
from asana_assets.snowflake.refresh import SnowflakeError, SnowflakeIcebergTables


def test_without_the_extra_aws_a_secret_names_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "dagster_aws.secretsmanager", None)
    with pytest.raises(ConfigurationError) as raised:
        read_token("asana/token")
    assert str(raised.value) == (
        "ASANA_TOKEN_SECRET_ID needs dagster_aws.secretsmanager, which is not installed: "
        "run pip install 'asana-assets[aws]'"
    )


def test_without_the_extra_snowflake_a_refresh_names_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "snowflake.connector.errors", None)
    names = dict.fromkeys(("account", "user", "database", "schema_name", "external_volume", "catalog_integration"), "X")
    snowflake = SnowflakeIcebergTables(**names, private_key_path="/nowhere")
    with pytest.raises(SnowflakeError, match=r"which is not installed: run pip install 'asana-assets\[snowflake\]'"):
        snowflake.check_connection()
