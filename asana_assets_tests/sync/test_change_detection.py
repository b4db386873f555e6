"""Who is due: laws of a pure function, against the same said in plain Python."""

import datetime as dt
from collections.abc import Mapping

import pyarrow as pa
from hypothesis import given, settings
from hypothesis import strategies as st

from asana_assets.sync.change_detection import Sync, SyncState, decide_stale, versions

NOW = dt.datetime(2026, 6, 1, tzinfo=dt.UTC)
DAY = dt.timedelta(days=1)
INSTANT = pa.timestamp("us", tz="UTC")

gids = st.integers(1, 30).map(str)
texts = st.sampled_from(["a", "b", "c"])
ages = st.integers(0, 10).map(lambda days: days * DAY)


def table(parents: Mapping[str, str]) -> pa.Table:
    return pa.table({"gid": pa.array(parents, pa.string()), "version": pa.array(parents.values(), pa.string())})


def memory(read: Mapping[str, tuple[str, dt.timedelta]]) -> SyncState:
    rows = SyncState.rows(
        pa.array(read, pa.string()),
        pa.array([version for version, _ in read.values()], pa.string()),
        pa.array([NOW - age for _, age in read.values()], INSTANT),
    )
    return SyncState("workspace", rows)


def due(
    parents: Mapping[str, str],
    read: Mapping[str, tuple[str, dt.timedelta]],
    changed: set[str] | None = None,
    after: dt.timedelta | None = None,
) -> set[str]:
    named = pa.array(sorted(changed or set()), pa.string())
    mask = decide_stale(table(parents), memory(read).table, named, now=NOW, max_age=after)
    return {gid for gid, is_due in zip(parents, mask.to_pylist(), strict=True) if is_due}


@settings(deadline=None)
@given(st.dictionaries(gids, texts), st.dictionaries(gids, st.tuples(texts, ages)), st.sets(gids))
def test_due_is_who_was_never_read_has_another_version_or_is_named(
    parents: Mapping[str, str], read: Mapping[str, tuple[str, dt.timedelta]], changed: set[str]
) -> None:
    expected = {gid for gid, version in parents.items() if gid not in read or read[gid][0] != version or gid in changed}
    assert due(parents, read, changed) == expected


@settings(deadline=None)
@given(gids, st.integers(0, 2_000_000))
def test_an_age_limit_is_never_exceeded_and_never_cut_by_more_than_a_third(gid: str, seconds: int) -> None:
    age = dt.timedelta(seconds=seconds)
    is_due = bool(due({gid: "a"}, {gid: ("a", age)}, after=12 * DAY))
    if age >= 12 * DAY:
        assert is_due
    if age < 8 * DAY:
        assert not is_due


def test_parents_first_read_on_one_day_do_not_all_come_due_on_another() -> None:
    parents = {str(1_200_000_000_000_000 + number): "a" for number in range(1000)}
    read = dict.fromkeys(parents, ("a", 10 * DAY))
    assert 300 < len(due(parents, read, after=12 * DAY)) < 700


def test_an_older_version_is_due_like_a_newer_one() -> None:
    assert due({"1": "2026-01-01"}, {"1": ("2026-02-01", DAY)}) == {"1"}


def test_gids_that_are_no_numbers_have_an_age_limit_too() -> None:
    assert due({"ab-ç": "a"}, {"ab-ç": ("a", 12 * DAY)}, after=12 * DAY) == {"ab-ç"}


def test_a_version_tells_null_from_a_value_and_one_column_from_the_next() -> None:
    rows = pa.table({"at": pa.array([NOW, NOW, None], INSTANT), "count": pa.array([1, None, 1])})
    assert len(set(versions(rows, ("at", "count")).to_pylist())) == 3
    assert versions(rows, ()).to_pylist() == ["", "", ""]


def test_a_full_sync_asks_whom_it_has_not_asked_since_it_began() -> None:
    known = memory({"1": ("a", DAY), "2": ("a", dt.timedelta()), "3": ("b", dt.timedelta())})
    full = Sync(id="s", started_at=NOW - dt.timedelta(hours=1), full_refresh=True)
    assert known.stale(table({"1": "a", "2": "a", "3": "a"}), sync=full).to_pylist() == [True, False, True]


def test_the_last_sync_is_the_one_that_ended_or_else_the_first_read() -> None:
    assert SyncState.empty("workspace").last_sync_started_at is None
    read: Mapping[str, tuple[str, dt.timedelta]] = {"1": ("a", 3 * DAY), "2": ("a", DAY)}
    assert memory(read).last_sync_started_at == NOW - 3 * DAY
    ended = memory(read | {"workspace": ("id", 2 * DAY)})
    assert (ended.last_sync_started_at, ended.last_sync_id) == (NOW - 2 * DAY, "id")


def test_a_million_parents_are_decided_at_once() -> None:
    count = 1_000_000
    parents = pa.table({"gid": pa.array(range(count)).cast(pa.string()), "version": pa.array(["a"] * count)})
    rows = SyncState.rows(parents["gid"].combine_chunks(), parents["version"].combine_chunks(), NOW - DAY)
    mask = decide_stale(parents, rows, pa.array(["7"]), now=NOW, max_age=30 * DAY)
    assert mask.to_pylist().count(True) == 1
