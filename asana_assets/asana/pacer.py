"""The token's pace as one row in a small database, shared by every process, run and host that uses the token.

SQLite serves one host, PostgreSQL several. The row holds when the next slot begins and until when to pause; reserving
is one UPDATE, so nothing is locked while anybody waits, and a process killed between reserving and sending loses one
slot. The token itself is not stored, only a fingerprint.

A database that cannot be used holds nobody up: the process goes on at its own pace, and looks for it now and then.
"""

import contextlib
import hashlib
import logging
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
from sqlalchemy.exc import ArgumentError, DBAPIError, IntegrityError, NoSuchModuleError, SQLAlchemyError

from asana_assets.asana.errors import ConfigurationError
from asana_assets.asana.throttle import SLOT_GRACE_SECONDS, LocalPacer

log = logging.getLogger(__name__)

RETRY_STORE_SECONDS = 30.0
"""How long a process keeps its own pace before it tries the database again."""

PATIENCE_SECONDS = 5.0
"""How long a request waits for the database, to connect and to answer."""

_CONNECTIONS = 2
"""Of one process: one reserves, another looks for pauses."""

_DRIVERS = {"pysqlite", "psycopg", "psycopg2"}

_T = TypeVar("_T")

_PACE = sa.Table(
    "asana_pace",
    sa.MetaData(),
    sa.Column("token", sa.String(64), primary_key=True),
    sa.Column("next", sa.Double, nullable=False),
    sa.Column("pause", sa.Double, nullable=False),
)


class DatabasePacer:
    """A timetable in a database; while that cannot be used, this process's own."""

    def __init__(
        self,
        url: str,
        token: str,
        *,
        retry_seconds: float = RETRY_STORE_SECONDS,
        patience_seconds: float = PATIENCE_SECONDS,
    ) -> None:
        """Connects at the first use.

        Raises:
            ConfigurationError: the URL is none that can keep a pace.
        """
        self._url = _parse(url)
        fingerprint = hashlib.sha256(b"asana_assets pace\0" + token.encode()).hexdigest()
        self._row = _Row(self._url, fingerprint, patience_seconds)
        self._local = LocalPacer()
        self._retry_seconds = retry_seconds
        self._retry_at = float("-inf")
        self._ready = self._unavailable = False
        self._lock = threading.Lock()

    def reserve(self, step: float) -> float:
        own = self._local.reserve(step)
        return self._shared(lambda: self._row.reserve(step), own)

    def pause(self, seconds: float) -> None:
        self._local.pause(seconds)
        self._shared(lambda: self._row.pause(seconds), None)

    def pause_remaining(self) -> float:
        seconds = self._shared(self._row.pause_remaining, self._local.pause_remaining())
        if seconds:
            self._local.pause(seconds)  # to be kept even if the database vanishes
        return seconds

    def check_connection(self) -> str:
        """Use the database once; give its address, without a password.

        Raises:
            OSError: it cannot be used.
        """
        try:
            self._row.prepare()
            self._row.pause_remaining()
        except SQLAlchemyError as error:
            raise OSError(str(error).splitlines()[0]) from None
        finally:
            self._row.close()
        return self._address

    def close(self) -> None:
        """Let go of the connections; a later use opens them again."""
        self._row.close()

    @property
    def _address(self) -> str:
        return self._url.set(query={}).render_as_string(hide_password=True)  # a query can hold a password, too

    def _shared(self, ask: Callable[[], _T], own: _T) -> _T:
        try:
            if not self._is_available():
                return own
            answer = ask()
        except (SQLAlchemyError, OSError) as error:
            self._mark_unavailable(error)
            return own
        self._mark_available()
        return answer

    def _is_available(self) -> bool:
        if time.monotonic() < self._retry_at:
            return False
        with self._lock:  # while one connects for the first time, the others wait
            if time.monotonic() < self._retry_at:
                return False
            if self._unavailable:  # while one looks whether it is back, the others go on
                self._retry_at = time.monotonic() + self._retry_seconds
            if not self._ready:
                self._row.prepare()
                if seconds := self._local.pause_remaining():  # of which the others could not be told
                    self._row.pause(seconds)
                self._ready = True
            return True

    def _mark_unavailable(self, error: Exception) -> None:
        with self._lock:
            self._retry_at = time.monotonic() + self._retry_seconds
            self._ready = False
            known, self._unavailable = self._unavailable, True
        if not known:
            log.warning(
                "The shared pace (ASANA_PACER_URL, %s) cannot be used: %s. This process keeps its own pace; others "
                "that use the token do not see it",
                self._address,
                str(error).splitlines()[0],
            )

    def _mark_available(self) -> None:
        if not self._unavailable:
            return
        with self._lock:
            self._retry_at = float("-inf")
            self._unavailable = False
        log.info("The shared pace (ASANA_PACER_URL) is used again")


def _parse(url: str) -> sa.URL:
    try:
        parsed = sa.make_url(url)
        if parsed.drivername == "postgresql":
            parsed = parsed.set(drivername="postgresql+psycopg")
        dialect = parsed.get_dialect()
    except (ArgumentError, NoSuchModuleError, ValueError):  # the last of a port that is no number
        raise ConfigurationError("ASANA_PACER_URL is not a database URL, as in postgresql://host/name") from None
    if parsed.get_driver_name() not in _DRIVERS:
        raise ConfigurationError(
            "ASANA_PACER_URL: a pace can be kept in sqlite:///file and postgresql://host/name only"
        )
    if parsed.get_backend_name() == "sqlite" and parsed.database in {None, "", ":memory:"}:
        raise ConfigurationError("ASANA_PACER_URL: a pace in memory is shared with nobody; name a file")
    try:
        dialect.import_dbapi()
    except ImportError as error:
        raise ConfigurationError(
            f"ASANA_PACER_URL needs a database driver that is not installed ({str(error).splitlines()[0]}); "
            "postgresql:// takes that of asana-assets[postgresql]"
        ) from None
    return parsed


