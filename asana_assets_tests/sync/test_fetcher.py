"""Asking side by side, over real HTTP: all that is asked is answered, and nothing goes on when it should not."""

import itertools
import json
import threading
import time
from collections import defaultdict
from collections.abc import Callable, Generator, Iterator
from dataclasses import dataclass

import pytest

from asana_assets.asana.client import ApiRequest, Client, RequestStats, RetryPolicy
from asana_assets.asana.endpoints import PROJECT_TEMPLATES, SECTIONS, STORIES, SUBTASKS, TAGS, TASKS, TEAMS, WORKSPACES
from asana_assets.asana.errors import (
    AsanaError,
    BadRequestError,
    CancelledError,
    ContractError,
    ForbiddenError,
    NotFoundError,
    PermanentError,
    PlanLimitError,
    TransientError,
    UnauthorizedError,
)
from asana_assets.asana.throttle import Throttle
from asana_assets.sandbox import Organization, Sandbox, Scale, build_organization
from asana_assets.sync.fetcher import Fetcher, FetchEvent, Outcome, decide_outcome
from asana_assets.sync.parents import FetchRequest, listing_request, record_request

SOON = 5.0
"""Seconds that are few beside what would be waited if the test failed, and many for a busy machine."""

STORIES_OF_TASK = STORIES.listings[0]
TASKS_OF_PROJECT = TASKS.listings[0]
SUBTASKS_OF_TASK = SUBTASKS.listings[0]
SECTIONS_OF_PROJECT = SECTIONS.listings[0]


@dataclass(frozen=True, slots=True)
class Work:
    """An organization with a project of 250 tasks, and one of a hundred thousand."""

    organization: Organization
    workspace: str
    project: str
    tasks: list[str]
    endless: str

    def stories(self, count: int) -> Iterator[FetchRequest]:
        """Ask for the stories of so many tasks."""
        return (listing_request(STORIES_OF_TASK, gid, self.workspace) for gid in self.tasks[:count])

    def stories_for_ever(self) -> Iterator[FetchRequest]:
        return itertools.cycle(list(self.stories(250)))


@pytest.fixture(scope="module")
def work() -> Work:
    organization = build_organization(scale=Scale(generated_tasks=100_000))
    workspace = organization.edge_cases["paid_organization"]
    project = organization.add_project(workspace, "Many")
    tasks = [organization.add_task(project, f"Task {at}") for at in range(250)]
    [endless] = organization.generated_tasks
    return Work(organization, workspace, project, tasks, endless)


@pytest.fixture
def asana(work: Work) -> Iterator[Sandbox]:
    with Sandbox(organization=work.organization) as sandbox:
        yield sandbox
    assert asking_threads() == []


def client_of(asana: Sandbox, *, ceiling: float = 1000, max_in_flight: int = 8) -> Client:
    return Client(
        base_url=asana.url,
        token=asana.token,
        throttle=Throttle(ceiling=ceiling),
        max_in_flight=max_in_flight,
        retry=RetryPolicy(max_attempts=2, max_backoff_seconds=0.01),
    )


def fan_of(client: Client) -> Fetcher:
    return Fetcher(client, opt_fields="name", usage=RequestStats())


def answers_to(client: Client, asks: Iterator[FetchRequest]) -> Generator[FetchEvent]:
    fan = fan_of(client)
    fan.start(asks)
    yield from fan.events()


def gids(answers: Iterator[FetchEvent] | list[FetchEvent]) -> list[str]:
    return [
        record["gid"]
        for answer in answers
        if answer.page is not None
        for record in json.loads(answer.page.body)["data"]
    ]


def asking_threads() -> list[threading.Thread]:
    return [thread for thread in threading.enumerate() if thread.name.startswith("asana_")]


def wait_until(come: Callable[[], bool]) -> None:
    give_up_at = time.monotonic() + 60
    while not come():
        assert time.monotonic() < give_up_at
        time.sleep(0.01)


def wait_until_quiet(asana: Sandbox) -> None:
    """Wait until no request came for a while."""
    count = -1
    while count != len(asana.log):
        count = len(asana.log)
        time.sleep(0.3)


# --- all is answered


