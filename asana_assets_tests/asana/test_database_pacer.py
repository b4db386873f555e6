"""Laws of the database pacer, the same in SQLite and in a real PostgreSQL."""

import random
import signal
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import sqlalchemy as sa

from asana_assets.asana.database_pacer import DatabasePacer
from asana_assets.asana.errors import ConfigurationError
from asana_assets.asana.pacer import SLOT_GRACE_SECONDS
from asana_assets.asana.throttle import Throttle
from asana_assets_tests.support.client_harness import SOON_SECONDS
from asana_assets_tests.support.pacer_harness import (
    CreateDatabase,
    OpenPacer,
    assert_evenly_spaced,
    connected,
    pacer_processes,
    reserve_slot,
    slots_of,
    wait_for,
)
from asana_assets_tests.support.pacer_process import TOKEN
from asana_assets_tests.support.postgres_server import Postgres

PASSWORD = "c0ffee"


def test_threads_of_several_processes_never_get_the_same_slot(url: str) -> None:
    with pacer_processes(url, 3, 4, "reserve", 5, 10.0) as started:
        slots = [slot for process in started for slot in slots_of(process)]
    assert len(slots) == 60
    assert_evenly_spaced(slots, 10.0)


def test_concurrent_threads_can_create_the_table(
    create_database: CreateDatabase, open_pacer: OpenPacer, caplog: pytest.LogCaptureFixture
) -> None:
    with ThreadPoolExecutor(8) as pool:
        for _ in range(3):
            url = create_database()
            pacers = [open_pacer(url) for _ in range(8)]
            assert_evenly_spaced(list(pool.map(lambda pacer: reserve_slot(pacer, 10.0), pacers)), 10.0)
    assert not caplog.messages


@pytest.mark.slow
def test_concurrent_processes_can_create_the_table(create_database: CreateDatabase) -> None:
    for _ in range(3):
        with pacer_processes(create_database(), 6, 1, "reserve", 1, 10.0) as started:
            assert_evenly_spaced([slot for process in started for slot in slots_of(process)], 10.0)


def test_a_pause_applies_to_other_processes(url: str, open_pacer: OpenPacer) -> None:
    pacer, other = open_pacer(url), open_pacer(url)
    assert other.pause_remaining() == 0
    pacer.pause(30)
    assert 30 - SOON_SECONDS < other.pause_remaining() <= 30
    assert 30 - SOON_SECONDS < other.reserve(1) <= 30


def test_a_shorter_pause_does_not_shorten_a_longer_one(url: str, open_pacer: OpenPacer) -> None:
    pacer, other = open_pacer(url), open_pacer(url)
    pacer.pause(30)
    other.pause(1)
    assert pacer.pause_remaining() > 30 - SOON_SECONDS


def test_a_slightly_late_caller_may_use_the_free_slot(url: str, open_pacer: OpenPacer) -> None:
    assert any(uses_slot_that_started_before(url, open_pacer(url), SLOT_GRACE_SECONDS / 2) for _ in range(20))


def test_idle_time_is_not_saved_up(url: str, open_pacer: OpenPacer) -> None:
    assert not uses_slot_that_started_before(url, open_pacer(url), SLOT_GRACE_SECONDS)


def uses_slot_that_started_before(url: str, pacer: DatabasePacer, seconds: float) -> bool:
    """Return whether a slot that started that many seconds ago, or slightly more on a busy machine, is still used."""
    pacer.reserve(0)
    with connected(url) as connection:
        free = time.time() - seconds
        connection.execute(sa.text("UPDATE asana_pace SET next = :free"), {"free": free})
        assert pacer.reserve(10) == 0
        following: float = connection.execute(sa.text("SELECT next FROM asana_pace")).scalar_one()
    assert following > free + 9.99
    return following < free + 10.01


def test_tokens_have_separate_slots_and_pauses(url: str, open_pacer: OpenPacer) -> None:
    open_pacer(url, "one").pause(30)
    assert open_pacer(url, "other").reserve(1) == 0


def test_a_process_killed_while_it_waits_costs_only_its_slot(url: str, open_pacer: OpenPacer) -> None:
    with pacer_processes(url, 1, 8, "acquire", 2.0, 60.0) as (process,):
        time.sleep(0.25)  # by then it holds the slots at 0 and 0.5 s
        process.kill()
    slots = [reserve_slot(open_pacer(url), 0.5) for _ in range(3)]
    assert slots[0] - time.time() < 1
    assert_evenly_spaced(slots, 0.5)


