"""Laws of the database pacer while its database is unavailable: no request is blocked, and one warning is logged."""

import logging
import socket
import sqlite3
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path

import pytest

from asana_assets_tests.support.client_harness import SOON_SECONDS
from asana_assets_tests.support.pacer_harness import OpenPacer, join_pacer_threads, wait_for
from asana_assets_tests.support.postgres_server import Postgres

PASSWORD = "c0ffee"


def test_without_a_database_a_process_uses_a_local_pacer_and_warns_once(
    tmp_path: Path, open_pacer: OpenPacer, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "file").touch()
    pacer = open_pacer(f"sqlite:///{tmp_path}/file/pacer.db", retry_interval_seconds=0)
    assert pacer.reserve(10) == 0
    assert 10 - SOON_SECONDS < pacer.reserve(10) <= 10
    pacer.pause(30)
    assert pacer.pause_remaining() > 30 - SOON_SECONDS
    assert len(caplog.messages) == 1
    assert "ASANA_PACER_URL" in caplog.messages[0]


@pytest.mark.parametrize("known", [True, False])
def test_a_file_that_stays_locked_blocks_no_request(
    tmp_path: Path, open_pacer: OpenPacer, caplog: pytest.LogCaptureFixture, *, known: bool
) -> None:
    pacer = open_pacer(f"sqlite:///{tmp_path}/pacer.db", timeout_seconds=0.3)
    if known:
        pacer.reserve(0)
    with closing(sqlite3.connect(tmp_path / "pacer.db")) as lock_holder:
        lock_holder.execute("BEGIN IMMEDIATE")
        started_at = time.monotonic()
        pacer.reserve(10)
        assert 10 - SOON_SECONDS < pacer.reserve(10) <= 10
        assert time.monotonic() - started_at < SOON_SECONDS
    assert len(caplog.messages) == 1
    assert "locked" in caplog.messages[0]


def test_a_server_restart_between_two_requests_goes_unnoticed(
    postgres: Postgres, open_pacer: OpenPacer, caplog: pytest.LogCaptureFixture
) -> None:
    url = postgres.url(postgres.create_database())
    pacer, other = open_pacer(url), open_pacer(url)
    other.pause(30)
    pacer.pause_remaining()
    with postgres.stopped():
        pass
    assert 30 - SOON_SECONDS < pacer.pause_remaining() <= 30
    assert 30 - SOON_SECONDS < pacer.reserve(1) <= 30
    assert not caplog.messages


def test_during_an_outage_a_process_uses_a_local_pacer_and_warns_once(
    postgres: Postgres, open_pacer: OpenPacer, caplog: pytest.LogCaptureFixture
) -> None:
    url = postgres.url(postgres.create_database())
    pacer = open_pacer(f"{url}?password={postgres.password}", retry_interval_seconds=0)
    pacer.reserve(0)
    with postgres.stopped():
        assert pacer.reserve(10) == 0
        assert 10 - SOON_SECONDS < pacer.reserve(10) <= 10
        assert pacer.pause_remaining() == 0
    (message,) = caplog.messages
    assert message.startswith(
        f"The shared pacer (ASANA_PACER_URL, postgresql+psycopg://postgres:***@127.0.0.1:{postgres.port}/"
    )
    assert "refused" in message
    assert postgres.password not in message


def test_a_process_returns_to_the_database_after_the_retry_interval(
    postgres: Postgres, open_pacer: OpenPacer, caplog: pytest.LogCaptureFixture
) -> None:
    url = postgres.url(postgres.create_database())
    pacer, waiting = open_pacer(url, retry_interval_seconds=0.3), open_pacer(url)
    with postgres.stopped():
        pacer.reserve(1)
        waiting.reserve(1)
    open_pacer(url).pause(30)
    wait_for(lambda: pacer.pause_remaining() > 30 - SOON_SECONDS)
    assert waiting.pause_remaining() == 0
    with caplog.at_level(logging.INFO), postgres.stopped():
        pacer.reserve(1)
    assert [record.levelname for record in caplog.records] == ["WARNING"] * 3


def test_a_pause_outlives_the_database_it_came_from(postgres: Postgres, open_pacer: OpenPacer) -> None:
    url = postgres.url(postgres.create_database())
    pacer = open_pacer(url)
    open_pacer(url).pause(30)
    pacer.pause_remaining()
    with postgres.stopped():
        assert pacer.pause_remaining() > 30 - SOON_SECONDS
        assert pacer.reserve(1) > 30 - SOON_SECONDS


def test_a_pause_that_started_during_an_outage_is_shared_afterwards(postgres: Postgres, open_pacer: OpenPacer) -> None:
    url = postgres.url(postgres.create_database())
    pacer, other = open_pacer(url, retry_interval_seconds=0), open_pacer(url)
    with postgres.stopped():
        pacer.pause(30)
    assert other.pause_remaining() == 0
    pacer.pause_remaining()
    assert other.pause_remaining() > 30 - SOON_SECONDS


def test_an_unresponsive_server_blocks_no_request(
    postgres: Postgres, open_pacer: OpenPacer, caplog: pytest.LogCaptureFixture
) -> None:
    pacer = open_pacer(postgres.url(postgres.create_database()), timeout_seconds=0.5)
    pacer.reserve(10)
    with ThreadPoolExecutor(20) as pool, postgres.frozen():
        list(pool.map(lambda _: pacer.pause_remaining(), range(20), timeout=SOON_SECONDS))
        assert pool.submit(pacer.reserve, 10).result(SOON_SECONDS) > 10 - SOON_SECONDS
    assert len(caplog.messages) == 1
    join_pacer_threads()


@pytest.mark.slow
def test_an_unreachable_server_delays_one_request_at_a_time(
    open_pacer: OpenPacer, caplog: pytest.LogCaptureFixture
) -> None:
    def is_delayed(_: int) -> bool:
        """Return whether a request took so long that it must have waited for the server."""
        started_at = time.monotonic()
        pacer.pause_remaining()
        return time.monotonic() - started_at > 0.5

    with ThreadPoolExecutor(20) as pool, socket.create_server(("127.0.0.1", 0)) as silent:
        pacer = open_pacer(
            f"postgresql://user@127.0.0.1:{silent.getsockname()[1]}/db", timeout_seconds=1, retry_interval_seconds=1
        )
        list(pool.map(is_delayed, range(20), timeout=SOON_SECONDS))
        assert not any(pool.map(is_delayed, range(20)))
        time.sleep(1)
        assert sum(pool.map(is_delayed, range(20))) == 1
    assert len(caplog.messages) == 1
    assert "no response within 1 s" in caplog.messages[0]
    join_pacer_threads()


def test_the_warning_about_a_wrong_password_does_not_contain_it(
    postgres: Postgres, open_pacer: OpenPacer, caplog: pytest.LogCaptureFixture
) -> None:
    open_pacer(postgres.url("postgres", password=PASSWORD)).reserve(1)
    (message,) = caplog.messages
    assert "password authentication failed" in message
    assert PASSWORD not in message
