"""The client, over real HTTP: against the sandbox, and against small servers that do what Asana never should."""

import datetime as dt
import json
import logging
import socket
import threading
import time
import traceback
from collections import Counter
from collections.abc import Callable, Generator, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from asana_assets.asana.client import ApiRequest, Client, Page, RequestStats, RetryPolicy
from asana_assets.asana.errors import (
    AsanaError,
    BadRequestError,
    CancelledError,
    ConfigurationError,
    ContractError,
    ForbiddenError,
    NotFoundError,
    OffsetExpiredError,
    PermanentError,
    PlanLimitError,
    TransientError,
    UnauthorizedError,
)
from asana_assets.asana.throttle import Throttle
from asana_assets.sandbox import FIRST_ATTEMPT_KINDS, FaultKind, Organization, Sandbox, build_organization
from asana_assets.sandbox import ReceivedRequest as Asked

QUICK = RetryPolicy(max_backoff_seconds=0.05)
TOKEN = "2/1200/777:0123abcd"
WORKSPACES = ApiRequest(template="/workspaces")
SOON = 5.0
"""Seconds that are few beside what would be waited if the test failed, and many for a busy machine."""


@dataclass(frozen=True, slots=True)
class Many:
    """An organization with a project of 250 tasks."""

    organization: Organization
    project: str
    tasks: list[str]

    @property
    def request(self) -> ApiRequest:
        return ApiRequest(template="/tasks", params={"project": self.project})


@pytest.fixture(scope="module")
def many() -> Many:
    organization = build_organization()
    project = organization.add_project(organization.edge_cases["paid_organization"], "Many")
    return Many(organization, project, [organization.add_task(project, f"Task {at}") for at in range(250)])


@pytest.fixture
def asana(many: Many) -> Iterator[Sandbox]:
    with Sandbox(organization=many.organization) as sandbox:
        yield sandbox


def client_of(
    asana: Sandbox,
    *,
    retry: RetryPolicy = QUICK,
    ceiling: float = 1000,
    max_in_flight: int = 40,
    read_seconds: float = 30,
) -> Client:
    return Client(
        base_url=asana.url,
        token=asana.token,
        throttle=Throttle(ceiling=ceiling),
        retry=retry,
        max_in_flight=max_in_flight,
        read_timeout_seconds=read_seconds,
    )


def client_at(url: str, *, retry: RetryPolicy = QUICK, read_seconds: float = 30) -> Client:
    return Client(
        base_url=url,
        token=TOKEN,
        throttle=Throttle(ceiling=1000),
        retry=retry,
        read_timeout_seconds=read_seconds,
    )


def pages(
    client: Client,
    request: ApiRequest = WORKSPACES,
    *,
    usage: RequestStats | None = None,
    stop: threading.Event | None = None,
) -> Iterator[Page]:
    return client.iter_pages(request, opt_fields="name", usage=usage or RequestStats(), stop=stop or threading.Event())


def gids(found: Iterator[Page]) -> list[str]:
    return [record["gid"] for page in found for record in json.loads(page.body)["data"]]


Answer = Callable[[BaseHTTPRequestHandler], None]


@dataclass(slots=True)
class Small:
    """A server that is not Asana.

    Attributes:
        url: Where it is.
        requests: What came, with headers.
        connections: How many were opened.
    """

    url: str
    requests: list[tuple[str, dict[str, str]]]
    connections: int = 0


@contextmanager
def serving(answer: Answer) -> Generator[Small]:
    """Serve on a free port of this host; `answer` writes the whole answer."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def setup(self) -> None:
            super().setup()
            small.connections += 1

        def handle(self) -> None:
            with suppress(OSError):  # the client may hang up
                super().handle()

        def do_GET(self) -> None:
            small.requests.append((self.path, dict(self.headers.items())))
            answer(self)

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 # http.server's
            """Keep quiet."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        small = Small(f"http://127.0.0.1:{server.server_port}/api/1.0", [])
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        try:
            yield small
        finally:
            server.shutdown()
            thread.join()


