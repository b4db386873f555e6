"""The pace in a database: the same laws in SQLite and in a real PostgreSQL, and what happens when it goes away."""

import json
import logging
import random
import signal
import socket
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Generator, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing, contextmanager
from itertools import pairwise
from pathlib import Path

import pytest
import sqlalchemy as sa

from asana_assets.asana.errors import ConfigurationError
from asana_assets.asana.pacer import DatabasePacer
from asana_assets.asana.throttle import SLOT_GRACE_SECONDS, Throttle
from asana_assets_tests.support.pacer_process import TOKEN
from asana_assets_tests.support.postgres_server import Postgres

PASSWORD = "c0ffee"
MODULE = "asana_assets_tests.support.pacer_process"
SOON = 5.0
"""Seconds that are few beside what would be waited if the test failed, and many for a busy machine."""

Share = Callable[..., DatabasePacer]
NewUrl = Callable[[], str]


@pytest.fixture
def share() -> Iterator[Share]:
    """Give a function that opens a pace, as a process of its own would."""
    with ExitStack() as stack:

        def share(url: str, token: str = TOKEN, **options: float) -> DatabasePacer:
            pace = DatabasePacer(url, token, **options)
            stack.callback(pace.close)
            return pace

        yield share


@pytest.fixture(params=["sqlite", "postgresql"])
def new_url(request: pytest.FixtureRequest, tmp_path: Path) -> NewUrl:
    """Give a function that gives the URL of another empty database each time."""
    if request.param == "sqlite":
        directories = (tmp_path / str(number) for number in range(1000))
        return lambda: f"sqlite:///{next(directories)}/deep/pace.db"
    server: Postgres = request.getfixturevalue("postgres")
    return lambda: server.url(server.create_database())


@pytest.fixture
def url(new_url: NewUrl) -> str:
    return new_url()


@contextmanager
def processes(url: str, count: int, *arguments: float | str) -> Generator[list[subprocess.Popen[str]]]:
    """Have processes that begin at once, and are gone afterwards; `arguments` are those of the script."""
    with ExitStack() as stack:
        started: list[subprocess.Popen[str]] = []
        for _ in range(count):
            command = [sys.executable, "-m", MODULE, url, *map(str, arguments)]
            process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)  # noqa: S603 # our own script
            stack.enter_context(process)
            stack.callback(process.kill)
            started.append(process)
        for process in started:
            assert process.stdout
            assert process.stdout.readline() == "ready\n"
        for process in started:
            assert process.stdin
            process.stdin.write("\n")
            process.stdin.flush()
        yield started


def instants(process: subprocess.Popen[str]) -> list[float]:
    output, _ = process.communicate(timeout=60)
    assert process.returncode == 0
    return json.loads(output)


def reserve(pace: DatabasePacer, step: float) -> float:
    """Give the instant of a slot."""
    seconds = pace.reserve(step)
    return time.time() + seconds


