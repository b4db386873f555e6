"""The table `changes`: what was changed, exactly once, wherever a writer stops."""

import json
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import Phase, example, given, settings
from hypothesis import strategies as st
from pyiceberg.table import Table

from asana_assets.lake.change_log import CHANGES_SCHEMA, ChangeLog
from asana_assets.lake.difference import ChangeRecorder, write_rows
from asana_assets.lake.errors import CommitUnknownError, ConflictError
from asana_assets.lake.lake import Lake
from asana_assets_tests.support.lake_tables import SCHEMA as PLAIN
from asana_assets_tests.support.lake_tables import START, Row, batch, row, run_before_commit

SCHEMA = pa.schema([*PLAIN, pa.field("due_on", pa.date32()), pa.field("_row_hash", pa.int64())])


@pytest.fixture
def lake(data_dir: Path) -> Iterator[Lake]:
    opened = Lake(data_dir=data_dir, namespace="asana")
    yield opened
    opened.close()


def reopened(lake: Lake, **options: Any) -> Lake:
    """Return the lake as the next process sees it."""
    return Lake(data_dir=lake._data_dir, namespace="asana", **options)  # noqa: SLF001  # pyright: ignore[reportPrivateUsage] - the same directory


def write(lake: Lake, rows: Sequence[Row], *, sync: str | None = "s", name: str = "tasks", **options: Any) -> Table:
    table = lake.ensure_table(name, SCHEMA)
    lake.replace_partition(table, "w", [batch(rows)], sort_by=["gid"], record_as=sync, **options)
    return table


def entries(lake: Lake) -> list[dict[str, Any]]:
    """Return the entries in the order in which they were seen."""
    table = lake.load_table("changes")
    rows: list[dict[str, Any]] = [] if table is None else lake.scan(table).to_pylist()
    rows.sort(key=lambda one: (one["seen_at"], one["endpoint"], one["gid"]))
    return [one | {"old_values": one["old_values"] and json.loads(one["old_values"])} for one in rows]


def kinds(lake: Lake) -> list[tuple[str, str, str]]:
    return [(one["sync_id"], one["gid"], one["kind"]) for one in entries(lake)]


def content(lake: Lake, name: str = "tasks") -> dict[str, dict[str, Any]]:
    """Return the stored rows by gid as an entry shows them: values as in JSON."""
    table = lake.load_table(name)
    assert table is not None
    rows = lake.scan(table, workspace="w").drop_columns(["workspace_gid", "_synced_at", "_row_hash"]).to_pylist()
    return {one["gid"]: json.loads(json.dumps(one, default=str)) for one in rows}


def replayed_backwards(
    current: dict[str, dict[str, Any]], changes: Sequence[dict[str, Any]]
) -> dict[str, dict[str, Any]]:
    """Return the content before these changes."""
    rows = dict(current)
    for one in reversed(changes):
        match one["kind"]:
            case "added":
                del rows[one["gid"]]
            case "removed":
                assert one["gid"] not in rows
                rows[one["gid"]] = one["old_values"]
            case _:
                assert set(one["changed_columns"]) == set(one["old_values"])
                rows[one["gid"]] = rows[one["gid"]] | one["old_values"]
    return rows


ROWS = st.dictionaries(
    st.integers(1, 6),
    st.fixed_dictionaries(
        {
            "parent_gid": st.sampled_from(["10", "20", None]),
            "name": st.sampled_from(["", "a", "ä'\"\n", None]),
            "points": st.sampled_from([0.5, None]),
            "custom_fields": st.none()
            | st.lists(
                st.fixed_dictionaries({"gid": st.sampled_from("ab"), "number_value": st.sampled_from([1.0, None])}),
                max_size=2,
            ),
        }
    ),
)