def answer_with(status: int, body: bytes = b"", **headers: str) -> Answer:
    def answer(handler: BaseHTTPRequestHandler) -> None:
        handler.send_response(status)
        for name, value in {**headers, "Content-Length": str(len(body))}.items():
            handler.send_header(name, value)
        handler.end_headers()
        handler.wfile.write(body)

    return answer


def a_closed_port() -> str:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return f"http://127.0.0.1:{listener.getsockname()[1]}/api/1.0"


# --- listings


def test_a_listing_is_followed_to_its_end_in_pages_of_a_hundred(asana: Sandbox, many: Many) -> None:
    with client_of(asana) as client:
        found = list(pages(client, many.request))
    assert [page.count for page in found] == [100, 100, 50]
    assert gids(iter(found)) == many.tasks
    assert [sorted(entry.query) for entry in asana.log] == [
        ["limit", "opt_fields", "project"],
        ["limit", "offset", "opt_fields", "project"],
        ["limit", "offset", "opt_fields", "project"],
    ]
    assert {(entry.method, entry.query["limit"], entry.query["opt_fields"]) for entry in asana.log} == {
        ("GET", "100", "name")
    }


@pytest.mark.parametrize("count", [0, 1, 100])
def test_a_listing_of_one_page_is_one_request(count: int) -> None:
    with Sandbox() as asana, client_of(asana) as client:
        organization = asana.organization
        project = organization.add_project(organization.edge_cases["paid_organization"], "Few")
        tasks = [organization.add_task(project, f"Task {at}") for at in range(count)]
        found = list(pages(client, ApiRequest(template="/tasks", params={"project": project})))
        assert [page.count for page in found] == [count]
        assert gids(iter(found)) == tasks
        assert len(asana.log) == 1


def test_pages_are_asked_for_as_they_are_taken(asana: Sandbox, many: Many) -> None:
    with client_of(asana) as client:
        found = pages(client, many.request)
        assert asana.log == []
        next(found)
        assert len(asana.log) == 1


def test_a_page_says_when_the_attempt_that_brought_it_was_made(asana: Sandbox) -> None:
    failed_at: list[dt.datetime] = []

    def strike(_: Asked) -> bool:
        failed_at.append(dt.datetime.now(dt.UTC))
        return True

    asana.add_fault(strike, 503, times=1)
    with client_of(asana) as client:
        [page] = pages(client)
    assert failed_at[0] < page.requested_at <= dt.datetime.now(dt.UTC)


def test_one_object_is_read_as_a_page_of_one(asana: Sandbox, many: Many) -> None:
    request = ApiRequest(template="/tasks/{gid}", values={"gid": many.tasks[0]})
    with client_of(asana) as client:
        page = client.get_record(request, opt_fields="name,completed", usage=RequestStats(), stop=threading.Event())
    assert page.count == 1
    assert json.loads(page.body) == {"data": [{"gid": many.tasks[0], "name": "Task 0", "completed": False}]}
    assert asana.log[0].query == {"opt_fields": "name,completed"}


def test_a_repeated_offset_is_a_contract_error(asana: Sandbox, many: Many) -> None:
    asana.add_fault("/tasks", "repeated_offset")
    with client_of(asana) as client, pytest.raises(ContractError, match=r"^GET /tasks gave one page token twice"):
        list(pages(client, many.request))
    assert len(asana.log) == 2


def test_offsets_that_go_round_in_a_circle_are_a_contract_error() -> None:
    def answer(handler: BaseHTTPRequestHandler) -> None:
        offset = "a" if "offset=b" in handler.path else "b"
        answer_with(200, json.dumps({"data": [], "next_page": {"offset": offset}}).encode())(handler)

    with serving(answer) as small, client_at(small.url) as client:
        with pytest.raises(ContractError):
            list(pages(client))
        assert len(small.requests) == 3


