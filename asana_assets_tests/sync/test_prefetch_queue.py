"""Extracts are started before their steps in the right order, one at a time, and none is left running."""

import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

import pyarrow as pa
import pytest

from asana_assets.asana.endpoints import PROJECTS, SECTIONS, STATUS_UPDATES, TAGS, TASKS, USERS, WORKSPACES
from asana_assets.asana.errors import CancelledError, TransientError
from asana_assets.asana.model import Endpoint, Listing
from asana_assets.asana.selection import select_endpoints
from asana_assets.sync.parent_rows import listings_of_parent, reduced_columns
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
        self.loaded: list[tuple[str, tuple[Listing, ...]]] = []
        self.missing: set[str] = set()
        self.options: dict[str, dict[str, object]] = {}
        self.building = threading.Event()
        self.build_gate = threading.Event()
        self.build_gate.set()
        self.queue = PrefetchQueue(endpoints, load_upstream=self._load, build=self._build, enabled=enabled)

    def _load(self, name: str, listings: Sequence[Listing]) -> pa.Table:
        self.loaded.append((name, tuple(listings)))
        if name in self.missing:
            raise LookupError(f"{name} was never synced")
        return pa.table({column: pa.array([column]) for column in reduced_columns(listings)})

    def _build(self, endpoint: Endpoint, upstream: Mapping[str, pa.Table]) -> StubExtract:
        self.building.set()
        self.build_gate.wait(WAIT_SECONDS)
        extract = StubExtract(endpoint.name, upstream, **self.options.get(endpoint.name, {}))  # pyright: ignore[reportArgumentType] - fields by name
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


MakeRun = Callable[..., Run]


@pytest.fixture
def make_run() -> Iterator[MakeRun]:
    runs: list[Run] = []

    def make(*endpoints: Endpoint, enabled: bool = True) -> Run:
        runs.append(Run(*endpoints, enabled=enabled))
        return runs[-1]

    yield make
    for run in runs:
        run.queue.close()
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("asana-prefetch")]


def test_an_extract_is_prefetched_only_after_its_upstream_is_stored(make_run: MakeRun) -> None:
    run = make_run(PROJECTS, USERS, TASKS, SECTIONS)
    run.queue.start(PROJECTS)
    run.wait_for("projects", "users")
    run.queue.mark_stored(PROJECTS)
    run.wait_for("projects", "users", "sections")  # tasks needs users, too
    run.queue.start(USERS)
    run.queue.mark_stored(USERS)
    run.wait_for("projects", "users", "sections", "tasks")


def test_upstream_that_the_run_does_not_store_is_not_waited_for(make_run: MakeRun) -> None:
    run = make_run(USERS, SECTIONS)
    run.queue.start(USERS)
    run.wait_for("users", "sections")


def test_an_endpoint_without_upstream_is_never_prefetched(make_run: MakeRun) -> None:
    run = make_run(USERS, WORKSPACES)
    run.queue.start(USERS)
    run.queue.start(USERS)  # the queue has one thread: what was scheduled before has been built
    assert run.names == ["users", "users"]


def test_of_several_ready_endpoints_the_first_in_step_order_is_prefetched_first(make_run: MakeRun) -> None:
    run = make_run(USERS, PROJECTS, TAGS, SECTIONS, STATUS_UPDATES)
    run.queue.start(USERS)
    run.wait_for("users", "projects", "tags")
    run.queue.mark_stored(PROJECTS)
    run.wait_for("users", "projects", "tags", "sections", "status_updates")


def test_nothing_is_prefetched_while_the_current_extract_has_requests_to_send(make_run: MakeRun) -> None:
    run = make_run(USERS, PROJECTS)
    run.options["users"] = {"all_sent": False}
    run.queue.start(USERS)
    current = run.queue.start(USERS)  # the queue has one thread: what was scheduled before has been built
    assert run.names == ["users", "users"]
    threading.Thread(target=current.send_all).start()  # any thread may report it
    run.wait_for("users", "users", "projects")


def test_nothing_is_prefetched_while_a_prefetched_extract_has_requests_to_send(make_run: MakeRun) -> None:
    run = make_run(USERS, PROJECTS, TAGS)
    run.options["projects"] = {"all_sent": False}
    run.queue.start(USERS)
    run.wait_for("users", "projects")
    run.queue.mark_stored(USERS)
    projects = run.queue.start(PROJECTS)
    run.queue.start(USERS)
    projects.send_all()  # of an earlier step: no longer counts
    run.wait_for("users", "projects", "users", "tags")


def test_a_step_receives_its_prefetched_extract_and_its_retry_a_new_one(make_run: MakeRun) -> None:
    run = make_run(USERS, PROJECTS)
    run.queue.start(USERS)
    _, projects = run.wait_for("users", "projects")
    assert run.queue.start(PROJECTS) is projects
    assert run.names == ["users", "projects"]
    assert run.queue.start(PROJECTS) is not projects


def test_when_disabled_each_extract_is_started_by_its_own_step(make_run: MakeRun) -> None:
    run = make_run(USERS, PROJECTS, TAGS, enabled=False)
    for endpoint in (TAGS, PROJECTS, USERS):
        run.queue.start(endpoint)
        run.queue.mark_stored(endpoint)
    assert run.names == ["tags", "projects", "users"]


# --- upstream