def test_nothing_asked_is_nothing_answered(asana: Sandbox) -> None:
    with client_of(asana) as client:
        assert list(answers_to(client, iter(()))) == []


def test_every_page_comes_once_and_then_the_end_of_its_ask(asana: Sandbox, work: Work) -> None:
    asks = [
        *work.stories(60),
        listing_request(TASKS_OF_PROJECT, work.project, work.workspace),
        record_request(TASKS, work.tasks[0]),
    ]
    with client_of(asana) as client:
        answers = list(answers_to(client, iter(asks)))
    by_ask: defaultdict[int, list[FetchEvent]] = defaultdict(list)
    for answer in answers:
        by_ask[asks.index(answer.request)].append(answer)
    assert sorted(by_ask) == list(range(len(asks)))
    for mine in by_ask.values():
        assert [answer.outcome for answer in mine] == [*[None] * (len(mine) - 1), Outcome.READ]
        assert [answer.page is None for answer in mine] == [*[False] * (len(mine) - 1), True]
    assert gids(by_ask[60]) == work.tasks
    assert gids(by_ask[61]) == work.tasks[:1]
    assert len(asana.log) == 60 + 3 + 1


def test_as_many_are_asked_at_once_as_may_be_on_the_way(work: Work) -> None:
    with Sandbox(organization=work.organization, latency=0.1) as asana, client_of(asana) as client:
        assert len(list(answers_to(client, work.stories(40)))) == 80
        assert asana.max_in_flight == 8


def test_what_is_added_while_reading_is_answered_too(asana: Sandbox, work: Work) -> None:
    """Five levels of subtasks, each known only from the one above."""
    traps = work.organization.edge_cases
    found: list[str] = []
    with client_of(asana) as client:
        fan = fan_of(client)
        fan.start(iter([listing_request(SUBTASKS_OF_TASK, traps["deep_parent"], work.workspace)]))
        for answer in fan.events():
            below = gids([answer])
            found += below
            fan.enqueue(listing_request(SUBTASKS_OF_TASK, gid, work.workspace) for gid in below)
    assert found == [traps[f"level_{level}"] for level in range(1, 6)]


def test_what_is_added_at_the_last_moment_is_answered_too(asana: Sandbox, work: Work) -> None:
    asks = list(work.stories(3))
    with client_of(asana) as client:
        fan = fan_of(client)
        ended: list[FetchRequest] = []
        fan.start(iter(asks[:1]))
        for answer in fan.events():
            if answer.outcome:
                ended.append(answer.request)
                fan.enqueue(asks[len(ended) : len(ended) + 1])
    assert ended == asks


def test_a_fan_is_idle_when_all_that_came_was_taken(asana: Sandbox, work: Work) -> None:
    with client_of(asana) as client:
        fan = fan_of(client)
        assert fan.drained
        fan.start(work.stories(3))
        answers = fan.events()
        next(answers)
        wait_until(lambda: not fan.drained)
        list(answers)
        assert fan.drained


# --- a slow reader


def test_a_reader_that_stops_reading_holds_back_the_pages_of_one_listing(asana: Sandbox, work: Work) -> None:
    with client_of(asana, max_in_flight=4) as client:
        answers = answers_to(client, iter([listing_request(TASKS_OF_PROJECT, work.endless, work.workspace)]))
        next(answers)
        wait_until_quiet(asana)
        assert len(asana.log) <= 1 + 2 * 4 + 1
        for _ in range(20):
            next(answers)
        assert len(asana.log) >= 21
        answers.close()


def test_a_reader_that_stops_reading_holds_back_all_listings(asana: Sandbox, work: Work) -> None:
    endless = itertools.repeat(listing_request(TASKS_OF_PROJECT, work.endless, work.workspace))
    with client_of(asana, max_in_flight=4) as client:
        answers = answers_to(client, endless)
        next(answers)
        wait_until_quiet(asana)
        assert len(asana.log) <= 1 + 2 * 4 + 4
        answers.close()


def test_asks_are_taken_as_they_are_needed(asana: Sandbox, work: Work) -> None:
    taken = 0

    def asks() -> Iterator[FetchRequest]:
        nonlocal taken
        for one in work.stories_for_ever():
            taken += 1
            yield one

    with client_of(asana, max_in_flight=4) as client:
        answers = answers_to(client, asks())
        next(answers)
        assert taken <= 2 * 4 + 1
        answers.close()


