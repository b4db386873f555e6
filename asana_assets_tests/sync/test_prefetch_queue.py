"""Extracts are started ahead of their steps in the right order, one by one, and none is left running."""

import logging
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

import pyarrow as pa
import pytest

from asana_assets.asana.endpoints import PROJECTS, SECTIONS, STATUS_UPDATES, TAGS, TASKS, USERS, WORKSPACES
from asana_assets.asana.errors import CancelledError, TransientError
from asana_assets.asana.model import Endpoint
from asana_assets.sync.prefetch_queue import PrefetchQueue

WAIT_SECONDS = 10.0  # until a test fails that waits for another thread


@dataclass
class StubExtract:
    """An extract that sends nothing, and has nothing more to send unless a test says otherwise."""

    name: str
    upstream: Mapping[str, pa.Table]
    all_sent: bool = True
    error: Exception | None = None
    release: threading.Event | None = None
    started: threading.Event = field(default_factory=threading.Event)
    closed: threading.Event = field(default_factory=threading.Event)
    on_all_sent: Callable[[], None] = lambda: None

    def start(self, on_all_sent: Callable[[], None]) -> None:
        self.on_all_sent = on_all_sent
        self.started.set()
        if self.release:
            self.release.wait(WAIT_SECONDS)
        if self.error:
            raise self.error

    def close(self) -> None:
        self.closed.set()
        if self.release:
            self.release.set()

    def send_all(self) -> None:
        self.all_sent = True
        self.on_all_sent()


class Run:
    """A queue over stub extracts, and what it has loaded and built."""

    def __init__(self, *endpoints: Endpoint, enabled: bool = True) -> None:
        self.built: list[StubExtract] = []
        self.loaded: list[tuple[str, tuple[str, ...]]] = []
        self.missing: set[str] = set()
        self.options: dict[str, dict[str, object]] = {}
        self.building = threading.Event()
        self.build_gate = threading.Event()
        self.build_gate.set()
        self.queue = PrefetchQueue(endpoints, load_upstream=self._load, build=self._build, enabled=enabled)

    def _load(self, name: str, columns: Sequence[str]) -> pa.Table:
        self.loaded.append((name, tuple(columns)))
        if name in self.missing:
            raise LookupError(f"{name} was never synced")
        return pa.table({column: pa.array([column]) for column in columns})

    def _build(self, endpoint: Endpoint, upstream: Mapping[str, pa.Table]) -> StubExtract:
        self.building.set()
        self.build_gate.wait(WAIT_SECONDS)
        extract = StubExtract(endpoint.name, upstream, **self.options.get(endpoint.name, {}))  # pyright: ignore[reportArgumentType] # fields by name
        self.built.append(extract)
        return extract

    @property
    def names(self) -> list[str]:
        return [extract.name for extract in self.built]

    def wait_for(self, *names: str) -> list[StubExtract]:
        """Wait until these extracts have been built, in this order; return them."""
        give_up_at = time.monotonic() + WAIT_SECONDS
        while len(self.built) < len(names) and time.monotonic() < give_up_at:
            time.sleep(0.001)
        assert self.names == list(names)
        return self.built


@pytest.fixture
def run() -> Iterator[Callable[..., Run]]:
    runs: list[Run] = []

    def make_run(*endpoints: Endpoint, enabled: bool = True) -> Run:
        runs.append(Run(*endpoints, enabled=enabled))
        return runs[-1]

    yield make_run
    for one in runs:
        one.queue.close()
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("asana-prefetch")]


MakeRun = Callable[..., Run]


def test_an_extract_is_prefetched_only_after_its_upstream_is_stored(run: MakeRun) -> None:
    mine = run(PROJECTS, USERS, TASKS, SECTIONS)
    mine.queue.start(PROJECTS)
    mine.wait_for("projects", "users")
    mine.queue.mark_stored(PROJECTS)
    mine.wait_for("projects", "users", "sections")  # tasks needs users, too
    mine.queue.start(USERS)
    mine.queue.mark_stored(USERS)
    mine.wait_for("projects", "users", "sections", "tasks")


