"""The sentences Asana says when it does not answer, as observed, and the envelope they come in."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from asana_assets.sandbox.model import JSON

HELP = (
    "For more information on API status codes and how to handle them, "
    "read the docs on errors: https://developers.asana.com/docs/errors"
)
TOO_LARGE = "The result is too large. You should use pagination (may require specifying a workspace)!"
EXPIRED = "offset: Your pagination token has expired."
INVALID = "offset: Your pagination token is invalid."
NO_ROUTE = "No matching route for request"
NOT_AUTHORIZED = "Not Authorized"
ONE_FILTER = "Must specify exactly one of project, tag, section, user task list, or assignee + workspace"
RATE_LIMITED = "You've made too many requests and hit a rate limit. Please retry after the given amount of time."
SEARCH_IS_PAID = "Search is only available to premium users."
TEMPLATES_ARE_PAID = "Project Templates are not available for free users."
SERVER_ERROR = "Server Error"
MESSAGES = {
    400: "Bad Request",
    401: NOT_AUTHORIZED,
    402: "Payment Required",
    403: "Forbidden",
    404: "Not Found",
    412: "Precondition Failed",
    429: RATE_LIMITED,
    451: "Unavailable For Legal Reasons",
    500: SERVER_ERROR,
    502: "Bad Gateway",
    503: "Service Unavailable",
    504: "Gateway Timeout",
}


class ApiError(Exception):
    """An answer that is an error. `wait_seconds` becomes `Retry-After`."""

    def __init__(self, status: int, message: str, *, wait_seconds: int | None = None) -> None:
        super().__init__(message)
        self.status = status
        self.message = message
        self.wait_seconds = wait_seconds


def error_body(status: int, message: str) -> JSON:
    """The errors envelope; a phrase on 500s, help elsewhere, neither where recordings have neither."""
    if status == 500:  # noqa: PLR2004
        return {"errors": [{"message": message, "phrase": "6 sad squid snuggle softly"}]}
    if status in {403, 429} or message in {EXPIRED, INVALID, ONE_FILTER}:
        return {"errors": [{"message": message}]}
    return {"errors": [{"message": message, "help": HELP}]}


def unknown(label: str, gid: str) -> ApiError:
    return ApiError(404, f"{label}: Not a recognized ID: {gid}")


def no_access(label: str) -> ApiError:
    return ApiError(403, f"You do not have access to this {label}.")
