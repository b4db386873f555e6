"""The database row that holds a token's next slot and pause, and the statements that change it.

Reserving a slot is a single UPDATE, so nothing is locked while a request waits, and a process that is killed between
reserving and sending costs one slot. All times are seconds since the epoch by the database's clock, so that hosts need
not agree on the time.
"""

import contextlib
import math
import sqlite3
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future
from pathlib import Path
from typing import TypeVar

import sqlalchemy as sa
import sqlalchemy.event
from sqlalchemy.exc import DBAPIError, IntegrityError

from asana_assets.asana.pacer import SLOT_GRACE_SECONDS

_CONNECTIONS = 2  # per process: one reserves, the other checks for pauses

_T = TypeVar("_T")

_PACER_TABLE = sa.Table(
    "asana_pace",
    sa.MetaData(),
    sa.Column("token", sa.String(64), primary_key=True),
    sa.Column("next", sa.Double, nullable=False),
    sa.Column("pause", sa.Double, nullable=False),
)


class PacerRow:
    """One token's row in SQLite or PostgreSQL.

    Methods raise SQLAlchemy's errors, and a `TimeoutError` if PostgreSQL does not respond in time.
    """

    def __init__(self, url: sa.URL, token_fingerprint: str, timeout_seconds: float) -> None:
        self._path = url.database or ""
        self._timeout_seconds = timeout_seconds
        self._is_sqlite = url.get_backend_name() == "sqlite"
        if not self._is_sqlite:
            # Ends on the server what no request waits for any longer; `options` in the URL take precedence.
            limits = {
                "connect_timeout": str(math.ceil(timeout_seconds)),
                "options": f"-c statement_timeout={timeout_seconds * 1000:.0f}",
            }
            url = url.set(query=limits | dict(url.query))
        self._engine = sa.create_engine(
            url,
            isolation_level="AUTOCOMMIT",
            pool_size=_CONNECTIONS,
            max_overflow=0,
            pool_timeout=2 * timeout_seconds,  # longer than the overall timeout, whose message is clearer
        )
        if self._is_sqlite:
            sqlalchemy.event.listen(self._engine, "connect", self._configure_sqlite)

        columns = _PACER_TABLE.c
        is_token = columns.token == token_fingerprint
        greatest = sa.func.max if self._is_sqlite else sa.func.greatest
        now = (
            sa.func.wall_clock(type_=sa.Double)
            if self._is_sqlite
            else sa.cast(sa.extract("epoch", sa.func.clock_timestamp()), sa.Double)
        )
        free_at = sa.case((columns.next > now - SLOT_GRACE_SECONDS, columns.next), else_=now)
        interval, seconds = sa.bindparam("interval", type_=sa.Double), sa.bindparam("seconds", type_=sa.Double)
        self._insert = sa.insert(_PACER_TABLE).from_select(
            ["token", "next", "pause"],
            sa.select(sa.literal(token_fingerprint), sa.literal(0.0), sa.literal(0.0)).where(
                ~sa.exists().where(is_token)
            ),
        )
        self._reserve = (
            sa.update(_PACER_TABLE)
            .where(is_token)
            .values(next=greatest(free_at, columns.pause) + interval)
            .returning(columns.next - interval - now)
        )
        self._pause = (
            sa.update(_PACER_TABLE)
            .where(is_token)
            .values(pause=greatest(columns.pause, now + seconds))
            .returning(columns.pause)
        )
        self._pause_remaining = sa.select(columns.pause - now).where(is_token)

    def create(self) -> None:
        """Create the table and the row if they are missing; safe to call concurrently."""
        self._with_timeout(self._create)

    def reserve(self, interval_seconds: float) -> float:
        return max(0.0, self._execute(self._reserve, interval=interval_seconds))

    def pause(self, seconds: float) -> None:
        self._execute(self._pause, seconds=seconds)

    def pause_remaining(self) -> float:
        return max(0.0, self._execute(self._pause_remaining))

    def close(self) -> None:
        self._engine.dispose()

    def _create(self) -> None:
        if self._is_sqlite:
            Path(self._path).parent.mkdir(parents=True, exist_ok=True)
        try:
            # Checked first, so that a role that may not create tables can use an existing one.
            _PACER_TABLE.create(self._engine, checkfirst=True)
        except DBAPIError:  # PostgreSQL raises different errors if another process creates it at the same time
            if not sa.inspect(self._engine).has_table(_PACER_TABLE.name):
                raise
        with self._engine.connect() as connection, contextlib.suppress(IntegrityError):  # inserted concurrently
            connection.execute(self._insert)

    def _execute(self, statement: sa.Executable, **values: float) -> float:
        def execute() -> float:
            with self._engine.connect() as connection:
                return connection.execute(statement, values).scalar_one()

        return self._with_timeout(execute)

    def _with_timeout(self, work: Callable[[], _T]) -> _T:
        """Run `work` within the timeout; in SQLite the busy timeout applies instead."""
        if self._is_sqlite:
            return work()
        return _run_with_timeout(self._timeout_seconds, lambda: _retry_if_disconnected(work))

    def _configure_sqlite(self, connection: sqlite3.Connection, _: object) -> None:
        connection.create_function("wall_clock", 0, time.time)
        connection.execute(f"PRAGMA busy_timeout = {self._timeout_seconds * 1000:.0f}")
        connection.execute("PRAGMA synchronous = OFF")  # a power failure loses one pause at most
        give_up_at = time.monotonic() + self._timeout_seconds
        while True:
            try:
                connection.execute("PRAGMA journal_mode = WAL")
            except sqlite3.OperationalError as error:  # the busy timeout does not cover switching the mode
                if "locked" not in str(error) or time.monotonic() > give_up_at:
                    raise
                time.sleep(0.01)
            else:
                return


def _retry_if_disconnected(work: Callable[[], _T]) -> _T:
    try:
        return work()
    except DBAPIError as error:
        if not error.connection_invalidated:
            raise
    return work()  # on new connections: the server dropped the pooled ones, for example by restarting


def _run_with_timeout(seconds: float, work: Callable[[], _T]) -> _T:
    """Run `work` in a thread of its own, since drivers wait forever for a server that stopped responding.

    Raises:
        TimeoutError: The time is up; the thread is abandoned.
    """
    result: Future[_T] = Future()

    def run() -> None:
        try:
            result.set_result(work())
        except Exception as error:  # noqa: BLE001 - re-raised by `result`
            result.set_exception(error)

    threading.Thread(target=run, name="asana pacer", daemon=True).start()
    try:
        return result.result(seconds)
    except TimeoutError:
        raise TimeoutError(f"no response within {seconds:g} s") from None