class _Row:
    """The token's row. Instants are of the database's clock, so that hosts need not agree on time."""

    def __init__(self, url: sa.URL, token: str, patience: float) -> None:
        self._file = url.database or ""
        self._patience = patience
        self._on_host = url.get_backend_name() == "sqlite"
        if not self._on_host:
            # So that what a request does not wait for any longer ends too; whoever sets `options` knows better.
            bounds = {
                "connect_timeout": str(math.ceil(patience)),
                "options": f"-c statement_timeout={patience * 1000:.0f}",
            }
            url = url.set(query=bounds | dict(url.query))
        self._engine = sa.create_engine(
            url,
            isolation_level="AUTOCOMMIT",
            pool_size=_CONNECTIONS,
            max_overflow=0,
            pool_timeout=2 * patience,  # longer than the whole may take, which says it better
        )
        if self._on_host:
            sqlalchemy.event.listen(self._engine, "connect", self._configure_sqlite)
        mine = _PACE.c.token == token
        latest = sa.func.max if self._on_host else sa.func.greatest
        now = (
            sa.func.wall_clock(type_=sa.Double)
            if self._on_host
            else sa.cast(sa.extract("epoch", sa.func.clock_timestamp()), sa.Double)
        )
        free = sa.case((_PACE.c.next > now - SLOT_GRACE_SECONDS, _PACE.c.next), else_=now)
        step, seconds = sa.bindparam("step", type_=sa.Double), sa.bindparam("seconds", type_=sa.Double)
        self._insert = sa.insert(_PACE).from_select(
            ["token", "next", "pause"],
            sa.select(sa.literal(token), sa.literal(0.0), sa.literal(0.0)).where(~sa.exists().where(mine)),
        )
        self._reserve = (
            sa.update(_PACE)
            .where(mine)
            .values(next=latest(free, _PACE.c.pause) + step)
            .returning(_PACE.c.next - step - now)
        )
        self._pause = (
            sa.update(_PACE).where(mine).values(pause=latest(_PACE.c.pause, now + seconds)).returning(_PACE.c.pause)
        )
        self._paused = sa.select(_PACE.c.pause - now).where(mine)

    def prepare(self) -> None:
        """See to it that the row is there; several processes may do so at once."""
        self._bounded(self._set_up)

    def reserve(self, step: float) -> float:
        return max(0.0, self._ask(self._reserve, step=step))

    def pause(self, seconds: float) -> None:
        self._ask(self._pause, seconds=seconds)

    def pause_remaining(self) -> float:
        return max(0.0, self._ask(self._paused))

    def close(self) -> None:
        self._engine.dispose()

    def _set_up(self) -> None:
        if self._on_host:
            Path(self._file).parent.mkdir(parents=True, exist_ok=True)
        try:
            _PACE.create(self._engine, checkfirst=True)  # as who may not create tables can use one that is there
        except DBAPIError:  # PostgreSQL has several words for another process that was first
            if not sa.inspect(self._engine).has_table(_PACE.name):
                raise
        with self._engine.connect() as connection, contextlib.suppress(IntegrityError):  # another process was first
            connection.execute(self._insert)

    def _ask(self, statement: sa.Executable, **values: float) -> float:
        def ask() -> float:
            with self._engine.connect() as connection:
                return connection.execute(statement, values).scalar_one()

        return self._bounded(ask)

    def _bounded(self, work: Callable[[], _T]) -> _T:
        return work() if self._on_host else _within(self._patience, lambda: _again_if_dropped(work))

    def _configure_sqlite(self, connection: sqlite3.Connection, _: object) -> None:
        connection.create_function("wall_clock", 0, time.time)
        connection.execute(f"PRAGMA busy_timeout = {self._patience * 1000:.0f}")
        connection.execute("PRAGMA synchronous = OFF")  # a row lost with the power costs one pause
        give_up_at = time.monotonic() + self._patience
        while True:
            try:
                connection.execute("PRAGMA journal_mode = WAL")
            except sqlite3.OperationalError as error:  # switching does not wait for the busy timeout
                if "locked" not in str(error) or time.monotonic() > give_up_at:
                    raise
                time.sleep(0.01)
            else:
                return


def _again_if_dropped(work: Callable[[], _T]) -> _T:
    try:
        return work()
    except DBAPIError as error:
        if not error.connection_invalidated:
            raise
    return work()  # with new connections: the server dropped the old ones, as when it restarts


def _within(seconds: float, work: Callable[[], _T]) -> _T:
    """Work in a thread of its own, since a driver waits for ever for a server that stopped answering.

    Raises:
        TimeoutError: it takes longer; the thread is left to itself.
    """
    done: Future[_T] = Future()

    def run() -> None:
        try:
            done.set_result(work())
        except Exception as error:  # noqa: BLE001 # raised again where the result is awaited
            done.set_exception(error)

    threading.Thread(target=run, name="asana pace", daemon=True).start()
    try:
        return done.result(seconds)
    except TimeoutError:
        raise TimeoutError(f"no answer within {seconds:g} s") from None
