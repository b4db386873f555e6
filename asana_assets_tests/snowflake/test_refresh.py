"""The Snowflake resource: refresh, retries, logins and row counts, with the real connector over HTTP."""

import socket
from pathlib import Path
from typing import Any

import dagster as dg
import pyarrow as pa
import pytest
from cryptography.hazmat.primitives.asymmetric.rsa import generate_private_key
from cryptography.hazmat.primitives.serialization import BestAvailableEncryption, Encoding, PrivateFormat
from snowflake.connector.errors import ProgrammingError

from asana_assets.defs.resources import LakeResource
from asana_assets.defs.snowflake import compare_row_counts
from asana_assets.lake.catalog import open_catalog
from asana_assets.lake.table import ensure_table
from asana_assets.snowflake.refresh import SnowflakeIcebergTables
from asana_assets_tests.support.snowflake_emulator import (
    LOGIN,
    PASSWORD,
    SnowflakeEmulator,
    ignore_fakesnow_warning,
    run_login_rejecting_server,
)

FIELDS: dict[str, Any] = LOGIN | {
    "database": "ASANA",
    "schema_name": "RAW",
    "external_volume": "LAKE_VOLUME",
    "catalog_integration": "LAKE_CATALOG",
    "initial_backoff_seconds": 0.0,
}

pytestmark = [ignore_fakesnow_warning, pytest.mark.timeout(100)]


def snowflake_tables(connection_args: dict[str, Any], **fields: Any) -> SnowflakeIcebergTables:
    all_fields: dict[str, Any] = FIELDS | {"connection_args": connection_args} | fields
    return SnowflakeIcebergTables(**all_fields)


@pytest.fixture
def connection_args(empty_schema: None, emulator: SnowflakeEmulator, tmp_path: Path) -> dict[str, Any]:
    """The connector arguments of an emulator in whose catalog the Iceberg table `tags` exists."""
    del empty_schema
    columns = pa.schema([("gid", pa.string()), ("workspace_gid", pa.string())])
    ensure_table(open_catalog(data_dir=tmp_path), "asana", "tags", columns)
    return emulator.connection_args


def test_a_refresh_fails_after_the_configured_number_of_attempts(
    connection_args: dict[str, Any], emulator: SnowflakeEmulator
) -> None:
    emulator.failures = [ProgrammingError("Busy.", errno=93660, sqlstate="XX000") for _ in range(3)]
    with pytest.raises(dg.Failure, match="Busy"):
        snowflake_tables(connection_args, max_attempts=3).refresh("tags")
    assert emulator.failures == []


def test_a_table_missing_from_the_catalog_fails_with_snowflakes_message(connection_args: dict[str, Any]) -> None:
    with pytest.raises(dg.Failure, match="not in the catalog"):
        snowflake_tables(connection_args, max_attempts=1).refresh("stories")


def test_rows_that_cannot_be_counted_are_a_warning_and_not_zero(
    connection_args: dict[str, Any], tmp_path: Path
) -> None:
    result = compare_row_counts("tags", LakeResource(data_dir=str(tmp_path)), snowflake_tables(connection_args))
    assert not result.passed
    assert result.description is not None
    assert result.description.startswith("The rows could not be counted: 002003 (42S02): ")


def test_a_key_pair_logs_in(connection_args: dict[str, Any], tmp_path: Path) -> None:
    path = tmp_path / "key.p8"
    encryption = BestAvailableEncryption(PASSWORD.encode())
    private_key = generate_private_key(public_exponent=65537, key_size=2048)
    path.write_bytes(private_key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, encryption))
    login: dict[str, Any] = {"password": None, "private_key_path": str(path), "private_key_password": PASSWORD}
    metadata = snowflake_tables(connection_args, **login).refresh("tags")
    assert metadata["snowflake_table"] == '"ASANA"."RAW"."TAGS"'
    with pytest.raises(dg.Failure, match="SNOWFLAKE_PRIVATE_KEY_PATH cannot be used: ") as failure:
        snowflake_tables(connection_args, **{**login, "private_key_password": "wrong"}).refresh("tags")
    assert "wrong" not in str(failure.value.description)
    with pytest.raises(dg.Failure, match=r"SNOWFLAKE_PRIVATE_KEY_PATH cannot be used: .*No such file"):
        snowflake_tables(connection_args, **{**login, "private_key_path": "/nonexistent"}).refresh("tags")


def test_a_rejected_login_is_not_retried_because_that_locks_the_user_out() -> None:
    with (
        run_login_rejecting_server() as (connection_args, logins),
        pytest.raises(dg.Failure, match="Incorrect username or password") as failure,
    ):
        snowflake_tables(connection_args).refresh("tags")
    assert len(logins) == 1
    assert PASSWORD not in str(failure.value.description)


def test_a_refused_connection_fails_after_retries(caplog: pytest.LogCaptureFixture) -> None:
    with socket.create_server(("127.0.0.1", 0)) as closed:
        port = closed.getsockname()[1]
    connection_args = {"host": "127.0.0.1", "port": port, "protocol": "http", "login_timeout": 1}
    with pytest.raises(dg.Failure, match=r"could not be refreshed: .*connect"):
        snowflake_tables(connection_args, max_attempts=2).refresh("tags")
    assert "Snowflake: attempt 1 of 2 failed: " in caplog.text
