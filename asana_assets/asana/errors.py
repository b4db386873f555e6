"""What can go wrong with Asana, named by what the caller should do.

    AsanaError
    ├── ConfigurationError         a setting is missing or unusable; nothing was sent
    ├── TransientError       was sent again and again until the budget was spent; a later run may succeed
    ├── PermanentError       sending it again would be answered the same
    │   ├── BadRequestError    400
    │   │   └── OffsetExpiredError  the page token outlived its 15 minutes: start that listing again
    │   ├── UnauthorizedError  401, for every request of this token
    │   ├── PlanLimitError     402, not on this workspace's plan
    │   ├── ForbiddenError     403, no access
    │   └── NotFoundError      404, deleted or never visible
    ├── ContractError        a 200 that breaks the protocol: its rows cannot be trusted
    └── StoppedError         the caller asked to stop

Messages name the method, the path template and Asana's own words; never a token, a body or a full URL.
"""


class AsanaError(Exception):
    """Any failure to read Asana."""


class ConfigurationError(AsanaError):
    """The message names the setting."""


class TransientError(AsanaError):
    """The retry budget of one request was spent."""


class ContractError(AsanaError):
    """A successful answer that breaks the protocol."""


class CancelledError(AsanaError):
    """Reading was stopped from outside."""


class PermanentError(AsanaError):
    """A final answer. `reason` is Asana's own message, or "" where the body had none."""

    def __init__(self, *, status: int, template: str, reason: str, method: str = "GET") -> None:
        self.status = status
        self.method = method
        self.template = template
        self.reason = reason
        super().__init__(f"{method} {template} answered {status}{f': {reason}' if reason else ''}")


class BadRequestError(PermanentError):
    """400."""


class OffsetExpiredError(BadRequestError):
    """400 for a page token older than 15 minutes."""


class UnauthorizedError(PermanentError):
    """401."""


class PlanLimitError(PermanentError):
    """402."""


class ForbiddenError(PermanentError):
    """403."""


class NotFoundError(PermanentError):
    """404."""


_BY_STATUS: dict[int, type[PermanentError]] = {
    400: BadRequestError,
    401: UnauthorizedError,
    402: PlanLimitError,
    403: ForbiddenError,
    404: NotFoundError,
}


def permanent_error(*, status: int, template: str, reason: str) -> PermanentError:
    """Build the error of a final answer.

    Asana says of a page token past its age "offset: Your pagination token has expired.", with status 400.
    """
    kind = _BY_STATUS.get(status, PermanentError)
    if kind is BadRequestError and reason.startswith("offset:") and "expired" in reason:
        kind = OffsetExpiredError
    return kind(status=status, template=template, reason=reason)
