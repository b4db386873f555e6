"""A response, and the headers that Asana sends."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import timedelta
from email.utils import formatdate
from typing import TypeAlias

import msgspec

from asana_assets.sandbox.api.errors import error_body

Header: TypeAlias = tuple[bytes, bytes]
RetryAfter: TypeAlias = float | str | timedelta | None
"""The `Retry-After` header: seconds, literal text, an HTTP date this far in the future, or no header."""

_JSON: Header = (b"content-type", b"application/json; charset=UTF-8")
_FORUM = "https://forum.asana.com/t"
_DEPRECATIONS = (
    f"name=new_user_task_lists;info={_FORUM}/103828",
    f"name=cross_workspace_deprecation;info={_FORUM}/1031581",
    f"name=new_goal_memberships;info={_FORUM}/378601;affected=true",
    f"name=teamless_projects;info={_FORUM}/929205",
    f"name=goal_sals_api;info={_FORUM}/1089758",
)
_OK_HEADERS: list[Header] = [
    _JSON,
    # Recorded responses have each announcement twice.
    *((b"asana-change", announcement.encode()) for announcement in (*_DEPRECATIONS, *_DEPRECATIONS)),
    (b"x-asana-api-version", b"1.1"),
]


@dataclass(frozen=True, slots=True, kw_only=True)
class Response:
    status: int
    body: bytes
    headers: list[Header]


def ok_response(body: bytes) -> Response:
    return Response(status=200, body=body, headers=_OK_HEADERS)


def error_response(status: int, message: str, retry_after: float | str | None = None) -> Response:
    body = msgspec.json.encode(error_body(status, message))
    headers = [_JSON] if retry_after is None else [_JSON, (b"retry-after", str(retry_after).encode())]
    return Response(status=status, body=body, headers=headers)


def with_headers(response: Response, headers: Mapping[str, str]) -> Response:
    """Return the response with these headers instead of those of the same name."""
    added = [(name.lower().encode(), value.encode()) for name, value in headers.items()]
    names = {name for name, _ in added}
    return replace(response, headers=[*(header for header in response.headers if header[0] not in names), *added])


def http_date(seconds: float) -> str:
    """Format an instant of the Unix epoch as in the headers `Date` and `Retry-After`."""
    return formatdate(seconds, usegmt=True)