def test_upstream_that_the_run_does_not_store_is_not_waited_for(run: MakeRun) -> None:
    mine = run(USERS, SECTIONS)
    mine.queue.start(USERS)
    mine.wait_for("users", "sections")


def test_an_endpoint_without_upstream_is_never_prefetched(run: MakeRun) -> None:
    mine = run(USERS, WORKSPACES)
    mine.queue.start(USERS)
    mine.queue.start(USERS)  # the queue has one thread: what was scheduled before has been built
    assert mine.names == ["users", "users"]


def test_of_several_ready_endpoints_the_first_in_step_order_is_prefetched_first(run: MakeRun) -> None:
    mine = run(USERS, PROJECTS, TAGS, SECTIONS, STATUS_UPDATES)
    mine.queue.start(USERS)
    mine.wait_for("users", "projects", "tags")
    mine.queue.mark_stored(PROJECTS)
    mine.wait_for("users", "projects", "tags", "sections", "status_updates")


def test_nothing_is_prefetched_while_the_current_extract_has_requests_to_send(run: MakeRun) -> None:
    mine = run(USERS, PROJECTS)
    mine.options["users"] = {"all_sent": False}
    mine.queue.start(USERS)
    current = mine.queue.start(USERS)  # the queue has one thread: what was scheduled before has been built
    assert mine.names == ["users", "users"]
    threading.Thread(target=current.send_all).start()  # any thread may report it
    mine.wait_for("users", "users", "projects")


def test_nothing_is_prefetched_while_a_prefetched_extract_has_requests_to_send(run: MakeRun) -> None:
    mine = run(USERS, PROJECTS, TAGS)
    mine.options["projects"] = {"all_sent": False}
    mine.queue.start(USERS)
    mine.wait_for("users", "projects")
    mine.queue.mark_stored(USERS)
    projects = mine.queue.start(PROJECTS)
    mine.queue.start(USERS)
    projects.send_all()  # of an earlier step: no longer counts
    mine.wait_for("users", "projects", "users", "tags")


def test_a_step_receives_its_prefetched_extract_and_its_retry_a_new_one(run: MakeRun) -> None:
    mine = run(USERS, PROJECTS)
    mine.queue.start(USERS)
    _, projects = mine.wait_for("users", "projects")
    assert mine.queue.start(PROJECTS) is projects
    assert mine.names == ["users", "projects"]
    assert mine.queue.start(PROJECTS) is not projects


def test_when_disabled_each_extract_is_started_by_its_own_step(run: MakeRun) -> None:
    mine = run(USERS, PROJECTS, TAGS, enabled=False)
    for endpoint in (TAGS, PROJECTS, USERS):
        mine.queue.start(endpoint)
        mine.queue.mark_stored(endpoint)
    assert mine.names == ["tags", "projects", "users"]


# --- upstream


def test_an_upstream_table_is_loaded_once_with_the_columns_of_all_its_dependents(run: MakeRun) -> None:
    mine = run(SECTIONS, TASKS, STATUS_UPDATES, enabled=False)
    for endpoint in (SECTIONS, TASKS, STATUS_UPDATES):
        extract = mine.queue.start(endpoint)
        assert {name: tuple(rows.column_names) for name, rows in extract.upstream.items()} == endpoint.upstream
    assert [name for name, _ in mine.loaded] == ["projects", "users"]
    assert set(dict(mine.loaded)["projects"]) == {
        column for endpoint in (SECTIONS, TASKS, STATUS_UPDATES) for column in endpoint.upstream["projects"]
    }


def test_an_upstream_table_is_not_kept_once_all_its_dependents_have_been_started(run: MakeRun) -> None:
    mine = run(SECTIONS)
    mine.queue.start(SECTIONS)
    mine.queue.start(SECTIONS)  # a retry
    assert [name for name, _ in mine.loaded] == ["projects", "projects"]


def test_a_step_whose_upstream_is_missing_fails_with_that_error(run: MakeRun) -> None:
    mine = run(SECTIONS)
    mine.missing.add("projects")
    with pytest.raises(LookupError, match="projects was never synced"):
        mine.queue.start(SECTIONS)


