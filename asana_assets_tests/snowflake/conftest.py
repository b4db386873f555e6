"""The Snowflake emulator, for all tests of Snowflake."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from asana_assets_tests.support.snowflake_emulator import SnowflakeEmulator, run_emulator


@pytest.fixture(scope="module")
def emulator_server() -> Iterator[SnowflakeEmulator]:
    with run_emulator() as emulator:
        yield emulator


@pytest.fixture
def emulator(emulator_server: SnowflakeEmulator, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> SnowflakeEmulator:
    """The emulator, which reads Iceberg tables from `tmp_path` and has received no statements."""
    monkeypatch.setenv("SNOWFLAKE_DISABLE_PLATFORM_DETECTION", "true")  # the connector would query fixed addresses
    emulator_server.reset(tmp_path)
    return emulator_server


@pytest.fixture
def empty_schema(emulator: SnowflakeEmulator) -> None:
    """The schema ASANA.RAW, without tables."""
    emulator.query("CREATE DATABASE IF NOT EXISTS ASANA", "DROP SCHEMA IF EXISTS ASANA.RAW", "CREATE SCHEMA ASANA.RAW")
    emulator.statements.clear()