def test_an_expired_offset_restarts_that_listing_alone_and_no_record_is_lost(asana: Sandbox, many: Many) -> None:
    with client_of(asana) as client:
        one, other = pages(client, many.request), pages(client, WORKSPACES)
        seen = gids(iter([next(one)]))
        gids(other)
        asana.expire_offsets()
        seen += gids(one)
    assert Counter(seen) == Counter(many.tasks) + Counter(many.tasks[:100])
    asked = Counter((entry.path, entry.status) for entry in asana.log)
    assert asked == {("/tasks", 200): 4, ("/tasks", 400): 1, ("/workspaces", 200): 1}


def test_an_offset_may_expire_on_any_page_and_more_than_once(asana: Sandbox, many: Many) -> None:
    asana.add_fault("/tasks", "expired_offset", skip=1, times=1)
    asana.add_fault("/tasks", "expired_offset", skip=2, times=1)
    with client_of(asana) as client:
        assert set(gids(pages(client, many.request))) == set(many.tasks)
    assert [entry.status for entry in asana.log].count(400) == 2


def test_offsets_that_are_given_again_after_a_restart_are_no_circle() -> None:
    expired = json.dumps({"errors": [{"message": "offset: Your pagination token has expired."}]}).encode()

    def answer(handler: BaseHTTPRequestHandler) -> None:
        """Three pages, a, b and c; c has expired when it is asked for first."""
        at = handler.path.partition("offset=")[2][:1]
        if at == "c" and len(small.requests) == 3:
            answer_with(400, expired)(handler)
            return
        following = {"": {"offset": "b"}, "b": {"offset": "c"}}.get(at)
        answer_with(200, json.dumps({"data": [{"gid": at}], "next_page": following}).encode())(handler)

    with serving(answer) as small, client_at(small.url) as client:
        assert gids(pages(client)) == ["", "b", "", "b", "c"]


def test_a_listing_whose_offsets_always_expire_ends_with_that_error(asana: Sandbox, many: Many) -> None:
    asana.add_fault("/tasks", "expired_offset")
    with client_of(asana) as client, pytest.raises(OffsetExpiredError):
        list(pages(client, many.request))
    assert len(asana.log) < 20


def test_an_expired_offset_that_was_never_sent_is_not_asked_again(asana: Sandbox) -> None:
    asana.add_fault("*", 400, message="offset: Your pagination token has expired.")
    with client_of(asana) as client, pytest.raises(OffsetExpiredError):
        list(pages(client))
    assert len(asana.log) == 1


# --- permanent failures


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (400, BadRequestError),
        (401, UnauthorizedError),
        (402, PlanLimitError),
        (403, ForbiddenError),
        (404, NotFoundError),
        (412, PermanentError),
        (418, PermanentError),
        (451, PermanentError),
    ],
)
def test_a_permanent_status_is_sent_once(asana: Sandbox, status: int, kind: type[PermanentError]) -> None:
    asana.add_fault("*", status, message="No.")
    with client_of(asana) as client, pytest.raises(PermanentError) as caught:
        list(pages(client))
    assert type(caught.value) is kind
    assert str(caught.value) == f"GET /workspaces answered {status}: No."
    assert len(asana.log) == 1


def test_after_a_401_nothing_more_is_sent_with_that_token(asana: Sandbox, many: Many) -> None:
    asana.add_fault("/workspaces", 401, times=1)
    with client_of(asana) as client:
        with pytest.raises(UnauthorizedError):
            list(pages(client))
        for request in (WORKSPACES, many.request):
            with pytest.raises(UnauthorizedError, match="answered 401: Not Authorized"):
                list(pages(client, request))
    assert len(asana.log) == 1