@pytest.mark.slow
@settings(deadline=None, max_examples=15, phases=[Phase.explicit, Phase.generate])
@example([{}, {1: {"parent_gid": None, "name": "", "points": None, "custom_fields": None}}], 1)
@given(st.lists(ROWS, min_size=2, max_size=4), st.integers(1, 3))
def test_changes_replayed_backwards_give_every_earlier_state(
    tmp_path_factory: pytest.TempPathFactory, states: list[dict[int, Row]], run_rows: int
) -> None:
    lake = Lake(data_dir=tmp_path_factory.mktemp("lake"), namespace="asana")
    log = ChangeLog(lambda: lake.ensure_table("changes", CHANGES_SCHEMA), retention=None)
    found: list[dict[str, dict[str, Any]]] = []
    for number, state in enumerate(states):
        rows = batch([row(gid, second=number) | values for gid, values in state.items()])
        recorder = ChangeRecorder(log, str(number)) if number else None
        write_rows(
            lake.ensure_table("tasks", SCHEMA), "w", [rows], sort_by=["gid"], recorder=recorder, run_rows=run_rows
        )
        found.append(content(lake))
    seen = entries(lake)
    for number, state in enumerate(found):
        assert replayed_backwards(found[-1], [one for one in seen if int(one["sync_id"]) > number]) == state
    keys = [(one["endpoint"], one["gid"], one["sync_id"]) for one in seen]
    assert len(set(keys)) == len(keys)
    assert all(one["old_values"] != {} for one in seen)
    lake.close()


def test_values_are_as_an_analyst_expects_them_and_internal_columns_do_not_count(lake: Lake) -> None:
    day = {"due_on": datetime(2026, 3, 1, tzinfo=UTC).date()}
    schema = pa.schema([*SCHEMA, pa.field("created_at", pa.timestamp("us", "UTC"))])
    table = lake.ensure_table("tasks", schema)

    def store(rows: list[Row], sync: str | None) -> None:
        lake.replace_partition(
            table, "w", [pa.Table.from_pylist(rows, schema)], sort_by=["gid"], record_as=sync, compare_contents=True
        )

    store([row(gid) | day | {"workspace_gid": "w", "created_at": START} for gid in (1, 2, 3)], None)
    store(
        [
            row(1, second=5, name="x") | {"workspace_gid": "w"},
            row(2, second=5) | day | {"workspace_gid": "w", "created_at": START},
        ],
        "s",
    )
    changed, removed = entries(lake)
    assert changed["changed_columns"] == ["name", "due_on", "created_at"]
    assert changed["old_values"] == {"name": "", "due_on": "2026-03-01", "created_at": "2026-01-01T00:00:00Z"}
    assert (changed["workspace_gid"], changed["endpoint"], changed["sync_id"]) == ("w", "tasks", "s")
    assert datetime.now(UTC) - timedelta(minutes=1) < changed["seen_at"] <= datetime.now(UTC)
    assert removed["old_values"] == {
        "gid": "3",
        "parent_gid": None,
        "name": "",
        "points": 0.5,
        "custom_fields": [{"gid": "f3", "number_value": 1.5}],
        "due_on": "2026-03-01",
        "created_at": "2026-01-01T00:00:00Z",
    }
    assert removed["changed_columns"] is None


def test_without_a_sync_or_a_change_there_is_no_entry(lake: Lake) -> None:
    write(lake, [row(1)], sync=None)
    assert lake.load_table("changes") is None
    write(lake, [row(1, second=5)])
    assert lake.load_table("changes") is None
    with_history_off = reopened(lake, record_changes=False)
    write(with_history_off, [row(2)])
    assert with_history_off.load_table("changes") is None


def test_a_new_column_and_a_new_nested_field_change_no_row_by_themselves(lake: Lake) -> None:
    write(lake, [row(1), row(2)], sync=None)
    nested = pa.list_(pa.struct([("gid", pa.string()), ("number_value", pa.float64()), ("text_value", pa.string())]))
    index = SCHEMA.get_field_index("custom_fields")
    schema = SCHEMA.set(index, pa.field("custom_fields", nested)).append(pa.field("notes", pa.string()))
    table = lake.ensure_table("tasks", schema)
    new = [
        row(gid, name="x" if gid == 2 else "")
        | {"workspace_gid": "w", "notes": "new"}
        | {"custom_fields": [{"gid": f"f{gid}", "number_value": 1.5, "text_value": "new"}]}
        for gid in (1, 2)
    ]
    lake.replace_partition(table, "w", [pa.Table.from_pylist(new, schema)], sort_by=["gid"], record_as="s")
    [entry] = entries(lake)
    assert (entry["gid"], entry["old_values"]) == ("2", {"name": ""})
    lake.replace_partition(
        table, "w", [pa.Table.from_pylist([one | {"notes": "newer"} for one in new], schema)], sort_by=["gid"],
        record_as="t",
    )  # fmt: skip
    assert [one["old_values"] for one in entries(lake) if one["sync_id"] == "t"] == [{"notes": "new"}] * 2


