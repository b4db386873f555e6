"""A fetcher against the sandbox, and an organization with enough to fetch."""

import itertools
import json
import threading
import time
from collections.abc import Callable, Generator, Iterable, Iterator
from dataclasses import dataclass

from asana_assets.asana.client import Client, RequestStats, RetryPolicy
from asana_assets.asana.endpoints import SECTIONS, STORIES, SUBTASKS, TASKS
from asana_assets.asana.throttle import Throttle
from asana_assets.asana.transport import Transport
from asana_assets.sandbox import Organization, Sandbox, Scale, build_organization
from asana_assets.sync.fetcher import Fetcher, FetchEvent
from asana_assets.sync.parents import FetchRequest, listing_request

STORIES_OF_TASK = STORIES.listings[0]
TASKS_OF_PROJECT = TASKS.listings[0]
SUBTASKS_OF_TASK = SUBTASKS.listings[0]
SECTIONS_OF_PROJECT = SECTIONS.listings[0]


@dataclass(frozen=True, slots=True)
class FetchTargets:
    """An organization with a project of 250 tasks and one of 100,000.

    Attributes:
        organization: The organization.
        workspace: Its gid.
        project: Gid of the project of 250 tasks.
        tasks: Gids of these tasks.
        endless_project: Gid of the project of 100,000 tasks.
    """

    organization: Organization
    workspace: str
    project: str
    tasks: list[str]
    endless_project: str

    @classmethod
    def build(cls) -> "FetchTargets":
        """Build the organization."""
        organization = build_organization(scale=Scale(generated_tasks=100_000))
        workspace = organization.edge_cases["paid_organization"]
        project = organization.add_project(workspace, "Many")
        tasks = [organization.add_task(project, f"Task {index}") for index in range(250)]
        [endless_project] = organization.generated_tasks
        return cls(organization, workspace, project, tasks, endless_project)

    def task_requests(self) -> Iterator[FetchRequest]:
        """Yield the request for the tasks of the project of 250."""
        yield listing_request(TASKS_OF_PROJECT, self.project, self.workspace)

    def endless_task_request(self) -> FetchRequest:
        """Return the request for the tasks of the project of 100,000."""
        return listing_request(TASKS_OF_PROJECT, self.endless_project, self.workspace)

    def story_requests(self, count: int) -> Iterator[FetchRequest]:
        """Yield the requests for the stories of the first `count` tasks."""
        return (listing_request(STORIES_OF_TASK, gid, self.workspace) for gid in self.tasks[:count])

    def endless_story_requests(self) -> Iterator[FetchRequest]:
        """Yield requests for stories without end."""
        return itertools.cycle(list(self.story_requests(250)))


def open_client(asana: Sandbox, *, ceiling: float = 1000, max_in_flight: int = 8) -> Client:
    """Open a client that retries once and at once."""
    return Client(
        transport=Transport(base_url=asana.url, token=asana.token, max_in_flight=max_in_flight),
        throttle=Throttle(ceiling=ceiling),
        retry=RetryPolicy(max_attempts=2, max_backoff_seconds=0.01),
    )


def build_fetcher(client: Client) -> Fetcher:
    """Build a fetcher of names."""
    return Fetcher(client, opt_fields="name", stats=RequestStats())


def fetch(client: Client, requests: Iterator[FetchRequest]) -> Generator[FetchEvent]:
    """Yield the events of these requests."""
    fetcher = build_fetcher(client)
    fetcher.start(requests)
    yield from fetcher.events()


def gids(events: Iterable[FetchEvent]) -> list[str]:
    """Return the gids of all records in the events."""
    return [
        record["gid"] for event in events if event.page is not None for record in json.loads(event.page.body)["data"]
    ]


def worker_threads() -> list[threading.Thread]:
    """Return the threads of fetchers that are running."""
    return [thread for thread in threading.enumerate() if thread.name.startswith("asana_")]


def wait_until(condition: Callable[[], bool]) -> None:
    """Wait until a condition holds, for up to a minute."""
    deadline = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def wait_until_idle(asana: Sandbox) -> None:
    """Wait until no request has arrived for 0.3 seconds."""
    count = -1
    while count != len(asana.log):
        count = len(asana.log)
        time.sleep(0.3)