def test_a_401_is_the_end_of_requests_that_wait_for_their_turn(asana: Sandbox) -> None:
    """The second turn comes half a second after the first: by then the answer is known."""
    asana.add_fault("*", 401)

    def ask(_: int) -> str:
        with pytest.raises(UnauthorizedError) as caught:
            list(pages(client))
        return str(caught.value)

    with client_of(asana, ceiling=2) as client, ThreadPoolExecutor(2) as pool:
        assert set(pool.map(ask, range(2))) == {"GET /workspaces answered 401: Not Authorized"}
    assert len(asana.log) == 1


# --- transient failures


@pytest.mark.parametrize("kind", [*FIRST_ATTEMPT_KINDS, "disconnect"])
def test_a_transient_failure_on_the_way_is_sent_again_and_the_rows_are_right(
    asana: Sandbox, many: Many, kind: FaultKind
) -> None:
    asana.add_fault("/tasks", kind, skip=1, times=2, hang_seconds=20)
    usage = RequestStats()
    with client_of(asana, read_seconds=0.5 if kind == "hang" else 30) as client:
        assert gids(pages(client, many.request, usage=usage)) == many.tasks
    assert sum(entry.fault == str(kind) for entry in asana.log) == 2
    assert len({entry.query.get("offset") for entry in asana.log}) == 3
    if kind != "hang":  # on a busy machine, a good answer may come too late as well
        assert (usage.requests, usage.retries) == (5, 2)


@pytest.mark.parametrize("kind", [*FIRST_ATTEMPT_KINDS, "disconnect"])
def test_a_transient_failure_of_the_very_first_request_is_sent_again(asana: Sandbox, kind: FaultKind) -> None:
    asana.add_fault("*", kind, times=1, hang_seconds=20)
    with client_of(asana, read_seconds=0.5 if kind == "hang" else 30) as client:
        assert len(gids(pages(client))) == len(asana.truth("workspaces"))


@pytest.mark.parametrize(("attempts", "times"), [(1, "once"), (4, "4 times")])
def test_a_request_is_sent_as_often_as_its_budget_of_attempts_allows(asana: Sandbox, attempts: int, times: str) -> None:
    asana.add_fault("*", 503)
    with (
        client_of(asana, retry=RetryPolicy(max_attempts=attempts, max_backoff_seconds=0.01)) as client,
        pytest.raises(TransientError, match=rf"^GET /workspaces failed {times}: Asana answered 503$"),
    ):
        list(pages(client))
    assert len(asana.log) == attempts


def test_each_page_has_a_budget_of_its_own(asana: Sandbox, many: Many) -> None:
    for page in range(3):
        asana.add_fault("/tasks", 503, skip=page, times=2)
    with client_of(asana, retry=RetryPolicy(max_attempts=3, max_backoff_seconds=0.01)) as client:
        assert gids(pages(client, many.request)) == many.tasks


def test_a_budget_of_seconds_ends_the_attempts(asana: Sandbox) -> None:
    asana.add_fault("*", 503)
    retry = RetryPolicy(max_attempts=1_000_000, budget_seconds=0.3, max_backoff_seconds=0.02)
    with client_of(asana, retry=retry) as client, pytest.raises(TransientError, match="Asana answered 503"):
        list(pages(client))
    assert len(asana.log) > 1


def test_a_wait_longer_than_the_budget_is_not_begun_and_is_told(asana: Sandbox) -> None:
    asana.add_fault("*", 429, retry_after=1000)
    began = time.monotonic()
    with (
        client_of(asana, retry=RetryPolicy(budget_seconds=100)) as client,
        pytest.raises(
            TransientError, match=r"^GET /workspaces failed once: Asana answered 429 and asks to wait 1000 s$"
        ),
    ):
        list(pages(client))
    assert time.monotonic() - began < SOON
    assert len(asana.log) == 1


def test_a_wait_that_asana_asks_for_costs_no_attempt(asana: Sandbox) -> None:
    asana.add_fault("*", 429, times=1, retry_after=1)
    with client_of(asana, retry=RetryPolicy(max_attempts=1, attempts_before_first_response=1)) as client:
        assert gids(pages(client))
    assert [entry.status for entry in asana.log] == [429, 200]


