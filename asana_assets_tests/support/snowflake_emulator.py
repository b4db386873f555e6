"""A Snowflake on this host: fakesnow's server, and what it lacks of Iceberg.

fakesnow speaks Snowflake's protocol with the real connector and runs SQL on DuckDB; Iceberg tables it does not know.
Here `CREATE ICEBERG TABLE` and `ALTER ICEBERG TABLE … REFRESH` get their meaning: the table holds what the metadata
file says that the catalog names at that moment, and nothing newer until the next refresh. Roles, users, warehouses,
volumes, integrations and grants are nodded through, and kept in `nodded`, so that a test can say what it did not prove.
"""

import re
import socket
import threading
from collections.abc import Callable, Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from unittest import mock

import sqlglot
import uvicorn
from fakesnow import server as serve  # now, for the module of that name takes its place
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

_NODDED = re.compile(
    r"USE ROLE |GRANT |CREATE (ROLE|USER|WAREHOUSE|EXTERNAL VOLUME|CATALOG INTEGRATION) IF NOT EXISTS "
    r"|DESCRIBE (EXTERNAL VOLUME|CATALOG INTEGRATION) |ALTER SCHEMA \S+ SET |SELECT SYSTEM\$CATALOG_LINK_STATUS"
    r"|CREATE DATABASE IF NOT EXISTS \S+\s+LINKED_CATALOG"
)
_REFRESH = re.compile(r'ALTER ICEBERG TABLE ("[^"]+"\."[^"]+"\."[^"]+") REFRESH')


class Emulator:
    """What a test does with the server: look at what it was told, let it fail, ask it.

    Attributes:
        connection: The connector's arguments that lead to it.
        statements: What it was told, in order.
        nodded: Of these, those that it answered and did not carry out.
        lake: The directory whose catalog its integration reads.
        failures: Errors that the next refreshes answer.
    """

    def __init__(self, connection: dict[str, Any]) -> None:
        self.connection = {name: connection[name] for name in ("host", "port", "protocol")}
        self.clear(Path())

    def clear(self, lake: Path) -> None:
        self.statements: list[str] = []
        self.nodded: list[str] = []
        self.failures: list[ProgrammingError] = []
        self.lake = lake
        self._follows: dict[str, tuple[str, str]] = {}

    def execute(self, cursor: Any, sql: str, otherwise: Callable[[], Any]) -> Any:
        self.statements.append(sql)
        if _NODDED.match(sql):
            self.nodded.append(sql)
        elif sql.startswith("CREATE ICEBERG TABLE"):
            self._create(cursor, sql)
        elif refreshed := _REFRESH.fullmatch(sql):
            self._refresh(cursor, refreshed[1])
        else:
            return otherwise()
        cursor._execute(SUCCESS_NOP, None)  # noqa: SLF001 # the shim is part of it
        return cursor

    def _create(self, cursor: Any, sql: str) -> None:
        create = sqlglot.parse_one(sql, read="snowflake", error_level=sqlglot.ErrorLevel.RAISE)
        assert isinstance(create, exp.Create), "not parsed, so not checked"
        given = {
            str(one.this): one.args["value"].name.lower() if isinstance(one.args["value"], exp.Literal) else ""
            for one in create.find_all(exp.Property)
            if "value" in one.args
        }
        name = create.this.sql(dialect="snowflake")
        if name in self._follows:
            return
        namespace, table = given["CATALOG_NAMESPACE"], given["CATALOG_TABLE_NAME"]
        if load_table(open_catalog(data_dir=self.lake), namespace, table) is None:
            raise ProgrammingError(f"Table '{namespace}.{table}' is not in the catalog.", errno=93659, sqlstate="0A000")
        self._follows[name] = namespace, table
        self._refresh(cursor, name)

    def _refresh(self, cursor: Any, name: str) -> None:
        if self.failures:
            raise self.failures.pop(0)
        if name not in self._follows:
            raise ProgrammingError(f"Table '{name}' does not exist or not authorized.", errno=2003, sqlstate="42S02")
        known = load_table(open_catalog(data_dir=self.lake), *self._follows[name])
        assert known is not None
        rows = StaticTable.from_metadata(known.metadata_location).scan().to_arrow()
        duck = cursor._duck_conn  # noqa: SLF001 # as above
        duck.register("refreshed", rows)
        duck.execute(f"CREATE OR REPLACE TABLE {name} AS SELECT * FROM refreshed")  # noqa: S608 # it is quoted
        duck.unregister("refreshed")


@contextmanager
def emulating() -> Generator[Emulator]:
    """Start the server on a free port of the loopback."""
    original = FakeSnowflakeCursor.execute
    with serve() as connection:
        emulator = Emulator(connection)

        def execute(cursor: Any, command: str, *args: Any, **more: Any) -> Any:
            return emulator.execute(cursor, command, lambda: original(cursor, command, *args, **more))

        with mock.patch.object(FakeSnowflakeCursor, "execute", execute):
            yield emulator


@contextmanager
def refusing() -> Generator[tuple[dict[str, Any], list[str]]]:
    """Start a server that refuses every login; give the arguments that lead to it, and the logins it saw."""
    logins: list[str] = []

    def refuse(request: Request) -> JSONResponse:
        logins.append(request.url.path)
        return JSONResponse(
            {"success": False, "code": "390100", "message": "Incorrect username or password was specified.", "data": {}}
        )

    server = uvicorn.Server(uvicorn.Config(Starlette(routes=[Route("/{path:path}", refuse, methods=["POST"])])))
    listener = socket.create_server(("127.0.0.1", 0))
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]}, daemon=True)
    thread.start()
    try:
        yield {"host": "127.0.0.1", "port": listener.getsockname()[1], "protocol": "http"}, logins
    finally:
        server.should_exit = True
        thread.join()
        listener.close()
