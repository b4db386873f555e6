"""Random sequences of bad answers over several syncs of one changing organization, judged by the rows.

The law:

- A row of an object that exists is never lost, unless two responses of one sync said that the object, or one that it
  belongs to, is gone.
- After every sync, each table equals the truth, or a failed check or asset, its own or one upstream, says that it may
  not.
- After a sync without faults, each table equals the truth, and no check fails.

It cannot hold for what no response shows (`_SILENT`): a new record that is missing from a listing, or a field that is
wrong, looks like the truth. Such a table may differ without a sign. Listings of every sync repair themselves; children
whose parent has not changed since, and tasks that only their assignees list, are repaired by a full refresh. The same
goes for text that is not valid Unicode (`_MARKED`), except that the row itself shows the damage.
"""

import shutil
import time
from collections import Counter
from collections.abc import Collection, Generator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import dagster as dg
import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from asana_assets.asana import paging
from asana_assets.asana.endpoints import STANDARD_ENDPOINTS
from asana_assets.asana.retry_policy import RetryPolicy
from asana_assets.lake.catalog import open_catalog
from asana_assets.sandbox import LogEntry, Sandbox, Scale, build_organization
from asana_assets_tests.support.absence_evidence import count_absences, may_be_gone
from asana_assets_tests.support.mutations import paid
from asana_assets_tests.support.random_answers import BAD_ANSWERS, BadAnswer
from asana_assets_tests.support.random_changes import RANDOM_CHANGES, Change
from asana_assets_tests.support.sync_harness import Warehouse, expected_row, failed_checks, failures

pytestmark = pytest.mark.slow

ASSETS = ("users", "projects", "sections", "tags", "tasks", "subtasks", "stories", "attachments", "status_updates")
UPSTREAM = {endpoint.name: [name for name in endpoint.upstream if name in ASSETS] for endpoint in STANDARD_ENDPOINTS}
SCALE = Scale(users=4, projects=3, tasks_per_project=3, stories_per_task=1, tags=3, small_workspaces=False)

# Kinds after which rows differ from the truth although nothing in the responses shows it.
_SILENT = {
    *("empty_listing", "empty_page", "missing_head", "missing_tail", "missing_some", "missing_varying", "early_end"),
    *("replaced_next_page", "replaced_data", "ignored_parameter", "missing_field", "replaced_field", "raw_field"),
    *("404", "410"),
}
_NO_SEARCH = {"400", "402", "403", "404", "410", "422", "451"}  # as on plans and for users without search
_MARKED = {"lone_surrogate", "invalid_utf8"}  # the row itself shows the damage, as U+FFFD

_SECONDS = 60  # after which no further sequence starts

Tables = dict[str, dict[str, dict[str, Any]]]


@dataclass(frozen=True, slots=True)
class Step:
    """What happens before a sync, and what is wrong during it."""

    changes: Sequence[Change]
    faults: Sequence[BadAnswer]


