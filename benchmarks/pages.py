"""A server that costs next to nothing: one workspace whose projects hold as many tasks as wanted, page by page.

The sandbox is faithful and therefore slow; where the client's own cost is measured, this takes its place. The records
are the sandbox's, field by field as the asset `tasks` asks for them. Each page gets gids, numbers and instants of its
own, each task a few stories, and what else can be asked (workspaces, projects, users) is one fixed answer. There are
no errors, no limits, no latency.
"""

import argparse
import asyncio
import json
import random
import re
import sys
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Final, cast
from urllib.parse import parse_qsl

import requests

from asana_assets.asana.endpoints import PROJECTS, STORIES, TASKS, USERS, WORKSPACES
from asana_assets.asana.model import Endpoint
from asana_assets.sandbox import Sandbox
from asana_assets.sandbox.data.scale import resolve_scale

PAGE: Final = 100
STORIES_OF_TASK: Final = 4
WORKSPACE: Final = b"1200000000000001"
PREFIX: Final = "/api/1.0"

FIRST_PROJECT: Final = 1_201_000_000_000_000
_FIRST_TASK = 1_300_000_000_000_000
_INSTANTS = 9_973  # a prime, so that no page has those of another
_NO_ROWS = b'{"data":[],"next_page":null}'
_HTTP = (
    b"HTTP/1.1 200 OK\r\ncontent-type: application/json; charset=UTF-8\r\n"
    # Asana sends its announcements with every answer, and reading them costs the client something.
    b"%bx-asana-api-version: 1.1\r\ncontent-length: %d\r\n\r\n%b"
)

# What differs between records of one shape, in the order of its place in a record.
_SLOTS = re.compile(
    rb'(?<=^\{"gid":")\d+|(?<="name":"Task )\d+(?=","resource_subtype":"\w+","created_by")|(?<="created_at":")[^"]+'
    rb'|(?<="project":\{"gid":")\d+|(?<="section":\{"gid":")\d+|(?<="modified_at":")[^"]+'
    rb'|(?<="projects":\[\{"gid":")\d+|(?<=/task/)\d+(?=","parent":)'
)
_SLOTS_PER_RECORD = 8
_FIRST_GID = re.compile(rb'(?<=^\{"gid":")\d+')


@dataclass(frozen=True, slots=True, kw_only=True)
class Shape:
    """What the sandbox answers, as patterns: `page` with places for the slots of its records, `stories` for gids."""

    workspaces: bytes
    project: bytes
    users: bytes
    page: bytes
    stories: bytes
    headers: bytes


def learn(scale: str) -> Shape:
    """Ask a sandbox for the records that the assets ask for."""
    with Sandbox(resolve_scale(scale, generated_tasks=PAGE, small_workspaces=False)) as sandbox:

        def ask(path: str, endpoint: Endpoint, **params: str) -> requests.Response:
            wanted = {"limit": str(PAGE), "opt_fields": endpoint.opt_fields, **params}
            bearer = {"Authorization": f"Bearer {sandbox.token}"}
            return requests.get(sandbox.url + path, params=wanted, headers=bearer, timeout=30)

        workspaces = ask("/workspaces", WORKSPACES)
        workspace = str(workspaces.json()["data"][0]["gid"])
        projects = ask("/projects", PROJECTS, workspace=workspace)
        project = next(one for one in projects.json()["data"] if one["name"] == "Bulk")
        tasks = ask("/tasks", TASKS, project=str(project["gid"]))
        told = sandbox.truth(STORIES.name, workspace)[:STORIES_OF_TASK]
        stories = [ask(f"/stories/{story['gid']}", STORIES).json()["data"] for story in told]
        users = ask("/users", USERS, workspace=workspace)
    announced = ", ".join(dict.fromkeys(str(tasks.headers["asana-change"]).split(", ")))
    headers = b"".join(b"asana-change: %b\r\n" % one.encode() for one in announced.split(", "))
    own = workspace.encode()
    return Shape(
        workspaces=workspaces.content.replace(own, WORKSPACE),
        project=_dump(project)
        .replace(own, WORKSPACE)
        .replace(b"%", b"%%")
        .replace(str(project["gid"]).encode(), b"%d"),
        users=users.content.replace(own, WORKSPACE),
        stories=b",".join(_FIRST_GID.sub(b"%d", _dump(story).replace(b"%", b"%%")) for story in stories),
        page=b",".join(_pattern(_dump(task).replace(own, WORKSPACE)) for task in tasks.json()["data"]),
        headers=headers * 2,
    )


def _dump(record: object) -> bytes:
    return json.dumps(record, separators=(",", ":"), ensure_ascii=False).encode()


