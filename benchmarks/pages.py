"""A server that costs next to nothing: one workspace whose projects hold any number of tasks.

The sandbox is faithful and therefore slow; this server replaces it where the client's own cost is measured. Its records
are those of the sandbox, with the fields that the assets request. Each page has its own gids, numbers and instants, and
each task has a few stories. Workspaces, projects and users are constant responses. There are no errors, no limits and
no latency.
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
from asana_assets.sandbox.data.ordinary_work import GENERATED_PROJECT
from asana_assets.sandbox.data.scale import resolve_scale

PAGE_SIZE: Final = 100
"""Records per page."""
STORIES_PER_TASK: Final = 4
"""Stories of each task."""
WORKSPACE: Final = b"1200000000000001"
"""Gid of the only workspace."""
PREFIX: Final = "/api/1.0"
"""Prefix of every path."""
FIRST_PROJECT: Final = 1_201_000_000_000_000
"""Gid of the first project; the others follow."""

_FIRST_TASK = 1_300_000_000_000_000
_INSTANT_COUNT = 9_973  # a prime, so that no two pages have the same instants
_EMPTY_PAGE = b'{"data":[],"next_page":null}'
_HTTP = (
    b"HTTP/1.1 200 OK\r\ncontent-type: application/json; charset=UTF-8\r\n"
    # Asana sends its announcements with every response, and parsing them has a cost.
    b"%bx-asana-api-version: 1.1\r\ncontent-length: %d\r\n\r\n%b"
)

# What differs between the tasks of a page, in the order of its position in a record.
_SLOTS = re.compile(
    rb'(?<=^\{"gid":")\d+|(?<="name":"Task )\d+(?=","resource_subtype":"\w+","created_by")|(?<="created_at":")[^"]+'
    rb'|(?<="project":\{"gid":")\d+|(?<="section":\{"gid":")\d+|(?<="modified_at":")[^"]+'
    rb'|(?<="projects":\[\{"gid":")\d+|(?<=/task/)\d+(?=","parent":)'
)
_SLOTS_PER_RECORD = 8
_FIRST_GID = re.compile(rb'(?<=^\{"gid":")\d+')


@dataclass(frozen=True, slots=True, kw_only=True)
class Templates:
    """The sandbox's responses, as byte strings with `%` placeholders.

    Attributes:
        workspaces: A whole response.
        project: A record, with a placeholder for each occurrence of its gid.
        users: A whole response.
        page: The records of a page of tasks, with placeholders for all slots.
        stories: The records of a task's stories, with placeholders for their gids.
        headers: The announcements that are sent with every response.
    """

    workspaces: bytes
    project: bytes
    users: bytes
    page: bytes
    stories: bytes
    headers: bytes


def fetch_templates(scale: str) -> Templates:
    """Fetch the templates from a sandbox, with the requests that the assets send."""
    with Sandbox(resolve_scale(scale, generated_tasks=PAGE_SIZE, small_workspaces=False)) as sandbox:

        def fetch(path: str, endpoint: Endpoint, **params: str) -> requests.Response:
            query = {"limit": str(PAGE_SIZE), "opt_fields": endpoint.opt_fields, **params}
            headers = {"Authorization": f"Bearer {sandbox.token}"}
            return requests.get(sandbox.url + path, params=query, headers=headers, timeout=30)

        workspaces = fetch("/workspaces", WORKSPACES)
        workspace = str(workspaces.json()["data"][0]["gid"])
        projects = fetch("/projects", PROJECTS, workspace=workspace)
        project = next(one for one in projects.json()["data"] if one["name"] == GENERATED_PROJECT)
        tasks = fetch("/tasks", TASKS, project=str(project["gid"]))
        expected_stories = sandbox.truth(STORIES.name, workspace)[:STORIES_PER_TASK]
        stories = [fetch(f"/stories/{story['gid']}", STORIES).json()["data"] for story in expected_stories]
        users = fetch("/users", USERS, workspace=workspace)
    announcements = dict.fromkeys(str(tasks.headers["asana-change"]).split(", "))
    headers = b"".join(b"asana-change: %b\r\n" % announcement.encode() for announcement in announcements)
    sandbox_gid = workspace.encode()
    return Templates(
        workspaces=workspaces.content.replace(sandbox_gid, WORKSPACE),
        project=_dump(project)
        .replace(sandbox_gid, WORKSPACE)
        .replace(b"%", b"%%")
        .replace(str(project["gid"]).encode(), b"%d"),
        users=users.content.replace(sandbox_gid, WORKSPACE),
        stories=b",".join(_FIRST_GID.sub(b"%d", _dump(story).replace(b"%", b"%%")) for story in stories),
        page=b",".join(_task_template(_dump(task).replace(sandbox_gid, WORKSPACE)) for task in tasks.json()["data"]),
        headers=headers * 2,  # Asana sends each announcement twice
    )


def _dump(record: object) -> bytes:
    return json.dumps(record, separators=(",", ":"), ensure_ascii=False).encode()


def _task_template(record: bytes) -> bytes:
    template, slots = _SLOTS.subn(b"%b", record.replace(b"%", b"%%"))
    if slots != _SLOTS_PER_RECORD:
        raise RuntimeError(f"a task of the sandbox has {slots} slots instead of {_SLOTS_PER_RECORD}; update _SLOTS")
    return template


class Pages:
    """Builds responses from the templates.

    Args:
        templates: The templates.
        projects: Number of projects.
        pages: Number of full pages of tasks in each project.
    """

    def __init__(self, templates: Templates, *, projects: int, pages: int) -> None:
        self._templates = templates
        self._pages = pages
        random_offsets = random.Random(1)  # noqa: S311 - not a secret
        first_instant = datetime(2024, 1, 1, tzinfo=UTC)
        self._instants = [
            (first_instant + timedelta(milliseconds=random_offsets.randrange(10**11)))
            .isoformat(timespec="milliseconds")
            .replace("+00:00", "Z")
            .encode()
            for _ in range(_INSTANT_COUNT)
        ]
        records: list[bytes] = []
        for number in range(projects):
            gid = FIRST_PROJECT + number
            records.append(templates.project % ((gid,) * templates.project.count(b"%d")))
        self._projects = [records[start : start + PAGE_SIZE] for start in range(0, projects, PAGE_SIZE)]

    def respond(self, target: str) -> bytes:
        """Return the whole response to a GET, including its head."""
        path, _, query = target.partition("?")
        params = dict(parse_qsl(query))
        # An offset is as long as one of Asana's and starts with the page number.
        page = int(params["offset"][:8]) if "offset" in params else 0
        match path.removeprefix(PREFIX):
            case "/workspaces":
                body = self._templates.workspaces
            case "/users":
                body = self._templates.users
            case "/projects":
                body = _page(b",".join(self._projects[page]), page + 1, len(self._projects), target)
            case "/tasks" if "project" in params:
                body = _page(self.tasks(int(params["project"]), page), page + 1, self._pages, target)
            case "/tasks":
                body = _EMPTY_PAGE  # by assignee: no task has one
            case stories_path if stories_path.endswith("/stories"):
                body = b'{"data":[%b],"next_page":null}' % self.stories(int(stories_path.split("/")[2]))
            case _:
                raise RuntimeError(f"unexpected request for {path}")
        return _HTTP % (self._templates.headers, len(body), body)

    def tasks(self, project: int, page: int) -> bytes:
        """Return the records of one page of a project's tasks."""
        first = ((project - FIRST_PROJECT) * self._pages + page) * PAGE_SIZE
        project_gid, instants, count = b"%d" % project, self._instants, _INSTANT_COUNT
        values: list[bytes] = []
        for number in range(first, first + PAGE_SIZE):
            gid = b"%d" % (_FIRST_TASK + number)
            created, modified = instants[number % count], instants[number * 7 % count]
            values += (gid, b"%d" % number, created, project_gid, project_gid, modified, project_gid, gid)
        return self._templates.page % tuple(values)

    def stories(self, task: int) -> bytes:
        """Return the records of a task's stories."""
        first = task * STORIES_PER_TASK
        return self._templates.stories % tuple(range(first, first + STORIES_PER_TASK))


