"""A server of task search that may sort wrongly, ignore parameters or hold malformed records."""

import datetime as dt
import json
from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from asana_assets_tests.support.scripted_server import respond_with, serve

Record = dict[str, Any]
Arrange = Callable[[list[Record]], list[Record]]
MILLISECOND = dt.timedelta(milliseconds=1)


@dataclass(slots=True, kw_only=True)
class SearchServer:
    """What the server holds and how it misbehaves.

    Attributes:
        records: The records, each with `gid`, `modified_at` and `created_at`.
        arrange: Called with the matching records, sorted as requested; returns them in the order to send.
        ignored: Parameters that have no effect.
        requests: The query of each request.
        url: Base URL.
    """

    records: Sequence[Record]
    arrange: Arrange = lambda records: records
    ignored: frozenset[str] = frozenset()
    requests: list[dict[str, str]] = field(default_factory=list[dict[str, str]])
    url: str = ""

    def respond(self, handler: BaseHTTPRequestHandler) -> None:
        """Respond to one search."""
        query = dict(parse_qsl(urlsplit(handler.path).query))
        self.requests.append(query)
        found = sorted(
            (record for record in self.records if self._matches(record, query)),
            key=lambda record: (record[query["sort_by"]], record["gid"]),
        )
        body = json.dumps({"data": self.arrange(found)[: int(query["limit"])]}).encode()
        respond_with(200, body)(handler)

    def _matches(self, record: Record, query: dict[str, str]) -> bool:
        for name, bound in query.items():
            key, _, side = name.partition(".")
            if name in self.ignored or side not in {"before", "after"}:
                continue
            if not (record[key] > bound if side == "after" else record[key] < bound):
                return False
        return True

    @contextmanager
    def running(self) -> Generator["SearchServer"]:
        """Run the server."""
        with serve(self.respond) as server:
            self.url = server.url
            yield self


def build_records(modified_at: Sequence[dt.datetime], created_at: Sequence[dt.datetime] | None = None) -> list[Record]:
    """Build a record for each time of modification; by default it was created at the same time."""
    created = created_at or modified_at
    return [
        {"gid": str(1000 + index), "modified_at": _format(modified), "created_at": _format(created[index])}
        for index, modified in enumerate(modified_at)
    ]


def _format(instant: dt.datetime) -> str:
    return instant.isoformat(timespec="milliseconds").replace("+00:00", "Z")
