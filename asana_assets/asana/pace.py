"""The token's pace as one row in a small database, shared by every process, run and host that uses the token.

SQLite serves one host, PostgreSQL several. The row holds when the next slot begins and until when to pause; reserving
is one UPDATE, so nothing is locked while anybody waits, and a process killed between reserving and sending loses one
slot. The token itself is not stored, only a fingerprint.
"""

import hashlib
import logging
import sqlite3
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

import sqlalchemy as sa
import sqlalchemy.event
from sqlalchemy.exc import ArgumentError, IntegrityError, NoSuchModuleError, SQLAlchemyError
from sqlalchemy.schema import CreateTable

from asana_assets.asana.errors import SettingError
from asana_assets.asana.throttle import LocalPace

log = logging.getLogger(__name__)

RETRY_STORE_SECONDS = 30.0
"""How long a process keeps its own pace before it tries the database again."""

_T = TypeVar("_T")

_PACE = sa.Table(
    "asana_pace",
    sa.MetaData(),
    sa.Column("token", sa.String(64), primary_key=True),
    sa.Column("next", sa.Double, nullable=False),
    sa.Column("pause", sa.Double, nullable=False),
)


class SharedPace:
    """A timetable in a database; while that cannot be used, this process's own."""

    def __init__(self, url: str, token: str) -> None:
        """Connects at the first use.

        Raises:
            SettingError: the URL is none that can keep a pace.
        """
        self._url = _parse(url)
        self._token = hashlib.sha256(b"asana_assets pace\0" + token.encode()).hexdigest()
        self._row: _Row | None = None
        self._local = LocalPace()
        self._retry_at = float("-inf")
        self._lock = threading.Lock()

    def reserve(self, step: float) -> float:
        own = self._local.reserve(step)
        return self._shared(lambda row: row.reserve(step), own)

    def pause(self, seconds: float) -> None:
        self._local.pause(seconds)
        self._shared(lambda row: row.pause(seconds), None)

    def paused(self) -> float:
        return self._shared(lambda row: row.paused(), self._local.paused())

    def _shared(self, ask: "Callable[[_Row], _T]", own: _T) -> _T:
        if time.monotonic() < self._retry_at:
            return own
        try:
            with self._lock:
                self._row = self._row or _Row(self._url, self._token)
            return ask(self._row)
        except (SQLAlchemyError, OSError) as error:
            self._retry_at = time.monotonic() + RETRY_STORE_SECONDS
            log.warning(
                "The shared pace (ASANA_PACER_URL, %s) cannot be used: %s. This process keeps its own pace; others "
                "that use the token do not see it",
                self._url.render_as_string(hide_password=True),
                str(error).splitlines()[0],
            )
            return own


def _parse(url: str) -> sa.URL:
    try:
        parsed = sa.make_url(url)
        parsed.get_dialect()
    except (ArgumentError, NoSuchModuleError):
        raise SettingError("ASANA_PACER_URL is not a database URL, as in postgresql+psycopg://host/name") from None
    if parsed.get_backend_name() not in {"sqlite", "postgresql"}:
        raise SettingError("ASANA_PACER_URL: a pace can be kept in sqlite and postgresql only")
    try:
        parsed.get_dialect().import_dbapi()
    except ImportError as error:
        raise SettingError(f"ASANA_PACER_URL needs a database driver that is not installed: {error.name}") from None
    return parsed


class _Row:
    """The token's row. Instants are of the server's clock, if there is one, so that hosts need not agree on time."""

    def __init__(self, url: sa.URL, token: str) -> None:
        self._on_host = url.get_backend_name() == "sqlite"
        if self._on_host and url.database:
            Path(url.database).parent.mkdir(parents=True, exist_ok=True)
        self._engine = sa.create_engine(url, isolation_level="AUTOCOMMIT")
        if self._on_host:
            sqlalchemy.event.listen(self._engine, "connect", _configure_sqlite)
        for statement in (
            CreateTable(_PACE, if_not_exists=True),
            sa.insert(_PACE).values(token=token, next=0.0, pause=0.0),
        ):
            try:
                self._execute(statement)
            except IntegrityError:  # another process was first: with the row, or on PostgreSQL with the table
                log.debug("the pace is set up already")
        mine = _PACE.c.token == token
        latest = sa.func.max if self._on_host else sa.func.greatest
        now = (
            sa.bindparam("now", type_=sa.Double)
            if self._on_host
            else sa.cast(sa.func.extract("epoch", sa.func.clock_timestamp()), sa.Double)
        )
        step, seconds = sa.bindparam("step", type_=sa.Double), sa.bindparam("seconds", type_=sa.Double)
        self._reserve = (
            sa.update(_PACE)
            .where(mine)
            .values(next=latest(_PACE.c.next, _PACE.c.pause, now) + step)
            .returning(_PACE.c.next - step - now)
        )
        self._pause = sa.update(_PACE).where(mine).values(pause=latest(_PACE.c.pause, now + seconds))
        self._paused = sa.select(_PACE.c.pause - now).where(mine)

    def reserve(self, step: float) -> float:
        return max(0.0, self._execute(self._reserve, step=step) or 0.0)

    def pause(self, seconds: float) -> None:
        self._execute(self._pause, seconds=seconds)

    def paused(self) -> float:
        return max(0.0, self._execute(self._paused) or 0.0)

    def _execute(self, statement: sa.Executable, **values: float) -> float | None:
        if self._on_host:
            values["now"] = time.time()
        with self._engine.connect() as connection:
            result = connection.execute(statement, values)
            return result.scalar() if result.returns_rows else None


def _configure_sqlite(connection: sqlite3.Connection, _: object) -> None:
    connection.execute("PRAGMA busy_timeout = 30000")
    connection.execute("PRAGMA synchronous = OFF")  # a row lost with the power costs one pause
    while True:
        try:
            connection.execute("PRAGMA journal_mode = WAL")
        except sqlite3.OperationalError as error:  # switching does not wait for the busy timeout
            if "locked" not in str(error):
                raise
            time.sleep(0.01)
        else:
            return