def test_a_429_without_retry_after_costs_attempts_and_lowers_the_rate(asana: Sandbox) -> None:
    asana.add_fault("*", 429)
    with client_of(asana, retry=RetryPolicy(max_attempts=3, max_backoff_seconds=0.01)) as client:
        with pytest.raises(TransientError, match=r"failed 3 times: Asana answered 429$"):
            list(pages(client))
        assert client.rate < 1000
    assert len(asana.log) == 3


@pytest.mark.parametrize(("attempts", "times"), [(8, "3 times"), (2, "2 times"), (1, "once")])
def test_where_nobody_ever_answered_fewer_attempts_are_made(attempts: int, times: str) -> None:
    usage = RequestStats()
    with (
        client_at(a_closed_port(), retry=RetryPolicy(max_attempts=attempts, max_backoff_seconds=0.01)) as client,
        pytest.raises(TransientError, match=rf"^GET /workspaces failed {times}: no connection$"),
    ):
        list(pages(client, usage=usage))
    assert usage.requests == min(attempts, 3)


def test_where_somebody_else_answers_fewer_attempts_are_made() -> None:
    with serving(answer_with(200, b"<html>Log in to this network</html>")) as small:
        with client_at(small.url, retry=RetryPolicy(max_backoff_seconds=0.01)) as client, pytest.raises(TransientError):
            list(pages(client))
        assert len(small.requests) == 3


def test_once_asana_answered_every_attempt_is_made(asana: Sandbox) -> None:
    asana.add_fault("*", "disconnect", skip=1)
    with client_of(asana, retry=RetryPolicy(max_attempts=5, max_backoff_seconds=0.01)) as client:
        list(pages(client))
        with pytest.raises(TransientError, match="failed 5 times"):
            list(pages(client))


def test_an_answer_that_is_an_error_shows_that_the_address_is_right(asana: Sandbox) -> None:
    asana.add_fault("*", 500, times=1)
    asana.add_fault("*", "disconnect")
    with (
        client_of(asana, retry=RetryPolicy(max_attempts=5, max_backoff_seconds=0.01)) as client,
        pytest.raises(TransientError, match="failed 5 times"),
    ):
        list(pages(client))


# --- Retry-After


def test_a_429_pauses_every_thread_for_as_long_as_asana_says(asana: Sandbox) -> None:
    """The second turn comes half a second after the first: by then the pause is known."""
    asana.add_fault("*", 429, times=1, retry_after=1)
    with client_of(asana, ceiling=2) as client, ThreadPoolExecutor(2) as pool:
        assert all(pool.map(lambda _: gids(pages(client)), range(2)))
    limited, *later = asana.log
    assert (limited.status, len(later)) == (429, 2)
    assert all(entry.received >= limited.received + 1 for entry in later)


def test_a_429_pauses_until_the_date_that_asana_says(asana: Sandbox) -> None:
    """The date has no fractions: two seconds ahead is more than one."""
    asana.add_fault("*", 429, times=1, retry_after=timedelta(seconds=2))
    with client_of(asana) as client:
        list(pages(client))
    limited, later = asana.log
    assert later.received >= limited.received + 1


# --- how many, how long


def test_no_more_requests_are_on_the_way_than_allowed(many: Many) -> None:
    with (
        Sandbox(organization=many.organization, latency=0.1) as asana,
        client_of(asana, max_in_flight=3) as client,
        ThreadPoolExecutor(12) as pool,
    ):
        assert all(pool.map(lambda _: gids(pages(client)), range(12)))
        assert asana.max_in_flight == 3


