"""Change detection: laws of a pure function, compared with the same rules in plain Python."""

import datetime as dt
from collections.abc import Mapping

import pyarrow as pa
import pyarrow.compute as pc
from hypothesis import given, settings
from hypothesis import strategies as st

from asana_assets.asana.field_types import Array
from asana_assets.sync.change_detection import Sync, decide_stale
from asana_assets.sync.sync_state import SyncState

NOW = dt.datetime(2026, 6, 1, tzinfo=dt.UTC)
DAY = dt.timedelta(days=1)
INSTANT = pa.timestamp("us", tz="UTC")

gids = st.integers(1, 30).map(str)
texts = st.sampled_from(["a", "b", "c"])
ages = st.integers(0, 10).map(lambda days: days * DAY)


def table(parents: Mapping[str, str]) -> pa.Table:
    return pa.table({"gid": pa.array(parents, pa.string()), "version": pa.array(parents.values(), pa.string())})


def fetched(parents: Mapping[str, tuple[str, dt.timedelta]]) -> SyncState:
    """Build the state after fetches of these parents, each with its version and age."""
    rows = SyncState.rows(
        pa.array(parents, pa.string()),
        pa.array([version for version, _ in parents.values()], pa.string()),
        pa.array([NOW - age for _, age in parents.values()], INSTANT),
    )
    return SyncState(parents=rows)


def stale(
    parents: Mapping[str, str],
    state: Mapping[str, tuple[str, dt.timedelta]],
    changed: set[str] | None = None,
    max_age: dt.timedelta | None = None,
) -> set[str]:
    named = pa.array(sorted(changed or set()), pa.string())
    mask = decide_stale(table(parents), fetched(state).parents, named, now=NOW, max_age=max_age)
    return {gid for gid, is_stale in zip(parents, mask.to_pylist(), strict=True) if is_stale}


@settings(deadline=None)
@given(st.dictionaries(gids, texts), st.dictionaries(gids, st.tuples(texts, ages)), st.sets(gids))
def test_a_parent_is_stale_if_it_was_never_fetched_has_another_version_or_is_named(
    parents: Mapping[str, str], state: Mapping[str, tuple[str, dt.timedelta]], changed: set[str]
) -> None:
    expected = {
        gid for gid, version in parents.items() if gid not in state or state[gid][0] != version or gid in changed
    }
    assert stale(parents, state, changed) == expected


@settings(deadline=None)
@given(gids, st.integers(0, 2_000_000))
def test_an_age_limit_is_never_exceeded_and_shortened_by_at_most_a_third(gid: str, seconds: int) -> None:
    age = dt.timedelta(seconds=seconds)
    is_stale = bool(stale({gid: "a"}, {gid: ("a", age)}, max_age=12 * DAY))
    if age >= 12 * DAY:
        assert is_stale
    if age < 8 * DAY:
        assert not is_stale


def test_parents_first_fetched_on_the_same_day_do_not_all_become_stale_on_the_same_day() -> None:
    parents = {str(1_200_000_000_000_000 + number): "a" for number in range(1000)}
    state = dict.fromkeys(parents, ("a", 10 * DAY))
    assert 300 < len(stale(parents, state, max_age=12 * DAY)) < 700


def test_with_a_sync_every_night_no_day_has_more_than_its_share_of_parents_that_are_stale_by_age() -> None:
    """All are first fetched on one day: then a tenth a day is the least for limits within the last third of 30 days."""
    count = 5_000
    gids = pa.array([str(1_200_000_000_000_000 + number) for number in range(count)])
    parents = pa.table({"gid": gids, "version": pa.repeat(pa.scalar("a"), count)})
    fetched_at: Array = pa.repeat(pa.scalar(NOW, INSTANT), count)
    shares: list[float] = []
    for night in range(1, 241):
        now = NOW + night * DAY
        state = SyncState.rows(gids, parents["version"].combine_chunks(), fetched_at)
        mask = decide_stale(parents, state, pa.array([], pa.string()), now=now, max_age=30 * DAY)
        shares.append(mask.true_count / count)  # pyright: ignore[reportAttributeAccessIssue] - a boolean array
        fetched_at = pc.if_else(mask, pa.scalar(now, INSTANT), fetched_at)
    assert max(shares) < 0.13
    assert max(shares[90:]) < 0.08
    assert all(0.02 < share < 0.06 for share in shares[200:])
    assert abs(sum(shares[120:]) / 120 - 1 / 25) < 0.005


def test_a_parent_with_an_older_version_is_stale_too() -> None:
    assert stale({"1": "2026-01-01"}, {"1": ("2026-02-01", DAY)}) == {"1"}


def test_gids_that_are_not_numbers_have_an_age_limit_too() -> None:
    assert stale({"ab-ç": "a"}, {"ab-ç": ("a", 12 * DAY)}, max_age=12 * DAY) == {"ab-ç"}


def test_in_a_full_refresh_a_parent_is_stale_unless_it_was_fetched_since_the_start() -> None:
    state = fetched({"1": ("a", DAY), "2": ("a", dt.timedelta()), "3": ("b", dt.timedelta())})
    full = Sync(id="s", started_at=NOW - dt.timedelta(hours=1), full_refresh=True)
    assert state.stale(table({"1": "a", "2": "a", "3": "a"}), sync=full).to_pylist() == [True, False, True]


def test_before_the_first_completed_sync_the_earliest_fetch_counts_as_its_start() -> None:
    assert SyncState().last_sync_started_at is None
    state = fetched({"1": ("a", 3 * DAY), "2": ("a", DAY)})
    assert (state.last_sync_started_at, state.last_sync_id) == (NOW - 3 * DAY, None)
    completed = SyncState(parents=state.parents, last_sync=Sync(id="id", started_at=NOW - 2 * DAY))
    assert (completed.last_sync_started_at, completed.last_sync_id) == (NOW - 2 * DAY, "id")


def test_a_million_parents_are_decided_in_one_call() -> None:
    count = 1_000_000
    parents = pa.table({"gid": pa.array(range(count)).cast(pa.string()), "version": pa.array(["a"] * count)})
    rows = SyncState.rows(parents["gid"].combine_chunks(), parents["version"].combine_chunks(), NOW - DAY)
    mask = decide_stale(parents, rows, pa.array(["7"]), now=NOW, max_age=30 * DAY)
    assert mask.to_pylist().count(True) == 1