@pytest.mark.slow
def test_processes_killed_while_they_reserve_leave_nothing_locked(url: str, open_pacer: OpenPacer) -> None:
    randomness = random.Random(1)  # noqa: S311 - a seeded test, not a secret
    pacer = open_pacer(url)
    for _ in range(5):
        with pacer_processes(url, 2, 4, "reserve", 1e6, 1e-6) as started:
            time.sleep(randomness.random() / 2)
            for process in started:
                process.send_signal(signal.SIGKILL)
        started_at = time.monotonic()
        pacer.reserve(1e-6)
        assert time.monotonic() - started_at < 1


@pytest.mark.slow
def test_processes_share_the_rate_and_a_process_with_few_requests_is_not_starved(
    url: str, open_pacer: OpenPacer
) -> None:
    rate, seconds = 20.0, 8.0
    throttle = Throttle(ceiling=rate, pacer=open_pacer(url))
    requested: list[float] = []
    acquired: list[float] = []
    with pacer_processes(url, 2, 20, "acquire", rate, seconds) as started:
        until = time.time() + seconds
        while time.time() < until:
            requested.append(time.time())
            assert throttle.acquire(threading.Event()) is not None
            acquired.append(time.time())
            time.sleep(0.3)
        sent = [slots_of(process) for process in started]
    assert max(later - earlier for earlier, later in zip(requested, acquired, strict=True)) < 1
    assert len(acquired) > 10
    # A process may start late: only the time during which all of them ran counts.
    start, end = max(map(min, (acquired, *sent))), min(map(max, (acquired, *sent)))
    counts = [sum(start <= slot <= end for slot in slots) for slots in (acquired, *sent)]
    assert 0.8 * rate * (end - start) < sum(counts) <= rate * (end - start + SLOT_GRACE_SECONDS) + 3
    assert min(counts[1:]) > 0.35 * sum(counts)


def test_a_deleted_row_is_created_again(url: str, open_pacer: OpenPacer, caplog: pytest.LogCaptureFixture) -> None:
    pacer, other = open_pacer(url, retry_interval_seconds=0), open_pacer(url)
    assert pacer.reserve(10) == 0
    with connected(url) as connection:
        connection.execute(sa.text("DELETE FROM asana_pace"))
    assert 10 - SOON_SECONDS < pacer.reserve(10) <= 10
    pacer.reserve(30)
    assert 30 - SOON_SECONDS < other.reserve(1) <= 30
    assert len(caplog.messages) == 1


def test_the_token_is_not_in_the_database(tmp_path: Path, open_pacer: OpenPacer) -> None:
    open_pacer(f"sqlite:///{tmp_path}/pacer.db").reserve(1)
    stored = b"".join(file.read_bytes() for file in tmp_path.iterdir())
    assert b"asana_pace" in stored
    assert TOKEN.encode() not in stored


def test_a_role_that_may_not_create_tables_uses_an_existing_one(
    postgres: Postgres, open_pacer: OpenPacer, caplog: pytest.LogCaptureFixture
) -> None:
    name = postgres.create_database()
    open_pacer(postgres.url(name)).pause(30)
    postgres.execute(f"CREATE ROLE limited LOGIN PASSWORD '{PASSWORD}'")
    postgres.execute("GRANT SELECT, INSERT, UPDATE ON asana_pace TO limited", name)
    assert open_pacer(postgres.url(name, user="limited", password=PASSWORD)).pause_remaining() > 30 - SOON_SECONDS
    assert not caplog.messages


def test_a_process_holds_at_most_two_connections_and_none_after_close(
    postgres: Postgres, open_pacer: OpenPacer
) -> None:
    name = postgres.create_database()
    pacer = open_pacer(postgres.url(name))

    def connections() -> int:
        clients = "SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'client backend' AND datname = "
        return postgres.execute(f"{clients}'{name}'")[0][0]

    with ThreadPoolExecutor(20) as pool:
        list(pool.map(lambda _: pacer.pause_remaining(), range(200)))
    assert 1 <= connections() <= 2
    pacer.close()
    wait_for(lambda: connections() == 0)


def test_a_missing_driver_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
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
def test_an_unsupported_url_names_its_setting(url: str) -> None:
    with pytest.raises(ConfigurationError, match="ASANA_PACER_URL"):
        DatabasePacer(url, TOKEN)