def test_a_stop_that_came_before_leaves_everything_unsent(asana: Sandbox) -> None:
    stop = threading.Event()
    stop.set()
    usage = RequestStats()
    with client_of(asana) as client, pytest.raises(CancelledError):
        list(pages(client, usage=usage, stop=stop))
    assert (asana.log, usage.requests) == ([], 0)


def stop_while_waiting(client: Client) -> None:
    """Read, stop while nothing happens, and see that reading ends, long before it would be its turn."""
    stop = threading.Event()
    with ThreadPoolExecutor(1) as pool:
        reading = pool.submit(lambda: list(pages(client, stop=stop)))
        time.sleep(0.3)
        assert not reading.done()
        stop.set()
        began = time.monotonic()
        with pytest.raises(CancelledError, match=r"^GET /workspaces was not sent: stopped$"):
            reading.result()
        assert time.monotonic() - began < SOON


def test_a_stop_ends_the_wait_for_a_turn(asana: Sandbox) -> None:
    with client_of(asana, ceiling=0.01) as client:
        list(pages(client))
        stop_while_waiting(client)
    assert len(asana.log) == 1


def test_a_stop_ends_a_pause(asana: Sandbox) -> None:
    asana.add_fault("*", 429, retry_after=100)
    with client_of(asana) as client:
        stop_while_waiting(client)
    assert len(asana.log) <= 1


def test_a_stop_ends_the_wait_before_another_attempt(asana: Sandbox) -> None:
    stop = threading.Event()

    def strike(_: Asked) -> bool:
        stop.set()
        return True

    asana.add_fault(strike, 503)
    with (
        client_of(asana) as client,
        pytest.raises(CancelledError, match=r"^GET /workspaces was not sent again: stopped"),
    ):
        list(pages(client, stop=stop))
    assert len(asana.log) == 1


@pytest.mark.parametrize("framing", ["length", "chunks", "one chunk"])
def test_a_body_that_drips_is_cut_off_at_the_read_deadline(framing: str) -> None:
    cut_off = threading.Event()

    def drip(handler: BaseHTTPRequestHandler) -> None:
        handler.send_response(200)
        name, value = ("Content-Length", "4096") if framing == "length" else ("Transfer-Encoding", "chunked")
        handler.send_header(name, value)
        handler.end_headers()
        handler.wfile.write(b"1000\r\n" if framing == "one chunk" else b"")
        while not cut_off.wait(0.05):
            handler.wfile.write(b"1\r\n \r\n" if framing == "chunks" else b" ")

    too_late = threading.Timer(SOON, cut_off.set)
    too_late.start()
    with (
        serving(drip) as small,
        client_at(small.url, read_seconds=0.3, retry=RetryPolicy(max_attempts=2, max_backoff_seconds=0.01)) as client,
        pytest.raises(TransientError, match=r"failed 2 times: it was not answered in time$"),
    ):
        list(pages(client))
    too_late.cancel()
    assert not cut_off.is_set()
    cut_off.set()


def test_a_body_shorter_than_announced_is_sent_again() -> None:
    body = b'{"data":[{"gid":"1"}],"next_page":null}'

    def answer(handler: BaseHTTPRequestHandler) -> None:
        """Cut short without a reset, so that only the announced length tells."""
        handler.send_response(200)
        handler.send_header("Content-Length", str(len(body) + (2 if len(small.requests) == 1 else 0)))
        handler.end_headers()
        handler.wfile.write(body)
        handler.close_connection = True

    with serving(answer) as small, client_at(small.url) as client:
        assert gids(pages(client)) == ["1"]
        assert len(small.requests) == 2


def test_one_connection_serves_requests_that_follow_one_another() -> None:
    body = b'{"data":[],"next_page":null}'
    with serving(answer_with(200, body)) as small, client_at(small.url) as client:
        for _ in range(5):
            list(pages(client))
        assert (len(small.requests), small.connections) == (5, 1)


# --- the token


