"""Shared by the tests of the client: clients with short retries, and helpers that read their pages and errors."""

import json
import threading
import traceback
from collections.abc import Iterator
from dataclasses import dataclass
from urllib.parse import parse_qsl, urlsplit

from asana_assets.asana.client import ApiRequest, Client, Page
from asana_assets.asana.errors import (
    BadRequestError,
    ForbiddenError,
    NotFoundError,
    PermanentError,
    PlanLimitError,
    UnauthorizedError,
)
from asana_assets.asana.request_stats import RequestStats
from asana_assets.asana.retry_policy import RetryPolicy
from asana_assets.asana.throttle import Throttle
from asana_assets.asana.transport import Transport
from asana_assets.sandbox import Organization, Sandbox

TOKEN = "2/1200/777:0123abcd"
WORKSPACES = ApiRequest(template="/workspaces")
SHORT_BACKOFF = RetryPolicy(max_backoff_seconds=0.05)
PERMANENT_STATUSES = [
    (400, BadRequestError),
    (401, UnauthorizedError),
    (402, PlanLimitError),
    (403, ForbiddenError),
    (404, NotFoundError),
    (412, PermanentError),
    (418, PermanentError),
    (409, PermanentError),
    (410, NotFoundError),
    (422, PermanentError),
    (451, ForbiddenError),
]
"""Statuses that are never retried, with the classes of their errors."""
SOON_SECONDS = 5.0
"""Time limit for what must not wait: far below the wait that a test rules out, and generous for a busy machine."""


@dataclass(frozen=True, slots=True)
class LargeProject:
    """An organization with a project of 250 tasks, which is three pages."""

    organization: Organization
    gid: str
    task_gids: list[str]

    @property
    def request(self) -> ApiRequest:
        """The request for the project's tasks."""
        return ApiRequest(template="/tasks", params={"project": self.gid})


def client_of(
    sandbox: Sandbox,
    *,
    retry: RetryPolicy = SHORT_BACKOFF,
    ceiling: float = 1000,
    max_in_flight: int = 40,
    read_timeout_seconds: float = 30,
) -> Client:
    transport = Transport(
        base_url=sandbox.url,
        token=sandbox.token,
        max_in_flight=max_in_flight,
        read_timeout_seconds=read_timeout_seconds,
    )
    return Client(transport=transport, throttle=Throttle(ceiling=ceiling), retry=retry)


def client_at(
    url: str, *, token: str = TOKEN, retry: RetryPolicy = SHORT_BACKOFF, read_timeout_seconds: float = 30
) -> Client:
    transport = Transport(base_url=url, token=token, read_timeout_seconds=read_timeout_seconds)
    return Client(transport=transport, throttle=Throttle(ceiling=1000), retry=retry)


def pages(
    client: Client,
    request: ApiRequest = WORKSPACES,
    *,
    stats: RequestStats | None = None,
    stop: threading.Event | None = None,
) -> Iterator[Page]:
    return client.iter_pages(request, opt_fields="name", stats=stats or RequestStats(), stop=stop or threading.Event())


def gids(fetched: Iterator[Page]) -> list[str]:
    return [record["gid"] for page in fetched for record in json.loads(page.body)["data"]]


def page_body(*gids: str, offset: str | None = None) -> bytes:
    """Return the body of a page of records that have only a gid."""
    next_page = offset if offset is None else {"offset": offset}
    return json.dumps({"data": [{"gid": gid} for gid in gids], "next_page": next_page}).encode()


def error_body(message: str) -> bytes:
    return json.dumps({"errors": [{"message": message}]}).encode()


def query_of(path: str) -> dict[str, str]:
    """Return the query parameters of a request."""
    return dict(parse_qsl(urlsplit(path).query))


def error_texts(error: BaseException) -> str:
    """Return everything that printing or logging the error could show."""
    return "\n".join([str(error), repr(error), *traceback.format_exception(error)])