def _pattern(record: bytes) -> bytes:
    pattern, found = _SLOTS.subn(b"%b", record.replace(b"%", b"%%"))
    if found != _SLOTS_PER_RECORD:
        raise RuntimeError(f"a task of the sandbox has changed its shape: {found} of {_SLOTS_PER_RECORD} slots in it")
    return pattern


class Pages:
    """The answers, by path and query."""

    def __init__(self, shape: Shape, *, projects: int, pages: int) -> None:
        """`projects` with so many full pages each."""
        self._shape = shape
        self._pages = pages
        instants = random.Random(1)  # noqa: S311 # no secret
        began = datetime(2024, 1, 1, tzinfo=UTC)
        self._instants = [
            (began + timedelta(milliseconds=instants.randrange(10**11)))
            .isoformat(timespec="milliseconds")
            .replace("+00:00", "Z")
            .encode()
            for _ in range(_INSTANTS)
        ]
        listed: list[bytes] = []
        for number in range(projects):
            gid = FIRST_PROJECT + number
            listed.append(shape.project % ((gid,) * shape.project.count(b"%d")))
        self._projects = [listed[start : start + PAGE] for start in range(0, projects, PAGE)]

    def answer(self, target: str) -> bytes:
        """Give the whole response to a GET, its head included."""
        path, _, query = target.partition("?")
        params = dict(parse_qsl(query))
        # An offset is as long as Asana's; the number of the page leads it.
        page = int(params["offset"][:8]) if "offset" in params else 0
        match path.removeprefix(PREFIX):
            case "/workspaces":
                body = self._shape.workspaces
            case "/users":
                body = self._shape.users
            case "/projects":
                body = _page(b",".join(self._projects[page]), page + 1, len(self._projects), target)
            case "/tasks" if "project" in params:
                body = _page(self._tasks(int(params["project"]), page), page + 1, self._pages, target)
            case "/tasks":
                body = _NO_ROWS  # of no project, by assignee
            case asked if asked.endswith("/stories"):
                number = int(asked.split("/")[2]) * STORIES_OF_TASK
                gids = range(number, number + STORIES_OF_TASK)
                body = b'{"data":[%b],"next_page":null}' % (self._shape.stories % tuple(gids))
            case _:
                raise RuntimeError(f"nobody was expected to ask for {path}")
        return _HTTP % (self._shape.headers, len(body), body)

    def _tasks(self, project: int, page: int) -> bytes:
        first = ((project - FIRST_PROJECT) * self._pages + page) * PAGE
        own, instants, count = b"%d" % project, self._instants, _INSTANTS
        values: list[bytes] = []
        for number in range(first, first + PAGE):
            gid = b"%d" % (_FIRST_TASK + number)
            created, modified = instants[number % count], instants[number * 7 % count]
            values += (gid, b"%d" % number, created, own, own, modified, own, gid)
        return self._shape.page % tuple(values)


def _page(records: bytes, following: int, pages: int, target: str) -> bytes:
    if following >= pages:
        return b'{"data":[%b],"next_page":null}' % records
    offset = f"{following:08}{'eyJ0eXAiOiJKV1QiLCJhbGciOiJIUzI1NiJ9' * 8}"
    path = f"{re.sub('&offset=[^&]*', '', target)}&offset={offset}"
    following_page = _dump({"offset": offset, "path": path, "uri": f"https://app.asana.com{path}"})
    return b'{"data":[%b],"next_page":%b}' % (records, following_page)


class _Connection(asyncio.Protocol):
    """HTTP/1.1 with keep-alive, as far as a GET without a body needs it."""

    def __init__(self, pages: Pages) -> None:
        self._pages = pages
        self._received = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)

    def data_received(self, data: bytes) -> None:
        self._received += data
        while (end := self._received.find(b"\r\n\r\n")) >= 0:
            head, self._received = self._received[:end], self._received[end + 4 :]
            self._transport.write(self._pages.answer(head.split(b" ", 2)[1].decode("ascii")))


async def _serve(pages: Pages) -> None:
    server = await asyncio.get_running_loop().create_server(partial(_Connection, pages), "127.0.0.1", 0)
    host, port = server.sockets[0].getsockname()[:2]
    print(f"http://{host}:{port}{PREFIX}", flush=True)  # noqa: T201 # to who started this
    # Whoever started this holds the other end of the pipe: it ends with them, however they end.
    await asyncio.get_running_loop().run_in_executor(None, sys.stdin.read)


def main() -> None:
    """Serve until standard input ends; the first line of output is the base URL."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.pages", description=main.__doc__)
    parser.add_argument("--scale", default="reference", help="of the sandbox that the records are learnt from")
    parser.add_argument("--projects", type=int, default=50)
    parser.add_argument("--pages", type=int, default=40, help="of 100 tasks, in each project")
    given = parser.parse_args()
    asyncio.run(_serve(Pages(learn(given.scale), projects=given.projects, pages=given.pages)))


if __name__ == "__main__":
    main()