def test_the_token_is_sent_as_asana_wants_it() -> None:
    with serving(answer_with(200, b'{"data":[]}')) as small, client_at(small.url) as client:
        list(pages(client))
    [(_, headers)] = small.requests
    assert headers["Authorization"] == f"Bearer {TOKEN}"


def test_a_redirect_is_not_followed_and_the_token_goes_nowhere_else(asana: Sandbox) -> None:
    with serving(answer_with(302, Location=f"{asana.url}/workspaces")) as small, client_at(small.url) as client:
        with pytest.raises(PermanentError, match=r"^GET /workspaces answered 302$"):
            list(pages(client))
        assert len(small.requests) == 1
    assert asana.log == []


def test_a_netrc_file_does_not_replace_the_token(
    asana: Sandbox, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in (".netrc", "_netrc"):
        (tmp_path / name).write_text("machine 127.0.0.1 login somebody password else\n")
        (tmp_path / name).chmod(0o600)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("NETRC", str(tmp_path / ".netrc"))
    with client_of(asana) as client:
        list(pages(client))
    assert {(entry.status, entry.token) for entry in asana.log} == {(200, "token 1")}


def told(error: BaseException) -> str:
    """Give all that an error says of itself, to whoever prints it."""
    return "\n".join([str(error), repr(error), *traceback.format_exception(error)])


def test_the_token_is_in_no_error_no_repr_and_no_log(many: Many, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    caplog.set_level(logging.DEBUG, logger="urllib3.connectionpool")  # whatever other tests' libraries made of it
    token = "2/1200000000000777/1200000000000778:c0ffee"
    kinds: tuple[FaultKind, ...] = (400, 401, 402, 403, 404, 429, 451, 500, "reset", "disconnect", "garbage", "hang")
    said: list[str] = []

    def read(asana: Sandbox, token: str) -> None:
        client = Client(
            base_url=asana.url,
            token=token,
            throttle=Throttle(ceiling=1000),
            read_timeout_seconds=0.2,
            retry=RetryPolicy(max_attempts=2, max_backoff_seconds=0.01, budget_seconds=1),
        )
        said.extend([repr(client), str(client)])
        with client:
            list(pages(client, many.request))

    def fail(asana: Sandbox, token: str) -> None:
        with pytest.raises(AsanaError) as caught:
            read(asana, token)
        said.append(told(caught.value))

    with Sandbox(organization=many.organization, tokens=(token,)) as asana:
        for kind in kinds:
            asana.add_fault("*", kind, times=2, retry_after=1000 if kind == 429 else None)
            fail(asana, token)
            asana.faults.clear()
        asana.add_fault("*", "repeated_offset")
        fail(asana, token)
        asana.revoke_token()
        fail(asana, token)
    fail(asana, token)  # it is gone now
    fail(asana, f"{token} and more")
    said.extend(f"{record.getMessage()} {record.args} {record.exc_info}" for record in caplog.records)
    assert len(caplog.records) > 5
    assert not [text for text in said if "c0ffee" in text or "1200000000000778" in text]


# --- messages


@pytest.mark.parametrize("kind", [400, 403, 500, "disconnect", "garbage", "reset"])
def test_messages_name_method_template_and_asanas_words_and_no_filled_path(
    asana: Sandbox, many: Many, kind: FaultKind
) -> None:
    asana.add_fault("/projects/{gid}/sections", kind, message="project: That is not yours.")
    request = ApiRequest(template="/projects/{parent}/sections", values={"parent": many.project})
    with (
        client_of(asana, retry=RetryPolicy(max_attempts=2, max_backoff_seconds=0.01)) as client,
        pytest.raises(AsanaError, match=r"^GET /projects/\{parent\}/sections (answered|failed)") as caught,
    ):
        list(pages(client, request))
    assert asana.log[0].path == f"/projects/{many.project}/sections"
    assert many.project not in told(caught.value)
    assert asana.url not in told(caught.value)
    if isinstance(caught.value, PermanentError):
        assert str(caught.value).endswith("project: That is not yours.")
        assert (caught.value.method, caught.value.template) == ("GET", "/projects/{parent}/sections")


# --- what it cost


def test_usage_counts_requests_and_those_sent_again_over_all_threads(asana: Sandbox, many: Many) -> None:
    asana.add_fault("*", 503, times=5)
    usage = RequestStats()
    with client_of(asana, ceiling=200) as client, ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda _: gids(pages(client, many.request, usage=usage)), range(8)))
    assert (usage.requests, usage.retries) == (len(asana.log), 5) == (29, 5)
    assert usage.throttle_wait_seconds > 0


