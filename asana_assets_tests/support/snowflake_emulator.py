"""A Snowflake emulator: fakesnow's server, extended by the Iceberg statements it lacks.

fakesnow speaks Snowflake's protocol with the real connector and runs SQL on DuckDB; it does not know Iceberg tables.
This module implements `CREATE ICEBERG TABLE` and `ALTER ICEBERG TABLE … REFRESH`: a table has the rows of the metadata
file that the catalog refers to at that moment, and nothing newer until the next refresh. Statements about roles, users,
warehouses, volumes, integrations and grants are accepted without effect and recorded in `no_ops`, so that a test can
state what it does not prove.
"""

import re
import socket
import threading
from collections.abc import Callable, Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from unittest import mock

import pytest
import snowflake.connector
import sqlglot
import uvicorn
from fakesnow import server as serve  # imported early: a submodule of the same name replaces the function
from fakesnow.cursor import FakeSnowflakeCursor
from fakesnow.transforms import SUCCESS_NOP
from pyiceberg.table import StaticTable
from snowflake.connector.errors import ProgrammingError
from sqlglot import exp
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route

from asana_assets.lake.catalog import open_catalog
from asana_assets.lake.table import load_table

PASSWORD = "c0ffee"
LOGIN: dict[str, Any] = {"account": "organization-account", "user": "LAKE_SERVICE", "password": PASSWORD}
"""Connector arguments of a user; the emulator accepts every login."""

SETTINGS = {
    "SNOWFLAKE_ROUTE": "tables",
    "SNOWFLAKE_ACCOUNT": "organization-account",
    "SNOWFLAKE_USER": "LAKE_SERVICE",
    "SNOWFLAKE_PASSWORD": PASSWORD,
    "SNOWFLAKE_DATABASE": "asana",
    "SNOWFLAKE_SCHEMA": "raw",
    "SNOWFLAKE_EXTERNAL_VOLUME": "asana_volume",
    "SNOWFLAKE_CATALOG_INTEGRATION": "asana_catalog",
}
"""Environment variables that configure route `tables`, without the emulator's address."""

ignore_fakesnow_warning = pytest.mark.filterwarnings(
    "ignore:Arrow output on a DB-API result makes an extra copy"  # DuckDB's, caused by fakesnow
)

_NO_OP = re.compile(
    r"USE ROLE |GRANT |CREATE (ROLE|USER|WAREHOUSE|EXTERNAL VOLUME|CATALOG INTEGRATION) IF NOT EXISTS "
    r"|DESCRIBE (EXTERNAL VOLUME|CATALOG INTEGRATION) |ALTER SCHEMA \S+ SET |SELECT SYSTEM\$CATALOG_LINK_STATUS"
    r"|CREATE DATABASE IF NOT EXISTS \S+\s+LINKED_CATALOG"
)
_REFRESH = re.compile(r'ALTER ICEBERG TABLE ("[^"]+"\."[^"]+"\."[^"]+") REFRESH')