# --- the end


def test_closing_early_ends_the_threads_and_the_asking(asana: Sandbox, work: Work) -> None:
    with client_of(asana) as client:
        answers = answers_to(client, work.stories_for_ever())
        for _ in range(10):
            next(answers)
        assert asking_threads()
        answers.close()
        assert asking_threads() == []
        asked = len(asana.log)
        wait_until_quiet(asana)
        assert len(asana.log) == asked


def test_an_error_of_one_ask_ends_all_and_stops_the_others(asana: Sandbox, work: Work) -> None:
    """At one request in ten seconds, the others would be a long time waiting for their turns."""
    asana.add_fault("/tasks/{gid}/stories", 400, message="No.")
    began = time.monotonic()
    with client_of(asana, ceiling=0.1) as client:
        with pytest.raises(BadRequestError, match=r"^GET /tasks/\{parent\}/stories answered 400: No\.$"):
            list(answers_to(client, work.stories_for_ever()))
        assert asking_threads() == []
    assert time.monotonic() - began < SOON
    assert len(asana.log) == 1


def test_an_error_ends_the_reading_while_the_others_wait_to_hand_over(asana: Sandbox, work: Work) -> None:
    endless = itertools.repeat(listing_request(TASKS_OF_PROJECT, work.endless, work.workspace))
    asana.add_fault("/tasks", 400, skip=10)
    with client_of(asana, max_in_flight=4) as client:
        answers = answers_to(client, endless)
        next(answers)
        wait_until_quiet(asana)
        with pytest.raises(BadRequestError):
            list(answers)
    assert len(asana.log) < 40


@pytest.mark.parametrize("kind", [401, 503, "repeated_offset"])
def test_what_is_no_single_parents_matter_ends_the_reading(asana: Sandbox, work: Work, kind: int | str) -> None:
    wanted: dict[int | str, type[AsanaError]] = {401: UnauthorizedError, 503: TransientError}
    asana.add_fault("/tasks", "repeated_offset" if isinstance(kind, str) else kind)
    with client_of(asana) as client, pytest.raises(wanted.get(kind, ContractError)):
        list(answers_to(client, iter([listing_request(TASKS_OF_PROJECT, work.project, work.workspace)])))


def test_a_defect_in_an_ask_is_not_swallowed(asana: Sandbox, work: Work) -> None:
    broken = FetchRequest(STORIES_OF_TASK, "1", ApiRequest(template="/tasks/{nobody}/stories"))
    with client_of(asana) as client, pytest.raises(KeyError, match="nobody"):
        list(answers_to(client, itertools.chain(work.stories(5), [broken], work.stories_for_ever())))


def test_an_error_of_whoever_brings_the_asks_ends_the_reading(asana: Sandbox, work: Work) -> None:
    def asks() -> Iterator[FetchRequest]:
        yield from work.stories(50)
        raise LookupError("no more")

    with client_of(asana) as client, pytest.raises(LookupError, match="no more"):
        list(answers_to(client, asks()))


def test_an_error_of_the_reader_ends_the_threads(asana: Sandbox, work: Work) -> None:
    def read(client: Client) -> None:
        for _ in answers_to(client, work.stories_for_ever()):
            raise LookupError("of the reader")

    with client_of(asana) as client:
        with pytest.raises(LookupError):
            read(client)
        assert asking_threads() == []


# --- what an error of one parent means


@pytest.mark.parametrize(
    ("status", "outcome"), [(402, Outcome.NOT_ON_PLAN), (403, Outcome.FORBIDDEN), (404, Outcome.DELETED)]
)
def test_a_parent_that_is_refused_is_told_and_the_others_are_read(
    asana: Sandbox, work: Work, status: int, outcome: Outcome
) -> None:
    refused = work.tasks[1]
    asana.add_fault(f"/tasks/{refused}/stories", status)
    with client_of(asana) as client:
        answers = list(answers_to(client, work.stories(3)))
    ends = {answer.request.parent_gid: answer.outcome for answer in answers if answer.outcome}
    assert ends == {work.tasks[0]: Outcome.READ, refused: outcome, work.tasks[2]: Outcome.READ}
    assert [answer for answer in answers if answer.request.parent_gid == refused and answer.page] == []