def test_usage_counts_what_fails_for_good(asana: Sandbox) -> None:
    asana.add_fault("*", 404)
    usage = RequestStats()
    with client_of(asana) as client, pytest.raises(NotFoundError):
        list(pages(client, usage=usage))
    assert (usage.requests, usage.retries) == (1, 0)


def test_usage_holds_each_announced_change_once(asana: Sandbox, many: Many) -> None:
    usage = RequestStats()
    with client_of(asana) as client:
        list(pages(client, many.request, usage=usage))
    assert len(usage.deprecation_notices) == 5
    assert all(change.startswith("name=") and change.count("name=") == 1 for change in usage.deprecation_notices)
    assert [change for change in usage.deprecation_notices if change.endswith(";affected=true")] == [
        "name=new_goal_memberships;info=https://forum.asana.com/t/378601;affected=true"
    ]


# --- settings


@pytest.mark.parametrize("token", ["", " ", "a b", "a\nb: c", "a\x00b", "geheim-ä", "1/2:3\r\nX: y"])
def test_a_token_that_is_none_is_refused_before_it_is_sent_and_not_shown(token: str) -> None:
    with pytest.raises(ConfigurationError, match="ASANA_ACCESS_TOKEN") as caught:
        Client(base_url="http://127.0.0.1", token=token, throttle=Throttle(ceiling=1))
    assert not token.strip() or token.strip() not in told(caught.value)


def test_space_around_a_token_is_no_part_of_it(asana: Sandbox) -> None:
    with Client(base_url=asana.url, token=f" {asana.token}\n", throttle=Throttle(ceiling=1000)) as client:
        assert gids(pages(client))


@pytest.mark.parametrize(
    "url",
    [
        "",
        "asana",
        "app.asana.com/api/1.0",
        "//app.asana.com/api/1.0",
        "ftp://app.asana.com",
        "file:///etc/passwd",
        "http://",
        "https:///api/1.0",
        "http://[::1",
        "http://app asana",
        "https://app.asana.com:port",
        "https://app.asana.com:99999",
    ],
)
def test_a_base_url_that_is_none_is_refused_by_its_settings_name(url: str) -> None:
    with pytest.raises(ConfigurationError, match="ASANA_BASE_URL"):
        Client(base_url=url, token=TOKEN, throttle=Throttle(ceiling=1))


def test_a_slash_after_the_base_url_makes_no_difference() -> None:
    with serving(answer_with(200, b'{"data":[]}')) as small, client_at(f"{small.url}/") as client:
        list(pages(client))
    [(path, _)] = small.requests
    assert path == "/api/1.0/workspaces?opt_fields=name&limit=100"


@pytest.mark.parametrize("count", [-1, 0, 51, 1000])
def test_more_on_the_way_than_asana_allows_is_refused_by_its_settings_name(asana: Sandbox, count: int) -> None:
    with pytest.raises(ConfigurationError, match=f"ASANA_MAX_IN_FLIGHT is {count}, but must be from 1 to 50"):
        client_of(asana, max_in_flight=count)


@pytest.mark.parametrize("count", [1, 50])
def test_as_many_on_the_way_as_asana_allows_are_accepted(asana: Sandbox, count: int) -> None:
    with client_of(asana, max_in_flight=count) as client:
        assert client.max_in_flight == count
