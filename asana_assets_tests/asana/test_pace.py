"""The pace in a database."""

import logging
import multiprocessing
import time
from pathlib import Path

import pytest

from asana_assets.asana.errors import SettingError
from asana_assets.asana.pace import SharedPace


def reserve_some(url: str, count: int) -> list[float]:
    """Give the instants of slots 10 ms long, as another process gets them."""
    pace = SharedPace(url, "token")
    return [time.time() + pace.reserve(0.01) for _ in range(count)]


def test_processes_never_get_the_same_slot(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/deep/pace.db"
    with multiprocessing.get_context("spawn").Pool(3) as pool:
        results = pool.starmap(reserve_some, [(url, 100)] * 3)
    slots = sorted(slot for result in results for slot in result)
    assert len(slots) == 300
    assert slots[-1] - slots[0] == pytest.approx(2.99, abs=0.5)


def test_a_pause_is_seen_by_the_others(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/pace.db"
    one, other = SharedPace(url, "token"), SharedPace(url, "token")
    assert other.paused() == 0
    one.pause(30)
    assert 29 < other.paused() <= 30
    assert 29 < other.reserve(1) <= 30


def test_a_shorter_pause_does_not_shorten_a_longer_one(tmp_path: Path) -> None:
    pace = SharedPace(f"sqlite:///{tmp_path}/pace.db", "token")
    pace.pause(30)
    pace.pause(1)
    assert pace.paused() > 29


def test_tokens_do_not_share_a_pace(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/pace.db"
    SharedPace(url, "one").pause(30)
    assert SharedPace(url, "other").reserve(1) == 0


def test_the_token_is_not_in_the_database(tmp_path: Path) -> None:
    SharedPace(f"sqlite:///{tmp_path}/pace.db", "2/very/secret").reserve(1)
    stored = b"".join(file.read_bytes() for file in tmp_path.iterdir())
    assert b"asana_pace" in stored
    assert b"secret" not in stored


def test_without_its_database_a_process_keeps_its_own_pace_and_says_so(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "file").touch()
    pace = SharedPace(f"sqlite:///{tmp_path}/file/pace.db", "token")
    with caplog.at_level(logging.WARNING):
        assert pace.reserve(10) == 0
        assert 9 < pace.reserve(10) <= 10
    assert len(caplog.messages) == 1
    assert "ASANA_PACER_URL" in caplog.messages[0]


def test_a_driver_that_is_missing_is_named() -> None:
    with pytest.raises(SettingError, match=r"ASANA_PACER_URL needs .* not installed: pg8000"):
        SharedPace("postgresql+pg8000://host/db", "token")


@pytest.mark.parametrize("url", ["nonsense", "mysql://host/db", "http://host", ""])
def test_a_url_that_can_keep_no_pace_is_refused(url: str) -> None:
    with pytest.raises(SettingError, match="ASANA_PACER_URL"):
        SharedPace(url, "token")