@contextmanager
def connected(url: str) -> Generator[sa.Connection]:
    engine = sa.create_engine(url, isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        yield connection
    engine.dispose()


def assert_apart(slots: Sequence[float], step: float) -> None:
    """Each slot begins a step after the one before: none is given twice, none is lost."""
    assert [later - slot for slot, later in pairwise(sorted(slots))] == pytest.approx(
        [step] * (len(slots) - 1), abs=step / 2
    )


def wait_for(condition: Callable[[], bool]) -> None:
    give_up_at = time.monotonic() + SOON
    while not condition():
        assert time.monotonic() < give_up_at
        time.sleep(0.01)


def let_go() -> None:
    """Wait until nothing waits for a server any more."""
    for thread in threading.enumerate():
        if thread.name == "asana pace":
            thread.join(SOON)


def test_threads_of_several_processes_never_get_the_same_slot(url: str) -> None:
    with processes(url, 3, 4, "reserve", 5, 10.0) as started:
        slots = [slot for process in started for slot in instants(process)]
    assert len(slots) == 60
    assert_apart(slots, 10.0)


def test_those_that_find_no_table_yet_set_it_up_together(
    new_url: NewUrl, share: Share, caplog: pytest.LogCaptureFixture
) -> None:
    with ThreadPoolExecutor(8) as pool:
        for _ in range(3):
            url = new_url()
            paces = [share(url) for _ in range(8)]
            assert_apart(list(pool.map(lambda pace: reserve(pace, 10.0), paces)), 10.0)
    assert not caplog.messages


@pytest.mark.slow
def test_processes_that_find_no_table_yet_set_it_up_together(new_url: NewUrl) -> None:
    for _ in range(3):
        with processes(new_url(), 6, 1, "reserve", 1, 10.0) as started:
            assert_apart([slot for process in started for slot in instants(process)], 10.0)


def test_a_pause_holds_for_the_others(url: str, share: Share) -> None:
    one, other = share(url), share(url)
    assert other.pause_remaining() == 0
    one.pause(30)
    assert 30 - SOON < other.pause_remaining() <= 30
    assert 30 - SOON < other.reserve(1) <= 30


def test_a_shorter_pause_does_not_shorten_a_longer_one(url: str, share: Share) -> None:
    one, other = share(url), share(url)
    one.pause(30)
    other.pause(1)
    assert one.pause_remaining() > 30 - SOON


def test_who_is_a_little_late_takes_the_slot_that_is_free(url: str, share: Share) -> None:
    assert any(took_the_slot_that_was_free(url, share(url), SLOT_GRACE_SECONDS / 2) for _ in range(20))


def test_idle_time_saves_nothing_up(url: str, share: Share) -> None:
    assert not took_the_slot_that_was_free(url, share(url), SLOT_GRACE_SECONDS)


def took_the_slot_that_was_free(url: str, pace: DatabasePacer, seconds: float) -> bool:
    """Let a slot be free since some seconds, or a little longer on a busy machine."""
    pace.reserve(0)
    with connected(url) as connection:
        free = time.time() - seconds
        connection.execute(sa.text("UPDATE asana_pace SET next = :free"), {"free": free})
        assert pace.reserve(10) == 0
        following: float = connection.execute(sa.text("SELECT next FROM asana_pace")).scalar_one()
    assert following > free + 9.99
    return following < free + 10.01


def test_tokens_do_not_share_a_pace(url: str, share: Share) -> None:
    share(url, "one").pause(30)
    assert share(url, "other").reserve(1) == 0


def test_a_process_killed_while_it_waits_costs_the_others_its_slot(url: str, share: Share) -> None:
    with processes(url, 1, 8, "work", 2.0, 60.0) as (process,):
        time.sleep(0.25)  # it took the slots at 0 and 0.5 s
        process.kill()
    slots = [reserve(share(url), 0.5) for _ in range(3)]
    assert slots[0] - time.time() < 1
    assert_apart(slots, 0.5)


@pytest.mark.slow
def test_processes_killed_while_they_reserve_leave_nothing_locked(url: str, share: Share) -> None:
    chance = random.Random(1)  # noqa: S311 # a seeded test
    pace = share(url)
    for _ in range(5):
        with processes(url, 2, 4, "reserve", 1e6, 1e-6) as started:
            time.sleep(chance.random() / 2)
            for process in started:
                process.send_signal(signal.SIGKILL)
        began = time.monotonic()
        pace.reserve(1e-6)
        assert time.monotonic() - began < 1


@pytest.mark.slow
def test_busy_processes_share_the_rate_and_a_small_one_gets_its_turn(url: str, share: Share) -> None:
    rate, seconds = 20.0, 8.0
    small = Throttle(ceiling=rate, pacer=share(url))
    asked: list[float] = []
    got: list[float] = []
    with processes(url, 2, 20, "work", rate, seconds) as started:
        until = time.time() + seconds
        while time.time() < until:
            asked.append(time.time())
            assert small.acquire(threading.Event()) is not None
            got.append(time.time())
            time.sleep(0.3)
        sent = [instants(process) for process in started]
    assert max(later - earlier for earlier, later in zip(asked, got, strict=True)) < 1
    assert len(got) > 10
    # A process may begin late: what counts is the time in which all of them were there.
    begin, end = max(map(min, (got, *sent))), min(map(max, (got, *sent)))
    counts = [sum(begin <= instant <= end for instant in each) for each in (got, *sent)]
    assert 0.8 * rate * (end - begin) < sum(counts) <= rate * (end - begin + SLOT_GRACE_SECONDS) + 3
    assert min(counts[1:]) > 0.35 * sum(counts)


def test_a_row_that_was_deleted_is_made_again(url: str, share: Share, caplog: pytest.LogCaptureFixture) -> None:
    pace, other = share(url, retry_seconds=0), share(url)
    assert pace.reserve(10) == 0
    with connected(url) as connection:
        connection.execute(sa.text("DELETE FROM asana_pace"))
    assert 10 - SOON < pace.reserve(10) <= 10
    pace.reserve(30)
    assert 30 - SOON < other.reserve(1) <= 30
    assert len(caplog.messages) == 1


def test_the_token_is_not_in_the_database(tmp_path: Path, share: Share) -> None:
    share(f"sqlite:///{tmp_path}/pace.db").reserve(1)
    stored = b"".join(file.read_bytes() for file in tmp_path.iterdir())
    assert b"asana_pace" in stored
    assert TOKEN.encode() not in stored


def test_without_its_database_a_process_keeps_its_own_pace_and_says_so_once(
    tmp_path: Path, share: Share, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "file").touch()
    pace = share(f"sqlite:///{tmp_path}/file/pace.db", retry_seconds=0)
    assert pace.reserve(10) == 0
    assert 10 - SOON < pace.reserve(10) <= 10
    pace.pause(30)
    assert pace.pause_remaining() > 30 - SOON
    assert len(caplog.messages) == 1
    assert "ASANA_PACER_URL" in caplog.messages[0]


@pytest.mark.parametrize("known", [True, False])
def test_a_file_that_stays_locked_holds_nobody_up(
    tmp_path: Path, share: Share, caplog: pytest.LogCaptureFixture, *, known: bool
) -> None:
    pace = share(f"sqlite:///{tmp_path}/pace.db", patience_seconds=0.3)
    if known:
        pace.reserve(0)
    with closing(sqlite3.connect(tmp_path / "pace.db")) as holder:
        holder.execute("BEGIN IMMEDIATE")
        began = time.monotonic()
        pace.reserve(10)
        assert 10 - SOON < pace.reserve(10) <= 10
        assert time.monotonic() - began < SOON
    assert len(caplog.messages) == 1
    assert "locked" in caplog.messages[0]


def test_a_server_that_restarts_between_two_requests_is_nobodys_concern(
    postgres: Postgres, share: Share, caplog: pytest.LogCaptureFixture
) -> None:
    url = postgres.url(postgres.create_database())
    pace, other = share(url), share(url)
    other.pause(30)
    pace.pause_remaining()
    with postgres.stopped():
        pass
    assert 30 - SOON < pace.pause_remaining() <= 30
    assert 30 - SOON < pace.reserve(1) <= 30
    assert not caplog.messages


def test_while_its_server_is_away_a_process_keeps_its_own_pace_and_says_so_once(
    postgres: Postgres, share: Share, caplog: pytest.LogCaptureFixture
) -> None:
    url = postgres.url(postgres.create_database())
    pace = share(f"{url}?password={postgres.password}", retry_seconds=0)
    pace.reserve(0)
    with postgres.stopped():
        assert pace.reserve(10) == 0
        assert 10 - SOON < pace.reserve(10) <= 10
        assert pace.pause_remaining() == 0
    (message,) = caplog.messages
    assert message.startswith(
        f"The shared pace (ASANA_PACER_URL, postgresql+psycopg://postgres:***@127.0.0.1:{postgres.port}/"
    )
    assert "refused" in message
    assert postgres.password not in message


def test_a_process_comes_back_to_its_server_after_a_while(
    postgres: Postgres, share: Share, caplog: pytest.LogCaptureFixture
) -> None:
    url = postgres.url(postgres.create_database())
    pace, patient = share(url, retry_seconds=0.3), share(url)
    with postgres.stopped():
        pace.reserve(1)
        patient.reserve(1)
    share(url).pause(30)
    wait_for(lambda: pace.pause_remaining() > 30 - SOON)
    assert patient.pause_remaining() == 0
    with caplog.at_level(logging.INFO), postgres.stopped():
        pace.reserve(1)
    assert [record.levelname for record in caplog.records] == ["WARNING"] * 3


def test_a_pause_outlives_the_server_that_told_of_it(postgres: Postgres, share: Share) -> None:
    url = postgres.url(postgres.create_database())
    pace = share(url)
    share(url).pause(30)
    pace.pause_remaining()
    with postgres.stopped():
        assert pace.pause_remaining() > 30 - SOON
        assert pace.reserve(1) > 30 - SOON


def test_a_pause_that_began_while_the_server_was_away_is_told_to_the_others(postgres: Postgres, share: Share) -> None:
    url = postgres.url(postgres.create_database())
    pace, other = share(url, retry_seconds=0), share(url)
    with postgres.stopped():
        pace.pause(30)
    assert other.pause_remaining() == 0
    pace.pause_remaining()
    assert other.pause_remaining() > 30 - SOON


def test_a_server_that_stops_answering_holds_nobody_up(
    postgres: Postgres, share: Share, caplog: pytest.LogCaptureFixture
) -> None:
    pace = share(postgres.url(postgres.create_database()), patience_seconds=0.5)
    pace.reserve(10)
    with ThreadPoolExecutor(20) as pool, postgres.frozen():
        list(pool.map(lambda _: pace.pause_remaining(), range(20), timeout=SOON))
        assert pool.submit(pace.reserve, 10).result(SOON) > 10 - SOON
    assert len(caplog.messages) == 1
    let_go()


def test_a_server_that_cannot_be_reached_holds_one_request_up_at_a_time(
    share: Share, caplog: pytest.LogCaptureFixture
) -> None:
    def look(_: int) -> bool:
        """Say whether it took long."""
        began = time.monotonic()
        pace.pause_remaining()
        return time.monotonic() - began > 0.5

    with ThreadPoolExecutor(20) as pool, socket.create_server(("127.0.0.1", 0)) as silent:
        pace = share(f"postgresql://user@127.0.0.1:{silent.getsockname()[1]}/db", patience_seconds=1, retry_seconds=1)
        list(pool.map(look, range(20), timeout=SOON))
        assert not any(pool.map(look, range(20)))
        time.sleep(1)
        assert sum(pool.map(look, range(20))) == 1
    assert len(caplog.messages) == 1
    assert "no answer within 1 s" in caplog.messages[0]
    let_go()


def test_a_wrong_password_is_a_warning_without_it(
    postgres: Postgres, share: Share, caplog: pytest.LogCaptureFixture
) -> None:
    share(postgres.url("postgres", password=PASSWORD)).reserve(1)
    (message,) = caplog.messages
    assert "password authentication failed" in message
    assert PASSWORD not in message


def test_who_may_not_create_tables_uses_one_that_is_there(
    postgres: Postgres, share: Share, caplog: pytest.LogCaptureFixture
) -> None:
    name = postgres.create_database()
    share(postgres.url(name)).pause(30)
    postgres.execute(f"CREATE ROLE modest LOGIN PASSWORD '{PASSWORD}'")
    postgres.execute("GRANT SELECT, INSERT, UPDATE ON asana_pace TO modest", name)
    assert share(postgres.url(name, user="modest", password=PASSWORD)).pause_remaining() > 30 - SOON
    assert not caplog.messages


def test_many_threads_hold_two_connections_and_none_once_closed(postgres: Postgres, share: Share) -> None:
    name = postgres.create_database()
    pace = share(postgres.url(name))

    def connections() -> int:
        clients = "SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'client backend' AND datname = "
        return postgres.execute(f"{clients}'{name}'")[0][0]

    with ThreadPoolExecutor(20) as pool:
        list(pool.map(lambda _: pace.pause_remaining(), range(200)))
    assert 1 <= connections() <= 2
    pace.close()
    wait_for(lambda: connections() == 0)


def test_a_driver_that_is_missing_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "psycopg", None)
    with pytest.raises(
        ConfigurationError, match=r"ASANA_PACER_URL needs .* not installed .*psycopg.*asana-assets\[postgresql\]"
    ):
        DatabasePacer("postgresql://host/db", TOKEN)


@pytest.mark.parametrize(
    "url",
    [
        "nonsense",
        "mysql://host/db",
        "http://host",
        "",
        "postgresql://host:port/db",
        "postgresql+asyncpg://host/db",
        "sqlite://",
        "sqlite:///:memory:",
    ],
)
def test_a_url_that_can_keep_no_pace_is_refused(url: str) -> None:
    with pytest.raises(ConfigurationError, match="ASANA_PACER_URL"):
        DatabasePacer(url, TOKEN)