STEPS = st.lists(
    st.builds(Step, st.lists(RANDOM_CHANGES, max_size=6), st.lists(BAD_ANSWERS, min_size=1, max_size=5)),
    min_size=1,
    max_size=3,
)


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a sync reports.

    Attributes:
        failures: Error messages of failed assets.
        checks: Messages of failed checks, by asset and check.
        materialized: Assets that were materialized.
    """

    failures: Mapping[str, str]
    checks: Mapping[tuple[str, str], str]
    materialized: set[str]


@dataclass
class Judge:
    """Syncs one warehouse and compares its rows with the truth.

    Attributes:
        warehouse: The warehouse.
        unseen: Tables that may differ from the truth without a sign.
        unhealed: Tables that may differ from the truth until a full refresh.
        journal: What each sync reported, for the message of a failure.
    """

    warehouse: Warehouse
    unseen: set[str] = field(default_factory=set[str])
    unhealed: set[str] = field(default_factory=set[str])
    journal: list[str] = field(default_factory=list[str])

    def run(self, *, full_refresh: bool) -> Outcome:
        config = {"full_refresh": True} if full_refresh else {}
        result = self.warehouse.run("sync_workspace", paid(self.warehouse), ASSETS, **config)
        materialized = {event.materialization.asset_key.path[-1] for event in result.get_asset_materialization_events()}
        return Outcome(failures(result), failed_checks(result), materialized)

    def stored(self) -> Tables:
        gid = paid(self.warehouse)
        tables: Tables = {}
        existing = [name for _, name in open_catalog(data_dir=self.warehouse.data_dir).list_tables("asana")]
        for name in ASSETS:
            rows = self.warehouse.rows(name, gid) if name in existing else []
            tables[name] = {row["gid"]: row for row in rows}
            assert len(tables[name]) == len(rows), f"{name} has a row twice"
        return tables

    def truth(self) -> Tables:
        gid = paid(self.warehouse)
        return {
            endpoint.name: {
                str(record["gid"]): expected_row(record, endpoint.schema)
                for record in self.warehouse.asana.truth(endpoint.name, gid)
            }
            for endpoint in STANDARD_ENDPOINTS
            if endpoint.name in ASSETS
        }

    def sync(self, faults: Sequence[BadAnswer] = (), *, full_refresh: bool = False) -> dict[str, list[str]]:
        """Sync with these faults, and return what differs from the truth, by table."""
        asana = self.warehouse.asana
        before, truth, start = self.stored(), self.truth(), len(asana.log)
        for fault in faults:
            fault.add_to(asana)
        outcome = self.run(full_refresh=full_refresh)
        asana.faults.clear()
        log = asana.log[start:]
        after = self.stored()
        self.journal.append(f"failed: {outcome.failures}; checks: {outcome.checks}")
        absences = _absences(log, faults, before)
        lost = {
            name: [
                gid
                for gid in before[name]
                if gid in truth[name] and gid not in after[name] and not may_be_gone(name, gid, absences, before, truth)
            ]
            for name in ASSETS
        }
        assert not any(lost.values()), f"lost although nothing said twice that they are gone: {lost}; {self.journal}"
        differences = {name: found for name in ASSETS if (found := _differences(after[name], truth[name]))}
        self.journal.append(f"differences: {differences}")
        silent, hit = _tables_hit(log, _SILENT, _NO_SEARCH), _tables_hit(log, _SILENT | _MARKED)
        if any(not row["project_gids"] for gid, row in after["tasks"].items() if gid not in truth["tasks"]):
            hit.add("tasks")  # tasks without a project are listed once a day
            silent.add("tasks")
        self.unseen = {name for name in ASSETS if name in differences and _upstream(name) & (self.unseen | silent)}
        self.unhealed = {name for name in differences if name in self.unhealed | hit}
        signs = {asset for asset, _ in outcome.checks} | (set(ASSETS) - outcome.materialized)
        unsigned = {
            name: found
            for name, found in differences.items()
            if name not in self.unseen and not _upstream(name) & signs and not all(map(_is_marked, found))
        }
        assert not unsigned, f"nothing shows that these differ: {unsigned}; {self.journal}"
        if not faults:
            assert not outcome.failures, outcome.failures
            excused = {name for name in differences if _upstream(name) & self.unhealed}
            wrong = {name: found for name, found in differences.items() if full_refresh or name not in excused}
            assert not wrong, f"a quiet sync left these wrong: {wrong}; {self.journal}"
            invented = any(before[name].keys() - truth[name].keys() for name in ASSETS)  # cannot be fetched as parents
            assert differences or invented or not outcome.checks, f"a quiet sync with failing checks: {self.journal}"
        return differences


def _differences(rows: Mapping[str, dict[str, Any]], expected: Mapping[str, dict[str, Any]]) -> list[str]:
    found = [f"{gid} is missing" for gid in expected.keys() - rows.keys()]
    found += [f"{gid} is too much: {rows[gid].get('name')}" for gid in rows.keys() - expected.keys()]
    for gid in rows.keys() & expected.keys():
        row = rows[gid]
        wrong = {name: (row[name], value) for name, value in expected[gid].items() if row[name] != value}
        if wrong or row["_unmapped"]:
            mark = "marked " if row["_unmapped"] or "\ufffd" in str(row) else ""
            found.append(f"{mark}{gid} has {wrong}, {row['_unmapped']}")
    return found


def _is_marked(difference: str) -> bool:
    return difference.startswith("marked ")


def _absences(log: Sequence[LogEntry], faults: Sequence[BadAnswer], before: Tables) -> Counter[str]:
    """Return how often each listing or record was said to lack something, also by fields of what is above it."""
    fields = {fault.options.get("field") for fault in faults}
    absences = count_absences(log, {str(fault.kind) for fault in faults if fault.options.get("field") == "gid"})
    if "project_brief" in fields:  # a project without its brief has none of its attachments
        briefs = (row["project_brief_gid"] for row in before["projects"].values())
        absences.update({f"/attachments?parent={gid}": 2 for gid in briefs})
    if "num_subtasks" in fields:  # counts as the first of the two responses
        absences.update({f"/tasks/{gid}/subtasks" for gid in (*before["tasks"], *before["subtasks"])})
    return absences


def _tables_hit(log: Sequence[LogEntry], kinds: set[str], kinds_of_search: Collection[str] = ()) -> set[str]:
    """Return the tables with a request that was hit by a fault of these kinds."""
    hit: set[str] = set()
    for entry in log:
        last = entry.path.rsplit("/", 1)[-1]
        faults = set(entry.fault.split("+"))
        if last == "search":
            hit |= {"tasks", "subtasks"} if faults & kinds.union(kinds_of_search) else set()
        elif faults & kinds:
            hit.add("tasks" if last.isdigit() else last)
    return hit


def _upstream(name: str) -> set[str]:
    return {name}.union(*(_upstream(parent) for parent in UPSTREAM[name]))


@pytest.fixture
def first_sync(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The data directory after a first sync, and a copy of it to start from."""
    monkeypatch.setattr(paging, "PAGE_SIZE", 8)  # so that a small organization has listings of several pages
    monkeypatch.setattr(paging, "MIN_PAGE_SIZE", 2)
    monkeypatch.setattr(RetryPolicy, "backoff", lambda *_: 0.01)
    with open_warehouse(tmp_path / "data") as warehouse:
        monkeypatch.setenv("ASANA_ACCESS_TOKEN", warehouse.asana.token)
        assert warehouse.run("refresh_workspaces").success
        Judge(warehouse, set(ASSETS)).sync()
    shutil.copytree(tmp_path / "data", tmp_path / "copy")
    return tmp_path / "data"


