"""A pacer in a database, shared by every process, run and host that uses the token.

SQLite serves one host, PostgreSQL several. The database holds a fingerprint of the token, never the token.

If the database is unavailable, the process falls back to a pacer of its own, and tries the database again from time to
time: rate limiting never blocks a sync.
"""

import hashlib
import logging
import threading
import time
from collections.abc import Callable
from typing import TypeVar

import sqlalchemy as sa
from sqlalchemy.exc import ArgumentError, NoSuchModuleError, SQLAlchemyError

from asana_assets.asana.errors import ConfigurationError
from asana_assets.asana.pacer import LocalPacer
from asana_assets.asana.pacer_row import PacerRow

log = logging.getLogger(__name__)

RETRY_INTERVAL_SECONDS = 30.0
"""How long a process uses its own pacer before it tries an unavailable database again."""

TIMEOUT_SECONDS = 5.0
"""How long a request waits for the database, to connect and to respond."""

_DRIVERS = {"pysqlite", "psycopg", "psycopg2"}

_T = TypeVar("_T")


class DatabasePacer:
    """A pacer in a database, with a local one as its fallback."""

    def __init__(
        self,
        url: str,
        token: str,
        *,
        retry_interval_seconds: float = RETRY_INTERVAL_SECONDS,
        timeout_seconds: float = TIMEOUT_SECONDS,
    ) -> None:
        """Validate the URL; the first use connects.

        Raises:
            ConfigurationError: The URL is not that of a supported database, or its driver is missing.
        """
        self._url = _parse_url(url)
        fingerprint = hashlib.sha256(b"asana_assets pace\0" + token.encode()).hexdigest()
        self._row = PacerRow(self._url, fingerprint, timeout_seconds)
        self._local = LocalPacer()
        self._retry_interval_seconds = retry_interval_seconds
        self._retry_at = float("-inf")
        self._is_ready = self._is_unavailable = False
        self._lock = threading.Lock()

    def reserve(self, interval_seconds: float) -> float:
        local = self._local.reserve(interval_seconds)
        return self._try_database(lambda: self._row.reserve(interval_seconds), fallback=local)

    def pause(self, seconds: float) -> None:
        self._local.pause(seconds)
        self._try_database(lambda: self._row.pause(seconds), fallback=None)

    def pause_remaining(self) -> float:
        seconds = self._try_database(self._row.pause_remaining, fallback=self._local.pause_remaining())
        if seconds:
            self._local.pause(seconds)  # so that the pause outlives the database's availability
        return seconds

    def check_connection(self) -> str:
        """Use the database once and return its URL without credentials.

        Raises:
            OSError: The database is unavailable.
        """
        try:
            self._row.create()
            self._row.pause_remaining()
        except SQLAlchemyError as error:
            raise OSError(str(error).splitlines()[0]) from None
        finally:
            self._row.close()
        return self._display_url

    def close(self) -> None:
        self._row.close()

    @property
    def _display_url(self) -> str:
        return self._url.set(query={}).render_as_string(hide_password=True)  # a query can hold a password, too

    def _try_database(self, operation: Callable[[], _T], *, fallback: _T) -> _T:
        try:
            if not self._connect_if_needed():
                return fallback
            result = operation()
        except (SQLAlchemyError, OSError) as error:
            self._mark_unavailable(error)
            return fallback
        self._mark_available()
        return result

    def _connect_if_needed(self) -> bool:
        """Return whether to use the database now; create the row at the first use, and after an outage."""
        if time.monotonic() < self._retry_at:
            return False
        with self._lock:  # at the first connection, other threads wait for it
            if time.monotonic() < self._retry_at:
                return False
            if self._is_unavailable:  # after an outage, one thread tries again and the others use the fallback
                self._retry_at = time.monotonic() + self._retry_interval_seconds
            if not self._is_ready:
                self._row.create()
                if seconds := self._local.pause_remaining():  # a pause that other processes do not know of yet
                    self._row.pause(seconds)
                self._is_ready = True
            return True

    def _mark_unavailable(self, error: Exception) -> None:
        with self._lock:
            self._retry_at = time.monotonic() + self._retry_interval_seconds
            self._is_ready = False
            was_unavailable, self._is_unavailable = self._is_unavailable, True
        if not was_unavailable:
            log.warning(
                "The shared pacer (ASANA_PACER_URL, %s) is unavailable: %s. This process falls back to a pacer of its "
                "own, which does not take other processes with the same token into account",
                self._display_url,
                str(error).splitlines()[0],
            )

    def _mark_available(self) -> None:
        if not self._is_unavailable:
            return
        with self._lock:
            self._retry_at = float("-inf")
            self._is_unavailable = False
        log.info("The shared pacer (ASANA_PACER_URL) is available again")


def _parse_url(url: str) -> sa.URL:
    try:
        parsed = sa.make_url(url)
        if parsed.drivername == "postgresql":
            parsed = parsed.set(drivername="postgresql+psycopg")
        dialect = parsed.get_dialect()
    except (ArgumentError, NoSuchModuleError, ValueError):  # ValueError: the port is not a number
        raise ConfigurationError("ASANA_PACER_URL is not a database URL such as postgresql://host/name") from None
    if parsed.get_driver_name() not in _DRIVERS:
        raise ConfigurationError(
            f"ASANA_PACER_URL starts with {parsed.drivername}://, which is not supported; use sqlite:///file or "
            "postgresql://host/name"
        )
    if parsed.get_backend_name() == "sqlite" and parsed.database in {None, "", ":memory:"}:
        raise ConfigurationError(
            "ASANA_PACER_URL is an in-memory database, which processes cannot share; use a file: sqlite:///path"
        )
    try:
        dialect.import_dbapi()
    except ImportError as error:
        raise ConfigurationError(
            f"ASANA_PACER_URL needs a database driver that is not installed ({str(error).splitlines()[0]}); for "
            "postgresql:// run pip install 'asana-assets[postgresql]'"
        ) from None
    return parsed