class SnowflakeEmulator:
    """The running server, as a test sees it.

    Attributes:
        connection_args: Connector arguments that lead to the server.
        statements: All statements received, in order.
        no_ops: Those of the statements that were accepted without effect.
        data_dir: Data directory of the Iceberg catalog that the tables are read from.
        failures: Errors that the next refreshes raise, one each.
    """

    def __init__(self, connection_args: dict[str, Any]) -> None:
        self.connection_args = {name: connection_args[name] for name in ("host", "port", "protocol")}
        self.reset(Path())

    def reset(self, data_dir: Path) -> None:
        self.statements: list[str] = []
        self.no_ops: list[str] = []
        self.failures: list[ProgrammingError] = []
        self.data_dir = data_dir
        self._iceberg_names: dict[str, tuple[str, str]] = {}

    def query(self, *statements: str) -> list[Any]:
        """Execute the statements with the real connector and return the first value of each result."""
        login = LOGIN | self.connection_args | {"network_timeout": 5}
        values: list[Any] = []
        with snowflake.connector.connect(**login) as connection, connection.cursor() as cursor:
            for statement in statements:
                cursor.execute(statement)
                row: Any = cursor.fetchone()
                values.append(row[0])
        return values

    def execute(self, cursor: Any, sql: str, execute_on_duckdb: Callable[[], Any]) -> Any:
        """Handle a statement that the server received, in place of the cursor's own method."""
        self.statements.append(sql)
        if _NO_OP.match(sql):
            self.no_ops.append(sql)
        elif sql.startswith("CREATE ICEBERG TABLE"):
            self._create(cursor, sql)
        elif refreshed := _REFRESH.fullmatch(sql):
            self._refresh(cursor, refreshed[1])
        else:
            return execute_on_duckdb()
        cursor._execute(SUCCESS_NOP, None)  # noqa: SLF001 - the emulator extends the cursor
        return cursor

    def _create(self, cursor: Any, sql: str) -> None:
        create = sqlglot.parse_one(sql, read="snowflake", error_level=sqlglot.ErrorLevel.RAISE)
        assert isinstance(create, exp.Create), "not parsed, so not checked"
        options = {
            str(one.this): one.args["value"].name.lower() if isinstance(one.args["value"], exp.Literal) else ""
            for one in create.find_all(exp.Property)
            if "value" in one.args
        }
        name = create.this.sql(dialect="snowflake")
        if name in self._iceberg_names:
            return
        namespace, table = options["CATALOG_NAMESPACE"], options["CATALOG_TABLE_NAME"]
        if load_table(open_catalog(data_dir=self.data_dir), namespace, table) is None:
            raise ProgrammingError(f"Table '{namespace}.{table}' is not in the catalog.", errno=93659, sqlstate="0A000")
        self._iceberg_names[name] = namespace, table
        self._refresh(cursor, name)

    def _refresh(self, cursor: Any, name: str) -> None:
        if self.failures:
            raise self.failures.pop(0)
        if name not in self._iceberg_names:
            raise ProgrammingError(f"Table '{name}' does not exist or not authorized.", errno=2003, sqlstate="42S02")
        table = load_table(open_catalog(data_dir=self.data_dir), *self._iceberg_names[name])
        assert table is not None
        rows = StaticTable.from_metadata(table.metadata_location).scan().to_arrow()
        duckdb = cursor._duck_conn  # noqa: SLF001 - the emulator extends the cursor
        duckdb.register("refreshed", rows)
        duckdb.execute(f"CREATE OR REPLACE TABLE {name} AS SELECT * FROM refreshed")  # noqa: S608 - the name is quoted
        duckdb.unregister("refreshed")


@contextmanager
def run_emulator() -> Generator[SnowflakeEmulator]:
    """Run the server on a free port of the loopback interface."""
    original = FakeSnowflakeCursor.execute
    with serve() as connection_args:
        emulator = SnowflakeEmulator(connection_args)

        def execute(cursor: Any, command: str, *args: Any, **kwargs: Any) -> Any:
            return emulator.execute(cursor, command, lambda: original(cursor, command, *args, **kwargs))

        with mock.patch.object(FakeSnowflakeCursor, "execute", execute):
            yield emulator


@contextmanager
def run_login_rejecting_server() -> Generator[tuple[dict[str, Any], list[str]]]:
    """Run a server that rejects every login; yield the connector arguments and the paths of the login requests."""
    logins: list[str] = []

    def reject(request: Request) -> JSONResponse:
        logins.append(request.url.path)
        return JSONResponse(
            {"success": False, "code": "390100", "message": "Incorrect username or password was specified.", "data": {}}
        )

    server = uvicorn.Server(uvicorn.Config(Starlette(routes=[Route("/{path:path}", reject, methods=["POST"])])))
    listener = socket.create_server(("127.0.0.1", 0))
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]}, daemon=True)
    thread.start()
    try:
        yield {"host": "127.0.0.1", "port": listener.getsockname()[1], "protocol": "http"}, logins
    finally:
        server.should_exit = True
        thread.join()
        listener.close()