def test_rows_that_are_rewritten_for_their_hashes_are_not_changed(lake: Lake) -> None:
    write(lake, [row(1), row(2)], sync=None)
    table = lake.ensure_table("tasks", SCHEMA)
    with table.update_schema() as update:
        update.delete_column("_row_hash")
    write(lake, [row(1, second=5), row(2, second=5, name="x")])
    assert kinds(lake) == [("s", "2", "changed")]
    assert entries(lake)[0]["changed_columns"] == ["name"]


class KilledError(BaseException):
    """Stands for the end of the process."""


def kill() -> None:
    raise KilledError


def killed_write(lake: Lake, monkeypatch: pytest.MonkeyPatch, rows: Sequence[Row], *, at: int) -> None:
    """Write rows in a process that is killed before this commit: 1 is that of the rows, 2 that of the entries."""
    table = lake.ensure_table("tasks", SCHEMA)
    with monkeypatch.context() as patch:
        run_before_commit(patch, table, kill, at={at})
        with pytest.raises(KilledError):
            write(lake, rows)


@pytest.mark.parametrize("killed_at", [1, 2])
def test_after_a_kill_before_either_commit_the_next_sync_has_each_entry_once(
    lake: Lake, monkeypatch: pytest.MonkeyPatch, killed_at: int
) -> None:
    write(lake, [row(1), row(2)], sync=None)
    write(lake, [row(1), row(2)], name="tags", sync=None)
    write(lake, [row(1)], name="tags", sync="r")  # so that `changes` exists
    killed_write(lake, monkeypatch, [row(1, name="x"), row(3)], at=killed_at)
    next_process = reopened(lake)
    for _ in range(2):
        table = write(next_process, [row(1, name="x"), row(3)])
        next_process.add_missing_changes(table, workspace="w", after=None)
    assert kinds(lake)[1:] == [("s", "1", "changed"), ("s", "2", "removed"), ("s", "3", "added")]
    assert entries(lake)[1]["old_values"] == {"name": ""}


@pytest.mark.parametrize("lost_at", [1, 2])
def test_after_the_response_to_either_commit_was_lost_the_next_sync_has_each_entry_once(
    lake: Lake, monkeypatch: pytest.MonkeyPatch, lost_at: int
) -> None:
    write(lake, [row(1), row(2)], sync=None)
    write(lake, [row(1), row(3)], sync="r")
    table = lake.ensure_table("tasks", SCHEMA)
    send, number = table.catalog.commit_table, 0

    def commit_and_fail(*arguments: Any, **named: Any) -> object:
        nonlocal number
        number += 1
        response = send(*arguments, **named)
        if number == lost_at:
            patch.setattr("asana_assets.lake.commit._is_applied", lambda *_: False)
            raise ConnectionError
        return response

    with monkeypatch.context() as patch:
        patch.setattr(table.catalog, "commit_table", commit_and_fail)
        with pytest.raises(CommitUnknownError):
            write(lake, [row(1), row(4)], sync="s")
    next_process = reopened(lake)
    table = write(next_process, [row(1), row(4)], sync="t")
    next_process.add_missing_changes(table, workspace="w", after=None)
    assert [one for one in kinds(lake) if one[0] != "r"] == [("s", "3", "removed"), ("s", "4", "added")]