# --- failures


def test_a_prefetch_that_fails_is_logged_and_the_step_starts_the_extract_itself(
    run: MakeRun, caplog: pytest.LogCaptureFixture
) -> None:
    mine = run(USERS, PROJECTS, TAGS)
    mine.options["projects"] = {"error": TransientError("GET /projects failed twice")}
    mine.queue.start(USERS)
    mine.wait_for("users", "projects", "tags")  # the failure holds up no other
    [record] = caplog.records
    assert (record.levelno, record.getMessage()) == (
        logging.WARNING,
        "projects could not be prefetched, so its own step will start it (TransientError: GET /projects failed twice)",
    )
    with pytest.raises(TransientError, match="failed twice"):
        mine.queue.start(PROJECTS)
    mine.options.clear()
    assert mine.queue.start(PROJECTS).name == "projects"
    assert len(caplog.records) == 1


def test_a_prefetch_whose_upstream_cannot_be_loaded_is_logged(run: MakeRun, caplog: pytest.LogCaptureFixture) -> None:
    mine = run(USERS, SECTIONS, TAGS)
    mine.missing.add("projects")
    mine.queue.start(USERS)
    mine.wait_for("users", "tags")
    assert [record.getMessage() for record in caplog.records] == [
        "sections could not be prefetched, so its own step will start it (LookupError: projects was never synced)"
    ]
    mine.missing.clear()
    assert mine.queue.start(SECTIONS).name == "sections"


def test_a_start_that_fails_while_the_step_waits_for_it_is_the_failure_of_the_step(
    run: MakeRun, caplog: pytest.LogCaptureFixture
) -> None:
    mine = run(USERS, PROJECTS)
    release = threading.Event()
    mine.options["projects"] = {"error": TransientError("GET /projects failed twice"), "release": release}
    mine.queue.start(USERS)
    mine.wait_for("users", "projects")
    threading.Timer(0.2, release.set).start()
    with pytest.raises(TransientError, match="failed twice"):
        mine.queue.start(PROJECTS)
    assert mine.names == ["users", "projects"]
    assert caplog.records == []


def test_a_step_that_fails_does_not_keep_others_from_being_prefetched(run: MakeRun) -> None:
    mine = run(USERS, PROJECTS, TAGS)
    mine.options["users"] = {"all_sent": False}
    mine.queue.start(USERS).close()  # as when storing its rows fails: it will never have sent all
    mine.queue.start(PROJECTS)
    mine.wait_for("users", "projects", "tags")


# --- the end


def test_closing_closes_the_extracts_that_no_step_has_consumed(run: MakeRun) -> None:
    mine = run(USERS, PROJECTS, TAGS)
    mine.queue.start(USERS)
    _, projects, tags = mine.wait_for("users", "projects", "tags")
    mine.queue.close()
    assert projects.closed.is_set()
    assert tags.closed.is_set()


def test_closing_stops_an_extract_that_is_being_started_and_starts_no_other(
    run: MakeRun, caplog: pytest.LogCaptureFixture
) -> None:
    mine = run(USERS, PROJECTS, TAGS)
    mine.options["projects"] = {"error": CancelledError("stopped"), "release": threading.Event()}
    mine.queue.start(USERS)
    _, projects = mine.wait_for("users", "projects")
    assert projects.started.wait(WAIT_SECONDS)
    mine.queue.close()
    assert projects.closed.is_set()
    assert mine.names == ["users", "projects"]
    assert caplog.records == []


def test_an_extract_that_is_being_built_when_the_queue_closes_is_not_started(run: MakeRun) -> None:
    mine = run(USERS)
    mine.build_gate.clear()
    threading.Timer(0.2, mine.build_gate.set).start()
    with ThreadPoolExecutor(1) as step:
        outcome = step.submit(mine.queue.start, USERS)
        assert mine.building.wait(WAIT_SECONDS)
        mine.queue.close()
    assert isinstance(outcome.exception(), CancelledError)
    assert not mine.built[0].started.is_set()