@contextmanager
def open_warehouse(data_dir: Path) -> Generator[Warehouse]:
    data_dir.mkdir(exist_ok=True)
    organization = build_organization(scale=SCALE)
    for task, stories in organization.stories.items():
        organization.delete_objects(stories[20:])  # below 100 rows, a table may lose any number of them
        organization.stories[task] = stories[:20]
    with Sandbox(organization=organization) as asana, dg.DagsterInstance.ephemeral() as instance:
        warehouse = Warehouse(asana, data_dir, instance)
        warehouse.asana_fields |= {"max_attempts": 3, "read_timeout_seconds": 1.0}
        instance.add_dynamic_partitions("asana_workspaces", [paid(warehouse)])
        yield warehouse


def test_no_sequence_of_bad_answers_loses_rows_or_goes_unnoticed(first_sync: Path) -> None:
    stop_at = time.monotonic() + _SECONDS

    @settings(
        max_examples=10,
        deadline=None,
        print_blob=True,
        phases=[Phase.explicit, Phase.reuse, Phase.generate],  # shrinking takes hundreds of syncs: add it for a failure
        suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],  # an example is several syncs
    )
    @given(steps=STEPS)
    def run_in_time(steps: list[Step]) -> None:
        if time.monotonic() < stop_at:
            run_sequence(first_sync, steps)

    run_in_time()


def run_sequence(first_sync: Path, steps: Sequence[Step]) -> None:
    shutil.rmtree(first_sync)
    shutil.copytree(first_sync.parent / "copy", first_sync)
    with open_warehouse(first_sync) as warehouse:
        judge = Judge(warehouse)
        for step in steps:
            for change in step.changes:
                change.apply_to(warehouse.asana)
            judge.sync(step.faults)
        if judge.sync():
            judge.sync(full_refresh=True)
