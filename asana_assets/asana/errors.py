"""Errors of the Asana API, classified by what the caller can do about them.

    AsanaError
    ├── ConfigurationError          configuration: a setting is missing or invalid; no request was sent with it
    ├── TransientError              transient: the retry budget is spent; a later run may succeed
    ├── PermanentError              permanent: sending the same request again would not help
    │   ├── RedirectError           3xx: not the API; the base URL is wrong, or a proxy intervened
    │   ├── BadRequestError         400
    │   │   └── OffsetExpiredError  400 for an offset older than 15 minutes: the listing must restart
    │   ├── UnauthorizedError       401, for every request with this token
    │   ├── PlanLimitError          402, not included in the workspace's plan
    │   ├── ForbiddenError          403, no access; 451, no access for legal reasons
    │   └── NotFoundError           404 and 410, deleted or never visible to the token
    ├── TruncatedListingError       truncated: the pages before it are valid, but the rest of the listing is refused
    ├── ContractError               contract: a 200 that breaks the protocol; its records cannot be trusted
    └── CancelledError              the caller cancelled the request

Every other 4xx except 408 and 429 is a plain `PermanentError`. All remaining statuses are transient: 408, 429, every
5xx, and whatever HTTP does not define; so is a 2xx that is not a complete response of Asana's.

A failed attempt, `response.RetryableError`, never leaves the client, which retries it or raises `TransientError`.
Messages name the method, the path template and Asana's own message, and never contain the token, a response body or a
full URL.
"""

from typing import Final


class AsanaError(Exception):
    """Any error of this package."""


class ConfigurationError(AsanaError):
    """A missing or invalid setting; the message names it."""


class TransientError(AsanaError):
    """A request whose retry budget is spent."""


class ContractError(AsanaError):
    """A successful response that breaks the protocol."""


class CancelledError(AsanaError):
    """A request that was cancelled by the caller."""


class TruncatedListingError(AsanaError):
    """A listing that ended early: pages were returned, but the next one is refused however often it is requested.

    What was listed exists. What was not listed may exist as well.

    Attributes:
        count: Number of records listed before the end.
        status: HTTP status of the refusal.
        template: Path template.
        reason: Asana's own message, "" if the body had none.
    """

    def __init__(self, *, count: int, status: int, template: str, reason: str) -> None:
        self.count = count
        self.status = status
        self.template = template
        self.reason = reason
        super().__init__(
            f"GET {template} ended early, after {count} records: the next page returned "
            f"{status}{f': {reason}' if reason else ''}"
        )


class PermanentError(AsanaError):
    """A response that would be the same if the request were sent again.

    Attributes:
        status: HTTP status.
        method: HTTP method.
        template: Path template.
        reason: Asana's own message or, for a redirect, its target host; "" if neither is known.
    """

    def __init__(self, *, status: int, template: str, reason: str, method: str = "GET") -> None:
        self.status = status
        self.method = method
        self.template = template
        self.reason = reason
        super().__init__(f"{method} {template} returned {status}{f': {reason}' if reason else ''}")


class RedirectError(PermanentError):
    """A redirect (3xx). The API has none, and the token must not be forwarded."""


class BadRequestError(PermanentError):
    """A malformed or invalid request (400)."""


class OffsetExpiredError(BadRequestError):
    """An offset older than 15 minutes (400)."""


class UnauthorizedError(PermanentError):
    """A rejected token (401)."""


class PlanLimitError(PermanentError):
    """A feature that the workspace's plan does not include (402)."""


class ForbiddenError(PermanentError):
    """An object that the token may not access (403, or 451 for legal reasons)."""


class NotFoundError(PermanentError):
    """An object that was deleted or is not visible to the token (404 or 410)."""


REDIRECTS: Final = range(300, 400)
"""Statuses of redirects."""

_ERROR_CLASSES: dict[int, type[PermanentError]] = {
    400: BadRequestError,
    401: UnauthorizedError,
    402: PlanLimitError,
    403: ForbiddenError,
    404: NotFoundError,
    410: NotFoundError,
    451: ForbiddenError,
}


def permanent_error(*, status: int, template: str, reason: str) -> PermanentError:
    """Build the error for a response that must not be retried.

    An expired offset is only recognizable by its message: 400, "offset: Your pagination token has expired."
    """
    error_class = _ERROR_CLASSES.get(status, RedirectError if status in REDIRECTS else PermanentError)
    if error_class is BadRequestError and reason.startswith("offset:") and "expired" in reason:
        error_class = OffsetExpiredError
    return error_class(status=status, template=template, reason=reason)