def _page(records: bytes, next_number: int, pages: int, target: str) -> bytes:
    if next_number >= pages:
        return b'{"data":[%b],"next_page":null}' % records
    offset = f"{next_number:08}{'eyJ0eXAiOiJKV1QiLCJhbGciOiJIUzI1NiJ9' * 8}"
    path = f"{re.sub('&offset=[^&]*', '', target)}&offset={offset}"
    next_page = _dump({"offset": offset, "path": path, "uri": f"https://app.asana.com{path}"})
    return b'{"data":[%b],"next_page":%b}' % (records, next_page)


class _Connection(asyncio.Protocol):
    """HTTP/1.1 with keep-alive, for GET requests without a body."""

    def __init__(self, pages: Pages) -> None:
        self._pages = pages
        self._received = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)

    def data_received(self, data: bytes) -> None:
        self._received += data
        while (end := self._received.find(b"\r\n\r\n")) >= 0:
            head, self._received = self._received[:end], self._received[end + 4 :]
            self._transport.write(self._pages.respond(head.split(b" ", 2)[1].decode("ascii")))


async def _serve(pages: Pages) -> None:
    server = await asyncio.get_running_loop().create_server(partial(_Connection, pages), "127.0.0.1", 0)
    host, port = server.sockets[0].getsockname()[:2]
    print(f"http://{host}:{port}{PREFIX}", flush=True)  # noqa: T201 - read by the parent process
    # The parent process holds the other end of the pipe, so that the server ends with it in any case.
    await asyncio.get_running_loop().run_in_executor(None, sys.stdin.read)


def main() -> None:
    """Serve until standard input is closed. The first line of output is the base URL."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.pages", description=main.__doc__)
    parser.add_argument(
        "--scale",
        default="reference",
        help="Scale of the sandbox whose records serve as templates. Default: %(default)s.",
    )
    parser.add_argument("--projects", type=int, default=50, help="Number of projects. Default: %(default)s.")
    parser.add_argument(
        "--pages", type=int, default=40, help="Pages of 100 tasks in each project. Default: %(default)s."
    )
    options = parser.parse_args()
    templates = fetch_templates(options.scale)
    asyncio.run(_serve(Pages(templates, projects=options.projects, pages=options.pages)))


if __name__ == "__main__":
    main()