def test_a_conflicting_write_leaves_no_entry_and_no_file(
    lake: Lake, data_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(lake, [row(1)], sync=None)
    write(lake, [row(2)], sync="r")
    other = reopened(lake)
    table = lake.ensure_table("tasks", SCHEMA)
    with monkeypatch.context() as patch:
        run_before_commit(patch, table, lambda: write(other, [row(3)], sync="other"), at={1})
        with pytest.raises(ConflictError):
            write(lake, [row(4)], sync="s")
    assert {one[0] for one in kinds(lake)} == {"r", "other"}
    changes = lake.load_table("changes")
    assert changes is not None
    live = {task.file.file_path.removeprefix("file://") for task in changes.scan().plan_files()}
    assert {str(path) for path in data_dir.rglob("changes/**/*.parquet")} == live


def test_two_writers_that_complete_the_same_entries_add_them_once(lake: Lake, monkeypatch: pytest.MonkeyPatch) -> None:
    write(lake, [row(1)], sync=None)
    write(lake, [row(2)], sync="r")
    other = reopened(lake)

    def complete_by_other() -> None:
        table = other.load_table("tasks")
        assert table is not None
        other.add_missing_changes(table, workspace="w", after=None)

    with monkeypatch.context() as patch:
        run_before_commit(patch, lake.ensure_table("tasks", SCHEMA), complete_by_other, at={2})
        write(lake, [row(3)], sync="s")
    assert [one for one in kinds(lake) if one[0] == "s"] == [("s", "2", "removed"), ("s", "3", "added")]


def test_nothing_is_loaded_if_all_entries_are_known_to_be_recorded(lake: Lake, monkeypatch: pytest.MonkeyPatch) -> None:
    write(lake, [row(1)], sync=None)
    table = write(lake, [row(2)])
    known = lake.add_missing_changes(table, workspace="w", after=None)
    next_process = reopened(lake)
    table = write(next_process, [row(2)])
    monkeypatch.setattr(next_process, "ensure_table", lambda *_: pytest.fail("a table was loaded"))
    assert next_process.add_missing_changes(table, workspace="w", after=known) == known


def test_snapshots_are_not_expired_before_their_entries_are_recorded(
    lake: Lake, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(lake, [row(1)], sync=None)
    write(lake, [row(2)], sync="r")
    killed_write(lake, monkeypatch, [row(3)], at=2)
    next_process = reopened(lake)
    monkeypatch.setattr("asana_assets.lake.lake._MAX_SNAPSHOTS", 0)
    next_process.expire_old_snapshots(write(next_process, [row(4)], sync="t"), keep=timedelta(seconds=-5))
    assert [one[0] for one in kinds(lake)] == ["r", "r", "s", "s", "t", "t"]


def test_a_lost_file_of_entries_is_a_warning(
    lake: Lake, data_dir: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    write(lake, [row(1)], sync=None)
    write(lake, [row(1)], name="tags", sync=None)
    before = set(data_dir.rglob("*.parquet"))
    lake.ensure_table("changes", CHANGES_SCHEMA)
    killed_write(lake, monkeypatch, [row(2)], at=2)
    [lost] = [path for path in set(data_dir.rglob("*.parquet")) - before if "changes" in path.parts]
    lost.unlink()
    next_process = reopened(lake)
    next_process.add_missing_changes(write(next_process, [row(2)]), workspace="w", after=None)
    assert "The changes of tasks that a sync of workspace w stored at" in caplog.text
    assert entries(lake) == []


def at(monkeypatch: pytest.MonkeyPatch, age: timedelta) -> Callable[[], None]:
    """Let entries be seen this long ago until the returned function is called."""
    instant = datetime.now(UTC) - age

    class Clock(datetime):
        @classmethod
        def now(cls, tz: object = None) -> datetime:  # noqa: ARG003 - datetime's signature
            return instant

    monkeypatch.setattr("asana_assets.lake.change_log.datetime", Clock)
    return lambda: monkeypatch.setattr("asana_assets.lake.change_log.datetime", datetime)


def test_entries_are_removed_after_their_retention_and_do_not_come_back(
    lake: Lake, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(lake, [row(1)], sync=None)
    for age, name in ((40, "a"), (20, "b")):
        restore = at(monkeypatch, timedelta(days=age))
        write(lake, [row(1, name=name)], sync=name)
        restore()
    limited = reopened(lake, keep_changes=timedelta(days=30))
    table = write(limited, [row(1, name="c")], sync="c")
    limited.add_missing_changes(table, workspace="w", after=None)
    assert [one[0] for one in kinds(lake)] == ["b", "c"]
    reopened(lake, keep_changes=timedelta(days=30)).add_missing_changes(table, workspace=None, after=None)
    assert [one[0] for one in kinds(lake)] == ["b", "c"]
