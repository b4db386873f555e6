"""Asana's error messages, as observed, and the envelope they are sent in."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from asana_assets.sandbox.data.model import JSON

_SERVER_ERROR_STATUS = 500
_HELP = (
    "For more information on API status codes and how to handle them, "
    "read the docs on errors: https://developers.asana.com/docs/errors"
)
RESULT_TOO_LARGE = "The result is too large. You should use pagination (may require specifying a workspace)!"
RESULT_TRUNCATED = (
    "The result was truncated because it is too large. Please use filters to reduce the number of results."
)
OFFSET_EXPIRED = "offset: Your pagination token has expired."
OFFSET_INVALID = "offset: Your pagination token is invalid."
NO_MATCHING_ROUTE = "No matching route for request"
NOT_AUTHORIZED = "Not Authorized"
EXACTLY_ONE_FILTER = "Must specify exactly one of project, tag, section, user task list, or assignee + workspace"
RATE_LIMITED = "You've made too many requests and hit a rate limit. Please retry after the given amount of time."
SEARCH_NOT_ON_PLAN = "Search is only available to premium users."
TIME_TRACKING_NOT_ON_PLAN = "Time Tracking is not available for free users."  # not observed
AUDIT_LOG_FOR_SERVICE_ACCOUNTS = "Only service accounts can access the audit log."  # not observed
NO_DATE_OF_ENTRIES = (  # as documented
    "At least one of entered_on_start_date or entered_on_end_date must be provided when filtering by workspace."
)
DEFAULT_MESSAGES = {
    400: "Bad Request",
    401: NOT_AUTHORIZED,
    402: "Payment Required",
    403: "Forbidden",
    404: "Not Found",
    405: "Method Not Allowed",
    406: "Not Acceptable",
    408: "Request Timeout",
    409: "Conflict",
    410: "Gone",
    412: "Precondition Failed",
    413: "Payload Too Large",
    414: "URI Too Long",
    422: "Unprocessable Content",
    424: "Failed Dependency",
    429: RATE_LIMITED,
    451: "Unavailable For Legal Reasons",
    500: "Server Error",
    502: "Bad Gateway",
    503: "Service Unavailable",
    504: "Gateway Timeout",
    507: "Insufficient Storage",
    520: "Web Server Returned an Unknown Error",
    521: "Web Server Is Down",
    522: "Connection Timed Out",
    523: "Origin Is Unreachable",
    524: "A Timeout Occurred",
    529: "Site Is Overloaded",
    598: "Network Read Timeout Error",
}
"""Messages by status, for errors without one of their own."""


class ApiError(Exception):
    """An error response. `wait_seconds` becomes the `Retry-After` header."""

    def __init__(self, status: int, message: str, *, wait_seconds: int | None = None) -> None:
        super().__init__(message)
        self.status = status
        self.message = message
        self.wait_seconds = wait_seconds


def error_body(status: int, message: str) -> JSON:
    """Build the error envelope.

    As in recorded responses, a 500 has a phrase, most others have a help text, and some have neither.
    """
    if status == _SERVER_ERROR_STATUS:
        return {"errors": [{"message": message, "phrase": "6 sad squid snuggle softly"}]}
    if status in {403, 429} or message in {OFFSET_EXPIRED, OFFSET_INVALID, EXACTLY_ONE_FILTER}:
        return {"errors": [{"message": message}]}
    return {"errors": [{"message": message, "help": _HELP}]}


def not_on_plan(feature: str) -> str:
    """Return the message of a 402 for a feature that the plan lacks."""
    return f"{feature} are not available for free users."


def not_found(label: str, gid: str) -> ApiError:
    return ApiError(404, f"{label}: Not a recognized ID: {gid}")


def forbidden(label: str) -> ApiError:
    return ApiError(403, f"You do not have access to this {label}.")