def test_a_parent_may_be_refused_after_its_first_page(asana: Sandbox, work: Work) -> None:
    asana.add_fault("/tasks", 403, skip=1)
    with client_of(asana) as client:
        answers = list(answers_to(client, iter([listing_request(TASKS_OF_PROJECT, work.project, work.workspace)])))
    assert [(answer.page and answer.page.count, answer.outcome) for answer in answers] == [
        (100, None),
        (None, Outcome.FORBIDDEN),
    ]


def test_a_project_made_private_and_one_deleted_are_told_apart() -> None:
    with Sandbox() as asana, client_of(asana) as client:
        organization = asana.organization
        workspace = organization.edge_cases["paid_organization"]
        projects = [organization.add_project(workspace, name) for name in ("private", "deleted", "there")]
        organization.make_project_private(projects[0])
        organization.delete_project(projects[1])
        asks = [listing_request(SECTIONS_OF_PROJECT, gid, workspace) for gid in projects]
        ends = {answer.request.parent_gid: answer.outcome for answer in answers_to(client, iter(asks))}
    assert [ends[gid] for gid in projects] == [Outcome.FORBIDDEN, Outcome.DELETED, Outcome.READ]


def refusal(kind: type[PermanentError], status: int) -> PermanentError:
    return kind(status=status, template="/x", reason="")


PAID, FORBIDDEN, GONE = (
    refusal(PlanLimitError, 402),
    refusal(ForbiddenError, 403),
    refusal(NotFoundError, 404),
)
OF_WORKSPACE = [listing_request(endpoint.listings[0], "7", "7") for endpoint in (TAGS, TEAMS, PROJECT_TEMPLATES)]
OF_PARENT = [listing_request(listing, "5", "7") for listing in (SECTIONS_OF_PROJECT, STORIES_OF_TASK, *TASKS.listings)]


@pytest.mark.parametrize("asked", OF_PARENT)
def test_one_parents_refusal_concerns_its_rows_alone(asked: FetchRequest) -> None:
    assert decide_outcome(FORBIDDEN, asked) is Outcome.FORBIDDEN
    assert decide_outcome(GONE, asked) is Outcome.DELETED


@pytest.mark.parametrize("asked", OF_WORKSPACE)
def test_a_workspaces_refusal_is_never_an_empty_table(asked: FetchRequest) -> None:
    assert decide_outcome(FORBIDDEN, asked) is None
    assert decide_outcome(GONE, asked) is None


@pytest.mark.parametrize("asked", [*OF_WORKSPACE, *OF_PARENT])
def test_what_the_plan_does_not_have_is_an_outcome_wherever_it_is_listed(asked: FetchRequest) -> None:
    assert decide_outcome(PAID, asked) is Outcome.NOT_ON_PLAN


def test_the_list_of_workspaces_itself_has_no_plan_and_no_outcome() -> None:
    for error in (PAID, FORBIDDEN, GONE):
        assert decide_outcome(error, listing_request(WORKSPACES.listings[0], "", "")) is None


def test_one_record_that_is_refused_is_its_own_matter() -> None:
    tag = FetchRequest(TAGS.listings[0], "5", ApiRequest(template="/tags/{gid}", values={"gid": "5"}), is_record=True)
    for asked in (record_request(TASKS, "5"), tag):
        assert decide_outcome(FORBIDDEN, asked) is Outcome.FORBIDDEN
        assert decide_outcome(GONE, asked) is Outcome.DELETED


@pytest.mark.parametrize(
    "error",
    [
        refusal(BadRequestError, 400),
        refusal(UnauthorizedError, 401),
        refusal(PermanentError, 451),
        TransientError("spent"),
        ContractError("broken"),
        CancelledError("stopped"),
    ],
    ids=lambda error: type(error).__name__,
)
def test_no_other_error_has_an_outcome(error: AsanaError) -> None:
    for asked in (*OF_WORKSPACE, *OF_PARENT, record_request(TASKS, "5")):
        assert decide_outcome(error, asked) is None
