"""A real PostgreSQL server for tests, with a temporary directory and its own port, password and process."""

import os
import pwd
import secrets
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Self

import psycopg
import sqlalchemy as sa

START_SECONDS = 60.0


def find_binaries() -> Path | None:
    """Return the directory of `initdb` and `postgres`, or None if PostgreSQL is not installed."""
    on_path = shutil.which("postgres")
    debian = sorted(Path("/usr/lib/postgresql").glob("*/bin/postgres"), key=lambda path: int(path.parts[-3]))
    found = [Path(on_path).resolve()] if on_path else debian
    return found[-1].parent if found else None


class Postgres:
    """A server on the loopback interface as a context manager.

    Attributes:
        host: Address that the server listens on.
        port: Port that the server listens on.
        user: Name of the superuser.
        password: Password of the superuser.
    """

    host = "127.0.0.1"
    user = "postgres"

    def __init__(self, binaries: Path) -> None:
        self.port = _free_port(self.host)
        self.password = secrets.token_hex()
        self._binaries = binaries
        self._directory = Path(tempfile.mkdtemp(prefix="postgres"))
        self._log = self._directory / "log"
        self._account = _unprivileged_account()
        self._process: subprocess.Popen[bytes] | None = None
        self._databases = 0

    def __enter__(self) -> Self:
        try:
            self._initialize()
            self.start()
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()
        shutil.rmtree(self._directory)

    def start(self) -> None:
        settings = {
            "listen_addresses": self.host,
            "port": self.port,
            "unix_socket_directories": "",
            "fsync": "off",
            "full_page_writes": "off",
            "synchronous_commit": "off",
        }
        options = [word for name, value in settings.items() for word in ("-c", f"{name}={value}")]
        self._process = self._run("postgres", "-D", "data", *options)
        deadline = time.monotonic() + START_SECONDS
        while True:
            try:
                self.execute("SELECT 1")
            except psycopg.OperationalError:
                if self._process.poll() is not None or time.monotonic() > deadline:
                    raise self._start_error() from None
                time.sleep(0.02)
            else:
                return

    def stop(self) -> None:
        """Stop the server and drop its connections."""
        if self._process:
            self._process.send_signal(signal.SIGINT)
            self._process.wait(START_SECONDS)
            self._process = None

    @contextmanager
    def stopped(self) -> Generator[None]:
        """Stop the server inside the `with` block: connections are refused."""
        self.stop()
        try:
            yield
        finally:
            self.start()

    @contextmanager
    def frozen(self) -> Generator[None]:
        """Freeze the server inside the `with` block: it does not respond on open connections nor on new ones."""
        assert self._process
        pids = [self._process.pid]
        pids += [int(pid) for (pid,) in self.execute("SELECT pid FROM pg_stat_activity WHERE datname <> 'postgres'")]
        for pid in pids:
            os.kill(pid, signal.SIGSTOP)
        try:
            yield
        finally:
            for pid in pids:
                os.kill(pid, signal.SIGCONT)

    def execute(self, statement: str, database: str = "postgres") -> list[tuple[Any, ...]]:
        """Execute a statement and return its rows, an empty list if it produces none."""
        with psycopg.connect(
            host=self.host,
            port=self.port,
            user=self.user,
            password=self.password,
            dbname=database,
            autocommit=True,
            connect_timeout=5,
        ) as connection:
            cursor = connection.execute(statement.encode())  # psycopg's types accept only literal strings
            return cursor.fetchall() if cursor.description else []

    def create_database(self) -> str:
        """Create an empty database and return its name."""
        self._databases += 1
        name = f"database_{self._databases}"
        self.execute(f"CREATE DATABASE {name}")
        return name

    def url(self, database: str, *, user: str | None = None, password: str | None = None) -> str:
        """Return the SQLAlchemy URL of a database, for the superuser by default."""
        url = sa.URL.create(
            "postgresql+psycopg",
            username=user or self.user,
            password=password or self.password,
            host=self.host,
            port=self.port,
            database=database,
        )
        return url.render_as_string(hide_password=False)

    def _initialize(self) -> None:
        if self._account:
            os.chown(self._directory, self._account.pw_uid, self._account.pw_gid)
        (self._directory / "password").write_text(self.password)
        login_options = ("--username", self.user, "--auth", "scram-sha-256", "--pwfile", "password")
        if self._run("initdb", "--pgdata", "data", *login_options, "--encoding", "UTF8", "--no-sync").wait(
            START_SECONDS
        ):
            raise self._start_error()

    def _run(self, program: str, *arguments: str) -> "subprocess.Popen[bytes]":
        with self._log.open("ab") as output:
            return subprocess.Popen(  # noqa: S603 - PostgreSQL's own programs
                [self._binaries / program, *arguments],
                cwd=self._directory,
                env={"PATH": os.defpath, "LC_ALL": "C"},
                stdout=output,
                stderr=output,
                user=self._account and self._account.pw_uid,
                group=self._account and self._account.pw_gid,
                extra_groups=[] if self._account else None,
            )

    def _start_error(self) -> RuntimeError:
        return RuntimeError(f"PostgreSQL did not start:\n{self._log.read_text()}")


def _unprivileged_account() -> pwd.struct_passwd | None:
    """Return the account to run as, or None for the current one: PostgreSQL refuses to run as root."""
    if os.geteuid() != 0:
        return None
    try:
        return pwd.getpwnam("postgres")
    except KeyError:
        return pwd.getpwnam("nobody")


def _free_port(host: str) -> int:
    with socket.create_server((host, 0)) as server:
        return int(server.getsockname()[1])