def test_an_upstream_table_is_loaded_once_with_what_all_its_dependents_need(make_run: MakeRun) -> None:
    endpoints = [one for one in select_endpoints() if one.name in {"sections", "tasks", "status_updates"}]
    run = make_run(*endpoints, enabled=False)
    for endpoint in endpoints:
        extract = run.queue.start(endpoint)
        assert {name: tuple(rows.column_names) for name, rows in extract.upstream.items()} == {
            name: reduced_columns(listings_of_parent(endpoint, name)) for name in endpoint.upstream
        }
    assert [name for name, _ in run.loaded] == ["projects", "users"]
    assert [listing.path for listing in dict(run.loaded)["projects"]] == [
        "/projects/{parent}/sections",
        "/tasks",
        "/status_updates",
    ]


def test_an_upstream_table_is_not_kept_once_all_its_dependents_have_been_started(make_run: MakeRun) -> None:
    run = make_run(SECTIONS)
    run.queue.start(SECTIONS)
    run.queue.start(SECTIONS)  # a retry
    assert [name for name, _ in run.loaded] == ["projects", "projects"]


def test_a_step_whose_upstream_is_missing_fails_with_that_error(make_run: MakeRun) -> None:
    run = make_run(SECTIONS)
    run.missing.add("projects")
    with pytest.raises(LookupError, match="projects was never synced"):
        run.queue.start(SECTIONS)


# --- failures


def test_a_prefetch_that_fails_is_logged_and_the_step_starts_the_extract_itself(
    make_run: MakeRun, caplog: pytest.LogCaptureFixture
) -> None:
    run = make_run(USERS, PROJECTS, TAGS)
    run.options["projects"] = {"error": TransientError("GET /projects failed twice")}
    run.queue.start(USERS)
    run.wait_for("users", "projects", "tags")  # the failure holds up no other
    message = (
        "projects could not be prefetched, so its own step will start it (TransientError: GET /projects failed twice)"
    )
    assert [(record.levelname, record.getMessage()) for record in caplog.records] == [("WARNING", message)]
    with pytest.raises(TransientError, match="failed twice"):
        run.queue.start(PROJECTS)
    run.options.clear()
    assert run.queue.start(PROJECTS).name == "projects"
    assert len(caplog.records) == 1


def test_a_prefetch_whose_upstream_cannot_be_loaded_is_logged(
    make_run: MakeRun, caplog: pytest.LogCaptureFixture
) -> None:
    run = make_run(USERS, SECTIONS, TAGS)
    run.missing.add("projects")
    run.queue.start(USERS)
    run.wait_for("users", "tags")
    assert [record.getMessage() for record in caplog.records] == [
        "sections could not be prefetched, so its own step will start it (LookupError: projects was never synced)"
    ]
    run.missing.clear()
    assert run.queue.start(SECTIONS).name == "sections"


def test_a_start_that_fails_while_the_step_waits_for_it_is_the_failure_of_the_step(
    make_run: MakeRun, caplog: pytest.LogCaptureFixture
) -> None:
    run = make_run(USERS, PROJECTS)
    release = threading.Event()
    run.options["projects"] = {"error": TransientError("GET /projects failed twice"), "release": release}
    run.queue.start(USERS)
    run.wait_for("users", "projects")
    threading.Timer(0.2, release.set).start()
    with pytest.raises(TransientError, match="failed twice"):
        run.queue.start(PROJECTS)
    assert run.names == ["users", "projects"]
    assert caplog.records == []


def test_a_step_that_fails_does_not_keep_others_from_being_prefetched(make_run: MakeRun) -> None:
    run = make_run(USERS, PROJECTS, TAGS)
    run.options["users"] = {"all_sent": False}
    run.queue.start(USERS).close()  # so it never sends all of its requests
    run.queue.start(PROJECTS)
    run.wait_for("users", "projects", "tags")


# --- the end


def test_closing_closes_the_extracts_that_no_step_has_consumed(make_run: MakeRun) -> None:
    run = make_run(USERS, PROJECTS, TAGS)
    run.queue.start(USERS)
    _, projects, tags = run.wait_for("users", "projects", "tags")
    run.queue.close()
    assert projects.closed.is_set()
    assert tags.closed.is_set()


def test_closing_stops_an_extract_that_is_being_started_and_starts_no_other(
    make_run: MakeRun, caplog: pytest.LogCaptureFixture
) -> None:
    run = make_run(USERS, PROJECTS, TAGS)
    run.options["projects"] = {"error": CancelledError("stopped"), "release": threading.Event()}
    run.queue.start(USERS)
    _, projects = run.wait_for("users", "projects")
    assert projects.started.wait(WAIT_SECONDS)
    run.queue.close()
    assert projects.closed.is_set()
    assert run.names == ["users", "projects"]
    assert caplog.records == []


def test_an_extract_that_is_being_built_when_the_queue_closes_is_not_started(make_run: MakeRun) -> None:
    run = make_run(USERS)
    run.build_gate.clear()
    threading.Timer(0.2, run.build_gate.set).start()
    with ThreadPoolExecutor(1) as step:
        outcome = step.submit(run.queue.start, USERS)
        assert run.building.wait(WAIT_SECONDS)
        run.queue.close()
    assert isinstance(outcome.exception(), CancelledError)
    assert not run.built[0].started.is_set()
